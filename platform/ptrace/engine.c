/* The ptrace engine's tracees, their stops, and deaths: see ptrace.h. */

#include "platform/ptrace/ptrace.h"

#include <errno.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include "lib/host.h"
#include "lib/log.h"

#define EARLY_MAX 64

struct ptrace_engine g_ptrace = {.all_processes = LIST_INIT(g_ptrace.all_processes),
                                 .give_waiters = LIST_INIT(g_ptrace.give_waiters)};
static int g_early[EARLY_MAX]; /* tids that stopped before clone told us of them */

/* --- objects --- */

int ptrace_space_new(struct platform_space **out)
{
    struct platform_space *s = calloc(1, sizeof(*s));
    if (!s) {
        return -ENOMEM;
    }
    refcount_init(&s->ref);
    list_init(&s->procs);
    *out = s;
    return 0;
}

struct platform_space *ptrace_space_get(struct platform_space *s)
{
    refcount_get(&s->ref);
    return s;
}

void ptrace_space_put(struct platform_space *s)
{
    if (refcount_put(&s->ref)) {
        free(s);
    }
}

int tracee_new(struct platform_space *s, struct platform_thread **out)
{
    struct platform_thread *th = calloc(1, sizeof(*th));
    if (!th) {
        return -ENOMEM;
    }
    th->space = ptrace_space_get(s);
    list_init(&th->proc_link);
    list_init(&th->give_link);
    *out = th;
    return 0;
}

struct platform_thread *tracee_find(int tid)
{
    uint64_t hash = hash_u64((uint64_t)tid);
    for (struct hash_node *n = hash_chain(&g_ptrace.tids, hash); n; n = n->next) {
        struct platform_thread *th = container_of(n, struct platform_thread, hash);
        if (th->tid == tid) {
            return th;
        }
    }
    return NULL;
}

static struct tracee_process *process_of(int pid)
{
    uint64_t hash = hash_u64((uint64_t)pid);
    for (struct hash_node *n = hash_chain(&g_ptrace.pids, hash); n; n = n->next) {
        struct tracee_process *p = container_of(n, struct tracee_process, hash);
        if (p->pid == pid) {
            return p;
        }
    }
    return NULL;
}

static struct tracee_process *process_new(int pid, struct platform_space *s)
{
    struct tracee_process *p = calloc(1, sizeof(*p));
    if (!p || hash_insert(&g_ptrace.pids, &p->hash, hash_u64((uint64_t)pid)) < 0) {
        free(p);
        return NULL;
    }
    p->pid = pid;
    p->space = ptrace_space_get(s);
    list_add_tail(&p->space_link, &s->procs);
    list_add_tail(&p->all_link, &g_ptrace.all_processes);
    list_init(&p->threads);
    return p;
}

int tracee_bind(struct platform_thread *th, int tid, int pid)
{
    struct tracee_process *p = process_of(pid);
    if (!p) {
        p = process_new(pid, th->space);
    }
    if (!p || hash_insert(&g_ptrace.tids, &th->hash, hash_u64((uint64_t)tid)) < 0) {
        return -ENOMEM;
    }
    th->tid = tid;
    th->proc = p;
    list_del(&th->proc_link);
    list_add_tail(&th->proc_link, &p->threads);
    return 0;
}

void tracee_unbind(struct platform_thread *th)
{
    if (th->tid) {
        hash_remove(&g_ptrace.tids, &th->hash);
        th->tid = 0;
    }
}

static void process_maybe_free(struct tracee_process *p)
{
    if (p->reaped && list_empty(&p->threads)) {
        list_del(&p->all_link);
        free(p);
    }
}

void tracee_destroy(struct platform_thread *th)
{
    struct tracee_process *p = th->proc;
    tracee_unbind(th);
    list_del(&th->proc_link);
    ptrace_space_put(th->space);
    free(th);
    if (p) {
        process_maybe_free(p);
    }
}

void tracee_move(struct platform_thread *th, struct platform_space *s)
{
    struct tracee_process *p = th->proc;
    list_del(&p->space_link);
    ptrace_space_put(p->space);
    p->space = ptrace_space_get(s);
    list_add_tail(&p->space_link, &s->procs);
    ptrace_space_put(th->space);
    th->space = ptrace_space_get(s);
}

