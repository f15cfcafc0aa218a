/*
 * The connection: sending, matching replies to calls by tag, and what happens when the gofer dies.
 * The typed messages on top of it are in gofer_calls.c.
 *
 * A call lives on the stack of the kthread that makes it. It is in the pending table from the moment
 * it has a tag until its reply (or the gofer's end) has been stored into it, and only then is the
 * kthread woken; so the table never holds a call whose stack is gone. A socket that is full makes
 * calls queue up in send_queue, in order; the events thread sends them when it empties.
 *
 * A call may also be *posted*: then it lives in the heap, and nobody is woken for its reply, which waits in the socket until any call looks
 * there. But not for long: fds on their way count against a limit that all processes of the host's user share, so a timer looks
 * after POSTED_NS, and lets the events thread wait for what has not come by then.
 */
#include "sentry/fs/gofer_client.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>

#include "lib/host.h"
#include "lib/log.h"
#include "sentry/base/events.h"
#include "sentry/base/timer.h"
#include "sentry/fs/gofer_call.h"

/*
 * Idle fds: as many as a large tree has files, so that who goes through it again finds them open; each costs the host 300 bytes. OTHER_FDS, or
 * seven eighths of what the host lets this process have, are left to all else.
 */
#define IDLE_FDS_MAX 12288u
#define OTHER_FDS    8192u
#define IDLE_FDS_MIN 64u
#define SPIN_NS      (1 * NSEC_PER_MSEC)
#define POSTED_NS    (10 * NSEC_PER_MSEC)

struct gofer_client {
    struct event_source source;
    int sock; /* owned */
    bool dead;
    uint32_t last_tag;
    struct hash_table pending; /* struct gofer_call by tag */
    uint32_t sleepers;         /* calls that the events thread has to receive replies for */
    struct list send_queue;    /* calls not sent yet, oldest first */
    struct ktimer overdue;     /* armed when a call is posted */
    struct list idle_fds;      /* newest last */
    size_t idle_count, idle_max;
    struct gofer_listings listings;
    uint8_t buffer[GOFER_MAX_MESSAGE] __attribute__((aligned(8)));
};

static void call_finish(struct gofer_client *g, struct gofer_call *c, int error)
{
    hash_remove(&g->pending, &c->pending);
    list_del(&c->send_link);
    g->sleepers -= c->sleeping;
    c->error = error;
    c->done = true;
    if (c->abandoned) {
        gofer_call_abandon(c);
        return;
    }
    waitq_wake(&c->wait, 0);
}

/* The gofer is gone, or can't be understood any more: no call will be answered. */
static void client_fail(struct gofer_client *g, const char *why)
{
    if (g->dead) {
        return;
    }
    g->dead = true;
    ktimer_cancel(&g->overdue);
    log_error("the gofer connection ended (%s): host files give EIO from now on", why);
    event_source_remove(&g->source);
    host_close(take_fd(&g->sock));
    for (size_t i = 0; i < g->pending.bucket_count; i++) {
        struct hash_node *n;
        while ((n = g->pending.buckets[i])) {
            call_finish(g, container_of(n, struct gofer_call, pending), -EIO);
        }
    }
}

