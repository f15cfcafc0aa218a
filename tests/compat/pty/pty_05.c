/*
 * pty(7), ioctl_tty(2): what only masters have, and the names.
 * Claims: TIOCGPTN agrees with the name; TIOCGPTPEER opens the slave; TIOCPKT puts a status byte in front and tells of flushes;
 * the node is a character device of major 136; numbers are used again; a slave knows none of the
 * master's ioctls; ttyname works; ECHO off echoes nothing.
 */
#include "../compat.h"

#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include <termios.h>

int main(void)
{
    int m = posix_openpt(O_RDWR | O_NOCTTY), m2, peer, s, on = 1, lock;
    unsigned n, n2;
    char name[64], buf[64];
    struct termios t;
    struct stat st;

    if (m < 0) {
        SKIP("no ptys: %s", strerror(errno));
    }
    CHECK(ioctl(m, TIOCGPTN, &n) == 0);
    CHECK(ioctl(m, TIOCGPTLCK, &lock) == 0 && lock == 1);
    CHECK(grantpt(m) == 0 && unlockpt(m) == 0);
    CHECK(ioctl(m, TIOCGPTLCK, &lock) == 0 && lock == 0);
    snprintf(name, sizeof(name), "/dev/pts/%u", n);
    CHECK(strcmp(ptsname(m), name) == 0);
    CHECK(stat(name, &st) == 0 && S_ISCHR(st.st_mode));
    CHECK(major(st.st_rdev) == 136 && minor(st.st_rdev) == n);
    peer = ioctl(m, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    CHECK(peer >= 0);
    CHECK_EQ(fcntl(peer, F_GETFD), FD_CLOEXEC);
    CHECK_EQ(fcntl(peer, F_GETFL) & O_ACCMODE, O_RDWR);
    s = open(name, O_RDWR | O_NOCTTY);
    CHECK(s >= 0 && ttyname(s) && strcmp(ttyname(s), name) == 0);
    CHECK_EQ(write(peer, "p", 1), 1);
    CHECK_EQ(read(m, buf, sizeof(buf)), 1);
    CHECK_ERRNO(ioctl(s, TIOCGPTN, &n2), ENOTTY);
    CHECK_ERRNO(ioctl(s, TIOCSPTLCK, &on), ENOTTY);
    CHECK_ERRNO(ioctl(s, 0x54ff, &on), ENOTTY);

    CHECK(tcgetattr(s, &t) == 0);
    t.c_lflag &= ~(tcflag_t)ECHO;
    CHECK(tcsetattr(s, TCSANOW, &t) == 0);
    CHECK(ioctl(m, TIOCPKT, &on) == 0);
    CHECK_EQ(write(m, "quiet\n", 6), 6);
    CHECK_EQ(read(s, buf, sizeof(buf)), 6);
    CHECK_EQ(write(s, "data", 4), 4);
    CHECK_EQ(read(m, buf, sizeof(buf)), 5);
    CHECK(buf[0] == TIOCPKT_DATA && memcmp(buf + 1, "data", 4) == 0);
    CHECK(tcflush(s, TCIOFLUSH) == 0);
    CHECK_EQ(read(m, buf, sizeof(buf)), 1);
    CHECK(buf[0] & TIOCPKT_FLUSHWRITE);

    m2 = posix_openpt(O_RDWR | O_NOCTTY);
    CHECK(m2 >= 0 && ioctl(m2, TIOCGPTN, &n) == 0);
    close(m2);
    m2 = posix_openpt(O_RDWR | O_NOCTTY);
    CHECK(m2 >= 0 && ioctl(m2, TIOCGPTN, &n2) == 0);
    CHECK_EQ(n, n2);
    return 0;
}
