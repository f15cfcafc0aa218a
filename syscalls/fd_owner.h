/* Who gets a file's signals, as F_SETOWN and the ioctls of sockets name him. fd_fcntl.c. */
#pragma once

#include "sentry/task/task.h"

/* id < 0: the process group -id; 0: nobody. Errors: -EINVAL -ESRCH. */
MUST_CHECK long fcntl_set_owner(struct task *t, struct file *f, int id);
