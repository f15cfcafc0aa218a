/*
 * Names come and go: mkdir, mknod, link, symlink, unlink, rmdir, rename, in their plain and *at forms.
 * Analogous to the second half of Linux's fs/namei.c. Flags and copying are here; the rules of
 * directories, permissions and mounts are vfs.h's.
 */
#include <linux/fs.h>
#include <string.h>

#include "sentry/base/errno.h"
#include "syscalls/helpers.h"
#include "syscalls/syscalls.h"

/* A name and the walk to it. */
struct target {
    char *name;        /* owned */
    struct path start; /* ref: what walk.start borrows */
    struct walk walk;
};

static void target_free(struct target *g)
{
    free(g->name);
    path_put(&g->start);
}
#define AUTO_TARGET __attribute__((cleanup(target_free))) struct target

static int target_init(struct target *g, struct task *t, int dirfd, uaddr_t name,
                       unsigned walk_flags)
{
    int r = name_in(t, name, walk_flags & WALK_EMPTY_PATH, &g->name);
    return r < 0 ? r : walk_init(t, dirfd, g->name, walk_flags, &g->walk, &g->start);
}

/* The directory that g's last component is in: what is walked before the second name is looked at. */
static int walk_parent(const struct target *g)
{
    AUTO_PATH dir = {NULL, NULL};
    AUTO_FREE char *text = strdup(g->name);
    struct walk w = g->walk;
    if (!text) {
        return -ENOMEM;
    }
    size_t size = strlen(text);
    while (size > 1 && text[size - 1] == '/') {
        size--;
    }
    while (size > 0 && text[size - 1] != '/') {
        size--;
    }
    text[size] = '\0';
    w.flags = WALK_FOLLOW | WALK_DIRECTORY;
    return vfs_lookup(&w, size ? text : ".", &dir);
}

static int walk_old(const struct target *g)
{
    AUTO_PATH p = {NULL, NULL};
    return vfs_lookup(&g->walk, g->name, &p);
}

/*
 * Both names of a call that has two. Linux walks to the old one before it looks at the new one;
 * so if that is bad in itself, old's errors still come first.
 */
static int target_pair(struct task *t, struct target *from, int olddirfd, uaddr_t oldpath,
                       unsigned old_flags, struct target *to, int newdirfd, uaddr_t newpath,
                       int (*walk_first)(const struct target *))
{
    int r = target_init(from, t, olddirfd, oldpath, old_flags);
    if (r < 0) {
        return r;
    }
    r = target_init(to, t, newdirfd, newpath, 0);
    if (r < 0) {
        int first = walk_first(from);
        return first < 0 ? first : r;
    }
    return 0;
}

long sys_mkdirat(struct task *t, int dirfd, uaddr_t path, unsigned mode)
{
    AUTO_TARGET g = {0};
    int r = target_init(&g, t, dirfd, path, 0);
    return r < 0 ? r : vfs_mkdir(&g.walk, g.name, mode & 01777);
}

long sys_mkdir(struct task *t, uaddr_t path, unsigned mode)
{
    return sys_mkdirat(t, AT_FDCWD, path, mode);
}

long sys_mknodat(struct task *t, int dirfd, uaddr_t path, unsigned mode, unsigned dev)
{
    AUTO_TARGET g = {0};
    switch (mode & S_IFMT) {
    case 0:
        mode |= S_IFREG;
        break;
    case S_IFREG:
    case S_IFCHR:
    case S_IFBLK:
    case S_IFIFO:
    case S_IFSOCK:
        break;
    case S_IFDIR:
        return -EPERM;
    default:
        return -EINVAL;
    }
    int r = target_init(&g, t, dirfd, path, 0);
    if (r < 0) {
        return r;
    }
    /* A device number of 32 bits reads the same in the C library's 64. */
    return vfs_mknod(&g.walk, g.name, mode & (S_IFMT | 07777),
                     S_ISCHR(mode) || S_ISBLK(mode) ? dev : 0);
}

