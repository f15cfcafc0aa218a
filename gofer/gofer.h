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
 * The caller has set up namespaces and roots, and applied the seccomp filter: the GOFER and BOTH
 * rows of lib/host_syscalls.def are every host call made from here on, start of the threads included.
 * Of those, fchmodat2, getxattrat and listxattrat may be unknown to the host (ENOSYS): there are
 * other ways. A message without even a header ends the process with status 1.
 *
 * Return: only when it can't begin: -ENOMEM, -EAGAIN (no thread to be had).
 */
int gofer_run(const struct gofer_config *c);
