/*
 * Who traces whom: how it begins and ends, and what of it wait(2) sees. Analogous to Linux's kernel/ptrace.c.
 *
 * A tracee is in its tracer's list (a thread's, not a process's) from ptrace_link to ptrace_unlink. A thread that ends stays there
 * as PTRACE_DEAD until it is waited for, and so does the leader of a process that ends under somebody else than its parent: the
 * parent hears of it only then.
 */
#include "sentry/task/ptrace.h"

#include "sentry/task/internal.h"

#include <string.h>

/* The state for t, made at its first tracing, with the context that its stops need. */
static int state_new(struct task *t)
{
    if (t->ptrace) {
        return 0;
    }
    struct ptrace_state *p = calloc(1, sizeof(*p));
    if (!p) {
        return -ENOMEM;
    }
    p->own = aligned_alloc(64, ALIGN_UP(sizeof(*p->own), 64UL));
    if (!p->own) {
        free(p);
        return -ENOMEM;
    }
    memset(p->own, 0,
           sizeof(*p->own)); /* a vfork's event may show it before anything was fetched */
    p->task = t;
    list_init(&p->link);
    list_init(&p->jobs);
    t->ptrace = p;
    return 0;
}

void ptrace_free(struct task *t)
{
    struct ptrace_state *p = take(&t->ptrace);
    if (p) {
        BUG_ON(p->tracer);
        free(p->own);
        free(p);
    }
}

static void link_tracer(struct task *tracer, struct task *t, bool seize, unsigned options)
{
    struct ptrace_state *p = t->ptrace;
    p->tracer = tracer;
    list_add_tail(&p->link, &tracer->tracees);
    wait_somebody_came(tracer->tg);
    p->seized = seize;
    p->options = options;
    p->may_set_id = cred_capable(tracer->cred, CAP_SYS_PTRACE);
    p->mode = PTRACE_GO;
    p->signal = 0;
    p->trap_pending = false;
    p->watch = (struct ptrace_watch){0};
    if (t->pt) {
        platform_forget_actions(t->pt, UINT64_MAX); /* its signals come here from now on */
    }
}

/* It was in a group stop of its own process, which its tracer must see as a stop of a tracee. */
static void trap_if_stopped(struct task *t)
{
    if (t->stopped) {
        t->stopped = false;
        t->ptrace->trap_pending = true;
        signal_wake(t);
    }
}

int ptrace_attach(struct task *tracer, struct task *t, bool seize, unsigned options)
{
    if (task_traced(t) || t->exited || !t->kthread || t->must_exit) {
        return -EPERM;
    }
    int r = state_new(t);
    if (r < 0) {
        return r;
    }
    link_tracer(tracer, t, seize, options);
    if (!seize) {
        r = signal_send_task(t, SIGSTOP, NULL);
        (void)r; /* a standard signal always finds room for its bit */
    }
    trap_if_stopped(t);
    return 0;
}

bool ptrace_access(const struct task *t, const struct cred *c, uint32_t uid, uint32_t gid,
                   const struct task *other)
{
    const struct cred *o = other->cred;
    if ((t && t->tg == other->tg) || cred_capable(c, CAP_SYS_PTRACE)) {
        return true;
    }
    if (other->tg->exec_closed) {
        return false; /* for its memory is its next program's already, or soon will be */
    }
    bool same = uid == o->uid && uid == o->euid && uid == o->suid && gid == o->gid &&
                gid == o->egid && gid == o->sgid;
    return same && other->tg->dumpable && !(o->cap_permitted & ~c->cap_permitted);
}

/* The thread that made tg, or the leader of the process that has it now. */
static struct task *parent_thread(const struct thread_group *tg)
{
    struct task *t;
    list_for_each_entry (t, &tg->parent->threads, group_link) {
        if (task_tid(t) == tg->parent_tid && !t->exited) {
            return t;
        }
    }
    return tg->parent->leader;
}

/*
 * DEVIATION: a process whose parent is the sandbox's init has nobody to trace it, and gets EPERM; on Linux it would stop at its
 * first signal, for good unless that parent knows what to do.
 */
int ptrace_trace_me(struct task *t)
{
    if (task_traced(t) || thread_group_is_init(t->tg->parent)) {
        return -EPERM;
    }
    int r = state_new(t);
    struct task *parent = parent_thread(t->tg);
    if (r == 0 && !parent->exited) { /* one that is just ending lets go anyway */
        link_tracer(parent, t, false, 0);
    }
    return r;
}

/* --- going on --- */

void ptrace_resume(struct ptrace_state *p, enum ptrace_mode mode, int sig)
{
    p->mode = mode;
    p->signal = sig;
    p->state = PTRACE_RUNS;
    p->context = NULL;
    kthread_wake(p->task->kthread);
}