/* --- stops --- */

int tracee_read_regs(struct platform_thread *th)
{
    long r = host_result(ptrace(PTRACE_GETREGS, th->tid, 0, &th->regs));
    th->regs_dirty = false;
    return r < 0 ? -ESRCH : 0;
}

/*
 * DEVIATION: a thread can load segment registers with any privilege level, and set bases beyond its half of
 * the address space; the host hands such values out, but does not take them back.
 */
static void make_regs_acceptable(struct user_regs_struct *r)
{
    unsigned long long *selectors[] = {&r->ds, &r->es, &r->fs, &r->gs};
    for (size_t i = 0; i < ARRAY_COUNT(selectors); i++) {
        *selectors[i] |= *selectors[i] ? 3 : 0;
    }
    r->fs_base = r->fs_base >= PLATFORM_TASK_SIZE ? 0 : r->fs_base;
    r->gs_base = r->gs_base >= PLATFORM_TASK_SIZE ? 0 : r->gs_base;
}

static int write_regs(struct platform_thread *th)
{
    long r = host_result(ptrace(PTRACE_SETREGS, th->tid, 0, &th->regs));
    if (r == -EIO) {
        make_regs_acceptable(&th->regs);
        r = host_result(ptrace(PTRACE_SETREGS, th->tid, 0, &th->regs));
    }
    if (r == -EIO) {
        ptrace_kill(th);
    }
    th->regs_dirty = false;
    return (int)r;
}

int tracee_resume(struct platform_thread *th, int request, int signal)
{
    if (th->dead) {
        return -ESRCH;
    }
    BUG_ON(!th->stopped);
    if (th->regs_dirty && write_regs(th) < 0) {
        return -ESRCH;
    }
    th->fresh_stop = false;
    if (ptrace(request, th->tid, 0, signal) < 0) {
        return -ESRCH; /* killed meanwhile: stays "stopped", so that later requests fail the same way */
    }
    th->stopped = false;
    return 0;
}

int tracee_wait(struct platform_thread *th, int *out_status)
{
    while (!th->fresh_stop && !th->dead) {
        kthread_sleep();
    }
    if (th->dead) {
        return -ESRCH;
    }
    th->fresh_stop = false;
    *out_status = th->status;
    return 0;
}

static void mark_dead(struct platform_thread *th, int status)
{
    tracee_unbind(th);
    if (th->dead) {
        return;
    }
    th->dead = true;
    th->status = status;
    if (th->owner) {
        th->owner->killed = th->owner->interrupt = true;
        kthread_wake(th->owner);
    }
}

static void process_reaped(struct tracee_process *p, int status)
{
    struct platform_thread *th;
    p->reaped = true;
    hash_remove(&g_ptrace.pids, &p->hash);
    list_del(&p->space_link);
    ptrace_space_put(p->space);
    p->space = NULL;
    list_for_each_entry (th, &p->threads, proc_link) {
        mark_dead(th, status);
    }
    process_maybe_free(p);
}

bool tracee_take_early_stop(int tid)
{
    for (size_t i = 0; i < EARLY_MAX; i++) {
        if (g_early[i] == tid) {
            g_early[i] = 0;
            return true;
        }
    }
    return false;
}

static void early_stop(int tid)
{
    for (size_t i = 0; i < EARLY_MAX; i++) {
        if (!g_early[i]) {
            g_early[i] = tid;
            return;
        }
    }
    log_warn("tracee %d stopped early, and there is no room to remember it", tid);
}

/* The host gives an exec'ing thread the number of its leader, by which it reports the exec. */
static struct platform_thread *becomes_leader(struct tracee_process *p, int status)
{
    struct platform_thread *th = p ? p->executes : NULL;
    if (!th || status >> 8 != (SIGTRAP | PTRACE_EVENT_EXEC << 8)) {
        return NULL;
    }
    tracee_unbind(th);
    if (tracee_bind(th, p->pid, p->pid) < 0) {
        ptrace_kill(th);
        return NULL;
    }
    return th;
}

