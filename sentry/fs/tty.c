/*
 * Job control: which session a terminal belongs to, who is in the foreground, and what happens to
 * those who are not. Analogous to Linux's drivers/tty/tty_jobctrl.c; see credentials(7), setpgid(2),
 * tcsetpgrp(3).
 */
#include "sentry/fs/tty.h"

#include <signal.h>
#include <sys/ioctl.h>

#include "sentry/base/errno.h"
#include "sentry/mm/usercopy.h"

static const struct tty_task_ops *task_ops;

void tty_set_task_ops(const struct tty_task_ops *ops)
{
    task_ops = ops;
}

int tty_check_change(struct tty *tty, int sig)
{
    int pgrp;

    if (!task_ops || task_ops->ctty() != tty || !tty->pgrp) {
        return 0;
    }
    pgrp = task_ops->pgrp();
    if (pgrp == tty->pgrp) {
        return 0;
    }
    if (task_ops->is_ignored(sig)) {
        return sig == SIGTTIN ? -EIO : 0;
    }
    if (task_ops->is_orphaned()) {
        return -EIO;
    }
    task_ops->signal_pgrp(pgrp, sig);
    return -ERESTARTSYS;
}

static void set_ctty(struct tty *tty)
{
    tty->session = task_ops->session();
    tty->pgrp = task_ops->pgrp();
    task_ops->set_ctty(tty);
}

void tty_open_set_ctty(struct tty *tty, const struct file *f)
{
    if (!(f->flags & O_NOCTTY) && file_readable(f) && task_ops && task_ops->is_leader() &&
        !task_ops->ctty() && !tty->session) {
        set_ctty(tty);
    }
}

static long ioctl_set_ctty(struct tty *tty, const struct file *f, uaddr_t arg)
{
    bool leader = task_ops->is_leader();

    if (leader && tty->session == task_ops->session()) {
        return 0;
    }
    if (!leader || task_ops->ctty()) {
        return -EPERM;
    }
    if (tty->session) {
        if (arg != 1 || !task_ops->capable(CAP_SYS_ADMIN)) {
            return -EPERM;
        }
        task_ops->session_clear(tty->session, tty, false); /* stolen */
    }
    if (!file_readable(f) && !task_ops->capable(CAP_SYS_ADMIN)) {
        return -EPERM;
    }
    set_ctty(tty);
    return 0;
}

static long ioctl_drop_ctty(struct tty *tty)
{
    if (task_ops->ctty() != tty) {
        return -ENOTTY;
    }
    if (task_ops->is_leader()) {
        tty_disassociate(tty, false);
    }
    task_ops->set_ctty(NULL);
    return 0;
}

static long ioctl_set_pgrp(struct tty *tty, struct mm *mm, uaddr_t arg)
{
    int pgrp, session, r = tty_check_change(tty, SIGTTOU);

    if (r < 0) {
        return r == -EIO ? -ENOTTY : r;
    }
    r = get_user(mm, &pgrp, arg);
    if (r < 0) {
        return r;
    }
    if (pgrp < 0) {
        return -EINVAL;
    }
    if (task_ops->ctty() != tty || tty->session != task_ops->session()) {
        return -ENOTTY;
    }
    session = task_ops->pgrp_session(pgrp);
    if (session < 0) {
        return session;
    }
    if (session != task_ops->session()) {
        return -EPERM;
    }
    tty->pgrp = pgrp;
    return 0;
}

long tty_job_ioctl(struct tty *tty, struct file *f, struct mm *mm, unsigned cmd, uaddr_t arg,
                   bool is_master)
{
    if (!task_ops) {
        return -ENOIOCTLCMD;
    }
    switch (cmd) {
    case TIOCSCTTY:
        return ioctl_set_ctty(tty, f, arg);
    case TIOCNOTTY:
        return ioctl_drop_ctty(tty);
    case TIOCGPGRP:
        if (!is_master && task_ops->ctty() != tty) {
            return -ENOTTY;
        }
        return put_user(mm, arg, &tty->pgrp);
    case TIOCSPGRP:
        return ioctl_set_pgrp(tty, mm, arg);
    case TIOCGSID:
        if ((!is_master && task_ops->ctty() != tty) || !tty->session) {
            return -ENOTTY;
        }
        return put_user(mm, arg, &tty->session);
    default:
        return -ENOIOCTLCMD;
    }
}

void tty_signal_foreground(struct tty *tty, int sig)
{
    if (tty->pgrp && task_ops) {
        task_ops->signal_pgrp(tty->pgrp, sig);
    }
}

void tty_hangup(struct tty *tty)
{
    if (tty->session && task_ops) {
        task_ops->session_clear(tty->session, tty, true);
    }
    tty->session = tty->pgrp = 0;
}

void tty_disassociate(struct tty *tty, bool exiting)
{
    tty_signal_foreground(tty, SIGHUP);
    if (!exiting) {
        tty_signal_foreground(tty, SIGCONT);
    }
    task_ops->session_clear(tty->session, tty, false);
    tty->session = tty->pgrp = 0;
}

int tty_open_current(struct file *f)
{
    struct tty *tty = task_ops ? task_ops->ctty() : NULL;

    return tty ? tty->open(tty, f) : -ENXIO;
}
