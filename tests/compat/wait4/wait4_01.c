/*
 * wait4(2):
 * 1. ECHILD without children, EINVAL for unknown options, ESRCH for INT_MIN.
 * 2. Status of exit (low 8 bits), of a signal; WNOHANG gives 0 while the child runs.
 * 3. pid 0, -pgid and a pid select; another's child is ECHILD.
 * 4. A zombie is waited for once; rusage is filled.
 * 5. A bad status address is EFAULT (and the zombie is gone all the same).
 */
#include "../compat.h"

#include <signal.h>
#include <sys/resource.h>

static pid_t child_exit(int code)
{
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        _exit(code);
    }
    return pid;
}

int main(void)
{
    int status;
    struct rusage ru;
    CHECK_ERRNO(wait4(-1, &status, 0, NULL), ECHILD);
    CHECK_ERRNO(wait4(-1, &status, 0x100, NULL), EINVAL);
    CHECK_ERRNO(wait4(INT_MIN, &status, 0, NULL), ESRCH);
    CHECK_ERRNO(wait4(1, &status, 0, NULL), ECHILD);

    pid_t pid = child_exit(0x1ff);
    CHECK_EQ(wait4(0, &status, 0, &ru), pid);
    CHECK_EQ(status, 0xff00);
    CHECK_ERRNO(wait4(pid, &status, 0, NULL), ECHILD);

    pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        pause();
        _exit(0);
    }
    CHECK_EQ(wait4(pid, &status, WNOHANG, NULL), 0);
    CHECK_EQ(kill(pid, SIGTERM), 0);
    CHECK_EQ(wait4(-getpgrp(), &status, 0, &ru), pid);
    CHECK(WIFSIGNALED(status));
    CHECK_EQ(WTERMSIG(status), SIGTERM);

    pid = child_exit(1);
    CHECK_ERRNO(wait4(pid, (int *)8, 0, NULL), EFAULT);
    CHECK_ERRNO(wait4(pid, &status, 0, NULL), ECHILD);

    pid = child_exit(1);
    pid_t second = child_exit(2);
    CHECK_EQ(wait4(second, &status, 0, NULL), second);
    CHECK_EQ(WEXITSTATUS(status), 2);
    CHECK_EQ(wait4(-1, &status, 0, NULL), pid);
    return 0;
}
