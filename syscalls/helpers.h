/*
 * What many system call handlers do before and after the real work: names and paths from the
 * guest, open files by number, limits and signals of writing. Analogous to the small static helpers
 * of Linux's fs/namei.c (getname, user_path_at) and fs/read_write.c (generic_write_checks).
 */
#pragma once

#include "platform/platform.h"
#include "sentry/mm/usercopy.h"
#include "sentry/task/names.h"
#include "sentry/task/task.h"
#include "sentry/vfs/vfs.h"

/**
 * name_in - copy a path name in.
 * @allow_empty: "" is a name (AT_EMPTY_PATH).
 * @out: malloc'ed, NUL-terminated; the caller frees it.
 *
 * Errors: -EFAULT, -ENAMETOOLONG, -ENOENT (empty), -ENOMEM.
 * Source: path_resolution(7).
 */
MUST_CHECK int name_in(struct task *t, uaddr_t addr, bool allow_empty, char **out);

/**
 * walk_init - a walk for name from dirfd, as the *at system calls define it: an absolute name
 *             makes dirfd meaningless, even a bad one.
 * @start: keeps the reference that the walk borrows; AUTO_PATH at the caller.
 *
 * Errors: -EBADF, -ENOTDIR.
 */
MUST_CHECK int walk_init(struct task *t, int dirfd, const char *name, unsigned flags,
                         struct walk *w, struct path *start);

/**
 * path_at - what a guest's (dirfd, name) names.
 * @walk_flags: WALK_*; with WALK_EMPTY_PATH an empty name is dirfd itself, whatever kind of file.
 * @out: with references.
 *
 * Context: may block. Errors: name_in's, walk_init's, vfs_lookup's.
 */
MUST_CHECK int path_at(struct task *t, int dirfd, uaddr_t name, unsigned walk_flags,
                       struct path *out);

/*
 * path_at for calls that the guest's side may answer by itself the next time: when the answer is known, and is the lookup's,
 * name_call_keep says so. AUTO_NAME_CALL at the caller, empty.
 */
struct name_call {
    struct name_lookup lookup; /* text NULL: there was none */
    char *text;                /* owned */
    const struct cred *as;     /* borrowed: who looks it up; NULL: the caller */
};
void name_call_end(struct name_call *c);
#define AUTO_NAME_CALL __attribute__((cleanup(name_call_end))) struct name_call
MUST_CHECK int path_at_kept(struct task *t, int dirfd, uaddr_t name, unsigned walk_flags,
                            struct name_call *c, struct path *out);
void name_call_keep(struct task *t, const struct name_call *c, int result, const struct path *p,
                    enum name_use use);

/* AT_SYMLINK_NOFOLLOW, AT_SYMLINK_FOLLOW and AT_EMPTY_PATH in WALK_* words. */
unsigned walk_flags_nofollow(int at_flags); /* follows unless AT_SYMLINK_NOFOLLOW */
unsigned walk_flags_follow(int at_flags);   /* follows only with AT_SYMLINK_FOLLOW */

/* An open file of t with a reference. -EBADF, for O_PATH files too. */
MUST_CHECK int file_in(struct task *t, int fd, struct file **out);

/* Where new fd numbers end: RLIMIT_NOFILE. */
int fd_limit(const struct task *t);

/* The file system that p is on takes no changes: its mount or itself is read-only. */
bool path_read_only(const struct path *p);

/* false when [addr, addr + size) can't be guest memory: Linux's access_ok. */
bool range_ok(uaddr_t addr, uint64_t size);

/* Sends sig to t as if t had sent it itself (Linux's send_sig(sig, current, 0)). */
void signal_self(struct task *t, int sig);

/**
 * write_result - the last step of every call that writes to f: EPIPE raises SIGPIPE, but for sockets
 *                of datagrams and packets.
 * Return: n.
 */
ssize_t write_result(struct task *t, const struct file *f, ssize_t n);

/**
 * write_limit - apply seals and RLIMIT_FSIZE to a write of size bytes at pos.
 * @size: cut to what they leave. Files that are not regular have no limit.
 *
 * Errors: -EPERM sealed; -EFBIG, with SIGXFSZ sent. Source: setrlimit(2), write(2).
 */
MUST_CHECK int write_limit(struct task *t, const struct file *f, int64_t pos, size_t *size);

/* Where the next write of f goes: its end with O_APPEND, else pos. */
int64_t write_position(const struct file *f, int64_t pos);
