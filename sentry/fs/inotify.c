/*
 * inotify, analogous to Linux's fs/notify/inotify; inotify(7).
 *
 * A watch joins an instance (an open file) and an inode, and is on both of their lists. It pins the
 * dentry that it was made by, so that the inode stays the one that later walks find. The vfs layer tells
 * every change to inotify_changed once the first instance exists (sentry/vfs/notify.h); that puts
 * events into the instances' queues, where a read finds them.
 *
 * DEVIATION: IN_DELETE_SELF comes when the last name goes; Linux waits until the file is closed, too.
 */
#include "sentry/fs/inotify.h"

#include <string.h>
#include <sys/ioctl.h>

#include "lib/strbuf.h"
#include "sentry/base/errno.h"
#include "sentry/mm/usercopy.h"
#include "sentry/vfs/notify.h"

#define QUEUE_MAX 16384 /* /proc/sys/fs/inotify/max_queued_events */
#define WATCH_MAX 65536 /* an instance */

struct inotify {
    struct waitq q;
    struct list events; /* owned struct event.link */
    size_t event_count, byte_count;
    struct hash_table watches; /* owned struct watch.by_wd */
    int last_wd;
};
struct watch {
    struct hash_node by_wd;
    struct inotify *instance; /* borrowed: owns the watch */
    struct dentry *dentry;    /* ref */
    struct list of_inode;     /* on dentry->inode->marks */
    int wd;
    uint32_t mask;
};
struct inotify_marks {   /* exists while an inode has watches */
    struct list watches; /* watch.of_inode */
    bool busy;           /* being gone through: stays, even when the last watch goes */
};
struct event {
    struct list link;
    struct inotify_event head; /* len: with the padding that a read adds */
    char name[];               /* NUL-terminated, if len > 0 */
};

static const struct file_ops inotify_ops;

bool file_is_inotify(const struct file *f)
{
    return f->ops == &inotify_ops;
}

/* --- the queue --- */

static size_t event_size(const struct event *e)
{
    return sizeof(e->head) + e->head.len;
}

static struct event *event_new(int wd, uint32_t mask, uint32_t cookie, const char *name,
                               size_t name_size)
{
    size_t padded = name ? ALIGN_UP(name_size + 1, sizeof(struct inotify_event)) : 0;
    struct event *e = calloc(1, sizeof(*e) + padded);

    if (e) {
        e->head = (struct inotify_event){
            .wd = wd, .mask = mask, .cookie = cookie, .len = (uint32_t)padded};
        if (name) {
            memcpy(e->name, name, name_size);
        }
    }
    return e;
}

/* The same again, right behind it, says nothing new. */
static bool same_as_last(const struct inotify *in, const struct event *e)
{
    const struct event *last;

    if (list_empty(&in->events)) {
        return false;
    }
    last = list_entry(in->events.prev, struct event, link);
    return !(last->head.mask & IN_IGNORED) && last->head.wd == e->head.wd &&
           last->head.mask == e->head.mask && last->head.cookie == e->head.cookie &&
           last->head.len == e->head.len && memcmp(last->name, e->name, e->head.len) == 0;
}

/* e: consumed; NULL when there was no memory for it: that counts as an overflow. */
static void queue_event(struct inotify *in, struct event *e)
{
    if (e && same_as_last(in, e)) {
        free(e);
        return;
    }
    if (!e || in->event_count >= QUEUE_MAX) {
        bool told = !list_empty(&in->events) &&
                    list_entry(in->events.prev, struct event, link)->head.mask & IN_Q_OVERFLOW;
        free(e);
        e = told ? NULL : event_new(-1, IN_Q_OVERFLOW, 0, NULL, 0);
        if (!e) {
            return;
        }
    }
    list_add_tail(&e->link, &in->events);
    in->event_count++;
    in->byte_count += event_size(e);
    waitq_wake(&in->q, EPOLLIN | EPOLLRDNORM);
}

/* --- watches --- */

static void marks_drop(struct inode *inode)
{
    if (list_empty(&inode->marks->watches) && !inode->marks->busy) {
        free(take(&inode->marks));
    }
}

/* Takes w off its inode and its instance, and frees it. */
static void watch_free(struct watch *w)
{
    list_del(&w->of_inode);
    marks_drop(w->dentry->inode);
    hash_remove(&w->instance->watches, &w->by_wd);
    dentry_put(w->dentry);
    free(w);
}

