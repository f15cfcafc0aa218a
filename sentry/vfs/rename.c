/*
 * rename(2) and renameat2(2). Analogous to do_renameat2 and vfs_rename in Linux's fs/namei.c.
 *
 * Both parents are locked for the whole operation. Between two directories the order is: the file
 * system's rename_lock first (so that the tree holds still), then an ancestor before its
 * descendant, else by address; then the target, when it is a directory that may be replaced.
 */
#include "sentry/vfs/namei.h"

#include <errno.h>
#include <linux/fs.h>

#include "sentry/vfs/dcache.h"
#include "sentry/vfs/lease.h"
#include "sentry/vfs/notify.h"

struct rename {
    struct namei old, new;
    struct dentry *old_d, *new_d; /* refs */
    unsigned flags;
    const struct cred *cred;
};

static struct inode *dir_of(const struct namei *n)
{
    return n->at.dentry->inode;
}

static void lock_parents(const struct rename *r)
{
    struct dentry *a = r->old.at.dentry, *b = r->new.at.dentry;
    if (a->inode == b->inode) {
        kmutex_lock(&a->inode->lock);
        return;
    }
    kmutex_lock(&a->sb->rename_lock);
    bool b_first = dentry_is_ancestor(b, a) || (!dentry_is_ancestor(a, b) && b->inode < a->inode);
    kmutex_lock(b_first ? &b->inode->lock : &a->inode->lock);
    kmutex_lock(b_first ? &a->inode->lock : &b->inode->lock);
}

static void unlock_parents(const struct rename *r)
{
    struct dentry *a = r->old.at.dentry, *b = r->new.at.dentry;
    kmutex_unlock(&a->inode->lock);
    if (a->inode != b->inode) {
        kmutex_unlock(&b->inode->lock);
        kmutex_unlock(&a->sb->rename_lock);
    }
}

static int walk_to_parents(struct rename *r, const struct walk *old_w, const char *old_name,
                           const struct walk *new_w, const char *new_name)
{
    int err = namei_start(&r->old, old_w, old_name);
    if (err == 0) {
        err = namei_parent(&r->old);
    }
    if (err == 0) {
        err = namei_start(&r->new, new_w, new_name);
    }
    if (err == 0) {
        err = namei_parent(&r->new);
    }
    if (err < 0) {
        return err;
    }
    if (r->old.at.mnt != r->new.at.mnt) {
        return -EXDEV;
    }
    if (r->old.kind != LAST_NORM) {
        return -EBUSY;
    }
    if (r->new.kind != LAST_NORM) {
        return r->flags & RENAME_NOREPLACE ? -EEXIST : -EBUSY;
    }
    return path_want_write(&r->old.at);
}

/* What the two names are, and whether they go together. Parents are locked. */
static int look_up_names(struct rename *r)
{
    int err = dentry_lookup_locked(r->old.at.dentry, &r->old.last, &r->old_d);
    if (err < 0) {
        return err;
    }
    err = dentry_lookup_locked(r->new.at.dentry, &r->new.last, &r->new_d);
    if (err < 0) {
        return err;
    }
    /* Of a directory that was removed, no name is looked at further. */
    if (!r->old_d->inode || dir_of(&r->new)->i_flags & INODE_DEAD) {
        return -ENOENT;
    }
    bool exchange = r->flags & RENAME_EXCHANGE;
    if ((r->flags & RENAME_NOREPLACE) && r->new_d->inode) {
        return -EEXIST;
    }
    if (exchange) {
        if (!r->new_d->inode) {
            return -ENOENT;
        }
        if (!S_ISDIR(r->new_d->inode->mode) && r->new.slash) {
            return -ENOTDIR;
        }
    }
    if (!S_ISDIR(r->old_d->inode->mode) && (r->old.slash || (!exchange && r->new.slash))) {
        return -ENOTDIR;
    }
    if (dentry_is_ancestor(r->old_d, r->new.at.dentry)) {
        return -EINVAL;
    }
    if (dentry_is_ancestor(r->new_d, r->old.at.dentry)) {
        return exchange ? -EINVAL : -ENOTEMPTY;
    }
    return 0;
}

