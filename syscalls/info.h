/*
 * table.def as data: what strace, the support table, the tests and the fuzzer read at run time.
 */
#pragma once

#include <stdio.h>

#include "syscalls/kinds.h"

/* --- structures that arguments point at: name, size in bytes of one --- */
#define SYSCALL_LAYOUTS(X)                                                                         \
    X(int, sizeof(int))                                                                            \
    X(gid, sizeof(unsigned)) /* an unsigned number: uid, gid, cpu */                               \
    X(long, sizeof(long))                                                                          \
    X(off, sizeof(long)) /* a file offset, printed as strace prints one: [0] => [10] */            \
    X(fd_pair, 2 * sizeof(int))                                                                    \
    X(wait_status, sizeof(int))                                                                    \
    X(stat, 144)                                                                                   \
    X(statx, 256)                                                                                  \
    X(statfs, 120)                                                                                 \
    X(timespec, 16)                                                                                \
    X(timespec_pair, 32)                                                                           \
    X(timeval, 16)                                                                                 \
    X(timeval_pair, 32)                                                                            \
    X(timezone, 8)                                                                                 \
    X(itimerval, 32)                                                                               \
    X(itimerspec, 32)                                                                              \
    X(utimbuf, 16)                                                                                 \
    X(tms, 32)                                                                                     \
    X(timex, 208)                                                                                  \
    X(rlimit, 16)                                                                                  \
    X(rusage, 144)                                                                                 \
    X(sigaction, 32)                                                                               \
    X(sigset, 8)                                                                                   \
    X(sigset_argpack, 16)                                                                          \
    X(siginfo, 128)                                                                                \
    X(sigevent, 64)                                                                                \
    X(stack, 24)                                                                                   \
    X(pollfd, 8)                                                                                   \
    X(epoll_event, 12)                                                                             \
    X(utsname, 390)                                                                                \
    X(sysinfo, 112)                                                                                \
    X(msghdr, 56)                                                                                  \
    X(mmsghdr, 64)                                                                                 \
    X(sockaddr, 128)                                                                               \
    X(sched_param, 4)                                                                              \
    X(clone_args, 88)                                                                              \
    X(open_how, 24)                                                                                \
    X(cap_header, 8)                                                                               \
    X(cap_data, 24)

/* The formatter never settles on this list. */
/* clang-format off */
#define SYSCALL_KINDS(X)                                                                           \
    X(FD) X(DIRFD) X(INT) X(FLAGS) X(PID) X(SIG)                                                   \
    X(CLOCK) X(UINT) X(MODE) X(UID) X(GID) X(DEV32)                                                \
    X(SIZE) X(OFF) X(LONG) X(ULONG) X(DEV) X(ADDR)                                                 \
    X(PTR) X(IN_STR) X(OUT_STR) X(IN_BUF) X(OUT_BUF) X(IN_STRUCT)                                  \
    X(OUT_STRUCT) X(INOUT_STRUCT) X(IN_IOVEC) X(OUT_IOVEC)
/* clang-format on */
enum arg_kind {
#define X(kind) KIND_##kind,
    SYSCALL_KINDS(X)
#undef X
};

enum arg_layout {
#define X(name, size) LAYOUT_##name,
    SYSCALL_LAYOUTS(X)
#undef X
        LAYOUT_COUNT,
};

/* Named bits and values: the names are in decode_sets.c. */
enum decode_set_id {
#define DECODE_SET(name) DECODE_##name,
#include "syscalls/decode_sets.def"
#undef DECODE_SET
    DECODE_SET_COUNT,
};

enum detail_form {
    FORM_NONE,
    FORM_PATH,
    FORM_TEXT,
    FORM_LEN,
    FORM_LEN_AT,
    FORM_RET,
    FORM_DIRENTS,
    FORM_CPUSET,
    FORM_COUNT,
    FORM_OF,
    FORM_ARRAY,
    FORM_RET_ARRAY,
    FORM_SIZED,
    FORM_SIZED_AT,
    FORM_FDSET,
    FORM_SET,
    FORM_ENUM,
    FORM_HEX,
    FORM_OCTAL,
    FORM_FILE_TYPE,
    FORM_IOCTL,
    FORM_FCNTL,
    FORM_FUTEX_TIMEOUT,
    FORM_ARGV,
    FORM_ENVP,
};
struct arg_detail {
    unsigned char form; /* enum detail_form */
    unsigned char what; /* enum arg_layout or enum decode_set_id */
    unsigned short n;   /* argument number, or a TEXT's maximum */
};
struct arg_info {
    const char *name;
    enum arg_kind kind;
    struct arg_detail detail;
};

enum syscall_level { LEVEL_FULL, LEVEL_PARTIAL, LEVEL_STUB, LEVEL_UNSUPPORTED, LEVEL_COUNT };
enum syscall_class {
    CLASS_DESC,
    CLASS_FILE,
    CLASS_MEM,
    CLASS_NET,
    CLASS_PROC,
    CLASS_SIG,
    CLASS_TIME,
    CLASS_IPC,
    CLASS_MISC,
    CLASS_COUNT
};
enum syscall_result {
    RESULT_ZERO,
    RESULT_INT,
    RESULT_FD,
    RESULT_PID,
    RESULT_SIZE,
    RESULT_OFF,
    RESULT_ADDR,
    RESULT_MODE,
    RESULT_UID,
    RESULT_TIME,
    RESULT_HEX,
    RESULT_NORETURN,
};

struct syscall_support {
    enum syscall_level level;
    int error;        /* UNSUPPORTED: the positive errno that dispatch gives */
    const char *note; /* NULL for FULL */
};
struct syscall_info {
    unsigned nr;
    const char *name;
    struct syscall_support support;
    enum syscall_class class;
    enum syscall_result result;
    unsigned arg_count;
    struct arg_info args[6];
};

/* Calls that the guest's side usually serves by itself, and how: see table.def. */
enum in_stub_how { IN_STUB_KEPT, IN_STUB_SELF, IN_STUB_STATE, IN_STUB_GATE, IN_STUB_LEASE };
struct syscall_in_stub {
    unsigned nr;
    enum in_stub_how how;
    const char *note;
};
extern const struct syscall_in_stub g_syscalls_in_stub[];
extern const size_t g_syscalls_in_stub_count;
/* NULL: the sentry serves it. */
const struct syscall_in_stub *syscall_in_stub(uint64_t nr);
const char *syscall_in_stub_name(enum in_stub_how how);

extern const struct syscall_info g_syscalls[]; /* every row, by ascending number */
extern const size_t g_syscall_count;
/* NULL: no such number. */
const struct syscall_info *syscall_info(uint64_t nr);
/* By name; NULL: none. */
const struct syscall_info *syscall_find(const char *name);
/* Size in bytes of one structure. */
size_t layout_size(enum arg_layout layout);
const char *syscall_level_name(enum syscall_level level); /* "full" ... */
const char *syscall_class_name(enum syscall_class class); /* "desc" ... */
const char *error_name(int error);                        /* "ENOENT", or NULL */
