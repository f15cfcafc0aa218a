/*
 * A handler for each row of table.def that no other file defines: -ENOSYS, and one line in the log.
 * Weak symbols, so that a real handler replaces its default at link time.
 */
#include <errno.h>
#include <stdbool.h>

#include "lib/log.h"
#include "syscalls/syscalls.h"

#pragma GCC diagnostic ignored "-Wunused-parameter"

#define WEAK_FULL(name, ...)                                                                       \
    __attribute__((weak)) long sys_##name(struct task *t ROW_PARAMS(__VA_ARGS__))                  \
    {                                                                                              \
        static bool logged;                                                                        \
        if (!logged) {                                                                             \
            logged = true;                                                                         \
            log_debug("no handler for " #name);                                                    \
        }                                                                                          \
        return -ENOSYS;                                                                            \
    }
#define WEAK_PARTIAL(note)            WEAK_FULL
#define WEAK_STUB(note)               WEAK_FULL
#define WEAK_UNSUPPORTED(error, note) WEAK_NONE
#define WEAK_NONE(name, ...)
#define SYSCALL(nr, name, support, class, result, ...)                                             \
    WEAK_##support(name __VA_OPT__(, ) __VA_ARGS__)
#include "syscalls/table.def"
#undef SYSCALL
