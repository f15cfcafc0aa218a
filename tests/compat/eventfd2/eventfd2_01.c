/*
 * eventfd(2).
 * Claims: a read takes the whole counter, or one with EFD_SEMAPHORE; zero gives EAGAIN; a write that would pass
 * 2^64-2 gives EAGAIN, and of 2^64-1 EINVAL; short buffers give EINVAL; poll tells both; pread gives ESPIPE; flags.
 */
#include "../compat.h"

#include <poll.h>
#include <sys/eventfd.h>

static int events(int fd)
{
    struct pollfd p = {fd, POLLIN | POLLOUT, 0};
    CHECK(poll(&p, 1, 0) >= 0);
    return p.revents;
}

int main(void)
{
    uint64_t v;
    char small[4];
    int fd = eventfd(3, EFD_NONBLOCK | EFD_CLOEXEC);

    CHECK(fd >= 0);
    CHECK_EQ(fcntl(fd, F_GETFL), O_RDWR | O_NONBLOCK);
    CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
    CHECK_EQ(events(fd), POLLIN | POLLOUT);
    CHECK_EQ(read(fd, &v, sizeof(v)), 8);
    CHECK(v == 3);
    CHECK_ERRNO(read(fd, &v, sizeof(v)), EAGAIN);
    CHECK_EQ(events(fd), POLLOUT);
    v = UINT64_MAX - 1;
    CHECK_EQ(write(fd, &v, sizeof(v)), 8);
    CHECK_EQ(events(fd), POLLIN);
    v = 1;
    CHECK_ERRNO(write(fd, &v, sizeof(v)), EAGAIN);
    v = UINT64_MAX;
    CHECK_ERRNO(write(fd, &v, sizeof(v)), EINVAL);
    CHECK_ERRNO(write(fd, small, 4), EINVAL);
    CHECK_ERRNO(read(fd, small, 4), EINVAL);
    CHECK_ERRNO(pread(fd, &v, sizeof(v), 0), ESPIPE);
    CHECK_EQ(read(fd, &v, sizeof(v)), 8);
    CHECK(v == UINT64_MAX - 1);
    CHECK_ERRNO(eventfd(0, 0x40), EINVAL);
    close(fd);

    fd = eventfd(2, EFD_SEMAPHORE | EFD_NONBLOCK);
    CHECK(fd >= 0);
    CHECK_EQ(read(fd, &v, sizeof(v)), 8);
    CHECK(v == 1);
    CHECK_EQ(read(fd, &v, sizeof(v)), 8);
    CHECK(v == 1);
    CHECK_ERRNO(read(fd, &v, sizeof(v)), EAGAIN);
    return 0;
}
