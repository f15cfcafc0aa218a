/*
 * What a file is: stat in its forms, statx, statfs, access, readlink. Analogous to Linux's fs/stat.c,
 * fs/statfs.c and do_faccessat. stat(2), statx(2), statfs(2), access(2), readlink(2).
 */
#include <limits.h>
#include <linux/stat.h>
#include <string.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>

#include "sentry/base/errno.h"
#include "sentry/task/lease.h"
#include "syscalls/helpers.h"
#include "syscalls/syscalls.h"

/*
 * The guest's struct stat is the C library's on this machine; vfs_stat fills every field and
 * leaves padding zero.
 */
static long stat_out(struct task *t, const struct path *p, uaddr_t buf)
{
    struct stat st;
    memset(&st, 0, sizeof(st));
    int r = vfs_stat(p, &st);
    return r < 0 ? r : put_user(t->mm, buf, &st);
}

static long stat_at(struct task *t, int dirfd, uaddr_t name, uaddr_t buf, unsigned walk_flags)
{
    AUTO_PATH p = {NULL, NULL};
    AUTO_NAME_CALL c = {.text = NULL};
    int r = path_at_kept(t, dirfd, name, walk_flags, &c, &p);
    long result = r < 0 ? r : stat_out(t, &p, buf);
    name_call_keep(t, &c, r, &p, NAME_USE_STAT);
    return result;
}

long sys_stat(struct task *t, uaddr_t path, uaddr_t buf)
{
    return stat_at(t, AT_FDCWD, path, buf, WALK_FOLLOW);
}

long sys_lstat(struct task *t, uaddr_t path, uaddr_t buf)
{
    return stat_at(t, AT_FDCWD, path, buf, 0);
}

/* O_PATH files, too. */
long sys_fstat(struct task *t, int fd, uaddr_t buf)
{
    AUTO_PUT(file) f = NULL;
    int r = fd_table_lookup_any(t->files, fd, &f);
    return r < 0 ? r : stat_out(t, &f->path, buf);
}

long sys_newfstatat(struct task *t, int dirfd, uaddr_t path, uaddr_t buf, int flags)
{
    if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH)) {
        return -EINVAL;
    }
    if (path == 0 && flags & AT_EMPTY_PATH && dirfd >= 0) {
        return sys_fstat(t, dirfd, buf);
    }
    return stat_at(t, dirfd, path, buf, walk_flags_nofollow(flags));
}

static struct statx_timestamp statx_time(int64_t ns)
{
    int64_t rest = ns % NSEC_PER_SEC;
    if (rest < 0) {
        rest += NSEC_PER_SEC;
    }
    return (struct statx_timestamp){.tv_sec = (ns - rest) / NSEC_PER_SEC,
                                    .tv_nsec = (uint32_t)rest};
}

static struct statx_timestamp statx_timespec(const struct timespec *ts)
{
    return (struct statx_timestamp){.tv_sec = ts->tv_sec, .tv_nsec = (uint32_t)ts->tv_nsec};
}

static void statx_fill(struct statx *x, const struct stat *st, const struct path *p)
{
    memset(x, 0, sizeof(*x));
    x->stx_mask = STATX_BASIC_STATS;
    x->stx_blksize = (uint32_t)st->st_blksize;
    x->stx_nlink = (uint32_t)st->st_nlink;
    x->stx_uid = st->st_uid;
    x->stx_gid = st->st_gid;
    x->stx_mode = (uint16_t)st->st_mode;
    x->stx_ino = st->st_ino;
    x->stx_size = (uint64_t)st->st_size;
    x->stx_blocks = (uint64_t)st->st_blocks;
    x->stx_atime = statx_timespec(&st->st_atim);
    x->stx_mtime = statx_timespec(&st->st_mtim);
    x->stx_ctime = statx_timespec(&st->st_ctim);
    x->stx_rdev_major = major(st->st_rdev);
    x->stx_rdev_minor = minor(st->st_rdev);
    x->stx_dev_major = major(st->st_dev);
    x->stx_dev_minor = minor(st->st_dev);
    if (p->dentry->inode->btime_ns) {
        x->stx_mask |= STATX_BTIME;
        x->stx_btime = statx_time(p->dentry->inode->btime_ns);
    }
    if (p->mnt) {
        x->stx_mask |= STATX_MNT_ID;
        x->stx_mnt_id = (uint64_t)p->mnt->id;
        x->stx_attributes_mask |= STATX_ATTR_MOUNT_ROOT;
        if (p->dentry == p->mnt->root) {
            x->stx_attributes |= STATX_ATTR_MOUNT_ROOT;
        }
    }
}

long sys_statx(struct task *t, int dirfd, uaddr_t path, int flags, unsigned mask, uaddr_t buf)
{
    AUTO_PATH p = {NULL, NULL};
    AUTO_NAME_CALL c = {.text = NULL};
    AUTO_PUT(file) f = NULL;
    struct stat st;
    struct statx x;
    int r;
    if (mask & STATX__RESERVED || (flags & AT_STATX_SYNC_TYPE) == AT_STATX_SYNC_TYPE) {
        return -EINVAL;
    }
    if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH | AT_STATX_SYNC_TYPE)) {
        return -EINVAL;
    }
    if (path == 0 && flags & AT_EMPTY_PATH && dirfd >= 0) {
        r = fd_table_lookup_any(t->files, dirfd, &f);
        if (r == 0) {
            path_copy(&p, &f->path);
        }
    } else {
        r = path_at_kept(t, dirfd, path, walk_flags_nofollow(flags), &c, &p);
        name_call_keep(t, &c, r, &p, NAME_USE_STAT);
    }
    if (r == 0) {
        r = vfs_stat(&p, &st);
    }
    if (r < 0) {
        return r;
    }
    statx_fill(&x, &st, &p);
    return put_user(t->mm, buf, &x);
}