static void unlink_tracer(struct ptrace_state *p)
{
    list_del(&p->link);
    p->tracer = NULL;
    p->options = 0;
    p->mode = PTRACE_GO;
    p->trap_pending = false;
    p->vfork_child = 0;
}

void ptrace_detach(struct ptrace_state *p, int sig)
{
    unlink_tracer(p);
    if (ptrace_is_stopped(p)) {
        ptrace_resume(p, PTRACE_GO, sig);
    }
    if (p->task->kthread && !p->task->exited) {
        signal_recalc(p->task);
    }
}

void ptrace_trap(struct ptrace_state *p)
{
    p->trap_pending = true;
    if (p->state == PTRACE_LISTENS) {
        ptrace_resume(p, p->mode, 0);
    }
    if (p->state == PTRACE_RUNS) {
        signal_wake(p->task);
    }
}

int ptrace_interrupt_tracee(struct ptrace_state *p)
{
    if (!p->seized) {
        return -EIO;
    }
    ptrace_trap(p);
    return 0;
}

int ptrace_listen(struct ptrace_state *p)
{
    if (!p->seized || p->code >> 8 != PTRACE_EVENT_STOP) {
        return -EIO;
    }
    p->state = PTRACE_LISTENS;
    p->context = NULL;
    if (p->trap_pending) {
        ptrace_resume(p, p->mode, 0); /* what it would listen for has come already */
    }
    return 0;
}

/* --- telling --- */

void ptrace_tell_tracer(struct ptrace_state *p)
{
    struct thread_group *to = p->tracer->tg;
    if (!to->sighand) {
        return;
    }
    const struct ksigaction *a = signal_action(to, SIGCHLD);
    bool dead = p->state == PTRACE_DEAD;
    if (a->handler != SIG_HANDLER_IGN && (dead || !(a->flags & SA_NOCLDSTOP))) {
        siginfo_t info;
        siginfo_init(&info, SIGCHLD, p->why, task_tid(p->task), p->task->cred->uid);
        info.si_status = dead ? exit_value_of(p->code) : p->code & 0x7f;
        int r = signal_send_group(to, SIGCHLD, &info);
        (void)r; /* SIGCHLD is never queued twice, and never fails */
    }
    waitq_wake(&to->wait_children, 0);
}

/* --- ends --- */

/* t, or its process, has ended: its tracer may wait for it. */
static void set_dead(struct ptrace_state *p, int status)
{
    p->state = PTRACE_DEAD;
    p->code = status;
    p->why = exit_code_of(status);
    p->context = NULL;
    task_get(p->task); /* until it has been waited for */
    ptrace_tell_tracer(p);
}

struct thread_group *ptrace_reap(struct ptrace_state *p)
{
    AUTO_PUT(task) t = p->task; /* set_dead's reference */
    struct thread_group *tg = t->tg;
    bool leader = tg->leader == t;
    unlink_tracer(p);
    p->state = PTRACE_RUNS;
    return leader && tg->zombie ? tg : NULL;
}

bool ptrace_by_group(const struct thread_group *tg, const struct thread_group *by)
{
    const struct ptrace_state *p = tg->leader ? task_traced(tg->leader) : NULL;
    return p && p->tracer->tg == by;
}

bool ptrace_group_exits(struct thread_group *tg)
{
    struct ptrace_state *p = task_traced(tg->leader);
    if (!p) {
        return false;
    }
    if (p->tracer->tg == tg->parent) {
        unlink_tracer(p); /* from here on it is a child like others */
        return false;
    }
    set_dead(p, tg->exit_status);
    return true;
}

static void release_all(struct task *tracer)
{
    struct ptrace_state *p;
    while ((p = list_first_entry(&tracer->tracees, struct ptrace_state, link))) {
        if (p->state == PTRACE_DEAD) {
            struct thread_group *tg = ptrace_reap(p);
            if (tg) {
                exit_tell_parent(tg);
            }
            continue;
        }
        bool kill = p->options & PTRACE_O_EXITKILL;
        struct thread_group *tg = p->task->tg;
        /* A signal that nobody has been told of is not lost. */
        ptrace_detach(p, p->at_signal && !p->told ? p->code : 0);
        if (kill) {
            thread_group_exit(tg, SIGKILL);
        }
    }
}

void ptrace_task_exits(struct task *t)
{
    struct ptrace_state *p = task_traced(t);
    release_all(t);
    if (p && t != t->tg->leader) {
        set_dead(p, t->tg->exiting ? t->tg->exit_status : t->exit_status);
    }
}
