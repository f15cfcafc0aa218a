/*
 * Advisory file locks: fcntl(2) POSIX and OFD locks, flock(2). Analogous to Linux's fs/locks.c.
 */
#pragma once

#include "sentry/vfs/file.h"

/* A byte range that a lock covers, with what F_GETLK tells of it. */
struct lock_range {
    int64_t start, end; /* inclusive; INT64_MAX: to the end of the file, wherever that is */
    short type;         /* F_RDLCK F_WRLCK F_UNLCK */
    int pid;            /* F_GETLK's l_pid; -1 for OFD locks */
};

/* From struct flock's fields. Errors: -EINVAL -EOVERFLOW; -EBADF is the caller's. */
MUST_CHECK int lock_range_init(struct lock_range *r, struct file *f, short type, short whence,
                               int64_t start, int64_t size);
/**
 * file_lock_set - take, change or drop a record lock.
 * @owner: who holds it: the fd_table for POSIX locks; f itself for OFD locks.
 * @pid:   for F_GETLK of others; -1 for OFD locks.
 * @wait:  F_SETLKW.
 *
 * Context: may block (interruptible) when wait.
 * Errors:  -EAGAIN held by another; -EBADF f is not open in the mode that the type needs; -EDEADLK;
 *          -ERESTARTSYS; -ENOMEM.
 * Source:  fcntl(2).
 */
MUST_CHECK int file_lock_set(struct file *f, const void *owner, const struct lock_range *r,
                             bool wait);
/* F_GETLK: *r becomes the first conflicting lock, or type F_UNLCK with the rest untouched. */
void file_lock_test(struct file *f, const void *owner, struct lock_range *r);
/* Others than owner have record locks on the inode. */
bool locks_have_rival(const struct inode *inode, const void *owner);
/* flock(2). op: LOCK_SH, LOCK_EX or LOCK_UN. Errors: -EAGAIN (EWOULDBLOCK), -ERESTARTSYS, -ENOMEM. */
MUST_CHECK int file_flock(struct file *f, int op, bool wait);

/* An fd of f in owner's fd table is closed: POSIX semantics drop all that owner holds on the inode. */
void locks_remove_posix(struct file *f, const void *owner);
/* The description goes: its OFD and flock locks do. */
void locks_remove_file(struct file *f);
