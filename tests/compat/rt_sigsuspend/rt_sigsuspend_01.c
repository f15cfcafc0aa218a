/*
 * rt_sigsuspend(2):
 * 1. Waits with the given mask; the handler runs with it, EINTR comes after the old mask is back.
 * 2. A signal that was pending and blocked before is taken at once.
 * 3. A wrong size is EINVAL, a bad address EFAULT.
 */
#include "../compat.h"

#include <signal.h>
#include <sys/syscall.h>

static volatile sig_atomic_t count, usr2_blocked;

static void handler(int sig)
{
    sigset_t now;
    (void)sig;
    sigprocmask(SIG_BLOCK, NULL, &now);
    usr2_blocked = sigismember(&now, SIGUSR2);
    count++;
}

int main(void)
{
    sigset_t block, wait_mask, now;
    CHECK_ERRNO(syscall(SYS_rt_sigsuspend, &block, 4), EINVAL);
    CHECK_ERRNO(syscall(SYS_rt_sigsuspend, 8, 8), EFAULT);
    sigemptyset(&block);
    sigaddset(&block, SIGUSR1);
    sigprocmask(SIG_SETMASK, &block, NULL);
    signal(SIGUSR1, handler);
    kill(getpid(), SIGUSR1);
    CHECK_EQ(count, 0);
    sigemptyset(&wait_mask);
    sigaddset(&wait_mask, SIGUSR2);
    CHECK_ERRNO(sigsuspend(&wait_mask), EINTR);
    CHECK_EQ(count, 1);
    CHECK_EQ(usr2_blocked, 1);
    sigprocmask(SIG_BLOCK, NULL, &now);
    CHECK_EQ(sigismember(&now, SIGUSR1), 1);
    CHECK_EQ(sigismember(&now, SIGUSR2), 0);

    for (int i = 0; i < 20; i++) {
        pid_t parent = getpid(), pid = fork();
        if (pid == 0) {
            kill(parent, SIGUSR1);
            _exit(0);
        }
        while (count < 2 + i) {
            CHECK_ERRNO(sigsuspend(&wait_mask), EINTR);
        }
        CHECK_EQ(waitpid(pid, NULL, 0), pid);
    }
    return 0;
}
