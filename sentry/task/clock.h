/*
 * The clocks a guest can name, in nanoseconds. See clock_gettime(2). They are the host's, and can't be
 * set; CPU-time clocks are of guest processes.
 */
#pragma once

#include <time.h>

#include "sentry/task/task.h"

enum clock_kind {
    CLOCK_KIND_WALL,   /* counts real time: REALTIME, TAI */
    CLOCK_KIND_UPTIME, /* MONOTONIC, BOOTTIME */
    CLOCK_KIND_READ,   /* no timers, no sleeping: RAW, COARSE */
    CLOCK_KIND_ALARM,  /* of a machine without a clock that could wake it: they don't even read */
    CLOCK_KIND_CPU,    /* of a process or thread */
};
/* Errors: -EINVAL no such clock, or of a process that is not there. */
MUST_CHECK int guest_clock_kind(struct task *t, clockid_t id, enum clock_kind *out);
/* The clock's value as t sees it. Errors: -EINVAL. */
MUST_CHECK int guest_clock_ns(struct task *t, clockid_t id, int64_t *out);
/* Errors: -EINVAL. */
MUST_CHECK int guest_clock_resolution(struct task *t, clockid_t id, int64_t *out);
/* Whose CPU time a clock counts: one thread's (task), or else its whole process's. Both are references. */
struct cpu_clock {
    struct thread_group *tg;
    struct task *task; /* NULL: the process */
};
/* Errors: -EINVAL: not a CPU clock, or nobody's. */
MUST_CHECK int cpu_clock_get(struct task *t, clockid_t id, struct cpu_clock *out);
void cpu_clock_put(struct cpu_clock *c);
int64_t cpu_clock_ns(const struct cpu_clock *c);
/* The value of a wall or uptime clock; needs no task. */
int64_t host_time_ns(clockid_t id);
