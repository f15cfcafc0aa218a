/*
 * Extended attributes: names, sizes and who may. Analogous to Linux's fs/xattr.c; the file systems
 * keep the values. xattr(7), setxattr(2), getxattr(2), listxattr(2), removexattr(2).
 */
#include <limits.h>
#include <linux/xattr.h>
#include <string.h>
#include <sys/xattr.h>

#include "sentry/base/errno.h"
#include "sentry/vfs/notify.h"
#include "syscalls/helpers.h"
#include "syscalls/syscalls.h"

/* What an xattr call is about: an fd's file, or a name's. */
static int path_of_fd(struct task *t, int fd, struct path *out)
{
    AUTO_PUT(file) f = NULL;
    int r = file_in(t, fd, &f);
    if (r == 0) {
        path_copy(out, &f->path);
    }
    return r;
}

static int xattr_name_in(struct task *t, uaddr_t addr, char name[XATTR_NAME_MAX + 1])
{
    ssize_t n = copy_in_str(t->mm, name, addr, XATTR_NAME_MAX + 1);
    if (n == -ENAMETOOLONG || n == 0) {
        return -ERANGE;
    }
    return n < 0 ? (int)n : 0;
}

static bool has_prefix(const char *name, const char *prefix)
{
    return strncmp(name, prefix, strlen(prefix)) == 0;
}

/*
 * Linux's xattr_permission: by name space first, then by the file's mode. A privileged name that
 * may not even be seen is "no such attribute".
 */
static int xattr_permission(const struct path *p, const struct cred *cred, const char *name,
                            int may)
{
    const struct inode *inode = p->dentry->inode;
    if (may & MAY_WRITE && path_read_only(p)) {
        return -EROFS;
    }
    if (has_prefix(name, XATTR_SECURITY_PREFIX)) {
        return may & MAY_WRITE && !cred_capable(cred, CAP_SYS_ADMIN) ? -EPERM : 0;
    }
    if (has_prefix(name, XATTR_SYSTEM_PREFIX)) {
        return 0; /* ACLs: the file system's rule */
    }
    if (has_prefix(name, XATTR_TRUSTED_PREFIX)) {
        if (cred_capable(cred, CAP_SYS_ADMIN)) {
            return 0;
        }
        return may & MAY_WRITE ? -EPERM : -ENODATA;
    }
    if (!has_prefix(name, XATTR_USER_PREFIX)) {
        return -EOPNOTSUPP;
    }
    if (!S_ISREG(inode->mode) && !S_ISDIR(inode->mode)) {
        return may & MAY_WRITE ? -EPERM : -ENODATA;
    }
    if (S_ISDIR(inode->mode) && inode->mode & S_ISVTX && may & MAY_WRITE &&
        !inode_owner_or_capable(inode, cred)) {
        return -EPERM;
    }
    return inode_permission(p->dentry->inode, cred, may);
}

/* A name space without a name in it. */
static bool is_bare_prefix(const char *name)
{
    return strcmp(name, XATTR_USER_PREFIX) == 0 || strcmp(name, XATTR_TRUSTED_PREFIX) == 0 ||
           strcmp(name, XATTR_SECURITY_PREFIX) == 0;
}

static int xattr_check(const struct path *p, const struct cred *cred, const char *name, int may)
{
    int r = xattr_permission(p, cred, name, may);
    return r == 0 && is_bare_prefix(name) ? -EINVAL : r;
}

/* --- set --- */

struct xattr_set {
    char name[XATTR_NAME_MAX + 1];
    void *value; /* owned */
    size_t size;
    int flags;
};

static void xattr_set_free(struct xattr_set *s)
{
    free(s->value);
}
#define AUTO_XATTR_SET __attribute__((cleanup(xattr_set_free))) struct xattr_set

static int xattr_set_in(struct task *t, struct xattr_set *s, uaddr_t name, uaddr_t value,
                        size_t size, int flags)
{
    if (flags & ~(XATTR_CREATE | XATTR_REPLACE)) {
        return -EINVAL;
    }
    int r = xattr_name_in(t, name, s->name);
    if (r < 0) {
        return r;
    }
    if (size > XATTR_SIZE_MAX) {
        return -E2BIG;
    }
    s->size = size;
    s->flags = flags;
    s->value = malloc(MAX(size, (size_t)1));
    if (!s->value) {
        return -ENOMEM;
    }
    return copy_in(t->mm, s->value, value, size);
}

static long xattr_set(struct task *t, const struct path *p, const struct xattr_set *s)
{
    struct inode *inode = p->dentry->inode;
    int r = xattr_check(p, t->cred, s->name, MAY_WRITE);
    if (r < 0) {
        return r;
    }
    if (!inode->ops->setxattr) {
        return -EOPNOTSUPP;
    }
    r = inode->ops->setxattr(inode, s->name, s->value, s->size, s->flags);
    if (r == 0) {
        vfs_notify(p->dentry, IN_ATTRIB);
    }
    return r;
}

