/*
 * Sockets of all families: creation, the file they are behind, waiting. Analogous to Linux's
 * net/socket.c. socket(2), socket(7).
 */
#include "sentry/net/socket.h"

#include <linux/sockios.h>
#include <sys/ioctl.h>

#include "sentry/base/errno.h"
#include "sentry/base/timer.h"

#define TYPE_COUNT 11 /* Linux's SOCK_MAX */

static const struct socket_family *g_families[AF_MAX];
static void (*g_current)(struct socket_caller *out);
static void (*g_urgent)(const struct file *f);

void socket_register(const struct socket_family *family)
{
    BUG_ON(family->family < 0 || family->family >= AF_MAX);
    g_families[family->family] = family;
}

void socket_set_caller(void (*current)(struct socket_caller *out))
{
    g_current = current;
}

void socket_set_urgent(void (*tell)(const struct file *f))
{
    g_urgent = tell;
}

void socket_tell_urgent(const struct socket *s)
{
    if (s->file && g_urgent) {
        g_urgent(s->file);
    }
}

void socket_init(struct socket *s, const struct socket_ops *ops, int family, int type, int protocol)
{
    s->ops = ops;
    s->family = family;
    s->type = type;
    s->protocol = protocol;
    s->send_buffer = s->receive_buffer = SOCKET_DEFAULT_BUFFER;
    s->receive_low = 1;
    s->pass_rights = true;
    s->peek_off = -1;
    s->kept.incoming_cpu = -1;
    s->kept.pacing = UINT64_MAX;
    waitq_init(&s->q);
}

int socket_create(const struct socket_caller *c, int family, int type, int protocol,
                  struct socket **out)
{
    if (family < 0 || family >= AF_MAX) {
        return -EAFNOSUPPORT;
    }
    if (type < 0 || type >= TYPE_COUNT) {
        return -EINVAL;
    }
    return g_families[family] ? g_families[family]->create(c, type, protocol, out) : -EAFNOSUPPORT;
}

int socket_connect_pair(const struct socket_caller *c, struct socket *a, struct socket *b)
{
    const struct socket_family *family = g_families[a->family];

    return family->pair ? family->pair(c, a, b) : -EOPNOTSUPP;
}

/* --- waiting --- */

int64_t socket_deadline(const struct timeval *timeout, bool nonblock)
{
    if (nonblock) {
        return 0;
    }
    if (timeout->tv_sec == 0 && timeout->tv_usec == 0) {
        return WAIT_FOREVER;
    }
    int64_t now = ktime_monotonic_ns(), at;
    if (__builtin_mul_overflow((int64_t)timeout->tv_sec, NSEC_PER_SEC, &at) ||
        __builtin_add_overflow(at, timeout->tv_usec * NSEC_PER_USEC, &at) ||
        __builtin_add_overflow(at, now, &at)) {
        return WAIT_FOREVER;
    }
    return at;
}

int socket_wait_error(int r, int64_t deadline_ns)
{
    if (r == -ETIMEDOUT) {
        return -EAGAIN;
    }
    return r == -ERESTARTSYS && deadline_ns != WAIT_FOREVER ? -EINTR : r;
}

int socket_sleep(struct waitq *q, uint32_t events, int64_t deadline_ns)
{
    struct waitq_entry e;

    if (deadline_ns == 0) {
        return -EAGAIN;
    }
    waitq_entry_init(&e, events | EPOLLERR | EPOLLHUP);
    waitq_add(q, &e);
    int r = waitq_sleep(WAIT_INTERRUPTIBLE, deadline_ns);
    waitq_remove(&e);
    return socket_wait_error(r, deadline_ns);
}

int socket_take_error(struct socket *s)
{
    int error = s->error;

    s->error = 0;
    return -error;
}

/* --- the file --- */

static ssize_t socket_read(struct file *f, struct uio *dst, int64_t *pos)
{
    struct socket *s = f->private;
    struct socket_caller caller = {0};
    struct socket_msg m = {.data = dst, .caller = &caller};

    (void)pos;
    if (uio_size(dst) == 0) {
        return 0;
    }
    g_current(&caller);
    m.flags = f->flags & O_NONBLOCK ? MSG_DONTWAIT : 0;
    ssize_t n = s->ops->receive(s, &m);
    scm_put(&m.scm); /* what a read does not ask for is closed */
    return n;
}

static ssize_t socket_write(struct file *f, struct uio *src, int64_t *pos)
{
    struct socket *s = f->private;
    struct socket_caller caller = {0};
    struct socket_msg m = {.data = src, .caller = &caller};

    (void)pos;
    g_current(&caller);
    m.flags =
        (f->flags & O_NONBLOCK ? MSG_DONTWAIT : 0) | (s->type == SOCK_SEQPACKET ? MSG_EOR : 0);
    return s->ops->send(s, &m);
}

static uint32_t socket_poll(struct file *f, struct waitq **out_q)
{
    struct socket *s = f->private;

    if (out_q) {
        *out_q = &s->q;
    }
    return s->ops->poll(s);
}

static long socket_ioctl(struct file *f, struct mm *mm, unsigned cmd, uaddr_t arg)
{
    struct socket *s = f->private;

    return s->ops->ioctl ? s->ops->ioctl(s, mm, cmd, arg) : -ENOTTY;
}

static void socket_release(struct file *f)
{
    struct socket *s = f->private;

    s->file = NULL;
    s->ops->release(s);
}

static const struct file_ops socket_file_ops = {
    .traits = FILE_NOWAIT,
    .read = socket_read,
    .write = socket_write,
    .poll = socket_poll,
    .llseek = no_llseek,
    .ioctl = socket_ioctl,
    .release = socket_release,
};

struct socket *file_socket(const struct file *f)
{
    return f->ops == &socket_file_ops ? f->private : NULL;
}

int socket_file(struct socket *s, const struct cred *cred, unsigned flags, struct file **out)
{
    struct inode *inode;
    int r = inode_new_anon(S_IFSOCK | 0777, cred, &inode);

    if (r == 0) {
        r = file_new_anon(&socket_file_ops, "socket:", inode, O_RDWR | (flags & O_NONBLOCK), cred,
                          s, out);
    }
    if (r < 0) {
        s->ops->release(s);
        return r;
    }
    s->file = *out;
    return 0;
}
