/*
 * AF_UNIX sockets: what the files sentry/net/unix*.c share. Analogous to Linux's
 * include/net/af_unix.h. unix(7).
 *
 * A struct unix_socket is counted: by its file (or, before accept, by the listener's queue), by the
 * sockets whose peer it is, and by each message it sent that nobody has read. It is "dead" once its
 * file is gone; the struct stays for those that still look at it. Two connected sockets refer to each
 * other; unix_release takes its own half of the circle away.
 *
 * What is sent is charged to the sender until it is read, as in Linux: SO_SNDBUF limits what a sender
 * may have under way.
 */
#pragma once

#include "sentry/net/socket.h"

struct unix_name { /* a bound address; shared by a listener and its connections */
    struct refcount ref;
    struct socket_addr addr;
};

enum unix_state { UNIX_CLOSED, UNIX_LISTENING, UNIX_CONNECTED };

struct unix_socket {
    struct socket base; /* comes first */
    struct refcount ref;
    struct list all_link; /* on the list of all that are not dead */
    enum unix_state state;
    bool dead;
    struct unix_socket *peer; /* ref */
    struct list peer_link;    /* on peer->clients */
    struct list clients;      /* sockets whose peer this is */
    struct waitq
        peer_wait; /* those who wait for room in our queue: senders of datagrams, connecters */

    /* names: unix_name.c */
    struct unix_name *name;     /* ref; NULL: not bound */
    struct path path;           /* refs; of a name in the file system */
    struct hash_node name_link; /* in the table of abstract names */
    bool name_leads_here;       /* not a connection that only shares its listener's name */

    /* queues */
    struct list messages; /* owned struct unix_message */
    size_t message_count;
    struct unix_message
        *oob; /* borrowed: the one on messages that MSG_OOB reads; NULL: none. unix_oob.c */
    struct list pending; /* owned: connections that wait for accept, by pending_link */
    size_t pending_count;
    struct list pending_link;
    size_t backlog;     /* so many may wait, and one more */
    size_t sent;        /* charge of what is under way */
    bool found_no_room; /* a send did: it is told of room (WAITQ_FOUND_NO_ROOM) */

    /* who connected, or listens, at the other end */
    int peer_pid;
    struct cred *peer_cred; /* ref; NULL: nobody yet */

    /* unix_inflight.c */
    size_t inflight; /* references to our file from messages */
    struct list inflight_link;
    size_t unexplained; /* while collecting: references not from candidates' queues */
    enum { GC_NONE, GC_CANDIDATE, GC_LIVE } gc_state;
};

struct unix_message {
    struct list link;
    struct unix_socket *sender; /* ref: it is charged, and names itself to the reader */
    size_t charge;
    size_t size, taken;      /* bytes; of these already read (streams) */
    struct scm_files *files; /* owned; NULL: none */
    struct scm_creds creds;
    bool has_creds;
    int64_t
        stamp_ns; /* CLOCK_REALTIME when it was sent, if the receiver asked for it then; else 0 */
    uint8_t data[];
};

static inline struct unix_socket *unix_socket(struct socket *s)
{
    return container_of(s, struct unix_socket, base);
}
static inline bool unix_is_connection(const struct unix_socket *u)
{
    return u->base.type != SOCK_DGRAM;
}
/* Its messages say who sent them. */
static inline bool unix_wants_creds(const struct unix_socket *u)
{
    return u->base.pass_cred || u->base.pass_pidfd;
}
/* Bytes that were not read yet. */
static inline size_t unix_message_left(const struct unix_message *msg)
{
    return msg->size - msg->taken;
}
static inline bool unix_queue_full(const struct unix_socket *u)
{
    return u->message_count + u->pending_count > u->backlog;
}
static inline bool unix_writable(const struct unix_socket *u)
{
    /* Linux counts one byte that is always under way. */
    return u->state != UNIX_LISTENING && (u->sent + 1) * 4 <= (size_t)u->base.send_buffer;
}

/* The other end is gone, or was shut down. */
#define UNIX_HANGUP                                                                                \
    (EPOLLIN | EPOLLRDNORM | EPOLLRDBAND | EPOLLPRI | EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND |       \
     EPOLLRDHUP | EPOLLHUP | EPOLLERR)

struct strbuf;

#define UNIX_DATAGRAM_BACKLOG 10 /* net.unix.max_dgram_qlen */

