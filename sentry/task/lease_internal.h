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
    uint64_t pinned[LEASE_MAX];               /* bytes still mapped writable for a lease that ended */
    uint64_t pinned_bytes;
    struct ring_lease *rings[RING_MAX];
    struct list idle;
    uint16_t generation;
};

/* t's table, made when it is missing; NULL: this engine has none, or no memory. */
struct lease_table *lease_table_of(struct task *t);
/* The lease page goes by fd: the address space and the fd table must have the same users. */
bool lease_allowed(const struct task *t);

/* fd of t, on a regular file, was read, written ... with success; nr: SYS_.... Context: may block. */
void lease_consider_regular(struct task *t, struct file *f, int fd, long nr);
/* The same for a pipe. */
void lease_consider_pipe(struct task *t, struct file *f, int fd);
/* Context: may block. */
void lease_unpin(struct task *t, struct lease_table *table);
void lease_end_regular(struct lease_table *table);
void lease_end_rings(struct lease_table *table);
