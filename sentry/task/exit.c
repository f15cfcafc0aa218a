/*
 * How tasks and processes end, analogous to Linux's kernel/exit.c.
 *
 *   thread_group_exit   decides the status, marks all threads, and kills the host process: from here
 *                       on no guest code of it runs. Anybody may call it.
 *   task_exit           each thread's own end, on its own kthread. The last one makes the process a
 *                       zombie: children get a new parent, the parent gets its signal.
 *   thread_group_reap   wait(2) took the zombie, or nobody wants to (thread_group.c).
 */
#include "sentry/base/events.h"
#include "sentry/mm/usercopy.h"
#include "sentry/task/facts.h"
#include "sentry/task/internal.h"
#include "sentry/task/lease.h"
#include "sentry/task/names.h"
#include "sentry/task/ptrace.h"
#include "sentry/task/robust.h"
#include "sentry/task/usage.h"

#include <string.h>

static void (*session_exit_hook)(struct thread_group *leader);

void task_set_session_exit_hook(void (*hook)(struct thread_group *leader))
{
    session_exit_hook = hook;
}

/* --- deciding to die --- */

/* The last moment at which the process's memory and host accounting can be read. */
static void kill_host_process(struct thread_group *tg)
{
    struct task *t, *alive = NULL;
    if (tg->host_killed) {
        return;
    }
    list_for_each_entry (t, &tg->threads, group_link) {
        if (t->pt && t->mm) {
            robust_list_exit(t, false);
            alive = t;
        }
    }
    if (alive) {
        usage_collect_last(tg);
        platform_kill(alive->pt);
    }
    tg->host_killed = true;
}

/**
 * thread_group_exit - end a process: exit_group(2), a fatal signal, or the host's.
 * @status: wait(2) encoding. The first caller decides.
 *
 * Context: does not block; any host thread with the baton. The caller's own task, if it is of this
 * process, goes on until its system call returns; must_exit is set then.
 */
void thread_group_exit(struct thread_group *tg, int status)
{
    struct task *t;
    if (tg->exiting || tg->zombie || thread_group_is_init(tg)) {
        return;
    }
    tg->exiting = true;
    tg->exit_status = status;
    tg->stopped = false;
    tg->stop_count = 0;
    list_for_each_entry (t, &tg->threads, group_link) {
        t->stop_pending = t->stopped = false;
        if (!t->exited) {
            t->must_exit = true;
        }
    }
    kill_host_process(tg);
    list_for_each_entry (t, &tg->threads, group_link) {
        if (t->kthread && !t->exited) {
            t->kthread->interrupt = t->kthread->killed = true;
            kthread_wake(t->kthread);
        }
    }
}

/* --- orphans --- */

static struct thread_group *new_parent(struct thread_group *tg)
{
    for (struct thread_group *p = tg->parent; p && !thread_group_is_init(p); p = p->parent) {
        if (p->child_subreaper && !p->exiting && p->live_threads > 0) {
            return p;
        }
    }
    return g_kernel->init;
}

bool pgrp_is_orphaned(struct pid *pgrp, const struct thread_group *ignored)
{
    struct thread_group *tg;
    list_for_each_entry (tg, &pgrp->pgrp_members, pgrp_link) {
        if (tg == ignored || tg->zombie || !tg->parent) {
            continue;
        }
        if (tg->from_outside) {
            return false;
        }
        if (thread_group_is_init(tg->parent)) {
            continue;
        }
        if (tg->parent->pgrp != pgrp && tg->parent->session == tg->session) {
            return false;
        }
    }
    return true;
}

static bool has_stopped_jobs(struct pid *pgrp)
{
    struct thread_group *tg;
    list_for_each_entry (tg, &pgrp->pgrp_members, pgrp_link) {
        if (tg->stopped) {
            return true;
        }
    }
    return false;
}

/* tg leaves parent's care (or dies, ignored == tg): does that orphan its process group with stopped jobs in it? */
static void check_orphaned_pgrp(struct thread_group *tg, struct thread_group *parent,
                                const struct thread_group *ignored)
{
    struct pid *pgrp = tg->pgrp;
    if (parent && parent->pgrp != pgrp && parent->session == tg->session &&
        pgrp_is_orphaned(pgrp, ignored) && has_stopped_jobs(pgrp)) {
        signal_send_pgrp(pgrp->nr, SIGHUP, NULL);
        signal_send_pgrp(pgrp->nr, SIGCONT, NULL);
    }
}

/* --- telling the parent --- */

static void child_siginfo(const struct thread_group *tg, siginfo_t *info)
{
    int status = tg->exit_status;
    siginfo_init(info, tg->exit_signal, exit_code_of(status), tg->pid->nr, tg->leader->cred->uid);
    info->si_status = exit_value_of(status);
    info->si_utime = usage_ticks(&tg->usage.ru_utime);
    info->si_stime = usage_ticks(&tg->usage.ru_stime);
}

