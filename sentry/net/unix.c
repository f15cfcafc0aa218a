/*
 * AF_UNIX: creation, pairs, the end of a socket, readiness. Analogous to the frame of Linux's
 * net/unix/af_unix.c. unix(7), socketpair(2).
 */
#include "sentry/net/unix.h"

#include <linux/sockios.h>
#include <sys/ioctl.h>

#include "lib/strbuf.h"
#include "sentry/base/errno.h"
#include "sentry/mm/usercopy.h"

static struct list g_sockets = LIST_INIT(g_sockets); /* unix_socket.all_link */

int unix_alloc(int type, struct unix_socket **out)
{
    struct unix_socket *u = calloc(1, sizeof(*u));

    if (!u) {
        return -ENOMEM;
    }
    socket_init(&u->base, &g_unix_ops, AF_UNIX, type, 0);
    refcount_init(&u->ref);
    u->backlog = UNIX_DATAGRAM_BACKLOG;
    list_add_tail(&u->all_link, &g_sockets);
    waitq_init(&u->peer_wait);
    list_init(&u->peer_link);
    list_init(&u->clients);
    list_init(&u->messages);
    list_init(&u->pending);
    list_init(&u->pending_link);
    list_init(&u->inflight_link);
    *out = u;
    return 0;
}

struct unix_socket *unix_get(struct unix_socket *u)
{
    refcount_get(&u->ref);
    return u;
}

void unix_put(struct unix_socket *u)
{
    if (!refcount_put(&u->ref)) {
        return;
    }
    BUG_ON(!u->dead || u->sent || u->inflight);
    if (u->name) {
        unix_name_put(u->name);
    }
    if (u->peer_cred) {
        cred_put(u->peer_cred);
    }
    free(u);
}

void unix_set_peer(struct unix_socket *u, struct unix_socket *peer)
{
    struct unix_socket *old = u->peer;

    list_del(&u->peer_link);
    u->peer = peer ? unix_get(peer) : NULL;
    if (peer) {
        list_add_tail(&u->peer_link, &peer->clients);
    }
    if (old) {
        unix_put(old);
    }
}

void unix_set_peer_cred(struct unix_socket *u, int pid, const struct cred *cred)
{
    struct cred *old = u->peer_cred;

    u->peer_pid = pid;
    u->peer_cred = cred ? cred_get(cred) : NULL;
    if (old) {
        cred_put(old);
    }
}

static int unix_create(const struct socket_caller *c, int type, int protocol, struct socket **out)
{
    struct unix_socket *u;

    (void)c;
    if (protocol && protocol != PF_UNIX) {
        return -EPROTONOSUPPORT;
    }
    if (type == SOCK_RAW) {
        type = SOCK_DGRAM; /* an old name for it */
    }
    if (type != SOCK_STREAM && type != SOCK_DGRAM && type != SOCK_SEQPACKET) {
        return -ESOCKTNOSUPPORT;
    }
    int r = unix_alloc(type, &u);
    if (r < 0) {
        return r;
    }
    u->base.protocol = protocol;
    *out = &u->base;
    return 0;
}

static int unix_pair(const struct socket_caller *c, struct socket *a, struct socket *b)
{
    struct unix_socket *ua = unix_socket(a), *ub = unix_socket(b);

    unix_set_peer(ua, ub);
    unix_set_peer(ub, ua);
    unix_set_peer_cred(ua, c->pid, c->cred);
    unix_set_peer_cred(ub, c->pid, c->cred);
    ua->state = ub->state = UNIX_CONNECTED;
    return 0;
}

/* --- the end --- */

/* Something was not read. Linux passes over an empty message at the front, and so do we. */
static bool has_unread(const struct unix_socket *u)
{
    const struct unix_message *first = list_first_entry(&u->messages, struct unix_message, link);

    return first && (first->size > first->taken || u->message_count > 1);
}

/* The other end of a connection sees that this one is gone. */
static void hang_up(struct unix_socket *u, struct unix_socket *peer, bool not_accepted)
{
    peer->base.shutdown = SOCKET_SHUT_BOTH;
    if (has_unread(u) || not_accepted) {
        peer->base.error = ECONNRESET;
    }
    waitq_wake(&peer->base.q, UNIX_HANGUP);
}

void unix_end(struct unix_socket *u, bool not_accepted)
{
    struct unix_socket *peer = u->peer ? unix_get(u->peer) : NULL, *next;

    unix_unbind(u);
    list_del(&u->all_link);
    u->dead = true;
    u->state = UNIX_CLOSED;
    u->base.shutdown = SOCKET_SHUT_BOTH;
    if (unix_queue_full(u)) {
        unix_wake_senders(u); /* who found room is not told: it learns of the end when it sends */
    }
    if (peer && unix_is_connection(u)) {
        hang_up(u, peer, not_accepted);
    }
    unix_set_peer(u, NULL);
    if (peer) {
        unix_put(peer);
    }
    while ((next = list_first_entry(&u->pending, struct unix_socket, pending_link))) {
        list_del(&next->pending_link);
        u->pending_count--;
        unix_end(next, true);
    }
    unix_messages_drop(u);
    unix_put(u);
}

