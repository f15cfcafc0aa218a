/*
 * clone(2), flags:
 * 1. CLONE_SIGHAND without CLONE_VM is EINVAL; CLONE_THREAD without CLONE_SIGHAND is EINVAL.
 * 2. CLONE_FS with CLONE_NEWNS or CLONE_NEWUSER is EINVAL.
 * 3. CLONE_PIDFD with CLONE_PARENT_SETTID is EINVAL in the old call.
 * 4. CLONE_PIDFD stores a close-on-exec fd; CLONE_PARENT_SETTID the tid, before clone returns.
 * 5. CLONE_CHILD_SETTID is stored in the child's memory, not in the parent's copy.
 * 6. A bad CLONE_PIDFD address is EFAULT, and leaves no child and no fd.
 */
#include "../compat.h"

#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>

static long raw_clone(unsigned long flags, void *ptid, void *ctid)
{
    return syscall(SYS_clone, flags, 0, ptid, ctid, 0);
}

int main(void)
{
    CHECK_ERRNO(raw_clone(CLONE_SIGHAND | SIGCHLD, NULL, NULL), EINVAL);
    CHECK_ERRNO(raw_clone(CLONE_THREAD | SIGCHLD, NULL, NULL), EINVAL);
    CHECK_ERRNO(raw_clone(CLONE_THREAD | CLONE_VM | SIGCHLD, NULL, NULL), EINVAL);
    CHECK_ERRNO(raw_clone(CLONE_FS | CLONE_NEWNS | SIGCHLD, NULL, NULL), EINVAL);
    CHECK_ERRNO(raw_clone(CLONE_FS | CLONE_NEWUSER | SIGCHLD, NULL, NULL), EINVAL);
    int ptid = -1, ctid = -1, status;
    CHECK_ERRNO(raw_clone(CLONE_PIDFD | CLONE_PARENT_SETTID | SIGCHLD, &ptid, NULL), EINVAL);

    long pid = raw_clone(CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | SIGCHLD, &ptid, &ctid);
    CHECK(pid >= 0);
    if (pid == 0) {
        _exit(ctid == (int)syscall(SYS_gettid) ? 0 : 1);
    }
    CHECK_EQ(ptid, pid);
    CHECK_EQ(ctid, -1);
    CHECK_EQ(waitpid((pid_t)pid, &status, 0), pid);
    CHECK_EQ(status, 0);

    int pidfd = -1;
    pid = raw_clone(CLONE_PIDFD | SIGCHLD, &pidfd, NULL);
    CHECK(pid >= 0);
    if (pid == 0) {
        _exit(7);
    }
    CHECK(pidfd >= 3);
    CHECK_EQ(fcntl(pidfd, F_GETFD), FD_CLOEXEC);
    CHECK_EQ(waitpid((pid_t)pid, &status, 0), pid);
    CHECK_EQ(WEXITSTATUS(status), 7);
    close(pidfd);

    CHECK_ERRNO(raw_clone(CLONE_PIDFD | SIGCHLD, (void *)8, NULL), EFAULT);
    CHECK_ERRNO(waitpid(-1, &status, 0), ECHILD);
    int next = dup(0);
    CHECK_EQ(next, pidfd);
    return 0;
}
