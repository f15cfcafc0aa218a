/*
 * Sending signals: who gets them, and who is woken. Analogous to the sending half of Linux's
 * kernel/signal.c (prepare_signal, complete_signal).
 *
 * A thread learns of a signal by kthread.interrupt, which stands for Linux's TIF_SIGPENDING. Anybody may set
 * it, only the thread itself clears it (signal_recalc): so a system call that returned -ERESTARTSYS
 * because of it always finds signal_pending true, even when another thread took the signal meanwhile.
 */
#include "sentry/task/internal.h"
#include "sentry/task/ptrace.h"

#include <sys/epoll.h>

void signal_wake(struct task *t)
{
    if (!t->kthread || t->exited) {
        return;
    }
    t->kthread->interrupt = true;
    if (t->must_exit) {
        t->kthread->killed = true;
    }
    kthread_wake(t->kthread);
    if (t->pt) {
        platform_interrupt(t->pt);
    }
}

bool signal_is_ignored(struct thread_group *tg, int sig)
{
    uaddr_t handler = signal_action(tg, sig)->handler;
    if (handler == SIG_HANDLER_IGN) {
        return true;
    }
    if (handler != SIG_HANDLER_DFL) {
        return false;
    }
    return thread_group_is_init(tg) || (SIGSET_IGNORE & KSIG_BIT(sig));
}

ksigset_t signal_blocked(struct task *t)
{
    uint64_t mask;
    if (t->pt && platform_running_mask(t->pt, &mask)) {
        t->blocked = mask & ~KSIG_UNBLOCKABLE;
    }
    return t->blocked;
}

/* A signal is about to be pending: from now on no thread changes its mask without us. */
static void ask_masks(struct thread_group *tg)
{
    struct task *t;
    list_for_each_entry (t, &tg->threads, group_link) {
        if (t->pt) {
            platform_ask(t->pt, PLATFORM_ASK_MASK, PLATFORM_ASK_MASK);
        }
    }
}

/* May t, now, be woken for sig? */
static bool wants(struct task *t, int sig)
{
    return task_alive(t) && !((signal_blocked(t) & ~KSIG_UNBLOCKABLE) & KSIG_BIT(sig)) &&
           !t->stopped;
}

/* The thread that is to act on a process-directed sig: the first one if it can, else one that has nothing else pending. */
static struct task *choose(struct thread_group *tg, struct task *first, int sig)
{
    struct task *t, *second = NULL;
    if (first && wants(first, sig) && !first->kthread->interrupt) {
        return first;
    }
    list_for_each_entry (t, &tg->threads, group_link) {
        if (wants(t, sig)) {
            if (!t->kthread->interrupt) {
                return t;
            }
            second = second ? second : t;
        }
    }
    return second;
}

static void drop_from_all(struct thread_group *tg, ksigset_t set)
{
    struct task *t;
    sigpending_drop(&tg->pending, set);
    list_for_each_entry (t, &tg->threads, group_link) {
        sigpending_drop(&t->pending, set);
    }
}

/* SIGCONT takes effect when it is sent, blocked or ignored or not. */
static void resume_group(struct thread_group *tg)
{
    struct task *t;
    bool was_stopped = tg->stopped;
    bool was_stopping = tg->stop_count > 0;
    tg->stopped = false;
    tg->stop_count = 0;
    list_for_each_entry (t, &tg->threads, group_link) {
        t->stop_pending = false;
        ptrace_group_stop_changed(t);
        if (t->stopped) {
            t->stopped = false;
            if (t->kthread) {
                kthread_wake(t->kthread);
            }
        }
    }
    if (was_stopped) {
        tg->continued = true;
        signal_notify_parent_stop(tg, CLD_CONTINUED);
    } else if (was_stopping) {
        signal_notify_parent_stop(tg, CLD_STOPPED);
    }
}

/* What a signal does by being sent. Return: false when it is to be dropped. */
static bool prepare(struct thread_group *tg, struct task *t, int sig)
{
    if (tg->exiting || tg->zombie) {
        return false;
    }
    if (SIGSET_STOP & KSIG_BIT(sig)) {
        drop_from_all(tg, KSIG_BIT(SIGCONT));
    } else if (sig == SIGCONT) {
        drop_from_all(tg, SIGSET_STOP);
        resume_group(tg);
    }
    /* A blocked signal stays even when it is ignored now: sigwait, or a handler installed later. */
    ask_masks(tg);
    if (!thread_group_is_init(tg) && ((signal_blocked(t) | t->real_blocked) & KSIG_BIT(sig))) {
        return true;
    }
    return task_traced(t) || !signal_is_ignored(tg, sig); /* its tracer wants to know */
}

/*
 * Queued for t, which takes it. A signal that will end the process anyway ends it at once (complete_signal):
 * no thread has to come by first, not one that waits for its vfork child, nor one that never lets go. Those
 * that dump core are left to their thread, which is where a report is made.
 */
static void complete(struct task *t, int sig)
{
    struct thread_group *tg = t->tg;
    bool fatal = signal_action(tg, sig)->handler == SIG_HANDLER_DFL && !thread_group_is_init(tg) &&
                 !((SIGSET_IGNORE | SIGSET_STOP | SIGSET_CORE) & KSIG_BIT(sig)) &&
                 !(t->real_blocked & KSIG_BIT(sig)) && !task_traced(t);
    if (fatal) {
        thread_group_exit(tg, sig);
    } else {
        signal_wake(t);
    }
}

static uint64_t queue_limit(const struct thread_group *tg)
{
    return tg->limits[RLIMIT_SIGPENDING].rlim_cur;
}

