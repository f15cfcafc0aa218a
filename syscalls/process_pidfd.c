/* pidfd_open, pidfd_getfd (pidfd_send_signal is with the other senders, in signal.c). */
#include "sentry/base/errno.h"
#include "sentry/task/pidfd.h"
#include "sentry/task/ptrace.h"

#include "syscalls/helpers.h"
#include "syscalls/ptrace_access.h"
#include "syscalls/syscalls.h"

bool ptrace_may_access(const struct task *t, const struct task *other)
{
    return ptrace_access(t, t->cred, t->cred->uid, t->cred->gid, other);
}

long sys_pidfd_open(struct task *t, int pid, unsigned flags)
{
    if (flags & ~(unsigned)(PIDFD_NONBLOCK | PIDFD_THREAD)) {
        return -EINVAL;
    }
    if (pid <= 0) {
        return -EINVAL;
    }
    struct pid *p = pid_find(pid);
    if (!p || (!p->task && !p->tg)) {
        return -ESRCH;
    }
    if (!(flags & PIDFD_THREAD) && !p->tg) {
        return -ENOENT; /* a thread that is not a leader */
    }
    AUTO_PUT(task) target = task_get(p->task ? p->task : p->tg->leader);
    AUTO_PUT(file) f = NULL;
    int r = pidfd_new(target, flags, t->cred, &f);
    if (r < 0) {
        return r;
    }
    return fd_table_install(t->files, f, 0, fd_limit(t), true);
}

long sys_pidfd_getfd(struct task *t, int pidfd, int targetfd, unsigned flags)
{
    AUTO_PUT(file) f = NULL;
    AUTO_PUT(file) wanted = NULL;
    AUTO_PUT(task) other = NULL;
    if (flags) {
        return -EINVAL;
    }
    int r = fd_table_lookup(t->files, pidfd, &f);
    if (r == 0) {
        r = pidfd_task(f, &other);
    }
    if (r < 0) {
        return r;
    }
    if (!ptrace_may_access(t, other)) {
        return -EPERM;
    }
    if (!other->files) {
        return -ESRCH;
    }
    r = fd_table_lookup_any(other->files, targetfd, &wanted);
    if (r < 0) {
        return r;
    }
    return fd_table_install(t->files, wanted, 0, fd_limit(t), true);
}