static void unix_release(struct socket *s)
{
    unix_end(unix_socket(s), false);
    unix_collect();
}

/* --- readiness --- */

/* A datagram sender whose peer's queue is full can't send, though it has room of its own. */
static bool peer_has_room(const struct unix_socket *u)
{
    return unix_is_connection(u) || !u->peer || u->peer->peer == u || !unix_queue_full(u->peer);
}

static uint32_t unix_poll(struct socket *s)
{
    const struct unix_socket *u = unix_socket(s);
    uint32_t events = 0;

    if (s->error) {
        events |= EPOLLERR;
    }
    if (s->shutdown == SOCKET_SHUT_BOTH) {
        events |= EPOLLHUP;
    }
    if (s->shutdown & SOCKET_SHUT_READ) {
        events |= EPOLLRDHUP | EPOLLIN | EPOLLRDNORM;
    }
    if (u->oob) {
        events |= EPOLLPRI;
    }
    if (u->message_count || u->pending_count) {
        events |= EPOLLIN | EPOLLRDNORM;
    }
    if (unix_is_connection(u) && u->state == UNIX_CLOSED) {
        events |= EPOLLHUP;
    }
    if (unix_writable(u) && peer_has_room(u)) {
        events |= EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND;
    }
    return events;
}

/* What a read would find: all of a connection's bytes, or the next datagram. */
static int readable_bytes(const struct unix_socket *u)
{
    const struct unix_message *msg;
    size_t bytes = 0;

    list_for_each_entry (msg, &u->messages, link) {
        bytes += unix_message_left(msg);
        if (!unix_is_connection(u)) {
            break;
        }
    }
    return (int)MIN(bytes, (size_t)INT32_MAX);
}

static long unix_ioctl(struct socket *s, struct mm *mm, unsigned cmd, uaddr_t arg)
{
    const struct unix_socket *u = unix_socket(s);
    int count;

    switch (cmd) {
    case SIOCINQ:
        if (u->state == UNIX_LISTENING) {
            return -EINVAL;
        }
        count = readable_bytes(u);
        break;
    case SIOCATMARK:
        if (s->type != SOCK_STREAM) {
            return -EOPNOTSUPP;
        }
        count = unix_oob_at_mark(u);
        break;
    case SIOCOUTQ:
        count = (int)MIN(u->sent, (size_t)INT32_MAX);
        break;
    default:
        return -ENOTTY;
    }
    return put_user(mm, arg, &count);
}

static int unix_peer_cred(struct socket *s, int *out_pid, const struct cred **out)
{
    const struct unix_socket *u = unix_socket(s);

    *out_pid = u->peer_cred ? u->peer_pid : 0;
    *out = u->peer_cred;
    return 0;
}

/* --- /proc/net/unix --- */

/* Linux's socket_state (include/uapi/linux/net.h): without a file it is being made. */
static unsigned shown_state(const struct unix_socket *u)
{
    if (!u->base.file) {
        return 2;
    }
    return u->state == UNIX_CONNECTED ? 3 : 1;
}

static void show_name(const struct unix_socket *u, struct strbuf *out)
{
    const struct socket_addr *a = &u->name->addr;
    size_t at = sizeof(a->family), end = a->size;

    if (a->bytes[at]) {
        end--; /* the NUL of a path; in an abstract name NULs are shown, too */
    }
    strbuf_addc(out, ' ');
    for (; at < end; at++) {
        strbuf_addc(out, a->bytes[at] ? a->bytes[at] : '@');
    }
}

/* The sentry's own addresses are nobody's business: the first column is 0, as Linux shows it to most users. */
void unix_show_all(struct strbuf *out)
{
    const struct unix_socket *u;

    list_for_each_entry (u, &g_sockets, all_link) {
        strbuf_printf(out, "%016x: %08X 00000000 %08X %04X %02X %5lu", 0, u->ref.n + 1,
                      u->state == UNIX_LISTENING ? 0x10000u : 0, u->base.type, shown_state(u),
                      u->base.file ? (unsigned long)u->base.file->inode->ino : 0);
        if (u->name) {
            show_name(u, out);
        }
        strbuf_addc(out, '\n');
    }
}

const struct socket_ops g_unix_ops = {
    .release = unix_release,
    .bind = unix_bind,
    .connect = unix_connect,
    .listen = unix_listen,
    .accept = unix_accept,
    .name = unix_getname,
    .shutdown = unix_shutdown,
    .may_send = unix_may_send,
    .send = unix_send,
    .receive = unix_receive,
    .poll = unix_poll,
    .ioctl = unix_ioctl,
    .peer_cred = unix_peer_cred,
};

static const struct socket_family unix_family = {
    .family = AF_UNIX,
    .create = unix_create,
    .pair = unix_pair,
};

void unix_init(void)
{
    socket_register(&unix_family);
}
