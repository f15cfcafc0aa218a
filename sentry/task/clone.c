/*
 * clone(2), fork, vfork and clone3 below their argument decoding: what the child shares with the
 * parent, what it copies, and the order of checks. Analogous to Linux's copy_process.
 *
 * The child is complete before its guest thread is made, and made visible only after: a failure
 * leaves nothing behind, and nobody can signal a task that does not exist. platform_clone blocks; the parent
 * may have been killed when it returns, the child lives on then as after any fork.
 */
#include "sentry/mm/usercopy.h"
#include "sentry/task/facts.h"
#include "sentry/task/lease.h"
#include "sentry/task/internal.h"
#include "sentry/task/pidfd.h"
#include "sentry/task/ptrace.h"

#include <linux/sched.h>
#include <string.h>
#include <sys/syscall.h>

#define CLONE_NAMESPACES                                                                           \
    (CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET |     \
     CLONE_NEWCGROUP | CLONE_NEWTIME)

/* Checks in Linux's order. */
static int check_flags(struct task *t, uint64_t flags)
{
    if ((flags & CLONE_FS) && (flags & (CLONE_NEWNS | CLONE_NEWUSER))) {
        return -EINVAL;
    }
    if ((flags & CLONE_THREAD) && !(flags & CLONE_SIGHAND)) {
        return -EINVAL;
    }
    if ((flags & CLONE_SIGHAND) && !(flags & CLONE_VM)) {
        return -EINVAL;
    }
    if ((flags & CLONE_PARENT) && thread_group_is_init(t->tg)) {
        return -EINVAL;
    }
    if ((flags & CLONE_THREAD) && (flags & (CLONE_NEWUSER | CLONE_NEWPID))) {
        return -EINVAL;
    }
    if ((flags & CLONE_PIDFD) && (flags & CLONE_DETACHED)) {
        return -EINVAL;
    }
    /* Signals that came before the fork are delivered before it: the child must not miss them. */
    if (t->kthread->interrupt) {
        return -ERESTARTNOINTR;
    }
    return 0;
}

/* RLIMIT_NPROC counts the threads of one real user. Root and the capable are exempt. */
static bool over_process_limit(struct task *t)
{
    rlim_t limit = task_rlimit(t, RLIMIT_NPROC);
    if (limit == RLIM_INFINITY || t->cred->uid == 0 || cred_capable(t->cred, CAP_SYS_RESOURCE) ||
        cred_capable(t->cred, CAP_SYS_ADMIN)) {
        return false;
    }
    rlim_t count = 0;
    struct task *other;
    list_for_each_entry (other, &g_kernel->tasks, all_link) {
        count += other->cred->uid == t->cred->uid;
    }
    return count >= limit;
}

static int check_resources(struct task *t, uint64_t flags)
{
    if (over_process_limit(t)) {
        return -EAGAIN;
    }
    if ((flags & CLONE_NEWIPC) && (flags & CLONE_SYSVSEM)) {
        return -EINVAL;
    }
    /* DEVIATION: namespaces inside the sandbox don't exist; everybody is as an unprivileged user. */
    return flags & CLONE_NAMESPACES ? -EPERM : 0;
}

/* What the child shares or copies of the parent's kernel objects. May leave child half filled. */
static int copy_objects(struct task *t, struct task *child, uint64_t flags)
{
    int r = 0;
    child->cred = cred_get(t->cred);
    if (flags & CLONE_FILES) {
        child->files = fd_table_get(t->files);
    } else {
        r = fd_table_copy(t->files, &child->files);
    }
    if (r < 0) {
        return r;
    }
    if (flags & CLONE_FS) {
        if (!(flags & CLONE_THREAD)) {
            facts_end_at(t->fs); /* what two processes share, neither can know */
        }
        child->fs = fs_context_get(t->fs);
    } else {
        r = fs_context_copy(t->fs, &child->fs);
    }
    if (r < 0) {
        return r;
    }
    if (flags & CLONE_VM) {
        child->mm = mm_get(t->mm);
        return 0;
    }
    return mm_copy(t->mm, &child->mm);
}

