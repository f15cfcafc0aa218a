/*
 * Pseudo-terminals as files: the master, opened through /dev/ptmx, and the slave, /dev/pts/N. Analogous to
 * Linux's drivers/tty/pty.c and the file half of n_tty.c. Their ioctls are pty_ioctl.c.
 *
 *      master write -> ldisc_receive -> lines  -> slave read
 *      master read  <- out ring      <- ldisc_write <- slave write
 *                                    <- echoes
 *
 * Closing the master hangs the slave up: SIGHUP to the session, end of file, EIO. Closing the last slave
 * gives the master EIO once it has read what was written, until a slave is opened again.
 */
#include "sentry/fs/pty.h"

#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>

#include "lib/strbuf.h"
#include "sentry/base/errno.h"
#include "sentry/base/timer.h"

#define CHUNK             512 /* copied from a guest at a time */
#define PTY_MASTER_BUFFER 4095U
#define TENTH_NS          (NSEC_PER_SEC / 10)
#define PENDING(p)        ((p)->out_head - (p)->out_tail)

static const struct file_ops pty_master_ops, pty_slave_ops;

static struct pty *ldisc_pty(struct ldisc *l)
{
    return container_of(l, struct pty, ldisc);
}

/* --- what the line discipline asks of us --- */

static void pty_output(struct ldisc *l, const uint8_t *data, size_t size)
{
    struct pty *p = ldisc_pty(l);
    bool was_empty = PENDING(p) == 0;

    for (size_t i = 0; i < size && PENDING(p) < PTY_OUT_SIZE; i++) {
        p->out[p->out_head++ % PTY_OUT_SIZE] = data[i];
    }
    if (was_empty) {
        waitq_wake(&p->master_q, EPOLLIN | EPOLLRDNORM);
    }
}

static size_t pty_output_room(struct ldisc *l)
{
    unsigned used = PENDING(ldisc_pty(l));

    return used < PTY_OUT_SOFT ? PTY_OUT_SOFT - used : 0;
}

static void packet_event(struct pty *p, uint8_t status)
{
    if (p->packet) {
        p->packet_status |= status;
        waitq_wake(&p->master_q, EPOLLIN | EPOLLPRI | EPOLLRDNORM);
    }
}

/* Linux's master has a line discipline, too, whose read buffer of 4 KiB takes output at once: that stays. */
void pty_flush_out(struct pty *p, uint8_t packet_status)
{
    p->out_head = p->out_tail + MIN(PENDING(p), PTY_MASTER_BUFFER);
    packet_event(p, packet_status);
    waitq_wake(&p->slave_q, EPOLLOUT | EPOLLWRNORM);
}

static void pty_flush_output(struct ldisc *l)
{
    pty_flush_out(ldisc_pty(l), TIOCPKT_FLUSHREAD | TIOCPKT_FLUSHWRITE);
}

static void pty_signal(struct ldisc *l, int sig)
{
    tty_signal_foreground(&ldisc_pty(l)->tty, sig);
}

static void pty_flow(struct ldisc *l, bool stopped)
{
    struct pty *p = ldisc_pty(l);

    p->packet_status &= (uint8_t) ~(TIOCPKT_STOP | TIOCPKT_START);
    packet_event(p, stopped ? TIOCPKT_STOP : TIOCPKT_START);
    if (!stopped) {
        waitq_wake(&p->slave_q, EPOLLOUT | EPOLLWRNORM);
    }
}

static const struct ldisc_ops pty_ldisc_ops = {
    .output = pty_output,
    .output_room = pty_output_room,
    .flush_output = pty_flush_output,
    .signal = pty_signal,
    .flow = pty_flow,
};

/* --- the pair --- */

static void pty_put(struct pty *p)
{
    if (p->master_open || p->slaves) {
        return;
    }
    devpts_release(p);
    inode_put(p->inode);
    free(p->out);
    free(p);
}

static int pty_tty_open(struct tty *tty, struct file *f);

int ptmx_open(struct file *f)
{
    struct pty *p = calloc(1, sizeof(*p));
    int r;

    if (!p) {
        return -ENOMEM;
    }
    p->out = malloc(PTY_OUT_SIZE);
    r = p->out ? devpts_add(p, f->cred) : -ENOMEM;
    if (r < 0) {
        free(p->out);
        free(p);
        return r;
    }
    ldisc_init(&p->ldisc, &pty_ldisc_ops);
    waitq_init(&p->master_q);
    waitq_init(&p->slave_q);
    p->tty.rdev = p->inode->rdev;
    p->tty.open = pty_tty_open;
    p->master_open = p->locked = true;
    f->ops = &pty_master_ops;
    f->private = p;
    return 0;
}

