/*
 * Sending on AF_UNIX sockets: streams in chunks, datagrams and packets whole. Analogous to
 * unix_stream_sendmsg and unix_dgram_sendmsg in Linux's net/unix/af_unix.c, whose order of errors it
 * keeps. send(2), unix(7).
 */
#include "sentry/base/errno.h"
#include "sentry/base/timer.h"
#include "sentry/net/unix.h"

#define PACKET_OVERHEAD 32 /* of SO_SNDBUF that one datagram can't use */

/* Waits until u may have more under way. Errors: the pending one, -EPIPE, and those of the wait. */
static int wait_for_room(struct unix_socket *u, int64_t deadline_ns)
{
    for (;;) {
        int r = socket_take_error(&u->base);
        if (r < 0) {
            return r;
        }
        if (u->base.shutdown & SOCKET_SHUT_WRITE) {
            return -EPIPE;
        }
        if (u->sent < (size_t)u->base.send_buffer) {
            return 0;
        }
        u->found_no_room = true;
        r = socket_sleep(&u->base.q, EPOLLOUT, deadline_ns);
        if (r < 0) {
            return r;
        }
    }
}

/* May msg's files go to the other end, which may have said that it wants none? */
static bool refuses_files(const struct unix_socket *to, const struct unix_message *msg)
{
    return msg->files && !to->base.pass_rights;
}

/* Either end wants to know who sends. */
static void add_creds(const struct unix_socket *u, const struct unix_socket *to,
                      struct unix_message *msg, const struct socket_caller *c)
{
    if (!msg->has_creds && (unix_wants_creds(u) || unix_wants_creds(to) || !to->base.file)) {
        msg->has_creds = true;
        msg->creds = (struct scm_creds){.pid = c->pid, .uid = c->cred->uid, .gid = c->cred->gid};
    }
}

/* --- streams --- */

/* urgent: the byte is out of band. */
static int send_chunk(struct unix_socket *u, struct socket_msg *m, size_t left, bool first,
                      bool urgent, int64_t deadline_ns)
{
    size_t size = MIN(MIN(left, (size_t)u->base.send_buffer / 2 - 64), (size_t)UNIX_CHUNK);
    struct unix_message *msg;
    int r = wait_for_room(u, deadline_ns);

    if (r == 0) {
        r = unix_message_new(u, m, size, first, &msg);
    }
    if (r < 0) {
        return r;
    }
    struct unix_socket *to = u->peer; /* a connection's peer stays */
    if (to->dead || (to->base.shutdown & SOCKET_SHUT_READ)) {
        unix_message_free(msg);
        return -EPIPE;
    }
    if (refuses_files(to, msg)) {
        unix_message_free(msg);
        return -EPERM;
    }
    add_creds(u, to, msg, m->caller);
    if (urgent) {
        unix_oob_queued(to, msg);
    }
    unix_message_queue(to, msg);
    return (int)size;
}

static ssize_t send_stream(struct unix_socket *u, struct socket_msg *m)
{
    int64_t deadline_ns = socket_deadline(&u->base.send_timeout, m->flags & MSG_DONTWAIT);
    const size_t size = uio_size(m->data), last = m->flags & MSG_OOB ? 1 : 0;
    size_t sent = 0;

    if (last > size) {
        return -EOPNOTSUPP; /* no byte that could be out of band */
    }
    if (m->addr.size) {
        return u->state == UNIX_CONNECTED ? -EISCONN : -EOPNOTSUPP;
    }
    if (!u->peer) {
        return -ENOTCONN;
    }
    if (u->base.shutdown & SOCKET_SHUT_WRITE) {
        return -EPIPE;
    }
    while (sent < size) {
        const bool urgent = last && sent == size - last;
        const size_t left = urgent ? 1 : size - last - sent;
        int n = send_chunk(u, m, left, sent == 0, urgent, deadline_ns);
        if (n < 0) {
            return sent ? (ssize_t)sent : n;
        }
        sent += (size_t)n;
    }
    return (ssize_t)sent;
}

/* --- datagrams and packets --- */

/* The peer that u was connected to is gone. */
static int lose_peer(struct unix_socket *u, struct unix_socket *other)
{
    if (u->base.type == SOCK_SEQPACKET) {
        return -EPIPE;
    }
    if (u->peer == other) {
        unix_set_peer(u, NULL);
        u->state = UNIX_CLOSED;
        unix_disconnected(u, other);
    }
    return -ECONNREFUSED;
}

