/*
 * poll(2): what it reports.
 * Claims: POLLNVAL for an fd that is not open; negative fds are ignored and revents cleared; POLLHUP and POLLERR come
 * unasked; a pipe's ends report POLLIN, POLLOUT, POLLHUP, POLLERR; regular files are always ready; only
 * revents is written; nfds above RLIMIT_NOFILE gives EINVAL; a bad array EFAULT.
 */
#include "../compat.h"

#include <poll.h>
#include <sys/resource.h>

int main(void)
{
    int p[2], q[2], file;
    struct rlimit limit;
    static char buf[65536];

    compat_tmpdir();
    compat_file("f", "x");
    file = open("f", O_RDWR);
    CHECK(pipe(p) == 0 && pipe2(q, O_NONBLOCK) == 0);
    CHECK(write(p[1], "x", 1) == 1);
    struct pollfd fds[] = {
        {p[0], POLLIN, -1},
        {p[1], POLLOUT | POLLIN, -1},
        {q[0], POLLIN, -1},
        {q[1], POLLOUT, -1},
        {-1, POLLIN, -1},
        {999, POLLIN, -1},
        {file, POLLIN | POLLOUT | POLLPRI, -1},
    };
    CHECK_EQ(poll(fds, 7, -1), 5);
    CHECK_EQ(fds[0].revents, POLLIN);
    CHECK_EQ(fds[1].revents, POLLOUT);
    CHECK_EQ(fds[2].revents, 0);
    CHECK_EQ(fds[3].revents, POLLOUT);
    CHECK_EQ(fds[4].revents, 0);
    CHECK_EQ(fds[5].revents, POLLNVAL);
    CHECK_EQ(fds[6].revents, POLLIN | POLLOUT);
    CHECK_EQ(fds[6].events, POLLIN | POLLOUT | POLLPRI);

    CHECK_EQ(write(q[1], buf, sizeof(buf)), 65536);
    struct pollfd full = {q[1], POLLOUT, 0};
    CHECK_EQ(poll(&full, 1, 0), 0);
    CHECK_EQ(read(q[0], buf, 4095), 4095);
    CHECK_EQ(poll(&full, 1, 0), 0); /* no whole page is free */
    CHECK_EQ(read(q[0], buf, 1), 1);
    CHECK_EQ(poll(&full, 1, 0), 1);

    close(p[1]);
    struct pollfd hup = {p[0], 0, 0};
    CHECK_EQ(poll(&hup, 1, -1), 1);
    CHECK_EQ(hup.revents, POLLHUP);
    close(q[0]);
    struct pollfd err = {q[1], 0, 0};
    CHECK_EQ(poll(&err, 1, -1), 1);
    CHECK_EQ(err.revents, POLLERR);

    CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    CHECK_ERRNO(poll(fds, limit.rlim_cur + 1, 0), EINVAL);
    CHECK_ERRNO(poll((struct pollfd *)8, 1, 0), EFAULT);
    CHECK_EQ(poll(NULL, 0, 1), 0);
    return 0;
}
