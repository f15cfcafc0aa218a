/*
 * Pipes and FIFOs, analogous to Linux's fs/pipe.c; pipe(7), fifo(7).
 *
 * A pipe is a ring of page-sized slots. A write of up to PIPE_BUF (one page) goes whole into the
 * last slot if it fits there, else whole into one new slot: that is what makes it atomic, and why
 * "writable" means "a slot is free". Pages are had when first written and freed when read, but for
 * one spare, so an idle pipe costs only its slot table.
 *
 * Who owns what: each open file holds struct pipe_end and counts in pipe->files; the last one frees
 * the pipe. inode->fifo (borrowed) points to the pipe while any file is open, so that a FIFO's next
 * open, or an open of /proc/self/fd/N, joins it. Copies to and from a guest do not sleep, so a read
 * or write between two sleeps is atomic.
 */
#include "sentry/fs/pipe_internal.h"

#include <string.h>
#include <sys/ioctl.h>

#include "lib/log.h"
#include "sentry/base/errno.h"
#include "sentry/mm/usercopy.h"
#include "sentry/vfs/lease.h"

static struct pipe *file_pipe(const struct file *f)
{
    return ((struct pipe_end *)f->private)->pipe;
}
static bool pipe_empty(const struct pipe *p)
{
    return p->head == p->tail;
}
static bool pipe_full(const struct pipe *p)
{
    return p->head - p->tail >= p->slot_count;
}
static struct pipe_slot *pipe_slot(struct pipe *p, unsigned index)
{
    return &p->slots[index & (p->slot_count - 1)];
}

int pipe_alloc(bool anonymous, struct pipe **out)
{
    struct pipe *p = calloc(1, sizeof(*p));

    if (!p) {
        return -ENOMEM;
    }
    p->slot_count = PIPE_DEFAULT_SIZE / PAGE_SIZE;
    p->slots = calloc(p->slot_count, sizeof(*p->slots));
    if (!p->slots) {
        free(p);
        return -ENOMEM;
    }
    waitq_init(&p->q);
    p->anonymous = anonymous;
    *out = p;
    return 0;
}

static void pipe_free(struct pipe *p)
{
    for (unsigned i = p->tail; i != p->head; i++) {
        free(pipe_slot(p, i)->page);
    }
    free(p->spare);
    free(p->slots);
    free(p);
}

void pipe_put(struct inode *inode, struct pipe *p)
{
    if (--p->files == 0) {
        inode->fifo = NULL;
        pipe_free(p);
    }
}

static uint8_t *pipe_page_alloc(struct pipe *p)
{
    return p->spare ? take(&p->spare) : malloc(PAGE_SIZE);
}
static void pipe_page_free(struct pipe *p, uint8_t *page)
{
    if (!p->spare) {
        p->spare = page;
    } else {
        free(page);
    }
}

/* Sleeps until one of events. Return: 0 (the caller looks again) or -ERESTARTSYS. */
static int pipe_sleep(struct pipe *p, uint32_t events)
{
    struct waitq_entry e;
    int r;

    waitq_entry_init(&e, events | EPOLLERR | EPOLLHUP);
    waitq_add(&p->q, &e);
    r = waitq_sleep(WAIT_INTERRUPTIBLE, WAIT_FOREVER);
    waitq_remove(&e);
    return r;
}

/* Moves what fits from the ring to dst. Return: bytes, 0 when empty, -EFAULT. */
static ssize_t pipe_drain(struct pipe *p, struct uio *dst)
{
    ssize_t done = 0;

    while (!pipe_empty(p) && uio_size(dst) > 0) {
        struct pipe_slot *s = pipe_slot(p, p->tail);
        size_t want = MIN((size_t)s->size, uio_size(dst));
        bool packet = s->packet;
        ssize_t n = uio_copy_to(dst, s->page + s->offset, want);

        if (n < 0) {
            return done ? done : n;
        }
        done += n;
        s->offset += (uint16_t)n;
        s->size -= (uint16_t)n;
        if (s->size == 0 || packet) {
            pipe_page_free(p, take(&s->page));
            p->tail++;
        }
        if ((size_t)n < want || packet) {
            break;
        }
    }
    return done;
}

