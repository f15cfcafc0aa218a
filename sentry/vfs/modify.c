/*
 * Names made and removed: mkdir, mknod, symlink, link, unlink, rmdir. Analogous to the second half
 * of Linux's fs/namei.c. All of them walk to the parent, lock it, and look the last component up
 * under the lock, so that what is decided still holds when the file system acts.
 *
 * The order of errors is Linux's: what the name is (EEXIST, ENOENT), then read-only, then
 * permission, then what the object is, then what the file system says.
 */
#include "sentry/vfs/namei.h"

#include <errno.h>
#include <string.h>

#include "sentry/vfs/dcache.h"
#include "sentry/vfs/lease.h"
#include "sentry/vfs/notify.h"

int path_want_write(const struct path *p)
{
    if (p->mnt && (p->mnt->flags & MNT_RDONLY)) {
        return -EROFS;
    }
    return p->dentry->sb->flags & SB_RDONLY ? -EROFS : 0;
}

int may_create(struct inode *dir, const struct cred *cred)
{
    if (dir->i_flags & INODE_DEAD) {
        return -ENOENT;
    }
    return inode_permission(dir, cred, MAY_WRITE | MAY_EXEC);
}

/* The sticky bit of a directory protects what others own. */
static bool sticky_forbids(const struct inode *dir, const struct inode *victim,
                           const struct cred *cred)
{
    return (dir->mode & S_ISVTX) && victim->uid != cred->fsuid && dir->uid != cred->fsuid &&
           !cred_capable(cred, CAP_FOWNER);
}

int may_delete(struct inode *dir, const struct dentry *victim, const struct cred *cred, bool isdir)
{
    int r = inode_permission(dir, cred, MAY_WRITE | MAY_EXEC);
    if (r < 0) {
        return r;
    }
    inode_take_notes(victim->inode);
    if (sticky_forbids(dir, victim->inode, cred)) {
        return -EPERM;
    }
    if (isdir && !S_ISDIR(victim->inode->mode)) {
        return -ENOTDIR;
    }
    if (!isdir && S_ISDIR(victim->inode->mode)) {
        return -EISDIR;
    }
    if (isdir && !victim->parent) {
        return -EBUSY;
    }
    return dir->i_flags & INODE_DEAD ? -ENOENT : 0;
}

/*
 * The start of everything that makes a name: on success n->at is the parent, locked, and *out a
 * negative dentry in it.
 */
static int begin_create(struct namei *n, const struct walk *w, const char *name, bool isdir,
                        struct dentry **out)
{
    int r = namei_start(n, w, name);
    if (r == 0) {
        r = namei_parent(n);
    }
    if (r < 0) {
        return r;
    }
    if (n->kind != LAST_NORM) {
        return -EEXIST;
    }
    struct inode *dir = n->at.dentry->inode;
    struct dentry *d;
    kmutex_lock(&dir->lock);
    r = dentry_lookup_locked(n->at.dentry, &n->last, &d);
    if (r < 0) {
        goto unlock;
    }
    if (d->inode) {
        r = -EEXIST;
    } else if (n->slash && !isdir) {
        r = -ENOENT;
    } else {
        r = path_want_write(&n->at);
    }
    if (r < 0) {
        dentry_put(d);
        goto unlock;
    }
    *out = d;
    return 0;
unlock:
    kmutex_unlock(&dir->lock);
    return r;
}

/* inode: consumed; only when r is 0. d: consumed. Unlocks the parent. */
static int end_create(struct namei *n, struct dentry *d, int r, struct inode *inode)
{
    if (r == 0 && inode) {
        dentry_instantiate(d, inode);
        vfs_notify_dir(n->at.dentry->inode, &n->last, S_ISDIR(inode->mode), IN_CREATE, 0);
    }
    kmutex_unlock(&n->at.dentry->inode->lock);
    dentry_put(d);
    return r;
}

int vfs_mkdir(const struct walk *w, const char *name, uint32_t mode)
{
    AUTO_NAMEI n;
    struct dentry *d;
    int r = begin_create(&n, w, name, true, &d);
    if (r < 0) {
        return r;
    }
    struct inode *dir = n.at.dentry->inode, *inode = NULL;
    r = may_create(dir, w->cred);
    if (r == 0) {
        mode = S_IFDIR | (mode & ~w->umask & 01777);
        r = dir->ops->mkdir ? dir->ops->mkdir(dir, &n.last, mode, w->cred, &inode) : -EPERM;
    }
    return end_create(&n, d, r, inode);
}

