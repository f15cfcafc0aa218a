/*
 * Birth and death: fork, threads, exec; host processes and their reaping.
 *
 * A new process is known to the sentry by its order's nonce until it says hello (notify.c); from then on by the host
 * tid that the kernel gave with that notification. A new thread says no hello: the number that it wrote counts if the host knows
 * it in that process, and we know no other thread by it. All stubs are
 * siblings (CLONE_PARENT), so this process reaps every one of them.
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/host.h"
#include "lib/log.h"
#include "lib/strbuf.h"
#include "platform/seccomp/seccomp.h"

struct host_process *process_find(int pid)
{
    uint64_t hash = hash_u64((uint64_t)pid);
    for (struct hash_node *n = hash_chain(&g_seccomp.processes, hash); n; n = n->next) {
        struct host_process *p = container_of(n, struct host_process, hash);
        if (p->pid == pid) {
            return p;
        }
    }
    return NULL;
}

struct platform_thread *thread_find(int tid)
{
    uint64_t hash = hash_u64((uint64_t)tid);
    for (struct hash_node *n = hash_chain(&g_seccomp.tids, hash); n; n = n->next) {
        struct platform_thread *th = container_of(n, struct platform_thread, hash);
        if (th->tid == tid) {
            return th;
        }
    }
    return NULL;
}

static int process_new(int pid, struct platform_space *s, struct host_process **out)
{
    struct host_process *p = calloc(1, sizeof(*p));
    if (!p || hash_insert(&g_seccomp.processes, &p->hash, hash_u64((uint64_t)pid)) < 0) {
        free(p);
        return -ENOMEM;
    }
    p->pid = pid;
    p->space = space_get(s);
    list_add_tail(&p->space_link, &s->procs);
    list_add_tail(&p->all_link, &g_seccomp.all_processes);
    list_init(&p->threads);
    list_init(&p->kill_link);
    p->given.class = given_class_new();
    *out = p;
    return 0;
}

/* Freed when it is reaped and no thread points to it any more. */
static void process_maybe_free(struct host_process *p)
{
    if (p->reaped && list_empty(&p->threads)) {
        list_del(&p->all_link);
        list_del(&p->kill_link);
        free(p);
    }
}

/* Ties th to the host task tid of process pid (made when it is new). */
int thread_bind(struct platform_thread *th, int tid, int pid)
{
    struct host_process *p = process_find(pid);
    if (!p) {
        int r = process_new(pid, th->space, &p);
        if (r < 0) {
            return r;
        }
        if (th->inherited) {
            p->given = *th->inherited;
        }
    }
    struct platform_thread *stale = thread_find(tid);
    if (stale) {
        /* it ended behind our back, and the host gave its number away again */
        thread_unbind(stale);
        thread_mark_dead(stale, SIGKILL);
    }
    if (hash_insert(&g_seccomp.tids, &th->hash, hash_u64((uint64_t)tid)) < 0) {
        return -ENOMEM;
    }
    th->tid = tid;
    th->proc = p;
    list_del(&th->proc_link);
    list_add_tail(&th->proc_link, &p->threads);
    return 0;
}

void thread_unbind(struct platform_thread *th)
{
    if (th->tid) {
        hash_remove(&g_seccomp.tids, &th->hash);
        th->tid = 0;
    }
}

bool thread_stale(struct platform_thread *th)
{
    if (host_tgkill(th->proc->pid, th->tid, 0) == 0) {
        return false;
    }
    thread_unbind(th);
    thread_mark_dead(th, SIGKILL);
    return true;
}

bool thread_identify(struct platform_thread *th)
{
    if (th->tid || !th->lazy || !th->chan || th->dead) {
        return th->tid != 0;
    }
    int tid = (int)*(volatile uint32_t *)&th->chan->host_tid;
    if (tid <= 0 || host_tgkill(th->proc->pid, tid, 0) < 0) {
        return false;
    }
    const struct platform_thread *other = thread_find(tid);
    if ((other && other->proc == th->proc) || thread_bind(th, tid, th->proc->pid) < 0) {
        return false;
    }
    list_del(&th->pending_link);
    return true;
}

