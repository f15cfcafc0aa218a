/*
 * timerfd_create(2).
 * Claims: clocks and flags are checked; an unarmed timer gives EAGAIN; a relative timer expires once; an interval counts
 * all expirations since the last read; poll and a blocking read wait for it; gettime tells what is left and the
 * interval; disarming with zero; a short buffer gives EINVAL; not a timerfd gives EINVAL.
 */
#include "../compat.h"

#include <poll.h>
#include <sys/timerfd.h>
#include <time.h>

int main(void)
{
    struct itimerspec its = {.it_value = {0, 20000000}}, old, cur;
    struct pollfd pf;
    uint64_t n;
    int fd, p[2];

    CHECK_ERRNO(timerfd_create(99, 0), EINVAL);
    CHECK_ERRNO(timerfd_create(CLOCK_MONOTONIC, 1), EINVAL);
    CHECK_ERRNO(timerfd_create(CLOCK_PROCESS_CPUTIME_ID, 0), EINVAL);
    fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    CHECK(fd >= 0);
    CHECK_ERRNO(read(fd, &n, 8), EAGAIN);
    CHECK_ERRNO(read(fd, &n, 4), EINVAL);
    CHECK(timerfd_gettime(fd, &cur) == 0);
    CHECK(cur.it_value.tv_sec == 0 && cur.it_value.tv_nsec == 0);
    CHECK(timerfd_settime(fd, 0, &its, &old) == 0);
    CHECK(old.it_value.tv_sec == 0 && old.it_value.tv_nsec == 0);
    CHECK(timerfd_gettime(fd, &cur) == 0);
    CHECK(cur.it_value.tv_nsec > 0 && cur.it_value.tv_nsec <= 20000000);
    pf = (struct pollfd){fd, POLLIN, 0};
    CHECK_EQ(poll(&pf, 1, 0), 0);
    CHECK_EQ(poll(&pf, 1, 5000), 1);
    CHECK_EQ(read(fd, &n, 8), 8);
    CHECK(n == 1);
    CHECK_ERRNO(read(fd, &n, 8), EAGAIN);

    its = (struct itimerspec){{0, 5000000}, {0, 5000000}};
    CHECK(timerfd_settime(fd, 0, &its, NULL) == 0);
    usleep(52000);
    CHECK_EQ(read(fd, &n, 8), 8);
    CHECK(n >= 10);
    CHECK(fcntl(fd, F_SETFL, 0) == 0);
    CHECK_EQ(read(fd, &n, 8), 8);
    CHECK(n >= 1);
    CHECK(timerfd_gettime(fd, &cur) == 0);
    CHECK(cur.it_interval.tv_nsec == 5000000);
    its = (struct itimerspec){0};
    CHECK(timerfd_settime(fd, 0, &its, &old) == 0);
    CHECK(old.it_interval.tv_nsec == 5000000);
    CHECK(fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
    usleep(10000);
    CHECK_ERRNO(read(fd, &n, 8), EAGAIN);
    CHECK(pipe(p) == 0);
    CHECK_ERRNO(timerfd_settime(p[0], 0, &its, NULL), EINVAL);
    CHECK_ERRNO(timerfd_gettime(999, &cur), EBADF);
    return 0;
}
