/*
 * The file systems and special files that the sentry has, by constructor. Each lives in a file of
 * its own name; this header is only the list.
 */
#pragma once

#include "sentry/vfs/vfs.h"

struct gofer_client;

/* tmpfs: in memory. size_limit 0: half of the memory, as on Linux. mode of the root directory. */
MUST_CHECK int tmpfs_new(uint32_t root_mode, uint32_t uid, uint32_t gid, uint64_t size_limit,
                         struct super_block **out);
/* The gofer's tree number root: directly (--ro, --rw). read_only: -EROFS for every change. shared: revalidate. */
MUST_CHECK int gofer_fs_new(struct gofer_client *g, uint32_t root, bool read_only, bool shared,
                            struct super_block **out);
/* An in-memory upper over a lower file system: reads come from lower, changes stay in memory. lower: a reference is taken. */
MUST_CHECK int overlay_new(struct super_block *lower, struct super_block **out);
MUST_CHECK int devfs_new(
    struct super_block *
        *out); /* /dev: null zero full random urandom tty ptmx, fd/ stdin... links, pts/, shm/ */
MUST_CHECK int procfs_new(struct super_block **out); /* sentry/procfs */
MUST_CHECK int devpts_new(struct super_block **out);

/* pipe2(2). out[0] reads, out[1] writes. */
MUST_CHECK int pipe_new(unsigned flags, const struct cred *cred, struct file *out[2]);
/* open(2) of a FIFO inode: makes or joins inode->fifo, waits for the other end. May block. */
MUST_CHECK int fifo_open(struct inode *inode, struct file *f);
MUST_CHECK int eventfd_new(uint64_t value, unsigned flags, const struct cred *cred,
                           struct file **out);
/* The host's stdin/stdout/stderr (consumed fd): tty, pipe, socket, regular file. name: "host:[0]". */
MUST_CHECK int host_file_new(int host_fd, const struct cred *cred, struct file **out);
/* open of a device node by number, from any file system without MNT_NODEV. -ENXIO when there is no such device. */
MUST_CHECK int device_open(struct inode *inode, struct file *f);

/* The gofer connection (sentry/fs/gofer_client.c). sock: consumed. */
MUST_CHECK int gofer_client_new(int sock, struct gofer_client **out);
