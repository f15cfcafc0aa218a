/*
 * pidfd_send_signal(2) with PIDFD_SIGNAL_PROCESS_GROUP (Linux 6.9): the group that the process leads; ESRCH if it leads none,
 * whatever group it is in.
 */
#include "../compat.h"

#include <signal.h>
#include <sys/syscall.h>

#define PROCESS_GROUP 4

static long signal_group(int pidfd, int sig)
{
    return syscall(SYS_pidfd_send_signal, pidfd, sig, NULL, PROCESS_GROUP);
}

static int member(void)
{
    int fd = (int)syscall(SYS_pidfd_open, getpid(), 0);
    CHECK(fd >= 0);
    if (signal_group(fd, 0) < 0 && errno == EINVAL) {
        return 77;
    }
    CHECK_ERRNO(signal_group(fd, 0), ESRCH);
    CHECK_ERRNO(signal_group(fd, SIGKILL), ESRCH);
    CHECK_EQ(setpgid(0, 0), 0);
    CHECK_EQ(signal_group(fd, 0), 0);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        pause();
        _exit(0);
    }
    CHECK(signal(SIGTERM, SIG_IGN) != SIG_ERR);
    CHECK_EQ(kill(child, SIGSTOP), 0);
    int status;
    CHECK_EQ(waitpid(child, &status, WUNTRACED), child);
    CHECK_EQ(signal_group(fd, SIGTERM), 0);
    CHECK_EQ(kill(child, SIGCONT), 0);
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
    return 0;
}

int main(void)
{
    int r = compat_child(member);
    if (r == 77) {
        SKIP("no PIDFD_SIGNAL_PROCESS_GROUP");
    }
    return r;
}
