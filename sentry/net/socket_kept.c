/*
 * Options at SOL_SOCKET that a local socket keeps and gives back, and that change nothing there: on Linux, too, they are for
 * networks and their devices. Analogous to the same places of sk_setsockopt and sk_getsockopt in net/core/sock.c.
 */
#include <linux/net_tstamp.h>
#include <string.h>

#include "sentry/base/errno.h"
#include "sentry/net/socket.h"

/* Newer than the C library. */
#ifndef SO_DETACH_REUSEPORT_BPF
#define SO_DETACH_REUSEPORT_BPF 68
#endif
#ifndef SO_PREFER_BUSY_POLL
#define SO_PREFER_BUSY_POLL 69
#endif
#ifndef SO_BUF_LOCK
#define SO_BUF_LOCK 72
#endif
#ifndef SO_RESERVE_MEM
#define SO_RESERVE_MEM 73
#endif
#ifndef SO_RCVMARK
#define SO_RCVMARK 75
#endif
#define SO_RCVPRIORITY_ 82

#define STAMPING_KNOWN    ((1 << 19) - 1) /* SOF_TIMESTAMPING_*, of Linux 6.18 */
#define STAMPING_OPT_ID_2 (1 << 16)       /* SOF_TIMESTAMPING_OPT_ID_TCP */
#define BPF_EXTENSIONS    64              /* Linux's SKF_AD_MAX */

static const int g_flags[] = {SO_NO_CHECK, SO_PASSSEC,          SO_RXQ_OVFL,    SO_WIFI_STATUS,
                              SO_NOFCS,    SO_SELECT_ERR_QUEUE, SO_LOCK_FILTER, SO_PREFER_BUSY_POLL,
                              SO_RCVMARK,  SO_RCVPRIORITY_};

/* The flag's bit in kept.flags; 0: it is none of them. */
static uint32_t flag_bit(int name)
{
    for (size_t i = 0; i < ARRAY_COUNT(g_flags); i++) {
        if (g_flags[i] == name) {
            return 1u << i;
        }
    }
    return 0;
}

static bool is_net_admin(const struct cred *cred)
{
    return cred_capable(cred, CAP_NET_ADMIN);
}

static int set_flag(struct socket *s, const struct cred *cred, int name, bool on)
{
    const uint32_t bit = flag_bit(name);
    const bool raw = is_net_admin(cred) || cred_capable(cred, CAP_NET_RAW);
    if (((name == SO_RCVMARK || name == SO_RCVPRIORITY_) && !raw) ||
        (name == SO_PREFER_BUSY_POLL && on && !is_net_admin(cred)) ||
        (name == SO_LOCK_FILTER && !on && s->kept.flags & bit)) {
        return -EPERM;
    }
    s->kept.flags = on ? s->kept.flags | bit : s->kept.flags & ~bit;
    return 0;
}

static int set_stamping(struct socket *s, int flags)
{
    if (flags & ~STAMPING_KNOWN ||
        (flags & STAMPING_OPT_ID_2 && !(flags & SOF_TIMESTAMPING_OPT_ID)) ||
        (flags & SOF_TIMESTAMPING_OPT_STATS && !(flags & SOF_TIMESTAMPING_OPT_TSONLY))) {
        return -EINVAL;
    }
    s->kept.stamping = flags;
    return 0;
}

static int set_busy_poll(struct socket *s, const struct cred *cred, int us)
{
    if (us < 0) {
        return -EINVAL;
    }
    if (us > s->kept.busy_poll && !is_net_admin(cred)) {
        return -EPERM;
    }
    s->kept.busy_poll = us;
    return 0;
}

int socket_kept_set(struct socket *s, const struct cred *cred, int name, const void *value,
                    size_t size)
{
    int number;
    memcpy(&number, value, sizeof(number)); /* there are so many bytes */
    if (flag_bit(name)) {
        return set_flag(s, cred, name, number);
    }
    switch (name) {
    case SO_BSDCOMPAT:
        return 0; /* obsolete: not even kept */
    case SO_DETACH_FILTER:
        return -ENOENT; /* none can be attached */
    case SO_INCOMING_CPU:
        s->kept.incoming_cpu = number;
        return 0;
    case SO_BINDTOIFINDEX:
        if (number < 0) {
            return -EINVAL;
        }
        s->kept.bound_index = number;
        return 0;
    case SO_TIMESTAMPING:
    case SO_TIMESTAMPING_NEW:
        return set_stamping(s, number);
    case SO_BUSY_POLL:
        return set_busy_poll(s, cred, number);
    case SO_MAX_PACING_RATE:
        s->kept.pacing = number == -1 ? UINT64_MAX : (unsigned)number;
        if (size == sizeof(s->kept.pacing)) {
            memcpy(&s->kept.pacing, value, size);
        }
        return 0;
    case SO_BUF_LOCK:
        if (number & ~3) {
            return -EINVAL;
        }
        s->kept.buffer_locks = number;
        return 0;
    case SO_ZEROCOPY:
        return -EOPNOTSUPP;
    case SO_RESERVE_MEM:
        return number < 0 ? -EINVAL : -EOPNOTSUPP;
    default:
        return -ENOPROTOOPT;
    }
}

static int put(void *out, const void *value, size_t size)
{
    memcpy(out, value, size);
    return (int)size;
}

static int put_int(void *out, int number)
{
    return put(out, &number, sizeof(number));
}

/* Numbers tell sockets apart for as long as the system runs. */
static uint64_t cookie(struct socket *s)
{
    static uint64_t last;
    if (!s->cookie) {
        s->cookie = ++last;
    }
    return s->cookie;
}

int socket_kept_get(struct socket *s, int name, void *value)
{
    const uint32_t bit = flag_bit(name);
    const int stamping[2] = {s->kept.stamping, 0};
    const uint64_t number = name == SO_COOKIE ? cookie(s) : 1; /* one network namespace */
    if (bit) {
        return put_int(value, (s->kept.flags & bit) != 0);
    }
    switch (name) {
    case SO_BSDCOMPAT:
    case SO_ZEROCOPY:
    case SO_RESERVE_MEM:
    case SO_INCOMING_NAPI_ID:
        return put_int(value, 0);
    case SO_BINDTODEVICE: /* an empty name */
    case SO_ATTACH_FILTER:
        return 0;
    case SO_INCOMING_CPU:
        return put_int(value, s->kept.incoming_cpu);
    case SO_BINDTOIFINDEX:
        return put_int(value, s->kept.bound_index);
    case SO_TIMESTAMPING:
    case SO_TIMESTAMPING_NEW:
        return put(value, stamping, sizeof(stamping));
    case SO_BUSY_POLL:
        return put_int(value, s->kept.busy_poll);
    case SO_MAX_PACING_RATE:
        return put(value, &s->kept.pacing, sizeof(s->kept.pacing));
    case SO_BUF_LOCK:
        return put_int(value, s->kept.buffer_locks);
    case SO_BPF_EXTENSIONS:
        return put_int(value, BPF_EXTENSIONS);
    case SO_COOKIE:
    case SO_NETNS_COOKIE:
        return put(value, &number, sizeof(number));
    default:
        return -ENOPROTOOPT;
    }
}
