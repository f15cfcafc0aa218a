/*
 * connect(2) when the listener's queue is full, and blocking accept(2).
 * Claims: backlog + 1 connections wait; the next is EAGAIN without blocking, or waits until one is accepted; SO_SNDTIMEO and
 * SO_RCVTIMEO limit connect and accept with EAGAIN; a handler without SA_RESTART interrupts both with EINTR, and with a timeout set also with
 * SA_RESTART; many clients and several accepting processes lose no connection.
 */
#include "../compat.h"

#include <signal.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#define CLIENTS 40

static struct sockaddr_un g_addr = {.sun_family = AF_UNIX, .sun_path = "l"};

static int listener(int backlog)
{
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    unlink("l");
    CHECK(bind(fd, (void *)&g_addr, sizeof(g_addr)) == 0 && listen(fd, backlog) == 0);
    return fd;
}

static int client(int flags)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | flags, 0);

    CHECK(fd >= 0);
    return fd;
}

static void on_alarm(int sig)
{
    (void)sig;
}

static void alarm_in(int ms, int flags)
{
    struct sigaction sa = {.sa_handler = on_alarm, .sa_flags = flags};
    struct itimerval it = {.it_value = {0, ms * 1000}};

    CHECK(sigaction(SIGALRM, &sa, NULL) == 0 && setitimer(ITIMER_REAL, &it, NULL) == 0);
}

static void limits(void)
{
    struct timeval tv = {.tv_usec = 20000};
    int l = listener(1), c;

    for (int i = 0; i < 2; i++) {
        CHECK(connect(client(0), (void *)&g_addr, sizeof(g_addr)) == 0);
    }
    CHECK_ERRNO(connect(client(SOCK_NONBLOCK), (void *)&g_addr, sizeof(g_addr)), EAGAIN);
    c = client(0);
    CHECK(setsockopt(c, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)) == 0);
    CHECK_ERRNO(connect(c, (void *)&g_addr, sizeof(g_addr)), EAGAIN);
    alarm_in(20, 0);
    CHECK_ERRNO(connect(client(0), (void *)&g_addr, sizeof(g_addr)), EINTR);
    tv.tv_sec = 10;
    CHECK(setsockopt(c, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)) == 0);
    alarm_in(20, SA_RESTART);
    CHECK_ERRNO(connect(c, (void *)&g_addr, sizeof(g_addr)), EINTR);
    CHECK(accept(l, NULL, NULL) >= 0 && accept(l, NULL, NULL) >= 0);
    alarm_in(20, 0);
    CHECK_ERRNO(accept(l, NULL, NULL), EINTR);
    tv = (struct timeval){.tv_usec = 20000};
    CHECK(setsockopt(l, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)) == 0);
    CHECK_ERRNO(accept(l, NULL, NULL), EAGAIN);
    CHECK(fcntl(l, F_SETFL, O_NONBLOCK) == 0);
    CHECK_ERRNO(accept(l, NULL, NULL), EAGAIN);
    close(l);
}

static void serve(int l)
{
    char c;
    int s;

    while ((s = accept(l, NULL, NULL)) >= 0) {
        ssize_t n = read(s, &c, 1);
        if (n == 1 && c == 'q') {
            _exit(0);
        }
        c++;
        CHECK(n == 1 && write(s, &c, 1) == 1);
        close(s);
    }
    _exit(1);
}

static void many(void)
{
    int l = listener(2), status;
    char c;

    for (int i = 0; i < 2; i++) {
        if (fork() == 0) {
            serve(l);
        }
    }
    for (int i = 0; i < CLIENTS; i++) {
        if (fork() == 0) {
            int fd = client(0);
            c = (char)('A' + i % 20);
            CHECK(connect(fd, (void *)&g_addr, sizeof(g_addr)) == 0);
            CHECK(write(fd, &c, 1) == 1 && read(fd, &c, 1) == 1);
            CHECK_EQ(c, 'A' + i % 20 + 1);
            _exit(0);
        }
    }
    for (int i = 0; i < CLIENTS; i++) {
        CHECK(wait(&status) > 0 && status == 0);
    }
    for (int i = 0; i < 2; i++) {
        int fd = client(0);
        CHECK(connect(fd, (void *)&g_addr, sizeof(g_addr)) == 0 && write(fd, "q", 1) == 1);
        CHECK(wait(&status) > 0 && status == 0);
    }
}

int main(void)
{
    compat_tmpdir();
    limits();
    many();
    return 0;
}
