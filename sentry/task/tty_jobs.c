/*
 * What terminals need to know of tasks (struct tty_task_ops): the other half of Linux's
 * drivers/tty/tty_jobctrl.c.
 */
#include "sentry/task/tty_jobs.h"

#include "sentry/fs/tty.h"
#include "sentry/task/internal.h"

static struct tty *current_ctty(void)
{
    const struct task *t = task_current();

    return t ? t->tg->tty : NULL;
}

static void current_set_ctty(struct tty *tty)
{
    struct task *t = task_current();

    if (t) {
        t->tg->tty = tty;
    }
}

static int current_session(void)
{
    const struct task *t = task_current();

    return t ? t->tg->session->nr : 0;
}

static int current_pgrp(void)
{
    const struct task *t = task_current();

    return t ? t->tg->pgrp->nr : 0;
}

static bool current_is_leader(void)
{
    const struct task *t = task_current();

    return t && t->tg->session == t->tg->pid;
}

static bool current_capable(int cap)
{
    const struct task *t = task_current();

    return t && cred_capable(t->cred, cap);
}

static bool current_ignores(int sig)
{
    const struct task *t = task_current();

    return t &&
           ((t->blocked & KSIG_BIT(sig)) || signal_action(t->tg, sig)->handler == SIG_HANDLER_IGN);
}

static bool current_is_orphaned(void)
{
    const struct task *t = task_current();

    return t && pgrp_is_orphaned(t->tg->pgrp, NULL);
}

static int pgrp_session(int pgrp)
{
    const struct pid *p = pid_find(pgrp);
    const struct thread_group *tg;

    tg = p ? list_first_entry(&p->pgrp_members, struct thread_group, pgrp_link) : NULL;
    return tg ? tg->session->nr : -ESRCH;
}

static void signal_pgrp(int pgrp, int sig)
{
    (void)signal_send_pgrp(pgrp, sig, NULL);
}

static void session_clear(int session, struct tty *tty, bool hangup)
{
    const struct pid *p = pid_find(session);
    struct thread_group *tg;

    if (!p) {
        return;
    }
    list_for_each_entry (tg, &p->session_members, session_link) {
        if (tg->tty == tty) {
            tg->tty = NULL;
        }
    }
    tg = p->tg;
    if (hangup && tg && !tg->zombie && tg->session == p) {
        (void)signal_send_group(tg, SIGHUP, NULL);
        (void)signal_send_group(tg, SIGCONT, NULL);
    }
}

static const struct tty_task_ops task_ops = {
    .ctty = current_ctty,
    .set_ctty = current_set_ctty,
    .session = current_session,
    .pgrp = current_pgrp,
    .is_leader = current_is_leader,
    .capable = current_capable,
    .is_ignored = current_ignores,
    .is_orphaned = current_is_orphaned,
    .pgrp_session = pgrp_session,
    .signal_pgrp = signal_pgrp,
    .session_clear = session_clear,
};

static void leader_exits(struct thread_group *leader)
{
    if (leader->tty) {
        tty_disassociate(leader->tty, true);
    }
}

void tty_jobs_init(void)
{
    tty_set_task_ops(&task_ops);
    task_set_session_exit_hook(leader_exits);
}

void tty_jobs_adopt(struct thread_group *tg, struct tty *tty)
{
    tty->session = tg->session->nr;
    tty->pgrp = tg->pgrp->nr;
    tg->tty = tty;
}
