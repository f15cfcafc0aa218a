/*
 * clock_gettime(2), clock_getres(2), clock_settime(2), adjtimex(2), by system call:
 * 1. All clocks of Linux but the ALARM ones (they need an RTC) answer; MONOTONIC never goes back; coarse ones are behind by a few ms at most.
 * 2. EINVAL for unknown ones; a NULL resolution is allowed.
 * 3. Setting MONOTONIC is EINVAL, a bad time EINVAL.
 * 4. CPU clocks of other processes by id (clock_getcpuclockid); of nobody EINVAL.
 * 5. adjtimex(modes 0) reads.
 */
#include "../compat.h"

#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <time.h>

static long get(int clock, struct timespec *ts)
{
    return syscall(SYS_clock_gettime, clock, ts);
}

int main(void)
{
    struct timespec a, b, res;
    int clocks[] = {0, 1, 2, 3, 4, 5, 6, 7, 11};
    for (size_t i = 0; i < sizeof(clocks) / sizeof(clocks[0]); i++) {
        CHECK_EQ(get(clocks[i], &a), 0);
        CHECK(a.tv_sec >= 0 && a.tv_nsec >= 0 && a.tv_nsec < 1000000000);
        CHECK_EQ(syscall(SYS_clock_getres, clocks[i], &res), 0);
        CHECK(res.tv_sec == 0 && res.tv_nsec > 0 && res.tv_nsec <= 20000000);
    }
    CHECK_ERRNO(get(10, &a), EINVAL);
    CHECK_ERRNO(get(99, &a), EINVAL);
    CHECK_ERRNO(get(1, (void *)8), EFAULT);
    CHECK_EQ(syscall(SYS_clock_getres, 1, NULL), 0);
    CHECK_ERRNO(syscall(SYS_clock_getres, 99, NULL), EINVAL);
    for (int i = 0; i < 1000; i++) {
        CHECK_EQ(get(CLOCK_MONOTONIC, &a), 0);
        CHECK_EQ(get(CLOCK_MONOTONIC, &b), 0);
        CHECK(b.tv_sec > a.tv_sec || (b.tv_sec == a.tv_sec && b.tv_nsec >= a.tv_nsec));
    }
    CHECK_EQ(get(CLOCK_REALTIME, &a), 0);
    CHECK(time(NULL) - a.tv_sec <= 1);
    struct timeval tv;
    CHECK_EQ(syscall(SYS_gettimeofday, &tv, NULL), 0);
    CHECK(tv.tv_sec - a.tv_sec <= 1);
    CHECK_ERRNO(syscall(SYS_clock_settime, CLOCK_MONOTONIC, &a), EINVAL);
    a.tv_nsec = -1;
    CHECK_ERRNO(syscall(SYS_clock_settime, CLOCK_REALTIME, &a), EINVAL);

    clockid_t c;
    CHECK_EQ(clock_getcpuclockid(getpid(), &c), 0);
    CHECK_EQ(get(c, &a), 0);
    CHECK_EQ(clock_getcpuclockid(getppid(), &c), 0);
    CHECK_ERRNO(get((int)(~4194000U << 3 | 2), &a), EINVAL);
    struct timex tx = {0};
    CHECK(adjtimex(&tx) >= 0);
    CHECK(tx.time.tv_sec - tv.tv_sec <= 1);
    CHECK_EQ(tx.tick, 10000);
    return 0;
}
