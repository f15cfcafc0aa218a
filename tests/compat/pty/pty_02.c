/*
 * pty(7), termios(3): non-canonical mode and its timers; switching modes; stopping output.
 * Claims: VMIN bytes end a read and a poll; VTIME alone ends it after its time; a line being edited becomes readable when
 * ICANON is switched off; VSTOP stops and VSTART goes on with output; OPOST off leaves newlines alone; window size is
 * shared, and settings are seen through the master.
 */
#include "../compat.h"

#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>

static int g_master, g_slave;

static void set_raw(int min, int tenths)
{
    struct termios t;
    CHECK(tcgetattr(g_slave, &t) == 0);
    cfmakeraw(&t);
    t.c_cc[VMIN] = (cc_t)min;
    t.c_cc[VTIME] = (cc_t)tenths;
    CHECK(tcsetattr(g_slave, TCSANOW, &t) == 0);
}

static void type(const char *text)
{
    CHECK_EQ(write(g_master, text, strlen(text)), strlen(text));
    usleep(20000);
}

static long now_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static int readable(int fd)
{
    struct pollfd p = {fd, POLLIN, 0};
    return poll(&p, 1, 0);
}

int main(void)
{
    struct winsize ws = {24, 80, 0, 0}, got;
    struct termios cooked, t;
    char buf[64];
    long start;

    g_master = posix_openpt(O_RDWR | O_NOCTTY);
    if (g_master < 0) {
        SKIP("no ptys: %s", strerror(errno));
    }
    CHECK(grantpt(g_master) == 0 && unlockpt(g_master) == 0);
    g_slave = open(ptsname(g_master), O_RDWR | O_NOCTTY);
    CHECK(g_slave >= 0);
    CHECK(tcgetattr(g_slave, &cooked) == 0);
    cooked.c_lflag &= ~(tcflag_t)ECHO;
    CHECK(tcsetattr(g_slave, TCSANOW, &cooked) == 0);

    type("half");
    CHECK_EQ(readable(g_slave), 0);
    set_raw(1, 0);
    CHECK_EQ(readable(g_slave), 1);
    CHECK_EQ(read(g_slave, buf, sizeof(buf)), 4);

    set_raw(3, 0);
    type("ab");
    CHECK_EQ(readable(g_slave), 0);
    if (fork() == 0) {
        usleep(20000);
        type("c");
        _exit(0);
    }
    CHECK_EQ(read(g_slave, buf, sizeof(buf)), 3);
    wait(NULL);
    type("de");
    CHECK_EQ(read(g_slave, buf, 2), 2); /* a smaller buffer ends it too */

    set_raw(0, 1);
    start = now_ms();
    CHECK_EQ(read(g_slave, buf, sizeof(buf)), 0);
    CHECK(now_ms() - start >= 95);
    set_raw(0, 0);
    CHECK_EQ(read(g_slave, buf, sizeof(buf)), 0);
    set_raw(10, 1);
    type("xy");
    CHECK_EQ(read(g_slave, buf, sizeof(buf)), 2); /* 100 ms after the last byte */

    CHECK_EQ(write(g_slave, "a\nb", 3), 3);
    CHECK_EQ(read(g_master, buf, sizeof(buf)), 3);
    CHECK(memcmp(buf, "a\nb", 3) == 0);

    CHECK(tcsetattr(g_slave, TCSANOW, &cooked) == 0);
    CHECK(fcntl(g_slave, F_SETFL, O_RDWR | O_NONBLOCK) == 0);
    type("\023");
    CHECK_ERRNO(write(g_slave, "x", 1), EAGAIN);
    type("\021");
    CHECK_EQ(write(g_slave, "x", 1), 1);
    CHECK_EQ(read(g_master, buf, sizeof(buf)), 1);

    CHECK(ioctl(g_master, TIOCSWINSZ, &ws) == 0);
    CHECK(ioctl(g_slave, TIOCGWINSZ, &got) == 0);
    CHECK(got.ws_row == 24 && got.ws_col == 80);
    CHECK(tcgetattr(g_master, &t) == 0);
    CHECK(t.c_lflag == cooked.c_lflag);
    return 0;
}
