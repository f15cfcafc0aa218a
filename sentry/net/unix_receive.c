/*
 * Receiving on AF_UNIX sockets. Analogous to unix_stream_read_generic and unix_dgram_recvmsg in
 * Linux's net/unix/af_unix.c. recv(2), unix(7).
 */
#include <string.h>

#include "sentry/base/errno.h"
#include "sentry/base/timer.h"
#include "sentry/net/unix.h"

#define NOBODY 65534 /* the user and group of a message that says neither */

static void copy_sender(const struct unix_message *msg, struct socket_msg *m)
{
    if (msg->sender->name) {
        m->addr = msg->sender->name->addr;
    } else {
        m->addr.size = 0;
    }
}

static void copy_creds(const struct unix_message *msg, struct socket_msg *m)
{
    m->scm.creds =
        msg->has_creds ? msg->creds : (struct scm_creds){.pid = 0, .uid = NOBODY, .gid = NOBODY};
    m->scm.has_creds = true;
}

static bool same_creds(const struct unix_message *msg, const struct socket_msg *m)
{
    struct socket_msg other = {0};

    copy_creds(msg, &other);
    return memcmp(&other.scm.creds, &m->scm.creds, sizeof(m->scm.creds)) == 0;
}

/* Hands the message's files over, or with MSG_PEEK copies of the references. */
static int take_files(struct unix_message *msg, struct socket_msg *m)
{
    if (!msg->files) {
        return 0;
    }
    if (m->flags & MSG_PEEK) {
        return scm_files_copy(msg->files, &m->scm.files);
    }
    unix_inflight_remove(msg->files);
    m->scm.files = take(&msg->files);
    return 0;
}

/* SO_PEEK_OFF moves along with what is looked at, and back with what is taken. */
static size_t peek_begin(const struct unix_socket *u, unsigned flags)
{
    return flags & MSG_PEEK && u->base.peek_off > 0 ? (size_t)u->base.peek_off : 0;
}

static void peek_moved(struct unix_socket *u, unsigned flags, size_t size)
{
    int *off = &u->base.peek_off;
    if (*off >= 0) {
        int64_t moved = *off + (flags & MSG_PEEK ? (int64_t)size : -(int64_t)size);
        *off = (int)MIN(MAX(moved, 0), INT32_MAX);
    }
}

/* --- streams --- */

struct stream_read {
    size_t skip;         /* of the next message, for MSG_PEEK */
    size_t done, target; /* bytes; of these at least so many before the call ends */
    bool named, checks_creds;
};

/*
 * Takes what it may from one message. Return: 1 go on with the next; 0 that was the last for this
 * call; -errno.
 */
static int read_message(struct unix_socket *u, struct socket_msg *m, struct unix_message *msg,
                        struct stream_read *r)
{
    const size_t from = msg->taken + r->skip, left = msg->size - from;
    const size_t size = MIN(left, uio_size(m->data));

    if (r->checks_creds && !same_creds(msg, m)) {
        return 0; /* what different processes wrote is never glued */
    }
    if (!r->checks_creds && unix_wants_creds(u)) {
        copy_creds(msg, m);
        r->checks_creds = true;
    }
    if (!r->named) {
        copy_sender(msg, m);
        r->named = true;
    }
    if (size > 0 && uio_copy_to(m->data, msg->data + from, size) != (ssize_t)size) {
        return -EFAULT;
    }
    r->done += size;
    r->skip = 0;
    peek_moved(u, m->flags, size);
    int error = take_files(msg, m);
    if (error < 0) {
        return error;
    }
    if (m->flags & MSG_PEEK) {
        return !m->scm.files; /* Linux goes on to the next files even when the buffer is full */
    }
    msg->taken += size;
    if (size < left) {
        return 0;
    }
    unix_message_unlink(u, msg);
    unix_message_free(msg);
    return !m->scm.files && uio_size(m->data) > 0;
}

/* Everything that is there and fits. Return: 1 more is wanted; 0 done; -errno. */
static int read_queue(struct unix_socket *u, struct socket_msg *m, struct stream_read *r)
{
    struct unix_message *msg = list_first_entry(&u->messages, struct unix_message, link), *next;

    r->skip = peek_begin(u, m->flags);
    /* Freeing a message may sleep when it carries files, but those were taken off it before. */
    for (; msg; msg = next) {
        if (r->skip > 0 && r->skip >= unix_message_left(msg)) {
            r->skip -= unix_message_left(msg);
            next = unix_message_next(u, msg);
            continue;
        }
        msg = unix_oob_pass(u, msg, m->flags, r->done);
        if (!msg) {
            return r->done == 0;
        }
        next = unix_message_next(u, msg);
        int more = read_message(u, m, msg, r);
        if (more <= 0) {
            return more;
        }
    }
    return 1;
}

