/*
 * epoll, analogous to Linux's fs/eventpoll.c; epoll(7), epoll_ctl(2), epoll_wait(2).
 *
 * A set (struct epoll) owns one item per watched (file, fd). Each item hangs a callback on its
 * file's wait queue; a wake-up puts the item on the ready list and wakes one waiter. Collecting
 * takes items off the ready list, asks each file again what is ready now, and puts level-triggered
 * items back at the end: so several waiters share the work, and nothing is lost between the
 * callback and the question.
 *
 *      waker                                    waiter
 *      item -> ready list                       ready list empty: append itself to waiters
 *      first waiter off the list, woken         sleep; woken: collect
 *                                               still something ready: wake the next waiter
 *
 * A waiter that was taken off the list and then finds a signal passes its wake-up on; that is why no
 * event is lost though each wakes only one.
 *
 * Items hold no reference to their file: the last file_put releases them (struct file_watch).
 * Sets may watch sets, at most MAX_NESTING deep and never in a circle, so a chain of callbacks ends.
 */
#include "sentry/fs/epoll.h"

#include "lib/strbuf.h"
#include "sentry/base/errno.h"
#include "sentry/mm/usercopy.h"
#include "sentry/vfs/lease.h"

#define MAX_NESTING 4
#define BATCH       64 /* events copied to the guest at a time */
/* Bits of an event mask that are about the item, not the file. */
#define ITEM_BITS (EPOLLWAKEUP | EPOLLONESHOT | EPOLLET | EPOLLEXCLUSIVE)
#define EXCLUSIVE_OK                                                                               \
    (EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP | EPOLLWAKEUP | EPOLLET | EPOLLEXCLUSIVE)

struct epoll {
    struct file *file; /* borrowed: owns us */
    struct hash_table items;
    struct list ready;   /* epoll_item.ready_link */
    struct list waiters; /* epoll_waiter.link */
    struct waitq poll_q; /* poll(2) of the set, and sets that watch it */
    uint64_t walk;       /* check_nesting: the walk that came here last, and its result */
    int levels;
};
struct epoll_item {
    struct hash_node hash;
    struct epoll *set;       /* borrowed: owns the item */
    struct file *file;       /* borrowed: item_file_released */
    struct file_watch watch; /* on file->watches */
    struct list ready_link;
    struct waitq_entry wait;
    int fd;
    struct epoll_event event; /* events includes EPOLLERR | EPOLLHUP, unless disabled by ONESHOT */
};
struct epoll_waiter {
    struct list link;
    struct kthread *kthread;
};

static const struct file_ops epoll_ops;

bool epoll_is_idle(const struct file *f)
{
    return list_empty(&((const struct epoll *)f->private)->ready);
}

bool file_is_epoll(const struct file *f)
{
    return f->ops == &epoll_ops;
}

static void wake_one(struct epoll *ep)
{
    struct epoll_waiter *w = list_first_entry(&ep->waiters, struct epoll_waiter, link);

    if (w) {
        list_del(&w->link);
        kthread_wake(w->kthread);
    }
}

static void item_set_ready(struct epoll_item *item)
{
    struct epoll *ep = item->set;

    if (ep->file->lease) {
        file_lease_end(ep->file->lease);
    }
    if (list_empty(&item->ready_link)) {
        list_add_tail(&item->ready_link, &ep->ready);
    }
    wake_one(ep);
    waitq_wake(&ep->poll_q, EPOLLIN | EPOLLRDNORM);
}

static void item_wake(struct waitq_entry *e, uint32_t events)
{
    struct epoll_item *item = container_of(e, struct epoll_item, wait);

    if (events == 0 || (events & item->event.events & ~ITEM_BITS)) {
        item_set_ready(item);
    }
}

/* What the item would report now. */
static uint32_t item_poll(struct epoll_item *item)
{
    return file_poll(item->file, NULL) & item->event.events & ~ITEM_BITS;
}

