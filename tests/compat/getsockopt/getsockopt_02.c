/*
 * Options that mean nothing to local sockets are kept and given back, socket(7); SO_COOKIE tells sockets apart; SO_PEERPIDFD is a
 * pidfd of who made the other end; SO_PEERNAME its address; SO_BUF_LOCK and others refuse what they don't know.
 */
#include "../compat.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

static int g_s[2];

static int get(int fd, int name)
{
    int value = -99;
    socklen_t size = sizeof(value);
    CHECK_EQ(getsockopt(fd, SOL_SOCKET, name, &value, &size), 0);
    CHECK_EQ(size, sizeof(value));
    return value;
}

static int set(int name, int value)
{
    return setsockopt(g_s[0], SOL_SOCKET, name, &value, sizeof(value));
}

static void flags(void)
{
    static const int names[] = {SO_NO_CHECK,    SO_PASSSEC, SO_TIMESTAMP,        SO_RXQ_OVFL,
                                SO_WIFI_STATUS, SO_NOFCS,   SO_SELECT_ERR_QUEUE, SO_TIMESTAMPNS};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        CHECK_EQ(get(g_s[0], names[i]), 0);
        CHECK_EQ(set(names[i], 7), 0);
        CHECK_EQ(get(g_s[0], names[i]), 1);
        CHECK_EQ(get(g_s[1], names[i]), 0);
        CHECK_EQ(set(names[i], 0), 0);
        CHECK_EQ(get(g_s[0], names[i]), 0);
    }
    /* One clock a socket. */
    CHECK_EQ(set(SO_TIMESTAMP, 1), 0);
    CHECK_EQ(set(SO_TIMESTAMPNS, 1), 0);
    CHECK_EQ(get(g_s[0], SO_TIMESTAMP), 0);
    CHECK_EQ(get(g_s[0], SO_TIMESTAMPNS), 1);
}

static void numbers(void)
{
    uint64_t rate = 0;
    int stamping[2] = {9, 9};
    socklen_t size = sizeof(rate);
    CHECK_EQ(get(g_s[0], SO_PEEK_OFF), -1);
    CHECK_EQ(set(SO_PEEK_OFF, 5), 0);
    CHECK_EQ(get(g_s[0], SO_PEEK_OFF), 5);
    CHECK_EQ(set(SO_PEEK_OFF, -1), 0);
    CHECK_EQ(get(g_s[0], SO_BPF_EXTENSIONS), 64);
    CHECK_EQ(get(g_s[0], SO_BINDTOIFINDEX), 0);
    CHECK_ERRNO(set(SO_BINDTOIFINDEX, -1), EINVAL);
    CHECK_ERRNO(set(SO_ZEROCOPY, 1), EOPNOTSUPP);
    CHECK_ERRNO(set(SO_DETACH_FILTER, 1), ENOENT);
    CHECK_EQ(getsockopt(g_s[0], SOL_SOCKET, SO_MAX_PACING_RATE, &rate, &size), 0);
    CHECK(rate == UINT64_MAX && size == sizeof(rate));
    CHECK_EQ(set(SO_MAX_PACING_RATE, 4096), 0);
    CHECK_EQ(getsockopt(g_s[0], SOL_SOCKET, SO_MAX_PACING_RATE, &rate, &size), 0);
    CHECK_EQ(rate, 4096);
    CHECK_ERRNO(set(SO_TIMESTAMPING, -1), EINVAL);
    CHECK_EQ(set(SO_TIMESTAMPING, 2), 0);
    size = sizeof(stamping);
    CHECK_EQ(getsockopt(g_s[0], SOL_SOCKET, SO_TIMESTAMPING, stamping, &size), 0);
    CHECK(stamping[0] == 2 && stamping[1] == 0 && size == sizeof(stamping));
    CHECK_ERRNO(setsockopt(g_s[0], SOL_SOCKET, SO_BINDTODEVICE, "nonesuch", 8), ENODEV);
    CHECK_EQ(setsockopt(g_s[0], SOL_SOCKET, SO_BINDTODEVICE, "", 1), 0);
    size = sizeof(rate);
    CHECK_EQ(getsockopt(g_s[0], SOL_SOCKET, SO_BINDTODEVICE, &rate, &size), 0);
    CHECK_EQ(size, 0);
}

static uint64_t cookie(int fd)
{
    uint64_t value = 0;
    socklen_t size = sizeof(value);
    CHECK_EQ(getsockopt(fd, SOL_SOCKET, SO_COOKIE, &value, &size), 0);
    CHECK_EQ(size, sizeof(value));
    return value;
}

static void cookies(void)
{
    uint32_t half;
    socklen_t size = sizeof(half);
    CHECK(cookie(g_s[0]) != 0);
    CHECK(cookie(g_s[0]) == cookie(dup(g_s[0])));
    CHECK(cookie(g_s[0]) != cookie(g_s[1]));
    CHECK_ERRNO(getsockopt(g_s[0], SOL_SOCKET, SO_COOKIE, &half, &size), EINVAL);
}

static void peer(void)
{
    struct sockaddr_un a = {0};
    socklen_t size = 2;
    int lonely = socket(AF_UNIX, SOCK_STREAM, 0), fd = -1;
    CHECK_EQ(getsockopt(g_s[0], SOL_SOCKET, SO_PEERNAME, &a, &size), 0);
    CHECK_EQ(a.sun_family, AF_UNIX);
    size = 3;
    CHECK_ERRNO(getsockopt(g_s[0], SOL_SOCKET, SO_PEERNAME, &a, &size), EINVAL);
    CHECK_ERRNO(getsockopt(lonely, SOL_SOCKET, SO_PEERNAME, &a, &size), ENOTCONN);
    if (compat_linux(6, 5)) {
        struct pollfd p = {.events = POLLIN};
        size = sizeof(fd);
        CHECK_ERRNO(getsockopt(lonely, SOL_SOCKET, 77, &fd, &size), ENODATA);
        CHECK_EQ(getsockopt(g_s[0], SOL_SOCKET, 77, &fd, &size), 0);
        CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
        p.fd = fd;
        CHECK_EQ(poll(&p, 1, 0), 0); /* we live */
    }
}

int main(void)
{
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, g_s), 0);
    flags();
    numbers();
    cookies();
    peer();
    return 0;
}