static void slave_attach(struct pty *p, struct file *f)
{
    p->slaves++;
    p->slave_gone = false;
    f->ops = &pty_slave_ops;
    f->private = p;
    tty_open_set_ctty(&p->tty, f);
}

int pty_slave_open(struct pty *p, struct file *f)
{
    if (p->locked || !p->master_open) {
        return -EIO;
    }
    if (p->exclusive && !cred_capable(f->cred, CAP_SYS_ADMIN)) {
        return -EBUSY;
    }
    slave_attach(p, f);
    return 0;
}

/* Through /dev/tty: it is the caller's already, whatever locks say. */
static int pty_tty_open(struct tty *tty, struct file *f)
{
    struct pty *p = container_of(tty, struct pty, tty);

    if (!p->master_open) {
        return -EIO;
    }
    slave_attach(p, f);
    return 0;
}

int pty_open_peer(struct file *master, unsigned flags, struct file **out)
{
    struct pty *p = master->private;
    AUTO_STRBUF name = {0};
    struct file *f;
    int r;

    if (master->ops != &pty_master_ops) {
        return -ENOTTY;
    }
    strbuf_printf(&name, "/dev/pts/%u", p->index);
    r = strbuf_error(&name);
    if (r < 0) {
        return r;
    }
    r = file_new_anon(&pty_slave_ops, name.text, inode_get(p->inode), flags & ~(unsigned)O_NOCTTY,
                      master->cred, p, &f);
    if (r < 0) {
        return r;
    }
    f->flags |= flags & O_NOCTTY;
    slave_attach(p, f);
    f->flags &= ~(unsigned)O_NOCTTY;
    *out = f;
    return 0;
}

static void master_release(struct file *f)
{
    struct pty *p = f->private;

    p->master_open = false;
    devpts_unlink(p);
    tty_hangup(&p->tty);
    waitq_wake(&p->slave_q, EPOLLIN | EPOLLRDNORM | EPOLLOUT | EPOLLWRNORM | EPOLLERR | EPOLLHUP);
    pty_put(p);
}

static void slave_release(struct file *f)
{
    struct pty *p = f->private;

    if (--p->slaves == 0) {
        p->slave_gone = true;
        p->exclusive = false;
        waitq_wake(&p->master_q, EPOLLIN | EPOLLRDNORM | EPOLLHUP);
    }
    pty_put(p);
}

/* --- the master --- */

/* Return: bytes put into buf; in packet mode with the status byte in front. 0: nothing there. */
static size_t master_take(struct pty *p, uint8_t *buf, size_t size)
{
    size_t n = 0;

    if (p->packet) {
        buf[n++] = p->packet_status;
        if (p->packet_status) {
            p->packet_status = 0;
            return n;
        }
        if (PENDING(p) == 0) {
            return 0;
        }
    }
    while (n < size && PENDING(p) > 0) {
        buf[n++] = p->out[p->out_tail++ % PTY_OUT_SIZE];
    }
    return n;
}

static ssize_t master_read(struct file *f, struct uio *dst, int64_t *pos)
{
    struct pty *p = f->private;
    AUTO_FREE uint8_t *buf = NULL;
    size_t size = MIN(uio_size(dst), (size_t)LDISC_SIZE), n;

    (void)pos;
    if (size == 0) {
        return 0;
    }
    buf = malloc(size);
    if (!buf) {
        return -ENOMEM;
    }
    while ((n = master_take(p, buf, size)) == 0) {
        if (p->slave_gone) {
            return -EIO;
        }
        if (f->flags & O_NONBLOCK) {
            return -EAGAIN;
        }
        int r = waitq_wait(&p->master_q, PENDING(p) || p->slave_gone || p->packet_status);
        if (r < 0) {
            return r;
        }
    }
    waitq_wake(&p->slave_q, EPOLLOUT | EPOLLWRNORM);
    return uio_copy_to(dst, buf, n);
}