static uint64_t item_hash(const struct file *f, int fd)
{
    return hash_u64((uintptr_t)f ^ hash_u64((unsigned)fd));
}

static struct epoll_item *item_find(const struct epoll *ep, const struct file *f, int fd)
{
    uint64_t hash = item_hash(f, fd);

    for (struct hash_node *n = hash_chain(&ep->items, hash); n; n = n->next) {
        struct epoll_item *item = container_of(n, struct epoll_item, hash);
        if (item->file == f && item->fd == fd) {
            return item;
        }
    }
    return NULL;
}

static void item_free(struct epoll_item *item)
{
    list_del(&item->watch.link);
    list_del(&item->ready_link);
    waitq_remove(&item->wait);
    hash_remove(&item->set->items, &item->hash);
    free(item);
}

/* The last reference to the file is going. */
static void item_file_released(struct file_watch *w)
{
    item_free(container_of(w, struct epoll_item, watch));
}

/* Calls visit for each item. visit may free that item. */
static void for_each_item(struct epoll *ep, void (*visit)(struct epoll_item *item, void *arg),
                          void *arg)
{
    for (size_t i = 0; i < ep->items.bucket_count; i++) {
        struct hash_node *n = ep->items.buckets[i];
        while (n) {
            struct hash_node *next = n->next;
            visit(container_of(n, struct epoll_item, hash), arg);
            n = next;
        }
    }
}

/* --- nesting --- */

/*
 * The sets form a graph without circles, at most MAX_NESTING deep. A guest may make it wide, with
 * very many paths, so a walk remembers each set's result under its own walk number.
 */
struct nesting {
    const struct epoll *needle;
    uint64_t walk;
    int levels; /* of the set being looked at */
    bool found;
};

static int levels_below(struct epoll *ep, struct nesting *n);

static void visit_below(struct epoll_item *item, void *arg)
{
    struct nesting *n = arg;

    if (file_is_epoll(item->file)) {
        int levels = n->levels;
        n->levels = MAX(levels, 1 + levels_below(item->file->private, n));
    }
}

static int levels_below(struct epoll *ep, struct nesting *n)
{
    if (ep->walk != n->walk) {
        int outer = n->levels;

        ep->walk = n->walk;
        n->found |= ep == n->needle;
        n->levels = 0;
        for_each_item(ep, visit_below, n);
        ep->levels = n->levels;
        n->levels = outer;
    }
    return ep->levels;
}

static int levels_above(struct epoll *ep, uint64_t walk)
{
    struct epoll_item *item;

    if (ep->walk != walk) {
        ep->walk = walk;
        ep->levels = 0;
        list_for_each_entry (item, &ep->file->watches, watch.link) {
            int above = 1 + levels_above(item->set, walk);
            ep->levels = MAX(ep->levels, above);
        }
    }
    return ep->levels;
}

/* May ep watch the set target? */
static int check_nesting(struct epoll *ep, struct epoll *target)
{
    static uint64_t last_walk; /* only ever compared */
    struct nesting n = {.needle = ep, .walk = ++last_walk};
    int below = levels_below(target, &n);

    if (n.found || below + 1 + levels_above(ep, ++last_walk) > MAX_NESTING) {
        return -ELOOP;
    }
    return 0;
}

/* --- epoll_ctl --- */

