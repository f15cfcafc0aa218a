/*
 * Waiting for children: wait4(2) and waitid(2), analogous to do_wait in Linux's kernel/exit.c.
 * Children belong to the process, so every thread of it may wait for all of them.
 */
#include <sys/wait.h>

#include "sentry/task/internal.h"
#include "sentry/task/usage.h"

struct wait_for {
    struct thread_group *tg; /* who waits */
    int idtype, id, options;
    struct pid *pgrp; /* P_PGID: ref */
    struct wait_result *out;
};

/* __WCLONE children are those whose exit signal is not SIGCHLD. */
static bool eligible(const struct wait_for *w, const struct thread_group *child)
{
    if (w->idtype == P_PID && child->pid->nr != w->id) {
        return false;
    }
    if (w->idtype == P_PGID && child->pgrp != w->pgrp) {
        return false;
    }
    if (w->options & __WALL) {
        return true;
    }
    return (child->exit_signal != SIGCHLD) == !!(w->options & __WCLONE);
}

static void fill(struct wait_result *out, const struct thread_group *child, int code, int status)
{
    out->pid = child->pid->nr;
    out->uid = (int)child->leader->cred->uid;
    out->code = code;
    out->status = status;
    out->usage = child->usage;
    rusage_add(&out->usage, &child->children_usage);
}

static int try_zombie(const struct wait_for *w, struct thread_group *child)
{
    if (!child->zombie || !(w->options & WEXITED)) {
        return 0;
    }
    int status = child->exit_status;
    int code = !(status & 0x7f) ? CLD_EXITED : status & 0x80 ? CLD_DUMPED : CLD_KILLED;
    fill(w->out, child, code, status);
    if (!(w->options & WNOWAIT)) {
        usage_add_child(w->tg, child);
        thread_group_reap(child);
    }
    return w->out->pid;
}

static int try_stopped(const struct wait_for *w, struct thread_group *child)
{
    if (!(w->options & WUNTRACED) || !child->stopped || child->stop_reported) {
        return 0;
    }
    fill(w->out, child, CLD_STOPPED, child->stop_signal << 8 | 0x7f);
    if (!(w->options & WNOWAIT)) {
        child->stop_reported = true;
    }
    return w->out->pid;
}

static int try_continued(const struct wait_for *w, struct thread_group *child)
{
    if (!(w->options & WCONTINUED) || !child->continued) {
        return 0;
    }
    fill(w->out, child, CLD_CONTINUED, 0xffff);
    if (!(w->options & WNOWAIT)) {
        child->continued = false;
    }
    return w->out->pid;
}

/* Return: a pid; 0: children, but none has anything to say; -ECHILD: nobody to wait for. */
static int look(const struct wait_for *w)
{
    struct thread_group *child;
    int r = -ECHILD;
    list_for_each_entry (child, &w->tg->children, sibling) {
        if (!eligible(w, child)) {
            continue;
        }
        int pid = try_zombie(w, child);
        if (!pid && !child->zombie) {
            pid = try_stopped(w, child);
            pid = pid ? pid : try_continued(w, child);
        }
        if (pid) {
            return pid;
        }
        /* A zombie that nobody asks for (no WEXITED) will never say anything again. */
        if (!child->zombie || (w->options & WEXITED)) {
            r = 0;
        }
    }
    return r;
}

/**
 * task_wait - wait for a child to change state.
 * @idtype: P_ALL, P_PID, P_PGID (id 0: the caller's own group).
 * @options: WNOHANG, WUNTRACED (== WSTOPPED), WCONTINUED, WEXITED, WNOWAIT, __WALL, __WCLONE.
 *
 * Context: may block.
 * Return: the child's pid; 0 with WNOHANG when no child is ready.
 * Errors: -ECHILD, -ERESTARTSYS.
 * Source: wait(2).
 */
long task_wait(struct task *t, int idtype, int id, int options, struct wait_result *out)
{
    struct wait_for w = {.tg = t->tg, .idtype = idtype, .id = id, .options = options, .out = out};
    if (idtype == P_PGID) {
        w.pgrp = id == 0 ? t->tg->pgrp : pid_find(id);
        if (!w.pgrp) {
            return -ECHILD;
        }
        pid_get(w.pgrp);
    }
    int r = 0;
    int interrupted = waitq_wait(&t->tg->wait_children, (r = look(&w)) != 0 || (options & WNOHANG));
    pid_put(w.pgrp);
    return interrupted < 0 ? interrupted : r;
}
