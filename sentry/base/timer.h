/*
 * Kernel timers: a binary heap of deadlines on CLOCK_MONOTONIC behind one host timerfd, which the
 * events thread watches. Analogous to Linux's hrtimers.
 */
#pragma once

#include <stdbool.h>

#include "lib/macros.h"

struct ktimer {
    int64_t deadline_ns; /* CLOCK_MONOTONIC */
    size_t heap_index;   /* 1-based; 0: not armed */
    /* Context: events thread, under the baton; must not block; may re-arm. */
    void (*fire)(struct ktimer *t);
};

void ktimer_init(struct ktimer *t, void (*fire)(struct ktimer *t));
/* Arms, or moves an armed timer. A deadline in the past fires soon. */
void ktimer_set(struct ktimer *t, int64_t deadline_ns);
/* Idempotent. After it returns fire will not be called. */
void ktimer_cancel(struct ktimer *t);
static inline bool ktimer_armed(const struct ktimer *t)
{
    return t->heap_index != 0;
}
MUST_CHECK int timers_init(void); /* makes the timerfd and registers it with events.h */
int64_t ktime_monotonic_ns(void);
int64_t ktime_realtime_ns(void);
