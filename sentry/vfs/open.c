/*
 * open(2): from a name and flags to an open file. Analogous to path_openat, do_open and may_open in
 * Linux's fs/namei.c, whose order of errors it keeps.
 */
#include "sentry/vfs/namei.h"

#include <errno.h>

#include "sentry/vfs/dcache.h"
#include "sentry/vfs/notify.h"

#define O_TMPFILE_BIT 020000000u /* __O_TMPFILE: O_TMPFILE without O_DIRECTORY */

/* What an open in progress has found out. */
struct opening {
    const struct walk *w;
    unsigned flags;
    uint32_t mode;
    struct path path; /* refs: what is being opened */
    bool created;
};

static int access_of(unsigned flags)
{
    static const int may[] = {MAY_READ, MAY_WRITE, MAY_READ | MAY_WRITE, MAY_READ | MAY_WRITE};
    int m = flags & VFS_O_EXEC ? MAY_EXEC : may[flags & O_ACCMODE];
    return m | (flags & O_TRUNC ? MAY_WRITE : 0);
}

/* may_open: what the object is, then permission. */
static int may_open(const struct path *p, unsigned flags, int may, const struct cred *cred)
{
    struct inode *inode = p->dentry->inode;
    bool noexec = p->mnt && (p->mnt->flags & MNT_NOEXEC);
    switch (inode->mode & S_IFMT) {
    case S_IFLNK:
        return -ELOOP;
    case S_IFDIR:
        if (may & MAY_WRITE) {
            return -EISDIR;
        }
        if (may & MAY_EXEC) {
            return -EACCES;
        }
        break;
    case S_IFCHR:
    case S_IFBLK:
        if (p->mnt && (p->mnt->flags & MNT_NODEV)) {
            return -EACCES;
        }
        if (may & MAY_EXEC) {
            return -EACCES;
        }
        break;
    case S_IFREG:
        if ((may & MAY_EXEC) && noexec) {
            return -EACCES;
        }
        break;
    default:
        if (may & MAY_EXEC) {
            return -EACCES;
        }
        break;
    }
    int r = inode_permission(inode, cred, may);
    if (r < 0) {
        return r;
    }
    return (flags & O_NOATIME) && !inode_owner_or_capable(inode, cred) ? -EPERM : 0;
}

/* The object is known: check it, truncate it, make the file. */
static int do_open(struct opening *o, struct file **out)
{
    struct inode *inode = o->path.dentry->inode;
    unsigned flags = o->flags;
    if ((flags & O_CREAT) && !o->created) {
        if (flags & O_EXCL) {
            return -EEXIST;
        }
        if (S_ISDIR(inode->mode)) {
            return -EISDIR;
        }
    }
    if ((flags & O_DIRECTORY) && !S_ISDIR(inode->mode)) {
        return -ENOTDIR;
    }
    int may = o->created ? 0 : access_of(flags);
    bool truncate = (flags & O_TRUNC) && !o->created && S_ISREG(inode->mode);
    bool special = !S_ISREG(inode->mode) && !S_ISDIR(inode->mode) && !S_ISLNK(inode->mode);
    int r = truncate ? path_want_write(&o->path) : 0;
    if (r == 0) {
        r = may_open(&o->path, flags, may, o->w->cred);
    }
    if (r == 0 && (may & MAY_WRITE) && !special) {
        r = path_want_write(&o->path);
    }
    if (r < 0) {
        return r;
    }
    struct file *f;
    r = file_open_path(&o->path, flags, o->w->cred, &f);
    if (r < 0) {
        return r;
    }
    f->created = o->created;
    if (truncate) {
        r = inode_get_write(inode);
        if (r == 0) {
            r = inode_truncate(inode, o->w->cred, 0);
            inode_put_write(inode);
            if (r == 0) {
                vfs_notify(o->path.dentry, IN_MODIFY);
            }
        }
        if (r < 0) {
            file_put(f);
            return r;
        }
    }
    *out = f;
    return 0;
}

