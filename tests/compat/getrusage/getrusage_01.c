/*
 * getrusage(2), times(2), CPU clocks:
 * 1. CPU time grows with work, and not with sleep; maxrss is plausible.
 * 2. RUSAGE_CHILDREN counts children that were waited for, with their children.
 * 3. EINVAL for a bad `who`; EFAULT. CLOCK_PROCESS_CPUTIME_ID agrees with them.
 */
#include "../compat.h"

#include <sys/resource.h>
#include <sys/times.h>
#include <time.h>

static double cpu(int who)
{
    struct rusage ru;
    CHECK_EQ(getrusage(who, &ru), 0);
    return (double)ru.ru_utime.tv_sec + (double)ru.ru_stime.tv_sec +
           (double)(ru.ru_utime.tv_usec + ru.ru_stime.tv_usec) / 1e6;
}

static double clock_cpu(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static int burn(void)
{
    double start = clock_cpu();
    while (clock_cpu() - start < 0.2) {
        for (volatile int i = 0; i < 100000; i++) {
        }
    }
    return 0;
}

static int grandchild(void)
{
    return compat_child(burn);
}

int main(void)
{
    struct rusage ru;
    struct tms tms;
    CHECK_ERRNO(getrusage(99, &ru), EINVAL);
    CHECK_ERRNO(getrusage(RUSAGE_SELF, (void *)8), EFAULT);
    CHECK(cpu(RUSAGE_CHILDREN) == 0);
    double before = cpu(RUSAGE_SELF);
    usleep(100000);
    CHECK(cpu(RUSAGE_SELF) - before < 0.08);
    burn();
    double after = cpu(RUSAGE_SELF);
    CHECK(after - before >= 0.15);
    CHECK(clock_cpu() >= 0.2);
    CHECK(times(&tms) != (clock_t)-1);
    CHECK(tms.tms_utime + tms.tms_stime >= 15);
    CHECK_EQ(getrusage(RUSAGE_SELF, &ru), 0);
    CHECK(ru.ru_maxrss > 100 && ru.ru_maxrss < 1000000);
    CHECK(ru.ru_minflt > 0);
    CHECK_EQ(compat_child(grandchild), 0);
    CHECK(cpu(RUSAGE_CHILDREN) >= 0.15);
    return 0;
}
