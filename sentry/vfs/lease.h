/*
 * Leases: while a process reads and writes an open file without asking (sentry/task/lease.c), position, size and bytes of
 * that file are the process's. Whoever in the kernel uses the file or its inode holds its leases first: what
 * the process did is taken over, and it has to ask until the system call is over. Analogous in spirit to fcntl(F_SETLEASE).
 */
#pragma once

#include "lib/refcount.h"
#include "sentry/vfs/file.h"

#define LEASE_FILE_MAX (32UL << 20) /* bytes; larger files are not leased */

/* What a file system grants for one open file, and takes back. */
struct lease_terms {
    int host_fd;       /* borrowed: shows the bytes */
    int64_t size;      /* of the file */
    uint64_t capacity; /* bytes behind host_fd, >= size: so far the file can grow without asking */
    bool writable;
};

struct file_lease {
    struct list inode_link;
    struct file *file; /* borrowed: its release ends the lease */
    void (*hold)(struct file_lease *l);
    void (*end)(struct file_lease *l);
};

void inode_hold_leases_(struct inode *inode);
void inode_end_leases_(struct inode *inode);

/* The inode is about to be used, for the rest of the running system call. */
static inline void inode_hold_leases(struct inode *inode)
{
    if (unlikely(!list_empty(&inode->leases))) {
        inode_hold_leases_(inode);
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
    if (unlikely(f->lease != NULL) && f->lease_files == t && f->lease_fd == fd) {
        f->lease->end(f->lease);
    }
}
