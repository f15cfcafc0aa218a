/*
 * Reading clocks. Most programs never get here: the vDSO answers. Setting is EPERM for everybody: the
 * machine's clock is not the guest's. See clock_gettime(2), adjtimex(2), times(2).
 */
#include "sentry/base/errno.h"

#include <sys/times.h>
#include <sys/timex.h>

#include "sentry/mm/usercopy.h"
#include "sentry/task/clock.h"
#include "sentry/task/facts.h"
#include "sentry/task/task.h"
#include "sentry/task/usage.h"
#include "syscalls/syscalls.h"
#include "syscalls/timespec.h"

long sys_clock_gettime(struct task *t, int clockid, uaddr_t tp)
{
    int64_t ns;
    int r = guest_clock_ns(t, clockid, &ns);
    return r < 0 ? r : timespec_out(t->mm, tp, ns);
}

long sys_clock_getres(struct task *t, int clockid, uaddr_t res)
{
    int64_t ns;
    int r = guest_clock_resolution(t, clockid, &ns);
    return r < 0 || !res ? r : timespec_out(t->mm, res, ns);
}

long sys_clock_settime(struct task *t, int clockid, uaddr_t tp)
{
    int64_t ns;
    /* Only the wall clock and CPU clocks have a setter at all; the latter refuse. */
    if (clockid >= 0 && clockid != CLOCK_REALTIME) {
        return -EINVAL;
    }
    struct timespec ts;
    if (get_user(t->mm, &ts, tp) < 0) {
        return -EFAULT;
    }
    int r = clockid < 0 ? guest_clock_ns(t, clockid, &ns) : timespec_ns(&ts, &ns);
    return r < 0 ? r : -EPERM;
}

long sys_gettimeofday(struct task *t, uaddr_t tv, uaddr_t tz)
{
    const struct timeval now = ns_timeval(ktime_realtime_ns());
    const struct timezone zone = {0};
    if (tv && put_user(t->mm, tv, &now) < 0) {
        return -EFAULT;
    }
    return tz ? put_user(t->mm, tz, &zone) : 0;
}

long sys_settimeofday(struct task *t, uaddr_t tv, uaddr_t tz)
{
    struct timeval v;
    struct timezone zone;
    int64_t ns;
    if (tv) {
        if (get_user(t->mm, &v, tv) < 0) {
            return -EFAULT;
        }
        if (timeval_to_ns(&v, &ns) < 0) {
            return -EINVAL;
        }
    }
    if (tz && get_user(t->mm, &zone, tz) < 0) {
        return -EFAULT;
    }
    return -EPERM;
}

long sys_time(struct task *t, uaddr_t tloc)
{
    int64_t now = ktime_realtime_ns() / NSEC_PER_SEC;
    return tloc && put_user(t->mm, tloc, &now) < 0 ? -EFAULT : now;
}

long sys_times(struct task *t, uaddr_t buf)
{
    struct rusage self;
    if (buf) {
        thread_group_usage(t->tg, &self);
        const struct tms tms = {.tms_utime = usage_ticks(&self.ru_utime),
                                .tms_stime = usage_ticks(&self.ru_stime),
                                .tms_cutime = usage_ticks(&t->tg->children_usage.ru_utime),
                                .tms_cstime = usage_ticks(&t->tg->children_usage.ru_stime)};
        const uint64_t children[2] = {(uint64_t)tms.tms_cutime, (uint64_t)tms.tms_cstime};
        facts_know(t, FACT_CHILDREN, children, sizeof(children));
        if (put_user(t->mm, buf, &tms) < 0) {
            return -EFAULT;
        }
    }
    return ktime_monotonic_ns() / (NSEC_PER_SEC / 100);
}

/*
 * Reading only (modes 0), with what a machine that nobody disciplines answers: TIME_ERROR, as the
 * sandbox does not know whether the host's clock is synchronised.
 */
static long adjust(struct task *t, uaddr_t buf)
{
    struct timex tx;
    if (get_user(t->mm, &tx, buf) < 0) {
        return -EFAULT;
    }
    if (tx.modes && tx.modes != ADJ_OFFSET_SS_READ) {
        return -EPERM;
    }
    tx.offset = tx.freq = 0;
    tx.maxerror = tx.esterror = 16000000;
    tx.status = STA_UNSYNC;
    tx.constant = 2;
    tx.precision = 1;
    tx.tolerance = 32768000;
    tx.tick = 10000;
    tx.ppsfreq = tx.jitter = tx.shift = tx.stabil = 0;
    tx.jitcnt = tx.calcnt = tx.errcnt = tx.stbcnt = 0;
    tx.tai = (int)((host_time_ns(CLOCK_TAI) - host_time_ns(CLOCK_REALTIME) + NSEC_PER_SEC / 2) /
                   NSEC_PER_SEC);
    tx.time = ns_timeval(ktime_realtime_ns());
    return put_user(t->mm, buf, &tx) < 0 ? -EFAULT : TIME_ERROR;
}

long sys_adjtimex(struct task *t, uaddr_t buf)
{
    return adjust(t, buf);
}

long sys_clock_adjtime(struct task *t, int clockid, uaddr_t buf)
{
    enum clock_kind kind;
    struct timex tx;
    if (get_user(t->mm, &tx, buf) < 0) {
        return -EFAULT;
    }
    int r = guest_clock_kind(t, clockid, &kind);
    if (r < 0) {
        return r;
    }
    return clockid == CLOCK_REALTIME ? adjust(t, buf) : -EOPNOTSUPP;
}
