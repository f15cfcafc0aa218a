/*
 * PTRACE_SINGLESTEP: one instruction each, also over a system call, a signal's handler (where it stops at the first instruction), and
 * the return from it. The trap flag does not show.
 */
#include "tests/compat/ptrace/tracer.h"

void steps(void);
extern char steps_call[], steps_end[];
__asm__(".text\n"
        ".globl steps, steps_call, steps_end\n"
        "steps: nop\n"
        "nop\n"
        "mov $5, %ecx\n"
        "1: dec %ecx\n"
        "jnz 1b\n"
        "mov $39, %eax\n"
        "steps_call: syscall\n"
        "nop\n"
        "steps_end: ret\n");

static volatile int handled;
static void handler(int sig)
{
    handled = sig;
}

static int child(void)
{
    signal(SIGUSR2, handler);
    for (int i = 0; i < 30; i++) {
        syscall(SYS_getpid);
    }
    raise(SIGUSR1);
    steps();
    return handled == SIGUSR2 ? 3 : 4;
}

static struct user_regs_struct step(pid_t pid, int sig)
{
    CHECK_EQ(go(pid, PTRACE_SINGLESTEP, sig), SIGTRAP);
    struct user_regs_struct r = regs_of(pid);
    CHECK_EQ(r.eflags & 0x100, 0);
    return r;
}

int main(void)
{
    pid_t pid = traced_child(child);
    siginfo_t info;
    CHECK_EQ(go(pid, PTRACE_CONT, 0), SIGUSR1);
    struct user_regs_struct r = regs_of(pid);
    for (int i = 0; r.rip != (unsigned long)steps; i++) {
        CHECK(i < 2000);
        r = step(pid, 0);
    }
    /* 2 nops, mov, 5 * (dec, jnz), mov */
    for (int i = 0; i < 14; i++) {
        CHECK(r.rip != (unsigned long)steps_call);
        r = step(pid, 0);
        CHECK_EQ(ptrace(PTRACE_GETSIGINFO, pid, 0, &info), 0);
        CHECK_EQ(info.si_code, TRAP_TRACE);
        CHECK_EQ(info.si_addr, r.rip);
    }
    CHECK_EQ(r.rip, steps_call);
    CHECK_EQ(r.rax, SYS_getpid);
    r = step(pid, 0);
    CHECK_EQ(r.rip, steps_call + 2);
    CHECK_EQ(r.rax, pid);

    r = step(pid, SIGUSR2); /* as if it had come now */
    CHECK_EQ(r.rip, handler);
    CHECK_EQ(r.rdi, SIGUSR2);
    int steps_in_handler = 0;
    while (r.rip != (unsigned long)steps_call + 2) {
        r = step(pid, 0);
        CHECK(steps_in_handler++ < 40);
    }
    CHECK(steps_in_handler > 3);
    r = step(pid, 0);
    CHECK_EQ(r.rip, steps_end);
    goes_and_exits(pid, 3);
    return 0;
}
