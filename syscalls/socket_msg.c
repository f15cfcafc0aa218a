/*
 * Sending and receiving on sockets: send*, recv* in all forms. Analogous to the second half of
 * Linux's net/socket.c. send(2), recv(2), sendmmsg(2), recvmmsg(2).
 */
#include <limits.h>

#include "sentry/base/errno.h"
#include "sentry/base/timer.h"
#include "syscalls/poll_wait.h"
#include "syscalls/socket.h"
#include "syscalls/syscalls.h"
#include "syscalls/timespec.h"

#define MSG_CMSG_COMPAT ((int)0x80000000u) /* calls of 32-bit programs */

struct guest_msghdr {
    uaddr_t name;
    int32_t name_size;
    int32_t pad;
    uaddr_t iov;
    uint64_t iov_count;
    uaddr_t control;
    uint64_t control_size;
    uint32_t flags;
    uint32_t pad2;
};
struct guest_mmsghdr {
    struct guest_msghdr hdr;
    uint32_t size;
    uint32_t pad;
};
_Static_assert(sizeof(struct guest_msghdr) == sizeof(struct msghdr), "Linux's layout");

/* A file's O_NONBLOCK is each call's MSG_DONTWAIT. */
static unsigned msg_flags(const struct file *f, int flags)
{
    return (unsigned)flags | (f->flags & O_NONBLOCK ? MSG_DONTWAIT : 0);
}

/* The end of every send: a stream without a reader raises SIGPIPE, datagrams and packets do not. */
static ssize_t send_result(struct task *t, const struct socket *s, unsigned flags, ssize_t n)
{
    if (n == -EPIPE && s->type == SOCK_STREAM && !(flags & MSG_NOSIGNAL)) {
        signal_self(t, SIGPIPE);
    }
    return n;
}

/* --- one buffer --- */

long sys_sendto(struct task *t, int sockfd, uaddr_t buf, size_t len, int flags, uaddr_t dest_addr,
                int addrlen)
{
    AUTO_PUT(file) f = NULL;
    AUTO_PATH start = {NULL, NULL};
    struct socket *s;
    struct socket_caller c;
    struct walk w;
    struct uio u;
    struct socket_msg m = {.data = &u, .caller = &c};

    if (!range_ok(buf, len)) {
        return -EFAULT;
    }
    int r = socket_in(t, sockfd, &f, &s);
    if (r == 0 && dest_addr) {
        r = socket_addr_in(t, dest_addr, addrlen, &m.addr);
    }
    if (r == 0) {
        r = socket_caller_walk(t, &c, &w, &start);
    }
    if (r < 0) {
        return r;
    }
    uio_init(&u, t->mm, buf, len);
    m.flags = msg_flags(f, flags);
    return send_result(t, s, m.flags, s->ops->send(s, &m));
}

long sys_recvfrom(struct task *t, int sockfd, uaddr_t buf, size_t len, int flags, uaddr_t src_addr,
                  uaddr_t addrlen)
{
    AUTO_PUT(file) f = NULL;
    struct socket *s;
    struct socket_caller c;
    struct uio u;
    struct socket_msg m = {.data = &u, .caller = &c};

    if (!range_ok(buf, len)) {
        return -EFAULT;
    }
    int r = socket_in(t, sockfd, &f, &s);
    if (r < 0) {
        return r;
    }
    socket_caller_init(t, &c);
    uio_init(&u, t->mm, buf, len);
    m.flags = msg_flags(f, flags);
    ssize_t n = s->ops->receive(s, &m);
    scm_put(&m.scm); /* nobody asked for files: they are closed */
    if (n >= 0 && src_addr) {
        r = socket_addr_out(t, &m.addr, src_addr, addrlen);
        n = r < 0 ? r : n;
    }
    return n;
}

/* --- msghdr --- */

/* Copies the header in and makes the vector. Free it with uio_free when this succeeds. */
static int header_in(struct task *t, uaddr_t msg, struct guest_msghdr *h, struct uio *u)
{
    int r = get_user(t->mm, h, msg);

    if (r < 0) {
        return r;
    }
    if (!h->name) {
        h->name_size = 0;
    }
    if (h->name_size < 0) {
        return -EINVAL;
    }
    h->name_size = MIN(h->name_size, (int)sizeof(struct sockaddr_storage));
    if (h->iov_count > UIO_MAXIOV) {
        return -EMSGSIZE;
    }
    return uio_init_iovec(u, t->mm, h->iov, h->iov_count);
}

/* s and f: borrowed. */
static ssize_t send_one(struct task *t, struct file *f, struct socket *s, uaddr_t msg, int flags)
{
    AUTO_PATH start = {NULL, NULL};
    struct guest_msghdr h;
    struct socket_caller c;
    struct walk w;
    struct uio u;
    struct socket_msg m = {.data = &u, .caller = &c};
    ssize_t n = header_in(t, msg, &h, &u);

    if (n < 0) {
        return n;
    }
    if (h.name_size) {
        n = socket_addr_in(t, h.name, h.name_size, &m.addr);
    }
    if (n == 0 && h.control_size > INT_MAX) {
        n = -ENOBUFS;
    }
    if (n == 0 && s->ops->may_send) {
        n = s->ops->may_send(s);
    }
    if (n == 0) {
        n = socket_control_in(t, s, h.control, h.control_size, &m.scm);
    }
    if (n == 0) {
        n = socket_caller_walk(t, &c, &w, &start);
    }
    if (n == 0) {
        m.flags = msg_flags(f, flags);
        n = send_result(t, s, m.flags, s->ops->send(s, &m));
    }
    scm_put(&m.scm);
    uio_free(&u);
    return n;
}

