/*
 * Out-of-band data of streams: the last byte of a send with MSG_OOB. It is a message of its own in the queue, at which
 * ordinary reads stop; the next one begins behind it. recv with MSG_OOB takes the byte, and leaves the empty message as the mark.
 * Analogous to queue_oob, manage_oob and unix_stream_recv_urg in Linux's net/unix/af_unix.c. send(2), sockatmark(3).
 */
#include "sentry/base/errno.h"
#include "sentry/net/unix.h"

struct unix_message *unix_message_next(const struct unix_socket *u, const struct unix_message *msg)
{
    return msg->link.next == &u->messages ? NULL
                                          : list_entry(msg->link.next, struct unix_message, link);
}

static void drop(struct unix_socket *u, struct unix_message *msg)
{
    unix_message_unlink(u, msg);
    unix_message_free(msg);
}

/* What comes behind msg, which is the first unless it is only looked at. Dropping it may sleep, so what comes is looked up then. */
static struct unix_message *go_on(struct unix_socket *u, struct unix_message *msg, bool peek)
{
    if (peek) {
        return unix_message_next(u, msg);
    }
    drop(u, msg);
    return list_first_entry(&u->messages, struct unix_message, link);
}

/* An empty message: a mark, whose byte was read. */
static struct unix_message *pass_mark(struct unix_socket *u, struct unix_message *mark, bool peek,
                                      size_t done)
{
    if (done && (!u->oob || mark == u->oob)) {
        return NULL;
    }
    return go_on(u, mark, peek);
}

struct unix_message *unix_oob_pass(struct unix_socket *u, struct unix_message *msg, unsigned flags,
                                   size_t done)
{
    const bool peek = flags & MSG_PEEK;
    if (unix_message_left(msg) == 0) {
        msg = pass_mark(u, msg, peek, done);
    }
    if (!msg || msg != u->oob) {
        return msg;
    }
    if (done) {
        return NULL;
    }
    if (u->base.oob_inline) {
        u->oob = peek ? msg : NULL;
        return msg;
    }
    return go_on(u, msg, peek); /* nobody has asked for it */
}

ssize_t unix_oob_receive(struct unix_socket *u, struct socket_msg *m)
{
    struct unix_message *msg = u->oob;
    uint8_t byte;
    if (u->base.oob_inline || !msg) {
        return -EINVAL;
    }
    byte = msg->data[0];
    if (!(m->flags & MSG_PEEK)) {
        u->oob = NULL;
        msg->taken++;
        if (msg->link.prev != &u->messages) { /* of two marks in a row the later counts */
            struct unix_message *before = list_entry(msg->link.prev, struct unix_message, link);
            if (unix_message_left(before) == 0) {
                drop(u, before);
            }
        }
    }
    if (uio_size(m->data) > 0 && uio_copy_to(m->data, &byte, 1) != 1) {
        return -EFAULT;
    }
    m->out_flags |= MSG_OOB;
    return 1;
}

void unix_oob_queued(struct unix_socket *u, struct unix_message *msg)
{
    u->oob = msg;
    socket_tell_urgent(&u->base);
}

bool unix_oob_at_mark(const struct unix_socket *u)
{
    const struct unix_message *msg = list_first_entry(&u->messages, struct unix_message, link);
    if (!msg) {
        return false;
    }
    return msg == u->oob ||
           (unix_message_left(msg) == 0 && (!u->oob || unix_message_next(u, msg) == u->oob));
}