static ssize_t pipe_read(struct file *f, struct uio *dst, int64_t *pos)
{
    struct pipe *p = file_pipe(f);
    ssize_t done;

    (void)pos;
    if (uio_size(dst) == 0) {
        return 0;
    }
    for (;;) {
        bool was_full = pipe_full(p);

        done = pipe_drain(p, dst);
        if (done != 0) {
            if (was_full && !pipe_full(p)) {
                waitq_wake(&p->q, EPOLLOUT | EPOLLWRNORM);
            }
            break;
        }
        if (p->writers == 0) {
            break;
        }
        if (f->flags & O_NONBLOCK) {
            return -EAGAIN;
        }
        int r = pipe_sleep(p, EPOLLIN);
        if (r < 0) {
            return r;
        }
    }
    if (done > 0) {
        inode_touch(f->inode, ATTR_ATIME);
    }
    return done;
}

/*
 * Appends the odd tail of a write (what does not fill whole pages) to the last slot, if all of it
 * fits there. Return: bytes, 0 if not, -EFAULT.
 */
static ssize_t pipe_merge(struct pipe *p, struct uio *src)
{
    size_t odd = uio_size(src) & (PAGE_SIZE - 1);
    struct pipe_slot *s;
    ssize_t n;

    if (odd == 0 || pipe_empty(p)) {
        return 0;
    }
    s = pipe_slot(p, p->head - 1);
    if (s->packet || s->offset + s->size + odd > PAGE_SIZE) {
        return 0;
    }
    n = uio_copy_from(src, s->page + s->offset + s->size, odd);
    if (n > 0) {
        s->size += (uint16_t)n;
    }
    return n;
}

/* One slot's worth. The ring has room. Return: bytes, -EFAULT, -ENOMEM. */
static ssize_t pipe_push(struct pipe *p, struct uio *src, bool packet)
{
    struct pipe_slot *s = pipe_slot(p, p->head);
    uint8_t *page = pipe_page_alloc(p);
    ssize_t n;

    if (!page) {
        return -ENOMEM;
    }
    n = uio_copy_from(src, page, MIN(uio_size(src), PAGE_SIZE));
    if (n <= 0) {
        pipe_page_free(p, page);
        return n < 0 ? n : -EFAULT;
    }
    *s = (struct pipe_slot){.page = page, .size = (uint16_t)n, .packet = packet};
    p->head++;
    return n;
}

bool pipe_is_quiet(const struct inode *inode, size_t size)
{
    const struct pipe *p = inode->fifo;
    size_t held = 0;
    if (!p || !p->anonymous || !p->readers || !p->writers || !list_empty(&p->q.waiters) ||
        p->slot_count * PAGE_SIZE < size) {
        return false;
    }
    for (unsigned i = p->tail; i != p->head; i++) {
        const struct pipe_slot *s = &p->slots[i & (p->slot_count - 1)];
        held += s->size;
        if (s->packet) {
            return false;
        }
    }
    return held <= size;
}

size_t pipe_unload(struct inode *inode, void *buf, size_t size)
{
    struct uio u;
    uio_init_kernel(&u, buf, size);
    return (size_t)pipe_drain(inode->fifo, &u);
}

void pipe_load(struct inode *inode, const void *buf, size_t size)
{
    struct pipe *p = inode->fifo;
    struct uio u;
    uio_init_kernel(&u, (void *)(uintptr_t)buf, size);
    ssize_t n = size ? pipe_merge(p, &u) : 0;
    while (n >= 0 && uio_size(&u) > 0 && !pipe_full(p)) {
        n = pipe_push(p, &u, false);
    }
    if (uio_size(&u) > 0) {
        log_warn("pipe: %zu bytes lost: no memory", uio_size(&u));
    }
}

