/*
 * epoll_pwait(2), epoll_pwait2(2).
 * Claims: the mask holds during the wait only; a signal it lets in interrupts with EINTR; a ready event is returned
 * instead, and the signal stays pending; nanosecond timeouts work; a bad timespec gives EINVAL.
 */
#include "../compat.h"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <time.h>

#ifndef SYS_epoll_pwait2
#define SYS_epoll_pwait2 441
#endif

static volatile sig_atomic_t g_handled;

static void on_usr1(int sig)
{
    (void)sig;
    g_handled++;
}

int main(void)
{
    struct epoll_event e = {.events = EPOLLIN};
    struct timespec ts = {0, 2000000}, bad = {0, -1};
    sigset_t usr1, none, pending;
    int ep = epoll_create1(0), p[2];

    CHECK(pipe(p) == 0);
    CHECK(epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &e) == 0);
    signal(SIGUSR1, on_usr1);
    sigemptyset(&none);
    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
    CHECK(sigprocmask(SIG_BLOCK, &usr1, NULL) == 0);
    CHECK(raise(SIGUSR1) == 0);
    CHECK_ERRNO(epoll_pwait(ep, &e, 1, -1, &none), EINTR);
    CHECK_EQ(g_handled, 1);

    CHECK(raise(SIGUSR1) == 0);
    CHECK(write(p[1], "x", 1) == 1);
    CHECK_EQ(epoll_pwait(ep, &e, 1, -1, &none), 1);
    CHECK(sigpending(&pending) == 0);
    CHECK_EQ(g_handled + sigismember(&pending, SIGUSR1), 2);

    CHECK(read(p[0], &e, 1) == 1);
    long r = syscall(SYS_epoll_pwait2, ep, &e, 1, &ts, NULL, 0);
    if (r == -1 && errno == ENOSYS) {
        SKIP("no epoll_pwait2");
    }
    CHECK_EQ(r, 0);
    CHECK_ERRNO(syscall(SYS_epoll_pwait2, ep, &e, 1, &bad, NULL, 0), EINVAL);
    return 0;
}