static int make_node(struct inode *dir, const struct name *name, uint32_t mode, dev_t rdev,
                     const struct cred *cred, struct inode **out)
{
    if (S_ISREG(mode)) {
        return dir->ops->create ? dir->ops->create(dir, name, mode, cred, out) : -EACCES;
    }
    bool whiteout = S_ISCHR(mode) && rdev == 0;
    if ((S_ISCHR(mode) || S_ISBLK(mode)) && !whiteout && !cred_capable(cred, CAP_MKNOD)) {
        return -EPERM;
    }
    return dir->ops->mknod ? dir->ops->mknod(dir, name, mode, rdev, cred, out) : -EPERM;
}

int vfs_mknod(const struct walk *w, const char *name, uint32_t mode, dev_t rdev)
{
    if ((mode & S_IFMT) == 0) {
        mode |= S_IFREG;
    }
    if (S_ISDIR(mode)) {
        return -EPERM;
    }
    if (!S_ISREG(mode) && !S_ISCHR(mode) && !S_ISBLK(mode) && !S_ISFIFO(mode) && !S_ISSOCK(mode)) {
        return -EINVAL;
    }
    AUTO_NAMEI n;
    struct dentry *d;
    int r = begin_create(&n, w, name, false, &d);
    if (r < 0) {
        return r;
    }
    struct inode *dir = n.at.dentry->inode, *inode = NULL;
    r = may_create(dir, w->cred);
    if (r == 0) {
        r = make_node(dir, &n.last, mode & ~w->umask, rdev, w->cred, &inode);
    }
    return end_create(&n, d, r, inode);
}

int vfs_symlink(const struct walk *w, const char *target, const char *name)
{
    if (target[0] == '\0') {
        return -ENOENT;
    }
    if (strlen(target) >= PATH_SIZE_MAX) {
        return -ENAMETOOLONG;
    }
    AUTO_NAMEI n;
    struct dentry *d;
    int r = begin_create(&n, w, name, false, &d);
    if (r < 0) {
        return r;
    }
    struct inode *dir = n.at.dentry->inode, *inode = NULL;
    r = may_create(dir, w->cred);
    if (r == 0) {
        r = dir->ops->symlink ? dir->ops->symlink(dir, &n.last, target, w->cred, &inode) : -EPERM;
    }
    return end_create(&n, d, r, inode);
}

static int link_checked(const struct path *old, struct namei *n, const struct cred *cred)
{
    struct inode *dir = n->at.dentry->inode, *inode = old->dentry->inode;
    if (old->mnt != n->at.mnt) {
        return -EXDEV;
    }
    int r = may_create(dir, cred);
    if (r < 0) {
        return r;
    }
    if (inode->sb != dir->sb) {
        return -EXDEV;
    }
    if (!dir->ops->link || S_ISDIR(inode->mode)) {
        return -EPERM;
    }
    if (inode->nlink == 0 && !(inode->i_flags & INODE_LINKABLE)) {
        return -ENOENT;
    }
    r = dir->ops->link(dir, &n->last, inode);
    if (r == 0) {
        inode->i_flags &= ~INODE_LINKABLE;
    }
    return r;
}

/**
 * vfs_link - a second name for a file.
 * @old_w: WALK_FOLLOW for AT_SYMLINK_FOLLOW, WALK_EMPTY_PATH for AT_EMPTY_PATH.
 *
 * Context: may block.
 * Errors:  of both walks; -EEXIST -EXDEV -EPERM (a directory) -EROFS -EACCES -EMLINK -ENOENT (the old
 *          file has been deleted).
 * Source:  link(2), linkat(2).
 */
int vfs_link(const struct walk *old_w, const char *old_name, const struct walk *new_w,
             const char *new_name)
{
    AUTO_PATH old = {0};
    int r = vfs_lookup(old_w, old_name, &old);
    if (r < 0) {
        return r;
    }
    inode_hold_leases(old.dentry->inode); /* its link count */
    AUTO_NAMEI n;
    struct dentry *d;
    r = begin_create(&n, new_w, new_name, false, &d);
    if (r < 0) {
        return r;
    }
    r = link_checked(&old, &n, new_w->cred);
    if (r == 0) {
        vfs_notify_inode(old.dentry->inode, IN_ATTRIB);
    }
    return end_create(&n, d, r, r == 0 ? inode_get(old.dentry->inode) : NULL);
}

