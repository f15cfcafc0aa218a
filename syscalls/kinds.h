/*
 * The vocabulary of syscalls/table.def, and the preprocessor loops that walk a row's arguments.
 *
 * A row carries (KIND, name, DETAIL) triples. The kind fixes the C type that the handler's parameter has
 * and which way data flows; the detail says how large that data is and how a person wants to read it.
 * Everything made from the table (prototypes, dispatch, strace, docs, tests, fuzzer) is made with the loops
 * below, so a row is written once.
 *
 * kind          C type         the argument is
 * FD            int            an open file descriptor
 * DIRFD         int            one, or AT_FDCWD
 * INT           int            a number
 * FLAGS         int            bits
 * PID           int            a process, thread or group id
 * SIG           int            a signal number
 * CLOCK         int            a clockid_t
 * UINT          unsigned       a number
 * MODE          unsigned       permission bits
 * UID GID       unsigned       a user or group id
 * DEV32         unsigned       an encoded device number
 * SIZE          size_t         a byte count
 * OFF           long           a file offset
 * LONG          long           a number
 * ULONG         unsigned long  a number or bits
 * DEV           unsigned long  an encoded device number
 * ADDR          uaddr_t        an address that is not read or written through
 * PTR           uaddr_t        an address of something that the detail (or only the handler) knows
 * IN_STR        uaddr_t        a NUL-terminated string that is read
 * OUT_STR       uaddr_t        room for one that is written
 * IN_BUF        uaddr_t        bytes that are read; OUT_BUF: written
 * IN_STRUCT     uaddr_t        a structure (or array of them) that is read; OUT_STRUCT: written; INOUT_STRUCT: both
 * IN_IOVEC      uaddr_t        struct iovec array whose ranges are read; OUT_IOVEC: written
 *
 * detail            meaning ("argument n" counts from 0)
 * _                 nothing to add
 * PATH              IN_STR: a path name, at most PATH_MAX bytes with its NUL
 * TEXT(max)         IN_STR: another string of at most max bytes
 * LEN(n)            argument n is its size in bytes
 * LEN_AT(n)         argument n points at an int that is
 * RET(n)            argument n is the room in bytes, the result is how many were used
 * DIRENTS           OUT_BUF of struct linux_dirent64; the result is how many bytes were used
 * CPUSET(n)         a CPU mask of argument n bytes
 * COUNT(n)          iovec: argument n is the number of elements
 * OF(x)             one structure x (LAYOUTS below)
 * ARRAY(x, n)       argument n of them
 * RET_ARRAY(x, n)   room for argument n of them, the result says how many were used
 * SIZED(x, n)       structure x of argument n bytes
 * SIZED_AT(x, n)    structure x of as many bytes as the int at argument n says
 * FDSET(n)          an fd_set with argument n bits
 * SET(x)            bits named in decode set x;  ENUM(x): one value of it (syscalls/decode_sets.def)
 * HEX OCTAL         how to print a number
 * FILE_TYPE         mode with a file type (mknod)
 * IOCTL FCNTL FUTEX_TIMEOUT  what it is depends on the call's command
 * ARGV ENVP         a NULL-terminated array of strings
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "lib/macros.h"

/* --- C types --- */
#define KIND_TYPE_FD           int
#define KIND_TYPE_DIRFD        int
#define KIND_TYPE_INT          int
#define KIND_TYPE_FLAGS        int
#define KIND_TYPE_PID          int
#define KIND_TYPE_SIG          int
#define KIND_TYPE_CLOCK        int
#define KIND_TYPE_UINT         unsigned
#define KIND_TYPE_MODE         unsigned
#define KIND_TYPE_UID          unsigned
#define KIND_TYPE_GID          unsigned
#define KIND_TYPE_DEV32        unsigned
#define KIND_TYPE_SIZE         size_t
#define KIND_TYPE_OFF          long
#define KIND_TYPE_LONG         long
#define KIND_TYPE_ULONG        unsigned long
#define KIND_TYPE_DEV          unsigned long
#define KIND_TYPE_ADDR         uaddr_t
#define KIND_TYPE_PTR          uaddr_t
#define KIND_TYPE_IN_STR       uaddr_t
#define KIND_TYPE_OUT_STR      uaddr_t
#define KIND_TYPE_IN_BUF       uaddr_t
#define KIND_TYPE_OUT_BUF      uaddr_t
#define KIND_TYPE_IN_STRUCT    uaddr_t
#define KIND_TYPE_OUT_STRUCT   uaddr_t
#define KIND_TYPE_INOUT_STRUCT uaddr_t
#define KIND_TYPE_IN_IOVEC     uaddr_t
#define KIND_TYPE_OUT_IOVEC    uaddr_t

