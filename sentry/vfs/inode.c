/*
 * struct inode: lifetime, permission, and the rules for owner and mode that all file systems share.
 * Analogous to Linux's fs/inode.c, fs/attr.c and generic_permission in fs/namei.c.
 */
#include "sentry/vfs/inode.h"

#include <errno.h>

#include "sentry/base/timer.h"
#include "sentry/vfs/cred.h"
#include "sentry/vfs/dcache.h"
#include "sentry/vfs/lease.h"
#include "sentry/vfs/notify.h"
#include "sentry/vfs/stamp.h"

void (*g_vfs_notify)(const struct vfs_change *c);

void inode_init(struct inode *inode, struct super_block *sb, const struct inode_ops *ops,
                uint32_t mode, uint32_t uid, uint32_t gid)
{
    *inode = (struct inode){
        .sb = super_get(sb),
        .ops = ops,
        .ino = sb->next_ino++,
        .mode = mode,
        .nlink = S_ISDIR(mode) ? 2 : 1,
        .uid = uid,
        .gid = gid,
        .dev = sb->dev,
        .blksize = PAGE_SIZE,
    };
    refcount_init(&inode->ref);
    inode->atime_ns = inode->mtime_ns = inode->ctime_ns = inode->btime_ns = ktime_realtime_ns();
    kmutex_init(&inode->lock);
    list_init(&inode->locks);
    list_init(&inode->leases);
    waitq_init(&inode->lock_wait);
}

struct inode *inode_get(struct inode *inode)
{
    refcount_get(&inode->ref);
    return inode;
}

void inode_put(struct inode *inode)
{
    if (refcount_put(&inode->ref)) {
        struct super_block *sb = inode->sb;
        BUG_ON(!list_empty(&inode->locks)); /* a lock's owner has the file open */
        sb->ops->free_inode(inode);
        super_put(sb);
    }
}

void inode_touch(struct inode *inode, unsigned attrs)
{
    int64_t now = ktime_realtime_ns();
    if (attrs & ATTR_ATIME) {
        inode->atime_ns = now;
    }
    if (attrs & ATTR_MTIME) {
        inode->mtime_ns = now;
    }
    if (attrs & ATTR_CTIME) {
        inode->ctime_ns = now;
    }
    inode_changed(inode);
}

/* The mode bits that apply to cred, as MAY_*. */
static int mode_bits(const struct inode *inode, const struct cred *cred)
{
    if (inode->uid == cred->fsuid) {
        return inode->mode >> 6 & 7;
    }
    if (cred_in_group(cred, inode->gid)) {
        return inode->mode >> 3 & 7;
    }
    return inode->mode & 7;
}

/* generic_permission: mode bits first, then what capabilities override. */
static int mode_permission(const struct inode *inode, const struct cred *cred, int may)
{
    _Static_assert(MAY_EXEC == S_IXOTH && MAY_WRITE == S_IWOTH && MAY_READ == S_IROTH,
                   "shifted as is");
    if ((mode_bits(inode, cred) & may) == may) {
        return 0;
    }
    bool read_only = !(may & MAY_WRITE);
    if (S_ISDIR(inode->mode)) {
        if (read_only && cred_capable(cred, CAP_DAC_READ_SEARCH)) {
            return 0;
        }
        return cred_capable(cred, CAP_DAC_OVERRIDE) ? 0 : -EACCES;
    }
    if (may == MAY_READ && cred_capable(cred, CAP_DAC_READ_SEARCH)) {
        return 0;
    }
    /* Executing needs somebody's x bit, whoever asks. */
    if ((!(may & MAY_EXEC) || (inode->mode & 0111)) && cred_capable(cred, CAP_DAC_OVERRIDE)) {
        return 0;
    }
    return -EACCES;
}

/**
 * inode_permission - may cred do this to the inode?
 * @may: MAY_* bits; 0 asks nothing.
 *
 * Return:  0.
 * Errors:  -EROFS for writing on a read-only file system; -EACCES; what ops->permission says.
 * Source:  path_resolution(7); Linux's inode_permission.
 */
int inode_permission(struct inode *inode, const struct cred *cred, int may)
{
    inode_take_notes(inode);
    if ((may & MAY_WRITE) && (inode->sb->flags & SB_RDONLY) &&
        (S_ISREG(inode->mode) || S_ISDIR(inode->mode) || S_ISLNK(inode->mode))) {
        return -EROFS;
    }
    int r = mode_permission(inode, cred, may);
    if (r < 0 || !inode->ops->permission) {
        return r;
    }
    return inode->ops->permission(inode, cred, may);
}

int inode_setattr_simple(struct inode *inode, const struct inode_attr *attr)
{
    if (attr->valid & ATTR_SIZE) {
        return -EINVAL;
    }
    if (attr->valid & ATTR_MODE) {
        inode->mode = (inode->mode & S_IFMT) | (attr->mode & ~S_IFMT);
    }
    if (attr->valid & ATTR_UID) {
        inode->uid = attr->uid;
    }
    if (attr->valid & ATTR_GID) {
        inode->gid = attr->gid;
    }
    if (attr->valid & ATTR_ATIME) {
        inode->atime_ns = attr->atime_ns;
    }
    if (attr->valid & ATTR_MTIME) {
        inode->mtime_ns = attr->mtime_ns;
    }
    if (attr->valid & ATTR_CTIME) {
        inode->ctime_ns = attr->ctime_ns;
    }
    inode_changed(inode);
    if (S_ISDIR(inode->mode) && attr->valid & (ATTR_MODE | ATTR_UID | ATTR_GID)) {
        stamp_everything(); /* who may look below it */
        if (g_paths_changed) {
            g_paths_changed();
        }
    }
    return 0;
}

bool inode_owner_or_capable(const struct inode *inode, const struct cred *cred)
{
    return inode->uid == cred->fsuid || cred_capable(cred, CAP_FOWNER);
}

void inode_init_owner(const struct inode *dir, const struct cred *cred, uint32_t *mode,
                      uint32_t *uid, uint32_t *gid)
{
    *uid = cred->fsuid;
    *gid = cred->fsgid;
    if (!(dir->mode & S_ISGID)) {
        return;
    }
    *gid = dir->gid;
    if (S_ISDIR(*mode)) {
        *mode |= S_ISGID;
    } else if ((*mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP) &&
               !cred_in_group(cred, dir->gid) && !cred_capable(cred, CAP_FSETID)) {
        *mode &= ~(uint32_t)S_ISGID;
    }
}
