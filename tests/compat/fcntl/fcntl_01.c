/*
 * fcntl(2): F_DUPFD from a minimum, F_SETFD, F_SETFL only changes what it may, F_SETOWN and its
 * forms, pipe sizes, unknown commands.
 */
#include "../compat.h"

int main(void)
{
    compat_tmpdir();
    int fd = open("f", O_RDWR | O_CREAT, 0644);
    CHECK(fd >= 0);
    CHECK_EQ(fcntl(fd, F_DUPFD, 50), 50);
    CHECK_EQ(fcntl(fd, F_DUPFD, 50), 51);
    CHECK_EQ(fcntl(fd, F_DUPFD_CLOEXEC, 50), 52);
    CHECK_EQ(fcntl(52, F_GETFD), FD_CLOEXEC);
    CHECK_EQ(fcntl(52, F_SETFD, 0), 0);
    CHECK_EQ(fcntl(52, F_GETFD), 0);
    CHECK_ERRNO(fcntl(fd, F_DUPFD, -1), EINVAL);

    CHECK_EQ(fcntl(fd, F_SETFL, O_APPEND | O_WRONLY | O_CREAT), 0);
    CHECK_EQ(fcntl(fd, F_GETFL) & (O_ACCMODE | O_APPEND | O_CREAT), O_RDWR | O_APPEND);
    CHECK_EQ(fcntl(fd, F_SETFL, 0), 0);
    CHECK_EQ(fcntl(fd, F_GETFL) & O_APPEND, 0);

    int p[2];
    CHECK_EQ(pipe(p), 0);
    CHECK_EQ(fcntl(p[0], F_GETOWN), 0);
    CHECK_EQ(fcntl(p[0], F_SETOWN, getpid()), 0);
    CHECK_EQ(fcntl(p[0], F_GETOWN), getpid());
    CHECK_ERRNO(fcntl(p[0], F_SETOWN, 0x7ffffff0), ESRCH);
    struct f_owner_ex ex = {.type = F_OWNER_TID, .pid = getpid()};
    CHECK_EQ(fcntl(p[0], F_SETOWN_EX, &ex), 0);
    memset(&ex, 0xff, sizeof(ex));
    CHECK_EQ(fcntl(p[0], F_GETOWN_EX, &ex), 0);
    CHECK(ex.type == F_OWNER_TID && ex.pid == getpid());
    ex.type = (enum __pid_type)9;
    CHECK_ERRNO(fcntl(p[0], F_SETOWN_EX, &ex), EINVAL);
    CHECK_EQ(fcntl(p[0], F_SETSIG, SIGUSR1), 0);
    CHECK_EQ(fcntl(p[0], F_GETSIG), SIGUSR1);
    CHECK_ERRNO(fcntl(p[0], F_SETSIG, 65), EINVAL);

    CHECK_EQ(fcntl(p[1], F_GETPIPE_SZ), 65536);
    CHECK_EQ(fcntl(p[1], F_SETPIPE_SZ, 5000), 8192);
    CHECK_EQ(fcntl(p[0], F_GETPIPE_SZ), 8192);
    CHECK_ERRNO(fcntl(fd, F_GETPIPE_SZ), EBADF);

    CHECK_ERRNO(fcntl(fd, 9999), EINVAL);
    CHECK_ERRNO(fcntl(999, F_GETFD), EBADF);
    return 0;
}
