/*
 * socket(2).
 * Claims: flags and types are checked in Linux's order; a fresh socket says ENOTCONN, or EINVAL to a stream's read;
 * poll shows POLLOUT|POLLHUP for streams and POLLOUT for datagrams; socket calls on other files give ENOTSOCK and on bad numbers EBADF;
 * open(2) of a socket's name gives ENXIO; /proc/self/fd shows socket:[inode].
 */
#include "../compat.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

static int ready(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN | POLLOUT | POLLRDHUP};

    CHECK(poll(&p, 1, 0) >= 0);
    return p.revents;
}

static void kinds(void)
{
    CHECK_ERRNO(socket(-1, SOCK_STREAM, 0), EAFNOSUPPORT);
    CHECK_ERRNO(socket(9999, SOCK_STREAM, 0), EAFNOSUPPORT);
    CHECK_ERRNO(socket(AF_UNIX, 11, 0), EINVAL);
    CHECK_ERRNO(socket(AF_UNIX, SOCK_STREAM | 0x40, 0), EINVAL);
    CHECK_ERRNO(socket(9999, SOCK_STREAM | 0x40, 0), EINVAL);
    CHECK_ERRNO(socket(9999, 15, 0), EAFNOSUPPORT);
    CHECK_ERRNO(socket(AF_UNIX, 0, 0), ESOCKTNOSUPPORT);
    CHECK_ERRNO(socket(AF_UNIX, SOCK_RDM, 0), ESOCKTNOSUPPORT);
    CHECK_ERRNO(socket(AF_UNIX, SOCK_STREAM, 7), EPROTONOSUPPORT);
}

static void fresh(void)
{
    char c, path[64], link[64], name[64];
    int s = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, PF_UNIX);
    int d = socket(AF_UNIX, SOCK_DGRAM, 0), q = socket(AF_UNIX, SOCK_SEQPACKET, 0);
    int raw = socket(AF_UNIX, SOCK_RAW, 0), type;
    socklen_t size = sizeof(type);
    struct stat st;
    ssize_t n;

    CHECK(s >= 0 && d >= 0 && q >= 0 && raw >= 0);
    CHECK(getsockopt(raw, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_DGRAM);
    CHECK_EQ(fcntl(s, F_GETFL), O_RDWR | O_NONBLOCK);
    CHECK_EQ(fcntl(s, F_GETFD), FD_CLOEXEC);
    CHECK_EQ(fcntl(d, F_GETFD), 0);
    CHECK_EQ(ready(s), POLLOUT | POLLHUP);
    CHECK_EQ(ready(q), POLLOUT | POLLHUP);
    CHECK_EQ(ready(d), POLLOUT);
    CHECK_ERRNO(read(s, &c, 1), EINVAL);
    CHECK_ERRNO(write(s, &c, 1), ENOTCONN);
    CHECK_ERRNO(read(q, &c, 1), ENOTCONN);
    CHECK_ERRNO(write(q, &c, 1), ENOTCONN);
    CHECK_ERRNO(write(d, &c, 1), ENOTCONN);
    CHECK_ERRNO(recv(d, &c, 1, MSG_DONTWAIT), EAGAIN);
    CHECK_ERRNO(recv(d, &c, 1, MSG_DONTWAIT | MSG_OOB), EOPNOTSUPP);
    CHECK(fstat(s, &st) == 0);
    snprintf(name, sizeof(name), "socket:[%lu]", (unsigned long)st.st_ino);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", s);
    n = readlink(path, link, sizeof(link));
    CHECK(n == (ssize_t)strlen(name) && memcmp(link, name, (size_t)n) == 0);
    CHECK_ERRNO(open(path, O_RDWR), ENXIO);
}

static void others(void)
{
    int file = open("/dev/null", O_RDWR), path = open("/", O_PATH), v;
    socklen_t size = sizeof(v);
    struct sockaddr_un a = {.sun_family = AF_UNIX, .sun_path = "x"};
    struct msghdr m = {0};

    CHECK_ERRNO(listen(file, 1), ENOTSOCK);
    CHECK_ERRNO(bind(file, (void *)&a, sizeof(a)), ENOTSOCK);
    CHECK_ERRNO(connect(file, (void *)&a, sizeof(a)), ENOTSOCK);
    CHECK_ERRNO(accept(file, NULL, NULL), ENOTSOCK);
    CHECK_ERRNO(shutdown(file, 0), ENOTSOCK);
    CHECK_ERRNO(send(file, "x", 1, 0), ENOTSOCK);
    CHECK_ERRNO(recv(file, &v, 1, 0), ENOTSOCK);
    CHECK_ERRNO(sendmsg(file, &m, 0), ENOTSOCK);
    CHECK_ERRNO(recvmsg(file, &m, 0), ENOTSOCK);
    CHECK_ERRNO(getsockname(file, (void *)&a, &size), ENOTSOCK);
    CHECK_ERRNO(getsockopt(file, SOL_SOCKET, SO_TYPE, &v, &size), ENOTSOCK);
    CHECK_ERRNO(listen(-1, 1), EBADF);
    CHECK_ERRNO(listen(path, 1), EBADF);
    CHECK_ERRNO(recv(999, &v, 1, 0), EBADF);
    CHECK_ERRNO(accept4(-1, NULL, NULL, 1), EBADF);
    CHECK_ERRNO(accept4(file, NULL, NULL, 1), EINVAL);
}

int main(void)
{
    kinds();
    fresh();
    others();
    return 0;
}
