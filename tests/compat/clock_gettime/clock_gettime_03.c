/*
 * Time by system calls, called often: they agree with the vDSO, never go back, and know each clock; CPU clocks and getrusage
 * grow with work, a thread's own less than its process's; bad clocks and pointers are refused; getcpu names a
 * processor there is; getrandom fills what it was given and no more. All of it goes on when the vDSO is unmapped.
 */
#include "../compat.h"

#include <pthread.h>
#include <sched.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/time.h>
#include <time.h>

#define ROUNDS 30

static int64_t by_call(clockid_t id)
{
    struct timespec t = {-1, -1};
    CHECK_EQ(syscall(SYS_clock_gettime, id, &t), 0);
    CHECK(t.tv_nsec >= 0 && t.tv_nsec < 1000000000);
    return t.tv_sec * 1000000000L + t.tv_nsec;
}
static int64_t by_vdso(clockid_t id)
{
    struct timespec t;
    CHECK_EQ(clock_gettime(id, &t), 0);
    return t.tv_sec * 1000000000L + t.tv_nsec;
}

static void clocks(void)
{
    static const clockid_t ids[] = {CLOCK_REALTIME,
                                    CLOCK_MONOTONIC,
                                    CLOCK_MONOTONIC_RAW,
                                    CLOCK_REALTIME_COARSE,
                                    CLOCK_TAI,
                                    CLOCK_BOOTTIME,
                                    CLOCK_MONOTONIC_COARSE,
                                    CLOCK_PROCESS_CPUTIME_ID,
                                    CLOCK_THREAD_CPUTIME_ID};
    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        for (int n = 0; n < ROUNDS; n++) {
            int64_t a = by_vdso(ids[i]), b = by_call(ids[i]), c = by_vdso(ids[i]);
            CHECK(a <= b && b <= c);
        }
        CHECK_ERRNO(syscall(SYS_clock_gettime, ids[i], NULL), EFAULT);
        CHECK_ERRNO(syscall(SYS_clock_gettime, ids[i], (void *)8), EFAULT);
    }
    for (int i = 0; i < ROUNDS; i++) {
        struct timespec t;
        CHECK_ERRNO(syscall(SYS_clock_gettime, 10, &t), EINVAL);
        CHECK_ERRNO(syscall(SYS_clock_gettime, 12, &t), EINVAL);
        CHECK_ERRNO(syscall(SYS_clock_gettime, 32, &t), EINVAL);
        CHECK_ERRNO(syscall(SYS_clock_gettime, -1, &t), EINVAL);
        CHECK_EQ(syscall(SYS_clock_gettime, 0x700000000 | CLOCK_MONOTONIC, &t), 0);
    }
}

static void of_day(void)
{
    for (int i = 0; i < ROUNDS; i++) {
        struct timeval tv = {0};
        struct timezone tz = {7, 7};
        int64_t before = by_call(CLOCK_REALTIME) / 1000;
        CHECK_EQ(syscall(SYS_gettimeofday, &tv, &tz), 0);
        int64_t now = tv.tv_sec * 1000000L + tv.tv_usec;
        CHECK(now >= before && now <= by_call(CLOCK_REALTIME) / 1000);
        CHECK(tv.tv_usec >= 0 && tv.tv_usec < 1000000 && tz.tz_dsttime == 0);
        CHECK_EQ(syscall(SYS_gettimeofday, NULL, &tz), 0);
        CHECK_EQ(syscall(SYS_gettimeofday, NULL, NULL), 0);
        CHECK_ERRNO(syscall(SYS_gettimeofday, (void *)8, NULL), EFAULT);
        CHECK_ERRNO(syscall(SYS_gettimeofday, NULL, (void *)8), EFAULT);
        time_t at = 0, seconds = syscall(SYS_time, &at);
        CHECK(seconds == at && labs(seconds - tv.tv_sec) <= 1);
        CHECK(labs(syscall(SYS_time, NULL) - seconds) <= 1);
        CHECK_ERRNO(syscall(SYS_time, (void *)8), EFAULT);
    }
}

