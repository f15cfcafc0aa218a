/* fd numbers of a process, analogous to Linux's files_struct. Shared by CLONE_FILES. */
#pragma once

#include "sentry/vfs/file.h"

struct fd_table; /* opaque: fdtable.c */

/*
 * Descriptors that a process has closed, or opened, by itself (sentry/vfs/lease.h), and the table does not know of yet. Whoever
 * looks at the table has that done first, so nobody ever sees the difference.
 */
struct fd_closes {
    struct fd_table *table; /* borrowed; NULL: it is gone, or was bound already */
    const uint64_t *word;   /* the process's: != 0 when there are some */
    const uint32_t *logged; /* another */
    bool waiting;           /* the same, known here */
    /* fd_table_drop or fd_table_adopt for each. Must not block */
    void (*settle)(struct fd_closes *c);
    uint64_t *free_fds; /* the process's: which fds below open_limit are free, a bit each */
    int open_limit;     /* it may open below that; 0: not at all */
};
/* c stays where it is until fd_table_unbind. Return: false when the table has another already. */
bool fd_table_bind(struct fd_table *t, struct fd_closes *c);
void fd_table_unbind(struct fd_closes *c);
/* What fd leads to, borrowed, or NULL. Only for settle, or when all is settled. */
struct file *fd_table_at(const struct fd_table *t, int fd);
/* Only for settle: closes fd if it still leads to f. */
void fd_table_drop(struct fd_table *t, int fd, const struct file *f);
/* Only for settle: fd, which the process has opened by itself, leads to f. Return: false, it can't have been free. */
bool fd_table_adopt(struct fd_table *t, int fd, struct file *f, bool cloexec);
/* Its process, which is in a system call, may open fds below limit (at most 64) by itself, and is told which are free. */
void fd_table_offer(struct fd_table *t, int limit);
/* For who looks at what open files do elsewhere: umount. */
void fd_table_settle(struct fd_table *t);

MUST_CHECK int fd_table_new(struct fd_table **out);
/* A copy for fork. max: RLIMIT_NOFILE does not matter here. */
MUST_CHECK int fd_table_copy(struct fd_table *t, struct fd_table **out);
struct fd_table *fd_table_get(struct fd_table *t);
void fd_table_put(struct fd_table *t);
bool fd_table_shared(const struct fd_table *t);
unsigned fd_table_users(const struct fd_table *t);
/* A number that no other table has, also later: stamp.h. */
uint32_t fd_table_id(const struct fd_table *t);
/* As lookup, for who only looks: its leases stay with their process. */
MUST_CHECK int fd_table_peek(struct fd_table *t, int fd, struct file **out);
/* The lowest free fd >= min and < limit gets file (a reference is taken). Errors: -EMFILE, -EINVAL (min), -ENOMEM. */
MUST_CHECK int fd_table_install(struct fd_table *t, struct file *f, int min, int limit,
                                bool cloexec);
/* No number below limit is free: open(2) asks before it creates or truncates anything. */
bool fd_table_full(const struct fd_table *t, int limit);
/* dup2: whatever fd was is closed. Errors: -EBADF (fd >= limit), -ENOMEM. owner: see fd_table_close. */
MUST_CHECK int fd_table_install_at(struct fd_table *t, struct file *f, int fd, int limit,
                                   bool cloexec);
/* The file with a reference, or -EBADF. fd_table_lookup refuses O_PATH files; _any does not. */
MUST_CHECK int fd_table_lookup(struct fd_table *t, int fd, struct file **out);
MUST_CHECK int fd_table_lookup_any(struct fd_table *t, int fd, struct file **out);
MUST_CHECK int fd_table_close(struct fd_table *t, int fd);
void fd_table_close_range(struct fd_table *t, unsigned first, unsigned last);
void fd_table_close_on_exec(struct fd_table *t);
/* 0/1 or -EBADF */
MUST_CHECK int fd_table_cloexec(struct fd_table *t, int fd);
MUST_CHECK int fd_table_set_cloexec(struct fd_table *t, int fd, bool cloexec);
void fd_table_set_cloexec_range(struct fd_table *t, unsigned first, unsigned last);
/*
 * Shown tables. The process that has t also has words of its fds below FDS_SHOWN: FD_SHOWN, FD_SHOWN_CLOEXEC, and what
 * F_GETFL says (sentry/task/lease.c). While a word is shown, close-on-exec is what the process has made of it there.
 */
#define FDS_SHOWN        256
#define FD_SHOWN         0x80000000U
#define FD_SHOWN_CLOEXEC 0x40000000U
#define FD_SHOWN_PLAIN   0x10000000U /* what it leads to: a regular file or a directory, */
#define FD_SHOWN_STREAM  0x20000000U /* ... a pipe or a socket, */
#define FD_SHOWN_NULL    0x30000000U /* ... /dev/null; neither: something else */
#define FD_HIDDEN_FLAGS  ((unsigned)(O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_CLOEXEC))
/* words: borrowed until fd_table_hide, or t's end. A table that is shown already stays as it is. */
void fd_table_show(struct fd_table *t, uint32_t *words);
void fd_table_hide(const uint32_t *words);
/* The process has closed fd by itself: from now on it asks. */
void fd_table_hide_fd(struct fd_table *t, int fd);
/* f->flags changed. */
void fd_tables_flags_changed(const struct file *f);
/* The next open fd >= fd, or -1: for /proc/self/fd. */
int fd_table_next(struct fd_table *t, int fd);
