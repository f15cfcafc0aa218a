/*
 * Sending signals: kill, tkill, tgkill, rt_sigqueueinfo, rt_tgsigqueueinfo, pidfd_send_signal. See
 * kill(2); the order of checks is Linux's (target first, then the signal number, then permission).
 */
#include "sentry/base/errno.h"

#include <limits.h>

#include "sentry/mm/usercopy.h"
#include "sentry/procfs/proc.h"
#include "sentry/task/pidfd.h"
#include "sentry/task/task.h"
#include "syscalls/syscalls.h"

#define PIDFD_SIGNAL_THREAD        1u
#define PIDFD_SIGNAL_THREAD_GROUP  2u
#define PIDFD_SIGNAL_PROCESS_GROUP 4u

/* 0, -EINVAL or -EPERM. kernel_info: queued by the kernel's own code (si_code > 0): no permission needed. */
static int may_signal(const struct task *t, const struct thread_group *tg, int sig)
{
    if (sig < 0 || sig > KSIG_MAX) {
        return -EINVAL;
    }
    if (tg == t->tg || cred_capable(t->cred, CAP_KILL)) {
        return 0;
    }
    const struct cred *c = t->cred, *o = tg->leader->cred;
    if (c->euid == o->suid || c->euid == o->uid || c->uid == o->suid || c->uid == o->uid) {
        return 0;
    }
    return sig == SIGCONT && t->tg->session == tg->session ? 0 : -EPERM;
}

static int send_group(struct task *t, struct thread_group *tg, int sig, const siginfo_t *info)
{
    int r = may_signal(t, tg, sig);
    return r < 0 || sig == 0 ? r : signal_send_group(tg, sig, info);
}

static void user_info(const struct task *t, int sig, int code, siginfo_t *out)
{
    siginfo_init(out, sig, code, task_tgid(t), t->cred->uid);
}

/*
 * Every process that match says; the errors of those that could not be reached don't count when
 * one was. Processes may end while they are signalled (SIGKILL makes that later, never at once).
 */
static int send_pgrp(struct task *t, struct pid *pgrp, int sig, const siginfo_t *info)
{
    struct thread_group *tg;
    int error = -ESRCH;
    bool reached = false;
    if (!pgrp) {
        return -ESRCH;
    }
    list_for_each_entry (tg, &pgrp->pgrp_members, pgrp_link) {
        int r = send_group(t, tg, sig, info);
        reached |= r == 0;
        error = r;
    }
    return reached ? 0 : error;
}

static int send_all(struct task *t, int sig, const siginfo_t *info)
{
    struct task *other;
    int result = -ESRCH;
    bool any = false;
    list_for_each_entry (other, &g_kernel->tasks, all_link) {
        struct thread_group *tg = other->tg;
        if (other != tg->leader || tg->pid->nr == 1 || tg == t->tg) {
            continue;
        }
        int r = send_group(t, tg, sig, info);
        if (!any) {
            result = 0;
        }
        any = true;
        if (r != -EPERM) {
            result = r;
        }
    }
    return result;
}

/* With a reference. A thread's id names its process, too. */
static struct thread_group *group_by_pid(int pid)
{
    struct pid *p = pid_find(pid);
    if (!p || (!p->task && !p->tg)) {
        return NULL;
    }
    return thread_group_get(p->tg ? p->tg : p->task->tg);
}

long sys_kill(struct task *t, int pid, int sig)
{
    siginfo_t info;
    user_info(t, sig, SI_USER, &info);
    if (pid > 0) {
        AUTO_PUT(thread_group) tg = group_by_pid(pid);
        return tg ? send_group(t, tg, sig, &info) : -ESRCH;
    }
    if (pid == INT_MIN) {
        return -ESRCH;
    }
    if (pid == -1) {
        return send_all(t, sig, &info);
    }
    return send_pgrp(t, pid == 0 ? t->tg->pgrp : pid_find(-pid), sig, &info);
}

