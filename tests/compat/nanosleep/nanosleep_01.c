/*
 * nanosleep(2):
 * 1. Sleeps at least as long as asked; EINVAL for bad times, EFAULT for bad addresses.
 * 2. A handler gives EINTR and what is left, whatever SA_RESTART says.
 * 3. An ignored signal, and a stop with a continue, don't end it early.
 */
#include "../compat.h"

#include <signal.h>
#include <time.h>

static void handler(int sig)
{
    (void)sig;
}

static long now_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void signal_soon(int sig, int sig2)
{
    pid_t parent = getpid();
    if (fork() == 0) {
        usleep(40000);
        kill(parent, sig);
        if (sig2) {
            usleep(20000);
            kill(parent, sig2);
        }
        _exit(0);
    }
}

int main(void)
{
    struct timespec t = {0, 30000000}, rem = {9, 9};
    long start = now_ms();
    CHECK_EQ(nanosleep(&t, &rem), 0);
    CHECK(now_ms() - start >= 30);
    t = (struct timespec){0, 1000000000};
    CHECK_ERRNO(nanosleep(&t, NULL), EINVAL);
    t = (struct timespec){-1, 0};
    CHECK_ERRNO(nanosleep(&t, NULL), EINVAL);
    CHECK_ERRNO(nanosleep((void *)8, NULL), EFAULT);

    signal(SIGUSR1, handler); /* with SA_RESTART */
    signal_soon(SIGUSR1, 0);
    t = (struct timespec){10, 0};
    CHECK_ERRNO(nanosleep(&t, &rem), EINTR);
    CHECK(rem.tv_sec == 9);
    wait(NULL);

    signal(SIGUSR1, SIG_IGN);
    signal_soon(SIGUSR1, 0);
    t = (struct timespec){0, 150000000};
    start = now_ms();
    CHECK_EQ(nanosleep(&t, NULL), 0);
    CHECK(now_ms() - start >= 150);
    wait(NULL);

    signal_soon(SIGSTOP, SIGCONT);
    start = now_ms();
    CHECK_EQ(nanosleep(&t, NULL), 0);
    CHECK(now_ms() - start >= 150);
    wait(NULL);
    return 0;
}
