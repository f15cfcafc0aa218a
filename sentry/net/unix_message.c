/*
 * Messages of AF_UNIX sockets: made of what is sent, charged to the sender, queued at the receiver.
 * Analogous to the sk_buffs of Linux's net/unix/af_unix.c.
 */
#include "sentry/net/unix.h"

#include "sentry/base/errno.h"

/*
 * The charge is what Linux's buffers for the same message would take, so that a program which fills
 * a socket finds the same room: a record of 256 bytes, a block of a power of two that also holds 320
 * bytes of bookkeeping, and whole pages for what does not fit there.
 */
#define RECORD_SIZE  256
#define BLOCK_EXTRA  320
#define BLOCK_MIN    512
#define STREAM_BLOCK 3776  /* most bytes of a stream's message in the block */
#define PACKET_BLOCK 16064 /* the same of a datagram */

static size_t message_charge(bool stream, size_t size)
{
    size_t most = stream ? STREAM_BLOCK : PACKET_BLOCK;
    size_t paged = size > most ? MIN(size, ALIGN_UP(size - most, PAGE_SIZE)) : 0;
    size_t block = BLOCK_MIN;

    while (block < size - paged + BLOCK_EXTRA) {
        block *= 2;
    }
    return RECORD_SIZE + block + ALIGN_UP(paged, PAGE_SIZE);
}

static int take_scm(struct unix_message *msg, struct socket_msg *m, bool with_files)
{
    msg->creds = m->scm.creds;
    msg->has_creds = m->scm.has_creds;
    if (!with_files || !m->scm.files) {
        return 0;
    }
    unix_collect_if_many();
    int r = unix_inflight_check(m->caller);
    if (r < 0) {
        return r;
    }
    msg->files = take(&m->scm.files);
    unix_inflight_add(msg->files);
    return 0;
}

int unix_message_new(struct unix_socket *u, struct socket_msg *m, size_t size, bool with_files,
                     struct unix_message **out)
{
    struct unix_message *msg = malloc(sizeof(*msg) + size);

    if (!msg) {
        return -ENOMEM;
    }
    *msg = (struct unix_message){
        .sender = unix_get(u),
        .charge = message_charge(u->base.type == SOCK_STREAM, size),
        .size = size,
    };
    list_init(&msg->link);
    u->sent += msg->charge;
    int r = take_scm(msg, m, with_files);
    if (r == 0 && uio_copy_from(m->data, msg->data, size) != (ssize_t)size) {
        r = -EFAULT;
    }
    if (r < 0) {
        unix_message_free(msg);
        return r;
    }
    *out = msg;
    return 0;
}

void unix_message_free(struct unix_message *msg)
{
    struct unix_socket *sender = msg->sender;
    struct scm_files *files = msg->files;

    sender->sent -= msg->charge;
    free(msg);
    if (!sender->dead && unix_writable(sender)) {
        const bool told = sender->found_no_room;
        sender->found_no_room = false;
        waitq_wake(&sender->base.q,
                   EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND | (told ? WAITQ_FOUND_NO_ROOM : 0u));
    }
    unix_put(sender);
    if (files) {
        unix_inflight_remove(files);
        scm_files_put(files);
    }
}

void unix_message_queue(struct unix_socket *to, struct unix_message *msg)
{
    list_add_tail(&msg->link, &to->messages);
    to->message_count++;
    waitq_wake(&to->base.q, EPOLLIN | EPOLLPRI | EPOLLRDNORM | EPOLLRDBAND);
}

void unix_wake_senders(struct unix_socket *u)
{
    struct unix_socket *client;

    waitq_wake(&u->peer_wait, 0);
    if (u->base.type == SOCK_DGRAM) {
        list_for_each_entry (client, &u->clients, peer_link) {
            waitq_wake(&client->base.q, EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND);
        }
    }
}

void unix_message_unlink(struct unix_socket *u, struct unix_message *msg)
{
    bool was_full = unix_queue_full(u);

    if (u->oob == msg) {
        u->oob = NULL;
    }
    list_del(&msg->link);
    u->message_count--;
    if (was_full && !unix_queue_full(u)) {
        unix_wake_senders(u);
    }
}

void unix_messages_drop(struct unix_socket *u)
{
    struct unix_message *msg;

    while ((msg = list_first_entry(&u->messages, struct unix_message, link))) {
        unix_message_unlink(u, msg);
        unix_message_free(msg);
    }
}
