/* wait4 and waitid: options, and where the result goes. */
#include <sys/wait.h>

#include <limits.h>
#include <string.h>

#include "sentry/base/errno.h"
#include "sentry/mm/usercopy.h"
#include "sentry/task/pidfd.h"
#include "sentry/task/task.h"
#include "syscalls/syscalls.h"

#ifndef __WNOTHREAD
#define __WNOTHREAD 0x20000000
#endif
/* DEVIATION: __WNOTHREAD is taken, and waits for the children of all threads all the same. */
#define WAIT4_OPTIONS  (WNOHANG | WUNTRACED | WCONTINUED | __WNOTHREAD | (int)__WCLONE | __WALL)
#define WAITID_OPTIONS (WAIT4_OPTIONS | WNOWAIT | WEXITED)

long sys_wait4(struct task *t, int pid, uaddr_t wstatus, int options, uaddr_t rusage)
{
    struct wait_result w;
    int idtype = P_PID, id = pid;
    if (options & ~WAIT4_OPTIONS) {
        return -EINVAL;
    }
    if (pid == INT_MIN) {
        return -ESRCH;
    }
    if (pid == -1) {
        idtype = P_ALL;
    } else if (pid <= 0) {
        idtype = P_PGID;
        id = -pid;
    }
    long r = task_wait(t, idtype, id, options | WEXITED, &w);
    if (r <= 0) {
        return r;
    }
    if (wstatus && put_user(t->mm, wstatus, &w.status) < 0) {
        return -EFAULT;
    }
    if (rusage && put_user(t->mm, rusage, &w.usage) < 0) {
        return -EFAULT;
    }
    return r;
}

/* P_PIDFD becomes P_PID of what it names. *out_nonblock: the pidfd has O_NONBLOCK. */
static int pidfd_id(struct task *t, int fd, int *out_id, bool *out_nonblock)
{
    AUTO_PUT(file) f = NULL;
    struct thread_group *tg;
    if (fd < 0) {
        return -EINVAL;
    }
    int r = fd_table_lookup(t->files, fd, &f);
    if (r == 0) {
        r = pidfd_group(f, &tg);
    }
    if (r < 0) {
        return r;
    }
    if (tg->parent != t->tg) {
        return -ECHILD;
    }
    *out_id = tg->pid->nr;
    *out_nonblock = f->flags & O_NONBLOCK;
    return 0;
}

static void fill_info(siginfo_t *info, const struct wait_result *w)
{
    siginfo_init(info, SIGCHLD, w->code, w->pid, (uint32_t)w->uid);
    switch (w->code) {
    case CLD_EXITED:
        info->si_status = w->status >> 8 & 0xff;
        break;
    case CLD_STOPPED:
        info->si_status = w->status >> 8 & 0xff;
        break;
    case CLD_TRAPPED:
        info->si_status = w->status >> 8; /* with the event */
        break;
    case CLD_CONTINUED:
        info->si_status = SIGCONT;
        break;
    default:
        info->si_status = w->status & 0x7f;
    }
}

/*
 * Like Linux, only the six fields that waitid defines are stored, not the whole of siginfo_t; and all
 * of them are zero when WNOHANG found nothing, or the call fails.
 */
static int store_info(struct task *t, uaddr_t infop, const siginfo_t *info)
{
    const struct {
        int signo, error, code, pad, pid, uid, status;
    } fields = {info->si_signo, 0, info->si_code, 0, info->si_pid, (int)info->si_uid,
                info->si_status};
    if (copy_out(t->mm, infop, &fields, 3 * sizeof(int)) < 0 ||
        copy_out(t->mm, infop + offsetof(siginfo_t, si_pid), &fields.pid, 3 * sizeof(int)) < 0) {
        return -EFAULT;
    }
    return 0;
}

static int waitid_args(struct task *t, int idtype, int *id, int *options, bool *out_nonblock)
{
    if ((*options & ~WAITID_OPTIONS) || !(*options & (WEXITED | WSTOPPED | WCONTINUED))) {
        return -EINVAL;
    }
    switch (idtype) {
    case P_ALL:
        return 0;
    case P_PID:
        return *id <= 0 ? -EINVAL : 0;
    case P_PGID:
        return *id < 0 ? -EINVAL : 0;
    case P_PIDFD: {
        int r = pidfd_id(t, *id, id, out_nonblock);
        if (*out_nonblock) {
            *options |= WNOHANG;
        }
        return r;
    }
    default:
        return -EINVAL;
    }
}

/* Return: a pid, 0 (nobody is ready), or an error. */
static long waitid_wait(struct task *t, int idtype, int id, int options, struct wait_result *out)
{
    bool nonblock = false, asked_nohang = options & WNOHANG;
    int error = waitid_args(t, idtype, &id, &options, &nonblock);
    if (error < 0) {
        return error;
    }
    long r = task_wait(t, idtype == P_PIDFD ? P_PID : idtype, id, options, out);
    return r == 0 && nonblock && !asked_nohang ? -EAGAIN : r;
}

long sys_waitid(struct task *t, int idtype, int id, uaddr_t infop, int options, uaddr_t rusage)
{
    struct wait_result w;
    siginfo_t info;
    long r = waitid_wait(t, idtype, id, options, &w);
    memset(&info, 0, sizeof(info));
    if (r > 0) {
        fill_info(&info, &w);
        if (rusage && put_user(t->mm, rusage, &w.usage) < 0) {
            return -EFAULT;
        }
        r = 0;
    }
    return infop && store_info(t, infop, &info) < 0 ? -EFAULT : r;
}
