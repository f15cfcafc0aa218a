/* setitimer(2)'s three timers of a process, in nanoseconds. which: ITIMER_REAL, ITIMER_VIRTUAL, ITIMER_PROF. */
#pragma once

#include "sentry/task/task.h"

/* Time left (0: not armed) and period. */
void itimer_get(struct thread_group *tg, int which, int64_t *out_value_ns,
                int64_t *out_interval_ns);
/* value 0 disarms. */
void itimer_set(struct thread_group *tg, int which, int64_t value_ns, int64_t interval_ns);