bool clone_over(struct platform_thread *th)
{
    struct platform_thread *child = th->child;
    th->child = NULL;
    if (child) {
        child->cloner = NULL;
    }
    if (th->nr != STUB_REQ_RESULT) {
        return false;
    }
    if (child) {
        child->stillborn = true;
        thread_mark_dead(child, 0);
    }
    th->chan->ret = (uint64_t)((int)th->args[0] < 0 ? (int)th->args[0] : -EAGAIN);
    channel_reply(th, ORDER_RETURN);
    return true;
}

struct platform_thread *pending_find(uint32_t nonce)
{
    struct platform_thread *th;
    list_for_each_entry (th, &g_seccomp.pending, pending_link) {
        if (th->nonce == nonce) {
            return th;
        }
    }
    return NULL;
}

static int child_new(struct platform_thread *th, const struct platform_clone *c,
                     struct platform_thread **out)
{
    struct platform_space *space;
    struct platform_thread *child;
    if (c->flags & CLONE_VM) {
        space = space_get(th->space);
    } else {
        int r = space_new(&space);
        if (r < 0) {
            return r;
        }
    }
    int r = thread_new(space, &child);
    space_put(space); /* the thread holds its own reference */
    if (r < 0) {
        return r;
    }
    handoff_inherit(child, th);
    do {
        host_random(&child->nonce, sizeof(child->nonce));
    } while (child->nonce == 0 || pending_find(child->nonce));
    if (!(c->flags & CLONE_VM)) {
        thread_set_slot(child, th->slot);
        child->notify_fd = space->region->fd;
    }
    if (!(c->flags & CLONE_THREAD)) {
        child->inherited =
            calloc(1, sizeof(*child->inherited)); /* without, it is given them again */
    }
    if (c->flags & CLONE_THREAD) {
        child->proc = th->proc;
        list_add_tail(&child->proc_link, &th->proc->threads);
        child->lazy = child->started = true;
    }
    *out = child;
    return 0;
}

/* Waits until the child said hello, or the parent reports that clone failed. */
static int clone_wait(struct platform_thread *th, struct platform_thread *child)
{
    while (!child->tid && !th->dead && !child->dead) {
        if (th->event && th->nr == STUB_REQ_RESULT) {
            th->event = false;
            return (int)th->args[0] < 0 ? (int)th->args[0] : -EAGAIN;
        }
        if (th->event && !th->expect_met) {
            seccomp_kill(th); /* it went on without cloning */
            return -ESRCH;
        }
        if (th->event && clone_died_nameless(th)) {
            return -ESRCH; /* the parent is back from clone, and its child is gone */
        }
        kthread_sleep(); /* with expect_met, a next request of the parent may wait already */
    }
    return child->tid ? 0 : -ESRCH;
}

int clone_order(struct platform_thread *th, const struct platform_clone *c, enum stub_order order,
                struct platform_thread **out)
{
    struct platform_thread *child;
    int r = child_new(th, c, &child);
    if (r < 0) {
        return r;
    }
    /* A thread's stub clears the word itself: its host thread may outlive it. */
    uint64_t not_for_host = c->flags & CLONE_THREAD ? CLONE_CHILD_CLEARTID : 0;
    struct stub_order_clone o = {.flags = engine_clone_flags(c->flags & ~not_for_host),
                                 .stack = c->stack,
                                 .parent_tid = c->parent_tid,
                                 .child_tid = c->child_tid,
                                 .tls = c->tls,
                                 .guest_flags = c->flags,
                                 .guest_tid = (uint32_t)c->guest_tid,
                                 .nonce = child->nonce};
    th->expect_clone = o;
    channel_flush(th);
    *out = child;
    if (child->lazy && !(c->flags & CLONE_VFORK) && park_begin(th, child)) {
        return 0;
    }
    th->child = child;
    th->expect_met = false;
    th->expect_again = 0;
    th->strangers_reaped = strangers_reaped();
    th->expect = EXPECT_CLONE;
    th->chan->clone = o;
    th->chan->ret = (uint64_t)c->guest_tid;
    channel_reply(th, order);
    return 0;
}

