/*
 * Acting on signals: what a thread does with what is pending before it returns to guest code.
 * Analogous to Linux's get_signal, do_signal_stop and arch_do_signal_or_restart.
 *
 * Group stop: the thread that takes a stop signal marks every thread of its process (stop_pending) and
 * counts them; each enters the stop when it gets here, and the last one tells the parent. SIGCONT
 * undoes it wherever it is (signal_send.c).
 */
#include "sentry/mm/usercopy.h"
#include "sentry/task/facts.h"
#include "sentry/task/internal.h"
#include "sentry/task/ptrace.h"

#include <sys/syscall.h>

#define SYSCALL_INSN_SIZE 2

int signal_dequeue(struct task *t, ksigset_t mask, siginfo_t *out)
{
    struct sigpending *from = &t->pending;
    int sig = sigpending_next(from, mask);
    if (!sig) {
        from = &t->tg->pending;
        sig = sigpending_next(from, mask);
    }
    if (!sig) {
        return 0;
    }
    sigpending_take(from, sig, out);
    if (out->si_code == SI_TIMER) {
        posix_timer_dequeued(t->tg, out);
    }
    return sig;
}

/* --- stop and continue --- */

static bool parent_wants_stops(struct thread_group *parent)
{
    const struct ksigaction *a = signal_action(parent, SIGCHLD);
    return a->handler != SIG_HANDLER_IGN && !(a->flags & SA_NOCLDSTOP);
}

void signal_notify_parent_stop(struct thread_group *tg, int code)
{
    struct thread_group *parent = tg->parent;
    if (!parent) {
        return;
    }
    if (parent_wants_stops(parent)) {
        siginfo_t info;
        siginfo_init(&info, SIGCHLD, code, tg->pid->nr, tg->leader->cred->uid);
        info.si_status = code == CLD_CONTINUED ? SIGCONT : tg->stop_signal;
        int r = signal_send_group(parent, SIGCHLD, &info);
        (void)r; /* SIGCHLD is never queued twice, and never fails */
    }
    waitq_wake(&parent->wait_children, 0);
}

/* One thread less to wait for. */
static void stop_arrive(struct thread_group *tg)
{
    BUG_ON(tg->stop_count <= 0);
    if (--tg->stop_count == 0) {
        tg->stopped = true;
        tg->stop_reported = false;
        tg->continued = false;
        signal_notify_parent_stop(tg, CLD_STOPPED);
    }
}

void signal_stop_leave(struct task *t)
{
    if (t->stop_pending) {
        t->stop_pending = false;
        stop_arrive(t->tg);
    }
}

static void stop_begin(struct thread_group *tg, int sig)
{
    struct task *t;
    tg->stop_signal = sig;
    tg->stop_count = 0;
    list_for_each_entry (t, &tg->threads, group_link) {
        if (t->exited || t->must_exit) {
            continue;
        }
        tg->stop_count++;
        t->stop_pending = true;
        signal_wake(t);
        ptrace_group_stop_changed(t);
    }
}

void signal_stay_stopped(struct task *t)
{
    t->stopped = true;
    while (t->stopped && !t->must_exit) {
        if (waitq_sleep(WAIT_KILLABLE, WAIT_FOREVER) < 0) {
            break; /* killed, or the host has ended its process */
        }
    }
    t->stopped = false;
}

/* Context: may block until SIGCONT or death. */
static void stop_here(struct task *t)
{
    signal_stop_leave(t);
    signal_stay_stopped(t);
    signal_recalc(t);
}

/* --- delivery --- */

void (*g_signal_fatal)(struct task *t, const struct guest_context *ctx, const siginfo_t *info);

/* The interrupted call ends with result. ctx NULL: the guest's side has the registers, here and below. */
static void call_return(struct task *t, struct guest_context *ctx, long result)
{
    if (ctx) {
        ctx->regs.rax = (uint64_t)result;
    } else {
        platform_set_result(t->pt, result);
    }
}

static void call_again(struct task *t, struct guest_context *ctx, long nr)
{
    if (ctx) {
        ctx->regs.rax = (uint64_t)nr;
        ctx->regs.rip -= SYSCALL_INSN_SIZE;
    } else {
        platform_redo_call(t->pt, nr);
    }
}

/* Linux's handle_signal: whether the interrupted call is restarted depends on the handler. */
static void restart_for_handler(struct task *t, struct guest_context *ctx,
                                const struct ksigaction *a, long nr, long result)
{
    bool again = result == -ERESTARTNOINTR || (result == -ERESTARTSYS && (a->flags & SA_RESTART));
    if (again) {
        call_again(t, ctx, nr);
    } else if (result == -ERESTART_RESTARTBLOCK || result == -ERESTARTNOHAND ||
               result == -ERESTARTSYS) {
        call_return(t, ctx, -EINTR);
    }
}

