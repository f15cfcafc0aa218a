/* Interval timers (setitimer, alarm) and POSIX timers (timer_create and its kin): argument decoding. */
#include "sentry/base/errno.h"

#include <signal.h>

#include "sentry/mm/usercopy.h"
#include "sentry/task/itimer.h"
#include "sentry/task/posix_timers.h"
#include "sentry/task/task.h"
#include "syscalls/syscalls.h"
#include "syscalls/timespec.h"

static bool itimer_valid(int which)
{
    return which == ITIMER_REAL || which == ITIMER_VIRTUAL || which == ITIMER_PROF;
}

static struct itimerval itimer_read(struct task *t, int which)
{
    int64_t value, interval;
    itimer_get(t->tg, which, &value, &interval);
    return (struct itimerval){.it_value = ns_timeval(value), .it_interval = ns_timeval(interval)};
}

long sys_getitimer(struct task *t, int which, uaddr_t curr_value)
{
    if (!itimer_valid(which)) {
        return -EINVAL;
    }
    const struct itimerval v = itimer_read(t, which);
    return put_user(t->mm, curr_value, &v);
}

long sys_setitimer(struct task *t, int which, uaddr_t new_value, uaddr_t old_value)
{
    struct itimerval new = {0};
    int64_t value, interval;
    if (new_value && get_user(t->mm, &new, new_value) < 0) { /* NULL disarms: an old Linux habit */
        return -EFAULT;
    }
    if (timeval_to_ns(&new.it_value, &value) < 0 ||
        timeval_to_ns(&new.it_interval, &interval) < 0 || !itimer_valid(which)) {
        return -EINVAL;
    }
    const struct itimerval old = itimer_read(t, which);
    itimer_set(t->tg, which, value, interval);
    return old_value ? put_user(t->mm, old_value, &old) : 0;
}

long sys_alarm(struct task *t, unsigned seconds)
{
    /* Linux keeps the sum of the result within a signed int. */
    int64_t value = MIN((int64_t)seconds, (int64_t)INT32_MAX) * NSEC_PER_SEC;
    const struct itimerval old = itimer_read(t, ITIMER_REAL);
    itimer_set(t->tg, ITIMER_REAL, value, 0);
    /* Never 0 while a timer was armed; rounded to the nearest second else. */
    bool up = (!old.it_value.tv_sec && old.it_value.tv_usec) || old.it_value.tv_usec >= 500000;
    return old.it_value.tv_sec + up;
}

/* --- POSIX timers --- */

struct guest_sigevent { /* 64 bytes, of which 20 mean something */
    union sigval value;
    int signo, notify, tid;
    int pad[11];
};
_Static_assert(sizeof(struct guest_sigevent) == 64, "struct sigevent");

long sys_timer_create(struct task *t, int clockid, uaddr_t sevp, uaddr_t timerid)
{
    struct guest_sigevent e;
    struct posix_timer_spec spec = {
        .clock = clockid, .notify = SIGEV_SIGNAL, .signo = SIGALRM, .value_is_id = true};
    if (sevp) {
        if (get_user(t->mm, &e, sevp) < 0) {
            return -EFAULT;
        }
        spec = (struct posix_timer_spec){
            .clock = clockid, .notify = e.notify, .signo = e.signo, .tid = e.tid, .value = e.value};
    }
    int id = posix_timer_create(t, &spec);
    if (id < 0) {
        return id;
    }
    if (put_user(t->mm, timerid, &id) < 0) {
        int r = posix_timer_delete(t, id);
        (void)r; /* it was there a moment ago */
        return -EFAULT;
    }
    return 0;
}

static int read_timer(struct task *t, int timerid, struct itimerspec *out)
{
    int64_t left, interval;
    int r = posix_timer_gettime(t, timerid, &left, &interval);
    if (r == 0) {
        *out = (struct itimerspec){.it_value = ns_timespec(left),
                                   .it_interval = ns_timespec(interval)};
    }
    return r;
}

long sys_timer_gettime(struct task *t, int timerid, uaddr_t curr_value)
{
    struct itimerspec v;
    int r = read_timer(t, timerid, &v);
    return r < 0 ? r : put_user(t->mm, curr_value, &v);
}

long sys_timer_settime(struct task *t, int timerid, int flags, uaddr_t new_value, uaddr_t old_value)
{
    struct itimerspec new, old;
    int64_t value, interval;
    if (!new_value) {
        return -EINVAL;
    }
    if (get_user(t->mm, &new, new_value) < 0) {
        return -EFAULT;
    }
    if (timespec_ns(&new.it_interval, &interval) < 0 || timespec_ns(&new.it_value, &value) < 0) {
        return -EINVAL;
    }
    int r = read_timer(t, timerid, &old);
    if (r == 0) {
        r = posix_timer_settime(t, timerid, flags & TIMER_ABSTIME, value, interval);
    }
    if (r < 0) {
        return r;
    }
    return old_value ? put_user(t->mm, old_value, &old) : 0;
}

long sys_timer_getoverrun(struct task *t, int timerid)
{
    return posix_timer_getoverrun(t, timerid);
}

long sys_timer_delete(struct task *t, int timerid)
{
    return posix_timer_delete(t, timerid);
}
