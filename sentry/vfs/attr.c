/*
 * What stat shows, and the rules for changing it. Analogous to Linux's fs/stat.c, fs/attr.c and the
 * upper half of fs/open.c. setattr of a file system runs under the inode's lock; the checks before
 * it don't block in between, so they still hold.
 */
#include "sentry/vfs/namei.h"

#include <errno.h>
#include <string.h>

#include "sentry/base/timer.h"
#include "sentry/vfs/lease.h"
#include "sentry/vfs/notify.h"
#include "sentry/vfs/seal.h"

int inode_setattr(struct inode *inode, const struct inode_attr *attr)
{
    inode_hold_leases(inode);
    return inode->ops->setattr ? inode->ops->setattr(inode, attr) : -EPERM;
}

int inode_get_write(struct inode *inode)
{
    if (inode->write_denied > 0) {
        return -ETXTBSY;
    }
    inode->writers++;
    return 0;
}

void inode_put_write(struct inode *inode)
{
    BUG_ON(inode->writers == 0);
    inode->writers--;
}

static int refresh(struct inode *inode)
{
    return inode->ops->getattr ? inode->ops->getattr(inode) : 0;
}

int vfs_stat(const struct path *p, struct stat *out)
{
    inode_hold_leases(p->dentry->inode);
    return vfs_stat_leased(p, out);
}

int vfs_stat_leased(const struct path *p, struct stat *out)
{
    const struct inode *inode = p->dentry->inode;
    int r = refresh(p->dentry->inode);
    if (r < 0) {
        return r;
    }
    memset(out, 0, sizeof(*out));
    out->st_dev = inode->dev;
    out->st_ino = inode->ino;
    out->st_mode = inode->mode;
    out->st_nlink = inode->nlink;
    out->st_uid = inode->uid;
    out->st_gid = inode->gid;
    out->st_rdev = inode->rdev;
    out->st_size = inode->size;
    out->st_blksize = inode->blksize;
    out->st_blocks = (blkcnt_t)inode->blocks;
    out->st_atim =
        (struct timespec){inode->atime_ns / NSEC_PER_SEC, inode->atime_ns % NSEC_PER_SEC};
    out->st_mtim =
        (struct timespec){inode->mtime_ns / NSEC_PER_SEC, inode->mtime_ns % NSEC_PER_SEC};
    out->st_ctim =
        (struct timespec){inode->ctime_ns / NSEC_PER_SEC, inode->ctime_ns % NSEC_PER_SEC};
    struct timespec *times[] = {&out->st_atim, &out->st_mtim, &out->st_ctim};
    for (size_t i = 0; i < ARRAY_COUNT(times); i++) {
        if (times[i]->tv_nsec < 0) { /* before 1970 */
            times[i]->tv_nsec += NSEC_PER_SEC;
            times[i]->tv_sec--;
        }
    }
    return 0;
}

int vfs_readlink(const struct path *p, const struct cred *cred, char **out)
{
    struct inode *inode = p->dentry->inode;
    (void)cred;
    if (!inode->ops->readlink || !S_ISLNK(inode->mode)) {
        return -EINVAL;
    }
    int r = inode->ops->readlink(inode, out);
    if (r == 0) {
        path_accessed(p);
    }
    return r;
}

/* Locks, adds the change of ctime, and applies. */
static int change_attr(const struct path *p, struct inode_attr *attr)
{
    struct inode *inode = p->dentry->inode;
    const unsigned times = ATTR_ATIME | ATTR_MTIME, which = attr->valid & times;
    attr->valid |= ATTR_CTIME;
    attr->ctime_ns = ktime_realtime_ns();
    kmutex_lock(&inode->lock);
    int r = inode_setattr(inode, attr);
    kmutex_unlock(&inode->lock);
    if (r == 0) {
        /* One time alone looks like what usually changes it. */
        vfs_notify(p->dentry, which == ATTR_ATIME   ? IN_ACCESS
                              : which == ATTR_MTIME ? IN_MODIFY
                                                    : IN_ATTRIB);
    }
    return r;
}

int vfs_chmod(const struct path *p, const struct cred *cred, uint32_t mode)
{
    struct inode *inode = p->dentry->inode;
    inode_take_notes(inode);
    int r = path_want_write(p);
    if (r < 0) {
        return r;
    }
    if (!inode_owner_or_capable(inode, cred)) {
        return -EPERM;
    }
    if (S_ISLNK(inode->mode)) {
        return -EOPNOTSUPP;
    }
    mode &= 07777;
    if (!cred_in_group(cred, inode->gid) && !cred_capable(cred, CAP_FSETID)) {
        mode &= ~(uint32_t)S_ISGID;
    }
    struct inode_attr attr = {.valid = ATTR_MODE, .mode = (inode->mode & S_IFMT) | mode};
    return change_attr(p, &attr);
}

/* The mode without what must not survive a change of owner or content. */
static uint32_t mode_without_setid(const struct inode *inode, const struct cred *cred)
{
    uint32_t mode = inode->mode & ~(uint32_t)S_ISUID;
    bool runs_as_group = mode & S_IXGRP;
    /* set-gid without x once meant mandatory locking: only a stranger to the group loses it. */
    if (runs_as_group || (!cred_in_group(cred, inode->gid) && !cred_capable(cred, CAP_FSETID))) {
        mode &= ~(uint32_t)S_ISGID;
    }
    return mode;
}

