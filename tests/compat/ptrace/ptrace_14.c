/*
 * All threads of a program traced from the first on, with all their calls, while they fight for a mutex, fork, take signals and end: no
 * call without an exit, no end untold, and the program does what it does without a tracer.
 */
#include "tests/compat/ptrace/tracer.h"

#include <pthread.h>

#define THREADS 4
#define ROUNDS  25

static pthread_mutex_t g_lock = PTHREAD_MUTEX_INITIALIZER;
static int g_count, g_signals;

static void handler(int sig)
{
    (void)sig;
    __atomic_fetch_add(&g_signals, 1, __ATOMIC_SEQ_CST);
}

static void *work(void *arg)
{
    for (int i = 0; i < ROUNDS; i++) {
        pthread_mutex_lock(&g_lock);
        g_count++;
        sched_yield();
        pthread_mutex_unlock(&g_lock);
        syscall(SYS_getppid);
        if (i % 10 == 0) {
            int status;
            pid_t pid = fork();
            if (pid == 0) {
                _exit(i);
            }
            if (waitpid(pid, &status, 0) != pid || status != i << 8) {
                _exit(50);
            }
        }
        raise(SIGUSR1);
    }
    return arg;
}

static int program(void)
{
    pthread_t t[THREADS];
    signal(SIGUSR1, handler);
    for (int i = 0; i < THREADS; i++) {
        pthread_create(&t[i], NULL, work, NULL);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(t[i], NULL);
    }
    return g_count == THREADS * ROUNDS && g_signals == THREADS * ROUNDS ? 21 : 1;
}

#define TASKS 256
static struct {
    pid_t pid;
    int in_call;
} g_tasks[TASKS];

static int *in_call(pid_t pid)
{
    for (int i = 0; i < TASKS; i++) {
        if (!g_tasks[i].pid) {
            g_tasks[i].pid = pid;
        }
        if (g_tasks[i].pid == pid) {
            return &g_tasks[i].in_call;
        }
    }
    exit(2);
}

int main(void)
{
    int status, births = 0, ends = 0, calls = 0, signals = 0;
    pid_t first = traced_child(program);
    set_options(first, PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK);
    CHECK_EQ(ptrace(PTRACE_SYSCALL, first, 0, 0), 0);
    for (;;) {
        pid_t pid = waitpid(-1, &status, __WALL);
        CHECK(pid > 0);
        if (!WIFSTOPPED(status)) {
            CHECK(WIFEXITED(status));
            ends++;
            if (pid == first) {
                CHECK_EQ(WEXITSTATUS(status), 21);
                break;
            }
            continue;
        }
        int stop = status >> 8, sig = 0;
        if (stop == SYSGOOD) {
            struct ptrace_syscall_info info;
            CHECK(ptrace((enum __ptrace_request)PTRACE_GET_SYSCALL_INFO, pid, sizeof(info), &info) >
                  0);
            int *in = in_call(pid);
            CHECK_EQ(info.op, *in ? PTRACE_SYSCALL_INFO_EXIT : PTRACE_SYSCALL_INFO_ENTRY);
            *in = !*in;
            calls += *in;
        } else if (stop >> 8) {
            births++;
        } else if (stop != SIGSTOP) {
            signals += stop == SIGUSR1;
            sig = stop;
        }
        CHECK_EQ(ptrace(PTRACE_SYSCALL, pid, 0, (long)sig), 0);
    }
    CHECK_EQ(births, THREADS + THREADS * 3);
    CHECK_EQ(ends, births + 1);
    CHECK_EQ(signals, THREADS * ROUNDS);
    CHECK(calls > THREADS * ROUNDS * 3);
    CHECK_ERRNO(waitpid(-1, &status, __WALL), ECHILD);
    return 0;
}