/* Gives all of data to the line discipline. Return: bytes taken, or -errno when none. Context: may block. */
static ssize_t master_feed(struct pty *p, const struct file *f, const uint8_t *data, size_t size)
{
    size_t done = 0;
    int r = 0;

    while (done < size && r == 0) {
        done += ldisc_receive(&p->ldisc, data + done, size - done);
        if (ldisc_readable(&p->ldisc, 1)) {
            waitq_wake(&p->slave_q, EPOLLIN | EPOLLRDNORM);
        }
        if (done < size) {
            r = f->flags & O_NONBLOCK ? -EAGAIN
                                      : waitq_wait(&p->master_q, ldisc_receive_room(&p->ldisc));
        }
    }
    return done ? (ssize_t)done : r;
}

static ssize_t master_write(struct file *f, struct uio *src, int64_t *pos)
{
    struct pty *p = f->private;
    uint8_t buf[CHUNK];
    ssize_t done = 0;

    (void)pos;
    while (uio_size(src) > 0) {
        ssize_t size = uio_copy_from(src, buf, MIN(uio_size(src), sizeof(buf)));
        ssize_t n = size < 0 ? size : master_feed(p, f, buf, (size_t)size);

        if (n < 0) {
            return done ? done : n;
        }
        done += n;
        if (n < size || size == 0) {
            break;
        }
    }
    return done;
}

static uint32_t master_poll(struct file *f, struct waitq **out_q)
{
    struct pty *p = f->private;
    uint32_t events = 0;

    if (out_q) {
        *out_q = &p->master_q;
    }
    if (PENDING(p)) {
        events |= EPOLLIN | EPOLLRDNORM;
    }
    if (p->packet && p->packet_status) {
        events |= EPOLLIN | EPOLLPRI | EPOLLRDNORM;
    }
    if (p->slave_gone) {
        events |= EPOLLHUP;
    }
    if (ldisc_receive_room(&p->ldisc)) {
        events |= EPOLLOUT | EPOLLWRNORM;
    }
    return events;
}

static long master_ioctl(struct file *f, struct mm *mm, unsigned cmd, uaddr_t arg)
{
    return pty_ioctl(f->private, f, mm, cmd, arg, true);
}

static const struct file_ops pty_master_ops = {
    .read = master_read,
    .write = master_write,
    .poll = master_poll,
    .llseek = no_llseek,
    .ioctl = master_ioctl,
    .release = master_release,
};

/* --- the slave --- */

/* One sleep of a slave's read or write. Return: 0, -ERESTARTSYS, -ETIMEDOUT, -EIO the line was hung up. */
static int slave_sleep(struct pty *p, uint32_t events, int64_t deadline_ns)
{
    struct waitq_entry e;
    int r;

    waitq_entry_init(&e, events | EPOLLHUP);
    waitq_add(&p->slave_q, &e);
    r = waitq_sleep(WAIT_INTERRUPTIBLE, deadline_ns);
    waitq_remove(&e);
    return p->master_open ? r : -EIO;
}

/* When a read in non-canonical mode ends. */
struct read_rule {
    size_t min;          /* bytes that end it */
    int64_t deadline_ns; /* of the next sleep */
    int64_t between_ns;  /* VTIME after the first byte; 0: none */
};

static struct read_rule read_rule(const struct ldisc *l, size_t size)
{
    struct read_rule rule = {.min = 1, .deadline_ns = WAIT_FOREVER};
    int64_t time_ns = l->tio.c_cc[VTIME] * TENTH_NS;

    if (ldisc_canonical(l)) {
        return rule;
    }
    if (l->tio.c_cc[VMIN]) {
        rule.min = MIN((size_t)l->tio.c_cc[VMIN], size);
        rule.between_ns = time_ns;
    } else {
        rule.deadline_ns = ktime_monotonic_ns() + time_ns;
    }
    return rule;
}

