/*
 * times(2), asked again and again:
 * 1. A child's time counts from the wait that takes it, not before, whichever thread waits; a grandchild's with it.
 * 2. Its result and its user and system time grow; after fork all four begin at 0.
 * 3. Without a buffer there is only the result; a bad one is EFAULT.
 */
#include "../compat.h"

#include <pthread.h>
#include <sys/syscall.h>
#include <sys/times.h>
#include <time.h>

static struct tms g_last;
static clock_t ask(void)
{
    struct tms now;
    clock_t result = times(&now);
    CHECK(result > 0);
    CHECK(now.tms_utime >= g_last.tms_utime && now.tms_stime >= g_last.tms_stime);
    CHECK(now.tms_cutime >= g_last.tms_cutime && now.tms_cstime >= g_last.tms_cstime);
    g_last = now;
    return result;
}

static void burn(int ms)
{
    struct timespec ts;
    do {
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
    } while (ts.tv_sec * 1000 + ts.tv_nsec / 1000000 < ms);
}

static clock_t children(void)
{
    ask();
    return g_last.tms_cutime + g_last.tms_cstime;
}

static pid_t burner(void)
{
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        struct tms own;
        times(&own);
        CHECK_EQ(own.tms_cutime + own.tms_cstime, 0);
        pid_t grandchild = fork();
        if (grandchild == 0) {
            burn(60);
            _exit(0);
        }
        waitpid(grandchild, NULL, 0);
        for (int i = 0; i < 10; i++) {
            times(&own);
            CHECK(own.tms_cutime + own.tms_cstime >= 4);
        }
        _exit(0);
    }
    return pid;
}

static void *waits(void *arg)
{
    int status;
    CHECK_EQ(waitpid(*(pid_t *)arg, &status, 0), *(pid_t *)arg);
    CHECK_EQ(status, 0);
    return arg;
}

int main(void)
{
    clock_t first = ask();
    for (int round = 0; round < 3; round++) {
        clock_t before = children();
        pid_t pid = burner();
        siginfo_t info;
        CHECK_EQ(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
        for (int i = 0; i < 10; i++) {
            CHECK_EQ(children(), before);
        }
        pthread_t t;
        CHECK_EQ(pthread_create(&t, NULL, waits, &pid), 0);
        pthread_join(t, NULL);
        for (int i = 0; i < 10; i++) {
            CHECK(children() >= before + 4);
        }
    }
    CHECK(ask() - first >= 3 * 4);
    CHECK(times(NULL) - first >= 3 * 4);
    CHECK(times(NULL) - first < 100 * 60);
    CHECK_ERRNO(syscall(SYS_times, 8), EFAULT);
    burn(50);
    ask();
    CHECK(g_last.tms_utime + g_last.tms_stime >= 4);
    return 0;
}
