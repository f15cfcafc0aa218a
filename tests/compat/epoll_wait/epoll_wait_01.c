/*
 * epoll(7): triggers.
 * Claims: level-triggered entries are reported as long as they are ready; EPOLLET ones once for each new event, also
 * when data was left; EPOLLONESHOT once until EPOLL_CTL_MOD; EPOLL_CTL_MOD of a ready entry reports it again;
 * EPOLLHUP and EPOLLERR come unasked; more ready entries than maxevents take turns.
 */
#include "../compat.h"

#include <sys/epoll.h>

int main(void)
{
    struct epoll_event e = {.events = EPOLLIN}, out[8];
    int ep = epoll_create1(0), p[2], many[6][2];
    unsigned seen = 0;
    char c;

    CHECK(ep >= 0 && pipe(p) == 0);
    CHECK(epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &e) == 0);
    CHECK_EQ(epoll_wait(ep, out, 8, 0), 0);
    CHECK(write(p[1], "ab", 2) == 2);
    CHECK_EQ(epoll_wait(ep, out, 8, -1), 1);
    CHECK_EQ(epoll_wait(ep, out, 8, -1), 1);
    CHECK(out[0].events == EPOLLIN);

    e.events = EPOLLIN | EPOLLET;
    CHECK(epoll_ctl(ep, EPOLL_CTL_MOD, p[0], &e) == 0);
    CHECK_EQ(epoll_wait(ep, out, 8, 0), 1);
    CHECK_EQ(epoll_wait(ep, out, 8, 0), 0);
    CHECK(read(p[0], &c, 1) == 1);
    CHECK_EQ(epoll_wait(ep, out, 8, 0), 0);
    CHECK(write(p[1], "c", 1) == 1);
    CHECK_EQ(epoll_wait(ep, out, 8, 0), 1);

    e.events = EPOLLIN | EPOLLONESHOT;
    CHECK(epoll_ctl(ep, EPOLL_CTL_MOD, p[0], &e) == 0);
    CHECK_EQ(epoll_wait(ep, out, 8, 0), 1);
    CHECK(write(p[1], "d", 1) == 1);
    CHECK_EQ(epoll_wait(ep, out, 8, 0), 0);
    CHECK(epoll_ctl(ep, EPOLL_CTL_MOD, p[0], &e) == 0);
    CHECK_EQ(epoll_wait(ep, out, 8, 0), 1);

    e.events = 0;
    CHECK(epoll_ctl(ep, EPOLL_CTL_MOD, p[0], &e) == 0);
    CHECK_EQ(epoll_wait(ep, out, 8, 0), 0);
    close(p[1]);
    CHECK_EQ(epoll_wait(ep, out, 8, 0), 1);
    CHECK(out[0].events == EPOLLHUP);
    close(p[0]);

    for (unsigned i = 0; i < 6; i++) {
        CHECK(pipe(many[i]) == 0);
        e = (struct epoll_event){.events = EPOLLIN, .data.u32 = i};
        CHECK(epoll_ctl(ep, EPOLL_CTL_ADD, many[i][0], &e) == 0);
        CHECK(write(many[i][1], "x", 1) == 1);
    }
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(epoll_wait(ep, out, 2, 0), 2);
        seen |= 1u << out[0].data.u32 | 1u << out[1].data.u32;
    }
    CHECK_EQ(seen, 0x3f);
    return 0;
}
