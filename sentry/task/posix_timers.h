/* POSIX per-process timers, in nanoseconds. See timer_create(2). */
#pragma once

#include "sentry/task/clock.h"

struct posix_timer_spec {
    clockid_t clock;
    int notify; /* SIGEV_SIGNAL, SIGEV_NONE; with SIGEV_THREAD_ID the signal goes to tid */
    int signo;
    int tid;
    bool value_is_id; /* sigevent NULL: sival is the timer's number */
    union sigval value;
};
/* Return: the timer's number. Errors: -EINVAL, -EOPNOTSUPP (a clock without timers), -EAGAIN, -ENOMEM. */
MUST_CHECK int posix_timer_create(struct task *t, const struct posix_timer_spec *spec);
/* Errors of these: -EINVAL no such timer. */
MUST_CHECK int posix_timer_settime(struct task *t, int id, bool absolute, int64_t value_ns,
                                   int64_t interval_ns);
MUST_CHECK int posix_timer_gettime(struct task *t, int id, int64_t *out_left_ns,
                                   int64_t *out_interval_ns);
MUST_CHECK int posix_timer_getoverrun(struct task *t, int id);
MUST_CHECK int posix_timer_delete(struct task *t, int id);