static void copy_fields(struct task *t, struct task *child, const struct clone_request *r)
{
    memcpy(child->comm, t->comm, sizeof(child->comm));
    child->blocked = t->blocked;
    if ((r->flags & (CLONE_VM | CLONE_VFORK)) != CLONE_VM) {
        child->altstack = t->altstack;
    }
    if (r->flags & CLONE_CHILD_CLEARTID) {
        child->clear_child_tid = r->child_tid;
    }
    memcpy(child->cpu_affinity, t->cpu_affinity, sizeof(child->cpu_affinity));
    child->default_timer_slack_ns = child->timer_slack_ns = t->timer_slack_ns;
    child->mce_kill = t->mce_kill;
    child->ioprio = t->ioprio;
    child->nice = t->nice;
    child->sched_policy = t->sched_policy;
    child->sched_priority = t->sched_priority;
    if (t->sched_reset_on_fork) {
        if (child->sched_policy == SCHED_FIFO || child->sched_policy == SCHED_RR) {
            child->sched_policy = SCHED_NORMAL;
            child->sched_priority = 0;
            child->nice = 0;
        }
        child->nice = MAX(child->nice, 0);
    }
}

static int copy_group(struct task *t, struct pid *pid, const struct clone_request *r,
                      struct thread_group **out)
{
    struct thread_group *tg, *from = t->tg;
    int error = thread_group_alloc(pid_get(pid), &tg);
    if (error < 0) {
        return error;
    }
    if (r->flags & CLONE_SIGHAND) {
        tg->sighand = sighand_get(from->sighand);
        signal_action_changed(from, UINT64_MAX);
    } else {
        signal_actions_read(from);
        error = sighand_copy(from->sighand, &tg->sighand);
        if (error < 0) {
            thread_group_put(tg);
            return error;
        }
        for (int sig = 1; (r->flags & CLONE_CLEAR_SIGHAND) && sig <= KSIG_MAX; sig++) {
            struct ksigaction *a = &tg->sighand->action[sig];
            uaddr_t keep = a->handler == SIG_HANDLER_IGN ? SIG_HANDLER_IGN : SIG_HANDLER_DFL;
            *a = (struct ksigaction){.handler = keep};
        }
    }
    tg->exit_signal = r->flags & CLONE_PARENT ? from->exit_signal : r->exit_signal;
    memcpy(tg->limits, from->limits, sizeof(tg->limits));
    tg->tty = from->tty;
    tg->dumpable = from->dumpable;
    tg->oom_score_adj = from->oom_score_adj;
    tg->oom_score_adj_min = from->oom_score_adj_min;
    tg->personality = from->personality;
    tg->no_new_privs = from->no_new_privs;
    tg->thp_disable = from->thp_disable;
    thread_group_set_exe(tg, &from->exe);
    *out = tg;
    return 0;
}

/* A child that nobody sees yet. On failure nothing is left. */
static int make_child(struct task *t, const struct clone_request *r, struct task **out)
{
    struct pid *pid;
    struct task *child;
    int error = pid_alloc(r->set_tid, &pid);
    if (error < 0) {
        return error;
    }
    struct thread_group *tg = NULL;
    if (r->flags & CLONE_THREAD) {
        tg = thread_group_get(t->tg);
    } else {
        error = copy_group(t, pid, r, &tg);
        if (error < 0) {
            pid_put(pid);
            return error;
        }
    }
    error = task_alloc(pid, &child);
    if (error < 0) {
        thread_group_put(tg);
        return error;
    }
    child->tg = tg;
    copy_fields(t, child, r);
    error = copy_objects(t, child, r->flags);
    if (error == 0) {
        error = task_make_kthread(child);
    }
    if (error < 0) {
        task_put(child);
        return error;
    }
    *out = child;
    return 0;
}

static void link_child(struct task *t, struct task *child, uint64_t flags)
{
    struct thread_group *tg = child->tg;
    g_kernel->forks++;
    if (flags & CLONE_THREAD) {
        task_link(child);
        /* The whole process was told to die, or to be single, while platform_clone slept. */
        if (tg->exiting || tg->exec_task) {
            child->must_exit = true;
        } else if (t->stop_pending) {
            child->stop_pending = true;
            tg->stop_count++;
            child->kthread->interrupt = true;
        }
        return;
    }
    thread_group_get(tg); /* the tree's */
    thread_group_set_parent(tg, flags & CLONE_PARENT ? t->tg->parent : t->tg);
    tg->parent_tid = flags & CLONE_PARENT ? t->tg->parent_tid : task_tid(t);
    thread_group_set_pgrp(tg, t->tg->pgrp);
    thread_group_set_session(tg, t->tg->session);
    thread_group_link_leader(tg, child);
    tg->vm_borrowed = flags & CLONE_VM;
    thread_group_cpu_limit_changed(tg);
}

