/*
 * nanosleep and clock_nanosleep. An interrupted relative sleep stores what is left, and goes on to its
 * first deadline through restart_syscall when no handler ran; an absolute one is simply called again.
 */
#include "sentry/base/errno.h"

#include "sentry/mm/usercopy.h"
#include "sentry/task/clock.h"
#include "sentry/task/task.h"
#include "sentry/task/usage.h"
#include "syscalls/syscalls.h"
#include "syscalls/timespec.h"

/* t->restart_args of a sleep */
enum { ARG_CLOCK, ARG_DEADLINE, ARG_REM };

/* When to look again: the CPU clock needs at least what is missing, unless several threads run. */
static int64_t next_look(struct task *t, int64_t left_ns, bool cpu)
{
    if (cpu) {
        int64_t threads = MAX(MIN(t->tg->live_threads, (int)g_kernel->cpu_count), 1);
        left_ns = MAX(left_ns / threads, NSEC_PER_MSEC);
    }
    return deadline_after(left_ns);
}

/* Sleeps until the clock shows deadline_ns. 0, -ERESTARTSYS, or -EINVAL (the clock is gone). *out_left: for rem. */
static int sleep_until(struct task *t, clockid_t clock, int64_t deadline_ns, int64_t *out_left)
{
    enum clock_kind kind;
    int r = guest_clock_kind(t, clock, &kind);
    while (r == 0 || r == -ETIMEDOUT) {
        int64_t now;
        r = guest_clock_ns(t, clock, &now);
        if (r < 0) {
            return r;
        }
        *out_left = deadline_ns - now;
        if (*out_left <= 0) {
            return 0;
        }
        r = waitq_sleep(WAIT_INTERRUPTIBLE, next_look(t, *out_left, kind == CLOCK_KIND_CPU));
    }
    return r;
}

static long sleep_restart(struct task *t);

static long sleep_relative(struct task *t, clockid_t clock, int64_t deadline_ns, uaddr_t rem)
{
    int64_t left = 0;
    int r = sleep_until(t, clock, deadline_ns, &left);
    if (r != -ERESTARTSYS) {
        return r;
    }
    int64_t now;
    if (guest_clock_ns(t, clock, &now) == 0) {
        left = deadline_ns - now;
    }
    if (left <= 0) {
        return 0;
    }
    if (rem && timespec_out(t->mm, rem, left) < 0) {
        return -EFAULT;
    }
    t->restart = sleep_restart;
    t->restart_args[ARG_CLOCK] = (uint64_t)clock;
    t->restart_args[ARG_DEADLINE] = (uint64_t)deadline_ns;
    t->restart_args[ARG_REM] = rem;
    return -ERESTART_RESTARTBLOCK;
}

static long sleep_restart(struct task *t)
{
    return sleep_relative(t, (clockid_t)t->restart_args[ARG_CLOCK],
                          (int64_t)t->restart_args[ARG_DEADLINE], t->restart_args[ARG_REM]);
}

/* A relative sleep's deadline on its clock; the largest means for ever. */
static int64_t deadline_on(int64_t now, int64_t ns)
{
    return ns > INT64_MAX - now ? INT64_MAX : now + ns;
}

long sys_nanosleep(struct task *t, uaddr_t req, uaddr_t rem)
{
    int64_t ns;
    int r = timespec_in(t->mm, req, &ns);
    if (r < 0) {
        return r;
    }
    return sleep_relative(t, CLOCK_MONOTONIC, deadline_on(host_time_ns(CLOCK_MONOTONIC), ns), rem);
}

/* Linux: no such clock; a clock that can't be slept on; then the time. */
static int check_clock(struct task *t, clockid_t clock)
{
    enum clock_kind kind;
    int r = guest_clock_kind(t, clock, &kind);
    if (r < 0) {
        return r;
    }
    if (kind == CLOCK_KIND_READ || kind == CLOCK_KIND_ALARM || clock == CLOCK_THREAD_CPUTIME_ID) {
        return -EOPNOTSUPP;
    }
    return 0;
}

/* A thread can't wait for its own CPU time to pass. */
static bool own_thread_clock(const struct task *t, clockid_t clock)
{
    return clock < 0 && (clock & 4) && (~(clock >> 3) == 0 || ~(clock >> 3) == task_tid(t));
}

long sys_clock_nanosleep(struct task *t, int clockid, int flags, uaddr_t req, uaddr_t rem)
{
    int64_t ns, now, left;
    int r = check_clock(t, clockid);
    if (r == 0) {
        r = timespec_in(t->mm, req, &ns);
    }
    if (r < 0) {
        return r;
    }
    if (own_thread_clock(t, clockid)) {
        return -EINVAL;
    }
    if (flags & TIMER_ABSTIME) {
        r = sleep_until(t, clockid, ns, &left);
        return r == -ERESTARTSYS ? -ERESTARTNOHAND : r;
    }
    if (clockid == CLOCK_REALTIME || clockid == CLOCK_TAI) {
        clockid = CLOCK_MONOTONIC; /* setting the clock does not move a relative sleep */
    }
    r = guest_clock_ns(t, clockid, &now);
    return r < 0 ? r : sleep_relative(t, clockid, deadline_on(now, ns), rem);
}