static int item_add(struct epoll *ep, struct file *target, int fd, const struct epoll_event *event)
{
    struct epoll_item *item;
    struct waitq *q = NULL;
    int r;

    if (file_is_epoll(target)) {
        r = check_nesting(ep, target->private);
        if (r < 0) {
            return r;
        }
    }
    item = calloc(1, sizeof(*item));
    if (!item) {
        return -ENOMEM;
    }
    item->set = ep;
    item->file = target;
    item->fd = fd;
    item->event = *event;
    item->event.events |= EPOLLERR | EPOLLHUP;
    item->watch.released = item_file_released;
    item->wait = (struct waitq_entry){.wake = item_wake};
    list_init(&item->wait.link);
    list_init(&item->ready_link);
    r = hash_insert(&ep->items, &item->hash, item_hash(target, fd));
    if (r < 0) {
        free(item);
        return r;
    }
    list_add_tail(&item->watch.link, &target->watches);
    (void)file_poll(target, &q);
    if (q) {
        waitq_add(q, &item->wait);
    }
    if (item_poll(item)) {
        item_set_ready(item);
    }
    return 0;
}

static int item_modify(struct epoll_item *item, const struct epoll_event *event)
{
    if ((item->event.events | event->events) & EPOLLEXCLUSIVE) {
        return -EINVAL;
    }
    item->event = *event;
    item->event.events |= EPOLLERR | EPOLLHUP;
    if (item_poll(item)) {
        item_set_ready(item);
    }
    return 0;
}

int epoll_control(struct file *epf, int op, struct file *target, int fd,
                  const struct epoll_event *event)
{
    struct epoll_item *item;
    struct epoll_event e = {0};

    if (!target->ops->poll) {
        return -EPERM;
    }
    if (!file_is_epoll(epf) || epf == target) {
        return -EINVAL;
    }
    if (op != EPOLL_CTL_DEL) {
        e = *event;
        e.events &= ~(uint32_t)EPOLLWAKEUP; /* nothing here suspends */
        if (e.events & EPOLLEXCLUSIVE &&
            (op == EPOLL_CTL_MOD || file_is_epoll(target) || (e.events & ~EXCLUSIVE_OK))) {
            return -EINVAL;
        }
    }
    item = item_find(epf->private, target, fd);
    switch (op) {
    case EPOLL_CTL_ADD:
        return item ? -EEXIST : item_add(epf->private, target, fd, &e);
    case EPOLL_CTL_MOD:
        return item ? item_modify(item, &e) : -ENOENT;
    case EPOLL_CTL_DEL:
        if (!item) {
            return -ENOENT;
        }
        item_free(item);
        return 0;
    default:
        return -EINVAL;
    }
}

/* --- epoll_wait --- */

/*
 * One batch: takes what is ready off todo into out/items. What is level-triggered goes back to the
 * ready list; the caller disables ONESHOT items when the guest has them.
 */
static int take_ready(struct epoll *ep, struct list *todo, struct epoll_event *out,
                      struct epoll_item **items, int max)
{
    struct epoll_item *item;
    int n = 0;

    while (n < max && (item = list_first_entry(todo, struct epoll_item, ready_link))) {
        uint32_t events;

        list_del(&item->ready_link);
        events = item_poll(item);
        if (events == 0) {
            continue;
        }
        out[n] = item->event;
        out[n].events = events;
        items[n++] = item;
        if (!(item->event.events & (EPOLLET | EPOLLONESHOT))) {
            list_add_tail(&item->ready_link, &ep->ready);
        }
    }
    return n;
}

/* Return: events copied, or -EFAULT when not one could be. No blocking point, so items stay valid. */
static int send_events(struct epoll *ep, struct mm *mm, uaddr_t events, int max)
{
    struct epoll_event out[BATCH];
    struct epoll_item *items[BATCH];
    struct list todo = LIST_INIT(todo);
    int done = 0, n, r = 0;

    list_splice_tail(&ep->ready, &todo);
    while (done < max) {
        n = take_ready(ep, &todo, out, items, MIN(max - done, BATCH));
        if (n == 0) {
            break;
        }
        r = copy_out(mm, events + (uaddr_t)done * sizeof(out[0]), out, (size_t)n * sizeof(out[0]));
        for (int i = 0; i < n; i++) {
            if (r < 0 && list_empty(&items[i]->ready_link)) {
                list_add_tail(&items[i]->ready_link, &ep->ready); /* not lost */
            } else if (r == 0 && (items[i]->event.events & EPOLLONESHOT)) {
                items[i]->event.events &= ITEM_BITS; /* disabled until EPOLL_CTL_MOD */
            }
        }
        if (r < 0) {
            break;
        }
        done += n;
    }
    /* What was not looked at stays in front of what was put back. */
    list_splice_tail(&ep->ready, &todo);
    list_splice_tail(&todo, &ep->ready);
    if (!list_empty(&ep->ready)) {
        wake_one(ep);
    }
    return done ? done : r;
}

