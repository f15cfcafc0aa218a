/*
 * PTRACE_ATTACH to a program that runs, sleeps in a call, or waits for a futex; what it was doing goes on afterwards as if nothing had
 * been, and at the speed that it had. PTRACE_DETACH with a signal delivers it.
 */
#include "tests/compat/ptrace/tracer.h"

#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>

static volatile struct {
    unsigned long counter;
    unsigned futex;
    int result, error;
} * g_shared;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void runs(void)
{
    for (;;) {
        syscall(SYS_getppid);
        g_shared->counter++;
    }
}

static void sleeps(void)
{
    struct timespec t = {.tv_nsec = 300000000};
    g_shared->counter = 1;
    g_shared->result = nanosleep(&t, NULL);
    g_shared->error = errno;
    _exit(4);
}

static void waits(void)
{
    g_shared->counter = 1;
    g_shared->result = (int)syscall(SYS_futex, &g_shared->futex, FUTEX_WAIT, 0, NULL, NULL, 0);
    g_shared->error = errno;
    _exit(5);
}

static pid_t start(void (*fn)(void))
{
    memset((void *)g_shared, 0, sizeof(*g_shared));
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG,
              SIGKILL); /* one that runs for ever must not outlive a check that fails */
        fn();
    }
    while (!g_shared->counter) {
        usleep(1000);
    }
    usleep(20000);
    return pid;
}

static void attach(pid_t pid)
{
    CHECK_EQ(ptrace(PTRACE_ATTACH, pid, 0, 0), 0);
    CHECK_EQ(next_stop(pid), SIGSTOP);
}

static unsigned long rate(void)
{
    unsigned long before = g_shared->counter;
    double begin = now();
    usleep(60000);
    return (unsigned long)((double)(g_shared->counter - before) / (now() - begin));
}

int main(void)
{
    g_shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(g_shared != MAP_FAILED);
    int status;

    pid_t pid = start(runs);
    unsigned long before = rate();
    for (int i = 0; i < 5; i++) {
        attach(pid);
        CHECK_EQ(ptrace(PTRACE_SYSCALL, pid, 0, 0), 0);
        CHECK_EQ(next_stop(pid), SIGTRAP);
        unsigned long counter = g_shared->counter;
        usleep(2000);
        CHECK_EQ(g_shared->counter, counter);
        CHECK_EQ(ptrace(PTRACE_DETACH, pid, 0, 0), 0);
    }
    usleep(30000);
    for (int tries = 0; rate() <= before / 8;
         tries++) { /* a busy machine may stop it for a while */
        CHECK(tries < 50);
    }
    attach(pid);
    CHECK_EQ(ptrace(PTRACE_DETACH, pid, 0, SIGTERM), 0);
    must_wait_for(pid, SIGTERM);

    double begin = now();
    pid = start(sleeps);
    attach(pid);
    CHECK_EQ(regs_of(pid).orig_rax, SYS_clock_nanosleep);
    CHECK_EQ(ptrace(PTRACE_DETACH, pid, 0, 0), 0);
    must_wait_for(pid, 4 << 8);
    CHECK_EQ(g_shared->result, 0);
    CHECK(now() - begin > 0.29 && now() - begin < 30);

    pid = start(waits);
    attach(pid);
    CHECK_EQ(regs_of(pid).orig_rax, SYS_futex);
    CHECK_EQ(go(pid, PTRACE_SYSCALL, 0), SIGTRAP); /* it begins again */
    CHECK_EQ(regs_of(pid).rax, -ENOSYS);
    CHECK_EQ(ptrace(PTRACE_SYSCALL, pid, 0, 0), 0);
    usleep(20000);
    CHECK_EQ(waitpid(pid, &status, WNOHANG), 0);
    g_shared->futex = 1;
    syscall(SYS_futex, &g_shared->futex, FUTEX_WAKE, 1, NULL, NULL, 0);
    CHECK_EQ(next_stop(pid), SIGTRAP);
    CHECK_EQ(regs_of(pid).rax, 0);
    CHECK_EQ(ptrace(PTRACE_DETACH, pid, 0, 0), 0);
    must_wait_for(pid, 5 << 8);
    CHECK_EQ(g_shared->result, 0);
    return 0;
}
