/*
 * shutdown(2) of local sockets that are not a connected pair.
 * Claims: a fresh socket can be shut down; how is checked after the descriptor; a listener that is shut down refuses new
 * connections, and its waiting accept ends with EINVAL; a blocked reader and writer wake up; a shutdown datagram socket still
 * gives what came before; waking by shutdown from another thread.
 */
#include "../compat.h"

#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/un.h>

static int g_fd;

static void *later(void *arg)
{
    usleep(20000);
    CHECK(shutdown(g_fd, *(int *)arg) == 0);
    return NULL;
}

static void start(pthread_t *th, int fd, int how)
{
    static int g_how;

    g_fd = fd;
    g_how = how;
    CHECK(pthread_create(th, NULL, later, &g_how) == 0);
}

int main(void)
{
    static char big[1 << 20];
    struct sockaddr_un a = {.sun_family = AF_UNIX, .sun_path = "l"};
    struct pollfd p;
    pthread_t th;
    char c;
    int s[2], l, d;

    compat_tmpdir();
    l = socket(AF_UNIX, SOCK_STREAM, 0);
    CHECK_ERRNO(shutdown(l, 3), EINVAL);
    CHECK_ERRNO(shutdown(l, -1), EINVAL);
    CHECK_ERRNO(shutdown(-1, 3), EBADF);
    CHECK(bind(l, (void *)&a, sizeof(a)) == 0 && listen(l, 3) == 0);
    start(&th, l, SHUT_RD);
    CHECK_ERRNO(accept(l, NULL, NULL), EINVAL);
    CHECK(pthread_join(th, NULL) == 0);
    CHECK_ERRNO(connect(socket(AF_UNIX, SOCK_STREAM, 0), (void *)&a, sizeof(a)), ECONNREFUSED);

    d = socket(AF_UNIX, SOCK_STREAM, 0);
    CHECK(shutdown(d, SHUT_RDWR) == 0);
    p = (struct pollfd){.fd = d, .events = POLLIN | POLLOUT | POLLRDHUP};
    CHECK_EQ(poll(&p, 1, 0), 1);
    CHECK_EQ(p.revents, POLLIN | POLLOUT | POLLRDHUP | POLLHUP);

    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
    start(&th, s[0], SHUT_RD);
    CHECK_EQ(read(s[0], &c, 1), 0);
    CHECK(pthread_join(th, NULL) == 0);
    close(s[0]);
    close(s[1]);

    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
    start(&th, s[1], SHUT_RD);
    ssize_t n = send(s[0], big, sizeof(big), MSG_NOSIGNAL);
    CHECK(n > 0 && n < (ssize_t)sizeof(big));
    CHECK(pthread_join(th, NULL) == 0);
    CHECK_ERRNO(send(s[0], big, 1, MSG_NOSIGNAL), EPIPE);
    close(s[0]);
    close(s[1]);

    CHECK(socketpair(AF_UNIX, SOCK_DGRAM, 0, s) == 0);
    CHECK(write(s[0], "x", 1) == 1);
    CHECK(shutdown(s[1], SHUT_RD) == 0);
    CHECK_EQ(recv(s[1], &c, 1, 0), 1);
    CHECK_EQ(recv(s[1], &c, 1, 0), 0);
    start(&th, s[0], SHUT_RDWR);
    CHECK_EQ(recv(s[0], &c, 1, 0), 0);
    CHECK(pthread_join(th, NULL) == 0);
    return 0;
}
