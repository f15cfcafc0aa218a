/*
 * wait(2) and tracees: a stop is told once, without WUNTRACED, with WNOWAIT again, as CLD_TRAPPED by waitid; __WALL and __WCLONE don't matter. A
 * zombie goes to its tracer first, and to its parent then. The end of a traced thread is told, too.
 */
#include "tests/compat/ptrace/tracer.h"

#include <pthread.h>

static int nothing(void)
{
    return 3;
}

static void stops(void)
{
    int status;
    siginfo_t info;
    pid_t pid = traced_child(nothing);
    CHECK_EQ(waitpid(pid, &status, WNOHANG), 0); /* told already */
    CHECK_EQ(ptrace(PTRACE_SYSCALL, pid, 0, 0), 0);
    memset(&info, 0, sizeof(info));
    CHECK_EQ(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
    CHECK_EQ(info.si_pid, pid);
    CHECK_EQ(info.si_code, CLD_TRAPPED);
    CHECK_EQ(info.si_status, SIGTRAP);
    CHECK_EQ(waitpid(-1, &status, __WCLONE | WNOHANG), pid);
    CHECK_EQ(status, SIGTRAP << 8 | 0x7f);
    CHECK_EQ(waitpid(-1, &status, WNOHANG | __WALL), 0);
    CHECK_EQ(ptrace(PTRACE_CONT, pid, 0, 0), 0);
    CHECK_EQ(waitid(P_PID, (id_t)pid, &info, WEXITED), 0);
    CHECK_EQ(info.si_code, CLD_EXITED);
    CHECK_EQ(info.si_status, 3);
    CHECK_ERRNO(waitpid(-1, &status, __WALL), ECHILD);
}

/* The tracer is not the parent. */
static void parent_comes_second(void)
{
    int go_on[2], traced[2], status;
    char c;
    CHECK_EQ(pipe(go_on), 0);
    CHECK_EQ(pipe(traced), 0);
    pid_t pid = fork();
    if (pid == 0) {
        CHECK_EQ(read(go_on[0], &c, 1), 1);
        _exit(8);
    }
    pid_t tracer = fork();
    if (tracer == 0) {
        CHECK_EQ(ptrace(PTRACE_SEIZE, pid, 0, 0), 0);
        CHECK_EQ(write(traced[1], "a", 1), 1);
        CHECK_EQ(write(go_on[1], "a", 1), 1);
        usleep(100000);
        CHECK_EQ(waitpid(pid, &status, __WALL), pid);
        CHECK_EQ(status, 8 << 8);
        CHECK_ERRNO(waitpid(pid, &status, __WALL), ECHILD);
        usleep(50000);
        _exit(0);
    }
    CHECK_EQ(read(traced[0], &c, 1), 1);
    usleep(50000);
    CHECK_EQ(waitpid(pid, &status, WNOHANG), 0); /* a zombie that is not ours yet */
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 8 << 8);
    CHECK_EQ(waitpid(tracer, &status, WNOHANG), 0);
    must_wait_for(tracer, 0);
}

static void *ends(void *arg)
{
    return arg;
}

static int makes_thread(void)
{
    pthread_t t;
    pthread_create(&t, NULL, ends, NULL);
    pthread_join(t, NULL);
    return 6;
}

static void threads(void)
{
    pid_t pid = traced_child(makes_thread);
    set_options(pid, PTRACE_O_TRACECLONE);
    CHECK_EQ(go(pid, PTRACE_CONT, 0), SIGTRAP | PTRACE_EVENT_CLONE << 8);
    pid_t tid = (pid_t)event_message(pid);
    CHECK_EQ(next_stop(tid), SIGSTOP);
    CHECK_EQ(ptrace(PTRACE_CONT, tid, 0, 0), 0);
    must_wait_for(tid, 0); /* while its process lives */
    CHECK_ERRNO(ptrace(PTRACE_CONT, tid, 0, 0), ESRCH);
    CHECK_ERRNO(waitpid(tid, NULL, __WALL), ECHILD);
    goes_and_exits(pid, 6);
}

int main(void)
{
    stops();
    parent_comes_second();
    threads();
    return 0;
}
