/* Process groups and sessions: setpgid, getpgid, setsid, getsid. See credentials(7). */
#include "sentry/base/errno.h"
#include "sentry/task/task.h"
#include "syscalls/syscalls.h"

long sys_getpgrp(struct task *t)
{
    return t->tg->pgrp->nr;
}

/* The group that pid names (0: t's own), with a reference, or NULL. Any thread's id will do. */
static struct thread_group *group_of(struct task *t, int pid)
{
    if (pid == 0) {
        return thread_group_get(t->tg);
    }
    struct pid *p = pid_find(pid);
    if (!p || (!p->task && !p->tg)) {
        return NULL;
    }
    return thread_group_get(p->tg ? p->tg : p->task->tg);
}

long sys_getpgid(struct task *t, int pid)
{
    AUTO_PUT(thread_group) tg = group_of(t, pid);
    return tg ? tg->pgrp->nr : -ESRCH;
}

long sys_getsid(struct task *t, int pid)
{
    AUTO_PUT(thread_group) tg = group_of(t, pid);
    return tg ? tg->session->nr : -ESRCH;
}

/* Linux's order of checks. */
long sys_setpgid(struct task *t, int pid, int pgid)
{
    pid = pid ? pid : task_tgid(t);
    pgid = pgid ? pgid : pid;
    if (pgid < 0) {
        return -EINVAL;
    }
    struct pid *p = pid_find(pid);
    if (!p || (!p->task && !p->tg)) {
        return -ESRCH;
    }
    if (!p->tg) {
        return -EINVAL; /* a thread that is not its group's leader */
    }
    AUTO_PUT(thread_group) tg = thread_group_get(p->tg);
    if (tg->parent == t->tg) {
        if (tg->session != t->tg->session) {
            return -EPERM;
        }
        if (tg->has_execed) {
            return -EACCES;
        }
    } else if (tg != t->tg) {
        return -ESRCH;
    }
    if (tg->session == tg->pid) {
        return -EPERM; /* a session leader */
    }
    struct pid *pgrp = p;
    if (pgid != pid) {
        pgrp = pid_find(pgid);
        if (!pgrp || list_empty(&pgrp->pgrp_members)) {
            return -EPERM;
        }
        const struct thread_group *member =
            list_entry(pgrp->pgrp_members.next, struct thread_group, pgrp_link);
        if (member->session != t->tg->session) {
            return -EPERM;
        }
    }
    if (tg->pgrp != pgrp) {
        thread_group_set_pgrp(tg, pgrp);
    }
    return 0;
}

long sys_setsid(struct task *t)
{
    struct thread_group *tg = t->tg;
    /* A leader of a session or of any process group can't leave its name to others. */
    if (tg->session == tg->pid || !list_empty(&tg->pid->pgrp_members)) {
        return -EPERM;
    }
    thread_group_set_session(tg, tg->pid);
    thread_group_set_pgrp(tg, tg->pid);
    tg->tty = NULL;
    return tg->pid->nr;
}
