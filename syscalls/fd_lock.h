/* fcntl's lock commands. */
#pragma once

#include "sentry/task/task.h"

/* F_GETLK F_SETLK F_SETLKW F_OFD_GETLK F_OFD_SETLK F_OFD_SETLKW on f, which is open as fd. Context: may block. */
MUST_CHECK long fcntl_lock(struct task *t, int fd, struct file *f, unsigned cmd, uaddr_t arg);
