/*
 * The stops of a tracee: where they come, what they tell, and how it goes on. Analogous to ptrace_stop and its callers in
 * Linux's kernel/signal.c, and to kernel/entry/common.c.
 *
 * All of them are made by the tracee's kthread on its way to guest code or (clone, exit) in a system call, with the guest's
 * registers in a guest_context that the tracer may change. In one visit to the kernel the context is fetched once, and set once
 * at the end: between, orders to the guest's side would cost it the FP state.
 *
 *      PLATFORM_CALL      entry of a call (PTRACE_SYSCALL, PTRACE_SINGLESTEP)
 *      PLATFORM_SYSCALL   served, with the events of clone, exec and exit, then the call's end
 *      everything         signals and group stops, in signal_deliver
 */
#include "sentry/task/ptrace.h"

#include "sentry/mm/mm_map.h"
#include "sentry/mm/usercopy.h"
#include "sentry/task/internal.h"

#include <linux/sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#define EFLAGS_TF        0x100UL
#define SYSCALL_STOP     0x80 /* PTRACE_O_TRACESYSGOOD's bit in the signal */
#define PTRACE_WRITE_MAX 64

static void do_job(struct ptrace_state *p);
static void drop_jobs(struct ptrace_state *p);

/* --- the stop itself --- */

/* Its code as the program has it, for who looks and who writes there. */
static void stop_sites(struct task *t)
{
    if (t->mm && !t->mm->sites_stopped) {
        t->mm->sites_stopped = platform_stop_sites(t->pt, true) == 0;
    }
}

static void wait_for_tracer(struct task *t)
{
    struct ptrace_state *p = t->ptrace;
    while (ptrace_is_stopped(p) && !t->must_exit) {
        if (!list_empty(&p->jobs)) {
            do_job(p);
            continue;
        }
        if (waitq_sleep(WAIT_KILLABLE, WAIT_FOREVER) < 0) {
            break; /* killed, or the host has ended its process */
        }
    }
    p->context = NULL;
    p->at_signal = false;
    drop_jobs(p);
    if (p->state != PTRACE_DEAD) {
        p->state = PTRACE_RUNS;
    }
}

/* A tracer that left its tracee in the middle of a group stop leaves it stopped. */
static void rejoin_group_stop(struct task *t)
{
    if (task_traced(t) || !t->tg->stopped || t->must_exit) {
        return;
    }
    signal_stay_stopped(t);
}

/**
 * ptrace_stop - stop for the tracer until it says how to go on.
 * @ctx:  what the guest will go on with.
 * @code: the signal, and an event << 8.
 * @info: for PTRACE_GETSIGINFO; NULL: a group stop without.
 *
 * Context: may block.
 * Return: the signal to go on with; 0 when nobody traces t (any more), or it must die.
 */
static int ptrace_stop(struct task *t, struct guest_context *ctx, int code, int why,
                       const siginfo_t *info)
{
    struct ptrace_state *p = task_traced(t);
    if (!p || t->must_exit) {
        return 0;
    }
    p->trap_pending = false; /* what comes from here on is another stop's business */
    stop_sites(t);
    if (!task_traced(t) || t->must_exit) {
        return 0;
    }
    p->code = code;
    p->why = why;
    p->told = false;
    p->has_info = info != NULL;
    if (info) {
        p->info = *info;
    }
    p->context = ctx;
    p->signal = 0;
    p->state = PTRACE_STOPPED;
    if (why == CLD_STOPPED) {
        signal_stop_leave(t); /* it counts as stopped with its group */
    }
    ptrace_tell_tracer(p);
    wait_for_tracer(t);
    rejoin_group_stop(t);
    signal_recalc(t);
    return t->must_exit ? 0 : p->signal;
}

/* Linux's ptrace_notify: a stop that is no signal's. */
static int notify_stop(struct task *t, struct guest_context *ctx, int code, unsigned long message)
{
    siginfo_t info;
    siginfo_init(&info, SIGTRAP, code, task_tid(t), t->cred->uid);
    if (task_traced(t)) {
        t->ptrace->message = message;
    }
    return ptrace_stop(t, ctx, code, CLD_TRAPPED, &info);
}

