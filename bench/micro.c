/*
 * Per-call costs, as a plain Linux program: run natively and inside each sandbox by bench/run. Prints
 * "name nanoseconds" lines: the median of several rounds of each. Arguments: names to run; none: all.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <linux/futex.h>

#define ROUNDS 7

static char g_dir[256], g_file[300], g_self[4096];
static char g_buf[65536];
static int g_rfd, g_wfd, g_pipe[2], g_watched[2], g_epoll, g_eventfd;
static volatile sig_atomic_t g_signals;

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void check(int ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "micro: %s: %s\n", what, strerror(errno));
        exit(1);
    }
}

static void run_getppid(void)
{
    syscall(SYS_getppid);
}
static void run_sigprocmask(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigprocmask(SIG_BLOCK, &set, NULL);
}
static void run_read4k(void)
{
    check(pread(g_rfd, g_buf, 4096, 0) == 4096, "pread");
}
static void run_read64k(void)
{
    check(pread(g_rfd, g_buf, 65536, 0) == 65536, "pread");
}
static void run_write4k(void)
{
    check(pwrite(g_wfd, g_buf, 4096, 0) == 4096, "pwrite");
}
static void run_open_close(void)
{
    int fd = open(g_file, O_RDONLY);
    check(fd >= 0, "open");
    close(fd);
}
static void run_stat(void)
{
    struct stat st;
    check(stat(g_file, &st) == 0, "stat");
}
static void run_stat_enoent(void)
{
    struct stat st;
    check(stat("/usr/bin/no-such-file", &st) < 0, "stat");
}
static void run_fstat(void)
{
    struct stat st;
    check(fstat(g_rfd, &st) == 0, "fstat");
}
static void run_lseek(void)
{
    check(lseek(g_rfd, 0, SEEK_SET) == 0, "lseek");
}
static void run_epoll0(void)
{
    struct epoll_event e;
    epoll_wait(g_epoll, &e, 1, 0);
}
static void run_pipe(void)
{
    check(write(g_pipe[1], g_buf, 64) == 64 && read(g_pipe[0], g_buf, 64) == 64, "pipe");
}
static void run_umask(void)
{
    umask(022);
}
static void run_getcwd(void)
{
    check(syscall(SYS_getcwd, g_buf, sizeof(g_buf)) > 0, "getcwd");
}
static void run_uname(void)
{
    struct utsname u;
    check(uname(&u) == 0, "uname");
}
static void run_getrlimit(void)
{
    struct rlimit r;
    check(getrlimit(RLIMIT_NOFILE, &r) == 0, "getrlimit");
}
static void run_getcpu(void)
{
    unsigned cpu;
    check(syscall(SYS_getcpu, &cpu, NULL, NULL) == 0, "getcpu");
}
static void run_clock(void)
{
    struct timespec t;
    check(syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &t) == 0, "clock_gettime");
}
static void run_cpu_clock(void)
{
    struct timespec t;
    check(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t) == 0, "clock_gettime");
}
static void run_getrandom(void)
{
    check(syscall(SYS_getrandom, g_buf, 32, 0) == 32, "getrandom");
}
static void run_fcntl(void)
{
    check(fcntl(g_rfd, F_GETFL) >= 0, "fcntl");
}
static void run_poll0(void) /* of a file and a pipe */
{
    struct pollfd p[2] = {{.fd = g_rfd, .events = POLLIN}, {.fd = g_pipe[0], .events = POLLIN}};
    check(poll(p, 2, 0) == 1, "poll");
}
static void run_writev(void)
{
    const struct iovec v[2] = {{g_buf, 8}, {g_buf + 100, 56}};
    check(writev(g_pipe[1], v, 2) == 64 && readv(g_pipe[0], v, 2) == 64, "writev");
}
static void run_pwritev(void)
{
    const struct iovec v[2] = {{g_buf, 2048}, {g_buf + 4096, 2048}};
    check(pwritev(g_wfd, v, 2, 0) == 4096, "pwritev");
}
static void run_eventfd(void)
{
    uint64_t one = 1;
    check(write(g_eventfd, &one, 8) == 8 && read(g_eventfd, &one, 8) == 8, "eventfd");
}
static void run_mmap(void)
{
    void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    check(p != MAP_FAILED, "mmap");
    munmap(p, 4096);
}
static void run_fault_mib(void) /* 256 page faults */
{
    char *p = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    check(p != MAP_FAILED, "mmap");
    for (size_t i = 0; i < 1 << 20; i += 4096) {
        p[i] = 1;
    }
    munmap(p, 1 << 20);
}
static void run_futex_wake(void)
{
    static int word;
    syscall(SYS_futex, &word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1, NULL, NULL, 0);
}
static void on_signal(int sig)
{
    (void)sig;
    g_signals = g_signals + 1;
}
static void run_signal(void)
{
    raise(SIGUSR1);
}
/* A write barrier as garbage collectors have it: the handler makes the page writable. */
static char *g_barrier;
static void on_barrier(int sig, siginfo_t *info, void *uc)
{
    (void)uc;
    check(sig == SIGSEGV && info->si_addr == g_barrier, "fault address");
    mprotect(g_barrier, 4096, PROT_READ | PROT_WRITE);
}
static void run_fault_signal(void)
{
    if (!g_barrier) {
        struct sigaction sa = {.sa_sigaction = on_barrier, .sa_flags = SA_SIGINFO};
        sigaction(SIGSEGV, &sa, NULL);
        g_barrier = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        check(g_barrier != MAP_FAILED, "mmap");
    }
    mprotect(g_barrier, 4096, PROT_READ);
    *(volatile char *)g_barrier = 1;
}
static void run_fork_wait(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        _exit(0);
    }
    check(pid > 0 && waitpid(pid, NULL, 0) == pid, "fork");
}
static void run_fork_exec(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        execl(g_self, g_self, "--nothing", NULL);
        _exit(127);
    }
    int status;
    check(pid > 0 && waitpid(pid, &status, 0) == pid && status == 0, "fork+exec");
}
static void run_vfork_exec(void)
{
    pid_t pid = vfork();
    if (pid == 0) {
        execl(g_self, g_self, "--nothing", NULL);
        _exit(127);
    }
    int status;
    check(pid > 0 && waitpid(pid, &status, 0) == pid && status == 0, "vfork+exec");
}
static void *nothing(void *p)
{
    return p;
}
static void run_thread(void)
{
    pthread_t t;
    check(pthread_create(&t, NULL, nothing, NULL) == 0, "pthread_create");
    pthread_join(t, NULL);
}