/* The start of unlink and rmdir: n->at locked, *out positive. */
static int begin_remove(struct namei *n, struct dentry **out)
{
    int r = path_want_write(&n->at);
    if (r < 0) {
        return r;
    }
    struct inode *dir = n->at.dentry->inode;
    kmutex_lock(&dir->lock);
    struct dentry *d;
    r = dentry_lookup_locked(n->at.dentry, &n->last, &d);
    if (r == 0 && d->inode) {
        *out = d;
        return 0;
    }
    if (r == 0) {
        dentry_put(d);
        r = -ENOENT;
    }
    kmutex_unlock(&dir->lock);
    return r;
}

static void end_remove(struct namei *n, struct dentry *d, int r)
{
    if (r == 0) {
        AUTO_PUT(inode) victim = inode_get(d->inode);
        bool is_dir = S_ISDIR(victim->mode);
        dentry_delete(d);
        if (!is_dir) {
            vfs_notify_inode(victim, IN_ATTRIB); /* its link count */
        }
        if (is_dir || victim->nlink == 0) {
            vfs_notify_inode(victim, IN_DELETE_SELF);
        }
        vfs_notify_dir(n->at.dentry->inode, &n->last, is_dir, IN_DELETE, 0);
    }
    kmutex_unlock(&n->at.dentry->inode->lock);
    dentry_put(d);
}

static int unlink_checked(struct namei *n, struct dentry *d, const struct cred *cred)
{
    struct inode *dir = n->at.dentry->inode;
    if (n->slash) {
        return S_ISDIR(d->inode->mode) ? -EISDIR : -ENOTDIR;
    }
    int r = may_delete(dir, d, cred, false);
    if (r < 0) {
        return r;
    }
    if (!dir->ops->unlink) {
        return -EPERM;
    }
    inode_hold_leases(d->inode); /* its link count */
    return d->mount_count > 0 ? -EBUSY : dir->ops->unlink(dir, &n->last, d->inode);
}

int vfs_unlink(const struct walk *w, const char *name)
{
    AUTO_NAMEI n;
    int r = namei_start(&n, w, name);
    if (r == 0) {
        r = namei_parent(&n);
    }
    if (r < 0) {
        return r;
    }
    if (n.kind != LAST_NORM) {
        return -EISDIR;
    }
    struct dentry *d;
    r = begin_remove(&n, &d);
    if (r == 0) {
        r = unlink_checked(&n, d, w->cred);
        end_remove(&n, d, r);
    }
    return r;
}

static int rmdir_checked(struct namei *n, struct dentry *d, const struct cred *cred)
{
    struct inode *dir = n->at.dentry->inode;
    int r = may_delete(dir, d, cred, true);
    if (r < 0) {
        return r;
    }
    if (!dir->ops->rmdir) {
        return -EPERM;
    }
    /* A host tree may show a directory below itself (a bind mount); it can't be locked twice. */
    if (d->mount_count > 0 || d->inode == dir) {
        return -EBUSY;
    }
    /* Nobody may add a name between the check for emptiness and the removal. */
    AUTO_PUT(inode) victim = inode_get(d->inode);
    kmutex_lock(&victim->lock);
    inode_take_notes(victim);
    r = dir->ops->rmdir(dir, &n->last, victim);
    if (r == 0) {
        victim->i_flags |= INODE_DEAD;
    }
    kmutex_unlock(&victim->lock);
    return r;
}

int vfs_rmdir(const struct walk *w, const char *name)
{
    static const int dot_errors[] = {
        [LAST_DOT] = -EINVAL, [LAST_DOTDOT] = -ENOTEMPTY, [LAST_NONE] = -EBUSY};
    AUTO_NAMEI n;
    int r = namei_start(&n, w, name);
    if (r == 0) {
        r = namei_parent(&n);
    }
    if (r < 0) {
        return r;
    }
    if (n.kind != LAST_NORM) {
        return dot_errors[n.kind];
    }
    struct dentry *d;
    r = begin_remove(&n, &d);
    if (r == 0) {
        r = rmdir_checked(&n, d, w->cred);
        end_remove(&n, d, r);
    }
    return r;
}
