/*
 * Control messages that options ask for: SO_TIMESTAMP and SO_TIMESTAMPNS of datagrams, SO_PASSPIDFD; SO_PASSRIGHTS refuses files. SO_PEEK_OFF:
 * MSG_PEEK goes on where it ended. MSG_CMSG_COMPAT is not for 64-bit programs.
 */
#include "../compat.h"

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>

#define PASSPIDFD  76
#define PASSRIGHTS 83
#define PIDFD      4 /* SCM_PIDFD */

static int g_s[2];
static char g_control[256];

static void pair(int type)
{
    CHECK_EQ(socketpair(AF_UNIX, type | SOCK_NONBLOCK, 0, g_s), 0);
}

static void set(int fd, int name, int value)
{
    CHECK_EQ(setsockopt(fd, SOL_SOCKET, name, &value, sizeof(value)), 0);
}

/* The data of the only control message, which is of this type; NULL: there is none. */
static void *receive(int type, size_t size)
{
    char buf[16];
    struct iovec v = {buf, sizeof(buf)};
    struct msghdr m = {.msg_iov = &v,
                       .msg_iovlen = 1,
                       .msg_control = g_control,
                       .msg_controllen = sizeof(g_control)};
    CHECK(recvmsg(g_s[1], &m, 0) > 0);
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    if (!c) {
        return NULL;
    }
    CHECK(c->cmsg_level == SOL_SOCKET && c->cmsg_type == type && c->cmsg_len == CMSG_LEN(size));
    CHECK(!CMSG_NXTHDR(&m, c));
    return CMSG_DATA(c);
}

static void stamps(int type, bool delivered)
{
    struct timeval tv;
    struct timespec ts;
    time_t now = time(NULL);
    pair(type);
    set(g_s[1], SO_TIMESTAMP, 1);
    CHECK_EQ(send(g_s[0], "a", 1, 0), 1);
    void *data = receive(SO_TIMESTAMP, sizeof(tv));
    CHECK_EQ(data != NULL, delivered);
    if (data) {
        memcpy(&tv, data, sizeof(tv));
        CHECK(tv.tv_sec >= now - 1 && tv.tv_sec < now + 600 && tv.tv_usec < 1000000);
        CHECK_EQ(send(g_s[0], "b", 1, 0), 1); /* stamped already */
        set(g_s[1], SO_TIMESTAMPNS, 1);
        memcpy(&ts, receive(SO_TIMESTAMPNS, sizeof(ts)), sizeof(ts));
        CHECK(ts.tv_sec >= tv.tv_sec && ts.tv_sec < now + 600 && ts.tv_nsec < 1000000000);
        set(g_s[1], SO_TIMESTAMPNS, 0);
        CHECK_EQ(send(g_s[0], "c", 1, 0), 1);
        CHECK(!receive(0, 0));
    }
}

static void pidfds(int type)
{
    char info[256] = "", name[64];
    int fd;
    pair(type);
    set(g_s[1], PASSPIDFD, 1);
    CHECK_EQ(send(g_s[0], "a", 1, 0), 1);
    memcpy(&fd, receive(PIDFD, sizeof(fd)), sizeof(fd));
    snprintf(name, sizeof(name), "/proc/self/fdinfo/%d", fd);
    int f = open(name, O_RDONLY);
    CHECK(read(f, info, sizeof(info) - 1) > 0);
    snprintf(name, sizeof(name), "\nPid:\t%d\n", getpid());
    CHECK(strstr(info, name));
}

static ssize_t send_file(void)
{
    struct iovec v = {"f", 1};
    struct msghdr m = {.msg_iov = &v,
                       .msg_iovlen = 1,
                       .msg_control = g_control,
                       .msg_controllen = CMSG_SPACE(sizeof(int))};
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    *c = (struct cmsghdr){
        .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int))};
    memset(CMSG_DATA(c), 0, sizeof(int));
    return sendmsg(g_s[0], &m, 0);
}

static void rights(int type)
{
    pair(type);
    CHECK_EQ(send_file(), 1);
    set(g_s[1], PASSRIGHTS, 0);
    CHECK_ERRNO(send_file(), EPERM);
    CHECK_EQ(send(g_s[0], "a", 1, 0), 1);
}

static void peek(int type)
{
    const bool stream = type == SOCK_STREAM;
    char buf[8] = "";
    pair(type);
    set(g_s[1], SO_PEEK_OFF, 1);
    CHECK_EQ(send(g_s[0], "abcd", 4, 0), 4);
    CHECK_EQ(send(g_s[0], "efgh", 4, 0), 4);
    CHECK_EQ(recv(g_s[1], buf, 2, MSG_PEEK), 2);
    CHECK(memcmp(buf, "bc", 2) == 0);
    CHECK_EQ(recv(g_s[1], buf, 3, MSG_PEEK), stream ? 3 : 1);
    CHECK(memcmp(buf, stream ? "def" : "d", stream ? 3 : 1) == 0);
    CHECK_EQ(recv(g_s[1], buf, 3, 0), 3);
    CHECK(memcmp(buf, "abc", 3) == 0);
    CHECK_EQ(recv(g_s[1], buf, 8, MSG_PEEK), stream ? 2 : 4);
    CHECK(memcmp(buf, stream ? "gh" : "efgh", stream ? 2 : 4) == 0);
    CHECK_ERRNO(recv(g_s[1], buf, 8, MSG_PEEK), EAGAIN);
}

int main(void)
{
    stamps(SOCK_DGRAM, true);
    stamps(SOCK_SEQPACKET, true);
    stamps(SOCK_STREAM, false);
    peek(SOCK_STREAM);
    peek(SOCK_DGRAM);
    peek(SOCK_SEQPACKET);
    if (compat_linux(6, 5)) {
        pidfds(SOCK_STREAM);
        pidfds(SOCK_DGRAM);
    }
    if (compat_linux(6, 16)) {
        rights(SOCK_STREAM);
        rights(SOCK_DGRAM);
    }
    struct msghdr none = {0};
    CHECK_ERRNO(recvmsg(g_s[1], &none, (int)0x80000000u), EINVAL);
    CHECK_ERRNO(sendmsg(g_s[1], &none, (int)0x80000000u), EINVAL);
    return 0;
}