/* d is negative, in n->at, which is locked. */
static int create_file(struct opening *o, struct namei *n, struct dentry *d)
{
    struct inode *dir = n->at.dentry->inode, *inode = NULL;
    int r = path_want_write(&n->at);
    if (r == 0) {
        r = may_create(dir, o->w->cred);
    }
    if (r < 0) {
        return r;
    }
    if (!dir->ops->create) {
        return -EACCES;
    }
    r = dir->ops->create(dir, &n->last, S_IFREG | (o->mode & ~o->w->umask & 07777), o->w->cred,
                         &inode);
    if (r == 0) {
        dentry_instantiate(d, inode);
        o->created = true;
        vfs_notify_dir(dir, &n->last, false, IN_CREATE, 0);
    }
    return r;
}

/* Looks the last component up, and creates it when that is asked for. *out: a reference, positive. */
static int lookup_or_create(struct opening *o, struct namei *n, struct dentry **out)
{
    struct inode *dir = n->at.dentry->inode;
    int r = dentry_lookup(n->at.dentry, &n->last, n->opens ? LOOKUP_OPEN : 0, out);
    if (r < 0 || (*out)->inode) {
        return r;
    }
    dentry_put(*out);
    if (!(o->flags & O_CREAT)) {
        return -ENOENT;
    }
    kmutex_lock(&dir->lock);
    r = dentry_lookup_locked(n->at.dentry, &n->last, out);
    if (r == 0 && !(*out)->inode) {
        r = create_file(o, n, *out);
        if (r < 0) {
            dentry_put(*out);
        }
    }
    kmutex_unlock(&dir->lock);
    return r;
}

/* The walk's last step. Return: 1 when the component was a link, and the walk goes on. */
static int open_last(struct opening *o, struct namei *n)
{
    if (n->kind != LAST_NORM) {
        int r = namei_dots(n);
        if (r == 0) {
            path_copy(&o->path, &n->at);
        }
        return r;
    }
    if ((o->flags & O_CREAT) && n->slash) {
        return -EISDIR;
    }
    struct dentry *d;
    int r = lookup_or_create(o, n, &d);
    if (r < 0) {
        return r;
    }
    namei_trace_name(n, &n->last);
    r = namei_enter(n, d, &o->path);
    if (r < 0) {
        return r;
    }
    bool follow =
        n->slash || !((o->flags & O_NOFOLLOW) || ((o->flags & O_CREAT) && (o->flags & O_EXCL)));
    if (!S_ISLNK(o->path.dentry->inode->mode) || !follow) {
        return 0;
    }
    if (n->w->trace) {
        n->w->trace->last_link = true;
    }
    r = namei_follow(n, &o->path);
    path_put(&o->path);
    return r < 0 ? r : 1;
}

static int open_tmpfile(struct opening *o, struct namei *n, struct file **out)
{
    if (!(access_of(o->flags) & MAY_WRITE)) {
        return -EINVAL;
    }
    int r = namei_finish(n, true);
    if (r < 0) {
        return r;
    }
    struct inode *dir = n->at.dentry->inode, *inode;
    if (!S_ISDIR(dir->mode)) {
        return -ENOTDIR;
    }
    r = path_want_write(&n->at);
    if (r == 0) {
        r = inode_permission(dir, o->w->cred, MAY_WRITE | MAY_EXEC);
    }
    if (r < 0) {
        return r;
    }
    if (!dir->ops->tmpfile) {
        return -EOPNOTSUPP;
    }
    kmutex_lock(&dir->lock);
    r = dir->ops->tmpfile(dir, S_IFREG | (o->mode & ~o->w->umask & 07777), o->w->cred, &inode);
    kmutex_unlock(&dir->lock);
    if (r < 0) {
        return r;
    }
    if (!(o->flags & O_EXCL)) {
        inode->i_flags |= INODE_LINKABLE;
    }
    struct dentry *d;
    r = dentry_new_unnamed(n->at.dentry, inode, &d);
    if (r < 0) {
        return r;
    }
    o->path = (struct path){.mnt = n->at.mnt ? mount_get(n->at.mnt) : NULL, .dentry = d};
    return file_open_path(&o->path, o->flags & ~(O_TMPFILE_BIT | O_DIRECTORY), o->w->cred, out);
}

