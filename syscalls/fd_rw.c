/*
 * read and write in their twelve forms, and lseek. Analogous to Linux's fs/read_write.c: decode the
 * ranges, apply RLIMIT_FSIZE, raise SIGPIPE; the rest is file_read/file_write.
 * read(2), readv(2), pread(2), lseek(2).
 */
#include <sys/uio.h>

#include "sentry/base/errno.h"
#include "syscalls/helpers.h"
#include "syscalls/syscalls.h"

#ifndef RWF_NOAPPEND
#define RWF_NOAPPEND 0x20
#endif
#define RWF_KNOWN (RWF_HIPRI | RWF_DSYNC | RWF_SYNC | RWF_NOWAIT | RWF_APPEND | RWF_NOAPPEND)

#define POS_OWN (-1) /* transfer at the file's own position */

/*
 * What RWF_* asks for beyond hints. RWF_HIPRI is a hint for polled devices.
 * DEVIATION: RWF_NOWAIT is refused for every file, as Linux does per file system.
 */
static int rwf_check(const struct file *f, int flags)
{
    if (flags & ~RWF_KNOWN || flags & RWF_NOWAIT) {
        return -EOPNOTSUPP;
    }
    if (flags & RWF_APPEND && flags & RWF_NOAPPEND) {
        return -EINVAL;
    }
    return flags & RWF_NOAPPEND && f->flags & O_APPEND ? -EOPNOTSUPP : 0;
}

/* dst has something to fill. pos: POS_OWN or an offset. */
static ssize_t read_at(struct file *f, struct uio *dst, int64_t pos)
{
    return pos == POS_OWN ? file_read(f, dst) : file_pread(f, dst, pos);
}

static ssize_t write_at(struct task *t, struct file *f, struct uio *src, int64_t pos, int rwf)
{
    size_t size = uio_size(src);
    ssize_t n;
    if (!file_writable(f)) {
        return -EBADF;
    }
    int64_t at =
        rwf & RWF_APPEND ? f->inode->size : write_position(f, pos == POS_OWN ? f->pos : pos);
    int r = write_limit(t, f, at, &size);
    if (r < 0) {
        return r;
    }
    uio_truncate(src, size);
    if (rwf & RWF_APPEND && pos == POS_OWN && S_ISREG(f->inode->mode)) {
        /* The position follows the data, as with O_APPEND. */
        int64_t end = file_llseek(f, 0, SEEK_END);
        n = end < 0 ? end : file_write(f, src);
    } else if (rwf & RWF_APPEND && S_ISREG(f->inode->mode)) {
        n = file_pwrite(f, src, at);
    } else {
        n = pos == POS_OWN ? file_write(f, src) : file_pwrite(f, src, pos);
    }
    if (n > 0 && rwf & (RWF_DSYNC | RWF_SYNC) && f->ops->fsync) {
        r = f->ops->fsync(f, !(rwf & RWF_SYNC));
        if (r < 0) {
            return r;
        }
    }
    return write_result(t, f, n);
}

long sys_read(struct task *t, int fd, uaddr_t buf, size_t count)
{
    AUTO_PUT(file) f = NULL;
    struct uio u;
    int r = file_in(t, fd, &f);
    if (r < 0) {
        return r;
    }
    if (!file_readable(f)) {
        return -EBADF;
    }
    if (!range_ok(buf, count)) {
        return -EFAULT;
    }
    uio_init(&u, t->mm, buf, count);
    return read_at(f, &u, POS_OWN);
}

long sys_write(struct task *t, int fd, uaddr_t buf, size_t count)
{
    AUTO_PUT(file) f = NULL;
    struct uio u;
    int r = file_in(t, fd, &f);
    if (r < 0) {
        return r;
    }
    if (!file_writable(f)) {
        return -EBADF;
    }
    if (!range_ok(buf, count)) {
        return -EFAULT;
    }
    uio_init(&u, t->mm, buf, count);
    return write_at(t, f, &u, POS_OWN, 0);
}

