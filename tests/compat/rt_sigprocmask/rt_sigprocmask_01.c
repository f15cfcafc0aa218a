/*
 * rt_sigprocmask(2):
 * 1. SIG_BLOCK, SIG_UNBLOCK, SIG_SETMASK; the old mask is what was before.
 * 2. SIGKILL and SIGSTOP can't be blocked, silently.
 * 3. A bad `how` is EINVAL only when a set is given; a wrong size is EINVAL; bad addresses EFAULT.
 * 4. A blocked signal is delivered before the call that unblocks it returns.
 */
#include "../compat.h"

#include <signal.h>
#include <sys/syscall.h>

static volatile sig_atomic_t count;

static void handler(int sig)
{
    (void)sig;
    count++;
}

static long mask(int how, const uint64_t *set, uint64_t *old)
{
    return syscall(SYS_rt_sigprocmask, how, set, old, 8);
}

int main(void)
{
    uint64_t usr1 = 1UL << (SIGUSR1 - 1), usr2 = 1UL << (SIGUSR2 - 1), all = ~0UL, old = 1,
             none = 0;
    CHECK_EQ(mask(SIG_SETMASK, &none, NULL), 0);
    CHECK_EQ(mask(SIG_BLOCK, &usr1, &old), 0);
    CHECK_EQ(old, 0);
    CHECK_EQ(mask(SIG_BLOCK, &usr2, &old), 0);
    CHECK_EQ(old, usr1);
    CHECK_EQ(mask(SIG_UNBLOCK, &usr1, &old), 0);
    CHECK_EQ(old, usr1 | usr2);
    CHECK_EQ(mask(99, NULL, &old), 0);
    CHECK_EQ(old, usr2);
    CHECK_ERRNO(mask(99, &usr1, NULL), EINVAL);
    CHECK_ERRNO(syscall(SYS_rt_sigprocmask, SIG_BLOCK, &usr1, NULL, 4), EINVAL);
    CHECK_ERRNO(mask(SIG_BLOCK, (void *)8, NULL), EFAULT);
    CHECK_ERRNO(mask(SIG_BLOCK, NULL, (void *)8), EFAULT);
    CHECK_EQ(mask(SIG_SETMASK, &all, NULL), 0);
    CHECK_EQ(mask(SIG_SETMASK, &all, &old), 0);
    CHECK_EQ(old, all & ~((1UL << (SIGKILL - 1)) | (1UL << (SIGSTOP - 1))));

    signal(SIGUSR1, handler);
    kill(getpid(), SIGUSR1);
    kill(getpid(), SIGUSR1);
    CHECK_EQ(count, 0);
    CHECK_EQ(mask(SIG_SETMASK, &none, NULL), 0);
    CHECK_EQ(count, 1);
    return 0;
}
