/*
 * Random system calls, for the inside of a sandbox: any call of syscalls/table.def with arguments that its
 * row makes interesting (known flags, descriptors of every sort, structures of random words, pointers at the
 * ends of mappings, sizes around limits). The kernel must survive and keep its own rules:
 *
 *   - no result but 0..., or -1...-133 as errno: the internal -ERESTART* never reach a program;
 *   - a row that the table calls unsupported gives exactly its errno;
 *   - nothing ends but the process that asked for it.
 *
 * Each batch of calls runs in a child of its own, which may well kill itself; a watchdog ends those that hang.
 * The same seed makes the same calls:  syscalls [--seed N] [--calls N] [--batch N] [--threads N] [--only NAME] [-v]
 * Exit status: 0 nothing found; 1 a rule was broken; 2 wrong use.
 */
/* LINK: syscalls/info.o syscalls/decode_sets.o */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "syscalls/decode_sets.h"
#include "syscalls/info.h"

#define SCRATCH_PAGES   8
#define AREA_PAGES      8
#define BATCH_TIMEOUT_S 2
#define MAX_ERRNO       133 /* EHWPOISON: the largest that Linux gives to programs */

/* What the parent must know about a child that can't speak any more. */
struct report {
    volatile uint64_t calls, succeeded;
    volatile uint64_t nr, args[6]; /* the last one begun */
    volatile uint64_t bad_nr, bad_args[6];
    volatile long bad_result;
    volatile int broken;
};

static struct report *g_report;
static char *g_scratch; /* SCRATCH_PAGES writable pages, an inaccessible one behind them */
static char *g_area;    /* AREA_PAGES for calls that map, unmap and protect */
static const struct syscall_info *g_only;
static bool g_verbose;
static int g_sacrifice; /* a process that may be signalled */
static int g_null;      /* opened before a batch can remove it */
static int g_parent;    /* the one that must not */

/* --- random --- */

static uint64_t next_random(uint64_t *seed)
{
    uint64_t x = *seed += 0x9e3779b97f4a7c15;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
    x = (x ^ x >> 27) * 0x94d049bb133111eb;
    return x ^ x >> 31;
}

static uint64_t below(uint64_t *seed, uint64_t limit)
{
    return next_random(seed) % limit;
}

static bool one_in(uint64_t *seed, unsigned n)
{
    return below(seed, n) == 0;
}

static uint64_t number(uint64_t *seed)
{
    static const uint64_t values[] = {
        0,          1,          2,          3,           7,          8,          15,
        16,         31,         64,         127,         255,        511,        512,
        1023,       4095,       4096,       4097,        65535,      65536,      1u << 20,
        0x7fffffff, 0x80000000, 0xffffffff, 0x100000000, 1ULL << 47, 1ULL << 62, INT64_MAX,
        1ULL << 63, -1ULL,      -2ULL,      -100ULL,     -4096ULL,   0x7ffff000};
    switch (below(seed, 4)) {
    case 0:
        return values[below(seed, ARRAY_COUNT(values))];
    case 1:
        return below(seed, 16);
    case 2:
        return 1ULL << below(seed, 64);
    default:
        return next_random(seed) >> below(seed, 64);
    }
}

/* --- arguments --- */

static uint64_t pointer(uint64_t *seed, size_t size)
{
    static const uint64_t bad[] = {0,
                                   1,
                                   8,
                                   4095,
                                   4096,
                                   1ULL << 46,
                                   0x7ffffffff000,
                                   0x7ffffffffff8,
                                   1ULL << 63,
                                   -8ULL,
                                   0xffff888000000000};
    uint64_t base = (uint64_t)(uintptr_t)g_scratch, end = base + SCRATCH_PAGES * PAGE_SIZE;
    switch (below(seed, 12)) {
    case 0:
        return bad[below(seed, ARRAY_COUNT(bad))];
    case 1:
        return end - below(seed, size + 1); /* runs into the inaccessible page */
    case 2:
        return end - size;
    case 3:
        return 0;
    default:
        return base + below(seed, SCRATCH_PAGES * PAGE_SIZE - 4096);
    }
}

