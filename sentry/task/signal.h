/*
 * Signals: dispositions, queues, delivery. See signal(7). State is the sentry's alone; handler frames
 * are written to the guest's stack in Linux's rt_sigframe layout (signal_x86_64.c).
 */
#pragma once

#include <signal.h>
#include <stdbool.h>

#include "lib/list.h"
#include "lib/macros.h"
#include "lib/refcount.h"
#include "sentry/base/waitq.h"

struct guest_context;
struct task;
struct platform_thread;
struct thread_group;

#define KSIG_MAX 64
typedef uint64_t ksigset_t; /* bit sig-1 */
#define KSIG_BIT(sig)    (1ULL << ((sig)-1))
#define KSIG_UNBLOCKABLE (KSIG_BIT(SIGKILL) | KSIG_BIT(SIGSTOP))

struct ksigaction {  /* the kernel's struct sigaction, as rt_sigaction(2) passes it */
    uaddr_t handler; /* SIG_DFL 0, SIG_IGN 1 */
    uint64_t flags;  /* SA_* */
    uaddr_t restorer;
    ksigset_t mask;
};
struct sighand { /* shared by CLONE_SIGHAND */
    struct refcount ref;
    struct ksigaction action[KSIG_MAX + 1];
    struct waitq signalfd_wait; /* woken when any signal is queued; signalfd.c */
};
struct ksiginfo { /* queued; info is Linux's 128-byte siginfo_t */
    struct list link;
    siginfo_t info;
};
struct sigpending {
    ksigset_t set;
    struct list queue; /* owned struct ksiginfo */
    size_t count;
};

MUST_CHECK int sighand_new(struct sighand **out);
MUST_CHECK int sighand_copy(const struct sighand *s, struct sighand **out);
struct sighand *sighand_get(struct sighand *s);
void sighand_put(struct sighand *s);
void sigpending_init(struct sigpending *p);
void sigpending_flush(struct sigpending *p);

/* Sends to one task / to the process. info NULL: SI_KERNEL. 0, or -EAGAIN (RLIMIT_SIGPENDING, RT signals only). */
int signal_send_task(struct task *t, int sig, const siginfo_t *info);
int signal_send_group(struct thread_group *tg, int sig, const siginfo_t *info);
/* To t's process, which t takes if it can. info: SI_KERNEL. */
int signal_send_runner(struct task *t, int sig);
/* From a POSIX timer of tg; target NULL: to all of it. */
int signal_send_timer(struct thread_group *tg, struct task *target, const siginfo_t *info);
/* To every process of a process group: terminal signals, kill(-pgrp). Return: how many got it. */
int signal_send_pgrp(int pgid, int sig, const siginfo_t *info);
/* A synchronous fault: can't be blocked or ignored; kills if it is. */
void signal_force(struct task *t, int sig, const siginfo_t *info);
/* Ends the whole process with this signal status, e.g. a stub that the host killed. */
void signal_kill_group(struct thread_group *tg, int sig);
/* Is there something for t to act on before it returns to guest code? */
bool signal_pending(const struct task *t);
/* Recomputes t's interrupt flag after its mask or pending set changed. */
void signal_recalc(struct task *t);
/**
 * signal_deliver - act on what is pending: stop, die, or run handlers. Called before the guest resumes.
 * @ctx: the guest's full context, to build frames in; NULL: the guest's side builds them
 *       (platform_can_signal said so, and signal_needs_context did not).
 * @syscall_result: the interrupted system call's internal result (-ERESTART*), else 0 or anything
 *                  else; @nr its number, -1 when the guest was not in a system call.
 *
 * Context: may block (stopped). Does not return for a task that dies: then task_must_exit(t) is true.
 */
