/*
 * pipe2(2), pipe(7), fcntl(2): O_NONBLOCK, O_CLOEXEC, capacity.
 * Claims: flags are as asked; an empty pipe gives EAGAIN; a full one EAGAIN, and partial writes above
 * PIPE_BUF; a write of PIPE_BUF or less is all or nothing; the default capacity is 65536; F_SETPIPE_SZ
 * rounds up to a power of two pages, gives EBUSY below what is in it, EBADF for other files; FIONREAD counts.
 */
#include "../compat.h"

#include <sys/ioctl.h>

static size_t fill(int fd, size_t piece)
{
    static char buf[65536];
    size_t total = 0;
    ssize_t n;
    while ((n = write(fd, buf, piece)) > 0) {
        total += (size_t)n;
    }
    CHECK(n == -1 && errno == EAGAIN);
    return total;
}

int main(void)
{
    static char buf[70000];
    int p[2], count, null;

    CHECK_ERRNO(pipe2(p, 0x1), EINVAL);
    CHECK(pipe2(p, O_NONBLOCK | O_CLOEXEC) == 0);
    CHECK_EQ(fcntl(p[0], F_GETFL), O_RDONLY | O_NONBLOCK);
    CHECK_EQ(fcntl(p[1], F_GETFL), O_WRONLY | O_NONBLOCK);
    CHECK_EQ(fcntl(p[0], F_GETFD), FD_CLOEXEC);
    CHECK_ERRNO(read(p[0], buf, 1), EAGAIN);
    CHECK_EQ(fcntl(p[0], F_GETPIPE_SZ), 65536);
    CHECK_EQ(fill(p[1], 4096), 65536);
    CHECK(ioctl(p[0], FIONREAD, &count) == 0 && count == 65536);

    /* One page of room: 4096 fit whole, 5000 in part. */
    CHECK_EQ(read(p[0], buf, 4096), 4096);
    CHECK_EQ(write(p[1], buf, 5000), 4096);
    CHECK_EQ(read(p[0], buf, 4095), 4095);
    CHECK_ERRNO(write(p[1], buf, 4096), EAGAIN);
    CHECK_EQ(read(p[0], buf, sizeof(buf)), 61441);

    CHECK_EQ(fcntl(p[1], F_SETPIPE_SZ, 5000), 8192);
    CHECK_EQ(fcntl(p[0], F_GETPIPE_SZ), 8192);
    CHECK_EQ(fill(p[1], 4096), 8192);
    CHECK_ERRNO(fcntl(p[1], F_SETPIPE_SZ, 4096), EBUSY);
    CHECK_EQ(fcntl(p[1], F_SETPIPE_SZ, 1 << 20), 1 << 20);
    CHECK_EQ(read(p[0], buf, sizeof(buf)), 8192);
    CHECK_EQ(fcntl(p[1], F_SETPIPE_SZ, 1), 4096);
    null = open("/dev/null", O_RDWR);
    CHECK(null >= 0);
    CHECK_ERRNO(fcntl(null, F_GETPIPE_SZ), EBADF);
    CHECK_ERRNO(fcntl(null, F_SETPIPE_SZ, 4096), EBADF);
    return 0;
}
