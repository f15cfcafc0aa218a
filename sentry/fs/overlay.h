/*
 * The overlay's insides, shared by overlay.c, overlay_file.c and overlay_dir.c.
 */
#pragma once

#include "sentry/fs/memnode.h"

struct lower_name;

struct overlay_node {
    struct mem_node mem;
    struct inode *lower;   /* ref; NULL: the node was made here */
    struct hash_node hash; /* in overlay_fs.nodes, by the lower's (dev, ino) */
    bool in_table;
    bool pinned;        /* changed: the table holds a reference, for it can't be made anew */
    bool data_in_lower; /* a regular file that has not been copied up */
    bool xattrs_in_lower;
    struct file *lower_file; /* ref; opened while lower_users > 0, shared by all of them */
    uint32_t lower_users;
    struct lower_name
        *listing; /* owned: the lower directory's names while dir_users > 0; see overlay_dir.c */
    size_t listing_count;
    char *listing_text; /* owned */
    bool listed;
    uint32_t dir_users;
};

struct overlay_fs {
    struct mem_fs mem;
    struct super_block *lower; /* ref, active */
    struct hash_table nodes;   /* every node that has a lower inode */
};

static inline struct overlay_node *overlay_node(struct inode *inode)
{
    return (struct overlay_node *)inode;
}

/* overlay_file.c */
MUST_CHECK int overlay_open_file(struct inode *inode, struct file *f);
/* Makes the node's bytes its own: the first keep of them. inode->lock is held. Context: may block. */
MUST_CHECK int overlay_copy_up(struct overlay_node *n, int64_t keep, const struct cred *cred);

/* overlay_dir.c */
MUST_CHECK int overlay_open_dir(struct inode *inode, struct file *f);
/* 1 when every name of the lower directory is hidden, 0, -errno. Context: may block. */
MUST_CHECK int overlay_lower_empty(struct mem_node *dir);
void overlay_forget_listing(struct overlay_node *n);
