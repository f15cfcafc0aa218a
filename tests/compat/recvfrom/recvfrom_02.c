/*
 * Out-of-band data of local streams: the last byte of a send with MSG_OOB raises SIGURG and POLLPRI; reads stop before it and then pass over it,
 * MSG_OOB takes it once, sockatmark(3) says where it was, SO_OOBINLINE makes it ordinary.
 */
#include "../compat.h"

#include <linux/sockios.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

static volatile sig_atomic_t g_urgent;
static int g_s[2];

static void on_urgent(int sig)
{
    (void)sig;
    g_urgent++;
}

static void pair(void)
{
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, g_s), 0);
}

static int at_mark(void)
{
    int is = -1;
    CHECK_EQ(ioctl(g_s[1], SIOCATMARK, &is), 0);
    return is;
}

static int events(void)
{
    struct pollfd p = {.fd = g_s[1], .events = POLLIN | POLLPRI};
    CHECK(poll(&p, 1, 0) >= 0);
    return p.revents;
}

/* flags: what recv finds, as text; NULL: errno is want. */
static void gets(int flags, const char *text, int want)
{
    char buf[16] = "";
    if (text) {
        CHECK_EQ(recv(g_s[1], buf, sizeof(buf), flags), strlen(text));
        CHECK(memcmp(buf, text, strlen(text)) == 0);
    } else {
        CHECK_ERRNO(recv(g_s[1], buf, sizeof(buf), flags), want);
    }
}

static void out_of_band(void)
{
    pair();
    CHECK_ERRNO(send(g_s[0], "", 0, MSG_OOB), EOPNOTSUPP);
    gets(MSG_OOB, NULL, EINVAL);
    CHECK_EQ(send(g_s[0], "abc", 3, MSG_OOB), 3);
    CHECK_EQ(events(), POLLIN | POLLPRI);
    CHECK_EQ(at_mark(), 0);
    gets(0, "ab", 0);
    CHECK_EQ(at_mark(), 1);
    gets(MSG_OOB | MSG_PEEK, "c", 0);
    gets(MSG_OOB, "c", 0);
    gets(MSG_OOB, NULL, EINVAL);
    CHECK_EQ(events() & POLLPRI, 0);
    CHECK_EQ(send(g_s[0], "de", 2, 0), 2);
    gets(0, "de", 0);
    gets(0, NULL, EAGAIN);

    /* Nobody asks for it: it is passed over. */
    CHECK_EQ(send(g_s[0], "x", 1, MSG_OOB), 1);
    CHECK_EQ(send(g_s[0], "yz", 2, 0), 2);
    gets(MSG_PEEK, "yz", 0);
    gets(0, "yz", 0);
    gets(MSG_OOB, NULL, EINVAL);

    /* A later one takes its place. */
    CHECK_EQ(send(g_s[0], "1", 1, MSG_OOB), 1);
    CHECK_EQ(send(g_s[0], "23", 2, MSG_OOB), 2);
    gets(0, "12", 0);
    gets(MSG_OOB, "3", 0);
}

static void in_line(void)
{
    int one = 1;
    pair();
    CHECK_EQ(setsockopt(g_s[1], SOL_SOCKET, SO_OOBINLINE, &one, sizeof(one)), 0);
    CHECK_EQ(send(g_s[0], "ab", 2, MSG_OOB), 2);
    gets(MSG_OOB, NULL, EINVAL);
    gets(0, "a", 0);
    CHECK_EQ(at_mark(), 1);
    gets(0, "b", 0);
    CHECK_EQ(at_mark(), 0);
}

int main(void)
{
    pair();
    if (send(g_s[0], "a", 1, MSG_OOB) < 0 || !compat_linux(6, 12)) {
        SKIP("no out-of-band data of local sockets, or with other rules");
    }
    CHECK(signal(SIGURG, on_urgent) != SIG_ERR);
    CHECK_EQ(send(g_s[0], "a", 1, MSG_OOB), 1);
    CHECK_EQ(g_urgent, 0); /* nobody owns it */
    CHECK_EQ(fcntl(g_s[1], F_SETOWN, getpid()), 0);
    CHECK_EQ(send(g_s[0], "a", 1, MSG_OOB), 1);
    CHECK_EQ(g_urgent, 1);
    out_of_band();
    in_line();
    CHECK_EQ(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, g_s), 0);
    CHECK_ERRNO(send(g_s[0], "a", 1, MSG_OOB), EOPNOTSUPP);
    gets(MSG_OOB, NULL, EOPNOTSUPP);
    CHECK_ERRNO(ioctl(g_s[1], SIOCATMARK, &(int){0}), EOPNOTSUPP);
    return 0;
}