static int send_task(struct task *t, int sig, const siginfo_t *info, bool timer)
{
    struct thread_group *tg = t->tg;
    if (t->exited || !prepare(tg, t, sig)) {
        return 0;
    }
    if (sig == SIGKILL) {
        thread_group_exit(tg, SIGKILL);
        return 0;
    }
    int r = sigpending_add(&t->pending, sig, info, queue_limit(tg), timer);
    if (r == 0) {
        waitq_wake(&tg->sighand->signalfd_wait, EPOLLIN);
    }
    if (r == 0 && wants(t, sig)) {
        complete(t, sig);
    }
    return r;
}

static int send_group(struct thread_group *tg, struct task *first, int sig, const siginfo_t *info,
                      bool timer)
{
    if (!tg->leader || !prepare(tg, tg->leader, sig)) {
        return 0;
    }
    if (sig == SIGKILL) {
        thread_group_exit(tg, SIGKILL);
        return 0;
    }
    int r = sigpending_add(&tg->pending, sig, info, queue_limit(tg), timer);
    if (r == 0) {
        waitq_wake(&tg->sighand->signalfd_wait, EPOLLIN);
        struct task *t = choose(tg, first, sig);
        if (t) {
            complete(t, sig);
        }
    }
    return r;
}

int signal_send_task(struct task *t, int sig, const siginfo_t *info)
{
    return send_task(t, sig, info, false);
}

int signal_send_group(struct thread_group *tg, int sig, const siginfo_t *info)
{
    return send_group(tg, tg->leader, sig, info, false);
}

int signal_send_runner(struct task *t, int sig)
{
    return send_group(t->tg, t, sig, NULL, false);
}

int signal_send_timer(struct thread_group *tg, struct task *target, const siginfo_t *info)
{
    return target ? send_task(target, info->si_signo, info, true)
                  : send_group(tg, tg->leader, info->si_signo, info, true);
}

int signal_send_pgrp(int pgid, int sig, const siginfo_t *info)
{
    struct pid *p = pid_find(pgid);
    int count = 0;
    if (!p) {
        return 0;
    }
    struct list *l, *next;
    pid_get(p);
    for (l = p->pgrp_members.next; l != &p->pgrp_members; l = next) {
        struct thread_group *tg = list_entry(l, struct thread_group, pgrp_link);
        next = l->next;
        if (signal_send_group(tg, sig, info) == 0) {
            count++;
        }
    }
    pid_put(p);
    return count;
}

void signal_force(struct task *t, int sig, const siginfo_t *info)
{
    bool blocked = t->blocked & KSIG_BIT(sig);
    if (blocked || signal_action(t->tg, sig)->handler == SIG_HANDLER_IGN) {
        signal_action_edit(t->tg, sig)->handler = SIG_HANDLER_DFL;
        signal_action_changed(t->tg, KSIG_BIT(sig));
        signal_set_blocked(t, t->blocked & ~KSIG_BIT(sig));
    }
    int r = signal_send_task(t, sig, info);
    (void)r; /* a standard signal always finds room for its bit */
    signal_recalc(t);
}

void signal_fault(struct task *t, int sig, int code, uaddr_t addr, uint64_t trapno, uint64_t error)
{
    siginfo_t info;
    siginfo_init(&info, sig, code, 0, 0);
    /* SI_KERNEL faults (non-canonical addresses) and traps other than page faults carry what the CPU said. */
    info.si_addr = (void *)(uintptr_t)addr;
    t->fault_trapno = trapno;
    t->fault_error = error;
    if (trapno == 14) { /* #PF: only it sets CR2 */
        t->fault_addr = addr;
        /* The bits that are known even from an engine that can't see the error code: user, present. */
        t->fault_error |= 4u | (sig == SIGSEGV && code == SEGV_ACCERR);
    }
    signal_force(t, sig, &info);
}

void signal_kill_group(struct thread_group *tg, int sig)
{
    thread_group_exit(tg, sig);
}

void signal_retarget(struct task *t, ksigset_t set)
{
    struct thread_group *tg = t->tg;
    set &= tg->pending.set;
    struct task *other;
    list_for_each_entry (other, &tg->threads, group_link) {
        if (!set) {
            return;
        }
        if (other == t || !task_alive(other) || !(set & ~signal_blocked(other))) {
            continue;
        }
        set &= other->blocked;
        signal_wake(other);
    }
}

bool signal_pending(const struct task *t)
{
    return t->must_exit || t->restore_saved_mask || (t->kthread && t->kthread->interrupt);
}

void signal_recalc(struct task *t)
{
    ksigset_t ready = (t->pending.set | t->tg->pending.set) & ~t->blocked;
    if (t->kthread) {
        bool trap = task_traced(t) && t->ptrace->trap_pending;
        t->kthread->interrupt = ready || t->stop_pending || t->must_exit || trap;
    }
}

void signal_set_blocked(struct task *t, ksigset_t set)
{
    set &= ~KSIG_UNBLOCKABLE;
    ksigset_t newly = set & ~t->blocked;
    t->blocked = set;
    if (t->pt) {
        platform_set_mask(t->pt, set);
    }
    if (newly && t->tg->live_threads > 1) {
        signal_retarget(t, newly);
    }
    signal_recalc(t);
}

void signal_sets(struct thread_group *tg, ksigset_t *out_ignored, ksigset_t *out_caught)
{
    *out_ignored = *out_caught = 0;
    for (int sig = 1; sig <= KSIG_MAX && tg->sighand; sig++) {
        uaddr_t handler = signal_action(tg, sig)->handler;
        if (handler == SIG_HANDLER_IGN) {
            *out_ignored |= KSIG_BIT(sig);
        } else if (handler != SIG_HANDLER_DFL) {
            *out_caught |= KSIG_BIT(sig);
        }
    }
}
