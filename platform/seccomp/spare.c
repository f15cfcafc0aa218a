/*
 * Spare host processes for exec, in the manner of a zygote. When programs are started often, a *template* is kept: a booted
 * stub that has never run guest code, and waits at the gate. It forks spares ahead of time, each of which
 * maps its channels and waits at the gate, too. An exec then takes the ready spare instead of making the host's execve and booting a stub: the guest
 * thread moves over to the spare's host process, and the old one is killed. That spares 150 us of every exec, a vfork
 * child's included, and what the template was given once (given.c) all programs have.
 *
 *      first frequent exec   the fresh stub is told to fork before it loads: the child becomes the template
 *      later                 template: ORDER_SPARE -> fork, RESULT, waits; child: hello, RESULT, waits
 *      exec                  the guest thread takes the child's place; its RESULT is answered with ORDER_LOAD
 *
 * When programs follow each other fast, or the template's CPU is busy, the next spare may still be on its way: what is left of that
 * way is shorter than the host's execve, so one exec at a time waits for it.
 *
 * A spare has no memory, registers or descriptors of any guest's, so there is nothing that a guest could prepare for the program
 * that comes after it. What it has been given are files that the processes of one class could open (given_table.class): only they take
 * it. Spares are nobody's: no task knows them, and they count as no process of the guests'.
 *
 * DEVIATION: programs that come from one template have their vDSO at one address. A template serves TEMPLATE_USES programs.
 */
#include <errno.h>

#include "lib/host.h"
#include "lib/log.h"
#include "platform/seccomp/seccomp.h"

#define OFTEN_COUNT   4 /* this many execs ... */
#define OFTEN_NS      (500 * NSEC_PER_MSEC)
#define TEMPLATE_USES 256 /* then another vDSO's place is due */
#define MISSES_MAX    8   /* execs in a row for which the template was of no use */
#define GIVEN_MISSES  8
#define PRELOAD_MISSES                                                                             \
    8 /* programs in a row that began in something else than what the template has */

static struct {
    struct platform_thread *template; /* owned; NULL: none */
    struct platform_thread *spare;    /* owned; NULL: none; it may not have said hello yet */
    struct platform_boot boot;
    struct preload *preload;  /* ref; what the template has, or is about to have; NULL: nothing */
    bool preloading;          /* it was told to */
    struct preload *of_spare; /* ref; what the spare has */
    bool wanted;              /* a spare is to be made when there is nothing else to do */
    bool released;            /* the spare may run anywhere */
    bool complete;          /* the last program found in its spare all that the template can have */
    unsigned place;         /* of the template: handoff_stay_away */
    struct kthread *waiter; /* for the spare; NULL: nobody */
    unsigned uses, misses, preload_misses, exec_next, missed_next;
    int64_t execs[OFTEN_COUNT];             /* when the last ones were */
    struct given_file missed[GIVEN_MISSES]; /* what spares had to be given */
} g;

/* Context: baton held. */
static void forget(struct platform_thread **th)
{
    struct platform_thread *old = take(th);
    if (old) {
        seccomp_kill(old);
        seccomp_thread_free(old);
    }
}

static void forget_spare(void)
{
    forget(&g.spare);
    preload_put(take(&g.of_spare));
}

static void forget_all(void)
{
    forget_spare();
    forget(&g.template);
    preload_put(take(&g.preload));
    g.preloading = false;
    g.preload_misses = 0;
    g.wanted = false;
}

static bool is_frequent(void)
{
    int64_t now = host_clock_ns(CLOCK_MONOTONIC);
    int64_t oldest = g.execs[g.exec_next % OFTEN_COUNT];
    g.execs[g.exec_next++ % OFTEN_COUNT] = now;
    return oldest && now - oldest < OFTEN_NS;
}

/* It waits with its channels, and can be taken over. */
static bool is_ready(const struct platform_thread *spare)
{
    return spare && !spare->dead && spare->event && spare->nr == STUB_REQ_RESULT &&
           spare->notify_id;
}

/* It is back from its last fork. */
static bool template_waits(void)
{
    struct platform_thread *t = g.template;
    return t && !t->dead && t->in_request && t->notify_id && t->event && t->nr == STUB_REQ_RESULT;
}

/* Throws away what died, or did not come about. */
static void look_after(void)
{
    if (g.template && g.template->dead) {
        forget_all();
    }
    if (g.preloading && template_waits() && g.template->event) {
        g.preloading = false;
        if ((int)g.template->args[0] < 0) {
            log_info("the template can't load an interpreter: error %d", -(int)g.template->args[0]);
            forget_all();
        }
    }
    if (g.spare && (g.spare->dead || (g.template && !g.spare->tid && template_waits() &&
                                      (g.template->event && (int)g.template->args[0] < 0)))) {
        forget_spare();
    }
    if (g.spare && !g.spare->tid && clone_died_nameless(g.template)) {
        forget_spare();
    }
}

static int order_fork(struct platform_thread *parent, struct platform_thread **out)
{
    static const struct platform_clone plain;
    int r = clone_order(parent, &plain, ORDER_SPARE, out);
    if (r == 0) {
        (*out)->cloner = parent; /* neither points to the other when that is gone */
        (*out)->settles = true;
    }
    return r;
}