void ptrace_children(void)
{
    int status, tid;
    while ((tid = (int)host_result(waitpid(-1, &status, WNOHANG | __WALL))) > 0) {
        struct platform_thread *th = tracee_find(tid);
        struct tracee_process *p = process_of(tid);
        if (WIFSTOPPED(status)) {
            th = th ? th : becomes_leader(p, status);
            if (!th) {
                early_stop(tid);
                continue;
            }
            th->stopped = th->fresh_stop = true;
            th->status = status;
            if (th->owner) {
                kthread_wake(th->owner);
            }
            continue;
        }
        if (th) {
            mark_dead(th, status);
        }
        if (p) {
            process_reaped(p, status);
        }
    }
}

void ptrace_kill(struct platform_thread *th)
{
    struct tracee_process *p = th->proc;
    if (!p || p->killed || p->reaped) {
        return;
    }
    p->killed = true;
    int r = host_kill(p->pid, SIGKILL);
    if (r < 0) {
        log_warn("kill of host process %d: error %d", p->pid, -r);
    }
}

/* The events thread is all there is. */
static int ptrace_run(void)
{
    return 0;
}

static void ptrace_set_owner(struct platform_thread *th, struct kthread *owner)
{
    th->owner = owner;
    if (owner) {
        kthread_wake(owner);
    }
}

static int ptrace_host_pid(const struct platform_thread *th)
{
    return th->proc ? th->proc->pid : 0;
}

static int ptrace_host_tid(const struct platform_thread *th)
{
    return th->tid;
}

static uaddr_t ptrace_call_sp(const struct platform_thread *th)
{
    return th->regs.rsp;
}

static struct platform_space *ptrace_space(struct platform_thread *th)
{
    return th->space;
}

static void ptrace_mem_tail(struct platform_thread *th, const struct mem_call *m)
{
    th->tail = *m;
    th->has_tail = true;
}

/* A thread by which the space can be reached: a leader that has exited has no memory any more, nor has a process that was killed. */
static int ptrace_space_pid(const struct platform_space *s)
{
    const struct tracee_process *p;
    const struct platform_thread *th;
    list_for_each_entry (p, &s->procs, space_link) {
        if (p->killed) {
            continue;
        }
        list_for_each_entry (th, &p->threads, proc_link) {
            if (!th->dead && th->tid) {
                return th->tid;
            }
        }
    }
    p = list_first_entry(&s->procs, struct tracee_process, space_link);
    return p ? p->pid : 0;
}

static size_t ptrace_copy_in(struct platform_space *s, void *dst, uaddr_t src, size_t size)
{
    int pid = ptrace_space_pid(s);
    return pid ? engine_vm_read(pid, dst, src, size) : 0;
}

static size_t ptrace_copy_out(struct platform_space *s, uaddr_t dst, const void *src, size_t size)
{
    int pid = ptrace_space_pid(s);
    return pid ? engine_vm_write(pid, dst, src, size) : 0;
}

const struct engine_ops g_ptrace_engine = {
    .start = ptrace_start,
    .run = ptrace_run,
    .set_owner = ptrace_set_owner,
    .children = ptrace_children,
    .switch_to = ptrace_switch,
    .set_result = ptrace_set_result,
    .get_context = ptrace_get_context,
    .set_context = ptrace_set_context,
    .interrupt = ptrace_interrupt,
    .hold = ptrace_hold,
    .call_regs = ptrace_call_regs,
    .begin_call = ptrace_begin_call,
    .ask = ptrace_ask,
    .clone = ptrace_clone,
    .thread_exit = ptrace_thread_exit,
    .thread_free = ptrace_thread_free,
    .kill = ptrace_kill,
    .host_pid = ptrace_host_pid,
    .host_tid = ptrace_host_tid,
    .call_sp = ptrace_call_sp,
    .space = ptrace_space,
    .exec = ptrace_exec,
    .load = ptrace_load,
    .mem = tracee_mem,
    .mem_tail = ptrace_mem_tail,
    .copy_in = ptrace_copy_in,
    .copy_out = ptrace_copy_out,
    .space_pid = ptrace_space_pid,
};
