/*
 * Sizes and durability of open files: truncate, fallocate, fsync, and the read-ahead hints.
 * Analogous to Linux's fs/sync.c, fs/open.c (do_truncate, vfs_fallocate) and mm/fadvise.c.
 */
#include <linux/falloc.h>

#include "sentry/base/errno.h"
#include "sentry/vfs/seal.h"
#include "sentry/vfs/notify.h"
#include "syscalls/helpers.h"
#include "syscalls/syscalls.h"

/* RLIMIT_FSIZE bounds what truncation may make of a file, too (Linux's inode_newsize_ok). */
static int newsize_check(struct task *t, const struct inode *inode, int64_t size)
{
    if (size > inode->size && (uint64_t)size > task_rlimit(t, RLIMIT_FSIZE)) {
        signal_self(t, SIGXFSZ);
        return -EFBIG;
    }
    return 0;
}

long sys_truncate(struct task *t, uaddr_t path, long length)
{
    AUTO_PATH p = {NULL, NULL};
    if (length < 0) {
        return -EINVAL;
    }
    int r = path_at(t, AT_FDCWD, path, WALK_FOLLOW, &p);
    if (r < 0) {
        return r;
    }
    if (S_ISDIR(p.dentry->inode->mode)) {
        return -EISDIR;
    }
    if (!S_ISREG(p.dentry->inode->mode)) {
        return -EINVAL;
    }
    r = newsize_check(t, p.dentry->inode, length);
    return r < 0 ? r : vfs_truncate(&p, t->cred, length);
}

long sys_ftruncate(struct task *t, int fd, long length)
{
    AUTO_PUT(file) f = NULL;
    if (length < 0) {
        return -EINVAL;
    }
    int r = file_in(t, fd, &f);
    if (r < 0) {
        return r;
    }
    if (!S_ISREG(f->inode->mode) || !file_writable(f)) {
        return -EINVAL;
    }
    r = newsize_check(t, f->inode, length);
    return r < 0 ? r : vfs_ftruncate(f, length);
}

#ifndef FALLOC_FL_WRITE_ZEROES
#define FALLOC_FL_WRITE_ZEROES 0x80
#endif

/* The combinations that fallocate(2) defines. */
static int fallocate_mode_check(int mode)
{
    if (mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE | FALLOC_FL_COLLAPSE_RANGE |
                 FALLOC_FL_ZERO_RANGE | FALLOC_FL_INSERT_RANGE | FALLOC_FL_UNSHARE_RANGE |
                 FALLOC_FL_WRITE_ZEROES)) {
        return -EOPNOTSUPP;
    }
    switch (mode & ~FALLOC_FL_KEEP_SIZE) {
    case 0:
    case FALLOC_FL_ZERO_RANGE:
    case FALLOC_FL_UNSHARE_RANGE:
        return 0;
    case FALLOC_FL_PUNCH_HOLE:
        return mode & FALLOC_FL_KEEP_SIZE ? 0 : -EOPNOTSUPP;
    case FALLOC_FL_COLLAPSE_RANGE:
    case FALLOC_FL_INSERT_RANGE:
    case FALLOC_FL_WRITE_ZEROES:
        return mode & FALLOC_FL_KEEP_SIZE ? -EOPNOTSUPP : 0;
    default:
        return -EOPNOTSUPP;
    }
}

static int fallocate_file_check(const struct file *f)
{
    if (!file_writable(f)) {
        return -EBADF;
    }
    if (S_ISFIFO(f->inode->mode)) {
        return -ESPIPE;
    }
    if (S_ISDIR(f->inode->mode)) {
        return -EISDIR;
    }
    if (!S_ISREG(f->inode->mode) && !S_ISBLK(f->inode->mode)) {
        return -ENODEV;
    }
    return 0;
}