static void watch_end(struct watch *w)
{
    queue_event(w->instance, event_new(w->wd, IN_IGNORED, 0, NULL, 0));
    watch_free(w);
}

static struct watch *watch_find(const struct inotify *in, int wd)
{
    for (struct hash_node *n = hash_chain(&in->watches, hash_u64((unsigned)wd)); n; n = n->next) {
        struct watch *w = container_of(n, struct watch, by_wd);
        if (w->wd == wd) {
            return w;
        }
    }
    return NULL;
}

static struct watch *watch_of(const struct inotify *in, const struct inode *inode)
{
    struct watch *w;

    if (inode->marks) {
        list_for_each_entry (w, &inode->marks->watches, of_inode) {
            if (w->instance == in) {
                return w;
            }
        }
    }
    return NULL;
}

static int watch_new(struct inotify *in, const struct path *p, uint32_t mask)
{
    struct inode *inode = p->dentry->inode;
    struct watch *w;
    int r;

    if (in->watches.count >= WATCH_MAX || in->last_wd == INT32_MAX) {
        return -ENOSPC;
    }
    w = calloc(1, sizeof(*w));
    if (!w) {
        return -ENOMEM;
    }
    if (!inode->marks) {
        inode->marks = calloc(1, sizeof(*inode->marks));
        if (!inode->marks) {
            free(w);
            return -ENOMEM;
        }
        list_init(&inode->marks->watches);
    }
    w->wd = in->last_wd + 1;
    r = hash_insert(&in->watches, &w->by_wd, hash_u64((unsigned)w->wd));
    if (r < 0) {
        marks_drop(inode);
        free(w);
        return r;
    }
    in->last_wd = w->wd;
    w->instance = in;
    w->mask = mask;
    w->dentry = dentry_get(p->dentry);
    list_add_tail(&w->of_inode, &inode->marks->watches);
    return w->wd;
}

int inotify_watch(struct file *f, const struct path *p, uint32_t mask)
{
    uint32_t kept = mask & (IN_ALL_EVENTS | IN_ONESHOT | IN_EXCL_UNLINK);
    struct watch *w;

    if (!file_is_inotify(f)) {
        return -EINVAL;
    }
    w = watch_of(f->private, p->dentry->inode);
    if (!w) {
        return watch_new(f->private, p, kept);
    }
    if (mask & IN_MASK_CREATE) {
        return -EEXIST;
    }
    w->mask = mask & IN_MASK_ADD ? w->mask | kept : kept;
    return w->wd;
}

int inotify_unwatch(struct file *f, int wd)
{
    struct watch *w = file_is_inotify(f) ? watch_find(f->private, wd) : NULL;

    if (!w) {
        return -EINVAL;
    }
    watch_end(w);
    return 0;
}

/* --- what happens --- */

/* Tells one watch. It may be gone afterwards. */
static void watch_tell(struct watch *w, const struct vfs_change *c, const char *name)
{
    /* Self events never said IN_ISDIR, and programs count on it. */
    uint32_t isdir = c->is_dir && !(c->mask & (IN_DELETE_SELF | IN_MOVE_SELF)) ? IN_ISDIR : 0;
    bool last = c->mask & IN_DELETE_SELF;

    if (w->mask & c->mask) {
        queue_event(w->instance,
                    event_new(w->wd, c->mask | isdir, c->cookie, name, name ? c->name_size : 0));
        last |= (w->mask & IN_ONESHOT) != 0;
    }
    if (last) {
        watch_end(w);
    }
}

static void tell_all(struct inode *inode, const struct vfs_change *c, const char *name)
{
    struct inotify_marks *marks = inode->marks;
    struct watch *w, *next;

    if (!marks) {
        return;
    }
    inode_get(inode); /* the last watch may go, and with it the last name */
    marks->busy = true;
    list_for_each_entry_safe (w, next, &marks->watches, of_inode) {
        if (!(name && c->unlinked && (w->mask & IN_EXCL_UNLINK))) {
            watch_tell(w, c, name);
        }
    }
    marks->busy = false;
    marks_drop(inode);
    inode_put(inode);
}

/* The directory's watchers come first, as in Linux. */
static void inotify_changed(const struct vfs_change *c)
{
    if (c->dir) {
        tell_all(c->dir, c, c->name);
    }
    if (c->inode) {
        tell_all(c->inode, c, NULL);
    }
}