static int event_stop(struct task *t, struct guest_context *ctx, unsigned event,
                      unsigned long message)
{
    return notify_stop(t, ctx, SIGTRAP | (int)event << 8, message);
}

/* --- signals and group stops --- */

int ptrace_signal(struct task *t, struct guest_context *ctx, siginfo_t *info, long *nr,
                  long *result)
{
    struct ptrace_state *p = t->ptrace;
    int sig = info->si_signo;
    ctx->regs.orig_rax = (uint64_t)*nr;
    p->at_signal = true;
    int go = ptrace_stop(t, ctx, sig, CLD_TRAPPED, info);
    if (*nr >= 0) {
        *nr = (int32_t)ctx->regs.orig_rax < 0 ? -1 : *nr; /* a debugger made it call a function */
        *result = (long)ctx->regs.rax;
    }
    if (!go || t->must_exit) {
        return 0;
    }
    if (go != sig || (task_traced(t) && p->info.si_signo != sig)) {
        struct task *tracer = p->tracer;
        siginfo_init(info, go, SI_USER, tracer ? task_tgid(tracer) : 0,
                     tracer ? tracer->cred->uid : 0);
    } else if (task_traced(t)) {
        *info = p->info; /* PTRACE_SETSIGINFO */
    }
    if (t->blocked & KSIG_BIT(go) & ~KSIG_UNBLOCKABLE) {
        int r = signal_send_task(t, go, info);
        (void)r; /* as on Linux, a full queue loses it */
        return 0;
    }
    return go;
}

void ptrace_group_stop(struct task *t, struct guest_context *ctx)
{
    struct ptrace_state *p = t->ptrace;
    struct thread_group *tg = t->tg;
    stop_sites(t); /* may block, so before it is decided what this is */
    p->trap_pending = false;
    bool grouped = tg->stopped || tg->stop_count > 0;
    int sig = grouped ? tg->stop_signal : SIGTRAP;
    if (!p->seized) {
        if (grouped) {
            ptrace_stop(t, ctx, sig, CLD_STOPPED, NULL);
        }
        return;
    }
    siginfo_t info;
    siginfo_init(&info, sig, sig | PTRACE_EVENT_STOP << 8, task_tid(t), t->cred->uid);
    p->message = 0;
    ptrace_stop(t, ctx, sig | PTRACE_EVENT_STOP << 8, CLD_STOPPED, &info);
}

void ptrace_group_stop_changed(struct task *t)
{
    struct ptrace_state *p = task_traced(t);
    if (p && p->seized) {
        ptrace_trap(p);
    }
}

void ptrace_handler_entered(struct task *t, struct guest_context *ctx)
{
    if (task_traced(t) && t->ptrace->mode == PTRACE_GO_STEP) {
        ctx->regs.orig_rax = UINT64_MAX;
        notify_stop(t, ctx, SIGTRAP, 0);
    }
}

/* --- the context of one visit --- */

struct guest_context *ptrace_context(struct task *t)
{
    struct ptrace_state *p = t->ptrace;
    if (!p->own_valid) {
        if (platform_get_context(t->pt, p->own) < 0) {
            return NULL;
        }
        p->own_valid = true;
        p->own->regs.orig_rax = UINT64_MAX;
        if (p->stepping) {
            p->own->regs.eflags &= ~EFLAGS_TF;
        }
    }
    return p->own;
}

/* The last thing before guest code runs. */
void ptrace_context_done(struct task *t, struct guest_context *ctx)
{
    struct ptrace_state *p = t->ptrace;
    bool watches = ptrace_watches(t);
    if (watches) {
        ptrace_watch_begin(t);
    }
    p->stepping = watches || (task_traced(t) && p->mode == PTRACE_GO_STEP);
    if (p->stepping) {
        ctx->regs.eflags |= EFLAGS_TF;
    }
    platform_set_context(t->pt, ctx);
    p->own_valid = false;
}

/* Without anybody who looks at it, the guest's code may be made faster again. */
static void release_sites(struct task *t)
{
    struct task *other;
    list_for_each_entry (other, &t->tg->threads, group_link) {
        if (task_traced(other)) {
            return;
        }
    }
    t->mm->sites_stopped = platform_stop_sites(t->pt, false) != 0;
}

