/*
 * ppoll(2).
 * Claims: the mask holds during the wait only, and a signal that it lets in interrupts with EINTR after the handler
 * ran; the system call writes back the time that is left; a bad timespec and a bad mask size give EINVAL; a
 * signal that is pending already interrupts even a wait of zero.
 */
#include "../compat.h"

#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>

static volatile sig_atomic_t g_handled;

static void on_usr1(int sig)
{
    (void)sig;
    g_handled++;
}

int main(void)
{
    sigset_t usr1, none, now;
    struct timespec ts = {5, 0}, bad = {0, 1000000000}, zero = {0, 0};
    struct pollfd fd;
    int p[2];

    CHECK(pipe(p) == 0);
    fd = (struct pollfd){p[0], POLLIN, 0};
    signal(SIGUSR1, on_usr1);
    sigemptyset(&none);
    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
    CHECK(sigprocmask(SIG_BLOCK, &usr1, NULL) == 0);
    CHECK(raise(SIGUSR1) == 0);
    CHECK_EQ(g_handled, 0);
    CHECK_ERRNO(ppoll(&fd, 1, NULL, &none), EINTR);
    CHECK_EQ(g_handled, 1);
    CHECK(sigprocmask(SIG_BLOCK, NULL, &now) == 0);
    CHECK(sigismember(&now, SIGUSR1));

    CHECK(raise(SIGUSR1) == 0);
    CHECK_ERRNO(ppoll(&fd, 1, &zero, &none), EINTR);
    CHECK_EQ(g_handled, 2);

    /* Blocked during the wait: no interruption, and it stays pending. */
    CHECK(raise(SIGUSR1) == 0);
    ts = (struct timespec){0, 1000000};
    CHECK_EQ(ppoll(&fd, 1, &ts, &usr1), 0);
    CHECK_EQ(g_handled, 2);

    CHECK(write(p[1], "x", 1) == 1);
    ts = (struct timespec){5, 0};
    CHECK_EQ(syscall(SYS_ppoll, &fd, 1, &ts, NULL, 8), 1);
    CHECK(ts.tv_sec == 4 && ts.tv_nsec > 0);
    CHECK_ERRNO(syscall(SYS_ppoll, &fd, 1, &bad, NULL, 8), EINVAL);
    CHECK_ERRNO(syscall(SYS_ppoll, &fd, 1, NULL, &none, 4), EINVAL);
    return 0;
}
