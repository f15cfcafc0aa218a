/*
 * clone3(2):
 * 1. size below 64 is EINVAL, above a page E2BIG; unknown non-zero bytes behind the structure E2BIG.
 * 2. CLONE_DETACHED, signal bits in flags, unknown flags, and a bad exit_signal are EINVAL.
 * 3. stack without stack_size and the reverse are EINVAL; exit_signal with CLONE_THREAD is EINVAL.
 * 4. CLONE_SIGHAND with CLONE_CLEAR_SIGHAND is EINVAL; CLONE_CLEAR_SIGHAND resets handlers, keeps SIG_IGN.
 * 5. exit_signal 0: the child is only seen with __WALL or __WCLONE.
 */
#include "../compat.h"

#include <linux/sched.h>
#include <signal.h>
#include <sys/syscall.h>

static long clone3(void *args, size_t size)
{
    return syscall(SYS_clone3, args, size);
}

static void handler(int sig)
{
    (void)sig;
}

int main(void)
{
    struct clone_args a = {0};
    if (clone3(&a, 0) == -1 && errno == ENOSYS) {
        SKIP("no clone3");
    }
    CHECK_ERRNO(clone3(&a, 63), EINVAL);
    CHECK_ERRNO(clone3(&a, 4097), E2BIG);
    CHECK_ERRNO(clone3((void *)8, sizeof(a)), EFAULT);
    char big[128] = {0};
    big[120] = 1;
    CHECK_ERRNO(clone3(big, sizeof(big)), E2BIG);

    a = (struct clone_args){.flags = CLONE_DETACHED, .exit_signal = SIGCHLD};
    CHECK_ERRNO(clone3(&a, sizeof(a)), EINVAL);
    a = (struct clone_args){.flags = 17};
    CHECK_ERRNO(clone3(&a, sizeof(a)), EINVAL);
    a = (struct clone_args){.flags = 1ULL << 45};
    CHECK_ERRNO(clone3(&a, sizeof(a)), EINVAL);
    a = (struct clone_args){.exit_signal = 65};
    CHECK_ERRNO(clone3(&a, sizeof(a)), EINVAL);
    a = (struct clone_args){.exit_signal = SIGCHLD, .stack = (uint64_t)(uintptr_t)&a};
    CHECK_ERRNO(clone3(&a, sizeof(a)), EINVAL);
    a = (struct clone_args){.exit_signal = SIGCHLD, .stack_size = 4096};
    CHECK_ERRNO(clone3(&a, sizeof(a)), EINVAL);
    a = (struct clone_args){.flags = CLONE_THREAD | CLONE_SIGHAND | CLONE_VM,
                            .exit_signal = SIGCHLD};
    CHECK_ERRNO(clone3(&a, sizeof(a)), EINVAL);
    a = (struct clone_args){.flags = CLONE_VM | CLONE_SIGHAND | CLONE_CLEAR_SIGHAND,
                            .exit_signal = SIGCHLD};
    CHECK_ERRNO(clone3(&a, sizeof(a)), EINVAL);
    a = (struct clone_args){.exit_signal = SIGCHLD, .set_tid_size = 1};
    CHECK_ERRNO(clone3(&a, sizeof(a)), EINVAL);

    signal(SIGUSR1, handler);
    signal(SIGUSR2, SIG_IGN);
    a = (struct clone_args){.flags = CLONE_CLEAR_SIGHAND, .exit_signal = SIGCHLD};
    long pid = clone3(&a, sizeof(a));
    CHECK(pid >= 0);
    struct sigaction sa;
    if (pid == 0) {
        sigaction(SIGUSR1, NULL, &sa);
        int ok = sa.sa_handler == SIG_DFL;
        sigaction(SIGUSR2, NULL, &sa);
        _exit(ok && sa.sa_handler == SIG_IGN ? 0 : 1);
    }
    int status;
    CHECK_EQ(waitpid((pid_t)pid, &status, 0), pid);
    CHECK_EQ(status, 0);

    a = (struct clone_args){.exit_signal = 0};
    pid = clone3(&a, sizeof(a));
    CHECK(pid >= 0);
    if (pid == 0) {
        _exit(3);
    }
    CHECK_ERRNO(waitpid((pid_t)pid, &status, 0), ECHILD);
    CHECK_EQ(waitpid((pid_t)pid, &status, (int)__WCLONE), pid);
    CHECK_EQ(WEXITSTATUS(status), 3);
    return 0;
}
