/*
 * timerfd: a timer whose expirations are counted and read. Analogous to Linux's fs/timerfd.c;
 * timerfd_create(2).
 *
 * The ktimer runs on CLOCK_MONOTONIC; an absolute time on another clock is turned into one when the
 * timer is set. It fires once, and again only after a read: expirations in between are added up from
 * the clock, so an interval of 1 ns that nobody reads costs no more than one of 1 s.
 */
#include "sentry/fs/timerfd.h"

#include <sys/timerfd.h>

#include "lib/host.h"
#include "lib/strbuf.h"
#include "sentry/base/errno.h"
#include "sentry/base/timer.h"

struct timerfd {
    struct ktimer timer;
    struct waitq q;
    int clock;
    unsigned settime_flags;
    bool armed;          /* a first or next expiration lies ahead, or has just passed unread */
    int64_t interval_ns; /* 0: fires once */
    int64_t next_ns;     /* CLOCK_MONOTONIC: the next expiration that is not counted yet */
    uint64_t ticks;      /* counted, not read */
};

static const struct file_ops timerfd_ops;

/* Adds what has expired by now to ticks. */
static void timerfd_count(struct timerfd *t)
{
    int64_t now = ktime_monotonic_ns();

    if (!t->armed || now < t->next_ns) {
        return;
    }
    if (t->interval_ns == 0) {
        t->ticks++;
        t->armed = false;
    } else {
        int64_t n = (now - t->next_ns) / t->interval_ns + 1;
        t->ticks += (uint64_t)n;
        if (__builtin_add_overflow(t->next_ns + (n - 1) * t->interval_ns, t->interval_ns,
                                   &t->next_ns)) {
            t->next_ns = INT64_MAX;
        }
    }
}

/* Does not re-arm: the next reader does, so an interval that nobody reads costs nothing. */
static void timerfd_fire(struct ktimer *k)
{
    struct timerfd *t = container_of(k, struct timerfd, timer);

    timerfd_count(t);
    if (t->ticks) {
        waitq_wake(&t->q, EPOLLIN | EPOLLRDNORM);
    } else if (t->armed) {
        ktimer_set(k, t->next_ns); /* what it fired for has been read already */
    }
}

static void timerfd_rearm(struct timerfd *t)
{
    if (t->armed) {
        ktimer_set(&t->timer, t->next_ns);
    }
}

static ssize_t timerfd_read(struct file *f, struct uio *dst, int64_t *pos)
{
    struct timerfd *t = f->private;
    uint64_t ticks;
    ssize_t n;
    int r;

    (void)pos;
    if (uio_size(dst) < sizeof(ticks)) {
        return -EINVAL;
    }
    timerfd_count(t);
    if (t->ticks == 0) {
        if (f->flags & O_NONBLOCK) {
            return -EAGAIN;
        }
        r = waitq_wait(&t->q, t->ticks != 0);
        if (r < 0) {
            return r;
        }
    }
    ticks = t->ticks;
    t->ticks = 0;
    timerfd_rearm(t);
    n = uio_copy_to(dst, &ticks, sizeof(ticks));
    return n == (ssize_t)sizeof(ticks) ? n : -EFAULT;
}

static uint32_t timerfd_poll(struct file *f, struct waitq **out_q)
{
    struct timerfd *t = f->private;

    if (out_q) {
        *out_q = &t->q;
    }
    timerfd_count(t);
    return t->ticks ? EPOLLIN | EPOLLRDNORM : 0;
}

static void timerfd_release(struct file *f)
{
    struct timerfd *t = f->private;

    ktimer_cancel(&t->timer);
    free(t);
}

static void timerfd_show_fdinfo(struct file *f, struct strbuf *out)
{
    struct timerfd *t = f->private;
    struct timerfd_value v = {0};
    int r = timerfd_get(f, &v);

    BUG_ON(r < 0);
    strbuf_printf(out,
                  "clockid: %d\nticks: %llu\nsettime flags: 0%o\nit_value: (%lld, %lld)\n"
                  "it_interval: (%lld, %lld)\n",
                  t->clock, (unsigned long long)t->ticks, t->settime_flags,
                  v.left_ns / NSEC_PER_SEC, v.left_ns % NSEC_PER_SEC, v.interval_ns / NSEC_PER_SEC,
                  v.interval_ns % NSEC_PER_SEC);
}

static const struct file_ops timerfd_ops = {
    .traits = FILE_NOWAIT,
    .read = timerfd_read,
    .poll = timerfd_poll,
    .llseek = noop_llseek,
    .release = timerfd_release,
    .show_fdinfo = timerfd_show_fdinfo,
};

int timerfd_new(int clock, unsigned flags, const struct cred *cred, struct file **out)
{
    struct timerfd *t = calloc(1, sizeof(*t));
    struct inode *inode;
    int r;

    if (!t) {
        return -ENOMEM;
    }
    ktimer_init(&t->timer, timerfd_fire);
    waitq_init(&t->q);
    t->clock = clock;
    r = inode_new_anon(0600, cred, &inode);
    if (r == 0) {
        r = file_new_anon(&timerfd_ops, "anon_inode:[timerfd]", inode,
                          O_RDWR | (flags & TFD_NONBLOCK), cred, t, out);
    }
    if (r < 0) {
        free(t);
    }
    return r;
}

/* The host clock that guest time is read from. */
static clockid_t base_clock(int clock)
{
    switch (clock) {
    case CLOCK_REALTIME_ALARM:
        return CLOCK_REALTIME;
    case CLOCK_BOOTTIME_ALARM:
        return CLOCK_BOOTTIME;
    default:
        return clock;
    }
}

int timerfd_get(struct file *f, struct timerfd_value *out)
{
    struct timerfd *t = f->private;

    if (f->ops != &timerfd_ops) {
        return -EINVAL;
    }
    timerfd_count(t);
    timerfd_rearm(t);
    out->interval_ns = t->interval_ns;
    out->left_ns = t->armed ? MAX(t->next_ns - ktime_monotonic_ns(), (int64_t)1) : 0;
    return 0;
}

/* DEVIATION: TFD_TIMER_CANCEL_ON_SET never cancels, since no guest can set the clock. */
int timerfd_set(struct file *f, unsigned flags, int64_t value_ns, int64_t interval_ns,
                struct timerfd_value *old)
{
    struct timerfd *t = f->private;
    int64_t now = ktime_monotonic_ns(), relative = value_ns;
    int r = timerfd_get(f, old);

    if (r < 0) {
        return r;
    }
    ktimer_cancel(&t->timer);
    t->settime_flags = flags;
    t->ticks = 0;
    t->armed = value_ns > 0;
    t->interval_ns = interval_ns;
    if (!t->armed) {
        return 0;
    }
    if (flags & TFD_TIMER_ABSTIME) {
        relative = value_ns - host_clock_ns(base_clock(t->clock));
    }
    if (__builtin_add_overflow(now, relative, &t->next_ns)) {
        t->next_ns = INT64_MAX;
    }
    ktimer_set(&t->timer, t->next_ns);
    return 0;
}
