/*
 * clock_nanosleep(2):
 * 1. Absolute sleeps end at their time on REALTIME, MONOTONIC, BOOTTIME; a past time returns at once.
 * 2. EINVAL for unknown clocks, EOPNOTSUPP for MONOTONIC_RAW and the coarse ones.
 * 3. An absolute sleep interrupted by a handler is EINTR and leaves rem alone.
 * 4. CLOCK_PROCESS_CPUTIME_ID counts CPU time only.
 */
#include "../compat.h"

#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>

static void handler(int sig)
{
    (void)sig;
}

static long sleep_on(int clock, int flags, const struct timespec *t, struct timespec *rem)
{
    return syscall(SYS_clock_nanosleep, clock, flags, t, rem);
}

static long now_ns(clockid_t c)
{
    struct timespec ts;
    clock_gettime(c, &ts);
    return ts.tv_sec * 1000000000L + ts.tv_nsec;
}

static volatile int stop;

static void *burn(void *arg)
{
    while (!stop) {
    }
    return arg;
}

int main(void)
{
    clockid_t clocks[] = {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME};
    struct timespec t = {0, 1}, rem = {77, 77};
    for (int i = 0; i < 3; i++) {
        long until = now_ns(clocks[i]) + 20000000;
        t = (struct timespec){until / 1000000000, until % 1000000000};
        CHECK_EQ(sleep_on(clocks[i], TIMER_ABSTIME, &t, NULL), 0);
        CHECK(now_ns(clocks[i]) >= until);
        CHECK_EQ(sleep_on(clocks[i], TIMER_ABSTIME, &t, NULL), 0);
    }
    t = (struct timespec){0, 1};
    CHECK_ERRNO(sleep_on(99, 0, &t, NULL), EINVAL);
    CHECK_ERRNO(sleep_on(CLOCK_MONOTONIC_RAW, 0, &t, NULL), EOPNOTSUPP);
    CHECK_ERRNO(sleep_on(CLOCK_REALTIME_COARSE, 0, &t, NULL), EOPNOTSUPP);
    CHECK_ERRNO(sleep_on(CLOCK_MONOTONIC, 0, (void *)8, NULL), EFAULT);

    signal(SIGALRM, handler);
    alarm(1);
    long until = now_ns(CLOCK_MONOTONIC) + 10000000000L;
    t = (struct timespec){until / 1000000000, until % 1000000000};
    CHECK_ERRNO(sleep_on(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, &rem), EINTR);
    CHECK(rem.tv_sec == 77 && rem.tv_nsec == 77);

    pthread_t p;
    CHECK_EQ(pthread_create(&p, NULL, burn, NULL), 0);
    long cpu = now_ns(CLOCK_PROCESS_CPUTIME_ID);
    t = (struct timespec){0, 50000000};
    CHECK_EQ(sleep_on(CLOCK_PROCESS_CPUTIME_ID, 0, &t, NULL), 0);
    CHECK(now_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu >= 50000000);
    stop = 1;
    CHECK_EQ(pthread_join(p, NULL), 0);
    return 0;
}