static int check_permission(const struct rename *r)
{
    struct inode *old_dir = dir_of(&r->old), *new_dir = dir_of(&r->new);
    struct inode *source = r->old_d->inode, *target = r->new_d->inode;
    bool is_dir = S_ISDIR(source->mode), exchange = r->flags & RENAME_EXCHANGE;
    int err = may_delete(old_dir, r->old_d, r->cred, is_dir);
    if (err == 0) {
        if (!target) {
            err = may_create(new_dir, r->cred);
        } else {
            err = may_delete(new_dir, r->new_d, r->cred, exchange ? S_ISDIR(target->mode) : is_dir);
        }
    }
    if (err < 0) {
        return err;
    }
    if (!old_dir->ops->rename) {
        return -EPERM;
    }
    /* A directory's ".." is going to change: that is a write to it. */
    if (old_dir != new_dir) {
        if (is_dir) {
            err = inode_permission(source, r->cred, MAY_WRITE);
        }
        if (err == 0 && exchange && S_ISDIR(target->mode)) {
            err = inode_permission(target, r->cred, MAY_WRITE);
        }
    }
    if (err < 0) {
        return err;
    }
    /* A host tree may show a directory below itself (a bind mount); it can't be locked twice. */
    if (target == old_dir || target == new_dir || source == old_dir || source == new_dir) {
        return -EBUSY;
    }
    return r->old_d->mount_count > 0 || r->new_d->mount_count > 0 ? -EBUSY : 0;
}

static void notify_move(const struct namei *from, const struct namei *to, struct inode *inode)
{
    static uint32_t last_cookie; /* only ever compared */
    bool is_dir = S_ISDIR(inode->mode);
    last_cookie++;
    vfs_notify_dir(dir_of(from), &from->last, is_dir, IN_MOVED_FROM, last_cookie);
    vfs_notify_dir(dir_of(to), &to->last, is_dir, IN_MOVED_TO, last_cookie);
}

/* target: what had the new name, or NULL. */
static void notify_moved(const struct rename *r, struct inode *source, struct inode *target)
{
    bool exchange = r->flags & RENAME_EXCHANGE;
    notify_move(&r->old, &r->new, source);
    if (target && !exchange) {
        vfs_notify_inode(target, IN_ATTRIB);
    }
    vfs_notify_inode(source, IN_MOVE_SELF);
    if (target && exchange) {
        notify_move(&r->new, &r->old, target);
        vfs_notify_inode(target, IN_MOVE_SELF);
    } else if (target && (S_ISDIR(target->mode) || target->nlink == 0)) {
        vfs_notify_inode(target, IN_DELETE_SELF);
    }
}

static int rename_locked(struct rename *r)
{
    int err = look_up_names(r);
    if (err < 0) {
        return err;
    }
    struct inode *source = r->old_d->inode;
    if (source == r->new_d->inode) {
        return 0; /* two names of one file: POSIX says that nothing happens */
    }
    err = check_permission(r);
    if (err < 0) {
        return err;
    }
    bool exchange = r->flags & RENAME_EXCHANGE;
    AUTO_PUT(inode) target = r->new_d->inode ? inode_get(r->new_d->inode) : NULL;
    bool replaced_dir = target && !exchange && S_ISDIR(target->mode);
    if (replaced_dir) {
        kmutex_lock(&target->lock);
    }
    inode_hold_leases(source); /* times and link counts */
    if (target) {
        inode_hold_leases(target);
    }
    struct inode *old_dir = dir_of(&r->old);
    err = old_dir->ops->rename(old_dir, &r->old.last, source, dir_of(&r->new), &r->new.last, target,
                               r->flags);
    if (replaced_dir) {
        if (err == 0) {
            target->i_flags |= INODE_DEAD;
        }
        kmutex_unlock(&target->lock);
    }
    if (err < 0) {
        return err;
    }
    err = exchange ? dentry_exchange(r->old_d, r->new_d) : dentry_move(r->old_d, r->new_d);
    if (err == 0) {
        notify_moved(r, source, target);
    }
    return err;
}

/**
 * vfs_rename - give a file another name, replacing or exchanging what had it.
 * @flags: RENAME_NOREPLACE, RENAME_EXCHANGE.
 *
 * DEVIATION: RENAME_WHITEOUT is -EINVAL: it makes the marks of overlayfs, which guests cannot mount.
 *
 * Context: may block.
 * Errors:  of both walks; -EINVAL flags, or a directory into itself; -EXDEV -EBUSY -EROFS -ENOENT
 *          -EEXIST -ENOTDIR -EISDIR -ENOTEMPTY -EACCES -EPERM.
 * Source:  rename(2).
 */
int vfs_rename(const struct walk *old_w, const char *old_name, const struct walk *new_w,
               const char *new_name, unsigned flags)
{
    if ((flags & ~(unsigned)(RENAME_NOREPLACE | RENAME_EXCHANGE)) ||
        flags == (RENAME_NOREPLACE | RENAME_EXCHANGE)) {
        return -EINVAL;
    }
    struct rename r = {.flags = flags, .cred = old_w->cred};
    int err = walk_to_parents(&r, old_w, old_name, new_w, new_name);
    if (err == 0) {
        lock_parents(&r);
        err = rename_locked(&r);
        if (r.old_d) {
            /* Dropping a name may free its inode, but never a parent's: the walks hold those. */
            dentry_put(r.old_d);
        }
        if (r.new_d) {
            dentry_put(r.new_d);
        }
        unlock_parents(&r);
    }
    namei_end(&r.old);
    namei_end(&r.new);
    return err;
}
