/*
 * What the files of sentry/task share with each other and with nobody else.
 */
#pragma once

#include "lib/bug.h"
#include "platform/platform.h"
#include "sentry/base/errno.h"
#include "sentry/task/task.h"

/* --- task.c, thread_group.c --- */
/* A bare task: one reference; pid is consumed also on failure. Everything else still to be filled. */
MUST_CHECK int task_alloc(struct pid *pid, struct task **out);
/* A bare group without threads: pid is consumed also on failure. */
MUST_CHECK int thread_group_alloc(struct pid *pid, struct thread_group **out);
/* Makes t visible: in tg's list of threads, in the kernel's list, and under its tid. */
void task_link(struct task *t);
void thread_group_link_leader(struct thread_group *tg, struct task *leader);
void thread_group_set_parent(struct thread_group *tg, struct thread_group *parent);
/* Removes a dead group from every list and drops the tree's reference: wait(2) is done with it. */
void thread_group_reap(struct thread_group *tg);
/* Makes t's kthread, which waits for task_launch. Errors: -ENOMEM. */
MUST_CHECK int task_make_kthread(struct task *t);
/* Lets the kthread run the guest thread pt (consumed), or end at once (pt NULL). */
void task_launch(struct task *t, struct platform_thread *pt);
/* t can still act on signals. */
static inline bool task_alive(const struct task *t)
{
    return t->kthread && !t->exited && !t->must_exit;
}

/* What SIGCHLD says of who ended with this wait(2) status: CLD_..., and si_status. */
static inline int exit_code_of(int status)
{
    return !(status & 0x7f) ? CLD_EXITED : status & 0x80 ? CLD_DUMPED : CLD_KILLED;
}
static inline int exit_value_of(int status)
{
    return status & 0x7f ? status & 0x7f : status >> 8 & 0xff;
}

/* --- wait.c --- */
/* tg has a new child, or tracee. */
void wait_somebody_came(struct thread_group *tg);
/*
 * t is about to make a child: the thread that does may be back before it is linked, and tell others of it, who then wait. Return: whose child it
 * will be, with a reference, for wait_birth_over; NULL: it will be a thread.
 */
struct thread_group *wait_birth_begins(struct task *t, uint64_t flags);
void wait_birth_over(struct thread_group *parent_consumed);

/* --- signal queues: sigqueue.c --- */
#define SIG_HANDLER_DFL 0UL
#define SIG_HANDLER_IGN 1UL
#define SIGSET_STOP     (KSIG_BIT(SIGSTOP) | KSIG_BIT(SIGTSTP) | KSIG_BIT(SIGTTIN) | KSIG_BIT(SIGTTOU))
#define SIGSET_IGNORE                                                                              \
    (KSIG_BIT(SIGCONT) | KSIG_BIT(SIGCHLD) | KSIG_BIT(SIGWINCH) | KSIG_BIT(SIGURG))
/* Their default action dumps core, were there a limit for it. */
#define SIGSET_CORE                                                                                \
    (SIGSET_SYNCHRONOUS | KSIG_BIT(SIGQUIT) | KSIG_BIT(SIGABRT) | KSIG_BIT(SIGXCPU) |              \
     KSIG_BIT(SIGXFSZ))
#define SIGSET_SYNCHRONOUS                                                                         \
    (KSIG_BIT(SIGSEGV) | KSIG_BIT(SIGBUS) | KSIG_BIT(SIGILL) | KSIG_BIT(SIGTRAP) |                 \
     KSIG_BIT(SIGFPE) | KSIG_BIT(SIGSYS))
/* Kernel-internal: SIGRTMIN as the kernel counts it (the C library's starts later). */
#define KSIG_RTMIN 32

/*
 * Queues one. limit: RLIMIT_SIGPENDING of the receiver. info NULL: SI_KERNEL. timer: from a POSIX timer, which has room of its own (one
 * instance each, and as many timers as RLIMIT_SIGPENDING); a guest's si_code may say so, too. Errors: -EAGAIN.
 */
MUST_CHECK int sigpending_add(struct sigpending *p, int sig, const siginfo_t *info, uint64_t limit,
                              bool timer);
/* The signal to take next that is not in mask, or 0: synchronous first, then the lowest. */
int sigpending_next(const struct sigpending *p, ksigset_t mask);
/* Takes one instance of sig off the queue. */
void sigpending_take(struct sigpending *p, int sig, siginfo_t *out);
/* Drops every instance of the signals in set. */
void sigpending_drop(struct sigpending *p, ksigset_t set);

/* Drops the signals of one POSIX timer. */
void sigpending_drop_timer(struct sigpending *p, int timer_id);

/* --- sending and stopping: signal_send.c, signal.c --- */
/* Interrupts t wherever it is: asleep in the kernel, or running guest code. */
void signal_wake(struct task *t);
/* Takes t's next deliverable signal that is not in mask, its own first. Return: 0 when there is none. */
int signal_dequeue(struct task *t, ksigset_t mask, siginfo_t *out);
/* Hands process-directed signals of set to threads that take them, since t does not any more. */
void signal_retarget(struct task *t, ksigset_t set);
/* SIGCHLD for a stop or a continue (CLD_STOPPED, CLD_CONTINUED), and wakes the parent's wait. */
void signal_notify_parent_stop(struct thread_group *tg, int code);
/* t will not enter the group stop: the last one to be waited for completes it. */
void signal_stop_leave(struct task *t);
/* Until its group goes on, or t must die. Context: may block. */
void signal_stay_stopped(struct task *t);
/* Would the handler-less default of sig do nothing for tg? */
bool signal_is_ignored(struct thread_group *tg, int sig);

/* --- signal_x86_64.c --- */
/* Writes the handler's frame, and points ctx at the handler. Errors: -EFAULT: the stack is bad. */
MUST_CHECK int signal_setup_frame(struct task *t, struct guest_context *ctx, int sig,
                                  const struct ksigaction *action, const siginfo_t *info,
                                  ksigset_t old_mask);

/* The same for the guest's side to do: fills *out but sig, info and more. Errors: -EFAULT. */
MUST_CHECK int signal_plan_frame(const struct task *t, const struct ksigaction *a,
                                 ksigset_t old_mask, struct platform_signal *out);

/* --- exit.c --- */
/* tg is a zombie, and its parent hears of it. tg may be gone afterwards. */
void exit_tell_parent(struct thread_group *tg);
/* Nobody of pgrp, but for ignored, has a parent in the same session outside it. */
bool pgrp_is_orphaned(struct pid *pgrp, const struct thread_group *ignored);

/* --- timers: itimer.c, posix_timers.c --- */
void itimers_init(struct thread_group *tg);
void itimers_cancel(struct thread_group *tg);
void posix_timers_cancel(struct thread_group *tg);
/* A timer's signal was taken: fills its overrun count, and re-arms it. */
void posix_timer_dequeued(struct thread_group *tg, siginfo_t *info);
