/*
 * What a process of ours says when it is itself at fault: a BUG, or a fault signal in its own code.
 * It prints what the caller's report adds, its backtrace (names from its own executable), and ends with
 * status 125. Works behind the host filter: everything it needs is prepared, and it allocates nothing. Analogous to Linux's die() and show_stack().
 */
#pragma once

#include <stdint.h>

/**
 * panic_init - from now on, BUGs and faults of this process end it with a report on stderr.
 * @report: called before the backtrace, in a signal handler's or BUG's context; may be NULL.
 *
 * Maps the executable (for names; not resident until needed), so before the root is emptied.
 */
void panic_init(void (*report)(void));
/* Each further host thread, at its start: a stack for the handler. */
void panic_thread_init(void);
