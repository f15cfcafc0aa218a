/*
 * Our own invariants, always compiled in. A guest's action is never a BUG: what a guest can
 * cause gets an errno or ends that guest. bug() prints where, runs the hook (the sentry's prints
 * a backtrace and the guest's last system calls) and ends the process with status 125.
 */
#pragma once

#include "lib/macros.h"

NORETURN void bug(const char *file, int line, const char *what);
/* Called once from bug(), before the process ends; may be NULL. */
void bug_set_hook(void (*hook)(void));

#define BUG() bug(__FILE__, __LINE__, "unreachable")
#define BUG_ON(c)                                                                                  \
    do {                                                                                           \
        if (unlikely(c)) {                                                                         \
            bug(__FILE__, __LINE__, #c);                                                           \
        }                                                                                          \
    } while (0)
