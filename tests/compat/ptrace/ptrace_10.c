/*
 * PTRACE_GET_SYSCALL_INFO; and what a tracer can make of a call: another number, other arguments, none at all (orig_rax -1) with a result
 * of its own, another result, other bytes where an argument points.
 */
#include "tests/compat/ptrace/tracer.h"

static char g_name[64] = "/nowhere";

static int child(void)
{
    if (syscall(SYS_getppid) != syscall(SYS_getpid)) { /* 1: made getpid */
        return 1;
    }
    if (syscall(SYS_close, 0) != -1 || errno != EBADF) { /* 2: made close(1000) */
        return 2;
    }
    if (syscall(SYS_getuid) != 1234) { /* 3: skipped */
        return 3;
    }
    if (syscall(SYS_getgid) != -1 || errno != ENOTTY) { /* 4: result changed */
        return 4;
    }
    if (syscall(SYS_access, g_name, F_OK) != 0) { /* 5: the name is poked */
        return 5;
    }
    if (syscall(SYS_getegid) != -1 || errno != ENOSYS) { /* 6: skipped without a result */
        return 6;
    }
    return 42;
}

static struct ptrace_syscall_info info_of(pid_t pid)
{
    struct ptrace_syscall_info info;
    CHECK(ptrace((enum __ptrace_request)PTRACE_GET_SYSCALL_INFO, pid, sizeof(info), &info) > 0);
    CHECK_EQ(info.arch, 0xc000003e);
    struct user_regs_struct r = regs_of(pid);
    CHECK_EQ(info.instruction_pointer, r.rip);
    CHECK_EQ(info.stack_pointer, r.rsp);
    return info;
}

/* To the entry of the next call nr. */
static struct user_regs_struct to_entry(pid_t pid, unsigned long nr)
{
    for (;;) {
        CHECK_EQ(go(pid, PTRACE_SYSCALL, 0), SYSGOOD);
        struct ptrace_syscall_info info = info_of(pid);
        CHECK_EQ(info.op, PTRACE_SYSCALL_INFO_ENTRY);
        struct user_regs_struct r = regs_of(pid);
        CHECK_EQ(info.entry.nr, r.orig_rax);
        CHECK_EQ(info.entry.args[0], r.rdi);
        CHECK_EQ(info.entry.args[1], r.rsi);
        CHECK_EQ(info.entry.args[3], r.r10);
        CHECK_EQ(info.entry.args[5], r.r9);
        if (r.orig_rax == nr) {
            return r;
        }
        CHECK_EQ(go(pid, PTRACE_SYSCALL, 0), SYSGOOD);
    }
}

static struct user_regs_struct to_exit(pid_t pid)
{
    CHECK_EQ(go(pid, PTRACE_SYSCALL, 0), SYSGOOD);
    struct ptrace_syscall_info info = info_of(pid);
    struct user_regs_struct r = regs_of(pid);
    CHECK_EQ(info.op, PTRACE_SYSCALL_INFO_EXIT);
    CHECK_EQ(info.exit.rval, r.rax);
    CHECK_EQ(info.exit.is_error, (long)r.rax < 0);
    return r;
}

int main(void)
{
    pid_t pid = traced_child(child);
    set_options(pid, PTRACE_O_TRACESYSGOOD);
    struct ptrace_syscall_info info = info_of(pid);
    CHECK_EQ(info.op, PTRACE_SYSCALL_INFO_NONE);
    CHECK_EQ(ptrace((enum __ptrace_request)PTRACE_GET_SYSCALL_INFO, pid, 4, &info), 24);

    struct user_regs_struct r = to_entry(pid, SYS_getppid);
    r.orig_rax = SYS_getpid;
    set_regs(pid, &r);
    CHECK_EQ(to_exit(pid).rax, pid);

    r = to_entry(pid, SYS_close);
    r.rdi = 1000;
    set_regs(pid, &r);
    r = to_exit(pid);
    CHECK_EQ(r.rax, -EBADF);
    CHECK_EQ(r.rdi, 1000);

    to_entry(pid, SYS_getuid);
    CHECK_EQ(ptrace(PTRACE_POKEUSER, pid, offsetof(struct user_regs_struct, orig_rax), -1L), 0);
    r = to_exit(pid);
    CHECK_EQ(r.rax, -ENOSYS);
    CHECK_EQ(ptrace(PTRACE_POKEUSER, pid, offsetof(struct user_regs_struct, rax), 1234L), 0);

    to_entry(pid, SYS_getgid);
    r = to_exit(pid);
    CHECK_EQ(r.rax, getgid());
    r.rax = (unsigned long)-ENOTTY;
    set_regs(pid, &r);

    r = to_entry(pid, SYS_access);
    CHECK_EQ(r.rdi, g_name);
    CHECK_EQ(ptrace(PTRACE_POKEDATA, pid, g_name, 0x6c756e2f7665642f), 0); /* "/dev/nul" */
    CHECK_EQ(ptrace(PTRACE_POKEDATA, pid, g_name + 8, (long)'l'), 0);
    CHECK_EQ(to_exit(pid).rax, 0);

    to_entry(pid, SYS_getegid);
    CHECK_EQ(ptrace(PTRACE_POKEUSER, pid, offsetof(struct user_regs_struct, orig_rax), -1L), 0);
    goes_and_exits(pid, 42);
    return 0;
}