int epoll_collect(struct file *epf, struct mm *mm, uaddr_t events, int max, int64_t deadline_ns)
{
    struct epoll *ep = epf->private;
    int r = 0;

    for (;;) {
        struct epoll_waiter w = {.kthread = kthread_current()};
        int n = list_empty(&ep->ready) ? 0 : send_events(ep, mm, events, max);

        if (n != 0 || deadline_ns <= 0 || r == -ETIMEDOUT) {
            return n;
        }
        if (r < 0) {
            return -EINTR; /* whatever SA_RESTART says: signal(7) */
        }
        list_add_tail(&w.link, &ep->waiters);
        r = waitq_sleep(WAIT_INTERRUPTIBLE, deadline_ns);
        list_del(&w.link);
    }
}

/* --- the set as a file --- */

static uint32_t epoll_poll(struct file *f, struct waitq **out_q)
{
    struct epoll *ep = f->private;
    struct epoll_item *item, *next;

    if (out_q) {
        *out_q = &ep->poll_q;
    }
    list_for_each_entry_safe (item, next, &ep->ready, ready_link) {
        if (item_poll(item)) {
            return EPOLLIN | EPOLLRDNORM;
        }
        list_del(&item->ready_link);
    }
    return 0;
}

static void visit_free(struct epoll_item *item, void *arg)
{
    (void)arg;
    item_free(item);
}

static void epoll_release(struct file *f)
{
    struct epoll *ep = f->private;

    for_each_item(ep, visit_free, NULL);
    hash_free(&ep->items);
    free(ep);
}

static void visit_fdinfo(struct epoll_item *item, void *arg)
{
    const struct inode *inode = item->file->inode;

    strbuf_printf(arg, "tfd: %8d events: %8x data: %16llx  pos:%lld ino:%llx sdev:%llx\n", item->fd,
                  item->event.events, (unsigned long long)item->event.data.u64,
                  (long long)item->file->pos, (unsigned long long)inode->ino,
                  (unsigned long long)inode->dev);
}

static void epoll_show_fdinfo(struct file *f, struct strbuf *out)
{
    for_each_item(f->private, visit_fdinfo, out);
}

/* Only settings of busy polling, which is for networks. */
static long epoll_ioctl(struct file *f, struct mm *mm, unsigned cmd, uaddr_t arg)
{
    (void)f, (void)mm, (void)cmd, (void)arg;
    return -EINVAL;
}

static const struct file_ops epoll_ops = {
    .ioctl = epoll_ioctl,
    .poll = epoll_poll,
    .llseek = noop_llseek,
    .release = epoll_release,
    .show_fdinfo = epoll_show_fdinfo,
};

int epoll_new(const struct cred *cred, struct file **out)
{
    struct epoll *ep = calloc(1, sizeof(*ep));
    struct inode *inode;
    int r;

    if (!ep) {
        return -ENOMEM;
    }
    list_init(&ep->ready);
    list_init(&ep->waiters);
    waitq_init(&ep->poll_q);
    r = inode_new_anon(0600, cred, &inode);
    if (r == 0) {
        r = file_new_anon(&epoll_ops, "anon_inode:[eventpoll]", inode, O_RDWR, cred, ep, out);
    }
    if (r < 0) {
        free(ep);
        return r;
    }
    ep->file = *out;
    return 0;
}
