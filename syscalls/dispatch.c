/*
 * System call dispatch: an array by number, made from table.def, of small functions that cut the
 * registers to the handler's types and call it. Analogous to Linux's sys_call_table and its SYSCALL_DEFINE wrappers.
 */
#include "syscalls/dispatch.h"

#include <errno.h>

#include "syscalls/syscalls.h"

/* call_<name>: from registers to typed arguments. UNSUPPORTED rows have none. */
#define CALLER_FULL(name, ...)                                                                     \
    static long call_##name(struct task *t, const uint64_t args[6])                                \
    {                                                                                              \
        (void)args;                                                                                \
        return sys_##name(t ROW_VALUES(__VA_ARGS__));                                              \
    }
#define CALLER_PARTIAL(note)            CALLER_FULL
#define CALLER_STUB(note)               CALLER_FULL
#define CALLER_UNSUPPORTED(error, note) CALLER_NONE
#define CALLER_NONE(name, ...)
#define SYSCALL(nr, name, support, class, result, ...)                                             \
    CALLER_##support(name __VA_OPT__(, ) __VA_ARGS__)
#include "syscalls/table.def"

struct entry {
    long (*call)(struct task *t, const uint64_t args[6]); /* NULL: answer error */
    int error;
};
#define ENTRY_FULL(name)                                                                           \
    {                                                                                              \
        call_##name, 0                                                                             \
    }
#define ENTRY_PARTIAL(note)               ENTRY_FULL
#define ENTRY_STUB(note)                  ENTRY_FULL
#define ENTRY_UNSUPPORTED(error_nr, note) {NULL, -(error_nr)} ENTRY_NONE
#define ENTRY_NONE(name)
static const struct entry entries[] = {
#define SYSCALL(nr, name, support, class, result, ...) [nr] = ENTRY_##support(name),
#include "syscalls/table.def"
};

long syscall_dispatch(struct task *t, uint64_t nr, const uint64_t args[6])
{
    uint32_t index = (uint32_t)nr;
    if (index >= ARRAY_COUNT(entries)) {
        return -ENOSYS;
    }
    const struct entry *e = &entries[index];
    if (!e->call) {
        return e->error ? e->error : -ENOSYS; /* no error: a hole in the numbers */
    }
    return e->call(t, args);
}