static bool in_scratch(uint64_t addr, size_t size)
{
    uint64_t base = (uint64_t)(uintptr_t)g_scratch, end = base + SCRATCH_PAGES * PAGE_SIZE;
    return addr >= base && addr < end && size <= end - addr;
}

/* Words that mean something as a field: small, a pointer, a descriptor, an extreme. */
static void scribble(uint64_t *seed, uint64_t addr, size_t size)
{
    uint64_t base = (uint64_t)(uintptr_t)g_scratch, end = base + SCRATCH_PAGES * PAGE_SIZE;
    if (addr < base || addr >= end) {
        return;
    }
    size = MIN(size, end - addr);
    for (size_t at = 0; at + 8 <= size; at += 8) {
        uint64_t word = one_in(seed, 4) ? pointer(seed, 64) : number(seed);
        if (one_in(seed, 2)) {
            word &= 0xffffffff;
        }
        memcpy((void *)(uintptr_t)(addr + at), &word, 8);
    }
}

static uint64_t text(uint64_t *seed, bool path)
{
    static const char *const paths[] = {"a",
                                        "b",
                                        "dir",
                                        "dir/x",
                                        "dir/../a",
                                        "link",
                                        "loop",
                                        "",
                                        ".",
                                        "..",
                                        "/",
                                        "/proc/self/fd/5",
                                        "/dev/null",
                                        "/dev/zero",
                                        "/proc/self/maps",
                                        "/proc/self",
                                        "/proc/1/stat",
                                        "/dev/full",
                                        "missing/x",
                                        "a/x",
                                        "//tmp//",
                                        "fifo",
                                        "sock",
                                        "/proc/self/exe",
                                        "/etc/passwd",
                                        "dir/",
                                        "/bin/true",
                                        "/proc/self/mem",
                                        "/dev/tty"};
    static const char *const words[] = {
        "user.a", "user.", "trusted.x", "security.capability", "system.posix_acl_access", "",
        "x",      "tmpfs", "nonsense"};
    uint64_t addr = pointer(seed, 32);
    if (!in_scratch(addr, 64)) {
        return addr;
    }
    char *at = (char *)(uintptr_t)addr;
    if (one_in(seed, 16)) { /* too long, by a little or a lot; cut by the page's end perhaps */
        size_t room = (size_t)(g_scratch + SCRATCH_PAGES * PAGE_SIZE - at),
               size = MIN(room, 1 + below(seed, 5000));
        memset(at, one_in(seed, 2) ? '/' : 'x', size);
        if (size < room) {
            at[size] = '\0';
        }
    } else {
        strcpy(at, path ? paths[below(seed, ARRAY_COUNT(paths))]
                        : words[below(seed, ARRAY_COUNT(words))]);
    }
    return addr;
}

static uint64_t from_set(uint64_t *seed, enum decode_set_id id, bool one_value)
{
    const struct decode_set *s = decode_set(id);
    uint64_t v = 0;
    if (one_in(seed, 10)) {
        return number(seed);
    }
    for (uint64_t n = one_value ? 1 : below(seed, 5); n > 0; n--) {
        v |= s->names[below(seed, s->count)].value;
    }
    return v;
}

/* Never the parent, never everybody. */
static uint64_t process(uint64_t *seed)
{
    switch (below(seed, 6)) {
    case 0:
        return 0;
    case 1:
        return (uint64_t)g_sacrifice;
    case 2:
        return 999999;
    case 3:
        return (uint64_t)-99999;
    case 4:
        return 0x80000000 + below(seed, 3);
    default: /* itself: its end, if the call is a signal */
        return one_in(seed, 4) ? (uint64_t)getpid() : (uint64_t)g_sacrifice;
    }
}

static size_t struct_size(const struct arg_detail *d)
{
    switch (d->form) {
    case FORM_OF:
    case FORM_SIZED:
    case FORM_SIZED_AT:
        return layout_size(d->what);
    case FORM_ARRAY:
    case FORM_RET_ARRAY:
        return layout_size(d->what) * 4;
    default:
        return 128;
    }
}