static long setxattr_at(struct task *t, int dirfd, uaddr_t path, unsigned walk_flags, uaddr_t name,
                        uaddr_t value, size_t size, int flags)
{
    AUTO_PATH p = {NULL, NULL};
    AUTO_XATTR_SET s = {.value = NULL};
    int r = xattr_set_in(t, &s, name, value, size, flags);
    if (r == 0) {
        r = path_at(t, dirfd, path, walk_flags, &p);
    }
    return r < 0 ? r : xattr_set(t, &p, &s);
}

long sys_setxattr(struct task *t, uaddr_t path, uaddr_t name, uaddr_t value, size_t size, int flags)
{
    return setxattr_at(t, AT_FDCWD, path, WALK_FOLLOW, name, value, size, flags);
}

long sys_lsetxattr(struct task *t, uaddr_t path, uaddr_t name, uaddr_t value, size_t size,
                   int flags)
{
    return setxattr_at(t, AT_FDCWD, path, 0, name, value, size, flags);
}

long sys_fsetxattr(struct task *t, int fd, uaddr_t name, uaddr_t value, size_t size, int flags)
{
    AUTO_PATH p = {NULL, NULL};
    AUTO_XATTR_SET s = {.value = NULL};
    int r = path_of_fd(t, fd, &p);
    if (r == 0) {
        r = xattr_set_in(t, &s, name, value, size, flags);
    }
    return r < 0 ? r : xattr_set(t, &p, &s);
}

/* --- get --- */

static long xattr_get(struct task *t, const struct path *p, uaddr_t name_addr, uaddr_t value,
                      size_t size)
{
    char name[XATTR_NAME_MAX + 1];
    AUTO_FREE void *buf = NULL;
    struct inode *inode = p->dentry->inode;
    int r = xattr_name_in(t, name_addr, name);
    if (r == 0) {
        r = xattr_check(p, t->cred, name, MAY_READ);
    }
    if (r < 0) {
        return r;
    }
    if (!inode->ops->getxattr) {
        return -EOPNOTSUPP;
    }
    size = MIN(size, (size_t)XATTR_SIZE_MAX);
    if (size) {
        buf = malloc(size);
        if (!buf) {
            return -ENOMEM;
        }
    }
    ssize_t n = inode->ops->getxattr(inode, name, buf, size);
    if (n > 0 && size && copy_out(t->mm, value, buf, (size_t)n) < 0) {
        return -EFAULT;
    }
    return n;
}

static long getxattr_at(struct task *t, int dirfd, uaddr_t path, unsigned walk_flags, uaddr_t name,
                        uaddr_t value, size_t size)
{
    AUTO_PATH p = {NULL, NULL};
    AUTO_NAME_CALL c = {.text = NULL};
    int r = path_at_kept(t, dirfd, path, walk_flags, &c, &p);
    long result = r < 0 ? r : xattr_get(t, &p, name, value, size);
    name_call_keep(t, &c, r, &p, NAME_USE_XATTR); /* by now it is known whether it has any */
    return result;
}

long sys_getxattr(struct task *t, uaddr_t path, uaddr_t name, uaddr_t value, size_t size)
{
    return getxattr_at(t, AT_FDCWD, path, WALK_FOLLOW, name, value, size);
}

long sys_lgetxattr(struct task *t, uaddr_t path, uaddr_t name, uaddr_t value, size_t size)
{
    return getxattr_at(t, AT_FDCWD, path, 0, name, value, size);
}

long sys_fgetxattr(struct task *t, int fd, uaddr_t name, uaddr_t value, size_t size)
{
    AUTO_PATH p = {NULL, NULL};
    int r = path_of_fd(t, fd, &p);
    return r < 0 ? r : xattr_get(t, &p, name, value, size);
}

/* --- list --- */

static long xattr_list(struct task *t, const struct path *p, uaddr_t list, size_t size)
{
    AUTO_FREE char *buf = NULL;
    struct inode *inode = p->dentry->inode;
    if (!inode->ops->listxattr) {
        return 0; /* has none; only naming one is refused */
    }
    size = MIN(size, (size_t)XATTR_LIST_MAX);
    if (size) {
        buf = malloc(size);
        if (!buf) {
            return -ENOMEM;
        }
    }
    ssize_t n = inode->ops->listxattr(inode, buf, size);
    if (n > 0 && size && copy_out(t->mm, list, buf, (size_t)n) < 0) {
        return -EFAULT;
    }
    return n;
}

static long listxattr_at(struct task *t, int dirfd, uaddr_t path, unsigned walk_flags, uaddr_t list,
                         size_t size)
{
    AUTO_PATH p = {NULL, NULL};
    int r = path_at(t, dirfd, path, walk_flags, &p);
    return r < 0 ? r : xattr_list(t, &p, list, size);
}

