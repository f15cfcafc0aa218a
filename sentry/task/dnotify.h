/*
 * F_NOTIFY: signals for what happens in a directory. fcntl(2), "File and directory change notification".
 */
#pragma once

#include "sentry/task/task.h"

/**
 * dnotify_set - from now on f's owner is told, under the number fd.
 * @mask: DN_*; without any event: no longer. Events are added to those asked for before.
 *
 * Errors: -ENOTDIR, -ENOMEM.
 */
MUST_CHECK int dnotify_set(struct task *t, struct file *f, int fd, unsigned mask);
