/* What the kinds of leases share: lease.c (when), lease_file.c, lease_pipe.c. */
#pragma once

#include "platform/platform.h"
#include "sentry/task/lease.h"
#include "sentry/vfs/fdtable.h"
#include "sentry/vfs/lease.h"

/* After so many holds in a row between which the processes did nothing by themselves, a lease is a burden. */
#define LEASE_TIRED_OF 32
/* f->lease_heat of a file that is better left alone. */
#define LEASE_NEVER (-1000000)

struct ring_lease;
struct regular_lease;

/* The leases of one address space; they go by the fds of one table. */
struct lease_table {
    struct platform_lease_page *page;         /* the platform's; lives as long as the space */
    const struct fd_table *files;             /* whose fds they are */
    struct regular_lease *regular[LEASE_MAX]; /* NULL: free */
    uint64_t stale[LEASE_MAX];                /* bytes still mapped for a lease that ended */
    uint64_t stale_bytes;
    struct ring_lease *rings[RING_MAX];
    bool stale_rings[RING_MAX]; /* still mapped */
    bool busy;         /* a thread of the process maps or unmaps: free places are its alone */
    bool unmap_wanted; /* ... and it shall unmap all that is stale when it is done */
    struct list facts;
    uint16_t generation;
};

/* t's table, made when it is missing; NULL: this engine has none, or no memory. */
struct lease_table *lease_table_of(struct task *t);
/* The lease page goes by fd: the address space and the fd table must have the same users. */
bool lease_allowed(const struct task *t);

/* After t slept: is table still t's? Does fd still lead to f, which another thread may have closed? */
bool lease_has_table(const struct task *t, const struct lease_table *table);
bool lease_leads_to(const struct task *t, int fd, const struct file *f);
/* The end of what began with busy: unmaps if that is wanted. Context: may block. */
void lease_table_unlock(struct task *t, struct lease_table *table);

/* fd of t, on a regular file, was read, written ... with success; nr: SYS_.... Context: may block. */
void lease_consider_regular(struct task *t, struct file *f, int fd, long nr);
/* The same for a pipe. */
void lease_consider_pipe(struct task *t, struct file *f, int fd);
/* Unmaps what is left of ended leases: all (-1), or one of a regular file. Context: may block; the caller is busy. */
void lease_unmap_stale(struct task *t, struct lease_table *table, int only);
void lease_set_stale(struct lease_table *table, unsigned index, uint64_t bytes);
void lease_end_regular(struct lease_table *table);
void lease_end_rings(struct lease_table *table);