/* 0; -EAGAIN when the socket is full; other errors mean that the gofer is gone. */
static int send_now(struct gofer_client *g, const struct gofer_call *c)
{
    struct iovec iov = {c->request, c->request_size};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    ssize_t n = host_sendmsg(g->sock, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
    return n < 0 ? (int)n : 0;
}

static void send_queued(struct gofer_client *g)
{
    while (!list_empty(&g->send_queue)) {
        struct gofer_call *c = list_first_entry(&g->send_queue, struct gofer_call, send_link);
        int err = send_now(g, c);
        if (err == -EAGAIN || err == -EINTR) {
            return;
        }
        if (err < 0) {
            client_fail(g, "send");
            return;
        }
        list_del(&c->send_link);
    }
}

static struct gofer_call *find_call(struct gofer_client *g, uint32_t tag)
{
    for (struct hash_node *n = hash_chain(&g->pending, hash_u64(tag)); n; n = n->next) {
        struct gofer_call *c = container_of(n, struct gofer_call, pending);
        if (c->tag == tag) {
            return c;
        }
    }
    return NULL;
}

void gofer_call_close_fds(struct gofer_call *c)
{
    while (c->fd_count > 0) {
        host_close(c->fds[--c->fd_count]);
    }
}

/*
 * One packet in g->buffer. fds: consumed if *fd_count is set to 0, else the caller's.
 * Return: NULL, or why the connection can't go on.
 */
static const char *take_reply(struct gofer_client *g, size_t size, const int *fds, size_t *fd_count)
{
    const struct gofer_reply *r = (const void *)g->buffer;
    if (size < sizeof(*r) || r->size != size) {
        return "malformed reply";
    }
    struct gofer_call *c = find_call(g, r->tag);
    if (!c || c->type != r->type || r->error > 0 || r->error < -EHWPOISON) {
        return "reply to nothing";
    }
    log_debug("gofer %s: %d, %zu bytes", gofer_type_name(r->type), r->error, size);
    int error = r->error;
    if (error == 0) {
        c->reply_size = size - sizeof(*r);
        c->reply = malloc(c->reply_size + 1);
        if (c->reply) {
            memcpy(c->reply, g->buffer + sizeof(*r), c->reply_size);
            memcpy(c->fds, fds, *fd_count * sizeof(fds[0]));
            c->fd_count = *fd_count;
            *fd_count = 0;
        } else {
            error = -ENOMEM;
        }
    }
    call_finish(g, c, error);
    return NULL;
}

/* All that has come. Return: false when the gofer is gone. */
static bool receive(struct gofer_client *g)
{
    for (;;) {
        int fds[HOST_FDS_MAX];
        size_t fd_count;
        ssize_t n =
            host_recv_fds(g->sock, g->buffer, sizeof(g->buffer), fds, &fd_count, MSG_DONTWAIT);
        if (n == -EAGAIN || n == -EINTR) {
            return true;
        }
        const char *bad = n <= 0 ? "end of file" : take_reply(g, (size_t)n, fds, &fd_count);
        while (fd_count > 0) {
            host_close(fds[--fd_count]);
        }
        if (bad) {
            client_fail(g, bad);
            return false;
        }
    }
}

/* What the events thread waits for: replies only while a call sleeps (see spin). */
static void listen_for(struct gofer_client *g)
{
    event_source_modify(&g->source, (g->sleepers > 0 ? EPOLLIN : 0) |
                                        (list_empty(&g->send_queue) ? 0 : EPOLLOUT));
}

/* From here on the events thread receives c, too. */
static void call_sleeps(struct gofer_client *g, struct gofer_call *c)
{
    if (!c->sleeping) {
        c->sleeping = true;
        g->sleepers++;
    }
}

/* Context: events thread, under the baton. */
static void posted_overdue(struct ktimer *t)
{
    struct gofer_client *g = container_of(t, struct gofer_client, overdue);
    if (!receive(g)) {
        return;
    }
    for (size_t i = 0; i < g->pending.bucket_count; i++) {
        for (struct hash_node *n = g->pending.buckets[i]; n; n = n->next) {
            struct gofer_call *c = container_of(n, struct gofer_call, pending);
            if (c->posted) {
                call_sleeps(g, c);
            }
        }
    }
    listen_for(g);
}

/* Context: events thread, under the baton. */
static void client_ready(struct event_source *source, uint32_t events)
{
    struct gofer_client *g = container_of(source, struct gofer_client, source);
    if (receive(g) && (events & EPOLLOUT)) {
        send_queued(g);
    }
    if (!g->dead) {
        listen_for(g);
    }
}

/*
 * Waits a while for c without sleeping: most replies come sooner than a thread that sleeps can be woken, and
 * the platform's poller stays awake with the kthread that it runs. The gofer gets this CPU if it has no other.
 */
static void spin(struct gofer_client *g, const struct gofer_call *c)
{
    int64_t end = host_clock_ns(CLOCK_MONOTONIC) + SPIN_NS;
    while (!c->done && !kthread_is_wanted() && host_clock_ns(CLOCK_MONOTONIC) < end) {
        host_yield();
        if (!receive(g)) {
            return;
        }
    }
}

int gofer_client_new(int sock, struct gofer_client **out)
{
    AUTO_FREE struct gofer_client *g = calloc(1, sizeof(*g));
    if (!g) {
        host_close(sock);
        return -ENOMEM;
    }
    g->sock = sock;
    list_init(&g->send_queue);
    list_init(&g->idle_fds);
    struct rlimit limit;
    g->idle_max = IDLE_FDS_MIN;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        rlim_t rest = limit.rlim_cur - MIN(limit.rlim_cur / 8 * 7, (rlim_t)OTHER_FDS);
        g->idle_max = MAX(MIN(rest, (rlim_t)IDLE_FDS_MAX), (rlim_t)IDLE_FDS_MIN);
    }
    list_init(&g->listings.lru);
    ktimer_init(&g->overdue, posted_overdue);
    int err = event_source_add(&g->source, sock, 0, client_ready);
    if (err < 0) {
        host_close(sock);
        return err;
    }
    *out = take(&g);
    return 0;
}

