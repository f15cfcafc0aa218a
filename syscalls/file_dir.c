/*
 * Directories: getdents, the working directory, the root. Analogous to Linux's fs/readdir.c and the
 * chdir part of fs/open.c. getdents(2), chdir(2), getcwd(2), chroot(2).
 */
#include <limits.h>
#include <string.h>

#include "lib/strbuf.h"
#include "sentry/base/errno.h"
#include "sentry/task/facts.h"
#include "sentry/vfs/dirent.h"
#include "sentry/vfs/lease.h"
#include "sentry/vfs/notify.h"
#include "sentry/vfs/stamp.h"
#include "syscalls/helpers.h"
#include "syscalls/syscalls.h"

/* A guest may offer any room; more than this is not filled at once. */
#define DIRENTS_MAX_SIZE (128u * 1024)

/* Under f's position lock. */
static int fill_sink(struct file *f, struct dirent_sink *s)
{
    if (f->inode->i_flags & INODE_DEAD) {
        return -ENOENT;
    }
    s->context.pos = f->pos;
    int r = f->ops->readdir(f, &s->context);
    if (r < 0 && s->used == 0) {
        return r;
    }
    if (s->too_small) {
        return -EINVAL;
    }
    f->pos = s->context.pos;
    file_accessed(f);
    return 0;
}

static long getdents(struct task *t, int fd, uaddr_t dirp, unsigned count, bool old)
{
    AUTO_PUT(file) f = NULL;
    AUTO_FREE char *buf = NULL;
    int r = file_in(t, fd, &f);
    if (r < 0) {
        return r;
    }
    if (!f->ops->readdir) {
        return -ENOTDIR;
    }
    struct dirent_sink s = {
        .context.emit = dirent_emit, .room = MIN(count, DIRENTS_MAX_SIZE), .old = old};
    s.buf = buf = malloc(MAX(s.room, (size_t)1));
    if (!buf) {
        return -ENOMEM;
    }
    file_hold_lease(f);
    kmutex_lock(&f->pos_lock);
    const int64_t before = f->pos;
    r = fill_sink(f, &s);
    if (r == 0 && copy_out(t->mm, dirp, buf, s.used) < 0) {
        f->pos = before;
        r = -EFAULT;
    }
    kmutex_unlock(&f->pos_lock);
    if (r < 0) {
        return r;
    }
    vfs_notify(f->path.dentry, IN_ACCESS);
    return (long)s.used;
}

long sys_getdents64(struct task *t, int fd, uaddr_t dirp, unsigned count)
{
    return getdents(t, fd, dirp, count, false);
}

long sys_getdents(struct task *t, int fd, uaddr_t dirp, unsigned count)
{
    return getdents(t, fd, dirp, count, true);
}

static long set_cwd(struct task *t, const struct path *p)
{
    if (!S_ISDIR(p->dentry->inode->mode)) {
        return -ENOTDIR;
    }
    int r = inode_permission(p->dentry->inode, t->cred, MAY_EXEC);
    if (r < 0) {
        return r;
    }
    path_put(&t->fs->cwd);
    path_copy(&t->fs->cwd, p);
    facts_forget_at(t->fs, FACT_CWD);
    stamp_at(stamp_of_id(t->fs->cwd_stamp));
    return 0;
}

long sys_chdir(struct task *t, uaddr_t path)
{
    AUTO_PATH p = {NULL, NULL};
    int r = path_at(t, AT_FDCWD, path, WALK_FOLLOW | WALK_DIRECTORY, &p);
    return r < 0 ? r : set_cwd(t, &p);
}

/* O_PATH files, too. */
long sys_fchdir(struct task *t, int fd)
{
    AUTO_PUT(file) f = NULL;
    int r = fd_table_lookup_any(t->files, fd, &f);
    return r < 0 ? r : set_cwd(t, &f->path);
}

long sys_chroot(struct task *t, uaddr_t path)
{
    AUTO_PATH p = {NULL, NULL};
    int r = path_at(t, AT_FDCWD, path, WALK_FOLLOW | WALK_DIRECTORY, &p);
    if (r == 0) {
        r = inode_permission(p.dentry->inode, t->cred, MAY_EXEC);
    }
    if (r < 0) {
        return r;
    }
    if (!cred_capable(t->cred, CAP_SYS_CHROOT)) {
        return -EPERM;
    }
    path_put(&t->fs->root);
    path_copy(&t->fs->root, &p);
    facts_forget_at(t->fs, FACT_CWD);
    facts_forget_at(t->fs, FACT_EXE);
    stamp_at(stamp_of_id(t->fs->root_stamp));
    return 0;
}

/* true: p lies below root, by parents and mount points. */
static bool path_below(const struct path *p, const struct path *root)
{
    const struct mount *m = p->mnt;
    const struct dentry *d = p->dentry;
    for (;;) {
        if (m == root->mnt && d == root->dentry) {
            return true;
        }
        if (m && d == m->root) {
            if (!m->parent) {
                return false;
            }
            d = m->mountpoint;
            m = m->parent;
        } else if (d->parent) {
            d = d->parent;
        } else {
            return false;
        }
    }
}

/* Return: bytes with the NUL, as the system call gives it. */
long sys_getcwd(struct task *t, uaddr_t buf, size_t size)
{
    AUTO_STRBUF name = {0};
    const struct path *cwd = &t->fs->cwd;
    if (cwd->dentry->unhashed || cwd->dentry->inode->i_flags & INODE_DEAD) {
        return -ENOENT;
    }
    if (!path_below(cwd, &t->fs->root)) {
        strbuf_adds(&name, "(unreachable)");
    }
    int r = path_name(cwd, &t->fs->root, &name);
    if (r == 0) {
        r = strbuf_error(&name);
    }
    if (r < 0) {
        return r;
    }
    if (name.size + 1 > PATH_MAX) {
        return -ENAMETOOLONG;
    }
    if (name.size + 1 > size) {
        return -ERANGE;
    }
    r = copy_out(t->mm, buf, name.text, name.size + 1);
    if (r < 0) {
        return r;
    }
    facts_keep(t, FACT_CWD, name.text, name.size + 1);
    return (long)name.size + 1;
}
