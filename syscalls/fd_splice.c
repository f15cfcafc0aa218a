/*
 * splice, tee, vmsplice: data in and out of pipes. Analogous to Linux's fs/splice.c; pages are copied
 * where Linux moves references, which a guest can't tell but by speed. splice(2), tee(2), vmsplice(2).
 *
 * Nothing may be lost on the way: what a pipe gives is looked at, written, and only then taken out;
 * what goes into a pipe is fetched only after there is room for it. A pipe that can be written has
 * room for one page, without sleeping.
 */
#include "sentry/base/errno.h"
#include "sentry/fs/pipe.h"
#include "syscalls/fd_copy.h"
#include "syscalls/helpers.h"
#include "syscalls/syscalls.h"

#define SPLICE_KNOWN (SPLICE_F_MOVE | SPLICE_F_NONBLOCK | SPLICE_F_MORE | SPLICE_F_GIFT)

/* Sleeps until the file is ready for events. Errors: -EAGAIN nonblock; -ERESTARTSYS. */
static int wait_ready(struct file *f, uint32_t events, bool nonblock)
{
    struct waitq *q = NULL;
    events |= EPOLLERR | EPOLLHUP;
    if (file_poll(f, &q) & events) {
        return 0;
    }
    if (nonblock || !q) {
        return -EAGAIN;
    }
    return waitq_wait(q, file_poll(f, NULL) & events);
}

static bool has_room(struct file *f)
{
    return file_poll(f, NULL) & EPOLLOUT;
}

/* A pipe's data to anything. */
static ssize_t splice_from_pipe(struct task *t, struct file *in, struct copy_end *out, size_t len,
                                bool nonblock)
{
    AUTO_FREE char *buf = malloc(COPY_BUFFER_SIZE);
    ssize_t done = 0;
    if (!buf) {
        return -ENOMEM;
    }
    int r = wait_ready(in, EPOLLIN, nonblock);
    while (r == 0 && len > 0) {
        const bool to_pipe = file_is_pipe(out->file);
        if (to_pipe) {
            r = wait_ready(out->file, EPOLLOUT, nonblock || done > 0);
            if (r < 0) {
                break;
            }
        }
        const size_t chunk = MIN(len, to_pipe ? PAGE_SIZE : COPY_BUFFER_SIZE);
        const size_t got = pipe_peek(in, 0, buf, chunk);
        if (got == 0) {
            break;
        }
        const ssize_t put = copy_write(t, out, buf, got);
        if (put < 0) {
            r = (int)put;
            break;
        }
        pipe_discard(in, (size_t)put);
        done += put;
        len -= (size_t)put;
        if ((size_t)put < got || signal_pending(t)) {
            break;
        }
    }
    return done ? done : r;
}

/* A page at a time. */
ssize_t splice_to_pipe(struct task *t, struct copy_end *in, struct copy_end *out, size_t len,
                       bool nonblock)
{
    const bool stream = in->file->ops->llseek == no_llseek;
    AUTO_FREE char *buf = malloc(PAGE_SIZE);
    ssize_t done = 0;
    if (!buf) {
        return -ENOMEM;
    }
    int r = wait_ready(out->file, EPOLLOUT, nonblock);
    if (r == 0 && file_poll(out->file, NULL) & EPOLLERR) {
        r = (int)write_result(t, out->file, -EPIPE); /* nobody reads: nothing is fetched */
    }
    if (r == 0 && len > 0 && !splice_reads(in->file)) {
        r = -EINVAL;
    }
    while (r == 0 && len > 0 && (done == 0 || has_room(out->file))) {
        struct uio dst;
        if (stream && done > 0 && !(file_poll(in->file, NULL) & EPOLLIN)) {
            break;
        }
        uio_init_kernel(&dst, buf, MIN(len, PAGE_SIZE));
        const ssize_t got =
            stream ? file_read(in->file, &dst) : file_pread(in->file, &dst, in->pos);
        if (got <= 0) {
            r = (int)got;
            break;
        }
        if (!has_room(out->file)) {
            /* A stream's read may have slept while another writer took the room. */
            r = wait_ready(out->file, EPOLLOUT, false);
            if (r < 0) {
                break;
            }
        }
        const ssize_t put = copy_write(t, out, buf, (size_t)got);
        if (put < 0) {
            r = (int)put;
            break;
        }
        in->pos += put;
        done += put;
        len -= (size_t)put;
    }
    return done ? done : r;
}

/* Linux's do_splice, as far as it only looks. */
static int splice_check(struct task *t, struct copy_end *in, struct copy_end *out, size_t len)
{
    const bool from_pipe = file_is_pipe(in->file), to_pipe = file_is_pipe(out->file);
    if ((from_pipe && in->pos_addr) || (to_pipe && out->pos_addr)) {
        return -ESPIPE;
    }
    int r = copy_end_position(t, out);
    if (r == 0) {
        r = copy_end_position(t, in);
    }
    if (r < 0) {
        return r;
    }
    if (!file_readable(in->file) || !file_writable(out->file)) {
        return -EBADF;
    }
    if (!from_pipe && !to_pipe) {
        return -EINVAL;
    }
    if (from_pipe && to_pipe) {
        return in->file->inode == out->file->inode ? -EINVAL : 0;
    }
    /* Whether it can be read at all is asked when there is room for what is read. */
    const struct copy_end *other = from_pipe ? out : in;
    if (other->pos_addr && !file_has_positions(other->file)) {
        return -EINVAL;
    }
    if ((ssize_t)len < 0 || other->pos < 0) {
        return -EINVAL;
    }
    r = file_check_range(other->file, other->pos, len);
    if (r == 0 && from_pipe && (out->file->flags & O_APPEND || !splice_writes(out->file))) {
        r = -EINVAL;
    }
    return r;
}

