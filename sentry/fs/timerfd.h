/* timerfd(2): timers as files. The system calls are in syscalls/timerfd.c. */
#pragma once

#include <time.h>

#include "sentry/vfs/file.h"

/* clock: CLOCK_REALTIME(_ALARM), _MONOTONIC, _BOOTTIME(_ALARM). flags: TFD_NONBLOCK. Errors: -ENOMEM. */
MUST_CHECK int timerfd_new(int clock, unsigned flags, const struct cred *cred, struct file **out);
/* Time left and interval, in ns; both 0 when disarmed. */
struct timerfd_value {
    int64_t left_ns, interval_ns;
};
/**
 * timerfd_set - arm (value_ns > 0) or disarm the timer.
 * @flags: TFD_TIMER_ABSTIME, TFD_TIMER_CANCEL_ON_SET.
 * @old:   filled with what it was.
 *
 * Errors: -EINVAL not a timerfd.
 */
MUST_CHECK int timerfd_set(struct file *f, unsigned flags, int64_t value_ns, int64_t interval_ns,
                           struct timerfd_value *old);
MUST_CHECK int timerfd_get(struct file *f, struct timerfd_value *out);