static void restart_without_handler(struct task *t, struct guest_context *ctx, long nr, long result)
{
    switch (result) {
    case -ERESTARTNOHAND:
    case -ERESTARTSYS:
    case -ERESTARTNOINTR:
        call_again(t, ctx, nr);
        break;
    case -ERESTART_RESTARTBLOCK:
        call_again(t, ctx, SYS_restart_syscall);
        break;
    default:
        break;
    }
}

/* A handler frame that can't be written, or a frame that can't be read back. */
static void force_segv(struct task *t, int sig)
{
    if (sig == SIGSEGV) {
        signal_action_edit(t->tg, SIGSEGV)->handler = SIG_HANDLER_DFL;
        signal_action_changed(t->tg, KSIG_BIT(SIGSEGV));
    }
    signal_force(t, SIGSEGV, NULL);
}

void signal_bad_frame(struct task *t)
{
    signal_set_blocked(t, t->frame_mask); /* the handler did not begin */
    force_segv(t, t->frame_sig);
}

/*
 * Next time the guest's side may run this handler without us. Not where sending has effects of its own, where the action
 * is gone afterwards, or where a process that we could not tell of a change shares it.
 */
static void keep_action(struct task *t, int sig, const struct ksigaction *a)
{
    if ((a->flags & SA_RESETHAND) || t->tg->sighand->ref.n != 1 ||
        ((SIGSET_STOP | KSIG_BIT(SIGCONT)) & KSIG_BIT(sig))) {
        return;
    }
    struct platform_action keep = {.handler = a->handler,
                                   .restorer = a->restorer,
                                   .flags = a->flags,
                                   .mask = a->mask,
                                   .pid = task_tgid(t),
                                   .tid = task_tid(t),
                                   .uid = t->cred->uid};
    platform_keep_action(t->pt, sig, &keep);
}

/* Return: true when the handler will run. */
static bool run_handler(struct task *t, struct guest_context *ctx, int sig,
                        const struct ksigaction *a, const siginfo_t *info)
{
    struct platform_signal order = {.sig = sig, .info = info};
    ksigset_t old_mask = t->restore_saved_mask ? t->saved_mask : t->blocked;
    int r = ctx ? signal_setup_frame(t, ctx, sig, a, info, old_mask)
                : signal_plan_frame(t, a, old_mask, &order);
    if (r < 0) {
        force_segv(t, sig);
        return false;
    }
    t->restore_saved_mask = false;
    ksigset_t mask = t->blocked | a->mask;
    if (!(a->flags & SA_NODEFER)) {
        mask |= KSIG_BIT(sig);
    }
    signal_set_blocked(t, mask);
    if (!ctx) {
        t->frame_sig = sig;
        t->frame_mask = old_mask;
        order.more = signal_pending(t);
        platform_signal(t->pt, &order);
        keep_action(t, sig, a);
    }
    return true;
}

/* A crash report needs the registers. Context: may block. */
static void report_fatal(struct task *t, const struct guest_context *ctx, const siginfo_t *info)
{
    if (ctx) {
        g_signal_fatal(t, ctx, info);
        return;
    }
    AUTO_FREE struct guest_context *own = aligned_alloc(64, ALIGN_UP(sizeof(*own), 64UL));
    if (own && platform_get_context(t->pt, own) == 0) {
        g_signal_fatal(t, own, info);
    }
}

/* SIG_DFL. Return: false when the task has to die. Context: may block (a crash report). */
static bool default_action(struct task *t, const struct guest_context *ctx, const siginfo_t *info,
                           int sig)
{
    struct thread_group *tg = t->tg;
    if ((SIGSET_IGNORE & KSIG_BIT(sig)) || thread_group_is_init(tg)) {
        return true;
    }
    if (SIGSET_STOP & KSIG_BIT(sig)) {
        /* Nobody could continue an orphaned process group; only SIGSTOP stops it all the same. */
        if (sig == SIGSTOP || !pgrp_is_orphaned(tg->pgrp, NULL)) {
            stop_begin(tg, sig);
        }
        return true;
    }
    ptrace_exit_event(t, sig);
    if (unlikely(g_signal_fatal) && (SIGSET_CORE & KSIG_BIT(sig))) {
        report_fatal(t, ctx, info);
    }
    thread_group_exit(tg, sig);
    return false;
}

void (*g_signal_trace)(struct task *t, const siginfo_t *info);

static void deliver_traced(struct task *t, long nr, long syscall_result);