int seccomp_clone(struct platform_thread *th, const struct platform_clone *c,
                  struct platform_thread **out)
{
    struct platform_thread *child;
    if (th->dead) {
        return -ESRCH;
    }
    int r = clone_order(th, c, ORDER_CLONE, &child);
    if (r < 0) {
        return r;
    }
    child->owner = th->owner; /* its hello wakes us; its own kthread takes over later */
    if (child->lazy) {
        child->owner = NULL;
        child->cloner = th->child == child ? th : NULL;
        th->clone_ordered = th->child == child;
        *out = child;
        return 0;
    }
    r = clone_wait(th, child);
    th->child = NULL;
    th->expect = EXPECT_NONE;
    child->owner = NULL;
    if (th->expect_met && (r < 0 || th->expect_again > 0)) {
        suspect(th);
    }
    if (r < 0) {
        struct host_process *p = child->tid || child->dead ? child->proc : NULL;
        thread_unbind(child);
        thread_destroy(child);
        if (p) {
            process_maybe_free(p);
        }
    } else {
        *out = child;
    }
    sweep_strangers();
    return r;
}

/* --- exec --- */

void boot_result(const struct platform_thread *th, struct platform_boot *out)
{
    *out = (struct platform_boot){.vdso = th->args[0],
                                  .hwcap = th->args[1],
                                  .hwcap2 = th->args[2],
                                  .minsigstksz = th->args[3],
                                  .clktck = th->args[4]};
}

static void process_move(struct host_process *p, struct platform_space *s)
{
    park_forget(p); /* the host has ended them */
    list_del(&p->space_link);
    space_put(p->space);
    p->space = space_get(s);
    list_add_tail(&p->space_link, &s->procs);
}

void thread_move(struct platform_thread *th, struct platform_thread *other)
{
    struct platform_space *old = th->space;
    int tid = other->tid;
    handoff_forget(th); /* its old host task's */
    thread_unbind(other);
    thread_unbind(th);
    int r = hash_insert(&g_seccomp.tids, &th->hash, hash_u64((uint64_t)tid));
    BUG_ON(r < 0); /* the table is there */
    list_del(&th->proc_link);
    th->tid = tid;
    th->proc = other->proc;
    list_add_tail(&th->proc_link, &th->proc->threads);
    th->space = space_get(other->space);
    space_put(old);
    th->notify_id = other->notify_id;
    th->notify_fd = other->notify_fd;
    th->nonce = 0;
    th->lazy = false;
    th->in_request = true;
    th->event = th->has_context = th->started = th->kicked = th->start_kick = false;
    th->nr = STUB_REQ_BOOT;
    th->range_count = 0;
    th->expect = EXPECT_NONE;
    thread_set_slot(th, 0);
    thread_destroy(other);
}

int seccomp_exec(struct platform_thread *th, struct platform_boot *out_boot)
{
    struct platform_space *fresh;
    if (th->dead) {
        return -ESRCH;
    }
    if (spare_take(th, out_boot)) {
        return 0;
    }
    int r = space_new(&fresh);
    if (r < 0) {
        return r;
    }
    /* The order goes out through the old channel; everything after it comes through the new one. */
    struct platform_space *old = th->space;
    th->expect = EXPECT_EXEC;
    th->expect_met = false;
    th->started =
        false; /* a kick now would find no handler, and kill: it waits for the new program */
    channel_reply(th, ORDER_EXEC);
    th->space = fresh;
    thread_set_slot(th, 0);
    r = channel_wait(th);
    th->booting = false;
    if (r == 0 && (th->nr != STUB_REQ_BOOT || th->notify_fd < 0)) {
        r = -ESRCH;
        seccomp_kill(th);
    }
    if (r == 0) {
        process_move(th->proc, fresh);
        boot_result(th, out_boot);
        spare_exec_done(th, out_boot);
    }
    space_put(old);
    return r;
}

