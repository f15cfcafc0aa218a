/*
 * Options that every socket has: getsockopt and setsockopt at SOL_SOCKET. Analogous to
 * sk_setsockopt and sk_getsockopt in Linux's net/core/sock.c. socket(7).
 *
 * Options that only a network would act on are kept and given back, as Linux does for sockets of
 * the local family.
 */
#include <string.h>

#include "sentry/base/errno.h"
#include "sentry/net/socket.h"

#ifndef SO_PASSPIDFD
#define SO_PASSPIDFD 76
#endif
#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83
#endif
#define BUFFER_MAX         4194304 /* net.core.wmem_max and rmem_max, before doubling */
#define SEND_BUFFER_MIN    4608
#define RECEIVE_BUFFER_MIN 2304

static bool *flag_option(struct socket *s, int name)
{
    switch (name) {
    case SO_DEBUG:
        return &s->debug;
    case SO_REUSEADDR:
        return &s->reuse_addr;
    case SO_REUSEPORT:
        return &s->reuse_port;
    case SO_DONTROUTE:
        return &s->dont_route;
    case SO_BROADCAST:
        return &s->broadcast;
    case SO_KEEPALIVE:
        return &s->keep_alive;
    case SO_OOBINLINE:
        return &s->oob_inline;
    case SO_PASSCRED:
        return &s->pass_cred;
    case SO_PASSPIDFD:
        return &s->pass_pidfd;
    case SO_PASSRIGHTS:
        return &s->pass_rights;
    default:
        return NULL;
    }
}

/* The kernel takes as much again for its own records. */
static int buffer_size(int asked, bool force, int least)
{
    if (!force) {
        asked = MIN(asked, BUFFER_MAX);
    }
    asked = MIN(MAX(asked, 0), INT32_MAX / 2);
    return MAX(asked * 2, least);
}

static int set_buffer(struct socket *s, const struct cred *cred, int name, int asked)
{
    bool force = name == SO_SNDBUFFORCE || name == SO_RCVBUFFORCE;

    if (force && !cred_capable(cred, CAP_NET_ADMIN)) {
        return -EPERM;
    }
    /* A size below 0 is a very large one. */
    asked = asked < 0 && !force ? BUFFER_MAX : asked;
    if (name == SO_SNDBUF || name == SO_SNDBUFFORCE) {
        s->send_buffer = buffer_size(asked, force, SEND_BUFFER_MIN);
        waitq_wake(&s->q, EPOLLOUT | EPOLLWRNORM);
    } else {
        s->receive_buffer = buffer_size(asked, force, RECEIVE_BUFFER_MIN);
    }
    return 0;
}

static int set_timeout(struct timeval *to, const void *value, size_t size)
{
    struct timeval tv;

    if (size < sizeof(tv)) {
        return -EINVAL;
    }
    memcpy(&tv, value, sizeof(tv));
    if (tv.tv_usec < 0 || tv.tv_usec >= 1000000) {
        return -EDOM;
    }
    if (tv.tv_sec < 0) {
        /* Linux: a time that has passed already. One that passes at once is the nearest thing. */
        tv = (struct timeval){.tv_usec = 1};
    }
    *to = tv;
    return 0;
}

static int set_linger(struct socket *s, const void *value, size_t size)
{
    if (size < sizeof(s->linger)) {
        return -EINVAL;
    }
    memcpy(&s->linger, value, sizeof(s->linger));
    s->linger.l_onoff = !!s->linger.l_onoff;
    return 0;
}

static int set_priority(struct socket *s, const struct cred *cred, int priority)
{
    if ((priority < 0 || priority > 6) && !cred_capable(cred, CAP_NET_ADMIN) &&
        !cred_capable(cred, CAP_NET_RAW)) {
        return -EPERM;
    }
    s->priority = priority;
    return 0;
}

static int set_mark(struct socket *s, const struct cred *cred, int mark)
{
    if (!cred_capable(cred, CAP_NET_ADMIN) && !cred_capable(cred, CAP_NET_RAW)) {
        return -EPERM;
    }
    s->mark = (uint32_t)mark;
    return 0;
}

/**
 * socket_set_option - setsockopt(2) at SOL_SOCKET.
 *
 * Errors:  -EINVAL (size, value), -EDOM (a timeout's microseconds), -EPERM, -ENOPROTOOPT: also for what
 *          can't be changed.
 * Source:  socket(7).
 */
