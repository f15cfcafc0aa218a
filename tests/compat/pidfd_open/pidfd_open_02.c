/*
 * pidfd_send_signal(2) by a descriptor of /proc/PID, as before there was pidfd_open(2):
 * 1. It reaches the process, a zombie too, and gives ESRCH once that is reaped.
 * 2. A descriptor of anything else in /proc, or one with O_PATH, is EBADF.
 * 3. Nothing else takes it for a pidfd: pidfd_getfd and waitid give EBADF.
 */
#include "../compat.h"

#include <signal.h>
#include <sys/syscall.h>

static long send(int fd, int sig)
{
    return syscall(SYS_pidfd_send_signal, fd, sig, NULL, 0);
}

static int proc_open(pid_t pid, const char *name, int flags)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d%s", (int)pid, name);
    int fd = open(path, flags | O_CLOEXEC);
    CHECK(fd >= 0);
    return fd;
}

int main(void)
{
    siginfo_t si;
    int status;
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        for (;;) {
            pause();
        }
    }
    int fd = proc_open(pid, "", O_DIRECTORY);
    CHECK_EQ(send(fd, 0), 0);
    CHECK_ERRNO(send(fd, 65), EINVAL);
    CHECK_ERRNO(send(proc_open(pid, "/task", O_DIRECTORY), 0), EBADF);
    CHECK_ERRNO(send(proc_open(pid, "/stat", O_RDONLY), 0), EBADF);
    CHECK_ERRNO(send(proc_open(pid, "", O_PATH), 0), EBADF);
    CHECK_ERRNO(send(open("/proc", O_RDONLY | O_DIRECTORY), 0), EBADF);
    CHECK_ERRNO(send(open("/", O_RDONLY | O_DIRECTORY), 0), EBADF);
    char path[64];
    snprintf(path, sizeof(path), "/task/%d", (int)pid);
    CHECK_ERRNO(send(proc_open(pid, path, O_DIRECTORY), 0), EBADF);
    CHECK_ERRNO(syscall(SYS_pidfd_getfd, fd, 0, 0), EBADF);
    CHECK_ERRNO(waitid(P_PIDFD, (id_t)fd, &si, WEXITED | WNOHANG), EBADF);

    CHECK_EQ(send(fd, SIGTERM), 0);
    CHECK_EQ(waitid(P_PID, (id_t)pid, &si, WEXITED | WNOWAIT), 0);
    CHECK_EQ(si.si_status, SIGTERM);
    CHECK_EQ(send(fd, 0), 0);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_ERRNO(send(fd, 0), ESRCH);
    return 0;
}
