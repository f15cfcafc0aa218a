/* table.def as an array: see info.h. */
#include "syscalls/info.h"

#include <sys/syscall.h>

#include <errno.h>
#include <string.h>

/* clang-format off */
/* A row's support cell. */
#define SUPPORT_FULL {LEVEL_FULL, 0, NULL}
#define SUPPORT_PARTIAL(note) {LEVEL_PARTIAL, 0, note}
#define SUPPORT_STUB(note) {LEVEL_STUB, 0, note}
#define SUPPORT_UNSUPPORTED(error, note) {LEVEL_UNSUPPORTED, error, note}

/* A triple's detail. */
#define DETAIL__ {FORM_NONE, 0, 0}
#define DETAIL_PATH {FORM_PATH, 0, 0}
#define DETAIL_TEXT(max) {FORM_TEXT, 0, max}
#define DETAIL_LEN(n) {FORM_LEN, 0, n}
#define DETAIL_LEN_AT(n) {FORM_LEN_AT, 0, n}
#define DETAIL_RET(n) {FORM_RET, 0, n}
#define DETAIL_DIRENTS {FORM_DIRENTS, 0, 0}
#define DETAIL_CPUSET(n) {FORM_CPUSET, 0, n}
#define DETAIL_COUNT(n) {FORM_COUNT, 0, n}
#define DETAIL_OF(x) {FORM_OF, LAYOUT_##x, 0}
#define DETAIL_ARRAY(x, n) {FORM_ARRAY, LAYOUT_##x, n}
#define DETAIL_RET_ARRAY(x, n) {FORM_RET_ARRAY, LAYOUT_##x, n}
#define DETAIL_SIZED(x, n) {FORM_SIZED, LAYOUT_##x, n}
#define DETAIL_SIZED_AT(x, n) {FORM_SIZED_AT, LAYOUT_##x, n}
#define DETAIL_FDSET(n) {FORM_FDSET, 0, n}
#define DETAIL_SET(x) {FORM_SET, DECODE_##x, 0}
#define DETAIL_ENUM(x) {FORM_ENUM, DECODE_##x, 0}
#define DETAIL_HEX {FORM_HEX, 0, 0}
#define DETAIL_OCTAL {FORM_OCTAL, 0, 0}
#define DETAIL_FILE_TYPE {FORM_FILE_TYPE, 0, 0}
#define DETAIL_IOCTL {FORM_IOCTL, 0, 0}
#define DETAIL_FCNTL {FORM_FCNTL, 0, 0}
#define DETAIL_FUTEX_TIMEOUT {FORM_FUTEX_TIMEOUT, 0, 0}
#define DETAIL_ARGV {FORM_ARGV, 0, 0}
#define DETAIL_ENVP {FORM_ENVP, 0, 0}

/* clang-format on */

#define ARG_INFO_(i, kind, name, detail) {#name, KIND_##kind, DETAIL_##detail},

const struct syscall_info g_syscalls[] = {
#define SYSCALL(nr, name, support, class, result, ...)                                             \
    {nr,                                                                                           \
     #name,                                                                                        \
     SUPPORT_##support,                                                                            \
     CLASS_##class,                                                                                \
     RESULT_##result,                                                                              \
     ROW_ARG_COUNT(__VA_ARGS__),                                                                   \
     {ROW_ARGS(ARG_INFO_, __VA_ARGS__)}},
#include "syscalls/table.def"
};
const size_t g_syscall_count = ARRAY_COUNT(g_syscalls);

const struct syscall_in_stub g_syscalls_in_stub[] = {
#define IN_STUB(name, how, note) {SYS_##name, IN_STUB_##how, note},
#include "syscalls/table.def"
};
const size_t g_syscalls_in_stub_count = ARRAY_COUNT(g_syscalls_in_stub);

const struct syscall_in_stub *syscall_in_stub(uint64_t nr)
{
    for (size_t i = 0; i < g_syscalls_in_stub_count; i++) {
        if (g_syscalls_in_stub[i].nr == nr) {
            return &g_syscalls_in_stub[i];
        }
    }
    return NULL;
}

const char *syscall_in_stub_name(enum in_stub_how how)
{
    static const char *const names[] = {[IN_STUB_KEPT] = "kept",
                                        [IN_STUB_SELF] = "kept",
                                        [IN_STUB_STATE] = "stub",
                                        [IN_STUB_GATE] = "gate",
                                        [IN_STUB_LEASE] = "lease"};
    return names[how];
}

const struct syscall_info *syscall_info(uint64_t nr)
{
    size_t low = 0, high = g_syscall_count;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (g_syscalls[mid].nr == nr) {
            return &g_syscalls[mid];
        }
        if (g_syscalls[mid].nr < nr) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return NULL;
}

const struct syscall_info *syscall_find(const char *name)
{
    for (size_t i = 0; i < g_syscall_count; i++) {
        if (strcmp(g_syscalls[i].name, name) == 0) {
            return &g_syscalls[i];
        }
    }
    return NULL;
}

size_t layout_size(enum arg_layout layout)
{
    static const unsigned short sizes[] = {
#define X(name, size) [LAYOUT_##name] = (size),
        SYSCALL_LAYOUTS(X)
#undef X
    };
    return sizes[layout];
}

const char *syscall_level_name(enum syscall_level level)
{
    static const char *const names[] = {[LEVEL_FULL] = "full",
                                        [LEVEL_PARTIAL] = "partial",
                                        [LEVEL_STUB] = "stub",
                                        [LEVEL_UNSUPPORTED] = "none"};
    return names[level];
}

const char *syscall_class_name(enum syscall_class class)
{
    static const char *const names[] = {
        [CLASS_DESC] = "desc",   [CLASS_FILE] = "file",    [CLASS_MEM] = "memory",
        [CLASS_NET] = "network", [CLASS_PROC] = "process", [CLASS_SIG] = "signal",
        [CLASS_TIME] = "time",   [CLASS_IPC] = "ipc",      [CLASS_MISC] = "misc"};
    return names[class];
}

const char *error_name(int error)
{
    return strerrorname_np(error);
}
