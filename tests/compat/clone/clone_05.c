/*
 * What clone makes begins right behind the call, once, with its own stack: bare threads, and processes, many of them, while another thread makes calls. That
 * the sandbox is paused meanwhile (tests/cli/paused.sh) must not be noticed.
 */
#include "tests/compat/compat.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sys/syscall.h>

#define ROUNDS 1500
#define STACK  16384
#define FLAGS                                                                                      \
    (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM |            \
     CLONE_CHILD_CLEARTID | CLONE_PARENT_SETTID)

static char g_stack[STACK] __attribute__((aligned(16)));
static volatile int g_begun, g_arg;
static volatile pid_t g_tid;

/* It has no thread-local memory of its own, so it may not use the C library. */
static int thread(void *arg)
{
    g_begun++;
    g_arg = *(int *)arg;
    return 0;
}

static void one_thread(int i)
{
    int arg = i * 3 + 1;
    pid_t tid;
    g_begun = g_arg = 0;
    CHECK(clone(thread, g_stack + STACK, FLAGS, &arg, &g_tid, NULL, &g_tid) > 0);
    while ((tid = g_tid) != 0) {
        syscall(SYS_futex, &g_tid, FUTEX_WAIT, tid, NULL, NULL, 0);
    }
    CHECK_EQ(g_begun, 1);
    CHECK_EQ(g_arg, arg);
}

static void one_process(void)
{
    int status, before = g_begun;
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        g_begun++;
        _exit(g_begun == before + 1 ? 7 : 8);
    }
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 7 << 8);
}

static void *makes_calls(void *arg)
{
    for (;;) {
        getppid();
    }
    return arg;
}

int main(void)
{
    pthread_t t;
    CHECK_EQ(pthread_create(&t, NULL, makes_calls, NULL), 0);
    for (int i = 0; i < ROUNDS; i++) {
        one_thread(i);
        if (i % 10 == 0) {
            one_process();
        }
    }
    return 0;
}
