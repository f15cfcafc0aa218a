/*
 * Readiness of socket pairs: poll(2) and epoll(7).
 * Claims: POLLOUT until the buffer is full, again once it is three quarters empty; POLLIN with data; POLLRDHUP and
 * POLLIN after the other end's shutdown; POLLHUP when both ways are closed; POLLERR for a reset that was not
 * read; a blocked poll, read and write wake up; EPOLLET reports each arrival once.
 */
#include "../compat.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define ALL (POLLIN | POLLOUT | POLLRDHUP | POLLPRI)

static int ready(int fd)
{
    struct pollfd p = {.fd = fd, .events = ALL};

    CHECK(poll(&p, 1, 0) >= 0);
    return p.revents;
}

static size_t fill(int fd, size_t piece)
{
    static char buf[65536];
    size_t total = 0;
    ssize_t n;

    while ((n = send(fd, buf, piece, MSG_DONTWAIT)) > 0) {
        total += (size_t)n;
    }
    CHECK(n == -1 && errno == EAGAIN);
    return total;
}

static void drain(int fd, size_t size)
{
    static char buf[65536];
    ssize_t n;

    while (size > 0 && (n = read(fd, buf, size < sizeof(buf) ? size : sizeof(buf))) > 0) {
        size -= (size_t)n;
    }
    CHECK(size == 0);
}

static void events(int type)
{
    char c;
    int s[2];

    CHECK(socketpair(AF_UNIX, type, 0, s) == 0);
    CHECK_EQ(ready(s[0]), POLLOUT);
    CHECK_EQ(write(s[1], "x", 1), 1);
    CHECK_EQ(ready(s[0]), POLLOUT | POLLIN);
    CHECK_EQ(read(s[0], &c, 1), 1);
    CHECK_EQ(ready(s[0]), POLLOUT);
    CHECK(shutdown(s[1], SHUT_WR) == 0);
    CHECK_EQ(ready(s[0]), POLLOUT | POLLIN | POLLRDHUP);
    CHECK_EQ(ready(s[1]), POLLOUT);
    CHECK(shutdown(s[1], SHUT_RD) == 0);
    CHECK_EQ(ready(s[0]), POLLOUT | POLLIN | POLLRDHUP | POLLHUP);
    CHECK_EQ(ready(s[1]), POLLOUT | POLLIN | POLLRDHUP | POLLHUP);
    close(s[1]);
    CHECK_EQ(ready(s[0]), POLLOUT | POLLIN | POLLRDHUP | POLLHUP);
    close(s[0]);
    CHECK(socketpair(AF_UNIX, type, 0, s) == 0);
    CHECK_EQ(write(s[0], "x", 1), 1);
    close(s[1]);
    CHECK_EQ(ready(s[0]), POLLOUT | POLLIN | POLLRDHUP | POLLHUP | POLLERR);
    CHECK_ERRNO(read(s[0], &c, 1), ECONNRESET);
    CHECK_EQ(ready(s[0]), POLLOUT | POLLIN | POLLRDHUP | POLLHUP);
    close(s[0]);
}

static void room(void)
{
    int s[2];
    size_t full;

    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
    CHECK_EQ(fill(s[0], 1), 278); /* each costs a buffer of its own */
    CHECK_EQ(ready(s[0]), 0);
    CHECK_EQ(ready(s[1]), POLLIN | POLLOUT);
    drain(s[1], 278);
    CHECK_EQ(ready(s[0]), POLLOUT);
    full = fill(s[0], 4096);
    CHECK_EQ(full, 180224);
    drain(s[1], full / 2);
    CHECK_EQ(ready(s[0]), 0);
    drain(s[1], full / 2 - 4096);
    CHECK_EQ(ready(s[0]), POLLOUT);
    close(s[0]);
    close(s[1]);
}

static void blocked(void)
{
    static char buf[65536];
    struct pollfd p = {.events = POLLIN};
    int s[2], status;
    size_t total = 0;
    ssize_t n;

    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        close(s[0]);
        usleep(30000);
        for (int i = 0; i < 32; i++) {
            CHECK_EQ(write(s[1], buf, sizeof(buf)),
                     sizeof(buf)); /* 2 MiB: it has to wait for the reader */
        }
        _exit(0);
    }
    close(s[1]);
    p.fd = s[0];
    CHECK_EQ(poll(&p, 1, 10000), 1);
    CHECK_EQ(p.revents, POLLIN);
    while ((n = read(s[0], buf, 10000)) > 0) {
        total += (size_t)n;
    }
    CHECK_EQ(n, 0);
    CHECK_EQ(total, 32 * sizeof(buf));
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
}

static void edges(void)
{
    struct epoll_event e = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET};
    int ep = epoll_create1(0), s[2];

    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
    CHECK(epoll_ctl(ep, EPOLL_CTL_ADD, s[0], &e) == 0);
    CHECK_EQ(epoll_wait(ep, &e, 1, 0), 1);
    CHECK_EQ(e.events, EPOLLOUT);
    CHECK_EQ(epoll_wait(ep, &e, 1, 0), 0);
    CHECK(write(s[1], "x", 1) == 1);
    CHECK_EQ(epoll_wait(ep, &e, 1, 0), 1);
    CHECK_EQ(e.events, EPOLLIN | EPOLLOUT);
    CHECK_EQ(epoll_wait(ep, &e, 1, 0), 0);
    CHECK(write(s[1], "x", 1) == 1);
    CHECK_EQ(epoll_wait(ep, &e, 1, 0), 1);
    CHECK(close(s[1]) == 0);
    CHECK_EQ(epoll_wait(ep, &e, 1, 0), 1);
    CHECK_EQ(e.events, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLHUP);
}

int main(void)
{
    events(SOCK_STREAM);
    events(SOCK_SEQPACKET);
    room();
    blocked();
    edges();
    return 0;
}
