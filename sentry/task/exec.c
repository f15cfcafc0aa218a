/*
 * The process side of execve(2): one thread remains and becomes the leader (Linux's de_thread), and
 * what belongs to the old program is reset (begin_new_exec). Memory and files are elsewhere.
 */
#include "sentry/task/internal.h"
#include "sentry/task/ptrace.h"

#include <string.h>

/* exec leaves handlers to nobody else: a sighand shared by CLONE_SIGHAND alone is copied. */
static int unshare_sighand(struct thread_group *tg)
{
    struct sighand *own;
    if (tg->sighand->ref.n == 1) {
        return 0;
    }
    int r = sighand_copy(tg->sighand, &own);
    if (r == 0) {
        sighand_put(tg->sighand);
        tg->sighand = own;
    }
    return r;
}

/* t takes the leader's place and number; the old leader is dead, and goes. */
static void take_over_leadership(struct task *t)
{
    struct thread_group *tg = t->tg;
    struct task *old = tg->leader;
    BUG_ON(!old->exited);
    struct pid *own = t->pid;
    t->pid = old->pid;
    t->pid->task = t;
    old->pid = own;
    own->task = NULL;
    if (task_traced(old)) {
        ptrace_detach(old->ptrace, 0); /* Linux says nothing of its end, either */
    }
    list_del(&old->group_link);
    list_del(&old->all_link);
    g_kernel->task_count--;
    list_del(&t->group_link);
    list_add(&t->group_link, &tg->threads);
    tg->leader = task_get(t);
    task_put(old);
}

int thread_group_become_single(struct task *t)
{
    struct thread_group *tg = t->tg;
    struct task *other;
    if (tg->exiting || tg->exec_task) {
        return -EAGAIN;
    }
    tg->exec_task = t;
    if (t->ptrace) {
        t->ptrace->exec_from = task_tid(t);
    }
    list_for_each_entry (other, &tg->threads, group_link) {
        if (other != t && !other->exited) {
            other->must_exit = true;
            signal_wake(other);
        }
    }
    int r =
        waitq_wait_deadline(&tg->thread_wait, tg->live_threads == 1, WAIT_KILLABLE, WAIT_FOREVER);
    if (r == 0) {
        r = unshare_sighand(tg);
    } else {
        r = -EAGAIN; /* killed meanwhile */
    }
    tg->exec_task = NULL;
    if (r == 0 && t != tg->leader) {
        take_over_leadership(t);
    }
    return r;
}

void task_exec_reset(struct task *t, const char *comm)
{
    struct thread_group *tg = t->tg;
    signal_actions_take_back(tg);
    for (int sig = 1; sig <= KSIG_MAX; sig++) {
        struct ksigaction *a = &tg->sighand->action[sig];
        uaddr_t keep = a->handler == SIG_HANDLER_IGN ? SIG_HANDLER_IGN : SIG_HANDLER_DFL;
        *a = (struct ksigaction){.handler = keep};
    }
    t->altstack = (stack_t){.ss_flags = SS_DISABLE};
    signal_altstack_changed(t);
    signal_action_changed(tg, UINT64_MAX);
    t->robust_list = 0;
    t->clear_child_tid = 0;
    t->fault_trapno = t->fault_error = t->fault_addr = 0;
    t->restart = NULL;
    posix_timers_cancel(tg);
    tg->exit_signal = SIGCHLD;
    tg->has_execed = true;
    tg->childless_told = false; /* its page was the old program's */
    memset(t->comm, 0, sizeof(t->comm));
    memcpy(t->comm, comm, strnlen(comm, sizeof(t->comm) - 1));
}
