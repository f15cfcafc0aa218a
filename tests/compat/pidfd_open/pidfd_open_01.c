/*
 * pidfd_open(2), pidfd_send_signal(2), pidfd_getfd(2):
 * 1. EINVAL for bad flags and pids, ESRCH for nobody; the fd is close-on-exec.
 * 2. It polls readable when the process has ended, also as a zombie; signals then give ESRCH once reaped.
 * 3. read is EINVAL; pidfd_send_signal checks si_signo and flags, EBADF for other files.
 * 4. pidfd_getfd duplicates another process's fd, EBADF when it has none.
 */
#include "../compat.h"

#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>

static int pidfd_open_(pid_t pid, unsigned flags)
{
    return (int)syscall(SYS_pidfd_open, pid, flags);
}

static long send(int fd, int sig, siginfo_t *si, unsigned flags)
{
    return syscall(SYS_pidfd_send_signal, fd, sig, si, flags);
}

int main(void)
{
    int p[2];
    char c;
    CHECK_ERRNO(pidfd_open_(getpid(), 0x40000000), EINVAL);
    CHECK_ERRNO(pidfd_open_(0, 0), EINVAL);
    CHECK_ERRNO(pidfd_open_(-1, 0), EINVAL);
    CHECK_EQ(pipe(p), 0);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        CHECK_EQ(dup2(p[0], 100), 100);
        CHECK_EQ(write(p[1], "r", 1), 1);
        for (;;) {
            pause();
        }
    }
    CHECK_EQ(read(p[0], &c, 1), 1);
    int fd = pidfd_open_(pid, 0);
    CHECK(fd >= 0);
    CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
    CHECK_ERRNO(read(fd, &c, 1), EINVAL);
    struct pollfd pfd = {.fd = fd, .events = POLLIN};
    CHECK_EQ(poll(&pfd, 1, 0), 0);
    CHECK_EQ(send(fd, 0, NULL, 0), 0);
    CHECK_ERRNO(send(fd, 65, NULL, 0), EINVAL);
    CHECK_ERRNO(send(fd, 0, NULL, 0x100), EINVAL);
    CHECK_ERRNO(send(p[0], SIGTERM, NULL, 0), EBADF);
    siginfo_t si;
    memset(&si, 0, sizeof(si));
    si.si_signo = SIGUSR2;
    si.si_code = SI_QUEUE;
    CHECK_ERRNO(send(fd, SIGUSR1, &si, 0), EINVAL);

    int got = (int)syscall(SYS_pidfd_getfd, fd, 100, 0);
    if (got < 0 && errno == EPERM) {
        fprintf(stderr, "pidfd_getfd is not permitted here\n");
    } else {
        CHECK(got >= 0);
        CHECK_EQ(fcntl(got, F_GETFD), FD_CLOEXEC);
        CHECK_EQ(write(p[1], "z", 1), 1);
        CHECK_EQ(read(got, &c, 1), 1);
        CHECK_EQ(c, 'z');
        CHECK_ERRNO(syscall(SYS_pidfd_getfd, fd, 999, 0), EBADF);
        CHECK_ERRNO(syscall(SYS_pidfd_getfd, fd, 100, 1), EINVAL);
    }
    si.si_signo = SIGTERM;
    CHECK_EQ(send(fd, SIGTERM, &si, 0), 0);
    CHECK_EQ(poll(&pfd, 1, 10000), 1);
    CHECK_EQ(pfd.revents & POLLIN, POLLIN);
    CHECK_EQ(send(fd, 0, NULL, 0), 0); /* a zombie */
    int status;
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(WTERMSIG(status), SIGTERM);
    CHECK_ERRNO(send(fd, 0, NULL, 0), ESRCH);
    CHECK_ERRNO(pidfd_open_(pid, 0), ESRCH);
    return 0;
}
