/*
 * Signal-driven I/O: O_ASYNC, F_SETOWN, F_SETSIG. fcntl(2), "Managing signals".
 */
#pragma once

#include "sentry/task/task.h"

/* Can it tell its owner? Else O_ASYNC means nothing to it. */
bool sigio_possible(const struct file *f);
/* f under the number fd, which the signal names, tells its owner from now on, or no longer; sets O_ASYNC. Errors: -ENOMEM. */
MUST_CHECK int sigio_set(struct task *t, struct file *f, int fd, bool on);
/* One signal to f's owner: si_fd, si_code and si_band. */
void sigio_tell(const struct file *f, int fd, int code, long band);
/* SIGURG to f's owner: there is out-of-band data. O_ASYNC is not asked for. */
void sigio_tell_urgent(const struct file *f);
/* Whom F_SETOWN named, and that t did it. */
void sigio_set_owner(const struct task *t, struct file *f, int type, int id);
/* The same, unless nobody of that number is left: 0. */
int sigio_owner(const struct file *f);