/* tgid 0: any. */
static long send_thread(struct task *t, int tgid, int tid, int sig, const siginfo_t *info)
{
    AUTO_PUT(task) other = task_find(tid);
    if (!other || (tgid && task_tgid(other) != tgid)) {
        return -ESRCH;
    }
    int r = may_signal(t, other->tg, sig);
    return r < 0 || sig == 0 ? r : signal_send_task(other, sig, info);
}

long sys_tgkill(struct task *t, int tgid, int tid, int sig)
{
    siginfo_t info;
    if (tid <= 0 || tgid <= 0) {
        return -EINVAL;
    }
    user_info(t, sig, SI_TKILL, &info);
    return send_thread(t, tgid, tid, sig, &info);
}

long sys_tkill(struct task *t, int tid, int sig)
{
    siginfo_t info;
    if (tid <= 0) {
        return -EINVAL;
    }
    user_info(t, sig, SI_TKILL, &info);
    return send_thread(t, 0, tid, sig, &info);
}

/* Nobody may pretend to others that the kernel, or kill(2), sent it. */
static bool may_forge(const siginfo_t *info, bool self)
{
    return self || (info->si_code < 0 && info->si_code != SI_TKILL);
}

long sys_rt_sigqueueinfo(struct task *t, int tgid, int sig, uaddr_t uinfo)
{
    siginfo_t info;
    if (get_user(t->mm, &info, uinfo) < 0) {
        return -EFAULT;
    }
    info.si_signo = sig;
    if (!may_forge(&info, tgid == task_tgid(t))) {
        return -EPERM;
    }
    AUTO_PUT(thread_group) tg = group_by_pid(tgid);
    return tg ? send_group(t, tg, sig, &info) : -ESRCH;
}

long sys_rt_tgsigqueueinfo(struct task *t, int tgid, int tid, int sig, uaddr_t uinfo)
{
    siginfo_t info;
    if (get_user(t->mm, &info, uinfo) < 0) {
        return -EFAULT;
    }
    info.si_signo = sig;
    if (tid <= 0 || tgid <= 0) {
        return -EINVAL;
    }
    if (!may_forge(&info, tid == task_tid(t))) {
        return -EPERM;
    }
    return send_thread(t, tgid, tid, sig, &info);
}

/* The siginfo of a pidfd_send_signal: the caller's, checked, or kill(2)'s. */
static int pidfd_info(struct task *t, const struct task *other, int sig, uaddr_t uinfo,
                      siginfo_t *out)
{
    if (!uinfo) {
        user_info(t, sig, SI_USER, out);
        return 0;
    }
    if (get_user(t->mm, out, uinfo) < 0) {
        return -EFAULT;
    }
    if (out->si_signo != sig) {
        return -EINVAL;
    }
    return may_forge(out, other == t) ? 0 : -EPERM;
}

long sys_pidfd_send_signal(struct task *t, int pidfd, int sig, uaddr_t info, unsigned flags)
{
    AUTO_PUT(file) f = NULL;
    AUTO_PUT(task) other = NULL;
    siginfo_t si;
    if ((flags & ~7u) || (flags & (flags - 1))) {
        return -EINVAL;
    }
    int r = fd_table_lookup(t->files, pidfd, &f);
    if (r < 0) {
        return r;
    }
    r = file_is_pidfd(f) ? pidfd_task(f, &other) : proc_file_process(f, &other);
    if (r == 0) {
        r = pidfd_info(t, other, sig, info, &si);
    }
    if (r < 0) {
        return r;
    }
    if (flags & PIDFD_SIGNAL_PROCESS_GROUP) {
        return send_pgrp(t, other->pid, sig,
                         &si); /* the group that it leads, not the one that it is in */
    }
    bool thread = flags ? flags & PIDFD_SIGNAL_THREAD : f->flags & PIDFD_THREAD;
    if (!thread) {
        return send_group(t, other->tg, sig, &si);
    }
    r = may_signal(t, other->tg, sig);
    return r < 0 || sig == 0 ? r : signal_send_task(other, sig, &si);
}