static long statfs_out(struct task *t, const struct path *p, uaddr_t buf)
{
    struct super_block *sb = p->dentry->sb;
    struct statfs st;
    memset(&st, 0, sizeof(st));
    lease_settle_everywhere(); /* what processes have written and closed counts */
    if (sb->ops->statfs) {
        int r = sb->ops->statfs(sb->root ? sb->root->inode : p->dentry->inode, &st);
        if (r < 0) {
            return r;
        }
    } else {
        st.f_bsize = PAGE_SIZE;
        st.f_namelen = NAME_MAX;
    }
    st.f_type = st.f_type ? st.f_type : sb->magic;
    st.f_frsize = st.f_frsize ? st.f_frsize : st.f_bsize;
    if (st.f_fsid.__val[0] == 0 && st.f_fsid.__val[1] == 0) {
        st.f_fsid.__val[0] = (int)sb->dev;
    }
    unsigned m = p->mnt ? p->mnt->flags : 0;
    st.f_flags = 0x20 /* ST_VALID */ | (path_read_only(p) ? ST_RDONLY : 0) |
                 (m & MNT_NOSUID ? ST_NOSUID : 0) | (m & MNT_NODEV ? ST_NODEV : 0) |
                 (m & MNT_NOEXEC ? ST_NOEXEC : 0) | (m & MNT_NOATIME ? ST_NOATIME : 0) |
                 (m & MNT_RELATIME ? ST_RELATIME : 0);
    return put_user(t->mm, buf, &st);
}

long sys_statfs(struct task *t, uaddr_t path, uaddr_t buf)
{
    AUTO_PATH p = {NULL, NULL};
    int r = path_at(t, AT_FDCWD, path, WALK_FOLLOW, &p);
    return r < 0 ? r : statfs_out(t, &p, buf);
}

long sys_fstatfs(struct task *t, int fd, uaddr_t buf)
{
    AUTO_PUT(file) f = NULL;
    int r = fd_table_lookup_any(t->files, fd, &f);
    return r < 0 ? r : statfs_out(t, &f->path, buf);
}

/*
 * access(2) asks for the real user: what a set-id program's caller could do itself. The capabilities
 * are those that user would have after dropping the effective id (Linux's access_override_creds).
 */
static int cred_real(const struct cred *c, struct cred **out)
{
    int r = cred_copy(c, out);
    if (r < 0) {
        return r;
    }
    (*out)->fsuid = c->uid;
    (*out)->fsgid = c->gid;
    if (!(c->securebits & 4 /* SECBIT_NO_SETUID_FIXUP */)) {
        (*out)->cap_effective = c->uid == 0 ? c->cap_permitted : 0;
    }
    return 0;
}

static long access_at(struct task *t, int dirfd, uaddr_t name, int mode, int flags)
{
    AUTO_NAME_CALL c = {.text = NULL};
    AUTO_PATH p = {NULL, NULL};
    AUTO_PUT(cred) real = NULL;
    if (mode & ~(R_OK | W_OK | X_OK)) {
        return -EINVAL;
    }
    if (flags & ~(AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) {
        return -EINVAL;
    }
    if (!(flags & AT_EACCESS) && !names_cred_is_real(t->cred)) {
        int r = cred_real(t->cred, &real);
        if (r < 0) {
            return r;
        }
        c.as = real;
    }
    int r = path_at_kept(t, dirfd, name, walk_flags_nofollow(flags), &c, &p);
    if (!real) {
        name_call_keep(t, &c, r, &p, NAME_USE_ACCESS);
    }
    return r < 0 || mode == F_OK ? r : vfs_access(&p, real ? real : t->cred, mode);
}

long sys_access(struct task *t, uaddr_t path, int mode)
{
    return access_at(t, AT_FDCWD, path, mode, 0);
}

long sys_faccessat(struct task *t, int dirfd, uaddr_t path, int mode)
{
    return access_at(t, dirfd, path, mode, 0);
}

long sys_faccessat2(struct task *t, int dirfd, uaddr_t path, int mode, int flags)
{
    return access_at(t, dirfd, path, mode, flags);
}

static long readlink_out(struct task *t, const struct path *p, uaddr_t buf, int bufsiz)
{
    AUTO_FREE char *target = NULL;
    int r = vfs_readlink(p, t->cred, &target);
    if (r < 0) {
        return r;
    }
    size_t size = MIN(strlen(target), (size_t)bufsiz);
    r = copy_out(t->mm, buf, target, size);
    return r < 0 ? r : (long)size;
}

/* "" is the symbolic link that an O_PATH|O_NOFOLLOW dirfd is. */
long sys_readlinkat(struct task *t, int dirfd, uaddr_t path, uaddr_t buf, int bufsiz)
{
    AUTO_NAME_CALL c = {.text = NULL};
    AUTO_PATH p = {NULL, NULL};
    if (bufsiz <= 0) {
        return -EINVAL;
    }
    int r = path_at_kept(t, dirfd, path, WALK_EMPTY_PATH, &c, &p);
    if (r < 0 || !S_ISLNK(p.dentry->inode->mode)) {
        name_call_keep(t, &c, r, &p, NAME_USE_STAT);
        return r < 0 ? r : *c.text ? -EINVAL : -ENOENT;
    }
    return readlink_out(t, &p, buf, bufsiz);
}

long sys_readlink(struct task *t, uaddr_t path, uaddr_t buf, int bufsiz)
{
    return sys_readlinkat(t, AT_FDCWD, path, buf, bufsiz);
}
