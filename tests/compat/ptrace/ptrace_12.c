/*
 * Registers: what the tracee has is what PTRACE_GETREGS, GETFPREGS, GETREGSET and PEEKUSER show, and what is set is what it goes on with.
 */
#include "tests/compat/ptrace/tracer.h"

#include <asm/prctl.h>

static unsigned long g_out[4], g_xmm[2];

/* Loads known values, makes a signal, and stores what it then has. */
static int child(void)
{
    unsigned long in[2] = {0x1111222233334444, 0x5555666677778888};
    register unsigned long b __asm__("r12") = 0xb0b0b0b0, c __asm__("r13") = 0xc0c0;
    register unsigned long d __asm__("r15") = 0xd0d0;
    __asm__ volatile("movdqu (%[in]), %%xmm5\n"
                     "int3\n"
                     "movdqu %%xmm5, (%[out])\n"
                     : "+r"(b), "+r"(c), "+r"(d)
                     : [in] "r"(in), [out] "r"(g_xmm)
                     : "xmm5", "memory");
    g_out[0] = b;
    g_out[1] = c;
    g_out[2] = d;
    unsigned long fs;
    syscall(SYS_arch_prctl, ARCH_GET_FS, &fs);
    g_out[3] = fs;
    __asm__ volatile("int3");
    return 0;
}

int main(void)
{
    pid_t pid = traced_child(child);
    CHECK_EQ(go(pid, PTRACE_CONT, 0), SIGTRAP);
    struct user_regs_struct r = regs_of(pid), again;
    CHECK_EQ(r.r12, 0xb0b0b0b0);
    CHECK_EQ(r.r13, 0xc0c0);
    CHECK_EQ(r.r15, 0xd0d0);
    CHECK_EQ(r.cs, 0x33);
    CHECK_EQ(r.ss, 0x2b);
    CHECK_EQ(r.orig_rax, -1);
    CHECK_EQ(ptrace(PTRACE_PEEKUSER, pid, offsetof(struct user, regs.r13), 0), 0xc0c0);
    struct iovec v = {&again, sizeof(again) + 104};
    CHECK_EQ(ptrace(PTRACE_GETREGSET, pid, NT_PRSTATUS, &v), 0);
    CHECK_EQ(v.iov_len, sizeof(again));
    CHECK_EQ(memcmp(&again, &r, sizeof(r)), 0);
    r.r12 = 1;
    set_regs(pid, &r);
    CHECK_EQ(ptrace(PTRACE_POKEUSER, pid, offsetof(struct user, regs.r13), 2), 0);
    again.r15 = 3;
    again.r12 = 1;
    again.r13 = 2;
    v.iov_len = 8; /* r15 alone */
    CHECK_EQ(ptrace(PTRACE_SETREGSET, pid, NT_PRSTATUS, &v), 0);

    struct user_fpregs_struct fp;
    CHECK_EQ(ptrace(PTRACE_GETFPREGS, pid, 0, &fp), 0);
    CHECK_EQ(fp.xmm_space[20], 0x33334444);
    CHECK_EQ(fp.xmm_space[23], 0x55556666);
    CHECK_EQ(fp.mxcsr, 0x1f80);
    fp.xmm_space[20] = 0x77;
    CHECK_EQ(ptrace(PTRACE_SETFPREGS, pid, 0, &fp), 0);
    static uint8_t xsave[16384];
    v = (struct iovec){xsave, sizeof(xsave)};
    if (ptrace(PTRACE_GETREGSET, pid, NT_X86_XSTATE, &v) == 0) {
        CHECK(v.iov_len >= 576 && v.iov_len < sizeof(xsave));
        uint32_t xmm5;
        memcpy(&xmm5, xsave + 160 + 5 * 16, 4);
        CHECK_EQ(xmm5, 0x77);
        CHECK_EQ(xsave[464] & 3, 3); /* XCR0 */
        xmm5 = 0x99;
        memcpy(xsave + 160 + 5 * 16 + 4, &xmm5, 4);
        CHECK_EQ(ptrace(PTRACE_SETREGSET, pid, NT_X86_XSTATE, &v), 0);
    } else {
        CHECK_EQ(errno, ENODEV);
        fp.xmm_space[21] = 0x99;
        CHECK_EQ(ptrace(PTRACE_SETFPREGS, pid, 0, &fp), 0);
    }
    fp.mxcsr = 0xffffffff;
    CHECK_ERRNO(ptrace(PTRACE_SETFPREGS, pid, 0, &fp), EINVAL);

    CHECK_EQ(go(pid, PTRACE_CONT, 0), SIGTRAP);
    errno = 0;
    CHECK_EQ(ptrace(PTRACE_PEEKDATA, pid, &g_out[0], 0), 1);
    CHECK_EQ(ptrace(PTRACE_PEEKDATA, pid, &g_out[1], 0), 2);
    CHECK_EQ(ptrace(PTRACE_PEEKDATA, pid, &g_out[2], 0), 3);
    CHECK_EQ(ptrace(PTRACE_PEEKDATA, pid, &g_xmm[0], 0), 0x9900000077);
    CHECK_EQ(ptrace(PTRACE_PEEKDATA, pid, &g_xmm[1], 0), 0x5555666677778888);
    CHECK_EQ(ptrace(PTRACE_PEEKDATA, pid, &g_out[3], 0), regs_of(pid).fs_base);
    CHECK_EQ(ptrace(PTRACE_PEEKUSER, pid, offsetof(struct user, u_debugreg[7]), 0), 0);
    CHECK_EQ(ptrace(PTRACE_POKEUSER, pid, offsetof(struct user, u_debugreg[7]), 0), 0);
    goes_and_exits(pid, 0);
    return 0;
}
