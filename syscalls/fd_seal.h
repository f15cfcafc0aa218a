/* fcntl's seal commands. */
#pragma once

#include "sentry/task/task.h"

/* F_GET_SEALS. Errors: -EINVAL not a memfd. */
MUST_CHECK long fcntl_get_seals(const struct file *f);
/* F_ADD_SEALS. Context: may block. Errors: -EINVAL, -EPERM, -EBUSY (F_SEAL_WRITE while it is mapped for writing). */
MUST_CHECK long fcntl_add_seals(struct file *f, unsigned seals);