static void work(int ms)
{
    int64_t end = by_vdso(CLOCK_THREAD_CPUTIME_ID) + ms * 1000000L;
    while (by_vdso(CLOCK_THREAD_CPUTIME_ID) < end) {
        for (volatile int i = 0; i < 1000; i++) {
        }
    }
}
static int64_t used(int who)
{
    struct rusage u;
    CHECK_EQ(getrusage(who, &u), 0);
    CHECK(u.ru_maxrss > 0 && u.ru_minflt >= 0);
    return u.ru_utime.tv_sec * 1000000L + u.ru_utime.tv_usec + u.ru_stime.tv_sec * 1000000L +
           u.ru_stime.tv_usec;
}
static void *worker(void *arg)
{
    work(30);
    CHECK(by_call(CLOCK_THREAD_CPUTIME_ID) >= 30000000);
    CHECK(by_call(CLOCK_PROCESS_CPUTIME_ID) > by_call(CLOCK_THREAD_CPUTIME_ID));
    CHECK(used(RUSAGE_THREAD) >= 20000);
    return arg;
}
static void usage(void)
{
    pthread_t t;
    int64_t before = used(RUSAGE_SELF), mine = used(RUSAGE_THREAD);
    int64_t clock = by_call(CLOCK_PROCESS_CPUTIME_ID);
    CHECK_EQ(pthread_create(&t, NULL, worker, NULL), 0);
    CHECK_EQ(pthread_join(t, NULL), 0);
    CHECK(by_call(CLOCK_PROCESS_CPUTIME_ID) >= clock + 30000000);
    CHECK(used(RUSAGE_SELF) >= before + 20000);
    CHECK(used(RUSAGE_THREAD) < mine + 20000);
    CHECK_ERRNO(getrusage(2, NULL), EINVAL);
    CHECK_ERRNO(syscall(SYS_getrusage, RUSAGE_SELF, (void *)8), EFAULT);
    CHECK_EQ(used(RUSAGE_SELF) > 0, 1);
}

static int in_child(void)
{
    return by_call(CLOCK_PROCESS_CPUTIME_ID) < 20000000 && used(RUSAGE_SELF) < 20000 ? 0 : 1;
}

static void cpus(void)
{
    for (int i = 0; i < ROUNDS; i++) {
        unsigned cpu = 99999, node = 99999;
        CHECK_EQ(syscall(SYS_getcpu, &cpu, &node, (void *)8), 0);
        CHECK(cpu < (unsigned)get_nprocs_conf() && node < 64);
        CHECK_EQ(syscall(SYS_getcpu, NULL, NULL, NULL), 0);
        CHECK_ERRNO(syscall(SYS_getcpu, (void *)8, NULL, NULL), EFAULT);
        CHECK_ERRNO(syscall(SYS_getcpu, NULL, (void *)8, NULL), EFAULT);
    }
}

static void randomness(void)
{
    unsigned char buf[600], zero[600] = {0};
    for (int i = 0; i < ROUNDS; i++) {
        memset(buf, 0, sizeof(buf));
        CHECK_EQ(syscall(SYS_getrandom, buf, 32, 0), 32);
        CHECK(memcmp(buf, zero, 32) != 0 && memcmp(buf + 32, zero, 500) == 0);
        CHECK_EQ(syscall(SYS_getrandom, buf, 500, 1), 500);
        CHECK(memcmp(buf + 400, zero, 100) != 0 && memcmp(buf + 500, zero, 100) == 0);
        CHECK_EQ(syscall(SYS_getrandom, buf, 0, 0), 0);
        CHECK_ERRNO(syscall(SYS_getrandom, buf, 8, 0x80), EINVAL);
        CHECK_ERRNO(syscall(SYS_getrandom, (void *)8, 8, 0), EFAULT);
    }
}

static void all(void)
{
    clocks();
    of_day();
    cpus();
    randomness();
}

int main(void)
{
    all();
    usage();
    CHECK_EQ(compat_child(in_child), 0);
    /* without the vDSO: by calls alone */
    pid_t pid = fork();
    if (pid == 0) {
        char *vdso = (char *)getauxval(AT_SYSINFO_EHDR);
        munmap(vdso, 4096); /* the mapping is not split, so perhaps not at all ... */
        munmap(vdso, 8192);
        for (int i = 0; i < ROUNDS; i++) {
            by_call(CLOCK_MONOTONIC);
            by_call(CLOCK_PROCESS_CPUTIME_ID);
        }
        of_day();
        cpus();
        randomness();
        _exit(0);
    }
    int status;
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
    return 0;
}
