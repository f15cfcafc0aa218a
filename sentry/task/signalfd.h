/* signalfd(2): a task's pending signals as a file. */
#pragma once

#include "sentry/task/task.h"

/* flags: SFD_NONBLOCK. Errors: -ENOMEM. */
MUST_CHECK int signalfd_new(ksigset_t mask, unsigned flags, const struct cred *cred,
                            struct file **out);
/* Changes which signals it takes. Errors: -EINVAL not a signalfd. */
MUST_CHECK int signalfd_set_mask(struct file *f, ksigset_t mask);
