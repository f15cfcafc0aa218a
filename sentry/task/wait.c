/*
 * Waiting for children: wait4(2) and waitid(2), analogous to do_wait in Linux's kernel/exit.c.
 * Children belong to the process, so every thread of it may wait for all of them.
 */
#include <sched.h>
#include <string.h>
#include <sys/wait.h>

#include "sentry/task/facts.h"
#include "sentry/task/internal.h"
#include "sentry/task/ptrace.h"
#include "sentry/task/usage.h"

#define CHILDLESS_WORTH_IT 2 /* waits for nobody; a shell does so after each program */

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
    if (!child->zombie || !(w->options & WEXITED) || task_traced(child->leader)) {
        return 0; /* its tracer comes first */
    }
    int status = child->exit_status;
    int code = exit_code_of(status);
    fill(w->out, child, code, status);
    if (!(w->options & WNOWAIT)) {
        usage_add_child(w->tg, child);
        facts_forget_of(w->tg, FACT_CHILDREN);
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

static bool eligible_tracee(const struct wait_for *w, const struct task *t)
{
    if (w->idtype == P_PID && task_tid(t) != w->id) {
        return false;
    }
    return w->idtype != P_PGID || t->tg->pgrp == w->pgrp;
}

/* A thread that the caller's process traces: it has stopped, or ended. */
static int try_tracee(const struct wait_for *w, struct ptrace_state *p)
{
    bool dead = p->state == PTRACE_DEAD;
    if (dead ? !(w->options & WEXITED) : p->state != PTRACE_STOPPED || p->told) {
        return 0;
    }
    int tid = task_tid(p->task);
    memset(w->out, 0, sizeof(*w->out));
    w->out->pid = tid;
    w->out->uid = (int)p->task->cred->uid;
    w->out->code = dead ? p->why : CLD_TRAPPED;
    w->out->status = dead ? p->code : p->code << 8 | 0x7f;
    if (w->options & WNOWAIT) {
        return tid;
    }
    p->told = true;
    if (dead) {
        struct thread_group *tg = ptrace_reap(p);
        if (tg) {
            exit_tell_parent(tg);
        }
    }
    return tid;
}

/* Return: as look. */
static int look_at_tracees(const struct wait_for *w)
{
    const struct task *t;
    struct ptrace_state *p;
    int r = -ECHILD;
    list_for_each_entry (t, &w->tg->threads, group_link) {
        list_for_each_entry (p, &t->tracees, link) {
            if (!eligible_tracee(w, p->task)) {
                continue;
            }
            int tid = try_tracee(w, p);
            if (tid) {
                return tid;
            }
            r = p->state != PTRACE_DEAD || (w->options & WEXITED) ? 0 : r;
        }
    }
    return r;
}

/* Return: a pid; 0: children, but none has anything to say; -ECHILD: nobody to wait for. */
static int look(const struct wait_for *w)
{
    struct thread_group *child;
    int r = look_at_tracees(w);
    if (r > 0) {
        return r;
    }
    list_for_each_entry (child, &w->tg->children, sibling) {
        if (!eligible(w, child)) {
            continue;
        }
        int pid = try_zombie(w, child);
        if (!pid && !child->zombie) {
            pid = ptrace_by_group(child, w->tg) ? 0 : try_stopped(w, child);
            pid = pid ? pid : try_continued(w, child);
        }
        if (pid) {
            return pid;
        }
        /* A zombie that nobody asks for (no WEXITED) will never say anything again. */
        if (!child->zombie || (w->options & WEXITED) || task_traced(child->leader)) {
            r = 0;
        }
    }
    return r < 0 && w->tg->births > 0 ? 0 : r;
}

struct thread_group *wait_birth_begins(struct task *t, uint64_t flags)
{
    if (flags & CLONE_THREAD) {
        return NULL;
    }
    struct thread_group *parent = flags & CLONE_PARENT ? t->tg->parent : t->tg;
    parent->births++;
    wait_somebody_came(parent);
    return thread_group_get(parent);
}

void wait_birth_over(struct thread_group *parent_consumed)
{
    if (parent_consumed) {
        parent_consumed->births--;
        waitq_wake(&parent_consumed->wait_children, 0);
        thread_group_put(parent_consumed);
    }
}

void wait_somebody_came(struct thread_group *tg)
{
    if (tg->childless_told) {
        tg->childless_told = false;
        facts_forget_of(tg, FACT_CHILDLESS);
    }
}

static bool is_childless(const struct thread_group *tg)
{
    const struct task *t;
    list_for_each_entry (t, &tg->threads, group_link) {
        if (!list_empty(&t->tracees)) {
            return false;
        }
    }
    return list_empty(&tg->children);
}

/*
 * Who looks for more children when the last one is gone, as shells do, knows then that there is none. With several threads, one
 * might be about to make some. r: of this wait.
 */
static void tell_childless(struct task *t, int r)
{
    struct thread_group *tg = t->tg;
    if (t->must_exit || tg->live_threads != 1 || tg->childless_told || !is_childless(tg)) {
        return;
    }
    tg->childless_heat += r == -ECHILD && tg->childless_heat < CHILDLESS_WORTH_IT;
    tg->childless_told =
        tg->childless_heat == CHILDLESS_WORTH_IT && facts_know(t, FACT_CHILDLESS, "", 0);
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
    tell_childless(t, r);
    return interrupted < 0 ? interrupted : r;
}