/* --- ends --- */

void seccomp_thread_exit(struct platform_thread *th)
{
    if (!th->dead && th->in_request && !park_thread(th)) {
        th->has_tail = false;
        channel_reply(th, ORDER_EXIT);
    }
    seccomp_thread_free(th);
}

void seccomp_thread_free(struct platform_thread *th)
{
    struct host_process *p = th->proc;
    thread_unbind(th);
    thread_destroy(th);
    if (p) {
        process_maybe_free(p);
    }
}

/* When so many are dying or not reaped yet, more are not moved out of the way: they would queue up for one CPU. */
#define DYING_AWAY 64

static struct list g_kills = LIST_INIT(g_kills);
static size_t g_dying; /* processes that were told to, and are not reaped */

static void process_kill(struct host_process *p)
{
    if (g_seccomp.dying) {
        g_seccomp.dying();
    }
    int r = host_kill(p->pid, SIGKILL);
    if (r < 0) {
        log_warn("kill of host process %d: error %d", p->pid, -r);
    }
    p->dying = true;
    g_dying++;
}

/*
 * Nobody need wait until the host has taken the memory of a killed process down (milliseconds): its threads that were guests, or slept
 * at the gate, run no guest code any more. The host has interrupted those that ran before kill returned, and
 * whoever hears of the end is woken after that. Those in a request are their owners' to end.
 */
static void runners_are_dead(struct host_process *p)
{
    struct platform_thread *th;
    list_for_each_entry (th, &p->threads, proc_link) {
        if (!th->in_request) {
            thread_mark_dead(th, SIGKILL);
        }
    }
}

void seccomp_kill(struct platform_thread *th)
{
    struct host_process *p = th->proc;
    if (!p || p->killed || p->reaped) {
        return;
    }
    p->killed = true;
    sites_learn(p);
    /*
     * One that waits for us anyway does no harm a moment longer: those whom its end wakes are answered first, and
     * don't wait for the CPU until its memory is taken down.
     */
    if (th->in_request && !th->event && th->proc_link.next == &p->threads &&
        th->proc_link.prev == &p->threads) {
        list_add_tail(&p->kill_link, &g_kills);
    } else {
        process_kill(p);
        runners_are_dead(p);
    }
}

void seccomp_kill_flush(void)
{
    struct host_process *p;
    if (!list_empty(&g_kills)) {
        baton_deferred_now(); /* a kill takes long */
    }
    while ((p = list_first_entry(&g_kills, struct host_process, kill_link))) {
        list_del(&p->kill_link);
        if (g_dying < DYING_AWAY) {
            handoff_keep_away(p->pid);
        }
        process_kill(p);
    }
}

static void process_reaped(struct host_process *p, int status)
{
    struct platform_thread *th;
    p->reaped = true;
    g_dying -= p->dying;
    park_forget(p);
    list_del(&p->kill_link);
    hash_remove(&g_seccomp.processes, &p->hash);
    list_del(&p->space_link);
    space_put(p->space);
    p->space = NULL;
    list_for_each_entry (th, &p->threads, proc_link) {
        thread_unbind(th);
        thread_mark_dead(th, status);
    }
    if (p->suspicious) {
        g_seccomp.sweep_wanted = true;
        sweep_strangers();
    }
    process_maybe_free(p);
}

void seccomp_children(void)
{
    for (;;) {
        int status;
        int pid = (int)host_result(waitpid(-1, &status, WNOHANG | __WALL));
        if (pid <= 0) {
            space_clean_regions();
            return;
        }
        struct host_process *p = process_find(pid);
        if (p) {
            log_debug("host process %d ended with %#x", pid, status);
            process_reaped(p, status);
        } else {
            stranger_reaped();
        }
        baton_lend(); /* there may be many, of 4 us each */
    }
}
