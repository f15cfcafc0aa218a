/*
 * getsockopt(2) and setsockopt(2) at SOL_SOCKET, for local sockets.
 * Claims: type, domain and protocol; buffers are doubled, and have a least size; timeouts come back, bad ones are EDOM;
 * flags are 0 or 1; short buffers are filled in part; unknown options are ENOPROTOOPT, other levels EOPNOTSUPP; sizes below an int are
 * EINVAL; what is fixed can't be set.
 */
#include "../compat.h"

#include <sys/socket.h>
#include <sys/time.h>

static int g_fd;

static int get(int option)
{
    int v = -1;
    socklen_t size = sizeof(v);

    CHECK(getsockopt(g_fd, SOL_SOCKET, option, &v, &size) == 0 && size == sizeof(v));
    return v;
}

static int set(int option, int value)
{
    return setsockopt(g_fd, SOL_SOCKET, option, &value, sizeof(value));
}

static void numbers(void)
{
    CHECK_EQ(get(SO_TYPE), SOCK_STREAM);
    CHECK_EQ(get(SO_DOMAIN), AF_UNIX);
    CHECK_EQ(get(SO_PROTOCOL), 0);
    CHECK_EQ(get(SO_ERROR), 0);
    CHECK_EQ(get(SO_ACCEPTCONN), 0);
    CHECK_EQ(get(SO_SNDBUF), 212992);
    CHECK_EQ(get(SO_RCVBUF), 212992);
    CHECK_EQ(get(SO_RCVLOWAT), 1);
    CHECK_EQ(get(SO_SNDLOWAT), 1);
    CHECK(set(SO_SNDBUF, 10000) == 0);
    CHECK_EQ(get(SO_SNDBUF), 20000);
    CHECK(set(SO_SNDBUF, 1) == 0);
    CHECK_EQ(get(SO_SNDBUF), 4608);
    CHECK(set(SO_RCVBUF, 1) == 0);
    CHECK_EQ(get(SO_RCVBUF), 2304);
    CHECK(set(SO_RCVBUF, 50000) == 0);
    CHECK_EQ(get(SO_RCVBUF), 100000);
    CHECK(set(SO_RCVLOWAT, 0) == 0);
    CHECK_EQ(get(SO_RCVLOWAT), 1);
    CHECK(set(SO_PRIORITY, 3) == 0);
    CHECK_EQ(get(SO_PRIORITY), 3);
}

static void flags(void)
{
    const int options[] = {SO_REUSEADDR, SO_REUSEPORT, SO_KEEPALIVE, SO_BROADCAST,
                           SO_DONTROUTE, SO_OOBINLINE, SO_PASSCRED};

    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        if (options[i] == SO_REUSEPORT) {
            continue; /* refused or kept, by the kernel's age */
        }
        CHECK_EQ(get(options[i]), 0);
        CHECK(set(options[i], 5) == 0);
        CHECK_EQ(get(options[i]), 1);
        CHECK(set(options[i], 0) == 0);
        CHECK_EQ(get(options[i]), 0);
    }
}

static void structs(void)
{
    struct timeval tv = {1, 500000}, got;
    struct linger l = {5, 10}, lg;
    socklen_t size = sizeof(got);

    CHECK(setsockopt(g_fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)) == 0);
    CHECK(getsockopt(g_fd, SOL_SOCKET, SO_RCVTIMEO, &got, &size) == 0 && size == sizeof(got));
    CHECK(got.tv_sec == 1 && got.tv_usec == 500000);
    CHECK(getsockopt(g_fd, SOL_SOCKET, SO_SNDTIMEO, &got, &size) == 0 && got.tv_sec == 0 &&
          got.tv_usec == 0);
    tv.tv_usec = 1000000;
    CHECK_ERRNO(setsockopt(g_fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)), EDOM);
    CHECK_ERRNO(setsockopt(g_fd, SOL_SOCKET, SO_RCVTIMEO, &tv, 8), EINVAL);
    CHECK(setsockopt(g_fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l)) == 0);
    size = sizeof(lg);
    CHECK(getsockopt(g_fd, SOL_SOCKET, SO_LINGER, &lg, &size) == 0 && lg.l_onoff == 1 &&
          lg.l_linger == 10);
    CHECK_ERRNO(setsockopt(g_fd, SOL_SOCKET, SO_LINGER, &l, 4), EINVAL);
}

static void errors(void)
{
    int v = 0x01010101;
    socklen_t size = 1;

    CHECK(getsockopt(g_fd, SOL_SOCKET, SO_TYPE, &v, &size) == 0 && size == 1);
    CHECK_EQ(v, 0x01010101); /* the low byte of SOCK_STREAM, and no more */
    size = 0;
    CHECK(getsockopt(g_fd, SOL_SOCKET, SO_TYPE, &v, &size) == 0 && size == 0);
    size = (socklen_t)-1;
    CHECK_ERRNO(getsockopt(g_fd, SOL_SOCKET, SO_TYPE, &v, &size), EINVAL);
    size = 4;
    CHECK_ERRNO(getsockopt(g_fd, SOL_SOCKET, 9999, &v, &size), ENOPROTOOPT);
    CHECK_ERRNO(getsockopt(g_fd, 6, 1, &v, &size), EOPNOTSUPP);
    CHECK_ERRNO(setsockopt(g_fd, 6, 1, &v, size), EOPNOTSUPP);
    CHECK_ERRNO(getsockopt(g_fd, SOL_SOCKET, SO_TYPE, (void *)16, &size), EFAULT);
    CHECK_ERRNO(getsockopt(g_fd, SOL_SOCKET, SO_TYPE, &v, (void *)16), EFAULT);
    CHECK_ERRNO(set(SO_TYPE, 1), ENOPROTOOPT);
    CHECK_ERRNO(set(SO_ERROR, 1), ENOPROTOOPT);
    CHECK_ERRNO(set(SO_ACCEPTCONN, 1), ENOPROTOOPT);
    CHECK_ERRNO(set(9999, 1), ENOPROTOOPT);
    CHECK_ERRNO(setsockopt(g_fd, SOL_SOCKET, SO_REUSEADDR, &v, 3), EINVAL);
    CHECK_ERRNO(setsockopt(g_fd, SOL_SOCKET, SO_REUSEADDR, &v, -1), EINVAL);
    CHECK_ERRNO(setsockopt(g_fd, SOL_SOCKET, SO_REUSEADDR, (void *)16, 4), EFAULT);
    CHECK_ERRNO(setsockopt(-1, SOL_SOCKET, SO_REUSEADDR, &v, 4), EBADF);
}

int main(void)
{
    g_fd = socket(AF_UNIX, SOCK_STREAM, 0);
    CHECK(g_fd >= 0);
    numbers();
    flags();
    structs();
    errors();
    return 0;
}
