/*
 * PTRACE_SEIZE: no stop, no SIGTRAP at exec; PTRACE_INTERRUPT stops with PTRACE_EVENT_STOP; group stops are told as such, and
 * PTRACE_LISTEN leaves the tracee in one until SIGCONT. With PTRACE_ATTACH a group stop is a stop without siginfo.
 */
#include "tests/compat/ptrace/tracer.h"

#define STOP(sig) ((sig) | PTRACE_EVENT_STOP << 8)

static void seized(void)
{
    pid_t pid = waiting_child();
    int status;
    siginfo_t info;
    CHECK_ERRNO(ptrace(PTRACE_SEIZE, pid, 1, 0), EIO);
    CHECK_ERRNO(ptrace(PTRACE_SEIZE, pid, 0, 1 << 30), EIO);
    CHECK_EQ(ptrace(PTRACE_SEIZE, pid, 0, PTRACE_O_TRACESYSGOOD), 0);
    CHECK_EQ(waitpid(pid, &status, WNOHANG | __WALL), 0);
    CHECK_ERRNO(ptrace(PTRACE_CONT, pid, 0, 0), ESRCH);
    CHECK_EQ(ptrace(PTRACE_INTERRUPT, pid, 0, 0), 0);
    CHECK_EQ(next_stop(pid), STOP(SIGTRAP));
    CHECK_EQ(ptrace(PTRACE_GETSIGINFO, pid, 0, &info), 0);
    CHECK_EQ(info.si_code, STOP(SIGTRAP));
    CHECK_EQ(ptrace(PTRACE_CONT, pid, 0, 0), 0);

    kill(pid, SIGTSTP);
    CHECK_EQ(next_stop(pid), SIGTSTP); /* the signal */
    CHECK_EQ(go(pid, PTRACE_CONT, SIGTSTP), STOP(SIGTSTP));
    CHECK_EQ(ptrace(PTRACE_LISTEN, pid, 0, 0), 0);
    usleep(20000);
    CHECK_EQ(waitpid(pid, &status, WNOHANG | __WALL), 0);
    CHECK_ERRNO(ptrace(PTRACE_CONT, pid, 0, 0), ESRCH);
    kill(pid, SIGCONT);
    CHECK_EQ(next_stop(pid), STOP(SIGTRAP));
    CHECK_EQ(ptrace(PTRACE_CONT, pid, 0, 0), 0);
    for (int stop = 0;
         stop != SIGCONT;) { /* the end of the stop may be told again before the signal */
        stop = next_stop(pid);
        CHECK(stop == STOP(SIGTRAP) || stop == SIGCONT);
        CHECK_EQ(ptrace(PTRACE_CONT, pid, 0, 0), 0);
    }
    CHECK_EQ(write(g_pipe[1], "x", 1), 1);
    must_wait_for(pid, 0); /* no stop at exec */
    close(g_pipe[1]);
}

static void attached(void)
{
    pid_t pid = waiting_child();
    siginfo_t info;
    CHECK_EQ(ptrace(PTRACE_ATTACH, pid, 0, 0), 0);
    CHECK_EQ(next_stop(pid), SIGSTOP);
    CHECK_ERRNO(ptrace(PTRACE_INTERRUPT, pid, 0, 0), EIO);
    CHECK_ERRNO(ptrace(PTRACE_LISTEN, pid, 0, 0), EIO);
    CHECK_EQ(go(pid, PTRACE_CONT, SIGSTOP), SIGSTOP); /* the group stop that it makes */
    CHECK_ERRNO(ptrace(PTRACE_GETSIGINFO, pid, 0, &info), EINVAL);
    CHECK_EQ(ptrace(PTRACE_CONT, pid, 0, 0), 0); /* runs all the same */
    CHECK_EQ(write(g_pipe[1], "a", 1), 1);
    usleep(20000);
    kill(pid, SIGCONT);
    CHECK_EQ(next_stop(pid), SIGCONT);
    CHECK_EQ(ptrace(PTRACE_DETACH, pid, 0, 0), 0);
    close(g_pipe[1]);
    must_wait_for(pid, 3 << 8);
}

/* Somebody who was stopped before is told so, and remains so without a tracer. */
static void stopped_before(void)
{
    pid_t pid = waiting_child();
    int status;
    kill(pid, SIGSTOP);
    CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
    CHECK_EQ(ptrace(PTRACE_SEIZE, pid, 0, 0), 0);
    CHECK_EQ(next_stop(pid), STOP(SIGSTOP));
    CHECK_EQ(ptrace(PTRACE_DETACH, pid, 0, 0), 0);
    CHECK_EQ(write(g_pipe[1], "x", 1), 1);
    usleep(50000);
    CHECK_EQ(waitpid(pid, &status, WNOHANG), 0);
    kill(pid, SIGCONT);
    must_wait_for(pid, 0);
    close(g_pipe[1]);
}

int main(void)
{
    seized();
    attached();
    stopped_before();
    return 0;
}
