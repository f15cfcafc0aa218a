/*
 * The frame is the same wherever the signal comes from: a call that sends it, the first time and later; another process
 * while the program computes; a fault.
 * 1. Vector registers with their upper halves, MXCSR, the x87 control word, the direction flag and callee-saved registers are
 *    what they were; the handler finds fresh ones and may spoil them.
 * 2. The FP state in the frame is Linux's: magic words, sizes, 64-byte alignment; uc_flags is 7.
 * 3. A handler may change the context: a vector register, a general one.
 * 4. The same for a signal that waits until the handler returns, and so finds the state that this restores.
 * 5. Without FP state (fpregs NULL) registers are fresh afterwards. A frame moved elsewhere is good, too.
 */
#include "../compat.h"

#include <immintrin.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>

enum source { BY_CALL, BY_FAULT, BY_OTHER, SOURCES };
static uint8_t in[16][32], out[16][32];
static volatile int handled, change, another;
static char *volatile page;
static volatile int *go; /* the other process may send now */
static volatile uint32_t fresh_csr, fresh_xmm;
static const char *volatile wrong;

static void expect(bool ok, const char *what)
{
    if (!ok && !wrong) {
        wrong = what;
    }
}

static void check_frame(const ucontext_t *uc)
{
    const uint8_t *fp = (const uint8_t *)uc->uc_mcontext.fpregs;
    uint32_t sw[5], magic2;
    uint64_t features;
    expect(uc->uc_flags == 7, "uc_flags");
    expect(((uintptr_t)uc & 15) == 0, "the frame's alignment");
    expect(((uintptr_t)fp & 63) == 0, "the FP state's alignment");
    memcpy(sw, fp + 464, sizeof(sw));
    expect(sw[0] == 0x46505853 && sw[1] == sw[4] + 4 && sw[4] >= 832, "sw_reserved");
    memcpy(&magic2, fp + sw[4], sizeof(magic2));
    expect(magic2 == 0x46505845, "magic2");
    memcpy(&features, fp + 512, sizeof(features));
    expect((features & 7) == 7, "features in use");
    expect(memcmp(fp + 160, in[0], 16) == 0 && memcmp(fp + 160 + 15 * 16, in[15], 16) == 0,
           "xmm in the frame");
    expect(memcmp(fp + 576, in[0] + 16, 16) == 0, "the upper halves in the frame");
}