long sys_fallocate(struct task *t, int fd, int mode, long offset, long len)
{
    AUTO_PUT(file) f = NULL;
    int64_t end;
    int r = file_in(t, fd, &f);
    if (r < 0) {
        return r;
    }
    if (offset < 0 || len <= 0) {
        return -EINVAL;
    }
    r = fallocate_mode_check(mode);
    if (r == 0) {
        r = fallocate_file_check(f);
    }
    if (r < 0) {
        return r;
    }
    if (__builtin_add_overflow(offset, len, &end)) {
        return -EFBIG;
    }
    if (!f->ops->fallocate || mode & FALLOC_FL_WRITE_ZEROES) {
        return -EOPNOTSUPP;
    }
    if (f->inode->seals) {
        size_t size = (size_t)len;
        r = seal_check_write(f->inode, offset, &size);
        if (r < 0 || size < (size_t)len) {
            return -EPERM;
        }
    }
    if (!(mode & (FALLOC_FL_KEEP_SIZE | FALLOC_FL_COLLAPSE_RANGE))) {
        r = newsize_check(t, f->inode, end);
        if (r < 0) {
            return r;
        }
    }
    r = f->ops->fallocate(f, mode, offset, len);
    if (r == 0) {
        vfs_notify(f->path.dentry, IN_MODIFY);
    }
    return r;
}

static long sync_file(struct task *t, int fd, bool data_only)
{
    AUTO_PUT(file) f = NULL;
    int r = file_in(t, fd, &f);
    if (r < 0) {
        return r;
    }
    return f->ops->fsync ? f->ops->fsync(f, data_only) : -EINVAL;
}

long sys_fsync(struct task *t, int fd)
{
    return sync_file(t, fd, false);
}

long sys_fdatasync(struct task *t, int fd)
{
    return sync_file(t, fd, true);
}

/*
 * Nothing is ever held back here: a write to memory is where it will stay, and a write to a host
 * tree has reached the host kernel, whose own write-back is not ours to order.
 */
long sys_sync(struct task *t)
{
    (void)t;
    return 0;
}

long sys_syncfs(struct task *t, int fd)
{
    AUTO_PUT(file) f = NULL;
    return file_in(t, fd, &f);
}

long sys_sync_file_range(struct task *t, int fd, long offset, long nbytes, unsigned flags)
{
    AUTO_PUT(file) f = NULL;
    int64_t end;
    int r = file_in(t, fd, &f);
    if (r < 0) {
        return r;
    }
    if (flags & ~(unsigned)(SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE |
                            SYNC_FILE_RANGE_WAIT_AFTER)) {
        return -EINVAL;
    }
    if (offset < 0 || nbytes < 0 || __builtin_add_overflow(offset, nbytes, &end)) {
        return -EINVAL;
    }
    if (!S_ISREG(f->inode->mode) && !S_ISBLK(f->inode->mode) && !S_ISDIR(f->inode->mode)) {
        return -ESPIPE;
    }
    if (!(flags & SYNC_FILE_RANGE_WRITE) || !file_writable(f) || !f->ops->fsync) {
        return 0;
    }
    return f->ops->fsync(f, true);
}

/* A hint: the host's page cache, below the gofer, reads ahead by itself. */
long sys_readahead(struct task *t, int fd, long offset, size_t count)
{
    AUTO_PUT(file) f = NULL;
    (void)offset;
    (void)count;
    int r = file_in(t, fd, &f);
    if (r < 0) {
        return r;
    }
    if (!file_readable(f)) {
        return -EBADF;
    }
    return f->ops->read && (S_ISREG(f->inode->mode) || S_ISBLK(f->inode->mode)) ? 0 : -EINVAL;
}

long sys_fadvise64(struct task *t, int fd, long offset, size_t len, int advice)
{
    AUTO_PUT(file) f = NULL;
    (void)offset;
    int r = file_in(t, fd, &f);
    if (r < 0) {
        return r;
    }
    if (S_ISFIFO(f->inode->mode)) {
        return -ESPIPE;
    }
    if ((long)len < 0) {
        return -EINVAL;
    }
    switch (advice) {
    case POSIX_FADV_NORMAL:
    case POSIX_FADV_RANDOM:
    case POSIX_FADV_SEQUENTIAL:
    case POSIX_FADV_WILLNEED:
    case POSIX_FADV_DONTNEED:
    case POSIX_FADV_NOREUSE:
        return 0;
    default:
        return -EINVAL;
    }
}
