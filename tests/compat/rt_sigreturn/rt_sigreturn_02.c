/*
 * Hostile frames: each kills its own process with SIGSEGV, or does nothing; none hurts the system.
 * 1. A stack pointer that can't hold a frame: the signal becomes SIGSEGV, and kills.
 * 2. rt_sigreturn with rsp nowhere: SIGSEGV.
 * 3. Privileged flags and segments in the frame are not taken over.
 * 4. FP state with reserved MXCSR bits or unknown XSTATE features: SIGSEGV.
 */
#include "../compat.h"

#include <signal.h>
#include <sys/syscall.h>
#include <ucontext.h>

static void nothing(int sig)
{
    (void)sig;
}

static int bad_stack(void)
{
    signal(SIGUSR1, nothing);
    uint64_t pid = (uint64_t)getpid();
    __asm__ volatile("mov $62, %%eax; mov %0, %%rdi; mov $10, %%esi; mov $64, %%rsp; syscall"
                     :
                     : "r"(pid)
                     : "rax", "rdi", "rsi", "rcx", "r11", "memory");
    return 0;
}

static int bad_return(void)
{
    __asm__ volatile("mov $15, %eax; mov $4096, %rsp; syscall");
    return 0;
}

static void flags(int sig, siginfo_t *si, void *arg)
{
    ucontext_t *uc = arg;
    (void)sig;
    (void)si;
    uc->uc_mcontext.gregs[REG_EFL] |= 0x3000 | 0x4000 | 0x200; /* IOPL 3, NT */
    uc->uc_mcontext.gregs[REG_EFL] &= ~0x200L;                 /* interrupts off */
}

static int bad_flags(void)
{
    struct sigaction sa = {.sa_sigaction = flags, .sa_flags = SA_SIGINFO};
    sigaction(SIGUSR1, &sa, NULL);
    raise(SIGUSR1);
    uint64_t fl;
    __asm__ volatile("pushfq; pop %0" : "=r"(fl));
    return (fl & 0x7200) == 0x200 ? 42 : 1;
}

static void mxcsr(int sig, siginfo_t *si, void *arg)
{
    ucontext_t *uc = arg;
    (void)sig;
    (void)si;
    uc->uc_mcontext.fpregs->mxcsr = 0xffffffff;
}

static int bad_mxcsr(void)
{
    struct sigaction sa = {.sa_sigaction = mxcsr, .sa_flags = SA_SIGINFO};
    sigaction(SIGUSR1, &sa, NULL);
    raise(SIGUSR1);
    return 0;
}

static void xfeatures(int sig, siginfo_t *si, void *arg)
{
    ucontext_t *uc = arg;
    (void)sig;
    (void)si;
    *(uint64_t *)((char *)uc->uc_mcontext.fpregs + 512) |= 1UL << 62;
}

static int bad_xfeatures(void)
{
    struct sigaction sa = {.sa_sigaction = xfeatures, .sa_flags = SA_SIGINFO};
    sigaction(SIGUSR1, &sa, NULL);
    raise(SIGUSR1);
    return 0;
}

static void no_fp(int sig, siginfo_t *si, void *arg)
{
    ucontext_t *uc = arg;
    (void)sig;
    (void)si;
    uc->uc_mcontext.fpregs = NULL;
}

static int null_fp(void)
{
    struct sigaction sa = {.sa_sigaction = no_fp, .sa_flags = SA_SIGINFO};
    sigaction(SIGUSR1, &sa, NULL);
    raise(SIGUSR1);
    return 43; /* NULL means: the initial state */
}

int main(void)
{
    CHECK_EQ(compat_child(bad_stack), 128 + SIGSEGV);
    CHECK_EQ(compat_child(bad_return), 128 + SIGSEGV);
    CHECK_EQ(compat_child(bad_flags), 42);
    CHECK_EQ(compat_child(bad_mxcsr), 128 + SIGSEGV);
    if (__builtin_cpu_supports("avx")) {
        CHECK_EQ(compat_child(bad_xfeatures), 128 + SIGSEGV);
    }
    CHECK_EQ(compat_child(null_fp), 43);
    return 0;
}