/* Has the next spare made now, if that can be. */
static void make_now(void)
{
    if (g.spare || !template_waits()) {
        return; /* under way, or there already; what brings the template back brings us here again */
    }
    g.wanted = false;
    g.released = false;
    g.template->event = false;
    handoff_stay_away(g.template, &g.place);
    if (order_fork(g.template, &g.spare) < 0) {
        g.spare = NULL;
        forget_all();
        return;
    }
    g.of_spare = g.preload ? preload_get(g.preload) : NULL;
}

void spare_make(void)
{
    bool settles = g.spare && !g.released;
    if (!g.wanted && !g.waiter && !settles) {
        return;
    }
    look_after();
    if (g.wanted) {
        make_now();
    }
    if (is_ready(g.spare) && !g.released) {
        g.released = true;
        handoff_anywhere(g.spare->tid); /* its parent was kept away */
    }
    if (g.waiter && (!g.spare || is_ready(g.spare))) {
        kthread_wake(take(&g.waiter));
    }
}

void spare_preload_met(bool met)
{
    g.preload_misses = met ? 0 : g.preload_misses + 1;
    if (g.preload_misses == PRELOAD_MISSES) {
        forget_all();
    }
}

void spare_preload(const struct platform_thread *th, const struct load_op *ops, size_t op_count)
{
    struct platform_thread *t = g.template;
    if (g.preload || !template_waits() || !th->proc ||
        th->proc->given.class != t->proc->given.class) {
        return;
    }
    struct preload *p = preload_new(ops, op_count);
    if (!p || !sites_settled(t->proc->given.class, &p->file)) {
        preload_put(p);
        return;
    }
    handoff_stay_away(t, &g.place);
    if (load_shared(t, ops, op_count) < 0) {
        preload_put(p);
        return;
    }
    g.preload = p;
    g.preloading = true;
}

void spare_exec_done(struct platform_thread *th, const struct platform_boot *boot)
{
    bool frequent = is_frequent();
    if (g.template && g.template->dead) {
        forget_all();
    }
    if (!frequent || (g.template && ++g.misses < MISSES_MAX)) {
        return;
    }
    forget_all();
    struct platform_thread *child;
    if (order_fork(th, &child) < 0) {
        return;
    }
    int r = channel_wait(th);
    th->expect = EXPECT_NONE;
    th->child = child->cloner = NULL;
    if (r < 0 || th->nr != STUB_REQ_RESULT || (int)th->args[0] < 0 || g.template) {
        forget(&child);
        return;
    }
    g.template = child;
    g.boot = *boot;
    g.place = 0;
    g.uses = g.misses = 0;
    g.wanted = true;
}

/* Who is of another class, or has changed its credentials, can't take what the template makes. */
static bool suits(const struct platform_thread *of, const struct platform_thread *th)
{
    return of && th->proc && of->proc && of->proc->given.class == th->proc->given.class;
}

/* Sleeps until a spare is there, or will not be. Context: may block. */
static void await_spare(struct platform_thread *th)
{
    struct kthread *self = kthread_current();
    if (is_ready(g.spare) || g.waiter || !suits(g.template, th)) {
        return;
    }
    make_now();
    g.waiter = g.spare ? self : NULL;
    while (g.waiter == self && !th->dead && !th->proc->killed) {
        kthread_sleep();
    }
    if (g.waiter == self) {
        g.waiter = NULL;
    }
}

bool spare_take(struct platform_thread *th, struct platform_boot *out_boot)
{
    look_after();
    await_spare(th);
    struct platform_thread *spare = g.spare;
    if (!is_ready(spare) || !suits(spare, th) || th->dead || th->proc->killed) {
        g.wanted |= g.template && !g.spare;
        return false;
    }
    g.spare = NULL;
    g.misses = 0;
    seccomp_kill(th);
    if (!g.released) {
        handoff_anywhere(spare->tid);
    }
    thread_move(th, spare);
    th->chan->state = CHAN_PARKED; /* it waits for the answer to a request */
    th->preload = take(&g.of_spare);
    th->was_spare = true;
    *out_boot = g.boot;
    if (++g.uses >= TEMPLATE_USES) {
        forget_all();
    } else if (g.complete) {
        make_now(); /* meanwhile, on another CPU */
    } else {
        g.wanted = true; /* when the template was given what it lacks */
    }
    g.complete = g.preload != NULL;
    seccomp_kill_flush();
    return true;
}

void spare_missed_file(struct platform_thread *th, int host_fd, const struct given_file *f)
{
    struct platform_thread *t = g.template;
    if (!suits(t, th) || t->proc->given.count == GIVEN_MAX) {
        return;
    }
    g.complete = false;
    if (!template_waits()) {
        return;
    }
    bool before = false;
    for (unsigned i = 0; i < GIVEN_MISSES; i++) {
        before |= g.missed[i].ino == f->ino && g.missed[i].dev == f->dev;
    }
    if (!before) {
        g.missed[g.missed_next++ % GIVEN_MISSES] = *f;
        return;
    }
    struct given_table *given = &t->proc->given;
    for (uint32_t i = 0; i < given->count; i++) {
        if (given->files[i].ino == f->ino && given->files[i].dev == f->dev) {
            return;
        }
    }
    handoff_keep_near(t->tid); /* this waits for it */
    g.place = 0;
    if (notify_install(t->notify_id, host_fd, (int)(STUB_FD_KEPT + given->count), false) == 0) {
        given->files[given->count++] = *f;
    }
}