long sys_mknod(struct task *t, uaddr_t path, unsigned mode, unsigned dev)
{
    return sys_mknodat(t, AT_FDCWD, path, mode, dev);
}

long sys_symlinkat(struct task *t, uaddr_t target, int newdirfd, uaddr_t linkpath)
{
    AUTO_FREE char *text = NULL;
    AUTO_TARGET g = {0};
    int r = name_in(t, target, false, &text);
    if (r < 0) {
        return r;
    }
    r = target_init(&g, t, newdirfd, linkpath, 0);
    return r < 0 ? r : vfs_symlink(&g.walk, text, g.name);
}

long sys_symlink(struct task *t, uaddr_t target, uaddr_t linkpath)
{
    return sys_symlinkat(t, target, AT_FDCWD, linkpath);
}

long sys_linkat(struct task *t, int olddirfd, uaddr_t oldpath, int newdirfd, uaddr_t newpath,
                int flags)
{
    AUTO_TARGET from = {0};
    AUTO_TARGET to = {0};
    if (flags & ~(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH)) {
        return -EINVAL;
    }
    /* To name an fd's file without ever having had a name for it is for the privileged. */
    if (flags & AT_EMPTY_PATH && !cred_capable(t->cred, CAP_DAC_READ_SEARCH)) {
        return -ENOENT;
    }
    int r = target_pair(t, &from, olddirfd, oldpath, walk_flags_follow(flags), &to, newdirfd,
                        newpath, walk_old);
    return r < 0 ? r : vfs_link(&from.walk, from.name, &to.walk, to.name);
}

long sys_link(struct task *t, uaddr_t oldpath, uaddr_t newpath)
{
    return sys_linkat(t, AT_FDCWD, oldpath, AT_FDCWD, newpath, 0);
}

long sys_unlinkat(struct task *t, int dirfd, uaddr_t path, int flags)
{
    AUTO_TARGET g = {0};
    if (flags & ~AT_REMOVEDIR) {
        return -EINVAL;
    }
    int r = target_init(&g, t, dirfd, path, 0);
    if (r < 0) {
        return r;
    }
    return flags & AT_REMOVEDIR ? vfs_rmdir(&g.walk, g.name) : vfs_unlink(&g.walk, g.name);
}

long sys_unlink(struct task *t, uaddr_t path)
{
    return sys_unlinkat(t, AT_FDCWD, path, 0);
}

long sys_rmdir(struct task *t, uaddr_t path)
{
    return sys_unlinkat(t, AT_FDCWD, path, AT_REMOVEDIR);
}

long sys_renameat2(struct task *t, int olddirfd, uaddr_t oldpath, int newdirfd, uaddr_t newpath,
                   unsigned flags)
{
    AUTO_TARGET from = {0};
    AUTO_TARGET to = {0};
    if (flags & ~(RENAME_NOREPLACE | RENAME_EXCHANGE | RENAME_WHITEOUT)) {
        return -EINVAL;
    }
    if (flags & RENAME_EXCHANGE && flags & (RENAME_NOREPLACE | RENAME_WHITEOUT)) {
        return -EINVAL;
    }
    int r = target_pair(t, &from, olddirfd, oldpath, 0, &to, newdirfd, newpath, walk_parent);
    return r < 0 ? r : vfs_rename(&from.walk, from.name, &to.walk, to.name, flags);
}

long sys_renameat(struct task *t, int olddirfd, uaddr_t oldpath, int newdirfd, uaddr_t newpath)
{
    return sys_renameat2(t, olddirfd, oldpath, newdirfd, newpath, 0);
}

long sys_rename(struct task *t, uaddr_t oldpath, uaddr_t newpath)
{
    return sys_renameat2(t, AT_FDCWD, oldpath, AT_FDCWD, newpath, 0);
}
