/*
 * epoll(7): sets in sets.
 * Claims: a set is readable while something in it is ready; circles give ELOOP; at most five sets in a row; a set that
 * watches a set sees events of what the inner one watches; EPOLLEXCLUSIVE is refused for sets, for
 * EPOLL_CTL_MOD, and with EPOLLONESHOT.
 */
#include "../compat.h"

#include <poll.h>
#include <sys/epoll.h>

int main(void)
{
    struct epoll_event e = {.events = EPOLLIN}, out[4];
    int a = epoll_create1(0), b = epoll_create1(0), p[2], chain[8];

    CHECK(pipe(p) == 0);
    CHECK(epoll_ctl(a, EPOLL_CTL_ADD, b, &e) == 0);
    CHECK_ERRNO(epoll_ctl(b, EPOLL_CTL_ADD, a, &e), ELOOP);
    CHECK(epoll_ctl(b, EPOLL_CTL_ADD, p[0], &e) == 0);
    struct pollfd pf = {a, POLLIN, 0};
    CHECK_EQ(poll(&pf, 1, 0), 0);
    CHECK(write(p[1], "x", 1) == 1);
    CHECK_EQ(poll(&pf, 1, 0), 1);
    CHECK_EQ(epoll_wait(a, out, 4, 0), 1);
    CHECK_EQ(epoll_wait(b, out, 4, 0), 1);
    CHECK(read(p[0], out, 1) == 1);
    CHECK_EQ(poll(&pf, 1, 0), 0);
    CHECK_EQ(epoll_wait(a, out, 4, 0), 0);

    for (int i = 0; i < 8; i++) {
        chain[i] = epoll_create1(0);
        CHECK(chain[i] >= 0);
    }
    for (int i = 1; i < 5; i++) {
        CHECK(epoll_ctl(chain[i], EPOLL_CTL_ADD, chain[i - 1], &e) == 0);
    }
    CHECK_ERRNO(epoll_ctl(chain[5], EPOLL_CTL_ADD, chain[4], &e), ELOOP);
    CHECK_ERRNO(epoll_ctl(chain[0], EPOLL_CTL_ADD, chain[6], &e), ELOOP);
    CHECK_ERRNO(epoll_ctl(chain[0], EPOLL_CTL_ADD, chain[4], &e), ELOOP);
    CHECK(epoll_ctl(chain[0], EPOLL_CTL_ADD, p[0], &e) == 0);
    CHECK(write(p[1], "x", 1) == 1);
    CHECK_EQ(epoll_wait(chain[4], out, 4, 0), 1);

    e.events = EPOLLIN | EPOLLEXCLUSIVE;
    CHECK_ERRNO(epoll_ctl(chain[7], EPOLL_CTL_ADD, chain[6], &e), EINVAL);
    CHECK(epoll_ctl(chain[7], EPOLL_CTL_ADD, p[0], &e) == 0);
    CHECK_ERRNO(epoll_ctl(chain[7], EPOLL_CTL_MOD, p[0], &e), EINVAL);
    e.events = EPOLLIN;
    CHECK_ERRNO(epoll_ctl(chain[7], EPOLL_CTL_MOD, p[0], &e), EINVAL);
    CHECK(epoll_ctl(chain[7], EPOLL_CTL_DEL, p[0], NULL) == 0);
    e.events = EPOLLIN | EPOLLEXCLUSIVE | EPOLLONESHOT;
    CHECK_ERRNO(epoll_ctl(chain[7], EPOLL_CTL_ADD, p[0], &e), EINVAL);
    return 0;
}
