/*
 * Leases: while a process reads and writes an open file without asking (sentry/task/lease.c), position, size and bytes of
 * that file are the process's. Whoever in the kernel uses the file or its inode holds its leases first: what
 * the process did is taken over, and it has to ask until the system call is over. Analogous in spirit to fcntl(F_SETLEASE).
 */
#pragma once

#include "lib/refcount.h"
#include "sentry/vfs/file.h"

#define LEASE_FILE_MAX (256UL << 20) /* bytes; larger files are not leased */

/* What a file system grants for one open file, and takes back. */
struct lease_terms {
    int host_fd;       /* borrowed: shows the bytes */
    int64_t size;      /* of the file */
    uint64_t capacity; /* bytes behind host_fd, >= size: so far the file can grow without asking */
    bool writable;
    bool sparse; /* its holes are to stay holes: nothing is read by a mapping */
    bool frozen; /* neither bytes nor size change while it is leased, whatever anybody does */
};

struct file_lease;
struct file_lease_ops {
    /* The processes' state becomes the kernel's; from now on they ask. NULL: there is no such state. */
    void (*take_over)(struct file_lease *l);
    /* The inode is about to be used: instead of holding the lease for that call. NULL: it is held. */
    void (*looked_at)(struct file_lease *l);
    /* The kernel's state becomes theirs again. Return: false when that can't be: the lease ends. */
    bool (*give_back)(struct file_lease *l);
    /* The lease is over (its state was taken over). */
    void (*end)(struct file_lease *l);
    /* fd of t no longer leads to f, whose lease this is. */
    void (*fd_closed)(struct file_lease *l, struct file *f, const struct fd_table *t, int fd);
    void (*free)(struct file_lease *l);
};
struct file_lease {
    const struct file_lease_ops *ops;
    struct refcount ref; /* the inode's list, and tasks that hold it */
    struct list inode_link;
    unsigned holders; /* tasks in whose system call the file is used */
    bool writes;      /* the processes may change the file */
    bool touches;     /* its first read will change the access time, or has, untold */
    bool locks;       /* its process sets and drops locks on the file */
    bool ended;
};

/* Takes the first reference. */
void file_lease_init(struct file_lease *l, const struct file_lease_ops *ops, struct inode *inode);
void file_lease_end(struct file_lease *l);
void file_lease_put(struct file_lease *l);
/* How one lease is held for a system call: by the task that makes it, which file_lease_release ends (sentry/task/lease.c). */
extern void (*g_file_lease_hold)(struct file_lease *l);
/* Room that is kept for what processes may yet note (file_ops.reserve) is wanted now. Doesn't block. NULL: there is none. */
extern void (*g_file_lease_yield_room)(void);
void file_lease_acquire(struct file_lease *l);
void file_lease_release(struct file_lease *l);

void inode_hold_leases_(struct inode *inode);
void inode_end_leases_(struct inode *inode);
void inode_take_notes_(struct inode *inode);

/* The inode is about to be used, for the rest of the running system call. */
static inline void inode_hold_leases(struct inode *inode)
{
    if (unlikely(!list_empty(&inode->leases))) {
        inode_hold_leases_(inode);
    }
}
/* The same for who only looks at attributes: leases stay with their processes, but what those have noted has happened. */
static inline void inode_take_notes(struct inode *inode)
{
    if (unlikely(!list_empty(&inode->leases))) {
        inode_take_notes_(inode);
    }
}
/* The position of f, a directory, is about to be used: the same for who has that. */
static inline void file_hold_lease(struct file *f)
{
    if (unlikely(f->lease != NULL) && S_ISDIR(f->inode->mode) && g_file_lease_hold) {
        g_file_lease_hold(f->lease);
    }
}
/* Its bytes are about to live elsewhere, or in somebody's mapping. */
static inline void inode_end_leases(struct inode *inode)
{
    if (unlikely(!list_empty(&inode->leases))) {
        inode_end_leases_(inode);
    }
}
/* fd of t no longer leads to f. */
static inline void file_end_lease(struct file *f, const struct fd_table *t, int fd)
{
    if (unlikely(f->lease != NULL)) {
        f->lease->ops->fd_closed(f->lease, f, t, fd);
    }
    if (unlikely(f->noted != NULL)) {
        f->noted->ops->fd_closed(f->noted, f, t, fd);
    }
}
