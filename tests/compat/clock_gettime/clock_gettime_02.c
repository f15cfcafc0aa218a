/*
 * CPU time of threads:
 * 1. CLOCK_THREAD_CPUTIME_ID and RUSAGE_THREAD count the calling thread alone.
 * 2. pthread_getcpuclockid reads another thread's; CLOCK_PROCESS_CPUTIME_ID is at least their sum.
 * 3. A thread clock of another process is EINVAL.
 */
#include "../compat.h"

#include <pthread.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>

static long ns(clockid_t c)
{
    struct timespec ts;
    CHECK_EQ(clock_gettime(c, &ts), 0);
    return ts.tv_sec * 1000000000L + ts.tv_nsec;
}

static volatile int burnt, stop;
static pid_t burner_tid;

static void *burn(void *arg)
{
    burner_tid = (pid_t)syscall(SYS_gettid);
    while (ns(CLOCK_THREAD_CPUTIME_ID) < 150000000) {
        for (volatile int i = 0; i < 100000; i++) {
        }
    }
    struct rusage ru;
    CHECK_EQ(getrusage(RUSAGE_THREAD, &ru), 0);
    CHECK(ru.ru_utime.tv_sec * 1000 + (ru.ru_utime.tv_usec + ru.ru_stime.tv_usec) / 1000 >= 100);
    burnt = 1;
    while (!stop) {
        usleep(1000);
    }
    return arg;
}

int main(void)
{
    pthread_t p;
    clockid_t c;
    CHECK_EQ(pthread_create(&p, NULL, burn, NULL), 0);
    CHECK_EQ(pthread_getcpuclockid(p, &c), 0);
    while (!burnt) {
        usleep(5000);
    }
    long mine = ns(CLOCK_THREAD_CPUTIME_ID), other = ns(c);
    CHECK(mine < 100000000);
    CHECK(other >= 150000000);
    CHECK(ns(CLOCK_PROCESS_CPUTIME_ID) >= 145000000);
    pid_t pid = fork();
    if (pid == 0) {
        struct timespec ts;
        _exit(clock_gettime(c, &ts) == -1 && errno == EINVAL ? 0 : 1);
    }
    int status;
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
    stop = 1;
    CHECK_EQ(pthread_join(p, NULL), 0);
    return 0;
}