void ptrace_before_switch(struct task *t)
{
    if (t->ptrace) {
        t->ptrace->own_valid = false;
    }
    if (t->mm->sites_stopped && !task_traced(t)) {
        release_sites(t);
    }
}

/* --- calls --- */

static void call_stop(struct task *t, struct guest_context *ctx, unsigned long op)
{
    int sig = SIGTRAP | (ptrace_has_option(t, PTRACE_O_TRACESYSGOOD) ? SYSCALL_STOP : 0);
    int go = notify_stop(t, ctx, sig, op);
    if (go) {
        int r = signal_send_task(t, go, NULL);
        (void)r; /* as on Linux, a full queue loses it */
    }
}

bool ptrace_call_begins(struct task *t, long nr)
{
    struct ptrace_state *p = t->ptrace;
    if (!p) {
        platform_begin_call(t->pt,
                            nr); /* nobody ever asked for it: the guest plays with its stub */
        return true;
    }
    struct guest_context *ctx = ptrace_context(t);
    if (!ctx) {
        return true; /* it died: the next switch says so */
    }
    ctx->regs.orig_rax = (uint64_t)nr;
    ctx->regs.rax = (uint64_t)-ENOSYS;
    if (task_traced(t) && p->mode == PTRACE_GO_TO_CALL) {
        call_stop(t, ctx, PTRACE_EVENTMSG_SYSCALL_ENTRY);
    }
    if (t->must_exit) {
        return true;
    }
    int32_t go = (int32_t)ctx->regs.orig_rax;
    p->call = go < 0 ? -1 : go;
    t->context_replaced = false;
    if (go < 0) {
        ctx->regs.orig_rax = UINT64_MAX;
        return false;
    }
    platform_set_context(t->pt, ctx);
    platform_begin_call(t->pt, go);
    p->own_valid = false;
    return true;
}

bool ptrace_wants_return(const struct task *t, const struct ptrace_return *r)
{
    const struct ptrace_state *p = t->ptrace;
    if (!p) {
        return false;
    }
    if (p->own_valid || p->stepping) {
        return true;
    }
    return p->tracer && (r->exec || p->vfork_child || p->mode == PTRACE_GO_STEP ||
                         (r->call && p->mode == PTRACE_GO_TO_CALL) || signal_pending(t));
}

/* The events at the end of a call. */
static void call_over(struct task *t, struct guest_context *ctx, const struct ptrace_return *r)
{
    struct ptrace_state *p = t->ptrace;
    if (r->exec) {
        p->watch = (struct ptrace_watch){0};
    }
    if (p->vfork_child) {
        int child = p->vfork_child;
        p->vfork_child = 0;
        if (ptrace_has_option(t, PTRACE_O_TRACEVFORKDONE)) {
            event_stop(t, ctx, PTRACE_EVENT_VFORK_DONE, (unsigned long)child);
        }
    }
    if (r->exec && ptrace_has_option(t, PTRACE_O_TRACEEXEC)) {
        event_stop(t, ctx, PTRACE_EVENT_EXEC, (unsigned long)p->exec_from);
    } else if (r->exec && task_traced(t) && !p->seized) {
        siginfo_t info;
        siginfo_init(&info, SIGTRAP, SI_USER, task_tgid(t), t->cred->uid);
        int e = signal_send_task(t, SIGTRAP, &info);
        (void)e; /* a standard signal always finds room for its bit */
    }
    if (!task_traced(t) || t->must_exit) {
        return;
    }
    if (p->mode == PTRACE_GO_TO_CALL) {
        call_stop(t, ctx, PTRACE_EVENTMSG_SYSCALL_EXIT);
    } else if (p->mode == PTRACE_GO_STEP) {
        siginfo_t info;
        siginfo_init(&info, SIGTRAP, TRAP_BRKPT, 0, 0);
        info.si_addr = (void *)(uintptr_t)ctx->regs.rip;
        signal_force(t, SIGTRAP, &info);
    }
}

