/*
 * Directory notification, analogous to Linux's fs/notify/dnotify: what inotify was made to replace. So here it is an
 * inotify that nobody can read: what arrives there becomes a signal to the owner of the directory's open file.
 *
 * DEVIATION: it ends with the last descriptor of the open file; on Linux also with any that the process closes.
 */
#include "sentry/task/dnotify.h"

#include <signal.h>

#include "sentry/fs/inotify.h"
#include "sentry/task/internal.h"
#include "sentry/task/sigio.h"
#include "sentry/vfs/notify.h"

struct dnotify {
    struct file_watch watch; /* on dir->watches */
    struct waitq_entry wait; /* on inotify's */
    struct file *dir;        /* borrowed: dnotify_released */
    struct file *inotify;    /* ref */
    int fd;
    unsigned mask; /* DN_* */
};

static const struct {
    unsigned dn;
    uint32_t in;
} g_events[] = {
    {DN_ACCESS, IN_ACCESS},
    {DN_MODIFY, IN_MODIFY},
    {DN_CREATE, IN_CREATE | IN_MOVED_TO},
    {DN_DELETE, IN_DELETE | IN_MOVED_FROM},
    {DN_RENAME, IN_MOVED_FROM},
    {DN_ATTRIB, IN_ATTRIB},
};

static uint32_t inotify_mask(unsigned mask)
{
    uint32_t in = mask & DN_MULTISHOT ? 0 : IN_ONESHOT;
    for (size_t i = 0; i < ARRAY_COUNT(g_events); i++) {
        in |= mask & g_events[i].dn ? g_events[i].in : 0;
    }
    return in;
}

static void dnotify_wake(struct waitq_entry *e, uint32_t events)
{
    struct dnotify *d = container_of(e, struct dnotify, wait);
    (void)events;
    if (inotify_discard(d->inotify) & IN_ALL_EVENTS) {
        if (!(d->mask & DN_MULTISHOT)) {
            d->mask = 0;
        }
        sigio_tell(d->dir, d->fd, POLL_MSG, EPOLLIN | EPOLLRDNORM | EPOLLMSG);
    }
}

static void dnotify_free(struct dnotify *d)
{
    list_del(&d->watch.link);
    waitq_remove(&d->wait);
    file_put(d->inotify);
    free(d);
}

static void dnotify_released(struct file_watch *w)
{
    dnotify_free(container_of(w, struct dnotify, watch));
}

static struct dnotify *dnotify_of(const struct file *f)
{
    struct file_watch *w;
    list_for_each_entry (w, &f->watches, link) {
        if (w->released == dnotify_released) {
            return container_of(w, struct dnotify, watch);
        }
    }
    return NULL;
}

static int dnotify_new(struct task *t, struct file *f, struct dnotify **out)
{
    struct waitq *q = NULL;
    struct dnotify *d = calloc(1, sizeof(*d));
    if (!d) {
        return -ENOMEM;
    }
    int r = inotify_new(IN_NONBLOCK, t->cred, &d->inotify);
    if (r < 0) {
        free(d);
        return r;
    }
    d->watch.released = dnotify_released;
    d->wait.wake = dnotify_wake;
    d->dir = f;
    list_init(&d->wait.link);
    list_add_tail(&d->watch.link, &f->watches);
    (void)file_poll(d->inotify, &q);
    if (q) {
        waitq_add(q, &d->wait);
    }
    *out = d;
    return 0;
}

int dnotify_set(struct task *t, struct file *f, int fd, unsigned mask)
{
    struct dnotify *d = dnotify_of(f);
    int r = 0;
    if (!(mask & ~(unsigned)DN_MULTISHOT)) {
        if (d) {
            dnotify_free(d);
        }
        return 0;
    }
    if (!S_ISDIR(f->inode->mode)) {
        return -ENOTDIR;
    }
    if (!d) {
        r = dnotify_new(t, f, &d);
        if (r < 0) {
            return r;
        }
    }
    r = inotify_watch(d->inotify, &f->path, inotify_mask(d->mask | mask));
    if (r < 0) {
        return r == -ENOSPC ? -ENOMEM : r;
    }
    d->mask |= mask;
    d->fd = fd;
    if (!f->owner) {
        sigio_set_owner(t, f, F_OWNER_PID, task_tgid(t));
    }
    return 0;
}
