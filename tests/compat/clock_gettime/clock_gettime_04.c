/*
 * Time by system calls, made again and again:
 * 1. It goes forward together with what the C library says (vdso(7)), in several threads, while signals come whose handlers ask, too.
 * 2. Vector registers are as they were. A bad pointer is EFAULT.
 * 3. A process that moves its vDSO away, or unmaps it, or forks without it, goes on asking.
 */
#include "../compat.h"

#include <elf.h>
#include <pthread.h>
#include <signal.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>

static const clockid_t g_clocks[] = {CLOCK_REALTIME, CLOCK_MONOTONIC,       CLOCK_MONOTONIC_RAW,
                                     CLOCK_BOOTTIME, CLOCK_REALTIME_COARSE, CLOCK_MONOTONIC_COARSE};
#define CLOCKS 6

static int64_t raw(clockid_t id)
{
    struct timespec ts = {-1, -1};
    CHECK_EQ(syscall(SYS_clock_gettime, id, &ts), 0);
    CHECK(ts.tv_sec >= 0 && ts.tv_nsec >= 0 && ts.tv_nsec < 1000000000);
    return ts.tv_sec * 1000000000 + ts.tv_nsec;
}
static int64_t library(clockid_t id)
{
    struct timespec ts;
    CHECK_EQ(clock_gettime(id, &ts), 0);
    return ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static volatile int g_handled;
static void handler(int sig)
{
    (void)sig;
    int saved = errno;
    CHECK(raw(CLOCK_MONOTONIC) > 0);
    g_handled++;
    errno = saved;
}

static void *goes_forward(void *arg)
{
    for (int i = 0; i < 20000; i++) {
        clockid_t id = g_clocks[1 + i % (CLOCKS - 1)]; /* somebody might set CLOCK_REALTIME */
        int64_t a = raw(id), b = library(id), c = raw(id);
        CHECK(id == CLOCK_REALTIME_COARSE || (a <= b && b <= c));
    }
    for (int i = 0; i < 100; i++) {
        struct timeval tv;
        CHECK_EQ(syscall(SYS_gettimeofday, &tv, NULL), 0);
        int64_t now = library(CLOCK_REALTIME) / 1000, then = tv.tv_sec * 1000000 + tv.tv_usec;
        CHECK(now - then < 10000000 && then - now < 10000000);
        CHECK(labs(syscall(SYS_time, NULL) - tv.tv_sec) < 10);
    }
    return arg;
}

static void in_threads(void)
{
    pthread_t t[3];
    struct sigaction sa = {.sa_handler = handler, .sa_flags = SA_RESTART};
    const struct itimerval often = {{0, 500}, {0, 500}}, never = {{0, 0}, {0, 0}};
    CHECK_EQ(sigaction(SIGALRM, &sa, NULL), 0);
    CHECK_EQ(setitimer(ITIMER_REAL, &often, NULL), 0);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(pthread_create(&t[i], NULL, goes_forward, NULL), 0);
    }
    for (int i = 0; i < 3; i++) {
        pthread_join(t[i], NULL);
    }
    while (g_handled < 20) {
        raw(CLOCK_MONOTONIC);
    }
    CHECK_EQ(setitimer(ITIMER_REAL, &never, NULL), 0);
}

/* All sixteen hold something, which must be there after the call. */
static void vectors(void)
{
    static uint8_t before[16][16] __attribute__((aligned(16))),
        after[16][16] __attribute__((aligned(16)));
    struct timespec ts;
    for (int i = 0; i < 256; i++) {
        before[i / 16][i % 16] = (uint8_t)(i * 7 + 3);
    }
    for (int round = 0; round < 1000; round++) {
        long r = SYS_clock_gettime;
        memset(after, 0, sizeof(after));
#define LOAD(i)  "movaps 16*" #i "(%[b]), %%xmm" #i "\n\t"
#define STORE(i) "movaps %%xmm" #i ", 16*" #i "(%[a])\n\t"
#define ALL(M)   M(0) M(1) M(2) M(3) M(4) M(5) M(6) M(7) M(8) M(9) M(10) M(11) M(12) M(13) M(14) M(15)
        __asm__ volatile(
            ALL(LOAD) "syscall\n\t" ALL(STORE)
            : "+a"(r)
            : "D"((long)g_clocks[round % CLOCKS]), "S"(&ts), [b] "r"(before), [a] "r"(after)
            : "rcx", "r11", "memory", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6",
              "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
        CHECK_EQ(r, 0);
        CHECK(memcmp(before, after, sizeof(before)) == 0);
        CHECK_ERRNO(syscall(SYS_clock_gettime, CLOCK_MONOTONIC, 8), EFAULT);
    }
}

static void all_clocks(void)
{
    for (int i = 0; i < 2000; i++) {
        int64_t a = raw(g_clocks[i % CLOCKS]), b = raw(g_clocks[i % CLOCKS]);
        CHECK(b >= a || g_clocks[i % CLOCKS] == CLOCK_REALTIME);
    }
}

/* In a child. how: 0 nothing, 1 moved, 2 unmapped, 3 something else in its place */
static void without_vdso(int how)
{
    int status;
    fflush(NULL);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        char *vdso = (char *)getauxval(AT_SYSINFO_EHDR);
        const Elf64_Ehdr *e = (const void *)vdso; /* its section headers come last */
        size_t size = (e->e_shoff + (size_t)e->e_shnum * e->e_shentsize + 4095) & ~4095UL;
        all_clocks();
        if (how == 1) {
            char *to = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            CHECK(mremap(vdso, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to);
        } else if (how >= 2) {
            CHECK_EQ(munmap(vdso, size), 0);
        }
        if (how == 3) {
            char *p = mmap(vdso, size, PROT_READ | PROT_WRITE | PROT_EXEC,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
            CHECK(p == vdso);
            memset(p, 0xcc, size);
        }
        all_clocks();
        pid_t child = fork();
        if (child == 0) {
            all_clocks();
            _exit(0);
        }
        _exit(waitpid(child, &status, 0) == child && status == 0 ? 0 : 1);
    }
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
}

int main(void)
{
    all_clocks();
    vectors();
    in_threads();
    for (int how = 0; how < 4; how++) {
        without_vdso(how);
    }
    return 0;
}
