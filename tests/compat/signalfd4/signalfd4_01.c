/*
 * signalfd(2).
 * Claims: blocked signals of the set are read with their siginfo, several at once; SIGKILL in the set is ignored; none
 * pending gives EAGAIN; poll and epoll tell; the set can be changed; a child reads its own signals; SIGCHLD
 * carries pid and status; errors: EINVAL for size, flags, a file of another kind, a short buffer; EBADF.
 */
#include "../compat.h"

#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>

int main(void)
{
    struct signalfd_siginfo si[4];
    struct epoll_event e = {.events = EPOLLIN};
    struct pollfd pf;
    sigset_t set;
    union sigval value = {.sival_int = 42};
    int fd, p[2], ep, status;
    pid_t child;

    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGRTMIN);
    sigaddset(&set, SIGKILL);
    CHECK(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
    fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    CHECK(fd >= 0);
    CHECK_ERRNO(read(fd, si, sizeof(si)), EAGAIN);
    CHECK_ERRNO(read(fd, si, 64), EINVAL);
    CHECK(kill(getpid(), SIGUSR1) == 0);
    CHECK(sigqueue(getpid(), SIGRTMIN, value) == 0);
    pf = (struct pollfd){fd, POLLIN, 0};
    CHECK_EQ(poll(&pf, 1, 0), 1);
    CHECK_EQ(read(fd, si, sizeof(si)), 2 * sizeof(si[0]));
    CHECK_EQ(si[0].ssi_signo, SIGUSR1);
    CHECK_EQ(si[0].ssi_pid, getpid());
    CHECK_EQ(si[0].ssi_code, SI_USER);
    CHECK_EQ(si[1].ssi_signo, SIGRTMIN);
    CHECK_EQ(si[1].ssi_code, SI_QUEUE);
    CHECK_EQ(si[1].ssi_int, 42);
    CHECK_EQ(poll(&pf, 1, 0), 0);

    sigaddset(&set, SIGCHLD);
    CHECK(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
    CHECK_EQ(signalfd(fd, &set, 0), fd);
    ep = epoll_create1(0);
    CHECK(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e) == 0);
    child = fork();
    if (child == 0) {
        CHECK_ERRNO(read(fd, si, sizeof(si)), EAGAIN);
        CHECK(raise(SIGUSR1) == 0);
        CHECK_EQ(read(fd, si, sizeof(si)), sizeof(si[0]));
        _exit(7);
    }
    CHECK_EQ(epoll_wait(ep, &e, 1, 5000), 1);
    CHECK_EQ(read(fd, si, sizeof(si)), sizeof(si[0]));
    CHECK_EQ(si[0].ssi_signo, SIGCHLD);
    CHECK_EQ(si[0].ssi_pid, child);
    CHECK_EQ(si[0].ssi_status, 7);
    CHECK_EQ(si[0].ssi_code, CLD_EXITED);
    CHECK(waitpid(child, &status, 0) == child);

    CHECK(fcntl(fd, F_SETFL, 0) == 0);
    child = fork();
    if (child == 0) {
        usleep(20000);
        kill(getppid(), SIGUSR1);
        _exit(0);
    }
    CHECK_EQ(read(fd, si, sizeof(si[0])), sizeof(si[0]));
    CHECK_EQ(si[0].ssi_pid, child);
    CHECK(waitpid(child, &status, 0) == child);

    CHECK(pipe(p) == 0);
    CHECK_ERRNO(syscall(SYS_signalfd4, p[0], &set, 8, 0), EINVAL);
    CHECK_ERRNO(syscall(SYS_signalfd4, -1, &set, 4, 0), EINVAL);
    CHECK_ERRNO(syscall(SYS_signalfd4, -1, &set, 8, 1), EINVAL);
    CHECK_ERRNO(syscall(SYS_signalfd4, 999, &set, 8, 0), EBADF);
    return 0;
}
