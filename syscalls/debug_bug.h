/*
 * Debug builds can be told to have a bug (--debug-bug=KIND:CALLS): the only way to test what the sandbox does
 * about its own. Other builds have none of this.
 */
#pragma once

#include "lib/macros.h"

#ifdef DEBUG
/* "bug:100", "segv:100", "abort:100", "stack:100": at the guest's 100th system call. Errors: -EINVAL. */
MUST_CHECK int debug_bug_set(const char *text);
/* Called at each system call, with their number so far. */
void debug_bug_maybe(uint64_t calls);
#else
static inline void debug_bug_maybe(uint64_t calls)
{
    (void)calls;
}
#endif
