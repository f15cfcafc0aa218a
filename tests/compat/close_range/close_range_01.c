/*
 * close_range(2): closes a span with holes, or marks it close-on-exec; checks its arguments.
 */
#include "../compat.h"

#include <linux/close_range.h>
#include <sys/syscall.h>

static long range(unsigned first, unsigned last, unsigned flags)
{
    return syscall(SYS_close_range, first, last, flags);
}

int main(void)
{
    int fds[6];
    for (int i = 0; i < 6; i++) {
        fds[i] = open("/dev/null", O_RDONLY);
        CHECK(fds[i] >= 0);
    }
    if (range(fds[1], fds[1], 0) < 0 && errno == ENOSYS) {
        SKIP("no close_range");
    }
    CHECK_ERRNO(fcntl(fds[1], F_GETFD), EBADF);
    CHECK_EQ(range(fds[0], fds[2], CLOSE_RANGE_CLOEXEC), 0);
    CHECK_EQ(fcntl(fds[0], F_GETFD), FD_CLOEXEC);
    CHECK_EQ(fcntl(fds[2], F_GETFD), FD_CLOEXEC);
    CHECK_EQ(fcntl(fds[3], F_GETFD), 0);
    CHECK_EQ(range(fds[3], fds[4], CLOSE_RANGE_UNSHARE), 0);
    CHECK_ERRNO(fcntl(fds[3], F_GETFD), EBADF);
    CHECK_ERRNO(fcntl(fds[4], F_GETFD), EBADF);
    CHECK_EQ(fcntl(fds[5], F_GETFD), 0);
    CHECK_ERRNO(range(5, 4, 0), EINVAL);
    CHECK_ERRNO(range(0, 1, 1 << 10), EINVAL);
    CHECK_EQ(range(3, ~0U, 0), 0);
    CHECK_ERRNO(fcntl(fds[5], F_GETFD), EBADF);
    CHECK(fcntl(2, F_GETFD) >= 0);
    return 0;
}
