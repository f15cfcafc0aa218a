/*
 * clock_settime(2): EPERM for the clock of a process's CPU time, whatever the time; EFAULT before that for a bad pointer.
 */
#include "../compat.h"

#include <sys/syscall.h>
#include <time.h>

int main(void)
{
    const struct timespec bad = {.tv_nsec = -1}, good = {.tv_sec = 1};
    clockid_t own;
    CHECK_EQ(clock_getcpuclockid(getppid(), &own), 0);
    const clockid_t clocks[] = {own, CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID};
    for (size_t i = 0; i < sizeof(clocks) / sizeof(clocks[0]); i++) {
        int want = clocks[i] < 0 ? EPERM : EINVAL;
        CHECK_ERRNO(syscall(SYS_clock_settime, clocks[i], &bad), want);
        CHECK_ERRNO(syscall(SYS_clock_settime, clocks[i], &good), want);
    }
    CHECK_ERRNO(syscall(SYS_clock_settime, own, (const struct timespec *)1), EFAULT);
    CHECK_ERRNO(syscall(SYS_clock_settime, CLOCK_REALTIME, &bad), EINVAL);
    CHECK_ERRNO(syscall(SYS_clock_settime, CLOCK_MONOTONIC, &bad), EINVAL);
    return 0;
}
