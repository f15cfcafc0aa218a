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
#ifndef RWF_NOSIGNAL
#define RWF_NOSIGNAL 0x100
#endif
#define RWF_KNOWN                                                                                  \
    (RWF_HIPRI | RWF_DSYNC | RWF_SYNC | RWF_NOWAIT | RWF_APPEND | RWF_NOAPPEND | RWF_NOSIGNAL)

#define POS_OWN (-1) /* transfer at the file's own position */

/*
 * May it be called with these flags? RWF_HIPRI is a hint for polled devices.
 * DEVIATION: RWF_NOWAIT is refused for regular files, as some of Linux's file systems do.
 */
static int rwf_check(const struct file *f, int flags, bool write)
{
    const unsigned traits = f->ops->traits, refused = write ? FILE_NO_RWF_WRITE : FILE_NO_RWF_READ;
    if ((traits & refused || S_ISDIR(f->inode->mode)) && flags & ~RWF_HIPRI) {
        return -EOPNOTSUPP;
    }
    if (flags & ~RWF_KNOWN) {
        return -EOPNOTSUPP;
    }
    if (flags & RWF_APPEND && flags & RWF_NOAPPEND) {
        return -EINVAL;
    }
    return flags & RWF_NOWAIT && !(traits & FILE_NOWAIT) ? -EOPNOTSUPP : 0;
}

/* For one call that waits for nothing; nobody else sees the flag, since nobody else runs meanwhile. */
static unsigned nowait_begin(struct file *f, int rwf)
{
    const unsigned added = rwf & RWF_NOWAIT ? O_NONBLOCK & ~f->flags : 0;
    f->flags |= added;
    return added;
}

/* dst has something to fill. pos: POS_OWN or an offset. */
static ssize_t read_at(struct file *f, struct uio *dst, int64_t pos, int rwf)
{
    const unsigned added = nowait_begin(f, rwf);
    const ssize_t n = pos == POS_OWN ? file_read(f, dst) : file_pread(f, dst, pos);
    f->flags &= ~added;
    return n;
}

/* pos is where the data goes by now. */
static ssize_t write_rwf(struct file *f, struct uio *src, int64_t pos, int64_t at, int rwf)
{
    if (!S_ISREG(f->inode->mode)) {
        return pos == POS_OWN ? file_write(f, src) : file_pwrite(f, src, pos);
    }
    if (rwf & RWF_APPEND && pos == POS_OWN) {
        /* The position follows the data, as with O_APPEND. */
        int64_t end = file_llseek(f, 0, SEEK_END);
        return end < 0 ? end : file_write(f, src);
    }
    if (rwf & RWF_APPEND) {
        return file_pwrite(f, src, at);
    }
    if (rwf & RWF_NOAPPEND) {
        return file_write_here(f, src, pos == POS_OWN ? NULL : &pos);
    }
    return pos == POS_OWN ? file_write(f, src) : file_pwrite(f, src, pos);
}

static ssize_t write_at(struct task *t, struct file *f, struct uio *src, int64_t pos, int rwf)
{
    const int64_t given = pos == POS_OWN ? f->pos : pos;
    size_t size = uio_size(src);
    int r = file_writable(f) ? file_check_range(f, given, size) : -EBADF;
    if (r < 0) {
        return r;
    }
    int64_t at = rwf & RWF_APPEND     ? f->inode->size
                 : rwf & RWF_NOAPPEND ? given
                                      : write_position(f, given);
    r = write_limit(t, f, at, &size);
    if (r < 0) {
        return r;
    }
    uio_truncate(src, size);
    const unsigned added = nowait_begin(f, rwf);
    ssize_t n = write_rwf(f, src, pos, at, rwf);
    f->flags &= ~added;
    if (n > 0 && rwf & (RWF_DSYNC | RWF_SYNC) && f->ops->fsync) {
        r = f->ops->fsync(f, !(rwf & RWF_SYNC));
        if (r < 0) {
            return r;
        }
    }
    return rwf & RWF_NOSIGNAL ? n : write_result(t, f, n);
}

/* What is wrong with the file comes before what is wrong with the buffer. */
static int check_readable(const struct file *f)
{
    if (!file_readable(f)) {
        return -EBADF;
    }
    return f->ops->read || S_ISDIR(f->inode->mode) ? 0 : -EINVAL;
}

static int check_writable(const struct file *f)
{
    if (!file_writable(f)) {
        return -EBADF;
    }
    return f->ops->write ? 0 : -EINVAL;
}

long sys_read(struct task *t, int fd, uaddr_t buf, size_t count)
{
    AUTO_PUT(file) f = NULL;
    struct uio u;
    int r = file_in(t, fd, &f);
    if (r < 0) {
        return r;
    }
    r = check_readable(f);
    if (r == 0 && !range_ok(buf, count)) {
        r = -EFAULT;
    }
    if (r < 0) {
        return r;
    }
    uio_init(&u, t->mm, buf, count);
    return read_at(f, &u, POS_OWN, 0);
}

long sys_write(struct task *t, int fd, uaddr_t buf, size_t count)
{
    AUTO_PUT(file) f = NULL;
    struct uio u;
    int r = file_in(t, fd, &f);
    if (r < 0) {
        return r;
    }
    r = check_writable(f);
    if (r == 0 && !range_ok(buf, count)) {
        r = -EFAULT;
    }
    if (r < 0) {
        return r;
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
    if (!file_has_positions(f)) {
        return -ESPIPE;
    }
    r = check_readable(f);
    if (r == 0 && !range_ok(buf, count)) {
        r = -EFAULT;
    }
    if (r < 0) {
        return r;
    }
    uio_init(&u, t->mm, buf, count);
    return read_at(f, &u, offset, 0);
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
    if (!file_has_positions(f)) {
        return -ESPIPE;
    }
    r = check_writable(f);
    if (r == 0 && !range_ok(buf, count)) {
        r = -EFAULT;
    }
    if (r < 0) {
        return r;
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
    if (pos != POS_OWN && !file_has_positions(f)) {
        return -ESPIPE;
    }
    r = write ? check_writable(f) : check_readable(f);
    if (r < 0) {
        return r;
    }
    r = uio_init_iovec(&u, t->mm, iov, count);
    if (r < 0) {
        return r;
    }
    ssize_t n = 0;
    if (uio_size(&u)) {
        n = file_check_range(f, pos == POS_OWN ? f->pos : pos, uio_size(&u));
        if (n == 0) {
            n = rwf_check(f, rwf, write);
        }
        if (n == 0) {
            n = write ? write_at(t, f, &u, pos, rwf) : read_at(f, &u, pos, rwf);
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
