/* From a system call number to its handler. */
#pragma once

#include "lib/macros.h"

struct task;

/**
 * syscall_dispatch - serve one system call of t.
 * @nr:   the guest's rax: hostile. Linux looks at the low 32 bits only, and so does this.
 * @args: the six argument registers: hostile. Read once, before the handler runs.
 *
 * Context: t's own kthread; may block.
 * Return:  what the handler returns: >= 0, -errno, or one of -ERESTART*.
 * Errors:  -ENOSYS no such number (also every x32 number); for rows that are UNSUPPORTED, the row's own errno.
 */
long syscall_dispatch(struct task *t, uint64_t nr, const uint64_t args[6]);
