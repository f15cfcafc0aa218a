/*
 * connect(2), listen(2), accept(2) of local streams and packets.
 * Claims: a connection carries data before it is accepted; names of both ends are as unix(7) says; EISCONN, EINVAL, ECONNREFUSED,
 * ENOENT, EPROTOTYPE, EACCES where Linux gives them; what the listener never accepted is ECONNRESET; accept on what does not
 * listen is EINVAL, on datagrams EOPNOTSUPP; listen needs a name; the listener's poll shows POLLIN while a connection waits.
 */
#include "../compat.h"

#include <poll.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

#define OFFSET offsetof(struct sockaddr_un, sun_path)

static struct sockaddr_un addr(const char *path)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};

    strcpy(a.sun_path, path);
    return a;
}

static int to(int fd, const char *path)
{
    struct sockaddr_un a = addr(path);

    return connect(fd, (void *)&a, sizeof(a));
}

static int listener(int type, const char *path, int backlog)
{
    struct sockaddr_un a = addr(path);
    int fd = socket(AF_UNIX, type, 0);

    CHECK(fd >= 0 && bind(fd, (void *)&a, sizeof(a)) == 0);
    CHECK(listen(fd, backlog) == 0);
    return fd;
}

static int ready(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN | POLLOUT | POLLRDHUP};

    CHECK(poll(&p, 1, 0) >= 0);
    return p.revents;
}

static void connection(int type)
{
    struct sockaddr_un a;
    socklen_t size = sizeof(a);
    char buf[8];
    int l = listener(type, "l", 5), c = socket(AF_UNIX, type, 0), s, v;

    CHECK_EQ(ready(l), 0);
    CHECK_ERRNO(getpeername(c, (void *)&a, &size), ENOTCONN);
    CHECK(to(c, "l") == 0);
    CHECK_ERRNO(to(c, "l"), EISCONN);
    CHECK_EQ(ready(l), POLLIN);
    CHECK_EQ(write(c, "early", 5), 5);
    CHECK(getpeername(c, (void *)&a, &size) == 0 && size == OFFSET + 2 &&
          strcmp(a.sun_path, "l") == 0);
    memset(&a, 'x', sizeof(a));
    size = sizeof(a);
    s = accept4(l, (void *)&a, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    CHECK(s >= 0 && size == 2 && a.sun_family == AF_UNIX);
    CHECK_EQ(fcntl(s, F_GETFL), O_RDWR | O_NONBLOCK);
    CHECK_EQ(fcntl(s, F_GETFD), FD_CLOEXEC);
    size = sizeof(a);
    CHECK(getsockname(s, (void *)&a, &size) == 0 && size == OFFSET + 2 &&
          strcmp(a.sun_path, "l") == 0);
    CHECK_EQ(read(s, buf, sizeof(buf)), 5);
    CHECK_EQ(write(s, "late", 4), 4);
    size = sizeof(a);
    CHECK_EQ(recvfrom(c, buf, sizeof(buf), 0, (void *)&a, &size), 4);
    CHECK_EQ(size, OFFSET + 2);
    size = sizeof(v);
    CHECK(getsockopt(l, SOL_SOCKET, SO_ACCEPTCONN, &v, &size) == 0 && v == 1);
    CHECK(getsockopt(s, SOL_SOCKET, SO_ACCEPTCONN, &v, &size) == 0 && v == 0);
    CHECK_EQ(ready(l), 0);
    CHECK_ERRNO(to(l, "l"), EINVAL);
    CHECK_ERRNO(listen(c, 5), EINVAL);
    CHECK_ERRNO(accept(c, NULL, NULL), EINVAL);
    if (type == SOCK_STREAM) {
        CHECK_ERRNO(sendto(c, "x", 1, 0, (void *)&a, sizeof(a)), EISCONN);
        CHECK_ERRNO(read(l, buf, 1), EINVAL);
    } else {
        CHECK_EQ(sendto(c, "x", 1, 0, (void *)&a, sizeof(a)), 1); /* ignored */
        CHECK_ERRNO(read(l, buf, 1), ENOTCONN);
    }
    close(c);
    close(s);
    c = socket(AF_UNIX, type, 0);
    CHECK(to(c, "l") == 0);
    close(l);
    CHECK_EQ(ready(c), POLLIN | POLLOUT | POLLRDHUP | POLLHUP | POLLERR);
    CHECK_ERRNO(read(c, buf, 1), ECONNRESET);
    CHECK_EQ(read(c, buf, 1), 0);
    close(c);
    CHECK(unlink("l") == 0);
}

static void errors(void)
{
    struct sockaddr_un a = addr("d");
    int c = socket(AF_UNIX, SOCK_STREAM, 0), d = socket(AF_UNIX, SOCK_DGRAM, 0);
    int b = socket(AF_UNIX, SOCK_STREAM, 0);

    CHECK_ERRNO(to(c, "none"), ENOENT);
    compat_file("plain", "");
    CHECK_ERRNO(to(c, "plain"), ECONNREFUSED);
    CHECK_ERRNO(to(c, "plain/x"), ENOTDIR);
    CHECK(mknod("dead", S_IFSOCK | 0777, 0) == 0);
    CHECK_ERRNO(to(c, "dead"), ECONNREFUSED);
    CHECK(bind(d, (void *)&a, sizeof(a)) == 0);
    CHECK_ERRNO(to(c, "d"), EPROTOTYPE);
    CHECK_ERRNO(listen(d, 1), EOPNOTSUPP);
    CHECK_ERRNO(accept(d, NULL, NULL), EOPNOTSUPP);
    CHECK_ERRNO(listen(b, 1), EINVAL); /* it has no name */
    CHECK_ERRNO(accept(b, NULL, NULL), EINVAL);
    a = addr("b");
    CHECK(bind(b, (void *)&a, sizeof(a)) == 0);
    CHECK_ERRNO(to(c, "b"), ECONNREFUSED); /* it does not listen */
    a.sun_family = AF_UNSPEC;
    CHECK_ERRNO(connect(c, (void *)&a, sizeof(a)), EINVAL);
    CHECK_ERRNO(connect(c, (void *)&a, 1), EINVAL);
    CHECK_ERRNO(connect(c, (void *)16, sizeof(a)), EFAULT);
    memset(&a, 0, sizeof(a));
    a.sun_family = AF_UNIX;
    strcpy(a.sun_path + 1, "compat: nobody has this name");
    CHECK_ERRNO(connect(c, (void *)&a, sizeof(a)), ECONNREFUSED);
    CHECK(listen(b, 1) == 0);
    CHECK(shutdown(b, SHUT_RD) == 0);
    CHECK_ERRNO(to(c, "b"), ECONNREFUSED);
    CHECK_ERRNO(accept(b, NULL, NULL), EINVAL);
}

static int no_permission(void)
{
    int c = socket(AF_UNIX, SOCK_STREAM, 0);

    CHECK(setgid(1000) == 0 && setuid(1000) == 0);
    CHECK_ERRNO(to(c, "secret"), EACCES);
    CHECK(to(c, "public") == 0);
    return 0;
}

int main(void)
{
    const char *dir = compat_tmpdir();

    connection(SOCK_STREAM);
    connection(SOCK_SEQPACKET);
    errors();
    if (geteuid() == 0) {
        CHECK(chmod(dir, 0755) == 0);
        listener(SOCK_STREAM, "secret", 1);
        listener(SOCK_STREAM, "public", 1);
        CHECK(chmod("secret", 0755) == 0 && chmod("public", 0777) == 0);
        CHECK_EQ(compat_child(no_permission), 0);
    }
    return 0;
}