/* Calls that only the sentry can answer: one after the other, by two threads, by eight processes. */
static void run_handoff(void)
{
    syscall(SYS_ioprio_get, 1, 0);
}
static void *handoffs(void *count)
{
    for (long i = 0; i < (long)count; i++) {
        run_handoff();
    }
    return NULL;
}
static void run_handoff_threads(void)
{
    pthread_t t[2];
    for (int i = 0; i < 2; i++) {
        check(pthread_create(&t[i], NULL, handoffs, (void *)5000L) == 0, "pthread_create");
    }
    pthread_join(t[0], NULL);
    pthread_join(t[1], NULL);
}
static void run_handoff_processes(void)
{
    for (int i = 0; i < 8; i++) {
        pid_t pid = fork();
        check(pid >= 0, "fork");
        if (pid == 0) {
            handoffs((void *)2000L);
            _exit(0);
        }
    }
    while (wait(NULL) > 0) {
    }
}

static const struct {
    const char *name;
    void (*run)(void);
    int count;
} benches[] = {
    {"getppid", run_getppid, 20000},
    {"sigprocmask", run_sigprocmask, 20000},
    {"pread-4k", run_read4k, 10000},
    {"pread-64k", run_read64k, 2000},
    {"pwrite-4k", run_write4k, 10000},
    {"open+close", run_open_close, 5000},
    {"stat", run_stat, 10000},
    {"stat-enoent", run_stat_enoent, 10000},
    {"fstat", run_fstat, 10000},
    {"lseek", run_lseek, 10000},
    {"epoll_wait-0", run_epoll0, 10000},
    {"pipe-write+read", run_pipe, 10000},
    {"writev+readv", run_writev, 10000},
    {"pwritev-4k", run_pwritev, 10000},
    {"eventfd-write+read", run_eventfd, 10000},
    {"poll-0", run_poll0, 10000},
    {"umask", run_umask, 20000},
    {"getcwd", run_getcwd, 10000},
    {"uname", run_uname, 10000},
    {"getrlimit", run_getrlimit, 10000},
    {"getcpu", run_getcpu, 10000},
    {"clock_gettime", run_clock, 10000},
    {"clock_gettime-cpu", run_cpu_clock, 10000},
    {"getrandom", run_getrandom, 5000},
    {"fcntl-getfl", run_fcntl, 10000},
    {"mmap+munmap", run_mmap, 5000},
    {"fault-1MiB", run_fault_mib, 50},
    {"futex-wake", run_futex_wake, 20000},
    {"signal", run_signal, 2000},
    {"fault-signal", run_fault_signal, 2000},
    {"fork+wait", run_fork_wait, 100},
    {"fork+exec", run_fork_exec, 50},
    {"vfork+exec", run_vfork_exec, 50},
    {"thread", run_thread, 300},
    {"handoff", run_handoff, 10000},
    {"handoff-2-threads", run_handoff_threads, 3},
    {"handoff-8-processes", run_handoff_processes, 3},
};

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void measure(size_t i)
{
    double rounds[ROUNDS];
    for (int warm = 0; warm < benches[i].count / 10 + 1; warm++) {
        benches[i].run();
    }
    for (int r = 0; r < ROUNDS; r++) {
        double start = now_ns();
        for (int n = 0; n < benches[i].count; n++) {
            benches[i].run();
        }
        rounds[r] = (now_ns() - start) / benches[i].count;
    }
    qsort(rounds, ROUNDS, sizeof(rounds[0]), compare);
    printf("%s %.0f\n", benches[i].name, rounds[ROUNDS / 2]);
    fflush(stdout);
}

