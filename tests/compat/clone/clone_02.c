/*
 * clone(2), threads:
 * 1. A CLONE_THREAD child has the caller's pid and parent, and a tid of its own.
 * 2. CLONE_CHILD_CLEARTID stores 0 and wakes a futex there when the thread is gone.
 * 3. CLONE_SETTLS is the thread's own.
 * 4. Threads are no children: wait gives ECHILD.
 * 5. The thread's alternate signal stack is not the parent's.
 */
#include "../compat.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>

static int tid_word;
static pid_t seen_pid, seen_tid, seen_ppid;
static int seen_altstack;
static char altstack[16384];

static int thread(void *arg)
{
    (void)arg;
    stack_t ss;
    seen_pid = (pid_t)syscall(SYS_getpid);
    seen_tid = (pid_t)syscall(SYS_gettid);
    seen_ppid = (pid_t)syscall(SYS_getppid);
    seen_altstack = syscall(SYS_sigaltstack, NULL, &ss) == 0 ? ss.ss_flags : -1;
    syscall(SYS_exit, 0);
    return 0;
}

static __thread int tls = 5;

static void *pthread_body(void *arg)
{
    tls = 6;
    return arg;
}

int main(void)
{
    static char stack[65536] __attribute__((aligned(16)));
    stack_t ss = {.ss_sp = altstack, .ss_size = sizeof(altstack)};
    CHECK_EQ(sigaltstack(&ss, NULL), 0);
    tid_word = 1;
    int flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM |
                CLONE_CHILD_CLEARTID | CLONE_PARENT_SETTID;
    int ptid = 0;
    int tid = clone(thread, stack + sizeof(stack), flags, NULL, &ptid, NULL, &tid_word);
    CHECK(tid > 0);
    CHECK_EQ(ptid, tid);
    int v;
    while ((v = __atomic_load_n(&tid_word, __ATOMIC_ACQUIRE)) != 0) {
        syscall(SYS_futex, &tid_word, FUTEX_WAIT, v, NULL, NULL, 0);
    }
    CHECK_EQ(seen_pid, getpid());
    CHECK_EQ(seen_tid, tid);
    CHECK(tid != getpid());
    CHECK_EQ(seen_ppid, getppid());
    CHECK_EQ(seen_altstack, SS_DISABLE);
    CHECK_ERRNO(waitpid(-1, NULL, __WALL), ECHILD);

    for (int i = 0; i < 50; i++) {
        pthread_t p;
        void *r;
        CHECK_EQ(pthread_create(&p, NULL, pthread_body, &tls), 0);
        CHECK_EQ(pthread_join(p, &r), 0);
        CHECK(r == &tls);
    }
    CHECK_EQ(tls, 5);
    return 0;
}
