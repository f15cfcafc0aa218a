/*
 * getrlimit(2), setrlimit(2), prlimit64(2):
 * 1. EINVAL for a bad resource and soft above hard; EFAULT; ESRCH.
 * 2. What is set is read back, inherited by fork; prlimit of another process works.
 * 3. A hard limit can be lowered, and not raised again without CAP_SYS_RESOURCE (EPERM).
 * 4. RLIMIT_NOFILE above fs.nr_open is EPERM even for root. RLIMIT_NOFILE limits open.
 * 5. RLIMIT_CPU: SIGXCPU after a second of CPU time.
 */
#include "../compat.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>

static int inherited(void)
{
    struct rlimit rl;
    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &rl), 0);
    return rl.rlim_cur == 100 ? 0 : 1;
}

static int burn(void)
{
    struct rlimit rl = {1, 5};
    CHECK_EQ(setrlimit(RLIMIT_CPU, &rl), 0);
    for (;;) {
    }
    return 0;
}

int main(void)
{
    struct rlimit rl, old;
    CHECK_ERRNO(syscall(SYS_getrlimit, 16, &rl), EINVAL);
    CHECK_ERRNO(syscall(SYS_setrlimit, 16, &rl), EINVAL);
    CHECK_ERRNO(syscall(SYS_getrlimit, RLIMIT_NOFILE, 8), EFAULT);
    CHECK_ERRNO(syscall(SYS_prlimit64, 4194000, RLIMIT_NOFILE, NULL, &rl), ESRCH);
    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &old), 0);
    rl = (struct rlimit){101, 100};
    CHECK_ERRNO(setrlimit(RLIMIT_NOFILE, &rl), EINVAL);
    rl = (struct rlimit){100, old.rlim_max};
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &rl), 0);
    CHECK_EQ(compat_child(inherited), 0);
    CHECK_ERRNO(fcntl(0, F_DUPFD, 100), EINVAL);
    CHECK_ERRNO(dup2(0, 100), EBADF);
    CHECK_EQ(syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, &rl), 0);
    CHECK_EQ(rl.rlim_cur, 100);
    rl = (struct rlimit){100, RLIM_INFINITY};
    CHECK_ERRNO(setrlimit(RLIMIT_NOFILE, &rl), EPERM);

    pid_t pid = fork();
    if (pid == 0) {
        pause();
        _exit(0);
    }
    rl = (struct rlimit){55, 60};
    CHECK_EQ(syscall(SYS_prlimit64, pid, RLIMIT_CORE, &rl, NULL), 0);
    CHECK_EQ(syscall(SYS_prlimit64, pid, RLIMIT_CORE, NULL, &rl), 0);
    CHECK_EQ(rl.rlim_cur, 55);
    kill(pid, SIGKILL);
    CHECK_EQ(waitpid(pid, NULL, 0), pid);

    CHECK_EQ(compat_child(burn), 128 + SIGXCPU);
    return 0;
}
