/*
 * From file to file without the guest's memory between: sendfile, copy_file_range. Analogous to
 * Linux's do_sendfile and generic_copy_file_range, with a bounded kernel buffer instead of page
 * references. sendfile(2), copy_file_range(2). The pipe calls are in fd_splice.c.
 */
#include "syscalls/fd_copy.h"

#include <unistd.h>

#include "lib/kthread.h"
#include "sentry/base/errno.h"
#include "sentry/fs/pipe.h"
#include "syscalls/helpers.h"
#include "syscalls/syscalls.h"

#define YIELD_SIZE (1024UL * 1024) /* so often others get a turn */

/* One end's position: the guest's variable if it gave one, else the file's own. */
int copy_end_init(struct task *t, struct copy_end *e, int fd, uaddr_t pos_addr)
{
    *e = (struct copy_end){.pos_addr = pos_addr};
    return file_in(t, fd, &e->file);
}

int copy_end_position(struct task *t, struct copy_end *e)
{
    if (!e->pos_addr) {
        /* Not file->pos: the host may own the position of what it shares with us. */
        e->pos = e->file->ops->llseek == no_llseek ? 0 : file_llseek(e->file, 0, SEEK_CUR);
        return e->pos < 0 ? (int)e->pos : 0;
    }
    return get_user(t->mm, &e->pos, e->pos_addr);
}

int copy_end_finish(struct task *t, struct copy_end *e)
{
    if (!e->pos_addr) {
        if (e->file->ops->llseek != no_llseek) {
            int64_t r = file_llseek(e->file, e->pos, SEEK_SET);
            return r < 0 ? (int)r : 0;
        }
        return 0;
    }
    return put_user(t->mm, e->pos_addr, &e->pos);
}

void copy_end_put(struct copy_end *e)
{
    if (e->file) {
        file_put(e->file);
    }
}

ssize_t copy_write(struct task *t, struct copy_end *out, void *buf, size_t size)
{
    struct file *f = out->file;
    struct uio src;
    int r = write_limit(t, f, write_position(f, out->pos), &size);
    if (r < 0) {
        return r;
    }
    uio_init_kernel(&src, buf, size);
    ssize_t n = f->ops->llseek == no_llseek ? file_write(f, &src) : file_pwrite(f, &src, out->pos);
    if (n > 0) {
        out->pos += n;
    }
    return write_result(t, f, n);
}

bool splice_reads(const struct file *f)
{
    const uint32_t type = f->inode->mode & S_IFMT;
    return type && type != S_IFDIR && f->ops->read && !file_is_pipe(f) &&
           !(f->ops->traits & FILE_NO_SPLICE_READ);
}

bool splice_writes(const struct file *f)
{
    return f->inode->mode & S_IFMT && f->ops->write && !(f->ops->traits & FILE_NO_SPLICE_WRITE);
}

/*
 * in has positions, so what could not be written is simply not passed over. Stops at the end of in,
 * at a short write, at an error (which is the result only if nothing was moved).
 * DEVIATION: of overlapping ranges of one file Linux copies some bytes again, which it has just written there.
 */
static ssize_t copy_data(struct task *t, struct copy_end *in, struct copy_end *out, size_t size)
{
    AUTO_FREE char *buf = malloc(COPY_BUFFER_SIZE);
    ssize_t done = 0;
    if (!buf) {
        return -ENOMEM;
    }
    while (size > 0) {
        struct uio dst;
        uio_init_kernel(&dst, buf, MIN(size, (size_t)COPY_BUFFER_SIZE));
        const ssize_t got = file_pread(in->file, &dst, in->pos);
        if (got <= 0) {
            return done ? done : got;
        }
        const ssize_t put =
            splice_writes(out->file) ? copy_write(t, out, buf, (size_t)got) : -EINVAL;
        if (put < 0) {
            return done ? done : put;
        }
        in->pos += put;
        done += put;
        size -= (size_t)put;
        if (put < got || signal_pending(t)) {
            break;
        }
        if ((size_t)done % YIELD_SIZE == 0) {
            kthread_yield();
        }
    }
    return done;
}

/* Linux looks at in completely before it asks whether there is an out. */
static int sendfile_check_in(struct task *t, struct copy_end *in, size_t count)
{
    if (!file_readable(in->file)) {
        return -EBADF;
    }
    if (in->pos_addr && !file_has_positions(in->file)) {
        return -ESPIPE;
    }
    int r = in->pos_addr ? 0 : copy_end_position(t, in);
    if (r == 0 && ((ssize_t)count < 0 || in->pos < 0)) {
        r = -EINVAL;
    }
    return r == 0 ? file_check_range(in->file, in->pos, count) : r;
}

