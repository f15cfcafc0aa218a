/*
 * pidfds: file descriptors that name a process, or with PIDFD_THREAD a thread. See pidfd_open(2).
 */
#pragma once

#include "sentry/task/task.h"

#ifndef PIDFD_THREAD
#define PIDFD_THREAD O_EXCL
#endif
#define PIDFD_NONBLOCK O_NONBLOCK

/* t names the process when it is its leader and flags has no PIDFD_THREAD. Errors: -ENOMEM. */
MUST_CHECK int pidfd_new(struct task *t, unsigned flags, const struct cred *cred,
                         struct file **out);
bool file_is_pidfd(const struct file *f);
/* The process that a pidfd names, borrowed from f: reaped ones too (their pid->tg is another). -EBADF: not a pidfd. */
MUST_CHECK int pidfd_group(const struct file *f, struct thread_group **out);
/* The task it names, with a reference. Errors: -EBADF not a pidfd; -ESRCH it is gone. */
MUST_CHECK int pidfd_task(const struct file *f, struct task **out);
