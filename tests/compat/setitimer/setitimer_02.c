/*
 * setitimer(2): the signal of ITIMER_PROF and ITIMER_VIRTUAL goes to the thread that runs, not to the first one, which waits.
 */
#include "../compat.h"

#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/time.h>

static volatile int g_here, g_elsewhere;
static volatile pid_t g_runner;

static void count(int sig)
{
    (void)sig;
    if (syscall(SYS_gettid) == g_runner) {
        g_here++;
    } else {
        g_elsewhere++;
    }
}

static void *run(void *arg)
{
    g_runner = (pid_t)syscall(SYS_gettid);
    while (g_here + g_elsewhere < 20) {
        __asm__ volatile("pause");
    }
    return arg;
}

static void profile(enum __itimer_which which, int sig)
{
    struct itimerval it = {{0, 10000}, {0, 10000}};
    pthread_t thread;
    g_here = g_elsewhere = 0;
    signal(sig, count);
    CHECK_EQ(setitimer(which, &it, NULL), 0);
    CHECK_EQ(pthread_create(&thread, NULL, run, NULL), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    it = (struct itimerval){0};
    CHECK_EQ(setitimer(which, &it, NULL), 0);
    CHECK(g_here > 15);
}

int main(void)
{
    profile(ITIMER_PROF, SIGPROF);
    profile(ITIMER_VIRTUAL, SIGVTALRM);
    return 0;
}
