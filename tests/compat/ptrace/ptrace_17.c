/*
 * ptrace(2), threads that come and go: PTRACE_EVENT_EXIT comes before the thread's end is seen by anybody.
 * 1. While the thread stands there its memory and registers are as they were, and who joins it waits.
 * 2. So it is for thread after thread, each of which has stopped before its first instruction (PTRACE_O_TRACECLONE).
 */
#include "tests/compat/ptrace/tracer.h"

#include <linux/futex.h>
#include <sched.h>
#include <stdbool.h>
#include <sys/mman.h>

#define ROUNDS 6
#define FLAGS                                                                                      \
    (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM |            \
     CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID)

static struct shared {
    volatile int joined, begun;
} * g_shared;
static int g_word;
static char g_stack[65536] __attribute__((aligned(16)));

static int thread(void *arg)
{
    (void)arg;
    g_shared->begun++;
    syscall(SYS_exit, 5);
    return 0;
}

static int make_threads(void)
{
    for (int i = 0; i < ROUNDS; i++) {
        if (clone(thread, g_stack + sizeof(g_stack), FLAGS, NULL, &g_word, NULL, &g_word) < 0) {
            return 1;
        }
        for (int v; (v = __atomic_load_n(&g_word, __ATOMIC_ACQUIRE)) != 0;) {
            syscall(SYS_futex, &g_word, FUTEX_WAIT, v, NULL, NULL, 0);
        }
        g_shared->joined++;
    }
    return 7;
}

/* One stop of anybody: what it was; the thread goes on. Return: false at the end of the process. */
static bool one_stop(pid_t pid, int *begins, int *ends)
{
    int status;
    pid_t who = waitpid(-1, &status, __WALL);
    CHECK(who > 0);
    if (!WIFSTOPPED(status)) {
        CHECK(who != pid || (WIFEXITED(status) && WEXITSTATUS(status) == 7));
        return who != pid;
    }
    int stop = status >> 8;
    if (stop == (SIGTRAP | PTRACE_EVENT_EXIT << 8) && who != pid) {
        CHECK_EQ(g_shared->begun, ++*ends);
        usleep(20000);
        CHECK_EQ(g_shared->joined, *ends - 1);
        CHECK_EQ(ptrace(PTRACE_PEEKDATA, who, &g_word, 0) & 0xffffffff, who);
        CHECK_EQ(regs_of(who).orig_rax, SYS_exit);
        CHECK_EQ(regs_of(who).rdi, 5);
    } else if (who != pid && WSTOPSIG(status) == SIGSTOP) {
        CHECK_EQ(g_shared->begun, (*begins)++);
    }
    CHECK_EQ(ptrace(PTRACE_CONT, who, 0, 0L), 0);
    return true;
}

int main(void)
{
    int begins = 0, ends = 0;
    g_shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t pid = traced_child(make_threads);
    CHECK_EQ(ptrace(PTRACE_SETOPTIONS, pid, 0,
                    PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXIT | PTRACE_O_EXITKILL),
             0);
    CHECK_EQ(ptrace(PTRACE_CONT, pid, 0, 0L), 0);
    while (one_stop(pid, &begins, &ends)) {
    }
    CHECK_EQ(begins, ROUNDS);
    CHECK_EQ(ends, ROUNDS);
    return 0;
}