/* unix.c */
void unix_init(void); /* registers AF_UNIX; once, at start */
extern const struct socket_ops g_unix_ops;
MUST_CHECK int unix_alloc(int type, struct unix_socket **out);
struct unix_socket *unix_get(struct unix_socket *u);
void unix_put(struct unix_socket *u);
static inline void unix_socket_auto_put_(struct unix_socket **p)
{
    if (*p) {
        unix_put(*p);
    }
}
/* Ends u; its owner's reference is consumed. not_accepted: it never had a file. May block. */
void unix_end(struct unix_socket *u, bool not_accepted);
/* peer: a reference is taken; NULL: none. The old one's is dropped. */
void unix_set_peer(struct unix_socket *u, struct unix_socket *peer);
void unix_set_peer_cred(struct unix_socket *u, int pid, const struct cred *cred);
/* /proc/net/unix */
void unix_show_all(struct strbuf *out);

/* unix_name.c */
void unix_name_put(struct unix_name *n);
/* The address is well formed. Errors: -EINVAL. */
MUST_CHECK int unix_check_addr(const struct socket_addr *a);
MUST_CHECK int unix_bind(struct socket *s, const struct socket_caller *c,
                         const struct socket_addr *a);
/* A name of the kernel's choice, unless it has one. Errors: -ENOSPC -ENOMEM. */
MUST_CHECK int unix_autobind(struct unix_socket *u);
/* The name no longer leads to u. Its path is dropped. May block. */
void unix_unbind(struct unix_socket *u);
/* The socket of this type that a checked address names, with a reference. May block.
 * Errors: -ECONNREFUSED -EPROTOTYPE -EACCES, and those of the path walk. */
MUST_CHECK int unix_find(const struct socket_caller *c, const struct socket_addr *a, int type,
                         struct unix_socket **out);
MUST_CHECK int unix_getname(struct socket *s, bool peer, struct socket_addr *out);

/* unix_connect.c */
MUST_CHECK int unix_connect(struct socket *s, const struct socket_caller *c,
                            const struct socket_addr *a, unsigned flags);
MUST_CHECK int unix_listen(struct socket *s, const struct socket_caller *c, int backlog);
MUST_CHECK int unix_accept(struct socket *s, unsigned flags, struct socket **out);
MUST_CHECK int unix_shutdown(struct socket *s, unsigned how);
/* A datagram socket lost the peer it had: what that sent is lost, and it is told. May block. */
void unix_disconnected(struct unix_socket *u, struct unix_socket *old);

/* unix_message.c */
/* Copies size bytes of m in. files (taken from m->scm) only with_files. Errors: -EFAULT -ENOMEM -ETOOMANYREFS. */
MUST_CHECK int unix_message_new(struct unix_socket *u, struct socket_msg *m, size_t size,
                                bool with_files, struct unix_message **out);
/* Drops it, uncharges its sender and wakes it. May block. */
void unix_message_free(struct unix_message *msg);
/* consumed; to has a reader. */
void unix_message_queue(struct unix_socket *to, struct unix_message *msg);
/* Takes it off u's queue; whoever waits for room is woken. */
void unix_message_unlink(struct unix_socket *u, struct unix_message *msg);
/* May block. */
void unix_messages_drop(struct unix_socket *u);
void unix_wake_senders(struct unix_socket *u);

/* unix_send.c, unix_receive.c */
#define UNIX_CHUNK 36544 /* a stream is cut into messages of at most this */
MUST_CHECK int unix_may_send(struct socket *s);
MUST_CHECK ssize_t unix_send(struct socket *s, struct socket_msg *m);
MUST_CHECK ssize_t unix_receive(struct socket *s, struct socket_msg *m);

/* unix_oob.c */
/* The one behind msg on u's queue, or NULL. */
struct unix_message *unix_message_next(const struct unix_socket *u, const struct unix_message *msg);
/* What a read comes to at msg: msg itself, the one behind out-of-band data, or NULL, when it ends here. done: bytes read by this call. */
struct unix_message *unix_oob_pass(struct unix_socket *u, struct unix_message *msg, unsigned flags,
                                   size_t done);
/* recv with MSG_OOB. Errors: -EINVAL -EFAULT. */
MUST_CHECK ssize_t unix_oob_receive(struct unix_socket *u, struct socket_msg *m);
/* A message was queued at u whose byte is out of band from now on. */
void unix_oob_queued(struct unix_socket *u, struct unix_message *msg);
/* SIOCATMARK: does the next read begin at the mark? */
bool unix_oob_at_mark(const struct unix_socket *u);

/* unix_inflight.c */
/* Errors: -ETOOMANYREFS. */
MUST_CHECK int unix_inflight_check(const struct socket_caller *c);
void unix_inflight_add(const struct scm_files *files);
void unix_inflight_remove(const struct scm_files *files);
/* Frees sockets that only their own messages refer to. May block. */
void unix_collect(void);
/* The same, before more files are sent: those who close nothing else would never come to it. May block. */
void unix_collect_if_many(void);
