/*
 * epoll_ctl(2): errors and the life of an entry.
 * Claims: EEXIST, ENOENT, EBADF, EINVAL (itself, not an epoll, unknown op), EPERM (regular file), EFAULT; the same file by
 * another fd is another entry; closing one fd of a file leaves the entry, closing the last removes it.
 */
#include "../compat.h"

#include <sys/epoll.h>

int main(void)
{
    struct epoll_event e = {.events = EPOLLIN}, out[4];
    int ep, p[2], file, other;

    compat_tmpdir();
    compat_file("f", "x");
    file = open("f", O_RDONLY);
    ep = epoll_create1(EPOLL_CLOEXEC);
    CHECK(ep >= 0 && pipe(p) == 0);
    CHECK_EQ(fcntl(ep, F_GETFD), FD_CLOEXEC);
    CHECK_ERRNO(epoll_create1(1), EINVAL);
    CHECK_ERRNO(epoll_create(0), EINVAL);
    CHECK_ERRNO(epoll_ctl(ep, EPOLL_CTL_MOD, p[0], &e), ENOENT);
    CHECK_ERRNO(epoll_ctl(ep, EPOLL_CTL_DEL, p[0], &e), ENOENT);
    e.data.u32 = 1;
    CHECK(epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &e) == 0);
    CHECK_ERRNO(epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &e), EEXIST);
    CHECK_ERRNO(epoll_ctl(ep, EPOLL_CTL_ADD, ep, &e), EINVAL);
    CHECK_ERRNO(epoll_ctl(p[0], EPOLL_CTL_ADD, p[1], &e), EINVAL);
    CHECK_ERRNO(epoll_ctl(ep, EPOLL_CTL_ADD, file, &e), EPERM);
    CHECK_ERRNO(epoll_ctl(ep, EPOLL_CTL_ADD, 999, &e), EBADF);
    CHECK_ERRNO(epoll_ctl(999, EPOLL_CTL_ADD, p[0], &e), EBADF);
    CHECK_ERRNO(epoll_ctl(ep, 17, p[0], &e), EINVAL);
    CHECK_ERRNO(epoll_ctl(ep, EPOLL_CTL_ADD, p[1], NULL), EFAULT);

    other = dup(p[0]);
    e.data.u32 = 2;
    CHECK(epoll_ctl(ep, EPOLL_CTL_ADD, other, &e) == 0);
    CHECK(write(p[1], "x", 1) == 1);
    CHECK_EQ(epoll_wait(ep, out, 4, 0), 2);
    CHECK(out[0].data.u32 + out[1].data.u32 == 3);
    close(p[0]);
    CHECK_EQ(epoll_wait(ep, out, 4, 0), 2);
    CHECK_ERRNO(epoll_ctl(ep, EPOLL_CTL_DEL, p[0], NULL), EBADF);
    close(other);
    CHECK_EQ(epoll_wait(ep, out, 4, 0), 0);

    CHECK_ERRNO(epoll_wait(ep, out, 0, 0), EINVAL);
    CHECK_ERRNO(epoll_wait(p[1], out, 1, 0), EINVAL);
    CHECK_ERRNO(epoll_wait(998, out, 1, 0), EBADF);
    return 0;
}
