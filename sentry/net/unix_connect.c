/*
 * connect, listen, accept and shutdown of AF_UNIX sockets. Analogous to Linux's
 * net/unix/af_unix.c. connect(2), listen(2), accept(2), shutdown(2).
 *
 * A connection is made whole by connect: the other end's socket exists, and takes data, before accept
 * gives it a file.
 */
#include "sentry/base/errno.h"
#include "sentry/net/unix.h"

/* The end that accept will find. */
static int make_other_end(struct unix_socket *u, const struct unix_socket *listener,
                          const struct socket_caller *c, struct unix_socket **out)
{
    struct unix_socket *end;
    int r = unix_alloc(u->base.type, &end);

    if (r < 0) {
        return r;
    }
    unix_set_peer(end, u);
    unix_set_peer_cred(end, c->pid, c->cred);
    end->state = UNIX_CONNECTED;
    end->base.pass_cred = listener->base.pass_cred;
    end->base.pass_pidfd = listener->base.pass_pidfd;
    end->base.pass_rights = listener->base.pass_rights;
    if (listener->name) {
        refcount_get(&listener->name->ref);
        end->name = listener->name;
        path_copy(&end->path, &listener->path);
    }
    *out = end;
    return 0;
}

/* A listener at a with room in its queue. *out: a reference. */
static int find_listener(struct unix_socket *u, const struct socket_caller *c,
                         const struct socket_addr *a, int64_t deadline_ns, struct unix_socket **out)
{
    for (;;) {
        struct unix_socket *other;
        int r = unix_find(c, a, u->base.type, &other);
        if (r < 0) {
            return r;
        }
        if (other->state != UNIX_LISTENING || (other->base.shutdown & SOCKET_SHUT_READ)) {
            r = -ECONNREFUSED;
        } else if (!unix_queue_full(other)) {
            *out = other;
            return 0;
        } else {
            r = socket_sleep(&other->peer_wait, EPOLLOUT, deadline_ns);
        }
        unix_put(other);
        if (r < 0) {
            return r;
        }
    }
}

static int connect_connection(struct unix_socket *u, const struct socket_caller *c,
                              const struct socket_addr *a, bool nonblock)
{
    int64_t deadline_ns = socket_deadline(&u->base.send_timeout, nonblock);
    AUTO_PUT(unix_socket) listener = NULL;
    struct unix_socket *end;
    int r = find_listener(u, c, a, deadline_ns, &listener);

    if (r < 0) {
        return r;
    }
    if (u->state != UNIX_CLOSED) {
        return u->state == UNIX_CONNECTED ? -EISCONN : -EINVAL;
    }
    r = make_other_end(u, listener, c, &end);
    if (r < 0) {
        return r;
    }
    unix_set_peer(u, end);
    unix_set_peer_cred(u, listener->peer_pid, listener->peer_cred);
    u->state = UNIX_CONNECTED;
    list_add_tail(&end->pending_link, &listener->pending);
    listener->pending_count++;
    waitq_wake(&listener->base.q, EPOLLIN | EPOLLRDNORM);
    return 0;
}

void unix_disconnected(struct unix_socket *u, struct unix_socket *old)
{
    if (list_empty(&u->messages)) {
        return;
    }
    unix_messages_drop(u);
    if (!old->dead && old->peer == u) {
        old->base.error = ECONNRESET;
        waitq_wake(&old->base.q, EPOLLERR);
    }
}

static int connect_datagrams(struct unix_socket *u, const struct socket_caller *c,
                             const struct socket_addr *a)
{
    AUTO_PUT(unix_socket) other = NULL;
    int r = 0;

    if (a->family != AF_UNSPEC) { /* which ends the connection */
        r = unix_check_addr(a);
        if (r == 0 && unix_wants_creds(u)) {
            r = unix_autobind(u);
        }
        if (r == 0) {
            r = unix_find(c, a, u->base.type, &other);
        }
        if (r < 0) {
            return r;
        }
        if (other->peer && other->peer != u) {
            return -EPERM; /* it only talks to another */
        }
        other->state = UNIX_CONNECTED;
    }
    AUTO_PUT(unix_socket) old = u->peer ? unix_get(u->peer) : NULL;
    u->state = other ? UNIX_CONNECTED : UNIX_CLOSED;
    unix_set_peer(u, other);
    if (old && old != other) {
        unix_disconnected(u, old);
    }
    return 0;
}

