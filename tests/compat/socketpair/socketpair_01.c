/*
 * socketpair(2) of streams: data, end, errors.
 * Claims: both ends read and write; a read takes several writes together, a short one leaves the rest; shutdown
 * and close of one end are an end of file, EPIPE and SIGPIPE at the other; unread data makes it ECONNRESET
 * once; send with MSG_NOSIGNAL raises nothing; seeking and pread give ESPIPE; fstat shows a socket.
 */
#include "../compat.h"

#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

static volatile sig_atomic_t g_pipes;

static void on_pipe(int sig)
{
    (void)sig;
    g_pipes++;
}

static void data(void)
{
    char buf[64];
    int s[2], n;
    struct stat st;

    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
    CHECK(fstat(s[0], &st) == 0 && S_ISSOCK(st.st_mode) && (st.st_mode & 0777) == 0777);
    CHECK_EQ(fcntl(s[0], F_GETFL), O_RDWR);
    CHECK_EQ(write(s[0], "hello", 5), 5);
    CHECK_EQ(write(s[0], "world", 5), 5);
    CHECK(ioctl(s[1], FIONREAD, &n) == 0 && n == 10);
    CHECK_EQ(read(s[1], buf, 7), 7);
    CHECK(memcmp(buf, "hellowo", 7) == 0);
    CHECK_EQ(read(s[1], buf, sizeof(buf)), 3);
    CHECK(memcmp(buf, "rld", 3) == 0);
    CHECK_EQ(write(s[1], "back", 4), 4);
    CHECK_EQ(read(s[0], buf, 0), 0);
    CHECK_EQ(read(s[0], buf, sizeof(buf)), 4);
    CHECK_ERRNO(lseek(s[0], 0, SEEK_CUR), ESPIPE);
    CHECK_ERRNO(pread(s[0], buf, 1, 0), ESPIPE);
    CHECK_ERRNO(pwrite(s[0], buf, 1, 0), ESPIPE);
    CHECK_ERRNO(recv(s[0], buf, 1, MSG_DONTWAIT), EAGAIN);
    CHECK_ERRNO(recv(s[0], (void *)16, 0, MSG_DONTWAIT), EAGAIN);
    CHECK_ERRNO(ftruncate(s[0], 0), EINVAL);
    CHECK(close(s[1]) == 0);
    CHECK_EQ(read(s[0], buf, 1), 0);
    CHECK_ERRNO(write(s[0], "x", 1), EPIPE);
    CHECK_EQ(g_pipes, 1);
    CHECK_ERRNO(send(s[0], "x", 1, MSG_NOSIGNAL), EPIPE);
    CHECK_EQ(g_pipes, 1);
    CHECK(close(s[0]) == 0);
}

static void halves(void)
{
    char buf[8];
    int s[2];

    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
    CHECK(write(s[0], "ab", 2) == 2);
    CHECK(shutdown(s[0], SHUT_WR) == 0);
    CHECK_EQ(read(s[1], buf, sizeof(buf)), 2);
    CHECK_EQ(read(s[1], buf, sizeof(buf)), 0);
    CHECK_EQ(write(s[1], "cd", 2), 2); /* the other way is still open */
    CHECK_EQ(read(s[0], buf, sizeof(buf)), 2);
    CHECK_ERRNO(send(s[0], "x", 1, MSG_NOSIGNAL), EPIPE);
    CHECK(shutdown(s[0], SHUT_RD) == 0);
    CHECK_ERRNO(send(s[1], "x", 1, MSG_NOSIGNAL), EPIPE);
    CHECK_EQ(read(s[0], buf, 1), 0);
    CHECK(close(s[0]) == 0 && close(s[1]) == 0);
}

static void reset(void)
{
    char c;
    int s[2], e;
    socklen_t size = sizeof(e);

    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
    CHECK(write(s[0], "lost", 4) == 4);
    CHECK(close(s[1]) == 0);
    CHECK_ERRNO(read(s[0], &c, 1), ECONNRESET);
    CHECK_EQ(read(s[0], &c, 1), 0);
    CHECK(close(s[0]) == 0);
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
    CHECK(write(s[0], "lost", 4) == 4);
    CHECK(close(s[1]) == 0);
    CHECK(getsockopt(s[0], SOL_SOCKET, SO_ERROR, &e, &size) == 0 && e == ECONNRESET);
    CHECK(getsockopt(s[0], SOL_SOCKET, SO_ERROR, &e, &size) == 0 && e == 0);
    CHECK_EQ(read(s[0], &c, 1), 0);
    CHECK(close(s[0]) == 0);
}

static void errors(void)
{
    int s[2];

    CHECK_ERRNO(socketpair(AF_UNIX, SOCK_STREAM | 0x100000, 0, s), EINVAL);
    CHECK_ERRNO(socketpair(AF_UNIX, SOCK_STREAM, 5, s), EPROTONOSUPPORT);
    CHECK_ERRNO(socketpair(AF_UNIX, SOCK_RDM, 0, s), ESOCKTNOSUPPORT);
    CHECK_ERRNO(socketpair(AF_UNIX, SOCK_STREAM, 0, (int *)16), EFAULT);
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, PF_UNIX, s) == 0);
    CHECK_EQ(fcntl(s[0], F_GETFL), O_RDWR | O_NONBLOCK);
    CHECK_EQ(fcntl(s[1], F_GETFD), FD_CLOEXEC);
    CHECK_ERRNO(read(s[0], &s[0], 1), EAGAIN);
}

int main(void)
{
    struct sigaction sa = {.sa_handler = on_pipe};

    CHECK(sigaction(SIGPIPE, &sa, NULL) == 0);
    data();
    halves();
    reset();
    errors();
    return 0;
}
