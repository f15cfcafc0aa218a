/*
 * socketpair(2) of datagrams and packets: boundaries and ends.
 * Claims: each read gives one message, cut with MSG_TRUNC if it is longer; empty messages are messages;
 * MSG_TRUNC asks for the true length, MSG_PEEK leaves it; a closed end is ECONNREFUSED, then ENOTCONN for
 * datagrams, EPIPE and end of file for packets, never with SIGPIPE; FIONREAD is the next datagram, and all bytes of
 * packets; a message above the send buffer is EMSGSIZE; writev of nothing sends nothing.
 */
#include "../compat.h"

#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>

static void both(int type)
{
    static char big[300000];
    char buf[16];
    struct iovec io = {buf, 0};
    struct msghdr m = {.msg_iov = &(struct iovec){buf, 3}, .msg_iovlen = 1};
    int s[2], n;

    CHECK(socketpair(AF_UNIX, type, 0, s) == 0);
    CHECK_EQ(write(s[0], "first", 5), 5);
    CHECK_EQ(send(s[0], "", 0, 0), 0);
    CHECK_EQ(write(s[0], "third message", 13), 13);
    CHECK(ioctl(s[1], FIONREAD, &n) == 0);
    CHECK_EQ(n, type == SOCK_DGRAM ? 5 : 18);
    CHECK_EQ(recv(s[1], buf, 2, MSG_PEEK | MSG_TRUNC), 5);
    CHECK_EQ(recv(s[1], buf, sizeof(buf), MSG_PEEK), 5);
    CHECK_EQ(recvmsg(s[1], &m, 0), 3);
    CHECK_EQ(m.msg_flags, MSG_TRUNC);
    CHECK(memcmp(buf, "fir", 3) == 0);
    CHECK_EQ(recv(s[1], buf, sizeof(buf), 0), 0);
    CHECK_EQ(read(s[1], buf, sizeof(buf)), 13);
    CHECK_EQ(writev(s[0], &io, 1), 0);
    CHECK_ERRNO(recv(s[1], buf, sizeof(buf), MSG_DONTWAIT), EAGAIN);
    CHECK_EQ(write(s[0], "", 0), 0); /* but write of nothing does */
    CHECK_EQ(recv(s[1], buf, sizeof(buf), MSG_DONTWAIT), 0);
    CHECK_ERRNO(send(s[0], big, sizeof(big), 0), EMSGSIZE);
    CHECK_EQ(send(s[0], big, 100000, 0), 100000);
    CHECK_EQ(recv(s[1], big, sizeof(big), 0), 100000);
    CHECK(close(s[1]) == 0);
    signal(SIGPIPE, SIG_DFL);
    if (type == SOCK_DGRAM) {
        CHECK_ERRNO(write(s[0], "x", 1), ECONNREFUSED);
        CHECK_ERRNO(write(s[0], "x", 1), ENOTCONN);
    } else {
        CHECK_ERRNO(write(s[0], "x", 1), EPIPE);
        CHECK_EQ(read(s[0], buf, 1), 0);
    }
    CHECK(close(s[0]) == 0);
}

static void shut(int type)
{
    char c;
    int s[2];

    CHECK(socketpair(AF_UNIX, type, 0, s) == 0);
    CHECK(shutdown(s[0], SHUT_WR) == 0);
    CHECK_ERRNO(send(s[0], "x", 1, 0), EPIPE);
    if (type == SOCK_DGRAM) {
        CHECK_ERRNO(recv(s[1], &c, 1, MSG_DONTWAIT), EAGAIN); /* the other end is not told */
    } else {
        CHECK_EQ(recv(s[1], &c, 1, MSG_DONTWAIT), 0);
    }
    CHECK(shutdown(s[1], SHUT_RD) == 0);
    CHECK_EQ(recv(s[1], &c, 1, 0), 0);
    CHECK(close(s[0]) == 0 && close(s[1]) == 0);
    CHECK(socketpair(AF_UNIX, type, 0, s) == 0);
    CHECK(shutdown(s[1], SHUT_RD) == 0);
    CHECK_ERRNO(send(s[0], "x", 1, 0), EPIPE);
    CHECK(close(s[0]) == 0 && close(s[1]) == 0);
}

int main(void)
{
    both(SOCK_DGRAM);
    both(SOCK_SEQPACKET);
    shut(SOCK_DGRAM);
    shut(SOCK_SEQPACKET);
    return 0;
}