int vfs_chown(const struct path *p, const struct cred *cred, uint32_t uid, uint32_t gid)
{
    struct inode *inode = p->dentry->inode;
    inode_take_notes(inode);
    int r = path_want_write(p);
    if (r < 0) {
        return r;
    }
    bool owner = inode->uid == cred->fsuid;
    if (uid != UINT32_MAX && !(owner && uid == inode->uid) && !cred_capable(cred, CAP_CHOWN)) {
        return -EPERM;
    }
    if (gid != UINT32_MAX && !(owner && (gid == inode->gid || cred_in_group(cred, gid))) &&
        !cred_capable(cred, CAP_CHOWN)) {
        return -EPERM;
    }
    struct inode_attr attr = {.uid = uid, .gid = gid};
    attr.valid = (uid != UINT32_MAX ? ATTR_UID : 0) | (gid != UINT32_MAX ? ATTR_GID : 0);
    if (!S_ISDIR(inode->mode)) {
        attr.mode = mode_without_setid(inode, cred);
        attr.valid |= attr.mode != inode->mode ? ATTR_MODE : 0;
        /* File capabilities do not survive either; most files have none. */
        if (inode->ops->removexattr && S_ISREG(inode->mode)) {
            r = inode->ops->removexattr(inode, "security.capability");
            if (r < 0 && r != -ENODATA && r != -EOPNOTSUPP) {
                return r;
            }
        }
    }
    return change_attr(p, &attr);
}

int inode_drop_privileges(struct inode *inode, const struct cred *cred)
{
    if (likely(!(inode->mode & (S_ISUID | S_ISGID))) || !S_ISREG(inode->mode) ||
        cred_capable(cred, CAP_FSETID)) {
        return 0;
    }
    struct inode_attr attr = {.valid = ATTR_MODE, .mode = mode_without_setid(inode, cred)};
    return attr.mode == inode->mode ? 0 : inode_setattr(inode, &attr);
}

int inode_truncate(struct inode *inode, const struct cred *cred, int64_t size)
{
    int64_t now = ktime_realtime_ns();
    struct inode_attr attr = {.valid = ATTR_SIZE | ATTR_MTIME | ATTR_CTIME,
                              .size = size,
                              .mtime_ns = now,
                              .ctime_ns = now};
    kmutex_lock(&inode->lock);
    int r = seal_check_size(inode, size);
    if (r == 0) {
        r = inode_drop_privileges(inode, cred);
    }
    if (r == 0) {
        r = inode_setattr(inode, &attr);
    }
    kmutex_unlock(&inode->lock);
    return r;
}

int vfs_truncate(const struct path *p, const struct cred *cred, int64_t size)
{
    struct inode *inode = p->dentry->inode;
    if (size < 0) {
        return -EINVAL;
    }
    if (S_ISDIR(inode->mode)) {
        return -EISDIR;
    }
    if (!S_ISREG(inode->mode)) {
        return -EINVAL;
    }
    int r = path_want_write(p);
    if (r == 0) {
        r = inode_permission(inode, cred, MAY_WRITE);
    }
    if (r == 0) {
        r = inode_get_write(inode);
    }
    if (r < 0) {
        return r;
    }
    r = inode_truncate(inode, cred, size);
    inode_put_write(inode);
    if (r == 0) {
        vfs_notify(p->dentry, IN_MODIFY);
    }
    return r;
}

int vfs_ftruncate(struct file *f, int64_t size)
{
    if (size < 0) {
        return -EINVAL;
    }
    if (f->flags & O_PATH) {
        return -EBADF;
    }
    if (!S_ISREG(f->inode->mode) || !file_writable(f)) {
        return -EINVAL;
    }
    int r = inode_truncate(f->inode, f->cred, size);
    if (r == 0) {
        vfs_notify(f->path.dentry, IN_MODIFY);
    }
    return r;
}

/* Linux's rule: who may only write may set both times to now, and nothing else. */
static int may_set_times(struct inode *inode, const struct cred *cred, bool both_now)
{
    if (inode_owner_or_capable(inode, cred)) {
        return 0;
    }
    return both_now ? inode_permission(inode, cred, MAY_WRITE) : -EPERM;
}

int vfs_utimes(const struct path *p, const struct cred *cred, int64_t atime_ns, int64_t mtime_ns)
{
    struct inode *inode = p->dentry->inode;
    inode_take_notes(inode);
    int r = path_want_write(p);
    if (r == 0) {
        r = may_set_times(inode, cred, atime_ns == UTIME_NOW_NS && mtime_ns == UTIME_NOW_NS);
    }
    if (r < 0) {
        return r;
    }
    int64_t now = ktime_realtime_ns();
    struct inode_attr attr = {
        .valid = (atime_ns != UTIME_OMIT_NS ? ATTR_ATIME : 0) |
                 (mtime_ns != UTIME_OMIT_NS ? ATTR_MTIME : 0),
        .atime_ns = atime_ns == UTIME_NOW_NS ? now : atime_ns,
        .mtime_ns = mtime_ns == UTIME_NOW_NS ? now : mtime_ns,
    };
    return change_attr(p, &attr);
}

int vfs_access(const struct path *p, const struct cred *cred, int may)
{
    struct inode *inode = p->dentry->inode;
    bool noexec = p->mnt && (p->mnt->flags & MNT_NOEXEC);
    if ((may & MAY_EXEC) && S_ISREG(inode->mode) && noexec) {
        return -EACCES;
    }
    int r = inode_permission(inode, cred, may);
    if (r < 0 || !(may & MAY_WRITE)) {
        return r;
    }
    bool special = !S_ISREG(inode->mode) && !S_ISDIR(inode->mode) && !S_ISLNK(inode->mode);
    return special ? 0 : path_want_write(p);
}