__attribute__((target("avx"))) static void handler(int sig, siginfo_t *si, void *arg)
{
    ucontext_t *uc = arg;
    uint32_t xmm;
    __asm__ volatile("vmovd %%xmm9, %0" : "=r"(xmm));
    fresh_xmm = xmm;
    fresh_csr = _mm_getcsr();
    expect(si->si_signo == sig, "si_signo");
    check_frame(uc);
    if (sig == SIGSEGV) {
        expect(si->si_addr == page && si->si_code == SEGV_ACCERR, "si_addr");
        mprotect(page, 4096, PROT_READ | PROT_WRITE);
    }
    if (change) {
        memset((uint8_t *)uc->uc_mcontext.fpregs + 160 + 3 * 16, 0x77, 16);
        uc->uc_mcontext.gregs[REG_R12] = 0x4242;
    }
    if (another && sig == SIGUSR1) {
        another = 0;
        raise(SIGUSR2); /* blocked here */
    }
    _mm_setcsr(0x1f80 | 0x6000);
    __asm__ volatile("vzeroall; fninit; fldz" ::
                         : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8",
                           "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
    handled = 1;
}

#define EACH(op)                                                                                   \
    op(0) op(1) op(2) op(3) op(4) op(5) op(6) op(7) op(8) op(9) op(10) op(11) op(12) op(13) op(14) \
        op(15)
#define LOAD(n)  "vmovdqu " #n "*32(%%r8), %%ymm" #n "\n\t"
#define STORE(n) "vmovdqu %%ymm" #n ", " #n "*32(%%r9)\n\t"

/* Everything is loaded, the signal comes by `source`, everything is stored. Return: r12 afterwards; it was 0x1212. */
static uint64_t run(enum source source)
{
    uint64_t pid = (uint64_t)getpid(), tid = (uint64_t)syscall(SYS_gettid), r12 = 0x1212, flags;
    uint32_t csr = 0x1f80 | 0x2000, csr_after;
    uint16_t fcw = 0x27f, fcw_after;
    handled = 0;
    __asm__ volatile(
        "ldmxcsr %[csr]\n\tfldcw %[fcw]\n\tlea %[in], %%r8\n\t" EACH(
            LOAD) "mov %[source], %%r11\n\tmov %[r12], %%r12\n\tstd\n\t"
                  "cmp $1, %%r11\n\tje 1f\n\tja 2f\n\t"
                  "mov $234, %%eax\n\tmov %[pid], %%rdi\n\tmov %[tid], %%rsi\n\t"
                  "mov $10, %%edx\n\tsyscall\n\tjmp 3f\n"
                  "1:\tmov %[page], %%rax\n\tmovb $1, (%%rax)\n\tjmp 3f\n"
                  "2:\tmov %[go], %%rax\n\tmovl $1, (%%rax)\n4:\tcmpl $0, %[handled]\n\tje 4b\n"
                  "3:\tpushfq\n\tpop %[flags]\n\tcld\n\tmov %%r12, %[r12]\n\t"
                  "lea %[out], %%r9\n\t" EACH(STORE) "stmxcsr %[csr_after]\n\tfnstcw %[fcw_after]"
        : [r12] "+m"(r12), [flags] "=m"(flags), [csr_after] "=m"(csr_after),
          [fcw_after] "=m"(fcw_after), [out] "=m"(out)
        : [csr] "m"(csr), [fcw] "m"(fcw), [in] "m"(in), [source] "r"((uint64_t)source),
          [pid] "m"(pid), [tid] "m"(tid), [page] "m"(page), [handled] "m"(handled), [go] "m"(go)
        : "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r11", "r12", "memory", "xmm0", "xmm1",
          "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12",
          "xmm13", "xmm14", "xmm15");
    _mm_setcsr(0x1f80);
    CHECK(handled);
    CHECK_EQ(csr_after, 0x1f80 | 0x2000);
    CHECK_EQ(fcw_after, 0x27f);
    CHECK_EQ(fresh_csr, 0x1f80);
    CHECK_EQ(fresh_xmm, 0);
    CHECK(source == BY_CALL || (flags & 0x400));
    if (wrong) {
        fprintf(stderr, "source %d: %s\n", source, wrong);
        exit(1);
    }
    return r12;
}

static void round_trips(enum source source, int rounds)
{
    for (int i = 0; i < rounds; i++) {
        for (size_t n = 0; n < sizeof(in); n++) {
            ((uint8_t *)in)[n] = (uint8_t)(n * 7 + (size_t)i * 13 + source + 1);
        }
        memset(out, 0, sizeof(out));
        CHECK_EQ(mprotect(page, 4096, PROT_READ), 0);
        change = i % 2;
        another = i % 3 == 0;
        CHECK_EQ(run(source), change ? 0x4242 : 0x1212);
        CHECK(source == BY_FAULT || !another);
        another = 0;
        if (change) {
            memset(in[3], 0x77, 16);
        }
        CHECK(memcmp(in, out, sizeof(in)) == 0);
    }
}

/* A handler whose frame is not where the kernel put it, or has no FP state. */
static volatile int variant;
__attribute__((target("avx"))) static void mover(int sig, siginfo_t *si, void *arg)
{
    static struct {
        uint64_t align;
        ucontext_t uc;
    } copy;
    static uint8_t fp[16384] __attribute__((aligned(64)));
    ucontext_t *uc = arg;
    (void)sig;
    (void)si;
    if (variant == 0) {
        uc->uc_mcontext.fpregs = NULL;
        return;
    }
    uint32_t size;
    memcpy(&size, (uint8_t *)uc->uc_mcontext.fpregs + 464 + 4, sizeof(size));
    CHECK(size <= sizeof(fp));
    memcpy(fp, uc->uc_mcontext.fpregs, size);
    memset(uc->uc_mcontext.fpregs, 0xff, size);
    memcpy(&copy.uc, uc, 304); /* what the kernel knows of it */
    copy.uc.uc_mcontext.fpregs = (void *)fp;
    __asm__ volatile("mov %0, %%rsp\n\tmov $15, %%eax\n\tsyscall" ::"r"(&copy.uc) : "memory");
}

static void variants(void)
{
    struct sigaction sa = {.sa_sigaction = mover, .sa_flags = SA_SIGINFO};
    CHECK_EQ(sigaction(SIGUSR2, &sa, NULL), 0);
    for (int i = 0; i < 8; i++) {
        uint64_t before = 0x1234567887654321, after, pid = (uint64_t)getpid();
        variant = i % 2;
        __asm__ volatile("movq %1, %%xmm8\n\tmov $62, %%eax\n\tmov %2, %%rdi\n\tmov $12, %%esi\n\t"
                         "syscall\n\tmovq %%xmm8, %0"
                         : "=r"(after)
                         : "r"(before), "r"(pid)
                         : "rax", "rcx", "rdi", "rsi", "r11", "memory", "xmm8");
        CHECK_EQ(after, variant == 0 ? 0 : before);
    }
}

int main(void)
{
    if (!__builtin_cpu_supports("avx")) {
        puts("no AVX");
        return 77;
    }
    page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct sigaction sa = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
    sigaddset(&sa.sa_mask, SIGUSR2);
    CHECK_EQ(sigaction(SIGUSR1, &sa, NULL), 0);
    CHECK_EQ(sigaction(SIGUSR2, &sa, NULL), 0);
    CHECK_EQ(sigaction(SIGSEGV, &sa, NULL), 0);
    round_trips(BY_CALL, 20);
    round_trips(BY_FAULT, 20);
    go = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t parent = getpid(), child = fork();
    if (child == 0) {
        for (;;) {
            usleep(500);
            if (*go) {
                *go = 0;
                kill(parent, SIGUSR1);
            }
        }
    }
    round_trips(BY_OTHER, 20);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    variants();
    return 0;
}
