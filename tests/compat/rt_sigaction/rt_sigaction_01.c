/*
 * rt_sigaction(2):
 * 1. EINVAL for signals 0, 65, and for changing SIGKILL or SIGSTOP; reading them is allowed.
 * 2. A wrong set size is EINVAL; a bad address EFAULT.
 * 3. What was set is read back; SIGKILL and SIGSTOP drop out of the mask, unknown flags are cleared.
 * 4. SA_RESETHAND resets at entry; SA_NODEFER leaves the signal deliverable; sa_mask blocks others.
 * 5. Ignoring a signal drops a pending one.
 */
#include "../compat.h"

#include <signal.h>
#include <sys/syscall.h>

struct kact {
    void (*handler)(int);
    unsigned long flags;
    void (*restorer)(void);
    uint64_t mask;
};

static volatile sig_atomic_t depth, deepest, order[4], order_count;

static void nest(int sig)
{
    depth++;
    deepest = depth > deepest ? depth : deepest;
    if (depth < 3) {
        raise(sig);
    }
    depth--;
}

static void second(int sig)
{
    order[order_count++] = sig;
}

static void first(int sig)
{
    raise(SIGUSR2);
    order[order_count++] = sig;
}

int main(void)
{
    struct kact a = {.handler = SIG_IGN}, b;
    CHECK_ERRNO(syscall(SYS_rt_sigaction, 0, &a, NULL, 8), EINVAL);
    CHECK_ERRNO(syscall(SYS_rt_sigaction, 65, &a, NULL, 8), EINVAL);
    CHECK_ERRNO(syscall(SYS_rt_sigaction, SIGKILL, &a, NULL, 8), EINVAL);
    CHECK_ERRNO(syscall(SYS_rt_sigaction, SIGSTOP, &a, NULL, 8), EINVAL);
    CHECK_EQ(syscall(SYS_rt_sigaction, SIGKILL, NULL, &b, 8), 0);
    CHECK(b.handler == SIG_DFL);
    CHECK_ERRNO(syscall(SYS_rt_sigaction, SIGUSR1, &a, NULL, 16), EINVAL);
    CHECK_ERRNO(syscall(SYS_rt_sigaction, SIGUSR1, (void *)8, NULL, 8), EFAULT);

    a = (struct kact){.handler = SIG_DFL, .flags = SA_NOCLDSTOP | 0x400, .mask = ~0UL};
    CHECK_EQ(syscall(SYS_rt_sigaction, SIGUSR1, &a, NULL, 8), 0);
    CHECK_EQ(syscall(SYS_rt_sigaction, SIGUSR1, NULL, &b, 8), 0);
    CHECK_EQ(b.flags, SA_NOCLDSTOP);
    CHECK_EQ(b.mask, ~((1UL << (SIGKILL - 1)) | (1UL << (SIGSTOP - 1))));

    struct sigaction sa = {.sa_handler = nest, .sa_flags = SA_NODEFER}, old;
    CHECK_EQ(sigaction(SIGUSR1, &sa, NULL), 0);
    raise(SIGUSR1);
    CHECK_EQ(deepest, 3);
    sa = (struct sigaction){.sa_handler = second, .sa_flags = (int)SA_RESETHAND};
    CHECK_EQ(sigaction(SIGUSR1, &sa, NULL), 0);
    raise(SIGUSR1);
    CHECK_EQ(sigaction(SIGUSR1, NULL, &old), 0);
    CHECK(old.sa_handler == SIG_DFL);

    order_count = 0;
    sa = (struct sigaction){.sa_handler = first};
    sigaddset(&sa.sa_mask, SIGUSR2);
    CHECK_EQ(sigaction(SIGUSR1, &sa, NULL), 0);
    sa = (struct sigaction){.sa_handler = second};
    CHECK_EQ(sigaction(SIGUSR2, &sa, NULL), 0);
    raise(SIGUSR1);
    CHECK_EQ(order_count, 2);
    CHECK_EQ(order[0], SIGUSR1);
    CHECK_EQ(order[1], SIGUSR2);

    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    sigprocmask(SIG_BLOCK, &set, NULL);
    raise(SIGUSR2);
    signal(SIGUSR2, SIG_IGN);
    sigpending(&set);
    CHECK_EQ(sigismember(&set, SIGUSR2), 0);
    return 0;
}