/* --- the instance as a file --- */

/* What fits of the queue. Return: bytes; 0 when it is empty; -EINVAL when the first does not fit. */
static ssize_t take_events(struct inotify *in, struct uio *dst)
{
    ssize_t done = 0;
    struct event *e;

    while ((e = list_first_entry(&in->events, struct event, link))) {
        size_t size = event_size(e);
        ssize_t n;

        if (uio_size(dst) < size) {
            return done ? done : -EINVAL;
        }
        n = uio_copy_to(dst, &e->head, size);
        if (n != (ssize_t)size) {
            return done ? done : -EFAULT;
        }
        list_del(&e->link);
        in->event_count--;
        in->byte_count -= size;
        free(e);
        done += n;
    }
    return done;
}

static ssize_t inotify_read(struct file *f, struct uio *dst, int64_t *pos)
{
    struct inotify *in = f->private;
    ssize_t n;

    (void)pos;
    while ((n = take_events(in, dst)) == 0) {
        if (f->flags & O_NONBLOCK) {
            return -EAGAIN;
        }
        n = waitq_wait(&in->q, !list_empty(&in->events));
        if (n < 0) {
            return n;
        }
    }
    return n;
}

static uint32_t inotify_poll(struct file *f, struct waitq **out_q)
{
    struct inotify *in = f->private;

    if (out_q) {
        *out_q = &in->q;
    }
    return list_empty(&in->events) ? 0 : EPOLLIN | EPOLLRDNORM;
}

static long inotify_ioctl(struct file *f, struct mm *mm, unsigned cmd, uaddr_t arg)
{
    const struct inotify *in = f->private;
    int bytes = (int)in->byte_count;

    return cmd == FIONREAD ? put_user(mm, arg, &bytes) : -ENOTTY;
}

uint32_t inotify_discard(struct file *f)
{
    struct inotify *in = f->private;
    struct event *e;
    uint32_t masks = 0;

    while ((e = list_first_entry(&in->events, struct event, link))) {
        masks |= e->head.mask;
        list_del(&e->link);
        free(e);
    }
    in->event_count = in->byte_count = 0;
    return masks;
}

static void inotify_release(struct file *f)
{
    struct inotify *in = f->private;

    for (size_t i = 0; i < in->watches.bucket_count; i++) {
        while (in->watches.buckets[i]) {
            watch_free(container_of(in->watches.buckets[i], struct watch, by_wd));
        }
    }
    hash_free(&in->watches);
    (void)inotify_discard(f);
    free(in);
}

static void inotify_show_fdinfo(struct file *f, struct strbuf *out)
{
    const struct inotify *in = f->private;

    for (size_t i = 0; i < in->watches.bucket_count; i++) {
        for (struct hash_node *n = in->watches.buckets[i]; n; n = n->next) {
            const struct watch *w = container_of(n, struct watch, by_wd);
            const struct inode *inode = w->dentry->inode;
            strbuf_printf(out, "inotify wd:%x ino:%llx sdev:%llx mask:%x ignored_mask:0\n", w->wd,
                          (unsigned long long)inode->ino, (unsigned long long)inode->dev,
                          w->mask & IN_ALL_EVENTS);
        }
    }
}

static const struct file_ops inotify_ops = {
    .traits = FILE_NO_RWF_READ,
    .read = inotify_read,
    .poll = inotify_poll,
    .llseek = noop_llseek,
    .ioctl = inotify_ioctl,
    .release = inotify_release,
    .show_fdinfo = inotify_show_fdinfo,
};

int inotify_new(unsigned flags, const struct cred *cred, struct file **out)
{
    struct inotify *in = calloc(1, sizeof(*in));
    struct inode *inode;
    int r;

    if (!in) {
        return -ENOMEM;
    }
    waitq_init(&in->q);
    list_init(&in->events);
    r = inode_new_anon(0600, cred, &inode);
    if (r == 0) {
        r = file_new_anon(&inotify_ops, "anon_inode:inotify", inode,
                          O_RDONLY | (flags & O_NONBLOCK), cred, in, out);
    }
    if (r < 0) {
        free(in);
        return r;
    }
    g_vfs_notify = inotify_changed;
    return 0;
}
