/* getsockopt(2) and setsockopt(2): moving values; their meaning is sentry/net/socket_option.c. */
#include <string.h>

#include "sentry/base/errno.h"
#include "syscalls/socket.h"
#include "syscalls/syscalls.h"

long sys_setsockopt(struct task *t, int sockfd, int level, int optname, uaddr_t optval, int optlen)
{
    AUTO_PUT(file) f = NULL;
    struct socket *s;
    char value[SOCKET_OPTION_MAX] = {0};

    if (optlen < 0) {
        return -EINVAL;
    }
    int r = socket_in(t, sockfd, &f, &s);
    if (r < 0) {
        return r;
    }
    if (level != SOL_SOCKET) {
        return -EOPNOTSUPP; /* of the local family: there is nothing below */
    }
    if ((size_t)optlen < sizeof(int)) {
        return -EINVAL;
    }
    size_t size = MIN((size_t)optlen, sizeof(value));
    r = copy_in(t->mm, value, optval, size);
    return r < 0 ? r : socket_set_option(s, t->cred, optname, value, size);
}

/* The supplementary groups of the other end: as many as there are, or none at all. */
static long get_peer_groups(struct task *t, struct socket *s, uaddr_t optval, int room,
                            uaddr_t optlen)
{
    const struct cred *cred = NULL;
    int pid;
    int r = s->ops->peer_cred ? s->ops->peer_cred(s, &pid, &cred) : -ENOPROTOOPT;

    if (r < 0) {
        return r;
    }
    if (!cred) {
        return -ENODATA;
    }
    const int size = (int)(cred->group_count * sizeof(cred->groups[0]));
    if (room < size) {
        r = put_user(t->mm, optlen, &size);
        return r < 0 ? r : -ERANGE;
    }
    r = size ? copy_out(t->mm, optval, cred->groups, (size_t)size) : 0;
    return r < 0 ? r : put_user(t->mm, optlen, &size);
}

long sys_getsockopt(struct task *t, int sockfd, int level, int optname, uaddr_t optval,
                    uaddr_t optlen)
{
    AUTO_PUT(file) f = NULL;
    struct socket *s;
    char value[SOCKET_OPTION_MAX];
    int room;
    int r = socket_in(t, sockfd, &f, &s);

    if (r < 0) {
        return r;
    }
    if (level != SOL_SOCKET) {
        return -EOPNOTSUPP;
    }
    r = get_user(t->mm, &room, optlen);
    if (r < 0) {
        return r;
    }
    if (room < 0) {
        return -EINVAL;
    }
    if (optname == SO_PEERGROUPS) {
        return get_peer_groups(t, s, optval, room, optlen);
    }
    int size = socket_get_option(s, optname, value);
    if (size < 0) {
        return size;
    }
    size = MIN(size, room);
    r = size ? copy_out(t->mm, optval, value, (size_t)size) : 0;
    return r < 0 ? r : put_user(t->mm, optlen, &size);
}