static uint64_t argument(uint64_t *seed, const struct arg_info *a)
{
    uint64_t v;
    if (one_in(seed, 40)) {
        return number(seed);
    }
    if (a->detail.form == FORM_SET || a->detail.form == FORM_ENUM) {
        return from_set(seed, a->detail.what, a->detail.form == FORM_ENUM);
    }
    switch (a->kind) {
    case KIND_FD:
        return one_in(seed, 12) ? number(seed) : below(seed, 28);
    case KIND_DIRFD:
        return one_in(seed, 3) ? below(seed, 28) : (uint64_t)AT_FDCWD;
    case KIND_PID:
        return process(seed);
    case KIND_SIG:
        return one_in(seed, 4) ? number(seed) : below(seed, 66);
    case KIND_CLOCK:
        return from_set(seed, DECODE_clock, true);
    case KIND_MODE:
        return below(seed, 010000);
    case KIND_SIZE:
        return one_in(seed, 3) ? number(seed) : below(seed, 9000);
    case KIND_IN_STR:
        return text(seed, a->detail.form == FORM_PATH);
    case KIND_IN_STRUCT:
    case KIND_OUT_STRUCT:
    case KIND_INOUT_STRUCT:
    case KIND_IN_IOVEC:
    case KIND_OUT_IOVEC:
    case KIND_PTR:
        v = pointer(seed, struct_size(&a->detail));
        scribble(seed, v, struct_size(&a->detail));
        return v;
    case KIND_IN_BUF:
    case KIND_OUT_BUF:
    case KIND_OUT_STR:
        return pointer(seed, 4096);
    case KIND_ADDR:
        return one_in(seed, 4) ? number(seed)
                               : (uint64_t)(uintptr_t)g_area + below(seed, AREA_PAGES) * PAGE_SIZE;
    default:
        return number(seed);
    }
}

/* Calls that would only end the batch early, or that would end more than the batch. */
static bool avoided(unsigned nr)
{
    switch (nr) {
    case SYS_exit:
    case SYS_exit_group:
    case 335:              /* uretprobe: SIGILL, from hosts that have it */
    case SYS_rt_sigreturn: /* a random context */
    case SYS_arch_prctl:   /* the C library's thread pointer */
    case SYS_set_robust_list:
    case SYS_set_tid_address:
        return true;
    default:
        return false;
    }
}

static bool makes_process(unsigned nr)
{
    return nr == SYS_fork || nr == SYS_vfork || nr == SYS_clone || nr == SYS_clone3;
}

/* What would make the rest of the batch worthless, or reach out of it. */
static void tame(uint64_t *seed, const struct syscall_info *info, uint64_t args[6])
{
    for (unsigned i = 0; i < info->arg_count; i++) {
        int pid = (int)args[i];
        if (info->args[i].kind == KIND_PID && (pid == g_parent || pid == -g_parent || pid == 1)) {
            args[i] = (uint64_t)g_sacrifice;
        }
    }
    switch (info->nr) {
    case SYS_ptrace: /* a tracer that ends leaves its tracee stopped */
        if ((int)args[1] == g_parent) {
            args[1] = (uint64_t)g_sacrifice;
        }
        break;
    case SYS_clone: /* two threads on one stack */
        if (!one_in(seed, 32)) {
            args[0] &= ~(uint64_t)(CLONE_VM | CLONE_THREAD | CLONE_SIGHAND);
        }
        break;
    case SYS_clone3:
        if (args[1] >= 64 && args[1] < 4096 && in_scratch(args[0], 64)) {
            *(uint64_t *)(uintptr_t)args[0] &= ~(uint64_t)(CLONE_VM | CLONE_THREAD | CLONE_SIGHAND);
        }
        break;
    case SYS_kill:
        if ((int)args[0] <= 0) {
            args[0] = (uint64_t)g_sacrifice;
        }
        break;
    case SYS_munmap:
    case SYS_mprotect:
    case SYS_mremap:
    case SYS_pkey_mprotect:
    case SYS_madvise:
        if (one_in(seed, 2) || args[1] > AREA_PAGES * PAGE_SIZE) {
            args[1] = below(seed, 3) * PAGE_SIZE;
        }
        break;
    case SYS_mmap:
        if (!one_in(seed, 16)) {
            args[3] &= ~(uint64_t)(MAP_FIXED | MAP_LOCKED | MAP_POPULATE);
        }
        break;
    case SYS_alarm:
    case SYS_setitimer: /* the batch's own interrupter */
        args[0] = info->nr == SYS_setitimer ? 1 : 1000;
        break;
    case SYS_rt_sigaction: /* a random handler would be the end at the next signal */
        if ((int)args[0] == SIGALRM) {
            args[0] = SIGUSR1;
        }
        if (in_scratch(args[1], 8) && !one_in(seed, 32)) {
            *(uint64_t *)(uintptr_t)args[1] = below(seed, 2); /* SIG_DFL, SIG_IGN */
        }
        break;
    default:
        break;
    }
}