void signal_deliver(struct task *t, struct guest_context *ctx, long nr, long syscall_result);
/* Frames are made here, with a context: for t's alternate stack, or since t is traced. */
bool signal_needs_context(const struct task *t);
/* The frame that the guest's side was to write could not be written. */
void signal_bad_frame(struct task *t);
/* rt_sigreturn: ctx is replaced by the frame at its rsp. A bad frame forces SIGSEGV. */
void signal_return(struct task *t, struct guest_context *ctx);
/* A platform FAULT event: remembers it for sigcontext, and forces the signal with its siginfo. */
void signal_fault(struct task *t, int sig, int code, uaddr_t addr, uint64_t trapno, uint64_t error);
/* Sets the signal mask for good: recomputes what is pending, and hands process signals that are now blocked to other threads. */
void signal_set_blocked(struct task *t, ksigset_t set);
/* t's mask, which it may have changed without a system call (platform_set_mask) since it was last here. */
ksigset_t signal_blocked(struct task *t);

/*
 * What tg does with sig. The process may have changed it by itself since it was last here: only these two see that. const: as it is
 * now; edit: to be changed, by a task of tg in the kernel, which then says so to signal_action_changed.
 */
const struct ksigaction *signal_action(struct thread_group *tg, int sig);
struct ksigaction *signal_action_edit(struct thread_group *tg, int sig);
/* All of tg's actions are in its sighand: to be copied. */
void signal_actions_read(struct thread_group *tg);
/* The same, and the process changes no more of them by itself. */
void signal_actions_take_back(struct thread_group *tg);
/* tg's handlers for these signals are not what they were, or not only its own: its threads must ask again. */
void signal_action_changed(struct thread_group *tg, ksigset_t signals);
/* t has asked for its actions or set one: perhaps it shall know them. */
void signal_keep_actions(struct task *t);
/* child is about to run, as a process of its own: a shell's children set what is set already. */
void signal_child_actions(struct task *t, struct task *child);
/* The same for one that runs in its parent's memory: posix_spawn asks what it does with each signal, mostly nothing. */
void signal_borrower_actions(struct task *child, struct platform_thread *pt);
/* rt_sigaction: installs *a (already checked); what becomes ignored is no longer pending. */
void signal_set_action(struct task *t, int sig, const struct ksigaction *a);
/**
 * signal_wait_for - rt_sigtimedwait: take a signal of set, pending or to come before the deadline.
 * Context: may block. Return: the signal. Errors: -EAGAIN time is up; -EINTR another signal wants in.
 */
MUST_CHECK int signal_wait_for(struct task *t, ksigset_t set, int64_t deadline_ns, siginfo_t *out);
/**
 * signal_set_user_mask - the temporary mask of ppoll, pselect6, epoll_pwait (Linux's set_user_sigmask).
 * @mask: guest address of a sigset; 0: nothing to do. @size must be 8 then.
 * Errors: -EINVAL, -EFAULT. Undo with signal_restore_mask_unless(t, result is -ERESTART* or -EINTR).
 */
MUST_CHECK int signal_set_user_mask(struct task *t, uaddr_t mask, size_t size);
void signal_restore_mask_unless(struct task *t, bool interrupted);
/* t->altstack has changed. */
void signal_altstack_changed(struct task *t);
/* sp lies on t's alternate stack, and the stack is armed. */
bool signal_on_altstack(const struct task *t, uaddr_t sp);
#define KERNEL_MINSIGSTKSZ                                                                         \
    2048 /* the kernel's constant; the C library's MINSIGSTKSZ asks the auxv */
/* An empty siginfo of the given kind, sent by the current user of it: SI_USER, SI_TKILL. */
void siginfo_init(siginfo_t *info, int sig, int code, int pid, uint32_t uid);
/* Told of each signal that a task acts on; NULL: nobody listens. Set once at start, by --strace. */
extern void (*g_signal_trace)(struct task *t, const siginfo_t *info);
/* Told of each signal that dumps core, before the process ends, on the thread that takes it; NULL: nobody listens. Set
 * once at start, by --backtrace. Context: may block. */
extern void (*g_signal_fatal)(struct task *t, const struct guest_context *ctx,
                              const siginfo_t *info);
/* The disposition of sig as /proc/PID/status shows it. */
void signal_sets(struct thread_group *tg, ksigset_t *out_ignored, ksigset_t *out_caught);
