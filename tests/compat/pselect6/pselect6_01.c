/*
 * pselect(2).
 * Claims: the mask holds during the wait only; a signal it lets in interrupts; the system call writes what is left
 * of the time; a bad mask size gives EINVAL.
 */
#include "../compat.h"

#include <signal.h>
#include <sys/select.h>
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
    struct timespec ts = {5, 0};
    struct {
        const void *set;
        size_t size;
    } arg = {&none, 8}, bad = {&none, 7};
    int p[2];
    fd_set in;

    CHECK(pipe(p) == 0);
    FD_ZERO(&in);
    FD_SET(p[0], &in);
    signal(SIGUSR1, on_usr1);
    sigemptyset(&none);
    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
    CHECK(sigprocmask(SIG_BLOCK, &usr1, NULL) == 0);
    CHECK(raise(SIGUSR1) == 0);
    CHECK_ERRNO(syscall(SYS_pselect6, p[0] + 1, &in, NULL, NULL, &ts, &arg), EINTR);
    CHECK_EQ(g_handled, 1);
    CHECK(ts.tv_sec == 4);
    CHECK(FD_ISSET(p[0], &in));
    CHECK(sigprocmask(SIG_BLOCK, NULL, &now) == 0);
    CHECK(sigismember(&now, SIGUSR1));
    CHECK_ERRNO(syscall(SYS_pselect6, p[0] + 1, &in, NULL, NULL, &ts, &bad), EINVAL);
    CHECK(write(p[1], "x", 1) == 1);
    CHECK_EQ(syscall(SYS_pselect6, p[0] + 1, &in, NULL, NULL, NULL, NULL), 1);
    return 0;
}