/**
 * unix_connect - connect(2).
 * @flags: O_NONBLOCK.
 *
 * Context: may block (a full listener's queue, the path walk).
 * Errors:  -EINVAL -ECONNREFUSED -EPROTOTYPE -EAGAIN -EISCONN -EPERM -ERESTARTSYS -EINTR, and the walk's.
 */
int unix_connect(struct socket *s, const struct socket_caller *c, const struct socket_addr *a,
                 unsigned flags)
{
    struct unix_socket *u = unix_socket(s);

    if (a->size < sizeof(a->family)) {
        return -EINVAL;
    }
    if (!unix_is_connection(u)) {
        return connect_datagrams(u, c, a);
    }
    int r = unix_check_addr(a);
    if (r == 0 && unix_wants_creds(u)) {
        r = unix_autobind(u);
    }
    return r < 0 ? r : connect_connection(u, c, a, flags & O_NONBLOCK);
}

int unix_listen(struct socket *s, const struct socket_caller *c, int backlog)
{
    struct unix_socket *u = unix_socket(s);

    if (!unix_is_connection(u)) {
        return -EOPNOTSUPP;
    }
    if (!u->name || u->state == UNIX_CONNECTED) {
        return -EINVAL;
    }
    bool more = (size_t)backlog > u->backlog;
    u->backlog = (size_t)backlog;
    u->state = UNIX_LISTENING;
    s->listening = true;
    unix_set_peer_cred(u, c->pid, c->cred);
    if (more) {
        waitq_wake(&u->peer_wait, 0);
    }
    return 0;
}

/**
 * unix_accept - accept(2): the oldest waiting connection.
 *
 * Context: may block.
 * Errors:  -EOPNOTSUPP -EINVAL (it does not listen, or was shut down) -EAGAIN -ERESTARTSYS -EINTR.
 */
int unix_accept(struct socket *s, unsigned flags, struct socket **out)
{
    struct unix_socket *u = unix_socket(s), *end;
    int64_t deadline_ns = socket_deadline(&s->receive_timeout, flags & O_NONBLOCK);

    if (!unix_is_connection(u)) {
        return -EOPNOTSUPP;
    }
    if (u->state != UNIX_LISTENING) {
        return -EINVAL;
    }
    while (!(end = list_first_entry(&u->pending, struct unix_socket, pending_link))) {
        int r = socket_take_error(s);
        if (r == 0 && deadline_ns != 0 && (s->shutdown & SOCKET_SHUT_READ)) {
            r = -EINVAL;
        }
        if (r == 0) {
            r = socket_sleep(&s->q, EPOLLIN, deadline_ns);
        }
        if (r < 0) {
            return r;
        }
    }
    list_del(&end->pending_link);
    u->pending_count--;
    waitq_wake(&u->peer_wait, 0);
    *out = &end->base;
    return 0;
}

int unix_shutdown(struct socket *s, unsigned how)
{
    struct unix_socket *u = unix_socket(s);

    s->shutdown |= how;
    if (u->peer && unix_is_connection(u)) {
        u->peer->base.shutdown |= (how & SOCKET_SHUT_READ ? SOCKET_SHUT_WRITE : 0) |
                                  (how & SOCKET_SHUT_WRITE ? SOCKET_SHUT_READ : 0);
        waitq_wake(&u->peer->base.q, UNIX_HANGUP);
    }
    waitq_wake(&s->q, 0);
    waitq_wake(&u->peer_wait, 0);
    return 0;
}
