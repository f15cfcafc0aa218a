/*
 * Sockets: what all address families share. Analogous to Linux's struct socket, struct sock's generic
 * part and struct proto_ops (net/socket.c, net/core/sock.c).
 *
 * A family embeds struct socket first, answers socket_ops, and registers itself with socket_register.
 * Above are the socket system calls, and struct file: read, write, poll and ioctl of a socket's file
 * come in through file_ops here, and go to the same operations.
 *
 * A socket belongs to its file (file->private) and ends with it. Until accept(2) gives a new
 * connection a file it belongs to its family.
 */
#pragma once

#include <sys/socket.h>

#include "sentry/net/scm.h"
#include "sentry/vfs/vfs.h"

struct socket;

/* Who calls: read and write through a file don't say it. */
struct socket_caller {
    const struct cred *cred; /* borrowed */
    const struct walk *walk; /* borrowed; for names in the file system; NULL: no name can come */
    int pid;                 /* of the process */
    uint64_t max_files;      /* RLIMIT_NOFILE */
};

/* A socket address in kernel memory; size 0: none. */
struct socket_addr {
    uint32_t size;
    union {
        sa_family_t family;
        char bytes[sizeof(struct sockaddr_storage)];
    };
};

/* One message on its way in or out: Linux's struct msghdr of the kernel. */
struct socket_msg {
    struct uio *data;
    unsigned flags; /* MSG_* as asked */
    const struct socket_caller *caller;
    struct socket_addr addr; /* send: where to; receive: from whom */
    struct scm scm;     /* send: what is taken is cleared; receive: filled; the caller drops it */
    unsigned out_flags; /* receive: MSG_TRUNC, MSG_EOR ... */
    int64_t stamp_ns;   /* receive: when it was sent, if s->timestamp */
};

struct socket_ops {
    /* Its file is gone: ends and frees it. May block. */
    void (*release)(struct socket *s);
    MUST_CHECK int (*bind)(struct socket *s, const struct socket_caller *c,
                           const struct socket_addr *a);
    /* flags: O_NONBLOCK. May block. */
    MUST_CHECK int (*connect)(struct socket *s, const struct socket_caller *c,
                              const struct socket_addr *a, unsigned flags);
    MUST_CHECK int (*listen)(struct socket *s, const struct socket_caller *c, int backlog);
    /* *out: a connected socket that belongs to the caller. flags: O_NONBLOCK. May block. */
    MUST_CHECK int (*accept)(struct socket *s, unsigned flags, struct socket **out);
    MUST_CHECK int (*name)(struct socket *s, bool peer, struct socket_addr *out);
    MUST_CHECK int (*shutdown)(struct socket *s, unsigned how); /* SOCKET_SHUT_* */
    /* What forbids sending before control messages are even looked at. NULL: nothing. */
    MUST_CHECK int (*may_send)(struct socket *s);
    /* Bytes or -errno. May block, unless MSG_DONTWAIT. */
    MUST_CHECK ssize_t (*send)(struct socket *s, struct socket_msg *m);
    MUST_CHECK ssize_t (*receive)(struct socket *s, struct socket_msg *m);
    uint32_t (*poll)(struct socket *s);
    /* NULL: none beyond the generic ones. */
    MUST_CHECK long (*ioctl)(struct socket *s, struct mm *mm, unsigned cmd, uaddr_t arg);
    /* SO_PEERCRED, SO_PEERGROUPS. *out: borrowed, NULL: no peer. NULL: -ENOPROTOOPT. */
    MUST_CHECK int (*peer_cred)(struct socket *s, int *out_pid, const struct cred **out);
};

/* Linux's RCV_SHUTDOWN and SEND_SHUTDOWN; SHUT_* + 1. */
#define SOCKET_SHUT_READ  1u
#define SOCKET_SHUT_WRITE 2u
#define SOCKET_SHUT_BOTH  3u

#define SOCKET_DEFAULT_BUFFER 212992 /* net.core.wmem_default and rmem_default */
#define SOCKET_SOMAXCONN      4096