/* --- one call --- */

static inline __attribute__((always_inline)) long raw_syscall(uint64_t nr, const uint64_t a[6])
{
    long r;
    register uint64_t r10 __asm__("r10") = a[3];
    register uint64_t r8 __asm__("r8") = a[4];
    register uint64_t r9 __asm__("r9") = a[5];
    __asm__ volatile("syscall"
                     : "=a"(r)
                     : "a"(nr), "D"(a[0]), "S"(a[1]), "d"(a[2]), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return r;
}

static bool keeps_rules(const struct syscall_info *info, long result)
{
    if (result < 0 && result >= -4095 && result < -MAX_ERRNO) {
        return false; /* an internal code */
    }
    return !info->support.error || result == -info->support.error;
}

/* Keeps the batch's interrupter alive, whatever earlier calls did to it. */
static void restore_signals(void)
{
    const struct itimerval tick = {{0, 20000}, {0, 20000}};
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setitimer(ITIMER_REAL, &tick, NULL);
}

static void one_call(uint64_t *seed)
{
    const struct syscall_info *info = g_only;
    uint64_t args[6];
    while (!info || (avoided(info->nr) && !g_only)) {
        info = &g_syscalls[below(seed, g_syscall_count)];
    }
    for (size_t i = 0; i < 6; i++) {
        args[i] = i < info->arg_count ? argument(seed, &info->args[i]) : next_random(seed);
    }
    tame(seed, info, args);
    g_report->nr = info->nr;
    memcpy((void *)g_report->args, args, sizeof(args));
    int pid = makes_process(info->nr) ? getpid() : 0;
    long r = raw_syscall(info->nr, args);
    if (pid && (r == 0 || getpid() != pid)) { /* the child */
        const uint64_t zero[6] = {0};
        raw_syscall(SYS_exit_group, zero);
    }
    g_report->calls++;
    g_report->succeeded += r >= 0;
    if (!keeps_rules(info, r) && !g_report->broken) {
        g_report->bad_nr = info->nr;
        memcpy((void *)g_report->bad_args, args, sizeof(args));
        g_report->bad_result = r;
        g_report->broken = 1;
    }
}

/* --- a batch --- */

static void on_signal(int sig)
{
    (void)sig;
}

static void put_at(int fd, int want)
{
    if (fd >= 0 && fd != want) {
        dup2(fd, want);
        close(fd);
    }
}

/* Descriptors of every sort at 0...25, files of every sort in the current directory. */
static void furnish(uint64_t seed)
{
    int p[2];
    char home[32];
    snprintf(home, sizeof(home), "%" PRIx64,
             seed); /* its own: an earlier batch may have made "b" a FIFO */
    if (mkdir(home, 0755) != 0 || chdir(home) != 0) {
        _exit(3);
    }
    for (int fd = 0; fd < 4; fd++) {
        dup2(g_null, fd);
    }
    put_at(open("/dev/zero", O_RDWR), 4);
    put_at(open("a", O_RDWR | O_CREAT, 0644), 5);
    put_at(open("b", O_RDONLY | O_CREAT, 0644), 6);
    (void)!mkdir("dir", 0755);
    put_at(open("dir", O_RDONLY | O_DIRECTORY), 7);
    put_at(open(".", O_PATH), 8);
    if (pipe2(p, O_NONBLOCK) == 0) {
        put_at(p[1], 10);
        put_at(p[0], 9);
    }
    put_at(eventfd(1, EFD_NONBLOCK), 11);
    put_at(epoll_create1(0), 12);
    put_at(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK), 13);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, p) == 0) {
        put_at(p[1], 15);
        put_at(p[0], 14);
    }
    put_at((int)syscall(SYS_memfd_create, "m", 3u), 16);
    put_at((int)syscall(SYS_pidfd_open, getpid(), 0), 17);
    put_at(open("/proc/self/maps", O_RDONLY), 18);
    put_at(open("/proc/self", O_RDONLY | O_DIRECTORY), 19);
    put_at(open("a", O_WRONLY | O_APPEND), 20);
    put_at(socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0), 21);
    put_at(socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0), 22);
    (void)!symlink("a", "link");
    (void)!symlink("loop", "loop");
    (void)!mkfifo("fifo", 0600);
}