long sys_listxattr(struct task *t, uaddr_t path, uaddr_t list, size_t size)
{
    return listxattr_at(t, AT_FDCWD, path, WALK_FOLLOW, list, size);
}

long sys_llistxattr(struct task *t, uaddr_t path, uaddr_t list, size_t size)
{
    return listxattr_at(t, AT_FDCWD, path, 0, list, size);
}

long sys_flistxattr(struct task *t, int fd, uaddr_t list, size_t size)
{
    AUTO_PATH p = {NULL, NULL};
    int r = path_of_fd(t, fd, &p);
    return r < 0 ? r : xattr_list(t, &p, list, size);
}

/* --- remove --- */

static long xattr_remove(struct task *t, const struct path *p, uaddr_t name_addr)
{
    char name[XATTR_NAME_MAX + 1];
    struct inode *inode = p->dentry->inode;
    int r = xattr_name_in(t, name_addr, name);
    if (r == 0) {
        r = xattr_check(p, t->cred, name, MAY_WRITE);
    }
    if (r < 0) {
        return r;
    }
    if (!inode->ops->removexattr) {
        return -EOPNOTSUPP;
    }
    r = inode->ops->removexattr(inode, name);
    if (r == 0) {
        vfs_notify(p->dentry, IN_ATTRIB);
    }
    return r;
}

static long removexattr_at(struct task *t, int dirfd, uaddr_t path, unsigned walk_flags,
                           uaddr_t name)
{
    AUTO_PATH p = {NULL, NULL};
    int r = path_at(t, dirfd, path, walk_flags, &p);
    return r < 0 ? r : xattr_remove(t, &p, name);
}

long sys_removexattr(struct task *t, uaddr_t path, uaddr_t name)
{
    return removexattr_at(t, AT_FDCWD, path, WALK_FOLLOW, name);
}

long sys_lremovexattr(struct task *t, uaddr_t path, uaddr_t name)
{
    return removexattr_at(t, AT_FDCWD, path, 0, name);
}

long sys_fremovexattr(struct task *t, int fd, uaddr_t name)
{
    AUTO_PATH p = {NULL, NULL};
    int r = path_of_fd(t, fd, &p);
    return r < 0 ? r : xattr_remove(t, &p, name);
}

/* --- the *at forms of Linux 6.13: dirfd and flags before the name, value described by a struct --- */

struct xattr_args {
    uint64_t value;
    uint32_t size, flags;
};
#define XATTR_ARGS_SIZE_V0 16

static int xattr_at_flags(unsigned at_flags, unsigned *out_walk_flags)
{
    if (at_flags & ~(unsigned)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) {
        return -EINVAL;
    }
    *out_walk_flags = walk_flags_nofollow((int)at_flags);
    return 0;
}

static int xattr_args_in(struct task *t, uaddr_t addr, size_t usize, struct xattr_args *out)
{
    if (usize < XATTR_ARGS_SIZE_V0) {
        return -EINVAL;
    }
    if (usize > PAGE_SIZE) {
        return -E2BIG;
    }
    return copy_in_extensible(t->mm, out, sizeof(*out), addr, usize);
}

long sys_setxattrat(struct task *t, int dirfd, uaddr_t path, unsigned at_flags, uaddr_t name,
                    uaddr_t uargs, size_t usize)
{
    struct xattr_args args;
    unsigned walk_flags = 0;
    int r = xattr_args_in(t, uargs, usize, &args);
    if (r == 0) {
        r = xattr_at_flags(at_flags, &walk_flags);
    }
    return r < 0 ? r
                 : setxattr_at(t, dirfd, path, walk_flags, name, args.value, args.size,
                               (int)args.flags);
}

long sys_getxattrat(struct task *t, int dirfd, uaddr_t path, unsigned at_flags, uaddr_t name,
                    uaddr_t uargs, size_t usize)
{
    struct xattr_args args;
    unsigned walk_flags = 0;
    int r = xattr_args_in(t, uargs, usize, &args);
    if (r == 0) {
        r = args.flags ? -EINVAL : xattr_at_flags(at_flags, &walk_flags);
    }
    return r < 0 ? r : getxattr_at(t, dirfd, path, walk_flags, name, args.value, args.size);
}

long sys_listxattrat(struct task *t, int dirfd, uaddr_t path, unsigned at_flags, uaddr_t list,
                     size_t size)
{
    unsigned walk_flags = 0;
    int r = xattr_at_flags(at_flags, &walk_flags);
    return r < 0 ? r : listxattr_at(t, dirfd, path, walk_flags, list, size);
}

long sys_removexattrat(struct task *t, int dirfd, uaddr_t path, unsigned at_flags, uaddr_t name)
{
    unsigned walk_flags = 0;
    int r = xattr_at_flags(at_flags, &walk_flags);
    return r < 0 ? r : removexattr_at(t, dirfd, path, walk_flags, name);
}
