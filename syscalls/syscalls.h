/*
 * The system call handlers: one prototype for each row of table.def that has a handler. A handler
 * whose parameters disagree with its row does not compile.
 */
#pragma once

#include "syscalls/kinds.h"

struct task;

/*
 * Handlers return >= 0 or -errno, also the -ERESTART* of sentry/base/errno.h. Context: the task's own
 * kthread; may block. The arguments are the guest's registers, cut to the types of Linux's own
 * SYSCALL_DEFINE: hostile.
 */
#define HANDLER_FULL(name, ...)          long sys_##name(struct task *t ROW_PARAMS(__VA_ARGS__));
#define HANDLER_PARTIAL(note)            HANDLER_FULL
#define HANDLER_STUB(note)               HANDLER_FULL
#define HANDLER_UNSUPPORTED(error, note) HANDLER_NONE
#define HANDLER_NONE(name, ...)
#define SYSCALL(nr, name, support, class, result, ...)                                             \
    HANDLER_##support(name __VA_OPT__(, ) __VA_ARGS__)
#include "syscalls/table.def"
#undef HANDLER_FULL
#undef HANDLER_PARTIAL
#undef HANDLER_STUB
#undef HANDLER_UNSUPPORTED
#undef HANDLER_NONE