struct thread_work {
    uint64_t seed;
    unsigned calls;
};

static void *thread_main(void *arg)
{
    struct thread_work *w = arg;
    for (unsigned i = 0; i < w->calls; i++) {
        if (i % 8 == 0) {
            restore_signals();
        }
        one_call(&w->seed);
    }
    return NULL;
}

static void run_batch(uint64_t seed, unsigned calls, unsigned threads)
{
    const struct rlimit space = {4UL << 30, 4UL << 30}, file = {64 << 20, 64 << 20};
    struct thread_work work[16];
    pthread_t ids[16];

    g_parent = getppid();
    setsid();
    setrlimit(RLIMIT_AS, &space);
    setrlimit(RLIMIT_FSIZE, &file);
    g_scratch = mmap(NULL, (SCRATCH_PAGES + 1) * PAGE_SIZE, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    mprotect(g_scratch + SCRATCH_PAGES * PAGE_SIZE, PAGE_SIZE, PROT_NONE);
    g_area = mmap(NULL, AREA_PAGES * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                  -1, 0);
    furnish(seed);
    g_sacrifice = fork();
    if (g_sacrifice == 0) {
        alarm(2 * BATCH_TIMEOUT_S);
        for (;;) {
            pause();
        }
    }
    struct sigaction sa = {.sa_handler = on_signal}; /* no SA_RESTART: it ends waits */
    sigaction(SIGALRM, &sa, NULL);
    sigaction(SIGPIPE, &sa, NULL);
    sigaction(SIGXFSZ, &sa, NULL);
    for (unsigned i = 0; i < threads; i++) {
        work[i] = (struct thread_work){seed + i * 0x1234567, calls};
        if (i > 0 && pthread_create(&ids[i], NULL, thread_main, &work[i]) != 0) {
            threads = i;
        }
    }
    thread_main(&work[0]);
    const uint64_t zero[6] = {0};
    raw_syscall(SYS_exit_group, zero);
}

static int64_t now_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* The child's end; -1: it was ended by the watchdog. */
static int wait_batch(pid_t pid)
{
    int64_t deadline = now_ms() + BATCH_TIMEOUT_S * 1000;
    const struct timespec pause_time = {0, 2000000};
    int status = 0;
    while (waitpid(pid, &status, WNOHANG) == 0) {
        if (now_ms() > deadline) {
            kill(pid, SIGKILL);
            waitpid(pid, &status, 0);
            status = -1;
            break;
        }
        nanosleep(&pause_time, NULL);
    }
    kill(-pid, SIGKILL); /* its session: the sacrifice, and what it forked */
    while (waitpid(-1, NULL, WNOHANG) > 0) {
    }
    return status;
}

static void print_call(const char *what, uint64_t nr, const volatile uint64_t *args)
{
    const struct syscall_info *info = syscall_info(nr);
    printf("%s %s(", what, info ? info->name : "?");
    for (unsigned i = 0; i < (info ? info->arg_count : 6); i++) {
        printf("%s%#" PRIx64, i ? ", " : "", args[i]);
    }
    printf(")");
}

struct options {
    uint64_t seed, calls;
    unsigned batch, threads;
};

static int parse(int argc, char **argv, struct options *o)
{
    static const struct option longs[] = {
        {"seed", 1, 0, 's'}, {"calls", 1, 0, 'n'},   {"batch", 1, 0, 'b'}, {"threads", 1, 0, 't'},
        {"only", 1, 0, 'o'}, {"verbose", 0, 0, 'v'}, {0, 0, 0, 0}};
    int c;
    while ((c = getopt_long(argc, argv, "s:n:b:t:o:v", longs, NULL)) != -1) {
        switch (c) {
        case 's':
            o->seed = strtoull(optarg, NULL, 0);
            break;
        case 'n':
            o->calls = strtoull(optarg, NULL, 0);
            break;
        case 'b':
            o->batch = (unsigned)strtoul(optarg, NULL, 0);
            break;
        case 't':
            o->threads = MIN((unsigned)strtoul(optarg, NULL, 0), 16u);
            break;
        case 'o':
            g_only = syscall_find(optarg);
            if (!g_only) {
                fprintf(stderr, "no system call %s\n", optarg);
                return -1;
            }
            break;
        case 'v':
            g_verbose = true;
            break;
        default:
            return -1;
        }
    }
    return 0;
}

/* This would wreck a real system. */
static bool inside_sandbox(void)
{
    struct utsname u;
    return uname(&u) == 0 && strstr(u.release, "sandbox");
}

int main(int argc, char **argv)
{
    struct options o = {.seed = 1, .calls = 20000, .batch = 200, .threads = 1};
    uint64_t batches = 0, deaths = 0, hangs = 0, empty = 0;
    char dir[] = "/tmp/fuzz.XXXXXX";

    setvbuf(stdout, NULL, _IOLBF, 0);
    if (parse(argc, argv, &o) < 0) {
        return 2;
    }
    if (!inside_sandbox()) {
        fprintf(stderr, "this makes random system calls: run it with `sandbox exec -- %s`\n",
                argv[0]);
        return 2;
    }
    g_report =
        mmap(NULL, sizeof(*g_report), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    g_null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (g_report == MAP_FAILED || g_null < 0 || !mkdtemp(dir) || chdir(dir) != 0) {
        perror("setup");
        return 2;
    }
    while (g_report->calls < o.calls && !g_report->broken && empty < 20) {
        uint64_t before = g_report->calls;
        uint64_t batch_seed = o.seed * 1000003 + batches++;
        pid_t pid = fork();
        if (pid == 0) {
            run_batch(batch_seed, o.batch, o.threads ? o.threads : 1);
        }
        if (pid < 0) {
            perror("fork");
            return 1;
        }
        int status = wait_batch(pid);
        deaths += status > 0 && WIFSIGNALED(status);
        hangs += status == -1;
        empty = g_report->calls == before ? empty + 1
                                          : 0; /* the place is wrecked: mounted over, read-only */
        if (status == -1 || (g_verbose && status)) {
            printf("batch %" PRIu64 " status %d:", batches - 1, status);
            print_call(" last", g_report->nr, g_report->args);
            printf("\n");
        }
    }
    if (g_report->broken) {
        print_call("BROKEN RULE:", g_report->bad_nr, g_report->bad_args);
        printf(" = %ld, batch %" PRIu64 "\n", g_report->bad_result, batches - 1);
    }
    printf("seed %" PRIu64 ": %" PRIu64 " calls (%" PRIu64 " succeeded) in %" PRIu64
           " batches, %" PRIu64 " died of a signal, %" PRIu64 " hung\n",
           o.seed, g_report->calls, g_report->succeeded, batches, deaths, hangs);
    return g_report->broken ? 1 : 0;
}