/*
 * DEVIATION: when the last reader goes after part of a write was taken, the part is returned and
 * SIGPIPE comes with the next write; Linux also raises it with the short count.
 */
static ssize_t pipe_write(struct file *f, struct uio *src, int64_t *pos)
{
    struct pipe *p = file_pipe(f);
    ssize_t done = 0, n = 0;

    (void)pos;
    if (uio_size(src) == 0) {
        return 0;
    }
    if (p->readers == 0) {
        return -EPIPE;
    }
    if (!(f->flags & O_DIRECT)) {
        n = pipe_merge(p, src);
        done = MAX(n, (ssize_t)0);
    }
    while (n >= 0 && uio_size(src) > 0) {
        if (p->readers == 0) {
            n = -EPIPE;
        } else if (!pipe_full(p)) {
            n = pipe_push(p, src, f->flags & O_DIRECT);
            done += MAX(n, (ssize_t)0);
        } else if (f->flags & O_NONBLOCK) {
            n = -EAGAIN;
        } else {
            waitq_wake(&p->q, EPOLLIN | EPOLLRDNORM);
            n = pipe_sleep(p, EPOLLOUT);
        }
    }
    if (done > 0) {
        waitq_wake(&p->q, EPOLLIN | EPOLLRDNORM);
        inode_touch(f->inode, ATTR_MTIME | ATTR_CTIME);
    }
    return done ? done : n;
}

static uint32_t pipe_poll(struct file *f, struct waitq **out_q)
{
    struct pipe_end *e = f->private;
    struct pipe *p = e->pipe;
    uint32_t events = 0;

    if (out_q) {
        *out_q = &p->q;
    }
    if (file_readable(f)) {
        if (!pipe_empty(p)) {
            events |= EPOLLIN | EPOLLRDNORM;
        }
        if (p->writers == 0 && !(e->ignore_hangup && e->writer_opens == p->writer_opens)) {
            events |= EPOLLHUP;
        }
    }
    if (file_writable(f)) {
        if (!pipe_full(p)) {
            events |= EPOLLOUT | EPOLLWRNORM;
        }
        if (p->readers == 0) {
            events |= EPOLLERR;
        }
    }
    return events;
}

static long pipe_ioctl(struct file *f, struct mm *mm, unsigned cmd, uaddr_t arg)
{
    struct pipe *p = file_pipe(f);
    int count = 0;

    if (cmd != FIONREAD) {
        return -ENOTTY;
    }
    for (unsigned i = p->tail; i != p->head; i++) {
        count += pipe_slot(p, i)->size;
    }
    return put_user(mm, arg, &count);
}

void pipe_count(struct pipe *p, const struct file *f, int change)
{
    if (file_readable(f)) {
        p->readers += (unsigned)change;
    }
    if (file_writable(f)) {
        p->writers += (unsigned)change;
    }
}

static void pipe_release(struct file *f)
{
    struct pipe_end *e = f->private;
    struct pipe *p = e->pipe;

    inode_end_leases(f->inode); /* who sleeps in one learns it */
    pipe_count(p, f, -1);
    if (!p->readers != !p->writers) {
        waitq_wake(&p->q, EPOLLIN | EPOLLRDNORM | EPOLLOUT | EPOLLWRNORM | EPOLLERR | EPOLLHUP);
    }
    free(e);
    pipe_put(f->inode, p);
}

const struct file_ops pipe_ops = {
    .traits = FILE_NOWAIT,
    .read = pipe_read,
    .write = pipe_write,
    .poll = pipe_poll,
    .llseek = no_llseek,
    .ioctl = pipe_ioctl,
    .release = pipe_release,
};

