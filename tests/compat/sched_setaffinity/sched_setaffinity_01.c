/*
 * sched_setaffinity(2), sched_getaffinity(2), and the policy calls:
 * 1. getaffinity returns the bytes it stored; a size that is no multiple of 8 is EINVAL.
 * 2. An empty mask is EINVAL; what is set is read back; ESRCH; EFAULT.
 * 3. sched_get_priority_min/max; SCHED_OTHER needs priority 0 (EINVAL); unknown policies EINVAL.
 * 4. sched_getattr: size checks; sched_setattr changes nice; BATCH and IDLE are allowed to everybody.
 */
#include "../compat.h"

#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>

struct attr {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period;
};

int main(void)
{
    uint64_t mask[128] = {0}, one[128] = {0}, back[128] = {0};
    long n = syscall(SYS_sched_getaffinity, 0, sizeof(mask), mask);
    CHECK(n > 0 && n % 8 == 0);
    CHECK_ERRNO(syscall(SYS_sched_getaffinity, 0, 7, mask), EINVAL);
    CHECK_ERRNO(syscall(SYS_sched_getaffinity, 4194000, sizeof(mask), mask), ESRCH);
    CHECK_ERRNO(syscall(SYS_sched_setaffinity, 0, sizeof(one), one), EINVAL);
    CHECK_ERRNO(syscall(SYS_sched_setaffinity, 0, sizeof(one), 8), EFAULT);
    for (int i = 0; i < 1024; i++) {
        if (mask[i / 64] >> (i % 64) & 1) {
            one[i / 64] = 1UL << (i % 64);
            break;
        }
    }
    CHECK_EQ(syscall(SYS_sched_setaffinity, 0, sizeof(one), one), 0);
    CHECK_EQ(syscall(SYS_sched_getaffinity, 0, sizeof(back), back), n);
    CHECK_EQ(memcmp(one, back, (size_t)n), 0);
    CHECK_EQ(syscall(SYS_sched_setaffinity, 0, sizeof(mask), mask), 0);

    CHECK_EQ(sched_get_priority_max(SCHED_FIFO), 99);
    CHECK_EQ(sched_get_priority_min(SCHED_RR), 1);
    CHECK_EQ(sched_get_priority_max(SCHED_OTHER), 0);
    CHECK_ERRNO(sched_get_priority_max(4), EINVAL);
    struct sched_param sp = {.sched_priority = 1};
    CHECK_ERRNO(sched_setscheduler(0, SCHED_OTHER, &sp), EINVAL);
    CHECK_ERRNO(sched_setscheduler(0, 4, &sp), EINVAL);
    CHECK_ERRNO(sched_setscheduler(-1, SCHED_OTHER, &sp), EINVAL);
    sp.sched_priority = 0;
    CHECK_EQ(sched_setscheduler(0, SCHED_BATCH, &sp), 0);
    CHECK_EQ(sched_getscheduler(0), SCHED_BATCH);
    struct attr a = {0};
    CHECK_ERRNO(syscall(SYS_sched_getattr, 0, &a, 40, 0), EINVAL);
    CHECK_EQ(syscall(SYS_sched_getattr, 0, &a, sizeof(a), 0), 0);
    CHECK_EQ(a.policy, SCHED_BATCH);
    CHECK_EQ(a.size, 48);
    a.nice = 5;
    CHECK_EQ(syscall(SYS_sched_setattr, 0, &a, 0), 0);
    CHECK_EQ(getpriority(PRIO_PROCESS, 0), 5);
    a.size = 20;
    CHECK_ERRNO(syscall(SYS_sched_setattr, 0, &a, 0), E2BIG);
    return 0;
}
