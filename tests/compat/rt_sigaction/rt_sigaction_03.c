/*
 * Faults become signals with details:
 * 1. SIGSEGV: SEGV_MAPERR with the address of an unmapped page, SEGV_ACCERR of a protected one.
 * 2. SIGFPE: FPE_INTDIV. SIGILL: ILL_ILLOPN, with the instruction's address. SIGTRAP of int3.
 * 3. A fault whose signal is blocked or ignored kills.
 * 4. SIGBUS: BUS_ADRERR behind the end of a mapped file.
 */
#include "../compat.h"

#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>

static sigjmp_buf env;
static volatile int got_sig, got_code;
static void *volatile got_addr;

static void handler(int sig, siginfo_t *si, void *uc)
{
    (void)uc;
    got_sig = sig;
    got_code = si->si_code;
    got_addr = si->si_addr;
    siglongjmp(env, 1);
}

static int blocked_fault(void)
{
    sigset_t set;
    sigfillset(&set);
    sigprocmask(SIG_BLOCK, &set, NULL);
    *(volatile int *)16 = 1;
    return 0;
}

static int ignored_fault(void)
{
    signal(SIGSEGV, SIG_IGN);
    *(volatile int *)16 = 1;
    return 0;
}

#define FAULT(statement)                                                                           \
    do {                                                                                           \
        got_sig = 0;                                                                               \
        if (!sigsetjmp(env, 1)) {                                                                  \
            statement;                                                                             \
        }                                                                                          \
    } while (0)

int main(void)
{
    struct sigaction sa = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
    sigaction(SIGSEGV, &sa, NULL);
    sigaction(SIGBUS, &sa, NULL);
    sigaction(SIGFPE, &sa, NULL);
    sigaction(SIGILL, &sa, NULL);
    sigaction(SIGTRAP, &sa, NULL);

    FAULT(*(volatile int *)0x1238 = 1);
    CHECK_EQ(got_sig, SIGSEGV);
    CHECK_EQ(got_code, SEGV_MAPERR);
    CHECK(got_addr == (void *)0x1238);
    char *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(page != MAP_FAILED);
    FAULT(*(volatile char *)(page + 5) = 1);
    CHECK_EQ(got_sig, SIGSEGV);
    CHECK_EQ(got_code, SEGV_ACCERR);
    CHECK(got_addr == page + 5);
    FAULT(*(volatile char *)0x8000000000000000UL = 1);
    CHECK_EQ(got_sig, SIGSEGV);
    CHECK_EQ(got_code, SI_KERNEL);

    volatile int zero = 0, one = 1;
    FAULT(one = one / zero);
    CHECK_EQ(got_sig, SIGFPE);
    CHECK_EQ(got_code, FPE_INTDIV);
    FAULT(__asm__ volatile("ud2"));
    CHECK_EQ(got_sig, SIGILL);
    CHECK_EQ(got_code, ILL_ILLOPN);
    FAULT(__asm__ volatile("int3"));
    CHECK_EQ(got_sig, SIGTRAP);
    CHECK_EQ(got_code, SI_KERNEL);

    compat_tmpdir();
    int fd = open("f", O_RDWR | O_CREAT, 0600);
    CHECK_EQ(ftruncate(fd, 4096), 0);
    char *map = mmap(NULL, 8192, PROT_READ, MAP_SHARED, fd, 0);
    CHECK(map != MAP_FAILED);
    FAULT(one = *(volatile char *)(map + 4096 + 8));
    CHECK_EQ(got_sig, SIGBUS);
    CHECK_EQ(got_code, BUS_ADRERR);
    CHECK(got_addr == map + 4096 + 8);

    CHECK_EQ(compat_child(blocked_fault), 128 + SIGSEGV);
    CHECK_EQ(compat_child(ignored_fault), 128 + SIGSEGV);
    return 0;
}
