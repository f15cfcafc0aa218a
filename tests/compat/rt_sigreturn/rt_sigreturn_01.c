/*
 * The frame a handler gets and gives back:
 * 1. uc_mcontext shows the interrupted registers; changes to them take effect at return.
 * 2. uc_sigmask is the mask before; changing it changes the mask after.
 * 3. SSE, x87 and MXCSR state survive a handler that changes it; the handler starts clean.
 * 4. The stack is 16-byte aligned as after a call, below the red zone; uc_flags is 7 with XSAVE.
 * 5. trapno, err and cr2 describe the last page fault.
 */
#include "../compat.h"

#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <xmmintrin.h>

static volatile long got_trapno, got_err, got_cr2, got_flags, aligned, handler_csr;
static volatile uintptr_t got_sp, frame_at;

static void skip(int sig, siginfo_t *si, void *arg)
{
    ucontext_t *uc = arg;
    (void)sig;
    (void)si;
    got_trapno = uc->uc_mcontext.gregs[REG_TRAPNO];
    got_err = uc->uc_mcontext.gregs[REG_ERR];
    got_cr2 = uc->uc_mcontext.gregs[REG_CR2];
    uc->uc_mcontext.gregs[REG_RIP] += 3; /* behind movq (%rax),%rbx */
    uc->uc_mcontext.gregs[REG_RBX] = 0x1234;
}

static void clobber(int sig, siginfo_t *si, void *arg)
{
    ucontext_t *uc = arg;
    (void)sig;
    (void)si;
    got_flags = (long)uc->uc_flags;
    got_sp = (uintptr_t)uc->uc_mcontext.gregs[REG_RSP];
    frame_at = (uintptr_t)uc - 8;
    aligned = (frame_at & 15) == 8;
    handler_csr = _mm_getcsr();
    _mm_setcsr(0x1f80 | 0x6000);
    __asm__ volatile("pxor %%xmm6, %%xmm6; pxor %%xmm15, %%xmm15; fninit; fldz" ::
                         : "xmm6", "xmm15");
    sigaddset(&uc->uc_sigmask, SIGUSR2);
}

int main(void)
{
    struct sigaction sa = {.sa_sigaction = skip, .sa_flags = SA_SIGINFO};
    CHECK_EQ(sigaction(SIGSEGV, &sa, NULL), 0);
    sa.sa_sigaction = clobber;
    CHECK_EQ(sigaction(SIGUSR1, &sa, NULL), 0);
    uint64_t rbx = 0;
    __asm__ volatile("mov $0x1110, %%eax; .byte 0x48,0x8b,0x18; mov %%rbx, %0"
                     : "=r"(rbx)::"rax", "rbx", "memory");
    CHECK_EQ(rbx, 0x1234);
    CHECK_EQ(got_trapno, 14);
    CHECK_EQ(got_err, 4);
    CHECK_EQ(got_cr2, 0x1110);

    uint64_t in[2] = {0x1122334455667788, 0x99aabbccddeeff00}, out6[2], out15[2];
    uint64_t pid = (uint64_t)getpid();
    double pi = 0;
    _mm_setcsr(0x1f80 | 0x8000);
    __asm__ volatile(
        "movdqu %3, %%xmm6; movdqu %3, %%xmm15; fldpi;"
        "mov $62, %%eax; mov %4, %%rdi; mov $10, %%esi; syscall;" /* kill(pid, SIGUSR1) */
        "movdqu %%xmm6, %0; movdqu %%xmm15, %1; fstpl %2"
        : "=m"(out6), "=m"(out15), "=m"(pi)
        : "m"(in), "r"(pid)
        : "rax", "rdi", "rsi", "rcx", "r11", "xmm6", "xmm15", "memory");
    unsigned csr = _mm_getcsr();
    _mm_setcsr(0x1f80);
    CHECK_EQ(memcmp(in, out6, 16), 0);
    CHECK_EQ(memcmp(in, out15, 16), 0);
    CHECK(pi > 3.14159 && pi < 3.14160);
    CHECK_EQ(csr & 0xe040, 0x8000);
    CHECK_EQ(handler_csr, 0x1f80);
    CHECK_EQ(got_flags & 6, 6);
    CHECK_EQ(aligned, 1);
    CHECK(frame_at + 128 < got_sp);
    sigset_t now;
    sigprocmask(SIG_BLOCK, NULL, &now);
    CHECK_EQ(sigismember(&now, SIGUSR2), 1);
    CHECK_EQ(sigismember(&now, SIGUSR1), 0);
    return 0;
}
