/*
 * poll, ppoll and select with a zero timeout on files that the process uses all the time: a pipe's ends as they fill and empty, a
 * regular file, /dev/null, an epoll set; negative fds; hangup as soon as the other end is closed; only revents is written; a
 * pipe that two processes use.
 */
#include "../compat.h"

#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/select.h>

static char g_buf[65536];

static short look(int fd, short events)
{
    struct pollfd p[2] = {{-5, POLLIN, -1}, {fd, events, -1}};
    const struct timespec zero = {0};
    int n = poll(p, 2, 0);
    CHECK(n == (p[1].revents != 0));
    CHECK(p[0].revents == 0 && p[0].events == POLLIN && p[0].fd == -5);
    CHECK(p[1].events == events && p[1].fd == fd);
    short first = p[1].revents;
    p[1].revents = -1;
    CHECK_EQ(ppoll(p, 2, &zero, NULL), n);
    CHECK_EQ(p[1].revents, first);
    return first;
}

/* r, w: what select must say. */
static void selects(int fd, int r, int w)
{
    fd_set in, out, ex;
    struct timeval zero = {0};
    FD_ZERO(&in);
    FD_ZERO(&out);
    FD_ZERO(&ex);
    FD_SET(fd, &in);
    FD_SET(fd, &out);
    FD_SET(fd, &ex);
    CHECK_EQ(select(fd + 1, &in, &out, &ex, &zero), r + w);
    CHECK_EQ(!!FD_ISSET(fd, &in), r);
    CHECK_EQ(!!FD_ISSET(fd, &out), w);
    CHECK(!FD_ISSET(fd, &ex));
    FD_ZERO(&out);
    FD_SET(fd, &out);
    CHECK_EQ(select(fd + 1, NULL, &out, NULL, &zero), w);
    CHECK_EQ(select(fd, NULL, &out, NULL, &zero), 0); /* beyond the last fd; the set is cut to it */
}

static void empty(const int *p)
{
    CHECK_EQ(look(p[0], POLLIN | POLLOUT), 0);
    CHECK_EQ(look(p[1], POLLIN | POLLOUT), POLLOUT);
    CHECK_EQ(look(p[1], POLLIN), 0);
    selects(p[0], 0, 0);
    selects(p[1], 0, 1);
}

static void pipes(void)
{
    int p[2];
    CHECK_EQ(pipe(p), 0);
    for (int i = 0; i < 40; i++) {
        empty(p);
        CHECK_EQ(write(p[1], g_buf, 100), 100);
        CHECK_EQ(look(p[0], POLLIN | POLLRDNORM), POLLIN | POLLRDNORM);
        CHECK_EQ(look(p[0], POLLOUT), 0);
        selects(p[0], 1, 0);
        CHECK_EQ(read(p[0], g_buf, sizeof(g_buf)), 100);
    }
    empty(p);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(write(p[1], g_buf, sizeof(g_buf)), 65536);
        CHECK_EQ(look(p[1], POLLOUT | POLLWRNORM), 0);
        selects(p[1], 0, 0);
        CHECK_EQ(look(p[0], POLLIN), POLLIN);
        CHECK_EQ(read(p[0], g_buf, 4096), 4096);
        CHECK_EQ(look(p[1], POLLOUT | POLLWRNORM), POLLOUT | POLLWRNORM);
        CHECK_EQ(read(p[0], g_buf, sizeof(g_buf)), 65536 - 4096);
        empty(p);
    }
    close(p[1]);
    CHECK_EQ(look(p[0], POLLIN), POLLHUP);
    selects(p[0], 1, 0);
    close(p[0]);
    CHECK_EQ(look(p[0], POLLIN), POLLNVAL);
}

static void others(void)
{
    char byte;
    struct rlimit limit, low;
    int fd = open("f", O_RDWR | O_CREAT, 0600), null = open("/dev/null", O_RDWR);
    int p[2], set = epoll_create1(0);
    CHECK_EQ(pipe(p), 0);
    struct epoll_event e = {.events = EPOLLIN};
    CHECK_EQ(epoll_ctl(set, EPOLL_CTL_ADD, p[0], &e), 0);
    for (int i = 0; i < 40; i++) {
        CHECK_EQ(write(fd, "x", 1), 1);
        CHECK_EQ(pread(fd, &byte, 1, 0), 1);
        CHECK_EQ(look(fd, POLLIN | POLLOUT | POLLPRI), POLLIN | POLLOUT);
        selects(fd, 1, 1);
        CHECK_EQ(write(null, "x", 1), 1);
        CHECK_EQ(look(null, POLLIN | POLLOUT), POLLIN | POLLOUT);
        CHECK_EQ(epoll_wait(set, &e, 1, 0), 0);
        CHECK_EQ(look(set, POLLIN | POLLOUT), 0);
        if (i == 20) {
            CHECK_EQ(write(p[1], "x", 1), 1);
            CHECK_EQ(look(set, POLLIN | POLLOUT), POLLIN);
            CHECK_EQ(read(p[0], &byte, 1), 1);
        }
    }
    struct pollfd many[3] = {{fd, POLLIN, 0}, {null, POLLIN, 0}, {-1, POLLIN, 0}};
    CHECK_EQ(poll(many, 3, 0), 2);
    CHECK_ERRNO(poll((struct pollfd *)8, 1, 0), EFAULT);
    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
    low = limit;
    low.rlim_cur = 2;
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &low), 0);
    CHECK_ERRNO(poll(many, 3, 0), EINVAL);
    CHECK_EQ(poll(many, 2, 0), 2);
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
    CHECK_EQ(poll(many, 3, 0), 2);
}

/* Each waits by looking for what the other sends. */
static void answer(int in, int out, int count)
{
    char byte;
    for (int i = 0; i < count; i++) {
        struct pollfd p = {in, POLLIN, 0};
        while (poll(&p, 1, 0) == 0) {
        }
        CHECK_EQ(p.revents, POLLIN);
        CHECK_EQ(read(in, &byte, 1), 1);
        CHECK_EQ(look(in, POLLIN), 0);
        CHECK_EQ(write(out, &byte, 1), 1);
    }
}
static void between_processes(void)
{
    int a[2], b[2], status;
    CHECK(pipe(a) == 0 && pipe(b) == 0);
    pid_t pid = fork();
    if (pid == 0) {
        answer(a[0], b[1], 60);
        _exit(0);
    }
    CHECK_EQ(write(a[1], "x", 1), 1);
    answer(b[0], a[1], 59);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
    CHECK_EQ(look(b[0], POLLIN), POLLIN);
}

int main(void)
{
    compat_tmpdir();
    pipes();
    others();
    between_processes();
    return 0;
}
