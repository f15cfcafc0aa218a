/*
 * waitid(2):
 * 1. EINVAL without WEXITED, WSTOPPED or WCONTINUED, and for a bad idtype.
 * 2. si_signo SIGCHLD, si_code, si_status, si_pid, si_uid describe the child.
 * 3. WNOWAIT leaves the child waitable. WNOHANG with nothing to report: 0, and si_pid 0.
 * 4. P_PGID and P_PIDFD; a non-blocking pidfd gives EAGAIN while the child runs.
 */
#include "../compat.h"

#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

int main(void)
{
    siginfo_t si;
    CHECK_ERRNO(waitid(P_ALL, 0, &si, 0), EINVAL);
    CHECK_ERRNO(waitid(P_ALL, 0, &si, WEXITED | 0x100), EINVAL);
    CHECK_ERRNO(waitid((idtype_t)9, 0, &si, WEXITED), EINVAL);
    CHECK_ERRNO(waitid(P_PID, 0, &si, WEXITED), EINVAL);
    CHECK_ERRNO(waitid(P_ALL, 0, &si, WEXITED), ECHILD);

    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        setpgid(0, 0);
        pause();
        _exit(0);
    }
    setpgid(pid, pid);
    memset(&si, 0xff, sizeof(si));
    CHECK_EQ(waitid(P_PID, (id_t)pid, &si, WEXITED | WNOHANG), 0);
    CHECK_EQ(si.si_pid, 0);
    CHECK_EQ(si.si_signo, 0);
    int fd = (int)syscall(SYS_pidfd_open, pid, O_NONBLOCK);
    CHECK(fd >= 0);
    CHECK_ERRNO(waitid((idtype_t)P_PIDFD, (id_t)fd, &si, WEXITED), EAGAIN);
    struct pollfd pfd = {.fd = fd, .events = POLLIN};
    CHECK_EQ(poll(&pfd, 1, 0), 0);
    CHECK_EQ(kill(pid, SIGUSR1), 0);
    CHECK_EQ(poll(&pfd, 1, 10000), 1);
    CHECK_EQ(pfd.revents & POLLIN, POLLIN);
    CHECK_EQ(waitid(P_PGID, (id_t)pid, &si, WEXITED | WNOWAIT), 0);
    CHECK_EQ(si.si_pid, pid);
    CHECK_EQ(si.si_signo, SIGCHLD);
    CHECK_EQ(si.si_code, CLD_KILLED);
    CHECK_EQ(si.si_status, SIGUSR1);
    CHECK_EQ(si.si_uid, getuid());
    memset(&si, 0, sizeof(si));
    CHECK_EQ(waitid((idtype_t)P_PIDFD, (id_t)fd, &si, WEXITED), 0);
    CHECK_EQ(si.si_pid, pid);
    CHECK_ERRNO(waitid(P_PID, (id_t)pid, &si, WEXITED), ECHILD);

    int go[2];
    CHECK_EQ(pipe(go), 0);
    pid = fork();
    if (pid == 0) {
        char c;
        raise(SIGSTOP);
        _exit(read(go[0], &c, 1) == 1 ? 77 : 1);
    }
    CHECK_EQ(waitid(P_PID, (id_t)pid, &si, WSTOPPED), 0);
    CHECK_EQ(si.si_code, CLD_STOPPED);
    CHECK_EQ(si.si_status, SIGSTOP);
    CHECK_EQ(kill(pid, SIGCONT), 0);
    CHECK_EQ(waitid(P_PID, (id_t)pid, &si, WCONTINUED), 0);
    CHECK_EQ(si.si_code, CLD_CONTINUED);
    CHECK_EQ(si.si_status, SIGCONT);
    CHECK_EQ(write(go[1], "x", 1), 1);
    CHECK_EQ(waitid(P_PID, (id_t)pid, &si, WEXITED), 0);
    CHECK_EQ(si.si_code, CLD_EXITED);
    CHECK_EQ(si.si_status, 77);
    return 0;
}