int socket_set_option(struct socket *s, const struct cred *cred, int name, const void *value,
                      size_t size)
{
    int number;
    bool *flag = flag_option(s, name);

    if (name == SO_BINDTODEVICE) {
        return size > 0 && *(const char *)value ? -ENODEV : 0; /* there are no devices */
    }
    if (size < sizeof(number)) {
        return -EINVAL;
    }
    memcpy(&number, value, sizeof(number));
    if (flag == &s->debug && number && !cred_capable(cred, CAP_NET_ADMIN)) {
        return -EACCES;
    }
    bool local = flag == &s->pass_cred || flag == &s->pass_pidfd || flag == &s->pass_rights;
    if (flag && local && s->family != AF_UNIX) {
        return -EOPNOTSUPP;
    }
    if (flag == &s->reuse_port && number && s->family == AF_UNIX) {
        return -EOPNOTSUPP;
    }
    if (flag) {
        *flag = number != 0;
        return 0;
    }
    switch (name) {
    case SO_SNDBUF:
    case SO_SNDBUFFORCE:
    case SO_RCVBUF:
    case SO_RCVBUFFORCE:
        return set_buffer(s, cred, name, number);
    case SO_SNDTIMEO:
    case SO_SNDTIMEO_NEW:
        return set_timeout(&s->send_timeout, value, size);
    case SO_RCVTIMEO:
    case SO_RCVTIMEO_NEW:
        return set_timeout(&s->receive_timeout, value, size);
    case SO_LINGER:
        return set_linger(s, value, size);
    case SO_RCVLOWAT:
        s->receive_low = number < 0 ? INT32_MAX : MAX(number, 1);
        return 0;
    case SO_PRIORITY:
        return set_priority(s, cred, number);
    case SO_MARK:
        return set_mark(s, cred, number);
    case SO_TIMESTAMP:
    case SO_TIMESTAMPNS:
    case SO_TIMESTAMP_NEW:
    case SO_TIMESTAMPNS_NEW:
        s->timestamp = number ? name : 0;
        return 0;
    case SO_PEEK_OFF:
        s->peek_off = number;
        return 0;
    default: /* SO_TYPE, SO_PROTOCOL, SO_DOMAIN, SO_ERROR, SO_PEERCRED ... can't be changed */
        return socket_kept_set(s, cred, name, value, size);
    }
}

static int get_peer_cred(struct socket *s, void *value)
{
    const struct cred *cred = NULL;
    struct ucred u = {.pid = 0, .uid = (uid_t)-1, .gid = (gid_t)-1};
    int r = s->ops->peer_cred ? s->ops->peer_cred(s, &u.pid, &cred) : 0;

    if (r < 0) {
        return r;
    }
    if (cred) {
        u.uid = cred->euid;
        u.gid = cred->egid;
    }
    memcpy(value, &u, sizeof(u));
    return sizeof(u);
}

static int int_option(struct socket *s, int name, int *out)
{
    const bool *flag = flag_option(s, name);

    if (flag) {
        *out = *flag;
        return 0;
    }
    switch (name) {
    case SO_TYPE:
        *out = s->type;
        return 0;
    case SO_DOMAIN:
        *out = s->family;
        return 0;
    case SO_PROTOCOL:
        *out = s->protocol;
        return 0;
    case SO_ERROR:
        *out = -socket_take_error(s);
        return 0;
    case SO_ACCEPTCONN:
        *out = s->listening;
        return 0;
    case SO_SNDBUF:
        *out = s->send_buffer;
        return 0;
    case SO_RCVBUF:
        *out = s->receive_buffer;
        return 0;
    case SO_RCVLOWAT:
        *out = s->receive_low;
        return 0;
    case SO_SNDLOWAT:
        *out = 1;
        return 0;
    case SO_PRIORITY:
        *out = s->priority;
        return 0;
    case SO_MARK:
        *out = (int)s->mark;
        return 0;
    case SO_TIMESTAMP:
    case SO_TIMESTAMPNS:
    case SO_TIMESTAMP_NEW:
    case SO_TIMESTAMPNS_NEW:
        *out = s->timestamp == name;
        return 0;
    case SO_PEEK_OFF:
        *out = s->peek_off;
        return 0;
    default:
        return -ENOPROTOOPT;
    }
}

int socket_get_option(struct socket *s, int name, void *value)
{
    int number, r;

    switch (name) {
    case SO_LINGER:
        memcpy(value, &s->linger, sizeof(s->linger));
        return sizeof(s->linger);
    case SO_SNDTIMEO:
    case SO_SNDTIMEO_NEW:
        memcpy(value, &s->send_timeout, sizeof(s->send_timeout));
        return sizeof(s->send_timeout);
    case SO_RCVTIMEO:
    case SO_RCVTIMEO_NEW:
        memcpy(value, &s->receive_timeout, sizeof(s->receive_timeout));
        return sizeof(s->receive_timeout);
    case SO_PEERCRED:
        return get_peer_cred(s, value);
    default:
        r = int_option(s, name, &number);
        if (r < 0) {
            return socket_kept_get(s, name, value);
        }
        memcpy(value, &number, sizeof(number));
        return sizeof(number);
    }
}
