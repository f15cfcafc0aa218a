/* timerfd_create(2), timerfd_settime(2), timerfd_gettime(2). The timer is sentry/fs/timerfd.c. */
#include "sentry/fs/timerfd.h"

#include <sys/timerfd.h>

#include "sentry/base/errno.h"
#include "syscalls/helpers.h"
#include "syscalls/syscalls.h"

long sys_timerfd_create(struct task *t, int clockid, int flags)
{
    AUTO_PUT(file) f = NULL;
    int r;

    if (flags & ~(TFD_CLOEXEC | TFD_NONBLOCK)) {
        return -EINVAL;
    }
    switch (clockid) {
    case CLOCK_REALTIME:
    case CLOCK_MONOTONIC:
    case CLOCK_BOOTTIME:
        break;
    case CLOCK_REALTIME_ALARM:
    case CLOCK_BOOTTIME_ALARM:
        if (!cred_capable(t->cred, CAP_WAKE_ALARM)) {
            return -EPERM;
        }
        break;
    default:
        return -EINVAL;
    }
    r = timerfd_new(clockid, (unsigned)flags, t->cred, &f);
    if (r < 0) {
        return r;
    }
    return fd_table_install(t->files, f, 0, fd_limit(t), flags & TFD_CLOEXEC);
}

static bool timespec_valid(const struct timespec *ts)
{
    return ts->tv_sec >= 0 && ts->tv_nsec >= 0 && ts->tv_nsec < NSEC_PER_SEC;
}

/* Saturates, as ktime does. */
static int64_t timespec_ns(const struct timespec *ts)
{
    int64_t ns;

    if (__builtin_mul_overflow(ts->tv_sec, NSEC_PER_SEC, &ns) ||
        __builtin_add_overflow(ns, ts->tv_nsec, &ns)) {
        return INT64_MAX;
    }
    return ns;
}

static struct itimerspec itimerspec_from(const struct timerfd_value *v)
{
    return (struct itimerspec){
        .it_value = {v->left_ns / NSEC_PER_SEC, v->left_ns % NSEC_PER_SEC},
        .it_interval = {v->interval_ns / NSEC_PER_SEC, v->interval_ns % NSEC_PER_SEC},
    };
}

long sys_timerfd_settime(struct task *t, int fd, int flags, uaddr_t new_value, uaddr_t old_value)
{
    AUTO_PUT(file) f = NULL;
    struct itimerspec new, old;
    struct timerfd_value was;
    int r = get_user(t->mm, &new, new_value);

    if (r < 0) {
        return r;
    }
    if (flags & ~(TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET) || !timespec_valid(&new.it_value) ||
        !timespec_valid(&new.it_interval)) {
        return -EINVAL;
    }
    r = file_in(t, fd, &f);
    if (r < 0) {
        return r;
    }
    r = timerfd_set(f, (unsigned)flags, timespec_ns(&new.it_value), timespec_ns(&new.it_interval),
                    &was);
    if (r < 0 || !old_value) {
        return r;
    }
    old = itimerspec_from(&was);
    return put_user(t->mm, old_value, &old);
}

long sys_timerfd_gettime(struct task *t, int fd, uaddr_t curr_value)
{
    AUTO_PUT(file) f = NULL;
    struct timerfd_value v;
    struct itimerspec its;
    int r = file_in(t, fd, &f);

    if (r < 0) {
        return r;
    }
    r = timerfd_get(f, &v);
    if (r < 0) {
        return r;
    }
    its = itimerspec_from(&v);
    return put_user(t->mm, curr_value, &its);
}
