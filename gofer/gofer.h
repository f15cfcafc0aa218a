/*
 * The gofer: the only process of a sandbox that sees host files. It serves trees ("roots") that
 * were opened for it before it locked itself in, over one socket, to a sentry that it does not
 * trust. See gofer/proto.h for the protocol, gofer/resolve.c for what keeps a path beneath its root.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct gofer_root {
    int fd; /* O_PATH: a directory */
    /* NULL: fd is the root. Else the root is a single file, called so in the directory fd; a bind
     * mount of the file under a private name makes such a pair. */
    const char *name;
    bool writable;
    /* Only what mode bits give to everybody: files without S_IROTH can't be opened, directories
     * without S_IROTH not listed, without S_IXOTH not walked through. */
    bool world_readable_only;
};

struct gofer_config {
    int sock; /* SOCK_SEQPACKET */
    const struct gofer_root *roots;
    size_t root_count;
    unsigned worker_count; /* 0: the default of 2 */
    /*
     * Show files of owners that this user namespace can't name (65534) as owned by 0.
     * DEVIATION: for callers without privilege, the host's root is outside their namespace; programs
     * that insist on root-owned files (sudoers, ssh) would refuse a tree owned by nobody.
     */
    bool map_unmapped_owner;
    bool dac_override; /* the process has CAP_DAC_OVERRIDE or CAP_DAC_READ_SEARCH */
    bool allow_set_id; /* writable roots: let set-user-ID and set-group-ID files be made */
};

/**
 * gofer_run - serves requests until the socket ends; then exits the process with status 0.
 * @c: borrowed for ever.
 *
 * The caller has set up namespaces and roots, and applied the seccomp filter: GOFER_HOST_SYSCALLS
 * lists every host call made from here on. A message without even a header ends the process with
 * status 1.
 *
 * Return: only when it can't begin: -ENOMEM, -EAGAIN (no thread to be had).
 */
int gofer_run(const struct gofer_config *c);

/*
 * Host system calls from gofer_run on. Those marked * are newer than some hosts and may be answered
 * with ENOSYS (not with a kill): the gofer falls back.
 */
#define GOFER_HOST_SYSCALLS(X)                                                                     \
    /* start: one thread a worker, and who we are */                                               \
    X(mmap) X(mprotect) X(munmap) X(madvise) X(brk) X(clone) X(clone3) X(set_robust_list) X(rseq)  \
    X(rt_sigprocmask) X(sched_getaffinity) X(prlimit64) X(umask) X(geteuid) X(getegid)             \
    X(getgroups) X(gettid)                                                                         \
    /* the loop */                                                                                 \
    X(recvmsg) X(sendmsg) X(close) X(exit) X(exit_group) X(futex) X(rt_sigreturn) X(write)         \
    /* reading */                                                                                  \
    X(openat2) X(fcntl) X(statx) X(readlinkat) X(getdents64) X(lseek) X(fstatfs) X(pread64)        \
    X(getxattrat) /* * 464 */ X(listxattrat) /* * 465 */ X(fgetxattr) X(flistxattr)                \
    /* writing */                                                                                  \
    X(ftruncate) X(mkdirat) X(mknodat) X(symlinkat) X(linkat) X(unlinkat) X(renameat2)             \
    X(fchmodat2) /* * 452 */ X(fchmod) X(fchownat) X(utimensat) X(fsync) X(fdatasync)
