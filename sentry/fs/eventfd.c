/*
 * eventfd(2): a 64-bit counter as a file, analogous to Linux's fs/eventfd.c.
 *
 * The counter goes up to 2^64 - 2; a write that would pass it waits. A read takes the whole counter,
 * or 1 with EFD_SEMAPHORE.
 */
#include "sentry/fs/eventfd.h"

#include <sys/eventfd.h>

#include "lib/strbuf.h"
#include "sentry/base/errno.h"
#include "sentry/fs/fs.h"
#include "sentry/vfs/lease.h"

struct eventfd {
    struct waitq q;
    uint64_t count;
    bool semaphore;
};

static ssize_t eventfd_file_read(struct file *f, struct uio *dst, int64_t *pos)
{
    struct eventfd *e = f->private;
    uint64_t value;
    ssize_t n;

    (void)pos;
    if (uio_size(dst) < sizeof(value)) {
        return -EINVAL;
    }
    if (e->count == 0) {
        if (f->flags & O_NONBLOCK) {
            return -EAGAIN;
        }
        int r = waitq_wait(&e->q, e->count > 0);
        if (r < 0) {
            return r;
        }
    }
    value = e->semaphore ? 1 : e->count;
    e->count -= value;
    waitq_wake(&e->q, EPOLLOUT);
    n = uio_copy_to(dst, &value, sizeof(value));
    return n == (ssize_t)sizeof(value) ? n : -EFAULT;
}

static ssize_t eventfd_file_write(struct file *f, struct uio *src, int64_t *pos)
{
    struct eventfd *e = f->private;
    uint64_t value;

    (void)pos;
    if (uio_size(src) < sizeof(value)) {
        return -EINVAL;
    }
    if (uio_copy_from(src, &value, sizeof(value)) != (ssize_t)sizeof(value)) {
        return -EFAULT;
    }
    if (value == UINT64_MAX) {
        return -EINVAL;
    }
    if (UINT64_MAX - e->count <= value) {
        if (f->flags & O_NONBLOCK) {
            return -EAGAIN;
        }
        int r = waitq_wait(&e->q, UINT64_MAX - e->count > value);
        if (r < 0) {
            return r;
        }
    }
    e->count += value;
    waitq_wake(&e->q, EPOLLIN);
    return sizeof(value);
}

static uint32_t eventfd_poll(struct file *f, struct waitq **out_q)
{
    struct eventfd *e = f->private;

    if (out_q) {
        *out_q = &e->q;
    }
    return (e->count > 0 ? EPOLLIN : 0u) | (e->count < UINT64_MAX - 1 ? EPOLLOUT : 0u);
}

static void eventfd_release(struct file *f)
{
    inode_end_leases(f->inode);
    free(f->private);
}

static void eventfd_show_fdinfo(struct file *f, struct strbuf *out)
{
    struct eventfd *e = f->private;

    strbuf_printf(out, "eventfd-count: %16llx\neventfd-semaphore: %d\n",
                  (unsigned long long)e->count, e->semaphore);
}

static const struct file_ops eventfd_ops = {
    .traits = FILE_NOWAIT | FILE_NO_RWF_WRITE,
    .read = eventfd_file_read,
    .write = eventfd_file_write,
    .poll = eventfd_poll,
    .llseek = noop_llseek,
    .release = eventfd_release,
    .show_fdinfo = eventfd_show_fdinfo,
};

bool file_is_eventfd(const struct file *f)
{
    return f->ops == &eventfd_ops;
}

bool eventfd_is_quiet(const struct file *f, uint64_t max)
{
    const struct eventfd *e = f->private;
    return list_empty(&e->q.waiters) && e->count <= max;
}

bool eventfd_is_semaphore(const struct file *f)
{
    const struct eventfd *e = f->private;
    return e->semaphore;
}

uint64_t eventfd_count(const struct file *f)
{
    const struct eventfd *e = f->private;
    return e->count;
}

void eventfd_set_count(struct file *f, uint64_t count)
{
    struct eventfd *e = f->private;
    e->count = count;
}

int eventfd_new(uint64_t value, unsigned flags, const struct cred *cred, struct file **out)
{
    struct eventfd *e = calloc(1, sizeof(*e));
    struct inode *inode;
    int r;

    if (!e) {
        return -ENOMEM;
    }
    waitq_init(&e->q);
    e->count = value;
    e->semaphore = flags & EFD_SEMAPHORE;
    r = inode_new_anon(0600, cred, &inode);
    if (r == 0) {
        r = file_new_anon(&eventfd_ops, "anon_inode:[eventfd]", inode,
                          O_RDWR | (flags & EFD_NONBLOCK), cred, e, out);
    }
    if (r < 0) {
        free(e);
    }
    return r;
}