void gofer_client_free(struct gofer_client *g)
{
    BUG_ON(g->idle_count > 0);
    client_fail(g, "not needed any more"); /* frees what was abandoned */
    hash_free(&g->pending);
    free(g);
}

struct gofer_listings *gofer_client_listings(struct gofer_client *g)
{
    return &g->listings;
}

bool gofer_client_alive(const struct gofer_client *g)
{
    return !g->dead;
}

static int sleep_for(struct gofer_client *g, struct gofer_call *c)
{
    call_sleeps(g, c);
    listen_for(g);
    int err = waitq_wait_deadline(&c->wait, c->done, WAIT_UNINTERRUPTIBLE, WAIT_FOREVER);
    BUG_ON(err < 0);
    return c->error;
}

/* Gives c its tag. */
static int call_begin(struct gofer_client *g, struct gofer_call *c)
{
    c->fd_count = 0;
    c->reply = NULL;
    c->done = c->sleeping = c->posted = c->abandoned = false;
    if (g->dead) {
        return -EIO;
    }
    /* Tags wrap after 2^32 calls; a call that old may in theory still be pending. */
    do {
        c->tag = ++g->last_tag;
    } while (find_call(g, c->tag));
    ((struct gofer_request *)c->request)->tag = c->tag;
    waitq_init(&c->wait);
    list_init(&c->send_link);
    return hash_insert(&g->pending, &c->pending, hash_u64(c->tag)) < 0 ? -ENOMEM : 0;
}

int gofer_call_post(struct gofer_client *g, struct gofer_call *c)
{
    int err = call_begin(g, c);
    if (err < 0) {
        return err;
    }
    err = list_empty(&g->send_queue) ? send_now(g, c) : -EAGAIN;
    if (err < 0) { /* if the gofer is gone, who waits for a reply finds out */
        hash_remove(&g->pending, &c->pending);
        return err;
    }
    c->posted = true;
    if (!ktimer_armed(&g->overdue)) {
        ktimer_set(&g->overdue, ktime_monotonic_ns() + POSTED_NS);
    }
    return 0;
}

void gofer_call_abandon(struct gofer_call *c)
{
    c->abandoned = true;
    if (c->done) {
        gofer_call_close_fds(c);
        free(c->reply);
        free(c->request);
        free(c);
    }
}

bool gofer_call_is_done(struct gofer_client *g, struct gofer_call *c)
{
    if (!c->done && !g->dead) {
        bool alive = receive(g);
        (void)alive; /* else it is done, too */
    }
    return c->done;
}

int gofer_call_wait(struct gofer_client *g, struct gofer_call *c)
{
    if (!gofer_call_is_done(g, c)) {
        kthread_will_wait();
        spin(g, c);
    }
    return c->done ? c->error : sleep_for(g, c);
}

int gofer_call_run(struct gofer_client *g, struct gofer_call *c)
{
    int err = call_begin(g, c);
    if (err < 0) {
        return err;
    }
    err = list_empty(&g->send_queue) ? send_now(g, c) : -EAGAIN;
    if (err == -EAGAIN || err == -EINTR) {
        list_add_tail(&c->send_link, &g->send_queue);
    } else if (err < 0) {
        client_fail(g, "send"); /* finishes c, too */
    } else {
        kthread_will_wait();
        spin(g, c);
    }
    return c->done ? c->error : sleep_for(g, c);
}

static void evict_oldest(struct gofer_client *g)
{
    struct gofer_idle_fd *e = list_first_entry(&g->idle_fds, struct gofer_idle_fd, link);
    gofer_idle_remove(g, e);
    e->evict(e);
}

void gofer_idle_add(struct gofer_client *g, struct gofer_idle_fd *e)
{
    list_add_tail(&e->link, &g->idle_fds);
    g->idle_count++;
    if (g->idle_count > g->idle_max) {
        evict_oldest(g);
    }
}

void gofer_idle_remove(struct gofer_client *g, struct gofer_idle_fd *e)
{
    list_del(&e->link);
    g->idle_count--;
}

void gofer_idle_drop_owner(struct gofer_client *g, const void *owner)
{
    struct gofer_idle_fd *e, *tmp;
    struct list mine;
    list_init(&mine);
    list_for_each_entry_safe (e, tmp, &g->idle_fds, link) {
        if (e->owner == owner) {
            list_move_tail(&e->link, &mine);
        }
    }
    while ((e = list_first_entry(&mine, struct gofer_idle_fd, link))) {
        gofer_idle_remove(g, e);
        e->evict(e);
    }
}

bool gofer_idle_shrink(struct gofer_client *g)
{
    bool any = g->idle_count > 0;
    for (size_t i = g->idle_count / 2 + 1; i > 0 && g->idle_count > 0; i--) {
        evict_oldest(g);
    }
    return any;
}
