/*
 * The end of a tracer: its tracees go on, but for those with PTRACE_O_EXITKILL. A thread's tracees are its own: the process's other threads
 * may wait for them, and not command them; they are let go with that thread.
 */
#include "tests/compat/ptrace/tracer.h"

#include <pthread.h>
#include <sys/mman.h>

static void tracer_dies(long options, int want)
{
    pid_t pid = waiting_child();
    pid_t tracer = fork();
    CHECK(tracer >= 0);
    if (tracer == 0) {
        close(g_pipe[1]);
        CHECK_EQ(ptrace(PTRACE_SEIZE, pid, 0, options), 0);
        CHECK_EQ(ptrace(PTRACE_INTERRUPT, pid, 0, 0), 0);
        next_stop(pid);
        if (options) {
            CHECK_EQ(ptrace(PTRACE_CONT, pid, 0, 0), 0);
        }
        _exit(0);
    }
    must_wait_for(tracer, 0);
    if (want == 3 << 8) {
        close(g_pipe[1]);
        must_wait_for(pid, want);
    } else {
        must_wait_for(pid, want);
        close(g_pipe[1]);
    }
    close(g_pipe[0]);
}

static void *other_thread(void *arg)
{
    pid_t pid = *(pid_t *)arg;
    CHECK_ERRNO(ptrace(PTRACE_CONT, pid, 0, 0), ESRCH);
    CHECK_EQ(next_stop(pid), SIGSTOP);
    CHECK_ERRNO(ptrace(PTRACE_CONT, pid, 0, 0), ESRCH);
    CHECK_ERRNO(ptrace(PTRACE_ATTACH, pid, 0, 0), EPERM);
    return NULL;
}

static void *attacher(void *arg)
{
    pid_t pid = *(pid_t *)arg;
    CHECK_EQ(ptrace(PTRACE_ATTACH, pid, 0, 0), 0);
    CHECK_EQ(next_stop(pid), SIGSTOP);
    return NULL;
}

int main(void)
{
    tracer_dies(0, 3 << 8);
    tracer_dies(PTRACE_O_EXITKILL, SIGKILL);

    pthread_t thread;
    pid_t pid = waiting_child();
    CHECK_EQ(ptrace(PTRACE_ATTACH, pid, 0, 0), 0);
    CHECK_EQ(pthread_create(&thread, NULL, other_thread, &pid), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_EQ(ptrace(PTRACE_DETACH, pid, 0, 0), 0);
    CHECK_EQ(pthread_create(&thread, NULL, attacher, &pid), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    usleep(20000);
    CHECK_ERRNO(ptrace(PTRACE_CONT, pid, 0, 0), ESRCH);
    close(g_pipe[1]);
    must_wait_for(pid, 3 << 8);
    return 0;
}