static void set_up(void)
{
    snprintf(g_dir, sizeof(g_dir), "%s/microXXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
    check(mkdtemp(g_dir) != NULL, "mkdtemp");
    snprintf(g_file, sizeof(g_file), "%s/file", g_dir);
    g_wfd = open(g_file, O_RDWR | O_CREAT, 0600);
    check(g_wfd >= 0 && write(g_wfd, g_buf, sizeof(g_buf)) == sizeof(g_buf), "file");
    g_rfd = open(g_self, O_RDONLY); /* a file that nobody writes: cached from the host */
    check(g_rfd >= 0 && pipe(g_pipe) == 0 && pipe(g_watched) == 0, "pipe");
    g_epoll = epoll_create1(0);
    g_eventfd = eventfd(0, 0);
    struct epoll_event e = {.events = EPOLLIN};
    epoll_ctl(g_epoll, EPOLL_CTL_ADD, g_watched[0], &e);
    signal(SIGUSR1, on_signal);
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--nothing") == 0) {
        return 0;
    }
    ssize_t n = readlink("/proc/self/exe", g_self, sizeof(g_self) - 1);
    check(n > 0, "/proc/self/exe");
    set_up();
    for (size_t i = 0; i < sizeof(benches) / sizeof(benches[0]); i++) {
        int wanted = argc == 1;
        for (int a = 1; a < argc; a++) {
            wanted |= strcmp(argv[a], benches[i].name) == 0;
        }
        if (wanted) {
            measure(i);
        }
    }
    unlink(g_file);
    rmdir(g_dir);
    return 0;
}