/* An fd for the child in the parent's table, stored where the caller wants it. */
static int give_pidfd(struct task *t, struct task *child, const struct clone_request *r,
                      int *out_fd)
{
    AUTO_PUT(file) f = NULL;
    unsigned flags = r->flags & CLONE_THREAD ? PIDFD_THREAD : 0;
    int error = pidfd_new(child, flags, t->cred, &f);
    if (error < 0) {
        return error;
    }
    int fd =
        fd_table_install(t->files, f, 0, (int)MIN(task_rlimit(t, RLIMIT_NOFILE), 1UL << 30), true);
    if (fd < 0) {
        return fd;
    }
    error = put_user(t->mm, r->pidfd, &fd);
    if (error < 0) {
        int closed = fd_table_close(t->files, fd);
        (void)closed;
        return error;
    }
    *out_fd = fd;
    return 0;
}

/**
 * task_clone - make a thread or process as clone(2) describes.
 * @t: the caller, on its own kthread.
 *
 * Context: may block.
 * Return: the child's tid.
 * Errors: -EINVAL flags that don't go together; -ERESTARTNOINTR a signal comes first; -EAGAIN limits;
 *         -EPERM namespaces; -ENOMEM; -EFAULT, -EMFILE for the pidfd; -EEXIST set_tid.
 * Source: clone(2), copy_process's order of checks.
 */
long task_clone(struct task *t, const struct clone_request *r)
{
    int error = check_flags(t, r->flags);
    if (error == 0) {
        error = check_resources(t, r->flags);
    }
    if (error < 0) {
        return error;
    }
    AUTO_PUT(task) child = NULL;
    error = make_child(t, r, &child);
    if (error < 0) {
        return error;
    }
    int tid = task_tid(child), pidfd = -1;
    struct platform_thread *pt = NULL;
    struct thread_group *parent = NULL;
    unsigned event = ptrace_clone_event(t, r->flags, r->exit_signal);
    bool traced = task_traced(t);
    if (r->flags & CLONE_PIDFD) {
        error = give_pidfd(t, child, r, &pidfd);
    }
    if (error == 0) {
        struct platform_clone c = {.flags = r->flags,
                                   .stack = r->stack,
                                   .parent_tid = r->parent_tid,
                                   .child_tid = r->child_tid,
                                   .tls = r->tls,
                                   .guest_tid = tid};
        lease_before_clone(t, r->flags, child);
        if (r->flags & CLONE_THREAD) {
            signal_actions_take_back(t->tg); /* only a single thread changes them by itself */
        }
        if (traced) {
            platform_hold(t->pt);
        }
        parent = wait_birth_begins(t, r->flags);
        error = platform_clone(t->pt, &c, &pt);
        lease_after_clone(t, r->flags);
    }
    if (error < 0) {
        if (pidfd >= 0) {
            int closed = fd_table_close(t->files, pidfd);
            (void)closed;
        }
        wait_birth_over(parent);
        task_launch(child, NULL);
        return error;
    }
    if (!(r->flags & CLONE_VM)) {
        child->mm->space = platform_space(pt);
    }
    link_child(t, child, r->flags);
    wait_birth_over(parent);
    if (!(r->flags & CLONE_VM)) {
        platform_keep_answer(pt, SYS_getpid, tid);
        platform_keep_answer(pt, SYS_gettid, tid);
        signal_child_actions(t, child);
    } else if (!(r->flags & CLONE_THREAD)) {
        signal_borrower_actions(child, pt);
    }
    if (traced) {
        ptrace_clone_child(t, child, pt, r->flags, event);
    }
    task_launch(child, pt);
    if (traced) {
        ptrace_cloned(t, event, tid);
    }
    return tid;
}