static int sendfile_check(struct task *t, const struct copy_end *in, struct copy_end *out,
                          size_t count)
{
    if (!file_writable(out->file)) {
        return -EBADF;
    }
    int r = copy_end_position(t, out);
    if (r < 0 || file_is_pipe(out->file)) {
        return r;
    }
    r = file_check_range(out->file, out->pos, count);
    /* What can't be read again may not be taken before it is known to fit. */
    if (r == 0 && (out->file->flags & O_APPEND || in->file->ops->llseek == no_llseek)) {
        r = -EINVAL;
    }
    return r == 0 && count > 0 && !splice_reads(in->file) ? -EINVAL : r;
}

long sys_sendfile(struct task *t, int out_fd, int in_fd, uaddr_t offset, size_t count)
{
    AUTO_COPY_END in = {0};
    AUTO_COPY_END out = {0};
    int64_t pos = 0;
    int r = offset ? get_user(t->mm, &pos, offset) : 0;
    if (r == 0) {
        r = copy_end_init(t, &in, in_fd, offset);
        in.pos = pos;
    }
    if (r == 0) {
        r = sendfile_check_in(t, &in, count);
    }
    if (r == 0) {
        r = copy_end_init(t, &out, out_fd, 0);
    }
    if (r == 0) {
        r = sendfile_check(t, &in, &out, count);
    }
    if (r < 0) {
        return r;
    }
    count = MIN(count, MAX_RW_COUNT);
    const ssize_t n = file_is_pipe(out.file)
                          ? splice_to_pipe(t, &in, &out, count, out.file->flags & O_NONBLOCK)
                          : copy_data(t, &in, &out, count);
    if (n > 0) {
        r = copy_end_finish(t, &out);
    }
    if (n >= 0 && r == 0) {
        r = copy_end_finish(t, &in);
    }
    return r < 0 ? r : n;
}

/* Linux's generic_copy_file_checks. *len is cut to what in has. */
static int copy_range_check(struct copy_end *in, struct copy_end *out, size_t *len)
{
    const struct inode *from = in->file->inode, *to = out->file->inode;
    uint64_t end;
    if (S_ISDIR(from->mode) || S_ISDIR(to->mode)) {
        return -EISDIR;
    }
    if (!S_ISREG(from->mode) || !S_ISREG(to->mode)) {
        return -EINVAL;
    }
    if (!file_readable(in->file) || !file_writable(out->file) || out->file->flags & O_APPEND) {
        return -EBADF;
    }
    if (from->sb != to->sb) {
        return -EXDEV;
    }
    if (__builtin_add_overflow((uint64_t)in->pos, *len, &end) ||
        __builtin_add_overflow((uint64_t)out->pos, *len, &end)) {
        return -EOVERFLOW;
    }
    if (in->pos < 0 || out->pos < 0) {
        return -EINVAL;
    }
    *len = in->pos >= from->size ? 0 : MIN(*len, (size_t)(from->size - in->pos));
    *len = MIN(*len, MAX_RW_COUNT);
    if (from == to && out->pos < in->pos + (int64_t)*len && in->pos < out->pos + (int64_t)*len) {
        return -EINVAL;
    }
    return 0;
}

long sys_copy_file_range(struct task *t, int fd_in, uaddr_t off_in, int fd_out, uaddr_t off_out,
                         size_t len, unsigned flags)
{
    AUTO_COPY_END in = {0};
    AUTO_COPY_END out = {0};
    int r = copy_end_init(t, &in, fd_in, off_in);
    if (r == 0) {
        r = copy_end_init(t, &out, fd_out, off_out);
    }
    if (r == 0) {
        r = copy_end_position(t, &in);
    }
    if (r == 0) {
        r = copy_end_position(t, &out);
    }
    if (r == 0) {
        r = flags ? -EINVAL : copy_range_check(&in, &out, &len);
    }
    if (r < 0 || len == 0) {
        return r;
    }
    const ssize_t n = copy_data(t, &in, &out, len);
    if (n > 0) {
        r = copy_end_finish(t, &in);
        if (r == 0) {
            r = copy_end_finish(t, &out);
        }
    }
    return r < 0 ? r : n;
}
