/*
 * Events: PTRACE_O_TRACEFORK, VFORK, VFORKDONE, CLONE, EXEC, EXIT, with their messages. A child whose birth is told is traced, too, and
 * begins with SIGSTOP, before its first instruction. Without options a child is not traced.
 */
#include "tests/compat/ptrace/tracer.h"

#define EVENT(e) (SIGTRAP | (e) << 8)

static int forks(void)
{
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        _exit(5);
    }
    waitpid(pid, &status, 0);
    return WEXITSTATUS(status);
}

static int vforks(void)
{
    int status;
    pid_t pid = vfork();
    if (pid == 0) {
        _exit(6);
    }
    waitpid(pid, &status, 0);
    return WEXITSTATUS(status);
}

static int thread(void *arg)
{
    *(volatile int *)arg = 7;
    return 0;
}

static int clones(void)
{
    static char stack[65536];
    int value = 0, status;
    signal(SIGUSR2, SIG_IGN);
    pid_t pid = clone(thread, stack + sizeof(stack), CLONE_VM | CLONE_FILES | SIGUSR2, &value);
    waitpid(pid, &status, __WALL);
    return value;
}

static int executes(void)
{
    execl("/bin/true", "true", (char *)NULL);
    return 1;
}

#define ALL                                                                                        \
    (PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACEVFORKDONE | PTRACE_O_TRACECLONE |    \
     PTRACE_O_TRACEEXEC | PTRACE_O_TRACESYSGOOD)

/* The child that the event told of: stopped, behind its parent's call, and with the same options. */
static void check_child(pid_t parent, pid_t pid, int want)
{
    struct user_regs_struct p = regs_of(parent);
    CHECK_EQ(next_stop(pid), SIGSTOP);
    struct user_regs_struct c = regs_of(pid);
    CHECK_EQ(c.rip, p.rip);
    CHECK_EQ(c.rax, 0);
    CHECK_EQ(go(pid, PTRACE_SYSCALL, 0), SYSGOOD);
    CHECK_EQ(ptrace(PTRACE_CONT, pid, 0, 0), 0);
    must_wait_for(pid, want << 8);
}

static void birth(int (*fn)(void), int event, int child_status, int status)
{
    pid_t pid = traced_child(fn);
    set_options(pid, ALL);
    CHECK_EQ(go(pid, PTRACE_CONT, 0), EVENT(event));
    siginfo_t info;
    CHECK_EQ(ptrace(PTRACE_GETSIGINFO, pid, 0, &info), 0);
    CHECK_EQ(info.si_code, EVENT(event));
    pid_t child = (pid_t)event_message(pid);
    CHECK(child > 0 && child != pid);
    check_child(pid, child, child_status);
    if (event == PTRACE_EVENT_VFORK) {
        CHECK_EQ(go(pid, PTRACE_CONT, 0), EVENT(PTRACE_EVENT_VFORK_DONE));
        CHECK_EQ(event_message(pid), child);
    }
    CHECK_EQ(ptrace(PTRACE_CONT, pid, 0, 0), 0);
    int got;
    for (;;) {
        CHECK_EQ(waitpid(pid, &got, __WALL), pid);
        if (!WIFSTOPPED(got)) {
            break;
        }
        CHECK_EQ(ptrace(PTRACE_CONT, pid, 0, WSTOPSIG(got)), 0); /* its child's signal */
    }
    CHECK_EQ(got, status << 8);
}

static void exec_and_exit(void)
{
    pid_t pid = traced_child(executes);
    set_options(pid, PTRACE_O_TRACEEXEC | PTRACE_O_TRACEEXIT);
    CHECK_EQ(go(pid, PTRACE_CONT, 0), EVENT(PTRACE_EVENT_EXEC));
    CHECK_EQ(event_message(pid), pid);
    CHECK_EQ(regs_of(pid).rbx, 0);
    CHECK_EQ(go(pid, PTRACE_CONT, 0), EVENT(PTRACE_EVENT_EXIT));
    CHECK_EQ(event_message(pid), 0);
    CHECK_EQ(regs_of(pid).orig_rax, SYS_exit_group);
    goes_and_exits(pid, 0);

    pid = traced_child(forks);
    set_options(pid, PTRACE_O_TRACEEXIT);
    CHECK_EQ(go(pid, PTRACE_CONT, 0), SIGCHLD);
    CHECK_EQ(go(pid, PTRACE_CONT, SIGSEGV), EVENT(PTRACE_EVENT_EXIT));
    CHECK_EQ(event_message(pid) & 0x7f, SIGSEGV);
    CHECK_EQ(ptrace(PTRACE_CONT, pid, 0, 0), 0);
    int status;
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
}

int main(void)
{
    birth(forks, PTRACE_EVENT_FORK, 5, 5);
    birth(vforks, PTRACE_EVENT_VFORK, 6, 6);
    birth(clones, PTRACE_EVENT_CLONE, 0, 7);
    exec_and_exit();

    pid_t pid = traced_child(forks); /* untraced child: its parent alone hears of it */
    CHECK_EQ(go(pid, PTRACE_CONT, 0), SIGCHLD);
    goes_and_exits(pid, 5);
    return 0;
}
