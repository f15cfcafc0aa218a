/*
 * Control messages inside the kernel: open files and credentials that travel with socket data.
 * Analogous to Linux's struct scm_cookie (include/net/scm.h). Their form in guest memory (cmsghdr)
 * is syscalls/socket_control.c's business.
 */
#pragma once

#include <stdbool.h>

#include "sentry/vfs/file.h"

#define SCM_FILES_MAX 253 /* Linux's SCM_MAX_FD */

struct scm_files {    /* owned by one message, or by one scm */
    struct list link; /* while it waits to be dropped */
    size_t count;
    struct file *file[]; /* refs */
};
struct scm_creds {
    int pid;
    uint32_t uid, gid;
};
struct scm {
    struct scm_files *files; /* owned; NULL: none */
    struct scm_creds creds;
    bool has_creds;
};

/* Room for max files, none of them there yet. Errors: -ENOMEM. */
MUST_CHECK int scm_files_new(size_t max, struct scm_files **out);
/* A copy with references of its own (MSG_PEEK). Errors: -ENOMEM. */
MUST_CHECK int scm_files_copy(const struct scm_files *s, struct scm_files **out);

/**
 * scm_files_put - drop the files. NULL is fine.
 *
 * A dropped file may be a socket whose queue holds more files, and so on, as deep as a guest likes:
 * they are dropped one after the other, not by recursion. May return before all are gone, when the
 * caller itself is called by such a drop.
 *
 * Context: may block (a file's release may).
 */
void scm_files_put(struct scm_files *s);

static inline void scm_put(struct scm *s)
{
    scm_files_put(take(&s->files));
}
