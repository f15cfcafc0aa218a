/* Times in guest memory, as nanoseconds. */
#pragma once

#include <sys/time.h>
#include <time.h>

#include "sentry/base/errno.h"
#include "sentry/base/timer.h"
#include "sentry/base/waitq.h"
#include "sentry/mm/usercopy.h"

static inline struct timespec ns_timespec(int64_t ns)
{
    return (struct timespec){.tv_sec = ns / NSEC_PER_SEC, .tv_nsec = ns % NSEC_PER_SEC};
}

static inline struct timeval ns_timeval(int64_t ns)
{
    return (struct timeval){.tv_sec = ns / NSEC_PER_SEC,
                            .tv_usec = ns % NSEC_PER_SEC / NSEC_PER_USEC};
}

/* Times beyond what 64-bit nanoseconds hold (292 years) become the largest: for ever. -EINVAL: not a time. */
MUST_CHECK static inline int timespec_ns(const struct timespec *ts, int64_t *out)
{
    if (ts->tv_sec < 0 || ts->tv_nsec < 0 || ts->tv_nsec >= NSEC_PER_SEC) {
        return -EINVAL;
    }
    *out = ts->tv_sec >= INT64_MAX / NSEC_PER_SEC ? INT64_MAX
                                                  : ts->tv_sec * NSEC_PER_SEC + ts->tv_nsec;
    return 0;
}

MUST_CHECK static inline int timeval_to_ns(const struct timeval *tv, int64_t *out)
{
    if (tv->tv_usec < 0 || tv->tv_usec >= 1000000) {
        return -EINVAL;
    }
    const struct timespec ts = {.tv_sec = tv->tv_sec, .tv_nsec = tv->tv_usec * NSEC_PER_USEC};
    return timespec_ns(&ts, out);
}

/* Errors: -EFAULT, -EINVAL. */
MUST_CHECK static inline int timespec_in(struct mm *mm, uaddr_t from, int64_t *out)
{
    struct timespec ts;
    return get_user(mm, &ts, from) < 0 ? -EFAULT : timespec_ns(&ts, out);
}

MUST_CHECK static inline int timespec_out(struct mm *mm, uaddr_t to, int64_t ns)
{
    const struct timespec ts = ns_timespec(ns);
    return put_user(mm, to, &ts);
}

/* CLOCK_MONOTONIC of a time left_ns from now; WAIT_FOREVER when that is beyond all time. */
static inline int64_t deadline_after(int64_t left_ns)
{
    int64_t now = ktime_monotonic_ns();
    return left_ns >= WAIT_FOREVER - now ? WAIT_FOREVER : now + left_ns;
}