static int open_walk(struct opening *o, struct namei *n, struct file **out)
{
    int r;
    n->opens = !(o->flags & (O_ACCMODE | O_CREAT | O_TRUNC | O_DIRECTORY));
    do {
        r = namei_parent(n);
        if (r == 0) {
            r = open_last(o, n);
        }
    } while (r == 1);
    if (r < 0) {
        return r;
    }
    if (n->slash && !S_ISDIR(o->path.dentry->inode->mode)) {
        return -ENOTDIR;
    }
    return do_open(o, out);
}

/**
 * vfs_open - open, and perhaps create, what a name names.
 * @w:     flags WALK_FOLLOW is ignored: O_NOFOLLOW decides.
 * @mode:  of a new file; w->umask is applied.
 * @out:   an open file with one reference.
 *
 * Context: may block (walk, FIFO, device).
 * Errors:  of the walk; -EEXIST -EISDIR -ENOTDIR -ELOOP -EACCES -EPERM -EROFS -ETXTBSY -ENXIO
 *          -EOPNOTSUPP -EINVAL.
 * Source:  open(2).
 */
int vfs_open(const struct walk *w, const char *name, unsigned flags, uint32_t mode,
             struct file **out)
{
    struct opening o = {.w = w, .flags = flags, .mode = mode};
    if (flags & O_PATH) {
        o.flags &= O_PATH | O_DIRECTORY | O_NOFOLLOW;
    } else if ((flags & O_CREAT) && (flags & O_DIRECTORY)) {
        return -EINVAL;
    }
    AUTO_NAMEI n;
    int r = namei_start(&n, w, name);
    if (r < 0) {
        return r;
    }
    if (o.flags & O_PATH) {
        r = namei_finish(&n, !(flags & O_NOFOLLOW));
        if (r == 0 && (flags & O_DIRECTORY) && !S_ISDIR(n.at.dentry->inode->mode)) {
            r = -ENOTDIR;
        }
        return r < 0 ? r : file_open_path(&n.at, o.flags, w->cred, out);
    }
    r = flags & O_TMPFILE_BIT ? open_tmpfile(&o, &n, out) : open_walk(&o, &n, out);
    path_put(&o.path);
    return r;
}

int vfs_create_at_once(const struct path *dir, const struct name *name, unsigned flags,
                       uint32_t mode, const struct cred *cred, struct file **out)
{
    const struct walk w = {.cred = cred};
    struct opening o = {.w = &w, .flags = flags, .mode = mode};
    struct namei n; /* no walk: only where it would have led */
    struct dentry *d;
    n.w = &w;
    n.at = *dir;
    n.last = *name;
    int r = dentry_lookup_locked(dir->dentry, name, &d);
    if (r < 0) {
        return r;
    }
    r = d->inode ? -EEXIST : create_file(&o, &n, d);
    if (r < 0) {
        dentry_put(d);
        return r;
    }
    r = namei_enter(&n, d, &o.path);
    if (r == 0) {
        r = do_open(&o, out);
        path_put(&o.path);
    }
    return r;
}

int vfs_open_path(const struct path *p, unsigned flags, const struct cred *cred, struct file **out)
{
    if (flags & O_PATH) {
        return file_open_path(p, flags & (O_PATH | O_DIRECTORY | O_NOFOLLOW), cred, out);
    }
    const struct walk w = {.cred = cred};
    struct opening o = {.w = &w, .flags = flags & ~(unsigned)(O_CREAT | O_EXCL), .path = *p};
    return do_open(&o, out);
}