/*
 * Can msg go to other now? Return: 0; -errno; or 1 after a wait, when everything has to be looked at
 * again.
 */
static int may_deliver(struct unix_socket *u, struct unix_socket *other, int64_t deadline_ns)
{
    if (other->peer && other->peer != u) {
        return -EPERM;
    }
    if (other->dead) {
        return lose_peer(u, other);
    }
    if (other->base.shutdown & SOCKET_SHUT_READ) {
        return -EPIPE;
    }
    if (other == u || other->peer == u || !unix_queue_full(other)) {
        return 0;
    }
    int r = socket_sleep(&other->peer_wait, EPOLLOUT, deadline_ns);
    return r < 0 ? r : 1;
}

/* Finds where m goes. *out: a reference. */
static int destination(struct unix_socket *u, struct socket_msg *m, struct unix_socket **out)
{
    if (m->addr.size) {
        return unix_find(m->caller, &m->addr, u->base.type, out);
    }
    if (!u->peer) {
        return -ENOTCONN;
    }
    *out = unix_get(u->peer);
    return 0;
}

static int deliver(struct unix_socket *u, struct socket_msg *m, struct unix_message *msg,
                   int64_t deadline_ns)
{
    for (;;) {
        AUTO_PUT(unix_socket) other = NULL;
        int r = destination(u, m, &other);
        if (r == 0) {
            r = may_deliver(u, other, deadline_ns);
        }
        if (r < 0) {
            return r;
        }
        if (r == 0 && refuses_files(other, msg)) {
            return -EPERM;
        }
        if (r == 0) {
            msg->stamp_ns = other->base.timestamp ? ktime_realtime_ns() : 0;
            add_creds(u, other, msg, m->caller);
            unix_message_queue(other, msg);
            return 0;
        }
    }
}

static ssize_t send_datagram(struct unix_socket *u, struct socket_msg *m)
{
    int64_t deadline_ns = socket_deadline(&u->base.send_timeout, m->flags & MSG_DONTWAIT);
    size_t size = uio_size(m->data);
    struct unix_message *msg;
    int r = m->addr.size ? unix_check_addr(&m->addr) : 0;

    if (r == 0 && unix_wants_creds(u)) {
        r = unix_autobind(u);
    }
    if (r < 0) {
        return r;
    }
    if (size > (size_t)u->base.send_buffer - PACKET_OVERHEAD) {
        return -EMSGSIZE;
    }
    r = wait_for_room(u, deadline_ns);
    if (r == 0) {
        r = unix_message_new(u, m, size, true, &msg);
    }
    if (r < 0) {
        return r;
    }
    r = deliver(u, m, msg, deadline_ns);
    if (r < 0) {
        unix_message_free(msg);
        return r;
    }
    return (ssize_t)size;
}

/* Packets need a connection, whatever is to be sent. */
int unix_may_send(struct socket *s)
{
    if (s->type != SOCK_SEQPACKET) {
        return 0;
    }
    int r = socket_take_error(s);
    if (r < 0) {
        return r;
    }
    return unix_socket(s)->state == UNIX_CONNECTED ? 0 : -ENOTCONN;
}

/**
 * unix_send - send(2) and its kin.
 *
 * Context: may block, unless MSG_DONTWAIT.
 * Errors:  -EPIPE (streams: the caller raises SIGPIPE) -ENOTCONN -EISCONN -EOPNOTSUPP -EMSGSIZE -EAGAIN
 *          -ECONNREFUSED -ECONNRESET -EPERM -EFAULT -ETOOMANYREFS -ERESTARTSYS -EINTR -ENOMEM, and those
 *          of finding an address.
 */
ssize_t unix_send(struct socket *s, struct socket_msg *m)
{
    struct unix_socket *u = unix_socket(s);

    int r = unix_may_send(s);

    if (r < 0) {
        return r;
    }
    if (s->type == SOCK_SEQPACKET) {
        m->addr.size = 0; /* ignored */
    }
    if (m->flags & MSG_OOB && s->type != SOCK_STREAM) {
        return -EOPNOTSUPP;
    }
    return s->type == SOCK_STREAM ? send_stream(u, m) : send_datagram(u, m);
}
