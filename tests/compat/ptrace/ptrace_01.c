/*
 * PTRACE_TRACEME, PTRACE_SYSCALL: each call stops twice; at the entry orig_rax is its number, rax -ENOSYS, and rip is behind the
 * syscall instruction; at the exit rax is the result. exec stops with SIGTRAP, and its exit shows rax 0. Counts are exact, also
 * for calls that were made often before.
 */
#include "tests/compat/ptrace/tracer.h"

static int calls(void)
{
    for (int i = 0; i < 40; i++) {
        syscall(SYS_getppid);
    }
    raise(SIGUSR1);
    for (int i = 0; i < 100; i++) {
        syscall(SYS_getppid);
        syscall(SYS_close, 1000 + i);
    }
    return 7;
}

static void entry_and_exit(pid_t pid, unsigned long nr, long result)
{
    CHECK_EQ(next_stop(pid), SYSGOOD);
    struct user_regs_struct r = regs_of(pid);
    CHECK_EQ(r.orig_rax, nr);
    CHECK_EQ(r.rax, -ENOSYS);
    CHECK_EQ(ptrace(PTRACE_PEEKTEXT, pid, r.rip - 2, 0) & 0xffff, 0x050f);
    CHECK_EQ(go(pid, PTRACE_SYSCALL, 0), SYSGOOD);
    struct user_regs_struct e = regs_of(pid);
    CHECK_EQ(e.orig_rax, nr);
    CHECK_EQ(e.rax, result);
    CHECK_EQ(e.rip, r.rip);
    CHECK_EQ(e.rsp, r.rsp);
    CHECK_EQ(e.rbx, r.rbx);
    CHECK_EQ(ptrace(PTRACE_SYSCALL, pid, 0, 0), 0);
}

static void counted_calls(void)
{
    pid_t pid = traced_child(calls);
    set_options(pid, PTRACE_O_TRACESYSGOOD);
    CHECK_EQ(go(pid, PTRACE_CONT, 0), SIGUSR1);
    CHECK_EQ(ptrace(PTRACE_SYSCALL, pid, 0, 0), 0);
    for (int i = 0; i < 100; i++) {
        if (i == 0) {
            /* raise() may restore its mask first */
            for (;;) {
                CHECK_EQ(next_stop(pid), SYSGOOD);
                if (regs_of(pid).orig_rax == SYS_getppid) {
                    break;
                }
                CHECK_EQ(go(pid, PTRACE_SYSCALL, 0), SYSGOOD);
                CHECK_EQ(ptrace(PTRACE_SYSCALL, pid, 0, 0), 0);
            }
            CHECK_EQ(go(pid, PTRACE_SYSCALL, 0), SYSGOOD);
            CHECK_EQ(regs_of(pid).rax, getpid());
            CHECK_EQ(ptrace(PTRACE_SYSCALL, pid, 0, 0), 0);
        } else {
            entry_and_exit(pid, SYS_getppid, getpid());
        }
        entry_and_exit(pid, SYS_close, -EBADF);
    }
    CHECK_EQ(next_stop(pid), SYSGOOD);
    CHECK_EQ(regs_of(pid).orig_rax, SYS_exit_group);
    goes_and_exits(pid, 7);
}

static int executes(void)
{
    execl("/bin/true", "true", (char *)NULL);
    return 1;
}

static void stops_at_exec(void)
{
    pid_t pid = traced_child(executes);
    CHECK_EQ(go(pid, PTRACE_CONT, 0), SIGTRAP);
    siginfo_t info;
    CHECK_EQ(ptrace(PTRACE_GETSIGINFO, pid, 0, &info), 0);
    CHECK_EQ(info.si_code, SI_USER);
    CHECK_EQ(info.si_pid, pid);
    goes_and_exits(pid, 0);

    pid = traced_child(executes);
    set_options(pid, PTRACE_O_TRACESYSGOOD);
    do {
        CHECK_EQ(go(pid, PTRACE_SYSCALL, 0), SYSGOOD);
    } while (regs_of(pid).orig_rax != SYS_execve);
    CHECK_EQ(go(pid, PTRACE_SYSCALL, 0), SYSGOOD); /* the exit, with the new program's registers */
    struct user_regs_struct r = regs_of(pid);
    CHECK_EQ(r.rax, 0);
    CHECK_EQ(r.rbx, 0);
    CHECK_EQ(r.rsp % 16, 0);
    CHECK_EQ(ptrace(PTRACE_PEEKDATA, pid, r.rsp, 0), 1); /* argc */
    CHECK_EQ(go(pid, PTRACE_SYSCALL, 0), SIGTRAP);
    CHECK_EQ(regs_of(pid).rip, r.rip);
    CHECK_EQ(go(pid, PTRACE_SYSCALL, 0), SYSGOOD);
    goes_and_exits(pid, 0);
}

int main(void)
{
    counted_calls();
    stops_at_exec();
    return 0;
}