/* A zombie tells its parent. Return: true when the parent does not want to wait for it. */
static bool notify_parent(struct thread_group *tg)
{
    struct thread_group *parent = tg->parent;
    int sig = tg->exit_signal;
    if (thread_group_is_init(parent)) {
        return true;
    }
    const struct ksigaction *a = signal_action(parent, SIGCHLD);
    bool ignored = sig == SIGCHLD && a->handler == SIG_HANDLER_IGN;
    bool auto_reap = ignored || (sig == SIGCHLD && (a->flags & SA_NOCLDWAIT));
    if (sig > 0 && sig <= KSIG_MAX && !ignored) {
        siginfo_t info;
        child_siginfo(tg, &info);
        int r = signal_send_group(parent, sig, &info);
        (void)r; /* a real-time exit signal may find the queue full: lost, as on Linux */
    }
    waitq_wake(&parent->wait_children, 0);
    return auto_reap;
}

void exit_tell_parent(struct thread_group *tg)
{
    if (notify_parent(tg)) {
        thread_group_reap(tg);
    }
}

static void give_away_children(struct thread_group *tg)
{
    struct thread_group *child, *next, *to = new_parent(tg);
    list_for_each_entry_safe (child, next, &tg->children, sibling) {
        thread_group_set_parent(child, to);
        if (child->pdeath_signal) {
            siginfo_t info;
            siginfo_init(&info, child->pdeath_signal, SI_USER, tg->pid->nr, tg->leader->cred->uid);
            int r = signal_send_group(child, child->pdeath_signal, &info);
            (void)r;
        }
        child->exit_signal = SIGCHLD;
        check_orphaned_pgrp(child, tg, NULL);
        if (child->zombie && !task_traced(child->leader)) {
            exit_tell_parent(child);
        }
    }
}

/* The first program is the sandbox's reason to be. */
static void end_sandbox(struct thread_group *tg)
{
    if (g_kernel->shutting_down) {
        return;
    }
    g_kernel->shutting_down = true;
    g_kernel->exit_status = tg->exit_status;
    events_stop();
}

static void group_exit(struct thread_group *tg)
{
    bool first = tg->parent && thread_group_is_init(tg->parent) && tg->pid->nr == FIRST_PROGRAM_PID;
    itimers_cancel(tg);
    posix_timers_cancel(tg);
    sigpending_flush(&tg->pending);
    if (tg->session == tg->pid && session_exit_hook) {
        session_exit_hook(tg);
    }
    give_away_children(tg);
    check_orphaned_pgrp(tg, tg->parent, tg);
    thread_group_set_exe(tg, NULL);
    tg->zombie = true;
    waitq_wake(&tg->exit_wait, 0);
    if (first) {
        end_sandbox(tg);
    }
    if (!ptrace_group_exits(tg)) {
        exit_tell_parent(tg);
    }
}

/* --- a task's end --- */

static void leave_memory(struct task *t, bool last)
{
    struct thread_group *tg = t->tg;
    if (!tg->host_killed) {
        if (last) {
            kill_host_process(tg);
        } else {
            robust_list_exit(t, false);
        }
    }
    lease_call_done(t, -1, -1);
    if (last && !tg->vm_borrowed) {
        names_program_ends(t->mm);
        lease_end_all(t->mm);
        facts_end(t->mm);
    }
    struct platform_thread *pt = take(&t->pt);
    if (pt && tg->host_killed) {
        platform_thread_free(pt);
    } else if (pt) {
        platform_thread_exit(pt); /* may block */
    }
    mm_put(take(&t->mm));
}

/**
 * task_exit - the end of a thread, called by its own kthread as the last thing.
 * @status: the process's status so far. The last thread to get here without an exit_group leaves
 *          its own behind instead.
 *
 * Context: may block (closing files).
 */
void task_exit(struct task *t, int status)
{
    struct thread_group *tg = t->tg;
    BUG_ON(t->exited);
    t->must_exit = true;
    t->kthread->killed = t->kthread->interrupt = true;
    (void)status;
    if (--tg->quick_threads == 0 && !tg->exiting) {
        tg->exit_status = t->exit_status;
    }
    signal_stop_leave(t);
    if (t == tg->leader) {
        facts_forget_of(tg, FACT_EXE); /* /proc/PID/exe goes with the leader */
    }
    leave_memory(t, tg->live_threads == 1);
    if (t->files) {
        fd_table_put(take(&t->files)); /* may block */
    }
    if (t->fs) {
        fs_context_put(take(&t->fs));
    }
    /* No blocking from here: the tree changes in one piece. */
    t->exited = true;
    signal_retarget(t, ~t->blocked);
    sigpending_flush(&t->pending);
    ptrace_task_exits(t);
    BUG_ON(tg->live_threads <= 0);
    bool last = --tg->live_threads == 0;
    if (t != tg->leader) {
        list_del(&t->group_link);
        list_del(&t->all_link);
        g_kernel->task_count--;
        t->pid->task = NULL;
    }
    waitq_wake(&tg->exit_wait, 0);
    waitq_wake(&tg->thread_wait, 0);
    if (last) {
        group_exit(tg);
    }
}