/* Nothing is there. Return: 1 look again; 0 end of the stream; -errno. */
static int wait_for_data(struct unix_socket *u, int64_t deadline_ns)
{
    int r = socket_take_error(&u->base);

    if (r < 0) {
        return r;
    }
    if (u->base.shutdown & SOCKET_SHUT_READ) {
        return 0;
    }
    r = socket_sleep(&u->base.q, EPOLLIN | EPOLLRDHUP, deadline_ns);
    return r < 0 ? r : 1;
}

static ssize_t receive_stream(struct unix_socket *u, struct socket_msg *m)
{
    int64_t deadline_ns = socket_deadline(&u->base.receive_timeout, m->flags & MSG_DONTWAIT);
    struct stream_read r = {0};
    size_t size = uio_size(m->data), low = (size_t)u->base.receive_low;
    int more;

    if (u->state != UNIX_CONNECTED) {
        return -EINVAL;
    }
    if (m->flags & MSG_OOB) {
        return unix_oob_receive(u, m);
    }
    r.target = MAX(m->flags & MSG_WAITALL ? size : MIN(low, size), (size_t)1);
    do {
        more = read_queue(u, m, &r);
        if (more > 0 && (r.done >= r.target || (r.named && (m->flags & MSG_PEEK)))) {
            more = 0;
        } else if (more > 0) {
            more = wait_for_data(u, deadline_ns);
        }
    } while (more > 0);
    m->scm.has_creds = true; /* at the end of the stream: of nobody, which reads as 0 */
    return r.done ? (ssize_t)r.done : more;
}

/* --- datagrams and packets --- */

/* The message where a call begins, and how much of it comes before. NULL: there is none. */
static struct unix_message *find_datagram(struct unix_socket *u, unsigned flags, size_t *out_skip)
{
    struct unix_message *msg;
    *out_skip = peek_begin(u, flags);
    list_for_each_entry (msg, &u->messages, link) {
        if (*out_skip == 0 || *out_skip < msg->size) {
            return msg;
        }
        *out_skip -= msg->size;
    }
    return NULL;
}

/* Return: 0 with *out, NULL at the end of what can come; -errno. */
static int next_datagram(struct unix_socket *u, unsigned flags, struct unix_message **out,
                         size_t *out_skip)
{
    const bool nonblock = flags & MSG_DONTWAIT;
    int64_t deadline_ns = socket_deadline(&u->base.receive_timeout, nonblock);

    for (;;) {
        int r = socket_take_error(&u->base);
        if (r < 0) {
            return r;
        }
        *out = find_datagram(u, flags, out_skip);
        if (*out) {
            return 0;
        }
        /* One that does not block sees the end of packets, but not of datagrams. */
        if ((u->base.shutdown & SOCKET_SHUT_READ) &&
            (deadline_ns != 0 || u->base.type == SOCK_SEQPACKET)) {
            return 0;
        }
        r = socket_sleep(&u->base.q, EPOLLIN | EPOLLRDHUP, deadline_ns);
        if (r < 0) {
            return r;
        }
    }
}

static ssize_t receive_datagram(struct unix_socket *u, struct socket_msg *m)
{
    struct unix_message *msg;
    size_t skip;
    int r = m->flags & MSG_OOB ? -EOPNOTSUPP : next_datagram(u, m->flags, &msg, &skip);

    if (r < 0 || !msg) {
        return r;
    }
    bool peek = m->flags & MSG_PEEK;
    const size_t left = msg->size - skip, size = MIN(left, uio_size(m->data));
    ssize_t n = (ssize_t)(m->flags & MSG_TRUNC ? left : size);
    if (!peek) {
        unix_message_unlink(u, msg); /* also when the copy fails: then it is lost */
    }
    copy_sender(msg, m);
    copy_creds(msg, m);
    if (u->base.timestamp) {
        m->stamp_ns = msg->stamp_ns ? msg->stamp_ns : ktime_realtime_ns();
    }
    if (size < left) {
        m->out_flags |= MSG_TRUNC;
    }
    if (size > 0 && uio_copy_to(m->data, msg->data + skip, size) != (ssize_t)size) {
        n = -EFAULT;
    } else {
        peek_moved(u, m->flags, peek ? size : msg->size);
        r = take_files(msg, m);
        n = r < 0 ? r : n;
    }
    if (!peek) {
        unix_message_free(msg);
    }
    return n;
}

/**
 * unix_receive - recv(2) and its kin.
 *
 * Context: may block, unless MSG_DONTWAIT.
 * Return:  bytes; 0 at the end of what the other end sends, and for an empty datagram.
 * Errors:  -EAGAIN -EINVAL (a stream that is not connected) -ENOTCONN (packets) -ECONNRESET -EFAULT
 *          -EOPNOTSUPP -ERESTARTSYS -EINTR -ENOMEM.
 */
ssize_t unix_receive(struct socket *s, struct socket_msg *m)
{
    struct unix_socket *u = unix_socket(s);

    if (s->type == SOCK_STREAM) {
        return receive_stream(u, m);
    }
    if (s->type == SOCK_SEQPACKET && u->state != UNIX_CONNECTED) {
        return -ENOTCONN;
    }
    return receive_datagram(u, m);
}
