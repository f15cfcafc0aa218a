/*
 * Debug registers: a watched variable stops the tracee after the write, a watched instruction before it is executed, with TRAP_HWBKPT and
 * the register's bit in DR6; single steps have theirs. Addresses, lengths and kinds that can't be are refused. They are a thread's own: a
 * child does not have them, a program that is executed neither.
 */
#include "tests/compat/ptrace/tracer.h"

#define DR(n)              offsetof(struct user, u_debugreg[n])
#define DR6_RESERVED       0xffff0ff0UL
#define KIND(n, len, type) ((((len) << 2 | (type)) << (16 + 4 * (n))) | 1UL << (2 * (n)))
#define LEN_1              0UL
#define LEN_4              3UL
#define LEN_8              2UL
#define ON_EXEC            0UL
#define ON_WRITE           1UL
#define ON_IO              2UL

static volatile uint64_t watched[2], other;

__attribute__((noinline)) static void called(int n)
{
    other += (uint64_t)n;
}

static int child(void)
{
    raise(SIGUSR1);
    for (int i = 1; i <= 3; i++) {
        other += 7;
        getppid();
        watched[0] = (uint64_t)i;
    }
    ((volatile uint32_t *)watched)[3] = 9;
    called(2);
    called(3);
    raise(SIGUSR2);
    pid_t pid = fork();
    if (pid == 0) {
        watched[0] = 77; /* nobody watches this one */
        _exit(4);
    }
    int status;
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

/* Return: 0, or errno. */
static int poke(pid_t pid, size_t at, uint64_t value)
{
    return ptrace(PTRACE_POKEUSER, pid, at, value) < 0 ? errno : 0;
}

static uint64_t peek(pid_t pid, size_t at)
{
    errno = 0;
    return (uint64_t)ptrace(PTRACE_PEEKUSER, pid, at, 0);
}

/* It stopped for register n. */
static void hit(pid_t pid, int stop, unsigned n)
{
    siginfo_t info;
    CHECK_EQ(stop, SIGTRAP);
    CHECK_EQ(ptrace(PTRACE_GETSIGINFO, pid, 0, &info), 0);
    CHECK_EQ(info.si_code, TRAP_HWBKPT);
    CHECK_EQ((uint64_t)info.si_addr, regs_of(pid).rip);
    CHECK_EQ((peek(pid, DR(6)) ^ DR6_RESERVED) & 0xf, 1UL << n);
    CHECK_EQ(poke(pid, DR(6), 0), 0);
}

int main(void)
{
    int status;
    pid_t pid = traced_child(child);
    CHECK_EQ(go(pid, PTRACE_CONT, 0), SIGUSR1);
    for (unsigned n = 0; n < 8; n++) {
        CHECK_EQ(peek(pid, DR(n)) & (n == 6 ? 0xf : ~0UL), 0);
    }
    CHECK_EQ(poke(pid, DR(0), 1UL << 63), EINVAL);
    CHECK_EQ(poke(pid, DR(4), 0), EIO);
    CHECK_EQ(poke(pid, DR(1), (uintptr_t)watched + 4), 0);
    CHECK_EQ(peek(pid, DR(1)), (uintptr_t)watched + 4);
    CHECK_EQ(poke(pid, DR(7), KIND(1, LEN_8, ON_WRITE)),
             EINVAL); /* not at a multiple of its length */
    CHECK_EQ(poke(pid, DR(7), KIND(1, LEN_1, ON_IO)), EINVAL);
    CHECK_EQ(poke(pid, DR(7), KIND(1, LEN_4, ON_EXEC)), EINVAL);
    CHECK_EQ(peek(pid, DR(7)), 0);

    CHECK_EQ(poke(pid, DR(0), (uintptr_t)watched), 0);
    CHECK_EQ(poke(pid, DR(1), (uintptr_t)watched + 12), 0);
    CHECK_EQ(poke(pid, DR(2), (uintptr_t)called), 0);
    CHECK_EQ(poke(pid, DR(7),
                  KIND(0, LEN_8, ON_WRITE) | KIND(1, LEN_4, ON_WRITE) | KIND(2, LEN_1, ON_EXEC)),
             0);
    for (uint64_t i = 1; i <= 3; i++) {
        hit(pid, go(pid, PTRACE_CONT, 0), 0);
        CHECK_EQ((uint64_t)ptrace(PTRACE_PEEKDATA, pid, watched, 0), i);
    }
    hit(pid, go(pid, PTRACE_CONT, 0), 1);
    for (int i = 0; i < 2; i++) {
        hit(pid, go(pid, PTRACE_CONT, 0), 2);
        CHECK_EQ(regs_of(pid).rip, (uintptr_t)called);
        CHECK_EQ(regs_of(pid).rdi, 2 + i);
    }
    CHECK_EQ(go(pid, PTRACE_SINGLESTEP, 0), SIGTRAP);
    CHECK_EQ((peek(pid, DR(6)) ^ DR6_RESERVED) & 0x400f, 0x4000);
    CHECK_EQ(go(pid, PTRACE_CONT, 0), SIGUSR2);
    CHECK_EQ(go(pid, PTRACE_CONT, 0), SIGCHLD);
    CHECK_EQ(ptrace(PTRACE_CONT, pid, 0, 0), 0);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 4 << 8);
    return 0;
}
