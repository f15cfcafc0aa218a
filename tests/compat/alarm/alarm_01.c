/*
 * alarm(2):
 * 1. Returns the seconds left, rounded, never 0 while one is armed; alarm(0) cancels.
 * 2. It is ITIMER_REAL. SIGALRM's default action ends the process; exec keeps the timer, fork does not.
 */
#include "../compat.h"

#include <signal.h>
#include <sys/time.h>

static int dies(void)
{
    struct itimerval it = {{0, 0}, {0, 20000}};
    setitimer(ITIMER_REAL, &it, NULL);
    for (;;) {
        pause();
    }
    return 0;
}

static int across_exec(void)
{
    alarm(100);
    execl("/proc/self/exe", "x", "check", NULL);
    return 1;
}

int main(int argc, char **argv)
{
    (void)argv;
    if (argc > 1) {
        unsigned left = alarm(0);
        return left >= 99 && left <= 100 ? 0 : 1;
    }
    struct itimerval it;
    CHECK_EQ(alarm(10), 0);
    CHECK_EQ(alarm(20), 10);
    CHECK_EQ(getitimer(ITIMER_REAL, &it), 0);
    CHECK(it.it_value.tv_sec == 19 || it.it_value.tv_sec == 20);
    CHECK_EQ(alarm(0), 20);
    CHECK_EQ(alarm(0), 0);
    it = (struct itimerval){{0, 0}, {0, 300000}};
    CHECK_EQ(setitimer(ITIMER_REAL, &it, NULL), 0);
    CHECK_EQ(alarm(0), 1);
    CHECK_EQ(compat_child(dies), 128 + SIGALRM);
    CHECK_EQ(compat_child(across_exec), 0);
    return 0;
}