/* --- loops over a row's triples --- */

/*
 * ROW_ARGS(F, triples...) is F(index, kind, name, detail) for each triple, and nothing for none. F must end
 * what it writes itself (a comma, a semicolon). Arguments pass through several macros on the way: no kind,
 * name or detail may be the name of a macro.
 */
#define ROW_PICK_(a0, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14, a15, a16, a17,  \
                  a18, r, ...)                                                                     \
    r
#define ROW_NTH_(...)                                                                              \
    ROW_PICK_(__VA_ARGS__, ROW_6_, x, x, ROW_5_, x, x, ROW_4_, x, x, ROW_3_, x, x, ROW_2_, x, x,   \
              ROW_1_, x, x, ROW_0_, x)
#define ROW_0_(F, i)
#define ROW_1_(F, i, k, n, d)      F(5 - i, k, n, d)
#define ROW_2_(F, i, k, n, d, ...) F(4 - i, k, n, d) ROW_1_(F, i, __VA_ARGS__)
#define ROW_3_(F, i, k, n, d, ...) F(3 - i, k, n, d) ROW_2_(F, i, __VA_ARGS__)
#define ROW_4_(F, i, k, n, d, ...) F(2 - i, k, n, d) ROW_3_(F, i, __VA_ARGS__)
#define ROW_5_(F, i, k, n, d, ...) F(1 - i, k, n, d) ROW_4_(F, i, __VA_ARGS__)
#define ROW_6_(F, i, k, n, d, ...) F(0 - i, k, n, d) ROW_5_(F, i, __VA_ARGS__)
/* i: 6 - the number of triples, so that the indices above come out as 0, 1, 2... */
#define ROW_SKEW_(...)                                                                             \
    ROW_PICK_(__VA_ARGS__, 0, x, x, 1, x, x, 2, x, x, 3, x, x, 4, x, x, 5, x, x, 6, x)
#define ROW_ARGS(F, ...)                                                                           \
    ROW_NTH_(_ __VA_OPT__(, ) __VA_ARGS__)                                                         \
    (F, ROW_SKEW_(_ __VA_OPT__(, ) __VA_ARGS__) __VA_OPT__(, ) __VA_ARGS__)
#define ROW_ARG_COUNT(...) (6 - ROW_SKEW_(_ __VA_OPT__(, ) __VA_ARGS__))

/* ", int fd, uaddr_t buf": the typed parameters behind the task. */
#define ROW_PARAM_(i, kind, name, detail) , KIND_TYPE_##kind name
#define ROW_PARAMS(...)                   ROW_ARGS(ROW_PARAM_, __VA_ARGS__)
/* ", (int)args[0], (uaddr_t)args[1]": the same from registers. */
#define ROW_VALUE_(i, kind, name, detail) , (KIND_TYPE_##kind)args[i]
#define ROW_VALUES(...)                   ROW_ARGS(ROW_VALUE_, __VA_ARGS__)
/* ", int, uaddr_t" */
#define ROW_TYPE_(i, kind, name, detail) , KIND_TYPE_##kind
#define ROW_TYPES(...)                   ROW_ARGS(ROW_TYPE_, __VA_ARGS__)
