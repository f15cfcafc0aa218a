/* getsockopt(2) and setsockopt(2): moving values; their meaning is sentry/net/socket_option.c. */
#include <string.h>

#include "sentry/base/errno.h"
#include "sentry/task/pidfd.h"
#include "syscalls/socket.h"
#include "syscalls/syscalls.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

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
    if ((size_t)optlen < sizeof(int) && optname != SO_BINDTODEVICE) {
        return -EINVAL;
    }
    size_t size = MIN((size_t)optlen, sizeof(value));
    r = copy_in(t->mm, value, optval, size);
    return r < 0 ? r : socket_set_option(s, t->cred, optname, value, size);
}

/* Who is, or was, at the other end. Errors: -ENOPROTOOPT; -ENODATA: nobody. */
static int peer_of(struct socket *s, int *out_pid, const struct cred **out_cred)
{
    *out_cred = NULL;
    int r = s->ops->peer_cred ? s->ops->peer_cred(s, out_pid, out_cred) : -ENOPROTOOPT;
    return r < 0 ? r : *out_cred ? 0 : -ENODATA;
}

/* The supplementary groups of the other end: as many as there are, or none at all. */
static long get_peer_groups(struct task *t, struct socket *s, uaddr_t optval, int room,
                            uaddr_t optlen)
{
    const struct cred *cred;
    int pid;
    int r = peer_of(s, &pid, &cred);

    if (r < 0) {
        return r;
    }
    const int size = (int)(cred->group_count * sizeof(cred->groups[0]));
    if (room < size) {
        r = put_user(t->mm, optlen, &size);
        return r < 0 ? r : -ERANGE;
    }
    r = size ? copy_out(t->mm, optval, cred->groups, (size_t)size) : 0;
    return r < 0 ? r : put_user(t->mm, optlen, &size);
}

long socket_pidfd(struct task *t, int pid)
{
    AUTO_PUT(file) f = NULL;
    AUTO_PUT(task) of = task_find(pid);
    int r = of ? pidfd_new(of, 0, t->cred, &f) : -ESRCH;
    return r < 0 ? r : fd_table_install(t->files, f, 0, fd_limit(t), true);
}

/*
 * DEVIATION: of a process that is gone there is no pidfd (ESRCH), or that of the next process with its number; Linux has them since 6.16.
 */
static long get_peer_pidfd(struct task *t, struct socket *s, uaddr_t optval, int room,
                           uaddr_t optlen)
{
    const struct cred *cred;
    const int size = MIN(room, (int)sizeof(int));
    int pid;
    int r = peer_of(s, &pid, &cred);

    if (r < 0) {
        return r;
    }
    const int fd = (int)socket_pidfd(t, pid);
    if (fd < 0) {
        return fd;
    }
    r = size ? copy_out(t->mm, optval, &fd, (size_t)size) : 0;
    r = r < 0 ? r : put_user(t->mm, optlen, &size);
    if (r < 0) {
        int closed = fd_table_close(t->files, fd);
        (void)closed; /* another thread was faster */
    }
    return r;
}

/* The other end's address, of which exactly room bytes are copied. */
static long get_peer_name(struct task *t, struct socket *s, uaddr_t optval, int room,
                          uaddr_t optlen)
{
    struct socket_addr a;

    if (s->ops->name(s, true, &a) < 0) {
        return -ENOTCONN;
    }
    if ((int)a.size < room) {
        return -EINVAL;
    }
    int r = room ? copy_out(t->mm, optval, a.bytes, (size_t)room) : 0;
    return r < 0 ? r : put_user(t->mm, optlen, &room);
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
    if (optname == SO_PEERPIDFD) {
        return get_peer_pidfd(t, s, optval, room, optlen);
    }
    if (optname == SO_PEERNAME) {
        return get_peer_name(t, s, optval, room, optlen);
    }
    if ((optname == SO_COOKIE && room < 8) || (optname == SO_NETNS_COOKIE && room != 8)) {
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
