/*
 * ioctl(2), the commands of every file: FIONREAD, FIONBIO, FIOCLEX, FIONCLEX; ENOTTY for others.
 */
#include "../compat.h"

#include <sys/ioctl.h>
#include <termios.h>

int main(void)
{
    int n = -1, on = 1, off = 0, p[2];
    char c;
    struct termios tio;
    compat_tmpdir();
    compat_file("f", "12345678");
    int fd = open("f", O_RDWR);
    CHECK_EQ(lseek(fd, 3, SEEK_SET), 3);
    CHECK_EQ(ioctl(fd, FIONREAD, &n), 0);
    CHECK_EQ(n, 5);
    CHECK_EQ(pipe(p), 0);
    CHECK_EQ(write(p[1], "abc", 3), 3);
    CHECK_EQ(ioctl(p[0], FIONREAD, &n), 0);
    CHECK_EQ(n, 3);
    CHECK_EQ(read(p[0], &c, 1), 1);
    CHECK_EQ(ioctl(p[0], FIONREAD, &n), 0);
    CHECK_EQ(n, 2);
    CHECK_EQ(ioctl(p[0], FIONBIO, &on), 0);
    CHECK(fcntl(p[0], F_GETFL) & O_NONBLOCK);
    CHECK_EQ(ioctl(p[0], FIONBIO, &off), 0);
    CHECK(!(fcntl(p[0], F_GETFL) & O_NONBLOCK));
    CHECK_EQ(ioctl(fd, FIOCLEX), 0);
    CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
    CHECK_EQ(ioctl(fd, FIONCLEX), 0);
    CHECK_EQ(fcntl(fd, F_GETFD), 0);
    CHECK_ERRNO(ioctl(fd, TCGETS, &tio), ENOTTY);
    CHECK_ERRNO(ioctl(p[0], TCGETS, &tio), ENOTTY);
    CHECK_ERRNO(ioctl(p[0], FIONBIO, (int *)8), EFAULT);
    CHECK_ERRNO(ioctl(999, FIONREAD, &n), EBADF);
    return 0;
}