void ptrace_return_to_user(struct task *t, const struct ptrace_return *r)
{
    bool earlier = t->ptrace->own_valid; /* from the middle of the call */
    struct guest_context *ctx = ptrace_context(t);
    long nr = r->nr, result = r->result;
    if (!ctx) {
        return; /* it died: the next switch says so */
    }
    if (nr >= 0 && (earlier || is_restart(result))) {
        ctx->regs.rax = (uint64_t)result; /* to be restarted; what is seen is what Linux shows */
    } else if (nr >= 0) {
        result = (long)ctx->regs.rax; /* a memory call's comes from the guest's side */
    }
    ctx->regs.orig_rax = r->exec ? SYS_execve : (uint64_t)nr;
    if (r->call && nr < 0 && !t->context_replaced) {
        ctx->regs.orig_rax =
            (uint64_t)t->ptrace->call; /* answered on the guest's side, or by the tracer */
    }
    if (r->call) {
        call_over(t, ctx, r);
        if (nr >= 0) {
            nr = (int32_t)ctx->regs.orig_rax < 0 ? -1 : nr;
            result = (long)ctx->regs.rax;
        }
    }
    if (!t->must_exit) {
        signal_deliver(t, ctx, nr, result);
    }
    if (!t->must_exit) {
        ptrace_context_done(t, ctx);
    }
}

/* --- clone, exit --- */

unsigned ptrace_clone_event(const struct task *t, uint64_t flags, int exit_signal)
{
    unsigned event = flags & CLONE_VFORK      ? PTRACE_EVENT_VFORK
                     : exit_signal != SIGCHLD ? PTRACE_EVENT_CLONE
                                              : PTRACE_EVENT_FORK;
    return !(flags & CLONE_UNTRACED) && ptrace_has_option(t, 1U << event) ? event : 0;
}

void ptrace_clone_child(struct task *t, struct task *child, struct platform_thread *pt,
                        uint64_t flags, unsigned event)
{
    struct ptrace_state *p = task_traced(t);
    if (!p || (!event && !(flags & CLONE_PTRACE))) {
        return;
    }
    if (ptrace_attach(p->tracer, child, true, p->options) < 0) {
        return; /* no memory, or told to die already */
    }
    struct ptrace_state *c = child->ptrace;
    c->may_set_id = p->may_set_id;
    c->seized = p->seized;
    if (p->seized) {
        c->trap_pending = true;
        child->kthread->interrupt = true;
    } else {
        int r = signal_send_task(child, SIGSTOP, NULL);
        (void)r; /* a standard signal always finds room for its bit */
    }
    platform_hold(pt);
}

/*
 * A parent whose vfork child runs waits in the host, and can only be looked at from outside.
 * DEVIATION: at PTRACE_EVENT_VFORK its registers can't be changed, and floating-point registers are those of its last stop.
 */
static struct guest_context *vfork_context(struct task *t)
{
    struct ptrace_state *p = t->ptrace;
    return platform_call_regs(t->pt, &p->own->regs) < 0 ? NULL : p->own;
}

void ptrace_cloned(struct task *t, unsigned event, int tid)
{
    struct ptrace_state *p = t->ptrace;
    bool vfork = event == PTRACE_EVENT_VFORK;
    if (vfork || (task_traced(t) && t->syscall_nr == SYS_vfork)) {
        p->vfork_child = tid;
    }
    if (!event) {
        return;
    }
    struct guest_context *ctx = vfork ? vfork_context(t) : ptrace_context(t);
    if (ctx) {
        ctx->regs.orig_rax = (uint64_t)t->syscall_nr;
        ctx->regs.rax = (uint64_t)-ENOSYS;
        p->blind = vfork;
        event_stop(t, ctx, event, (unsigned long)tid);
        p->blind = false;
    }
}

void ptrace_exit_event(struct task *t, int status)
{
    if (!ptrace_has_option(t, PTRACE_O_TRACEEXIT) || t->must_exit) {
        return;
    }
    struct guest_context *ctx = ptrace_context(t);
    if (ctx) {
        ctx->regs.orig_rax = (uint64_t)t->syscall_nr;
        event_stop(t, ctx, PTRACE_EVENT_EXIT, (unsigned long)status);
    }
}

/* --- writes to memory that is not writable --- */

struct writable {
    uaddr_t addr, end;
    int prot; /* -1: nothing there, or not the tracee's alone */
};

