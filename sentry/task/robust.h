/* The robust futex list: what a thread that dies held. See get_robust_list(2). */
#pragma once

#include "sentry/task/task.h"

/*
 * At its end, or before exec: walks t's list and marks what it holds; once. The memory must still exist.
 * @wake: t is the caller, in a system call, and its guest thread can be ordered to wake those who wait.
 *
 * Context: may block with wake; else not.
 */
void robust_list_exit(struct task *t, bool wake);
/* What t set with set_robust_list; 0: nothing. */
uaddr_t robust_list_of(const struct task *t);
/* FUTEX_WAKE of one waiter at addr by t's own guest thread. Context: may block. */
void futex_wake_one(struct task *t, uaddr_t addr);
