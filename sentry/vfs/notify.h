/*
 * Telling watchers (inotify) what happens to files. Analogous to Linux's fsnotify. Nothing is called, and
 * nothing costs anything, until somebody watches.
 */
#pragma once

#include <sys/inotify.h>

#include "sentry/vfs/dentry.h"

struct vfs_change {
    uint32_t mask;       /* IN_*; IN_ISDIR is added by the receiver */
    uint32_t cookie;     /* joins the two halves of a rename */
    struct inode *inode; /* what it happened to; may be NULL: only the directory is told */
    struct inode *dir;   /* where its name is; NULL: only the inode is told */
    const char *name;    /* in dir */
    size_t name_size;
    bool is_dir;   /* it happened to a directory */
    bool unlinked; /* the name is gone already */
};

/* Handed down by the first inotify_init. */
extern void (*g_vfs_notify)(const struct vfs_change *c);

/* To the watchers of d's inode and of the directory it is in: open, close, access, modify, attrib. */
static inline void vfs_notify(const struct dentry *d, uint32_t mask)
{
    if (unlikely(g_vfs_notify) && d && d->inode) {
        g_vfs_notify(&(struct vfs_change){.mask = mask,
                                          .inode = d->inode,
                                          .dir = d->parent ? d->parent->inode : NULL,
                                          .name = d->name,
                                          .name_size = d->name_size,
                                          .is_dir = S_ISDIR(d->inode->mode),
                                          .unlinked = d->unhashed});
    }
}

/* To the watchers of a directory: create, delete, moved. */
static inline void vfs_notify_dir(struct inode *dir, const struct name *name, bool is_dir,
                                  uint32_t mask, uint32_t cookie)
{
    if (unlikely(g_vfs_notify)) {
        g_vfs_notify(&(struct vfs_change){.mask = mask,
                                          .cookie = cookie,
                                          .dir = dir,
                                          .name = name->text,
                                          .name_size = name->size,
                                          .is_dir = is_dir});
    }
}

/* To the watchers of an inode itself: delete_self, move_self, attrib. */
static inline void vfs_notify_inode(struct inode *inode, uint32_t mask)
{
    if (unlikely(g_vfs_notify)) {
        g_vfs_notify(
            &(struct vfs_change){.mask = mask, .inode = inode, .is_dir = S_ISDIR(inode->mode)});
    }
}
