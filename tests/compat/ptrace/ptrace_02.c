/*
 * PTRACE_PEEK*, PTRACE_POKE*: data and code, also code that is not writable and a call that was made often before; breakpoints,
 * and going on from them with PTRACE_SETREGS. Addresses that are not there: EIO.
 */
#include "tests/compat/ptrace/tracer.h"

#include <sys/mman.h>

long often(void);
extern char often_call[], often_end[];
__asm__(".text\n"
        ".globl often, often_call, often_end\n"
        "often: mov $110, %eax\n"
        "often_call: syscall\n"
        "often_end: ret\n");

static volatile long datum = 0x1122334455667788;

static int calls(void)
{
    for (int i = 0; i < 50; i++) {
        often();
    }
    raise(SIGUSR1);
    long sum = 0;
    for (int i = 0; i < 20; i++) {
        sum += often() == getppid();
    }
    return datum == 5 ? (int)sum : 100;
}

static long peek(pid_t pid, const void *addr)
{
    errno = 0;
    long word = ptrace(PTRACE_PEEKTEXT, pid, addr, 0);
    CHECK_EQ(errno, 0);
    return word;
}

static void poke_byte(pid_t pid, const void *addr, int byte)
{
    long word = (peek(pid, addr) & ~0xffL) | byte;
    CHECK_EQ(ptrace(PTRACE_POKETEXT, pid, addr, word), 0);
    CHECK_EQ(peek(pid, addr), word);
}

/* A breakpoint at addr is hit `hits` times. */
static void breakpoint(pid_t pid, char *addr, int hits)
{
    int saved = (int)(peek(pid, addr) & 0xff);
    for (int i = 0; i < hits; i++) {
        poke_byte(pid, addr, 0xcc);
        CHECK_EQ(go(pid, PTRACE_CONT, 0), SIGTRAP);
        siginfo_t info;
        CHECK_EQ(ptrace(PTRACE_GETSIGINFO, pid, 0, &info), 0);
        CHECK_EQ(info.si_code, SI_KERNEL);
        struct user_regs_struct r = regs_of(pid);
        CHECK_EQ(r.rip, addr + 1);
        r.rip--;
        set_regs(pid, &r);
        poke_byte(pid, addr, saved);
        CHECK_EQ(go(pid, PTRACE_SINGLESTEP, 0), SIGTRAP);
        CHECK(regs_of(pid).rip != (unsigned long)addr);
    }
}

int main(void)
{
    pid_t pid = traced_child(calls);
    CHECK_EQ(go(pid, PTRACE_CONT, 0), SIGUSR1);
    CHECK_EQ(peek(pid, (void *)&datum), 0x1122334455667788);
    CHECK_EQ(ptrace(PTRACE_POKEDATA, pid, &datum, 5), 0);
    CHECK_EQ(peek(pid, (void *)often) & 0xffffffffffffff, 0x050f0000006eb8);
    CHECK_EQ(datum, 0x1122334455667788); /* its own copy */

    breakpoint(pid, (char *)often, 3);
    breakpoint(pid, often_call, 2);
    breakpoint(pid, often_end, 2);

    CHECK_ERRNO(ptrace(PTRACE_PEEKDATA, pid, 8, 0), EIO);
    CHECK_ERRNO(ptrace(PTRACE_POKEDATA, pid, 8, 0), EIO);
    CHECK_ERRNO(ptrace(PTRACE_PEEKDATA, pid, -16L, 0), EIO);
    CHECK_ERRNO(ptrace(PTRACE_POKEDATA, pid, 0x70000801c000, 0), EIO);
    goes_and_exits(pid, 20);
    return 0;
}
