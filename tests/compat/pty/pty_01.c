/*
 * pty(7), termios(3): the line discipline in canonical mode.
 * Claims: input is echoed with CR-NL and read line by line; ERASE, KILL, WERASE and VLNEXT edit; control characters are echoed
 * as ^X; ICRNL; EOF ends a line, and on an empty one gives 0; a read shorter than the line leaves the rest;
 * lines are cut at 4096 bytes; FIONREAD counts complete lines.
 */
#include "../compat.h"

#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>

static int g_master, g_slave;
static char g_buf[8192];

static void type(const char *text)
{
    CHECK_EQ(write(g_master, text, strlen(text)), strlen(text));
    usleep(20000);
}

/* What comes next, in one piece or several: Linux hands it over in the background. */
static int is(int fd, const char *want)
{
    size_t n = 0;
    struct pollfd p = {fd, POLLIN, 0};
    while (n < strlen(want) && poll(&p, 1, 2000) == 1) {
        ssize_t got = read(fd, g_buf + n, sizeof(g_buf) - n);
        CHECK(got > 0);
        n += (size_t)got;
    }
    if (n != strlen(want) || memcmp(g_buf, want, n) != 0) {
        fprintf(stderr, "got %zu: \"%.*s\", want \"%s\"\n", n, (int)n, g_buf, want);
        return 0;
    }
    return 1;
}

int main(void)
{
    struct termios t;
    int n;

    g_master = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK);
    if (g_master < 0) {
        SKIP("no ptys: %s", strerror(errno));
    }
    CHECK_ERRNO(open(ptsname(g_master), O_RDWR | O_NOCTTY), EIO); /* still locked */
    CHECK(grantpt(g_master) == 0 && unlockpt(g_master) == 0);
    g_slave = open(ptsname(g_master), O_RDWR | O_NOCTTY | O_NONBLOCK);
    CHECK(g_slave >= 0 && isatty(g_slave) && isatty(g_master));

    type("ab\r");
    CHECK(is(g_master, "ab\r\n"));
    CHECK(is(g_slave, "ab\n"));
    type("abx\177c\n");
    CHECK(is(g_master, "abx\b \bc\r\n"));
    CHECK(is(g_slave, "abc\n"));
    type("wrong\025right\n");
    CHECK(is(g_master, "wrong\b \b\b \b\b \b\b \b\b \bright\r\n"));
    CHECK(is(g_slave, "right\n"));
    type("one two  \027x\n");
    CHECK(is(g_master, "one two  \b \b\b \b\b \b\b \b\b \bx\r\n"));
    CHECK(is(g_slave, "one x\n"));
    type("a\026\003b\001\n");
    CHECK(is(g_master, "a^\b^Cb^A\r\n"));
    CHECK(is(g_slave, "a\003b\001\n"));
    type("a\tb\177\177\n");
    CHECK(is(g_master, "a\tb\b \b\b\b\b\b\b\b\b\r\n"));
    CHECK(is(g_slave, "a\n"));

    type("part\004");
    CHECK(is(g_master, "part"));
    CHECK(is(g_slave, "part"));
    type("\004");
    CHECK_EQ(read(g_slave, g_buf, 10), 0);
    CHECK_ERRNO(read(g_slave, g_buf, 10), EAGAIN);
    type("abc\004");
    CHECK_EQ(read(g_slave, g_buf, 3), 3);
    CHECK_ERRNO(read(g_slave, g_buf, 10), EAGAIN);
    type("12345\nsecond\n");
    CHECK(ioctl(g_slave, FIONREAD, &n) == 0 && n == 13);
    CHECK_EQ(read(g_slave, g_buf, 2), 2);
    CHECK(is(g_slave, "345\n"));
    CHECK(is(g_slave, "second\n"));

    CHECK(tcgetattr(g_slave, &t) == 0);
    CHECK(t.c_iflag == (ICRNL | IXON) && t.c_oflag == (OPOST | ONLCR));
    t.c_lflag &= ~(tcflag_t)ECHO;
    CHECK(tcsetattr(g_slave, TCSAFLUSH, &t) == 0);
    CHECK(tcflush(g_master, TCIFLUSH) == 0);
    memset(g_buf, 'q', 5000);
    CHECK_EQ(write(g_master, g_buf, 5000), 5000);
    type("\n");
    CHECK_EQ(read(g_slave, g_buf, sizeof(g_buf)), 4096);
    CHECK(g_buf[4095] == '\n');

    CHECK_EQ(write(g_slave, "x\ny\n", 4), 4);
    CHECK(is(g_master, "x\r\ny\r\n"));
    return 0;
}
