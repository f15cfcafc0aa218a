/* inotify(7). The system calls are in syscalls/inotify.c. */
#pragma once

#include "sentry/vfs/file.h"

/* flags: IN_NONBLOCK. Errors: -ENOMEM. */
MUST_CHECK int inotify_new(unsigned flags, const struct cred *cred, struct file **out);
/**
 * inotify_watch - watch what p names, or change the watch that is there.
 * @mask: IN_* events and IN_MASK_ADD, IN_MASK_CREATE, IN_ONESHOT, IN_EXCL_UNLINK; already checked.
 *
 * Return:  the watch descriptor.
 * Errors:  -EINVAL not an inotify; -EEXIST IN_MASK_CREATE; -ENOSPC too many; -ENOMEM.
 */
MUST_CHECK int inotify_watch(struct file *f, const struct path *p, uint32_t mask);
/* Errors: -EINVAL not an inotify, or no such watch. */
MUST_CHECK int inotify_unwatch(struct file *f, int wd);
/* Drops all events. Return: all their masks together. */
uint32_t inotify_discard(struct file *f);
bool file_is_inotify(const struct file *f);
