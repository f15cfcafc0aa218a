/*
 * pty(7): the ends going away.
 * Claims: when the last slave closes, the master reads what was written, then gets EIO and POLLHUP, until a slave opens again; when
 * the master closes, a blocked slave read gets EIO, later ones 0, writes EIO, poll POLLHUP, and the name is gone.
 */
#include "../compat.h"

#include <poll.h>
#include <termios.h>

static int events(int fd)
{
    struct pollfd p = {fd, POLLIN | POLLOUT, 0};
    CHECK(poll(&p, 1, 0) >= 0);
    return p.revents;
}

int main(void)
{
    char name[64], buf[64];
    struct termios t;
    int status, m = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK), s;
    pid_t child;

    if (m < 0) {
        SKIP("no ptys: %s", strerror(errno));
    }
    CHECK(grantpt(m) == 0 && unlockpt(m) == 0);
    snprintf(name, sizeof(name), "%s", ptsname(m));
    CHECK_ERRNO(read(m, buf, 1), EAGAIN);
    s = open(name, O_RDWR | O_NOCTTY);
    CHECK(s >= 0);
    CHECK_EQ(write(s, "last", 4), 4);
    close(s);
    CHECK_EQ(events(m), POLLIN | POLLOUT | POLLHUP);
    CHECK_EQ(read(m, buf, sizeof(buf)), 4);
    CHECK_EQ(events(m), POLLOUT | POLLHUP);
    CHECK_ERRNO(read(m, buf, sizeof(buf)), EIO);
    s = open(name, O_RDWR | O_NOCTTY);
    CHECK(s >= 0);
    CHECK_EQ(events(m), POLLOUT);
    CHECK_ERRNO(read(m, buf, sizeof(buf)), EAGAIN);

    child = fork();
    if (child == 0) {
        close(m);
        CHECK_ERRNO(read(s, buf, sizeof(buf)), EIO);
        CHECK_EQ(read(s, buf, sizeof(buf)), 0);
        _exit(0);
    }
    usleep(30000);
    close(m);
    CHECK(waitpid(child, &status, 0) == child);
    CHECK_EQ(status, 0);
    CHECK_EQ(read(s, buf, sizeof(buf)), 0);
    CHECK_ERRNO(write(s, "x", 1), EIO);
    CHECK_ERRNO(tcgetattr(s, &t), EIO);
    CHECK_EQ(events(s), POLLIN | POLLOUT | POLLERR | POLLHUP);
    CHECK_ERRNO(access(name, F_OK), ENOENT);
    return 0;
}
