/*
 * Programs that are started one right after the other, by fork, by vfork, by a second thread, and by themselves. Claims, for each
 * of them: it has the process id of before; its signal mask, ignored and pending signals are kept, its handlers and its alternate
 * stack are not; nothing of the old memory is left; descriptors are closed or kept as their flag says; CPU
 * time goes on from where it was; a SIGKILL in the middle of all that ends it. execve(2), vfork(2), getrusage(2).
 */
#include "tests/compat/compat.h"

#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>

#define OLD_MEMORY ((void *)0x200000000000)
#define ROUNDS     40

static char g_args[4][32];
static char *g_argv[7];
static char *g_envp[] = {NULL};

static long cpu_us(void)
{
    struct timespec t;
    CHECK(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t) == 0);
    return t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void on_signal(int sig)
{
    (void)sig;
    _exit(9);
}

/* What the program must find or not. A vfork child changes nothing of its parent's memory that matters there. */
static void prepare(const char *mode, int left)
{
    snprintf(g_args[0], sizeof(g_args[0]), "%s", mode);
    snprintf(g_args[1], sizeof(g_args[1]), "%d", (int)getpid());
    snprintf(g_args[2], sizeof(g_args[2]), "%d", left);
    snprintf(g_args[3], sizeof(g_args[3]), "%ld", cpu_us());
    g_argv[0] = (char *)(uintptr_t) "execve_08";
    for (int i = 0; i < 4; i++) {
        g_argv[i + 1] = g_args[i];
    }
    g_argv[5] = NULL;
}

static void exec_self(const char *mode, int left)
{
    prepare(mode, left);
    execve("/proc/self/exe", g_argv, g_envp);
    _exit(8);
}

static void signals_set(void)
{
    static char stack[65536];
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGUSR1);
    CHECK(sigprocmask(SIG_SETMASK, &set, NULL) == 0);
    CHECK(signal(SIGUSR1, on_signal) != SIG_ERR && signal(SIGUSR2, SIG_IGN) != SIG_ERR);
    CHECK(sigaltstack(&(stack_t){.ss_sp = stack, .ss_size = sizeof(stack)}, NULL) == 0);
    CHECK(kill(getpid(), SIGTERM) == 0);
}

static void signals_check(void)
{
    sigset_t set;
    struct sigaction sa;
    stack_t ss;
    CHECK(sigprocmask(SIG_SETMASK, NULL, &set) == 0);
    CHECK(sigismember(&set, SIGTERM) && sigismember(&set, SIGUSR1) && !sigismember(&set, SIGINT));
    CHECK(sigpending(&set) == 0 && sigismember(&set, SIGTERM) && !sigismember(&set, SIGUSR1));
    CHECK(sigaction(SIGUSR1, NULL, &sa) == 0 && sa.sa_handler == SIG_DFL);
    CHECK(sigaction(SIGUSR2, NULL, &sa) == 0 && sa.sa_handler == SIG_IGN);
    CHECK(sigaltstack(NULL, &ss) == 0 && (ss.ss_flags & SS_DISABLE));
}

static int program(char **argv)
{
    unsigned char in_core;
    long before = strtol(argv[4], NULL, 10);
    int left = (int)strtol(argv[3], NULL, 10);
    CHECK_EQ(getpid(), strtol(argv[2], NULL, 10));
    CHECK_ERRNO(mincore(OLD_MEMORY, 4096, &in_core), ENOMEM);
    CHECK(cpu_us() >= before);
    if (strcmp(argv[1], "chain") == 0) {
        CHECK(mmap(OLD_MEMORY, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
              OLD_MEMORY);
        if (left > 0) {
            exec_self("chain", left - 1);
        }
        struct rusage u;
        CHECK(getrusage(RUSAGE_SELF, &u) == 0);
        long used = (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000 + u.ru_utime.tv_usec +
                    u.ru_stime.tv_usec;
        CHECK(used + 20000 >= before); /* it may count in ticks */
    } else if (strcmp(argv[1], "signals") == 0) {
        signals_check();
        CHECK_ERRNO(fcntl(50, F_GETFD), EBADF);
        CHECK(fcntl(51, F_GETFD) == 0);
    }
    return 7;
}

static void expect(pid_t pid, int want)
{
    int status;
    CHECK(pid > 0 && waitpid(pid, &status, 0) == pid);
    CHECK_EQ(status, want);
}

static void *exec_in_thread(void *p)
{
    exec_self("plain", 0);
    return p;
}

static void burn(long us)
{
    for (long end = cpu_us() + us; cpu_us() < end;) {
    }
}

int main(int argc, char **argv)
{
    if (argc > 1) {
        return program(argv);
    }
    for (int i = 0; i < ROUNDS; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            CHECK(dup2(0, 51) == 51 && dup3(0, 50, O_CLOEXEC) == 50);
            CHECK(mmap(OLD_MEMORY, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
                       0) == OLD_MEMORY);
            signals_set();
            exec_self("signals", 0);
        }
        expect(pid, 7 << 8);
        pid = vfork();
        if (pid == 0) {
            exec_self("plain", 0);
        }
        expect(pid, 7 << 8);
        pid = fork();
        if (pid == 0) {
            pthread_t t;
            CHECK(pthread_create(&t, NULL, exec_in_thread, NULL) == 0);
            pthread_join(t, NULL);
            _exit(6);
        }
        expect(pid, 7 << 8);
    }
    pid_t pid = fork();
    if (pid == 0) {
        burn(30000);
        exec_self("chain", ROUNDS);
    }
    expect(pid, 7 << 8);
    for (int i = 0; i < ROUNDS; i++) {
        pid = fork();
        if (pid == 0) {
            exec_self("chain", 1000000);
        }
        usleep((useconds_t)(i * 97 % 4000));
        CHECK(kill(pid, SIGKILL) == 0);
        expect(pid, SIGKILL);
    }
    return 0;
}
