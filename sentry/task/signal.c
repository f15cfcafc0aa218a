/*
 * Acting on signals: what a thread does with what is pending before it returns to guest code.
 * Analogous to Linux's get_signal, do_signal_stop and arch_do_signal_or_restart.
 *
 * Group stop: the thread that takes a stop signal marks every thread of its process (stop_pending) and
 * counts them; each enters the stop when it gets here, and the last one tells the parent. SIGCONT
 * undoes it wherever it is (signal_send.c).
 */
#include "sentry/mm/usercopy.h"
#include "sentry/task/internal.h"

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

static bool parent_wants_stops(const struct thread_group *parent)
{
    const struct ksigaction *a = &parent->sighand->action[SIGCHLD];
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
    }
}

/* Context: may block until SIGCONT or death. */
static void stop_here(struct task *t)
{
    t->stop_pending = false;
    t->stopped = true;
    stop_arrive(t->tg);
    while (t->stopped && !t->must_exit) {
        int r = waitq_sleep(WAIT_KILLABLE, WAIT_FOREVER);
        (void)r; /* killed: must_exit says so */
    }
    t->stopped = false;
    signal_recalc(t);
}

/* --- delivery --- */

void (*g_signal_fatal)(struct task *t, const struct guest_context *ctx, const siginfo_t *info);

/* Linux's handle_signal: whether the interrupted call is restarted depends on the handler. */
static void restart_for_handler(struct guest_context *ctx, const struct ksigaction *a, long nr,
                                long result)
{
    switch (result) {
    case -ERESTART_RESTARTBLOCK:
    case -ERESTARTNOHAND:
        ctx->regs.rax = (uint64_t)-EINTR;
        return;
    case -ERESTARTSYS:
        if (!(a->flags & SA_RESTART)) {
            ctx->regs.rax = (uint64_t)-EINTR;
            return;
        }
        break;
    case -ERESTARTNOINTR:
        break;
    default:
        return;
    }
    ctx->regs.rax = (uint64_t)nr;
    ctx->regs.rip -= SYSCALL_INSN_SIZE;
}

static void restart_without_handler(struct guest_context *ctx, long nr, long result)
{
    switch (result) {
    case -ERESTARTNOHAND:
    case -ERESTARTSYS:
    case -ERESTARTNOINTR:
        ctx->regs.rax = (uint64_t)nr;
        break;
    case -ERESTART_RESTARTBLOCK:
        ctx->regs.rax = SYS_restart_syscall;
        break;
    default:
        return;
    }
    ctx->regs.rip -= SYSCALL_INSN_SIZE;
}

/* A handler frame that can't be written, or a frame that can't be read back. */
static void force_segv(struct task *t, int sig)
{
    if (sig == SIGSEGV) {
        t->tg->sighand->action[SIGSEGV].handler = SIG_HANDLER_DFL;
    }
    signal_force(t, SIGSEGV, NULL);
}

static void run_handler(struct task *t, struct guest_context *ctx, int sig,
                        const struct ksigaction *a, const siginfo_t *info)
{
    ksigset_t old_mask = t->restore_saved_mask ? t->saved_mask : t->blocked;
    if (signal_setup_frame(t, ctx, sig, a, info, old_mask) < 0) {
        force_segv(t, sig);
        return;
    }
    t->restore_saved_mask = false;
    ksigset_t mask = t->blocked | a->mask;
    if (!(a->flags & SA_NODEFER)) {
        mask |= KSIG_BIT(sig);
    }
    signal_set_blocked(t, mask);
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
    if (unlikely(g_signal_fatal) && (SIGSET_CORE & KSIG_BIT(sig))) {
        g_signal_fatal(t, ctx, info);
    }
    thread_group_exit(tg, sig);
    return false;
}

void (*g_signal_trace)(struct task *t, const siginfo_t *info);

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
        if (t->stop_pending) {
            stop_here(t);
            continue;
        }
        siginfo_t info;
        int sig = signal_dequeue(t, t->blocked, &info);
        if (!sig) {
            break;
        }
        if (unlikely(g_signal_trace)) {
            g_signal_trace(t, &info);
        }
        struct ksigaction *a = &t->tg->sighand->action[sig];
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
            a->handler = SIG_HANDLER_DFL;
        }
        if (nr >= 0 && !handled) {
            restart_for_handler(ctx, &action, nr, syscall_result);
        }
        handled = true;
        run_handler(t, ctx, sig, &action, &info);
    }
    if (!handled && nr >= 0) {
        restart_without_handler(ctx, nr, syscall_result);
    }
    if (t->restore_saved_mask) {
        t->restore_saved_mask = false;
        signal_set_blocked(t, t->saved_mask);
    }
    signal_recalc(t);
}

/* --- what a process asks for --- */

void signal_set_action(struct task *t, int sig, const struct ksigaction *a)
{
    struct thread_group *tg = t->tg;
    struct task *other;
    tg->sighand->action[sig] = *a;
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