/* Address, control messages and flags back into the guest's header. */
static int header_out(struct task *t, const struct socket *s, uaddr_t msg,
                      const struct guest_msghdr *h, struct socket_msg *m)
{
    const uint64_t used = socket_control_out(t, s, h->control, h->control_size, m);
    const uint32_t out_flags = m->out_flags | (m->flags & MSG_CMSG_CLOEXEC);
    int r = 0;

    if (h->name) {
        r = socket_addr_out(t, &m->addr, h->name, msg + offsetof(struct guest_msghdr, name_size));
    }
    if (r == 0) {
        r = put_user(t->mm, msg + offsetof(struct guest_msghdr, flags), &out_flags);
    }
    if (r == 0) {
        r = put_user(t->mm, msg + offsetof(struct guest_msghdr, control_size), &used);
    }
    return r;
}

static ssize_t receive_one(struct task *t, struct file *f, struct socket *s, uaddr_t msg, int flags)
{
    struct guest_msghdr h;
    struct socket_caller c;
    struct uio u;
    struct socket_msg m = {.data = &u, .caller = &c, .flags = msg_flags(f, flags)};
    ssize_t n = header_in(t, msg, &h, &u);

    if (n < 0) {
        return n;
    }
    socket_caller_init(t, &c);
    n = s->ops->receive(s, &m);
    uio_free(&u);
    if (n >= 0) {
        int r = header_out(t, s, msg, &h, &m);
        n = r < 0 ? r : n;
    }
    scm_put(&m.scm);
    return n;
}

long sys_sendmsg(struct task *t, int sockfd, uaddr_t msg, int flags)
{
    AUTO_PUT(file) f = NULL;
    struct socket *s;

    if (flags & MSG_CMSG_COMPAT) {
        return -EINVAL;
    }
    int r = socket_in(t, sockfd, &f, &s);

    return r < 0 ? r : send_one(t, f, s, msg, flags);
}

long sys_recvmsg(struct task *t, int sockfd, uaddr_t msg, int flags)
{
    AUTO_PUT(file) f = NULL;
    struct socket *s;

    if (flags & MSG_CMSG_COMPAT) {
        return -EINVAL;
    }
    int r = socket_in(t, sockfd, &f, &s);

    return r < 0 ? r : receive_one(t, f, s, msg, flags);
}

/* --- several --- */

long sys_sendmmsg(struct task *t, int sockfd, uaddr_t msgvec, unsigned vlen, int flags)
{
    AUTO_PUT(file) f = NULL;
    struct socket *s;
    unsigned done;
    if (flags & MSG_CMSG_COMPAT) {
        return -EINVAL;
    }
    ssize_t n = socket_in(t, sockfd, &f, &s);

    if (n < 0) {
        return n;
    }
    vlen = MIN(vlen, (unsigned)UIO_MAXIOV);
    for (done = 0; done < vlen; done++) {
        uaddr_t msg = msgvec + done * sizeof(struct guest_mmsghdr);
        n = send_one(t, f, s, msg, flags);
        if (n >= 0) {
            const uint32_t size = (uint32_t)n;
            n = put_user(t->mm, msg + offsetof(struct guest_mmsghdr, size), &size);
        }
        if (n < 0) {
            break;
        }
    }
    return done ? (long)done : n;
}

/* Linux looks at the time only between messages: one that never comes is waited for without limit. */
static long receive_many(struct task *t, struct file *f, struct socket *s, uaddr_t msgvec,
                         unsigned vlen, int flags, int64_t deadline_ns)
{
    unsigned done;
    ssize_t n = socket_take_error(s);

    for (done = 0; n >= 0 && done < vlen; done++) {
        uaddr_t msg = msgvec + done * sizeof(struct guest_mmsghdr);
        n = receive_one(t, f, s, msg, flags & ~MSG_WAITFORONE);
        if (n >= 0) {
            const uint32_t size = (uint32_t)n;
            n = put_user(t->mm, msg + offsetof(struct guest_mmsghdr, size), &size);
        }
        if (n < 0) {
            break;
        }
        if (flags & MSG_WAITFORONE) {
            flags |= MSG_DONTWAIT;
        }
        if (deadline_ns != WAIT_FOREVER && ktime_monotonic_ns() >= deadline_ns) {
            done++;
            break;
        }
    }
    if (done && n < 0 && n != -EAGAIN) {
        s->error = (int)-n; /* the next call reports it */
    }
    return done ? (long)done : n;
}

long sys_recvmmsg(struct task *t, int sockfd, uaddr_t msgvec, unsigned vlen, int flags,
                  uaddr_t timeout)
{
    AUTO_PUT(file) f = NULL;
    struct socket *s;
    int64_t deadline_ns, left;

    if (flags & MSG_CMSG_COMPAT) {
        return -EINVAL;
    }
    int r = deadline_in_timespec(t, timeout, &deadline_ns);

    if (r == 0) {
        r = socket_in(t, sockfd, &f, &s);
    }
    if (r < 0) {
        return r;
    }
    long n = receive_many(t, f, s, msgvec, MIN(vlen, (unsigned)UIO_MAXIOV), flags, deadline_ns);
    if (n > 0 && timeout) {
        left = MAX(deadline_ns - ktime_monotonic_ns(), (int64_t)0);
        r = timespec_out(t->mm, timeout, left);
        n = r < 0 ? r : n;
    }
    return n;
}
