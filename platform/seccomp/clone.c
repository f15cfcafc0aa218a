/*
 * Births: fork, threads, exec; host processes. Their ends are in ends.c.
 *
 * A new process is known to the sentry by its order's nonce until it says hello (notify.c); from then on by the host
 * tid that the kernel gave with that notification. A new thread says no hello: the number that it wrote counts if the host knows
 * it in that process, and we know no other thread by it. All stubs are
 * siblings (CLONE_PARENT), so this process reaps every one of them.
 */
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "lib/host.h"
#include "lib/log.h"
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

/*
 * The host gives an exec'ing thread the number of its leader, when the exec can't fail any more. Until it says so itself it keeps its own here,
 * since it makes its call again if it is stopped on the way.
 */
static bool takes_leaders_number(struct platform_thread *th)
{
    int pid = th->proc->pid;
    if (!th->booting || th->tid == pid) {
        return false;
    }
    thread_unbind(th);
    return thread_bind(th, pid, pid) == 0;
}

struct platform_thread *thread_executed(int pid)
{
    struct host_process *p = process_find(pid);
    struct platform_thread *th;
    if (!p) {
        return NULL;
    }
    list_for_each_entry (th, &p->threads, proc_link) {
        if (takes_leaders_number(th)) {
            return th;
        }
    }
    return NULL;
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
        p->forked = th->forked;
        th->forked = NULL;
        if (p->forked) {
            p->forked->alive++;
            p->born_ns = host_clock_ns(CLOCK_MONOTONIC);
        }
    }
    struct platform_thread *stale = thread_find(tid);
    if (stale && !takes_leaders_number(stale)) {
        /* it ended behind our back, and the host gave its number away again */
        thread_unbind(stale);
        thread_mark_dead(stale, SIGKILL);
    }
    if (hash_insert(&g_seccomp.tids, &th->hash, hash_u64((uint64_t)tid)) < 0) {
        return -ENOMEM;
    }
    th->tid = tid;
    th->proc = p;
    p->leader_gone &= tid != pid; /* who executes gets the leader's number */
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

/* Not 0, and no pending child's. */
static uint32_t nonce_new(void)
{
    static uint32_t random[64]; /* many at a time: a host call each would be a microsecond */
    static size_t left;
    uint32_t nonce;
    do {
        if (left == 0) {
            host_random(random, sizeof(random));
            left = ARRAY_COUNT(random);
        }
        nonce = random[--left];
    } while (nonce == 0 || pending_find(nonce));
    return nonce;
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
    child->nonce = nonce_new();
    child->vforked = (c->flags & (CLONE_VM | CLONE_VFORK)) == (CLONE_VM | CLONE_VFORK);
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

/* So many brief children in a row, and the next is expected to be one, too. */
#define BRIEF_COUNT 2

/*
 * A child that soon ends is better off on its parent's CPU, which has nothing else to do but to wait for it: on another that one has
 * to be woken, and then the parent there, and whoever has run on two CPUs interrupts the other one at each fork and exit.
 */
static void keep_near_brief(struct platform_thread *th)
{
    struct forked_children *f = th->child->forked;
    if (!f) {
        return;
    }
    f->several |= f->alive > 0; /* they are to run at the same time */
    if (f->brief >= BRIEF_COUNT && !f->several && !th->confined) {
        th->near = true;
        handoff_keep_near(th->tid);
    }
}

static void go_anywhere(struct platform_thread *th, const struct platform_thread *child)
{
    if (th->near && !th->dead) {
        handoff_anywhere(th->tid);
    }
    if (th->near && child->tid) {
        handoff_anywhere(child->tid);
    }
    th->near = false;
}

void clone_goes(struct platform_thread *th)
{
    const struct stub_order_clone *o = &th->expect_clone;
    th->expect_met = true;
    if (!(o->flags & CLONE_THREAD)) {
        th->space->region->tainted = true;
        if (!(o->flags & CLONE_VM)) {
            memcpy(th->child->space->region->base + STUB_PROCESS_OFFSET,
                   th->space->region->base + STUB_PROCESS_OFFSET, sizeof(struct stub_process));
            seccomp_set_cpu_before(th->child->space, 0);
            keep_near_brief(th);
        }
        if (th->child->inherited) {
            *th->child->inherited = th->proc->given;
        }
    }
    list_del(&th->child->pending_link);
    list_add_tail(&th->child->pending_link, &g_seccomp.pending);
}

/*
 * What only forks have: call sites for the parent to rewrite, and the number by which the next child will introduce itself, if that fork
 * is asked for by the host call itself. Return: the order that makes th fork now.
 */
static enum stub_order fork_order(struct platform_thread *th, struct platform_thread *child,
                                  struct stub_order_clone *o)
{
    child->forked = sites_of_children(th->proc);
    size_t sites = sites_for_children(th->proc, (void *)((char *)th->chan + WINDOW_OFFSET));
    th->chan->reply_args[0] = sites;
    bool goes = th->at_clone && sites == 0 && th->next_nonce && !pending_find(th->next_nonce) &&
                th->clone_args[1] == 0 && clone_is_ordered(th->clone_args, o);
    if (goes) {
        o->nonce = child->nonce = th->next_nonce;
    }
    th->chan->next_nonce = th->next_nonce = nonce_new();
    return goes ? ORDER_FORKS : ORDER_CLONE;
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
    channel_flush(th);
    th->chan->reply_args[0] = 0;
    if (order == ORDER_CLONE && !(c->flags & CLONE_VM)) {
        order = fork_order(th, child, &o);
    }
    th->expect_clone = o;
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
    if (!(c->flags & CLONE_VM)) {
        child->chan->clone = o;
    }
    th->chan->ret = (uint64_t)c->guest_tid;
    if (order == ORDER_FORKS) {
        clone_goes(th);
    }
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
    go_anywhere(th, child);
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
    slots_are_gone(p);
    park_forget(p); /* the host has ended them */
    sites_of_children_forget(p);
    list_del(&p->space_link);
    space_put(p->space);
    p->space = space_get(s);
    list_add_tail(&p->space_link, &s->procs);
}

void thread_move(struct platform_thread *th, struct platform_thread *other)
{
    struct platform_space *old = th->space;
    int tid = other->tid;
    slot_is_lost(th);
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
    th->lazy = th->vforked = false;
    th->in_request = true;
    th->event = th->has_context = th->started = th->kicked = th->start_kick = false;
    th->nr = STUB_REQ_BOOT;
    channel_no_copies(th);
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
    forked_child_over(th->proc, true);
    if (spare_take(th, out_boot)) {
        return 0;
    }
    int r = space_new(&fresh);
    if (r < 0) {
        return r;
    }
    /* The order goes out through the old channel; everything after it comes through the new one. */
    struct platform_space *old = th->space;
    slot_is_lost(th);
    th->vforked = false;
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
