/*
 * A process's own side of signals: rt_sigaction, masks, rt_sigpending, waiting for signals, sigaltstack,
 * rt_sigreturn, restart_syscall. See signal(7).
 */
#include "sentry/base/errno.h"

#include "platform/platform.h"
#include "sentry/base/timer.h"
#include "sentry/mm/usercopy.h"
#include "sentry/task/task.h"
#include "syscalls/syscalls.h"
#include "syscalls/timespec.h"

#ifndef SS_AUTODISARM
#define SS_AUTODISARM (1U << 31)
#endif
/* UAPI_SA_FLAGS: what else a program sets is cleared, so that it can find out what is supported. */
#define SA_KNOWN                                                                                   \
    (SA_NOCLDSTOP | SA_NOCLDWAIT | SA_SIGINFO | SA_ONSTACK | SA_RESTART | SA_NODEFER |             \
     SA_RESETHAND | 0x04000000 /* SA_RESTORER */ | 0x800 /* SA_EXPOSE_TAGBITS */)
_Static_assert((unsigned)SA_KNOWN == FACT_ACTION_FLAGS, "what a process may set by itself");

long sys_rt_sigaction(struct task *t, int signum, uaddr_t act, uaddr_t oldact, size_t sigsetsize)
{
    struct ksigaction new, old;
    if (sigsetsize != sizeof(ksigset_t)) {
        return -EINVAL;
    }
    if (act && get_user(t->mm, &new, act) < 0) {
        return -EFAULT;
    }
    if (signum < 1 || signum > KSIG_MAX || (act && (KSIG_BIT(signum) & KSIG_UNBLOCKABLE))) {
        return -EINVAL;
    }
    old = *signal_action(t->tg, signum);
    if (act) {
        new.flags &= (uint64_t)(unsigned)SA_KNOWN;
        new.mask &= ~KSIG_UNBLOCKABLE;
        signal_set_action(t, signum, &new);
    }
    signal_keep_actions(t);
    return oldact ? put_user(t->mm, oldact, &old) : 0;
}

long sys_rt_sigprocmask(struct task *t, int how, uaddr_t set, uaddr_t oldset, size_t sigsetsize)
{
    ksigset_t old = t->blocked, new;
    if (sigsetsize != sizeof(ksigset_t)) {
        return -EINVAL;
    }
    if (set) {
        if (get_user(t->mm, &new, set) < 0) {
            return -EFAULT;
        }
        switch (how) {
        case SIG_BLOCK:
            new |= old;
            break;
        case SIG_UNBLOCK:
            new = old & ~new;
            break;
        case SIG_SETMASK:
            break;
        default:
            return -EINVAL;
        }
        signal_set_blocked(t, new);
    }
    return oldset ? put_user(t->mm, oldset, &old) : 0;
}

long sys_rt_sigpending(struct task *t, uaddr_t set, size_t sigsetsize)
{
    if (sigsetsize > sizeof(ksigset_t)) {
        return -EINVAL;
    }
    ksigset_t pending = (t->pending.set | t->tg->pending.set) & t->blocked;
    return copy_out(t->mm, set, &pending, sigsetsize);
}

/* Sleeps until a signal wants in. */
static void wait_for_signal(struct task *t)
{
    (void)t;
    while (waitq_sleep(WAIT_INTERRUPTIBLE, WAIT_FOREVER) == 0) {
    }
}

long sys_pause(struct task *t)
{
    wait_for_signal(t);
    return -ERESTARTNOHAND;
}

long sys_rt_sigsuspend(struct task *t, uaddr_t mask, size_t sigsetsize)
{
    ksigset_t set;
    if (sigsetsize != sizeof(ksigset_t)) {
        return -EINVAL;
    }
    if (get_user(t->mm, &set, mask) < 0) {
        return -EFAULT;
    }
    ksigset_t old = t->blocked;
    signal_set_blocked(t, set);
    wait_for_signal(t);
    t->saved_mask = old;
    t->restore_saved_mask = true;
    return -ERESTARTNOHAND;
}

long sys_rt_sigtimedwait(struct task *t, uaddr_t set, uaddr_t uinfo, uaddr_t timeout,
                         size_t sigsetsize)
{
    ksigset_t these;
    siginfo_t info;
    int64_t left_ns = -1;
    if (sigsetsize != sizeof(ksigset_t)) {
        return -EINVAL;
    }
    if (get_user(t->mm, &these, set) < 0) {
        return -EFAULT;
    }
    if (timeout) {
        int r = timespec_in(t->mm, timeout, &left_ns);
        if (r < 0) {
            return r;
        }
    }
    int sig = signal_wait_for(t, these & ~KSIG_UNBLOCKABLE,
                              timeout ? deadline_after(left_ns) : WAIT_FOREVER, &info);
    if (sig < 0) {
        return sig;
    }
    if (uinfo && put_user(t->mm, uinfo, &info) < 0) {
        return -EFAULT;
    }
    return sig;
}

static int set_altstack(struct task *t, const stack_t *new)
{
    unsigned flags = (unsigned)new->ss_flags, mode = flags & ~SS_AUTODISARM;
    if (signal_on_altstack(t, platform_call_sp(t->pt))) {
        return -EPERM;
    }
    if (mode != SS_DISABLE && mode != SS_ONSTACK && mode != 0) {
        return -EINVAL;
    }
    if (mode == SS_DISABLE) {
        t->altstack = (stack_t){.ss_flags = new->ss_flags};
        return 0;
    }
    if (new->ss_size < KERNEL_MINSIGSTKSZ) {
        return -ENOMEM;
    }
    t->altstack = *new;
    return 0;
}

long sys_sigaltstack(struct task *t, uaddr_t ss, uaddr_t old_ss)
{
    stack_t new, old = {.ss_sp = t->altstack.ss_sp, .ss_size = t->altstack.ss_size};
    unsigned flags = (unsigned)t->altstack.ss_flags & SS_AUTODISARM;
    if (!old.ss_size) {
        flags |= SS_DISABLE;
    } else if (signal_on_altstack(t, platform_call_sp(t->pt))) {
        flags |= SS_ONSTACK;
    }
    old.ss_flags = (int)flags;
    if (ss) {
        if (get_user(t->mm, &new, ss) < 0) {
            return -EFAULT;
        }
        int r = set_altstack(t, &new);
        if (r < 0) {
            return r;
        }
        signal_altstack_changed(t);
    }
    return old_ss ? put_user(t->mm, old_ss, &old) : 0;
}

long sys_rt_sigreturn(struct task *t)
{
    AUTO_FREE struct guest_context *ctx = aligned_alloc(64, ALIGN_UP(sizeof(*ctx), 64UL));
    if (!ctx) {
        signal_kill_group(t->tg, SIGKILL);
        return -ENOMEM;
    }
    int r = platform_get_context(t->pt, ctx);
    if (r < 0) {
        return r; /* the guest died */
    }
    signal_return(t, ctx);
    platform_set_context(t->pt, ctx);
    t->context_replaced = true;
    return 0;
}

long sys_restart_syscall(struct task *t)
{
    return t->restart ? t->restart(t) : -EINTR;
}