/* Fills buf as the rules say. Return: bytes (0: end of file or time over), or -errno when none. */
static ssize_t slave_fill(struct pty *p, const struct file *f, uint8_t *buf, size_t size)
{
    struct read_rule rule = read_rule(&p->ldisc, size);
    size_t done = 0;
    int r;

    for (;;) {
        if (ldisc_readable(&p->ldisc, 1)) {
            bool canonical = ldisc_canonical(&p->ldisc);

            done += ldisc_read(&p->ldisc, buf + done, size - done);
            waitq_wake(&p->master_q, EPOLLOUT | EPOLLWRNORM);
            if (canonical || done >= rule.min) {
                return (ssize_t)done;
            }
            if (rule.between_ns) {
                rule.deadline_ns = ktime_monotonic_ns() + rule.between_ns;
            }
        }
        if (f->flags & O_NONBLOCK) {
            r = -EAGAIN;
        } else {
            r = slave_sleep(p, EPOLLIN, rule.deadline_ns);
        }
        if (r == -ETIMEDOUT && !ldisc_readable(&p->ldisc, 1)) {
            return (ssize_t)done;
        }
        if (r < 0 && r != -ETIMEDOUT) {
            return done ? (ssize_t)done : r;
        }
    }
}

static ssize_t slave_read(struct file *f, struct uio *dst, int64_t *pos)
{
    struct pty *p = f->private;
    AUTO_FREE uint8_t *buf = NULL;
    size_t size = MIN(uio_size(dst), (size_t)LDISC_SIZE);
    ssize_t n;
    int r;

    (void)pos;
    if (!p->master_open || size == 0) {
        return 0;
    }
    r = tty_check_change(&p->tty, SIGTTIN);
    if (r < 0) {
        return r;
    }
    buf = malloc(size);
    if (!buf) {
        return -ENOMEM;
    }
    n = slave_fill(p, f, buf, size);
    return n > 0 ? uio_copy_to(dst, buf, (size_t)n) : n;
}

/* Sends all of data. Return: bytes taken, or -errno when none. Context: may block. */
static ssize_t slave_send(struct pty *p, const struct file *f, const uint8_t *data, size_t size)
{
    size_t done = 0;
    int r = 0;

    while (done < size && r == 0) {
        if (!p->master_open) {
            r = -EIO;
            break;
        }
        done += ldisc_write(&p->ldisc, data + done, size - done);
        if (done < size) {
            r = f->flags & O_NONBLOCK ? -EAGAIN : slave_sleep(p, EPOLLOUT, WAIT_FOREVER);
        }
    }
    return done ? (ssize_t)done : r;
}

static ssize_t slave_write(struct file *f, struct uio *src, int64_t *pos)
{
    struct pty *p = f->private;
    uint8_t buf[CHUNK];
    ssize_t done = 0;
    int r = 0;

    (void)pos;
    if (p->ldisc.tio.c_lflag & TOSTOP) {
        r = tty_check_change(&p->tty, SIGTTOU);
    }
    if (!p->master_open) {
        r = -EIO;
    }
    if (r < 0) {
        return r;
    }
    while (uio_size(src) > 0) {
        ssize_t size = uio_copy_from(src, buf, MIN(uio_size(src), sizeof(buf)));
        ssize_t n = size < 0 ? size : slave_send(p, f, buf, (size_t)size);

        if (n < 0) {
            return done ? done : n;
        }
        done += n;
        if (n < size || size == 0) {
            break;
        }
    }
    return done;
}

static uint32_t slave_poll(struct file *f, struct waitq **out_q)
{
    struct pty *p = f->private;
    const uint8_t *cc = p->ldisc.tio.c_cc;
    uint32_t events = 0;

    if (out_q) {
        *out_q = &p->slave_q;
    }
    if (!p->master_open) {
        return EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP | EPOLLRDNORM | EPOLLWRNORM;
    }
    if (ldisc_readable(&p->ldisc, !cc[VTIME] && cc[VMIN] ? cc[VMIN] : 1)) {
        events |= EPOLLIN | EPOLLRDNORM;
    }
    if (!p->ldisc.stopped && pty_output_room(&p->ldisc) > 0) {
        events |= EPOLLOUT | EPOLLWRNORM;
    }
    return events;
}

static long slave_ioctl(struct file *f, struct mm *mm, unsigned cmd, uaddr_t arg)
{
    struct pty *p = f->private;

    if (!p->master_open) {
        return cmd == TIOCSPGRP ? -ENOTTY : -EIO;
    }
    return pty_ioctl(p, f, mm, cmd, arg, false);
}

static const struct file_ops pty_slave_ops = {
    .read = slave_read,
    .write = slave_write,
    .poll = slave_poll,
    .llseek = no_llseek,
    .ioctl = slave_ioctl,
    .release = slave_release,
};
