/* clone, clone3, fork, vfork: argument decoding around task_clone. */
#include <linux/sched.h>
#include <string.h>

#include "sentry/base/errno.h"
#include "platform/platform.h"
#include "sentry/mm/usercopy.h"
#include "sentry/task/task.h"
#include "syscalls/syscalls.h"

#ifndef CLONE_CLEAR_SIGHAND
#define CLONE_CLEAR_SIGHAND 0x100000000ULL
#endif
#ifndef CLONE_INTO_CGROUP
#define CLONE_INTO_CGROUP 0x200000000ULL
#endif
#define CLONE_LEGACY_FLAGS 0xffffffffULL
#define MAX_PID_NS_LEVEL   32

long sys_fork(struct task *t)
{
    const struct clone_request r = {.exit_signal = SIGCHLD};
    return task_clone(t, &r);
}

long sys_vfork(struct task *t)
{
    const struct clone_request r = {.flags = CLONE_VFORK | CLONE_VM, .exit_signal = SIGCHLD};
    return task_clone(t, &r);
}

long sys_clone(struct task *t, unsigned long flags, uaddr_t stack, uaddr_t parent_tid,
               uaddr_t child_tid, unsigned long tls)
{
    struct clone_request r = {.flags = (uint32_t)flags & ~(uint64_t)CSIGNAL,
                              .exit_signal = (int)(flags & CSIGNAL),
                              .stack = stack,
                              .parent_tid = parent_tid,
                              .child_tid = child_tid,
                              .tls = tls,
                              .pidfd = parent_tid};
    /* The old call has one argument for both. */
    if ((r.flags & CLONE_PIDFD) && (r.flags & CLONE_PARENT_SETTID)) {
        return -EINVAL;
    }
    return task_clone(t, &r);
}

static bool clone3_valid(const struct clone_args *a)
{
    if (a->flags & ~(CLONE_LEGACY_FLAGS | CLONE_CLEAR_SIGHAND | CLONE_INTO_CGROUP)) {
        return false;
    }
    if (a->flags & (CLONE_DETACHED | (CSIGNAL & ~(uint64_t)CLONE_NEWTIME))) {
        return false;
    }
    if ((a->flags & CLONE_SIGHAND) && (a->flags & CLONE_CLEAR_SIGHAND)) {
        return false;
    }
    if ((a->flags & (CLONE_THREAD | CLONE_PARENT)) && a->exit_signal) {
        return false;
    }
    if (!a->stack) {
        return a->stack_size == 0;
    }
    return a->stack_size && a->stack < PLATFORM_TASK_SIZE &&
           a->stack_size <= PLATFORM_TASK_SIZE - a->stack;
}

/* set_tid: with one PID namespace, one number. Errors in Linux's order. */
static int clone3_set_tid(struct task *t, const struct clone_args *a, int *out)
{
    *out = 0;
    if (a->set_tid_size > MAX_PID_NS_LEVEL || !a->set_tid != !a->set_tid_size) {
        return -EINVAL;
    }
    if ((a->exit_signal & ~(uint64_t)CSIGNAL) || a->exit_signal > KSIG_MAX) {
        return -EINVAL;
    }
    if (a->set_tid && get_user(t->mm, out, a->set_tid) < 0) {
        return -EFAULT;
    }
    return 0;
}

long sys_clone3(struct task *t, uaddr_t cl_args, size_t size)
{
    struct clone_args a = {0};
    int set_tid;
    if (size > PAGE_SIZE) {
        return -E2BIG;
    }
    if (size < CLONE_ARGS_SIZE_VER0) {
        return -EINVAL;
    }
    int r = copy_in_extensible(t->mm, &a, sizeof(a), cl_args, size);
    if (r == 0) {
        r = clone3_set_tid(t, &a, &set_tid);
    }
    if (r < 0) {
        return r;
    }
    if ((a.flags & CLONE_INTO_CGROUP) && (a.cgroup > INT32_MAX || size < CLONE_ARGS_SIZE_VER2)) {
        return -EINVAL;
    }
    if (!clone3_valid(&a)) {
        return -EINVAL;
    }
    if (a.flags & CLONE_INTO_CGROUP) {
        return -EBADF; /* no fd here can be a cgroup's directory */
    }
    if (a.set_tid_size) {
        if (a.set_tid_size > 1 || set_tid < 1 || set_tid >= 4194304) {
            return -EINVAL;
        }
        if (!cred_capable(t->cred, CAP_SYS_ADMIN) &&
            !cred_capable(t->cred, CAP_CHECKPOINT_RESTORE)) {
            return -EPERM;
        }
    }
    const struct clone_request q = {.flags = a.flags,
                                    .exit_signal = (int)a.exit_signal,
                                    .stack = a.stack ? a.stack + a.stack_size : 0,
                                    .parent_tid = a.parent_tid,
                                    .child_tid = a.child_tid,
                                    .tls = a.tls,
                                    .pidfd = a.pidfd,
                                    .set_tid = set_tid};
    return task_clone(t, &q);
}
