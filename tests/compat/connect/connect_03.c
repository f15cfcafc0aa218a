/*
 * connect(2) of datagram sockets.
 * Claims: it sets and changes where send goes; AF_UNSPEC ends it; a socket that is connected elsewhere gives EPERM; a queue of
 * datagrams from strangers is limited (EAGAIN, no POLLOUT, POLLOUT again when it is read); a peer that closed is ECONNREFUSED once; recvfrom
 * names the sender.
 */
#include "../compat.h"

#include <poll.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

static struct sockaddr_un addr(const char *path)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};

    strcpy(a.sun_path, path);
    return a;
}

static int named(const char *path)
{
    struct sockaddr_un a = addr(path);
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

    CHECK(fd >= 0 && (!*path || bind(fd, (void *)&a, sizeof(a)) == 0));
    return fd;
}

static int to(int fd, const char *path)
{
    struct sockaddr_un a = addr(path);

    return connect(fd, (void *)&a, sizeof(a));
}

static int ready(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN | POLLOUT};

    CHECK(poll(&p, 1, 0) >= 0);
    return p.revents;
}

int main(void)
{
    struct sockaddr_un from, a;
    socklen_t size = sizeof(from);
    char buf[8];
    int sent, x, y, z, c, status;

    compat_tmpdir();
    x = named("x");
    y = named("y");
    z = named("");
    CHECK(to(z, "x") == 0 && send(z, "1", 1, 0) == 1);
    CHECK(to(z, "y") == 0 && send(z, "2", 1, 0) == 1);
    CHECK(recvfrom(x, buf, 8, 0, (void *)&from, &size) == 1 && size == 0 && buf[0] == '1');
    CHECK(recv(y, buf, 8, 0) == 1 && buf[0] == '2');
    a = addr("x");
    CHECK_EQ(sendto(y, "3", 1, 0, (void *)&a, sizeof(a)), 1);
    size = sizeof(from);
    CHECK(recvfrom(x, buf, 8, 0, (void *)&from, &size) == 1 && strcmp(from.sun_path, "y") == 0);
    a.sun_family = AF_UNSPEC;
    CHECK(connect(z, (void *)&a, sizeof(a)) == 0);
    CHECK_ERRNO(send(z, "x", 1, 0), ENOTCONN);
    /* x talks to y only */
    CHECK(to(x, "y") == 0);
    CHECK_ERRNO(to(z, "x"), EPERM);
    a = addr("x");
    CHECK_ERRNO(sendto(z, "x", 1, 0, (void *)&a, sizeof(a)), EPERM);
    CHECK_ERRNO(sendto(z, "x", 1, 0, (void *)&a, 2), EINVAL);
    a = addr("none");
    CHECK_ERRNO(sendto(z, "x", 1, 0, (void *)&a, sizeof(a)), ENOENT);

    CHECK(to(z, "y") == 0);
    for (sent = 0; send(z, "m", 1, MSG_DONTWAIT) == 1; sent++) {
        CHECK(sent < 200);
    }
    CHECK(errno == EAGAIN && sent > 0);
    CHECK_EQ(ready(z), 0);
    CHECK_EQ(ready(y), POLLIN | POLLOUT);
    CHECK_EQ(recv(y, buf, 8, 0), 1);
    CHECK_EQ(ready(z), POLLOUT);
    CHECK_EQ(send(z, "m", 1, MSG_DONTWAIT), 1);
    /* poll and send sleep until there is room */
    if (fork() == 0) {
        for (int i = 0; i < 2; i++) {
            usleep(30000);
            CHECK(recv(y, buf, 8, 0) == 1);
        }
        _exit(0);
    }
    struct pollfd p = {.fd = z, .events = POLLOUT};
    CHECK_EQ(poll(&p, 1, 10000), 1);
    CHECK_EQ(send(z, "m", 1, 0), 1);
    CHECK_EQ(send(z, "m", 1, 0), 1);
    CHECK(wait(&status) > 0 && status == 0);

    c = named("c");
    CHECK(to(z, "c") == 0);
    close(c);
    CHECK_ERRNO(send(z, "x", 1, 0), ECONNREFUSED);
    CHECK_ERRNO(send(z, "x", 1, 0), ENOTCONN);
    CHECK_ERRNO(to(z, "c"), ECONNREFUSED);
    /* what the old peer sent is lost, and it is told */
    int s[2];
    CHECK(socketpair(AF_UNIX, SOCK_DGRAM, 0, s) == 0 && send(s[0], "x", 1, 0) == 1);
    a.sun_family = AF_UNSPEC;
    CHECK(connect(s[1], (void *)&a, sizeof(a)) == 0);
    CHECK_ERRNO(recv(s[1], buf, 8, MSG_DONTWAIT), EAGAIN);
    CHECK_ERRNO(recv(s[0], buf, 8, MSG_DONTWAIT), ECONNRESET);
    return 0;
}
