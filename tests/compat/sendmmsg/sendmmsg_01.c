/*
 * sendmmsg(2) and recvmmsg(2).
 * Claims: each message's size is stored; the count is what was done, also when a later one fails, and the error only
 * when it was the first; MSG_WAITFORONE waits for one; a timeout is looked at between messages, and what is left of it comes back; a bad timeout is EINVAL.
 */
#include "../compat.h"

#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>

#define COUNT 5

int main(void)
{
    struct mmsghdr m[COUNT] = {0};
    struct iovec io[COUNT];
    struct timespec ts = {5, 0};
    char buf[COUNT][16];
    int s[2];

    CHECK(socketpair(AF_UNIX, SOCK_DGRAM, 0, s) == 0);
    for (int i = 0; i < COUNT; i++) {
        memset(buf[i], 'a' + i, 16);
        io[i] = (struct iovec){buf[i], (size_t)i + 1};
        m[i].msg_hdr.msg_iov = &io[i];
        m[i].msg_hdr.msg_iovlen = 1;
    }
    CHECK_EQ(sendmmsg(s[0], m, COUNT, 0), COUNT);
    for (int i = 0; i < COUNT; i++) {
        CHECK_EQ(m[i].msg_len, i + 1);
        io[i].iov_len = 16;
    }
    CHECK_EQ(recvmmsg(s[1], m, 2, 0, NULL), 2);
    CHECK(m[0].msg_len == 1 && m[1].msg_len == 2 && buf[1][1] == 'b');
    CHECK_EQ(recvmmsg(s[1], m, COUNT, MSG_WAITFORONE, NULL), 3);
    CHECK(m[2].msg_len == 5 && buf[2][4] == 'e');
    CHECK_ERRNO(recvmmsg(s[1], m, COUNT, MSG_DONTWAIT, NULL), EAGAIN);
    CHECK_EQ(recvmmsg(s[1], m, 0, 0, NULL), 0);
    CHECK_EQ(sendmmsg(s[0], m, 0, 0), 0);
    CHECK_EQ(sendmmsg(s[0], m, 2, 0), 2);
    CHECK_EQ(recvmmsg(s[1], m, 2, 0, &ts), 2);
    CHECK(ts.tv_sec == 4 && ts.tv_nsec > 0);
    ts.tv_nsec = 1000000000;
    CHECK_ERRNO(recvmmsg(s[1], m, 2, 0, &ts), EINVAL);
    ts = (struct timespec){0, 0};
    CHECK_EQ(sendmmsg(s[0], m, 2, 0), 2);
    CHECK_EQ(recvmmsg(s[1], m, 2, 0, &ts), 1); /* the time is over after the first */
    CHECK_EQ(recv(s[1], buf[0], 16, 0), 16);

    m[2].msg_hdr.msg_iov = (void *)16;
    CHECK_EQ(sendmmsg(s[0], m, COUNT, 0), 2);
    CHECK_ERRNO(sendmmsg(s[0], m + 2, 1, 0), EFAULT);
    CHECK_EQ(recvmmsg(s[1], m, COUNT, MSG_DONTWAIT, NULL), 2);
    CHECK_ERRNO(sendmmsg(-1, m, 1, 0), EBADF);
    CHECK_ERRNO(recvmmsg(0x7fffff, m, 1, 0, NULL), EBADF);
    return 0;
}
