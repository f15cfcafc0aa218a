/*
 * Shared anonymous memory is shared across fork; a mapping beyond the end of its file is SIGBUS; a hole
 * in the address space is SIGSEGV with the address.
 */
#include "../compat.h"

#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>

static sigjmp_buf g_jump;
static volatile int g_signal, g_code;
static void *volatile g_addr;

static void on_fault(int sig, siginfo_t *info, void *context)
{
    (void)context;
    g_signal = sig;
    g_code = info->si_code;
    g_addr = info->si_addr;
    siglongjmp(g_jump, 1);
}

static int faults(volatile char *p)
{
    g_signal = 0;
    if (sigsetjmp(g_jump, 1) == 0) {
        *p = 1;
    }
    return g_signal;
}

int main(void)
{
    compat_tmpdir();
    volatile int *n = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(n != MAP_FAILED);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        *n = 42;
        _exit(0);
    }
    int status;
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK(*n == 42);

    struct sigaction sa = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
    CHECK_EQ(sigaction(SIGSEGV, &sa, NULL), 0);
    CHECK_EQ(sigaction(SIGBUS, &sa, NULL), 0);
    compat_file("f", "x");
    int fd = open("f", O_RDWR);
    char *p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(p != MAP_FAILED);
    CHECK_EQ(faults(p), 0);
    CHECK_EQ(faults(p + 4096), SIGBUS);
    CHECK(g_code == BUS_ADRERR && g_addr == p + 4096);
    CHECK_EQ(munmap(p + 4096, 4096), 0);
    CHECK_EQ(faults(p + 4100), SIGSEGV);
    CHECK(g_code == SEGV_MAPERR && g_addr == p + 4100);
    CHECK_EQ(mprotect(p, 4096, PROT_READ), 0);
    CHECK_EQ(faults(p + 4), SIGSEGV);
    CHECK(g_code == SEGV_ACCERR && g_addr == p + 4);
    CHECK_EQ(faults(NULL), SIGSEGV);
    return 0;
}