long sys_pread64(struct task *t, int fd, uaddr_t buf, size_t count, long offset)
{
    AUTO_PUT(file) f = NULL;
    struct uio u;
    if (offset < 0) {
        return -EINVAL;
    }
    int r = file_in(t, fd, &f);
    if (r < 0) {
        return r;
    }
    if (f->ops->llseek == no_llseek) {
        return -ESPIPE;
    }
    if (!file_readable(f)) {
        return -EBADF;
    }
    if (!range_ok(buf, count)) {
        return -EFAULT;
    }
    uio_init(&u, t->mm, buf, count);
    return read_at(f, &u, offset);
}

long sys_pwrite64(struct task *t, int fd, uaddr_t buf, size_t count, long offset)
{
    AUTO_PUT(file) f = NULL;
    struct uio u;
    if (offset < 0) {
        return -EINVAL;
    }
    int r = file_in(t, fd, &f);
    if (r < 0) {
        return r;
    }
    if (f->ops->llseek == no_llseek) {
        return -ESPIPE;
    }
    if (!file_writable(f)) {
        return -EBADF;
    }
    if (!range_ok(buf, count)) {
        return -EFAULT;
    }
    uio_init(&u, t->mm, buf, count);
    return write_at(t, f, &u, offset, 0);
}

/* The vector forms. pos: POS_OWN, or an offset >= 0. */
static long vector_rw(struct task *t, int fd, uaddr_t iov, unsigned long count, int64_t pos,
                      int rwf, bool write)
{
    AUTO_PUT(file) f = NULL;
    struct uio u;
    int r = file_in(t, fd, &f);
    if (r < 0) {
        return r;
    }
    if (pos != POS_OWN && f->ops->llseek == no_llseek) {
        return -ESPIPE;
    }
    if (write ? !file_writable(f) : !file_readable(f)) {
        return -EBADF;
    }
    r = uio_init_iovec(&u, t->mm, iov, count);
    if (r < 0) {
        return r;
    }
    ssize_t n = 0;
    if (uio_size(&u)) {
        n = rwf_check(f, rwf);
        if (n == 0) {
            n = write ? write_at(t, f, &u, pos, rwf) : read_at(f, &u, pos);
        }
    }
    uio_free(&u);
    return n;
}

long sys_readv(struct task *t, int fd, uaddr_t iov, unsigned long iovcnt)
{
    return vector_rw(t, fd, iov, iovcnt, POS_OWN, 0, false);
}

long sys_writev(struct task *t, int fd, uaddr_t iov, unsigned long iovcnt)
{
    return vector_rw(t, fd, iov, iovcnt, POS_OWN, 0, true);
}

/* pos_h is the upper half of the offset on 32-bit machines, and nothing on this one. */
long sys_preadv(struct task *t, int fd, uaddr_t iov, unsigned long iovcnt, unsigned long pos_l,
                unsigned long pos_h)
{
    (void)pos_h;
    return (long)pos_l < 0 ? -EINVAL : vector_rw(t, fd, iov, iovcnt, (long)pos_l, 0, false);
}

long sys_pwritev(struct task *t, int fd, uaddr_t iov, unsigned long iovcnt, unsigned long pos_l,
                 unsigned long pos_h)
{
    (void)pos_h;
    return (long)pos_l < 0 ? -EINVAL : vector_rw(t, fd, iov, iovcnt, (long)pos_l, 0, true);
}

long sys_preadv2(struct task *t, int fd, uaddr_t iov, unsigned long iovcnt, unsigned long pos_l,
                 unsigned long pos_h, int flags)
{
    (void)pos_h;
    return (long)pos_l < POS_OWN ? -EINVAL
                                 : vector_rw(t, fd, iov, iovcnt, (long)pos_l, flags, false);
}

long sys_pwritev2(struct task *t, int fd, uaddr_t iov, unsigned long iovcnt, unsigned long pos_l,
                  unsigned long pos_h, int flags)
{
    (void)pos_h;
    return (long)pos_l < POS_OWN ? -EINVAL
                                 : vector_rw(t, fd, iov, iovcnt, (long)pos_l, flags, true);
}

long sys_lseek(struct task *t, int fd, long offset, unsigned whence)
{
    AUTO_PUT(file) f = NULL;
    int r = file_in(t, fd, &f);
    if (r < 0) {
        return r;
    }
    if (whence > SEEK_HOLE) {
        return -EINVAL;
    }
    return file_llseek(f, offset, (int)whence);
}