long sys_splice(struct task *t, int fd_in, uaddr_t off_in, int fd_out, uaddr_t off_out, size_t len,
                unsigned flags)
{
    AUTO_COPY_END in = {0};
    AUTO_COPY_END out = {0};
    if (len == 0) {
        return 0;
    }
    if (flags & ~(unsigned)SPLICE_KNOWN) {
        return -EINVAL;
    }
    int r = copy_end_init(t, &in, fd_in, off_in);
    if (r == 0) {
        r = copy_end_init(t, &out, fd_out, off_out);
    }
    if (r == 0) {
        r = splice_check(t, &in, &out, len);
    }
    if (r < 0) {
        return r;
    }
    len = MIN(len, MAX_RW_COUNT);
    bool nonblock = flags & SPLICE_F_NONBLOCK;
    ssize_t n;
    if (file_is_pipe(in.file)) {
        nonblock = nonblock || in.file->flags & O_NONBLOCK ||
                   (file_is_pipe(out.file) && out.file->flags & O_NONBLOCK);
        n = splice_from_pipe(t, in.file, &out, len, nonblock);
        r = n > 0 ? copy_end_finish(t, &out) : 0;
    } else {
        n = splice_to_pipe(t, &in, &out, len, nonblock || out.file->flags & O_NONBLOCK);
        r = n > 0 ? copy_end_finish(t, &in) : 0;
    }
    return r < 0 ? r : n;
}

/* Copies what is there now, as far as there is room now; between the waits and the end nothing sleeps. */
static ssize_t tee_data(struct task *t, struct file *in, struct file *out, size_t len)
{
    AUTO_FREE char *buf = malloc(PAGE_SIZE);
    struct copy_end end = {.file = out};
    ssize_t done = 0;
    if (!buf) {
        return -ENOMEM;
    }
    while (len > 0) {
        const size_t got = pipe_peek(in, (size_t)done, buf, MIN(len, PAGE_SIZE));
        if (got == 0 || (done > 0 && !has_room(out))) {
            break;
        }
        const ssize_t put = copy_write(t, &end, buf, got);
        if (put < 0) {
            return done ? done : put;
        }
        done += put;
        len -= (size_t)put;
    }
    return done;
}

long sys_tee(struct task *t, int fd_in, int fd_out, size_t len, unsigned flags)
{
    AUTO_PUT(file) in = NULL;
    AUTO_PUT(file) out = NULL;
    if (flags & ~(unsigned)SPLICE_KNOWN) {
        return -EINVAL;
    }
    if (len == 0) {
        return 0;
    }
    int r = file_in(t, fd_in, &in);
    if (r == 0) {
        r = file_in(t, fd_out, &out);
    }
    if (r < 0) {
        return r;
    }
    if (!file_readable(in) || !file_writable(out)) {
        return -EBADF;
    }
    if (!file_is_pipe(in) || !file_is_pipe(out) || in->inode == out->inode) {
        return -EINVAL;
    }
    const bool nonblock = flags & SPLICE_F_NONBLOCK || (in->flags | out->flags) & O_NONBLOCK;
    do {
        r = wait_ready(in, EPOLLIN, nonblock);
        if (r == 0) {
            r = wait_ready(out, EPOLLOUT, nonblock);
        }
        /* the wait for room may have cost the data */
    } while (r == 0 && !(file_poll(in, NULL) & (EPOLLIN | EPOLLHUP)));
    return r < 0 ? r : tee_data(t, in, out, MIN(len, MAX_RW_COUNT));
}

/* Fills the pipe while it has room; waits only for the first page. */
static ssize_t vmsplice_write(struct task *t, struct file *f, struct uio *src, bool nonblock)
{
    ssize_t done = 0;
    int r = wait_ready(f, EPOLLOUT, nonblock);
    while (r == 0 && uio_size(src) > 0 && (done == 0 || has_room(f))) {
        struct uio page = *src;
        uio_truncate(&page, PAGE_SIZE);
        const ssize_t n = file_write(f, &page);
        if (n <= 0) {
            r = (int)n;
            break;
        }
        uio_advance(src, (size_t)n);
        done += n;
    }
    return write_result(t, f, done ? done : r);
}

long sys_vmsplice(struct task *t, int fd, uaddr_t iov, unsigned long nr_segs, unsigned flags)
{
    AUTO_PUT(file) f = NULL;
    struct uio u;
    if (flags & ~(unsigned)SPLICE_KNOWN) {
        return -EINVAL;
    }
    int r = file_in(t, fd, &f);
    if (r < 0) {
        return r;
    }
    r = uio_init_iovec(&u, t->mm, iov, nr_segs);
    if (r < 0) {
        return r;
    }
    const bool nonblock = flags & SPLICE_F_NONBLOCK;
    ssize_t n = 0;
    if (uio_size(&u) > 0 && !file_is_pipe(f)) {
        n = -EBADF;
    } else if (uio_size(&u) > 0 && file_writable(f)) {
        n = vmsplice_write(t, f, &u, nonblock);
    } else if (uio_size(&u) > 0) {
        n = wait_ready(f, EPOLLIN, nonblock);
        n = n < 0 ? n : file_read(f, &u);
    }
    uio_free(&u);
    return n;
}