struct socket {
    const struct socket_ops *ops;
    int family, type, protocol;
    struct file *file; /* borrowed: owns the socket; NULL before accept */
    struct waitq q;    /* all changes; woken with poll events, or 0 for a change of state */
    unsigned shutdown; /* SOCKET_SHUT_* */
    int error;         /* a positive errno that the next call reports, or 0 */
    bool listening;
    /* options */
    bool debug, reuse_addr, reuse_port, dont_route, broadcast, keep_alive, oob_inline, pass_cred;
    bool pass_pidfd, pass_rights;
    int timestamp; /* SO_TIMESTAMP, SO_TIMESTAMPNS, or one of their _NEW: which was asked for; 0: none */
    int peek_off; /* SO_PEEK_OFF: where the next MSG_PEEK begins; < 0: at the front */
    int send_buffer, receive_buffer, receive_low;
    int priority;
    uint32_t mark;
    struct linger linger;
    struct timeval send_timeout, receive_timeout; /* 0: for ever */
    uint64_t cookie;                              /* SO_COOKIE; 0: nobody has asked */
    struct {                                      /* socket_kept.c */
        uint32_t flags;
        int incoming_cpu, bound_index, stamping, busy_poll, buffer_locks;
        uint64_t pacing;
    } kept;
};

struct socket_family {
    int family; /* AF_* */
    /* type: SOCK_* without flags. Errors: -EPROTONOSUPPORT -ESOCKTNOSUPPORT -ENOMEM ... */
    MUST_CHECK int (*create)(const struct socket_caller *c, int type, int protocol,
                             struct socket **out);
    /* Connects two fresh ones to each other. NULL: -EOPNOTSUPP. */
    MUST_CHECK int (*pair)(const struct socket_caller *c, struct socket *a, struct socket *b);
};

/* Makes a family known; borrowed for ever. The last one for a number wins. */
void socket_register(const struct socket_family *family);
/* Handed down at start: SIGURG to the owner of a socket's file. */
void socket_set_urgent(void (*tell)(const struct file *f));
void socket_tell_urgent(const struct socket *s);
/* Handed down at start: fills in who runs, for transfers through a file. */
void socket_set_caller(void (*current)(struct socket_caller *out));

/* Sets up an embedded base. */
void socket_init(struct socket *s, const struct socket_ops *ops, int family, int type,
                 int protocol);

/* Errors: -EAFNOSUPPORT -EINVAL (type), and the family's. */
MUST_CHECK int socket_create(const struct socket_caller *c, int family, int type, int protocol,
                             struct socket **out);
MUST_CHECK int socket_connect_pair(const struct socket_caller *c, struct socket *a,
                                   struct socket *b);
/* Gives s (consumed, also on failure) a file: "socket:[ino]". flags: O_NONBLOCK. Errors: -ENOMEM. */
MUST_CHECK int socket_file(struct socket *s, const struct cred *cred, unsigned flags,
                           struct file **out);
/* The socket behind a file, borrowed; NULL: it is no socket. */
struct socket *file_socket(const struct file *f);

/* When a wait that begins now ends: 0 with O_NONBLOCK or MSG_DONTWAIT, WAIT_FOREVER without a timeout. */
int64_t socket_deadline(const struct timeval *timeout, bool nonblock);
/* A wait's result as the caller sees it: a time limit makes a signal -EINTR and its end -EAGAIN. */
int socket_wait_error(int r, int64_t deadline_ns);
/* Sleeps once until events (or a change of state) on q. Return: 0 look again; -EAGAIN; -ERESTARTSYS; -EINTR. */
MUST_CHECK int socket_sleep(struct waitq *q, uint32_t events, int64_t deadline_ns);
/* Takes the pending error. Return: 0 or -errno. */
int socket_take_error(struct socket *s);

/* socket_option.c: level SOL_SOCKET. value: size bytes of kernel memory. */
#define SOCKET_OPTION_MAX 64
#ifndef SO_NETNS_COOKIE /* newer than the C library */
#define SO_NETNS_COOKIE 71
#endif
MUST_CHECK int socket_set_option(struct socket *s, const struct cred *cred, int name,
                                 const void *value, size_t size);
/* Fills at most SOCKET_OPTION_MAX bytes. Return: how many the option has. Not for SO_PEERGROUPS, SO_PEERPIDFD, SO_PEERNAME. */
MUST_CHECK int socket_get_option(struct socket *s, int name, void *value);
/* socket_kept.c: the same for what has no meaning for local sockets. Errors: -ENOPROTOOPT, and the option's. */
MUST_CHECK int socket_kept_set(struct socket *s, const struct cred *cred, int name,
                               const void *value, size_t size);
MUST_CHECK int socket_kept_get(struct socket *s, int name, void *value);
