/*
 * timerfd_settime(2): absolute times, and errors.
 * Claims: TFD_TIMER_ABSTIME on CLOCK_REALTIME, CLOCK_MONOTONIC and CLOCK_BOOTTIME; a time in the past expires at once; setting again
 * forgets unread expirations; invalid nanoseconds and flags give EINVAL; with EPOLLET each read re-arms one edge.
 */
#include "../compat.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>

int main(void)
{
    static const int clocks[] = {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME};
    struct itimerspec its, bad = {.it_value = {0, 1000000000}};
    struct epoll_event e = {.events = EPOLLIN | EPOLLET};
    uint64_t n;

    for (int i = 0; i < 3; i++) {
        int fd = timerfd_create(clocks[i], 0);
        CHECK(fd >= 0);
        its = (struct itimerspec){0};
        CHECK(clock_gettime(clocks[i], &its.it_value) == 0);
        its.it_value.tv_nsec += 20000000;
        if (its.it_value.tv_nsec >= 1000000000) {
            its.it_value.tv_sec++;
            its.it_value.tv_nsec -= 1000000000;
        }
        CHECK(timerfd_settime(fd, TFD_TIMER_ABSTIME, &its, NULL) == 0);
        CHECK_EQ(read(fd, &n, 8), 8);
        CHECK(n == 1);
        struct timespec now;
        CHECK(clock_gettime(clocks[i], &now) == 0);
        CHECK(now.tv_sec > its.it_value.tv_sec ||
              (now.tv_sec == its.it_value.tv_sec && now.tv_nsec >= its.it_value.tv_nsec));
        its.it_value.tv_sec -= 10;
        CHECK(timerfd_settime(fd, TFD_TIMER_ABSTIME, &its, NULL) == 0);
        CHECK_EQ(read(fd, &n, 8), 8);
        CHECK(n == 1);
        close(fd);
    }
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK), ep = epoll_create1(0);
    its = (struct itimerspec){.it_value = {0, 1000000}};
    CHECK(timerfd_settime(fd, 0, &its, NULL) == 0);
    usleep(5000);
    its.it_value.tv_sec = 100;
    CHECK(timerfd_settime(fd, 0, &its, NULL) == 0);
    CHECK_ERRNO(read(fd, &n, 8), EAGAIN);
    CHECK_ERRNO(timerfd_settime(fd, 0, &bad, NULL), EINVAL);
    CHECK_ERRNO(timerfd_settime(fd, 0x10, &its, NULL), EINVAL);
    CHECK_ERRNO(timerfd_settime(fd, 0, (void *)8, NULL), EFAULT);

    its = (struct itimerspec){{0, 10000000}, {0, 10000000}};
    CHECK(timerfd_settime(fd, 0, &its, NULL) == 0);
    CHECK(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e) == 0);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(epoll_wait(ep, &e, 1, 1000), 1);
        CHECK_EQ(read(fd, &n, 8), 8);
    }
    return 0;
}