void signal_deliver(struct task *t, struct guest_context *ctx, long nr, long syscall_result)
{
    bool handled = false;
    for (;;) {
        if (t->tg->exiting) {
            t->must_exit = true;
        }
        if (t->must_exit) {
            return;
        }
        bool traced = task_traced(t) != NULL;
        if (traced && !ctx) {
            deliver_traced(t, nr, syscall_result);
            return;
        }
        if (t->stop_pending && !traced) {
            stop_here(t);
            continue;
        }
        if (traced && (t->stop_pending || t->ptrace->trap_pending)) {
            ptrace_group_stop(t, ctx);
            continue;
        }
        siginfo_t info;
        int sig = signal_dequeue(t, t->blocked, &info);
        if (!sig && t->restore_saved_mask) {
            /* What the temporary mask kept out comes after the interrupted call's fate is sealed. */
            if (!handled && nr >= 0) {
                restart_without_handler(t, ctx, nr, syscall_result);
            }
            nr = -1;
            t->restore_saved_mask = false;
            signal_set_blocked(t, t->saved_mask);
            continue;
        }
        if (!sig) {
            break;
        }
        if (traced && sig != SIGKILL) {
            sig = ptrace_signal(t, ctx, &info, &nr, &syscall_result);
            if (!sig) {
                continue;
            }
        }
        if (unlikely(g_signal_trace)) {
            g_signal_trace(t, &info);
        }
        const struct ksigaction *a = signal_action(t->tg, sig);
        if (a->handler == SIG_HANDLER_IGN) {
            continue;
        }
        if (a->handler == SIG_HANDLER_DFL) {
            if (!default_action(t, ctx, &info, sig)) {
                return;
            }
            continue;
        }
        struct ksigaction action = *a;
        if (action.flags & SA_RESETHAND) {
            signal_action_edit(t->tg, sig)->handler = SIG_HANDLER_DFL;
            facts_forget_of(t->tg, FACT_ACTIONS);
        }
        if (nr >= 0 && !handled) {
            restart_for_handler(t, ctx, &action, nr, syscall_result);
        }
        handled = true;
        bool entered = run_handler(t, ctx, sig, &action, &info);
        if (entered && !ctx) {
            return; /* one frame at a time: platform_signal.more brings us back for the next */
        }
        if (entered) {
            ptrace_handler_entered(t, ctx);
        }
    }
    if (!handled && nr >= 0) {
        restart_without_handler(t, ctx, nr, syscall_result);
    }
    signal_recalc(t);
}

/* It began to be traced while it was stopped: from here on there is a context to show. Context: may block. */
static void deliver_traced(struct task *t, long nr, long syscall_result)
{
    struct guest_context *ctx = ptrace_context(t);
    if (!ctx) {
        return; /* it died: the next switch says so */
    }
    if (nr >= 0) {
        ctx->regs.rax = (uint64_t)syscall_result;
    }
    signal_deliver(t, ctx, nr, syscall_result);
    if (!t->must_exit) {
        ptrace_context_done(t, ctx);
    }
}

/* --- what a process asks for --- */

void signal_set_action(struct task *t, int sig, const struct ksigaction *a)
{
    struct thread_group *tg = t->tg;
    struct task *other;
    *signal_action_edit(tg, sig) = *a;
    signal_action_changed(tg, KSIG_BIT(sig));
    if (!signal_is_ignored(tg, sig)) {
        return;
    }
    sigpending_drop(&tg->pending, KSIG_BIT(sig));
    list_for_each_entry (other, &tg->threads, group_link) {
        sigpending_drop(&other->pending, KSIG_BIT(sig));
    }
}

int signal_wait_for(struct task *t, ksigset_t set, int64_t deadline_ns, siginfo_t *out)
{
    int sig = signal_dequeue(t, ~set, out);
    if (sig) {
        signal_recalc(t);
        return sig;
    }
    if (deadline_ns <= ktime_monotonic_ns()) {
        return -EAGAIN;
    }
    /* Unblocked while it waits, so that senders choose and wake this thread. */
    t->real_blocked = t->blocked;
    t->blocked &= ~set;
    signal_recalc(t);
    int r;
    do {
        r = waitq_sleep(WAIT_INTERRUPTIBLE, deadline_ns);
    } while (r == 0);
    ksigset_t blocked = t->real_blocked;
    t->real_blocked = 0;
    sig = signal_dequeue(t, ~set, out);
    signal_set_blocked(t, blocked);
    if (sig) {
        return sig;
    }
    return r == -ETIMEDOUT ? -EAGAIN : -EINTR;
}

/* --- temporary masks --- */

int signal_set_user_mask(struct task *t, uaddr_t mask, size_t size)
{
    ksigset_t set;
    if (!mask) {
        return 0;
    }
    if (size != sizeof(set)) {
        return -EINVAL;
    }
    if (get_user(t->mm, &set, mask) < 0) {
        return -EFAULT;
    }
    t->saved_mask = t->blocked;
    t->restore_saved_mask = true;
    signal_set_blocked(t, set);
    return 0;
}

void signal_restore_mask_unless(struct task *t, bool interrupted)
{
    if (!interrupted && t->restore_saved_mask) {
        t->restore_saved_mask = false;
        signal_set_blocked(t, t->saved_mask);
    }
}