int pipe_new(unsigned flags, const struct cred *cred, struct file *out[2])
{
    struct pipe_end *ends[2] = {calloc(1, sizeof(*ends[0])), calloc(1, sizeof(*ends[1]))};
    struct pipe *p = NULL;
    struct inode *inode = NULL;
    unsigned status = flags & (O_NONBLOCK | O_DIRECT);
    int r;

    r = !ends[0] || !ends[1] ? -ENOMEM : pipe_alloc(true, &p);
    if (r == 0) {
        r = inode_new_anon(S_IFIFO | 0600, cred, &inode);
    }
    if (r < 0) {
        goto fail;
    }
    ends[0]->pipe = ends[1]->pipe = p;
    p->files = 1; /* ours, until both ends exist: then it becomes the writer's */
    r = file_new_anon(&pipe_ops, "pipe:", inode_get(inode), O_RDONLY | status, cred, ends[0],
                      &out[0]);
    if (r < 0) {
        inode_put(inode);
        goto fail;
    }
    p->files++;
    p->readers = p->reader_opens = 1;
    inode->fifo = p;
    r = file_new_anon(&pipe_ops, "pipe:", inode, O_WRONLY | status, cred, ends[1], &out[1]);
    if (r < 0) {
        p->files--;
        file_put(out[0]); /* frees the pipe and ends[0] */
        free(ends[1]);
        return r;
    }
    p->writers = p->writer_opens = 1;
    return 0;
fail:
    free(ends[0]);
    free(ends[1]);
    if (p) {
        pipe_free(p);
    }
    return r;
}

bool file_is_pipe(const struct file *f)
{
    return f->ops == &pipe_ops;
}

long pipe_get_size(const struct file *f)
{
    return file_is_pipe(f) ? (long)(file_pipe(f)->slot_count * PAGE_SIZE) : -EBADF;
}

long pipe_set_size(struct file *f, unsigned size, const struct cred *cred)
{
    struct pipe *p;
    struct pipe_slot *slots;
    unsigned count = 1, used;

    if (!file_is_pipe(f)) {
        return -EBADF;
    }
    if (size > 1u << 31) {
        return -EINVAL;
    }
    while (count * PAGE_SIZE < size) {
        count *= 2;
    }
    p = file_pipe(f);
    used = p->head - p->tail;
    if (count > p->slot_count && count * PAGE_SIZE > PIPE_MAX_SIZE &&
        !cred_capable(cred, CAP_SYS_RESOURCE)) {
        return -EPERM;
    }
    if (used > count) {
        return -EBUSY;
    }
    slots = calloc(count, sizeof(*slots));
    if (!slots) {
        return -ENOMEM;
    }
    for (unsigned i = 0; i < used; i++) {
        slots[i] = *pipe_slot(p, p->tail + i);
    }
    free(p->slots);
    p->slots = slots;
    p->slot_count = count;
    p->tail = 0;
    p->head = used;
    waitq_wake(&p->q, EPOLLOUT | EPOLLWRNORM);
    return (long)(count * PAGE_SIZE);
}

size_t pipe_peek(const struct file *f, size_t skip, void *buf, size_t size)
{
    struct pipe *p = file_pipe(f);
    size_t done = 0;

    for (unsigned i = p->tail; i != p->head && done < size; i++) {
        const struct pipe_slot *s = pipe_slot(p, i);
        if (skip >= s->size) {
            skip -= s->size;
            continue;
        }
        size_t n = MIN(s->size - skip, size - done);
        memcpy((char *)buf + done, s->page + s->offset + skip, n);
        done += n;
        skip = 0;
    }
    return done;
}

void pipe_discard(struct file *f, size_t size)
{
    struct pipe *p = file_pipe(f);
    bool was_full = pipe_full(p);

    while (size > 0 && !pipe_empty(p)) {
        struct pipe_slot *s = pipe_slot(p, p->tail);
        size_t n = MIN((size_t)s->size, size);
        s->offset += (uint16_t)n;
        s->size -= (uint16_t)n;
        size -= n;
        if (s->size == 0) {
            pipe_page_free(p, take(&s->page));
            p->tail++;
        }
    }
    if (was_full && !pipe_full(p)) {
        waitq_wake(&p->q, EPOLLOUT | EPOLLWRNORM);
    }
    inode_touch(f->inode, ATTR_ATIME);
}