static int find_mapping(const struct mm_mapping *m, void *arg)
{
    struct writable *w = arg;
    if (w->addr < m->start || w->addr >= m->end || m->prot[3] != 'p') {
        return 0;
    }
    w->end = MIN(w->end, m->end);
    w->prot = (m->prot[0] == 'r' ? PROT_READ : 0) | (m->prot[1] == 'w' ? PROT_WRITE : 0) |
              (m->prot[2] == 'x' ? PROT_EXEC : 0);
    return 0;
}

static long protect(struct task *t, uaddr_t page, int prot)
{
    const struct mem_call m = {
        .nr = SYS_mprotect, .args = {page, PAGE_SIZE, (uint64_t)prot}, .host_fd = -1};
    return platform_mem(t->pt, &m);
}

/*
 * One page's part. The guest's other threads see it writable for a moment, which is theirs to do anyway; the page is the process's
 * own afterwards, as a private mapping's is that was written to.
 */
static int write_page(struct task *t, uaddr_t addr, const void *data, size_t size)
{
    uaddr_t page = ALIGN_DOWN(addr, PAGE_SIZE);
    struct writable w = {.addr = addr, .end = page + PAGE_SIZE, .prot = -1};
    int r = mm_map_walk(t->mm, find_mapping, &w);
    if (r == -ENOENT) {
        w.prot = PROT_READ | PROT_EXEC; /* without the host's /proc: code, most likely */
    } else if (r < 0 || w.prot < 0) {
        return -EIO;
    }
    if (protect(t, page, w.prot | PROT_READ | PROT_WRITE) < 0) {
        return -EIO;
    }
    r = copy_out(t->mm, addr, data, size);
    long back = protect(t, page, w.prot);
    return r < 0 || back < 0 ? -EIO : 0;
}

static void job_over(struct ptrace_job *j, int result)
{
    j->result = result;
    j->done = true;
    kthread_wake(j->waiter);
}

static struct ptrace_job *next_job(struct ptrace_state *p)
{
    struct ptrace_job *j = list_first_entry(&p->jobs, struct ptrace_job, link);
    if (j) {
        list_del(&j->link);
    }
    return j;
}

/* On the tracee's kthread. Who waits may be killed meanwhile, and take the job with it: so all of it is copied first. */
static void do_job(struct ptrace_state *p)
{
    struct ptrace_job *j = next_job(p);
    struct task *t = p->task;
    uint8_t data[PTRACE_WRITE_MAX];
    size_t size = j->size, done = 0;
    uaddr_t addr = j->addr;
    int r = 0;
    memcpy(data, j->data, size);
    p->busy = j;
    while (r == 0 && done < size) {
        size_t n = MIN(size - done, PAGE_SIZE - ((addr + done) & (PAGE_SIZE - 1)));
        r = write_page(t, addr + done, data + done, n);
        done += n;
    }
    j = take(&p->busy);
    if (j) {
        job_over(j, r);
    }
}

/* The stop is over. */
static void drop_jobs(struct ptrace_state *p)
{
    struct ptrace_job *j;
    while ((j = next_job(p))) {
        job_over(j, -EAGAIN);
    }
}

/*
 * A tracer gets SIGCHLD at any moment, from its other tracees. Who writes to /proc/PID/mem would see an error that Linux does not know, so
 * signals have to wait.
 */
int ptrace_write(struct ptrace_state *p, uaddr_t addr, const void *data, size_t size)
{
    struct ptrace_job j = {
        .addr = addr, .data = data, .size = size, .waiter = kthread_current(), .result = -EINTR};
    if (p->blind || size > PTRACE_WRITE_MAX) {
        return -EIO;
    }
    if (p->task->must_exit) {
        return -EAGAIN;
    }
    AUTO_PUT(task) t = task_get(p->task);
    list_add_tail(&j.link, &p->jobs);
    kthread_wake(t->kthread);
    while (!j.done && waitq_sleep(WAIT_KILLABLE, WAIT_FOREVER) == 0) {
    }
    if (!j.done) { /* killed: a guest that plays with its stub may never do it */
        list_del(&j.link);
        p->busy = p->busy == &j ? NULL : p->busy;
    }
    return j.result;
}
