/*
 * When a local socket can be written: while less than a quarter of SO_SNDBUF is under way. The end of a datagram socket is no news to its peer,
 * which had room.
 */
#include "../compat.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define SMALL_CHARGE 768 /* what a small message counts */

static int writable(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    return poll(&p, 1, 0);
}

int main(void)
{
    int s[2], size = 2 * SMALL_CHARGE * 4 / 2;
    CHECK_EQ(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, s), 0);
    CHECK_EQ(setsockopt(s[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)), 0);
    CHECK_EQ(send(s[0], "a", 1, 0), 1);
    CHECK_EQ(writable(s[0]), 1);
    CHECK_EQ(send(s[0], "a", 1, 0), 1);
    CHECK_EQ(writable(s[0]), 0);

    struct epoll_event e = {.events = EPOLLIN | EPOLLOUT | EPOLLET};
    CHECK_EQ(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, s), 0);
    int set = epoll_create1(0);
    CHECK_EQ(epoll_ctl(set, EPOLL_CTL_ADD, s[1], &e), 0);
    CHECK_EQ(epoll_wait(set, &e, 1, 0), 1);
    CHECK_EQ(epoll_wait(set, &e, 1, 0), 0);
    CHECK_EQ(close(s[0]), 0);
    CHECK_EQ(epoll_wait(set, &e, 1, 0), 0);
    CHECK_ERRNO(send(s[1], "a", 1, 0), ECONNREFUSED);
    return 0;
}
