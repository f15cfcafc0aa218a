/*
 * unshare(2): a task stops sharing what clone made it share. Analogous to ksys_unshare in Linux's
 * kernel/fork.c. Namespaces can't be made inside the sandbox.
 */
#include <sched.h>

#include "sentry/task/lease.h"
#include "sentry/base/errno.h"
#include "sentry/task/task.h"
#include "syscalls/syscalls.h"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80
#endif
#define NAMESPACE_FLAGS                                                                            \
    ((unsigned long)(CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID |    \
                     CLONE_NEWNET | CLONE_NEWCGROUP | CLONE_NEWTIME))
#define UNSHARE_FLAGS                                                                              \
    (NAMESPACE_FLAGS | CLONE_THREAD | CLONE_FS | CLONE_SIGHAND | CLONE_VM | CLONE_FILES |          \
     CLONE_SYSVSEM)

/* Some flags mean others too, as Linux has it. */
static unsigned long with_implied(unsigned long flags)
{
    if (flags & CLONE_NEWUSER) {
        flags |= CLONE_THREAD | CLONE_FS;
    }
    if (flags & CLONE_VM) {
        flags |= CLONE_SIGHAND;
    }
    if (flags & CLONE_SIGHAND) {
        flags |= CLONE_THREAD;
    }
    return flags & CLONE_NEWNS ? flags | CLONE_FS : flags;
}

/* Threads, handlers and memory can't be unshared once shared; for a task that shares nothing it is done already. */
static bool shares_process(const struct task *t, unsigned long flags)
{
    return (flags & CLONE_THREAD && t->tg->live_threads > 1) ||
           (flags & CLONE_SIGHAND && t->tg->sighand->ref.n > 1) ||
           (flags & CLONE_VM && t->mm->ref.n > 1);
}

/**
 * sys_unshare - see unshare(2).
 *
 * Errors:  -EINVAL unknown flags, or CLONE_THREAD, CLONE_SIGHAND, CLONE_VM in a process that shares them;
 *          -EPERM CLONE_NEW*; -ENOMEM. Nothing is changed when it fails.
 */
long sys_unshare(struct task *t, unsigned long flags)
{
    struct fs_context *fs = NULL;
    struct fd_table *files = NULL;
    int r = 0;

    if (flags & ~UNSHARE_FLAGS) {
        return -EINVAL;
    }
    flags = with_implied(flags);
    if (shares_process(t, flags)) {
        return -EINVAL;
    }
    if (flags & NAMESPACE_FLAGS) {
        return -EPERM; /* DEVIATION: also for root and for CLONE_NEWUSER */
    }
    if (flags & CLONE_FS && t->fs->ref.n > 1) {
        r = fs_context_copy(t->fs, &fs);
    }
    if (r == 0 && flags & CLONE_FILES && fd_table_shared(t->files)) {
        lease_leave(t);
        r = fd_table_copy(t->files, &files);
    }
    if (r < 0) {
        if (fs) {
            fs_context_put(fs);
        }
        return r;
    }
    if (fs) {
        fs_context_put(t->fs);
        t->fs = fs;
    }
    if (files) {
        fd_table_put(t->files);
        t->files = files;
    }
    task_update_asks(t);
    return 0;
}
