/*
 * Ends: of threads and of host processes, which are killed when nobody waits for the CPU, and reaped in batches.
 */
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "lib/host.h"
#include "lib/log.h"
#include "platform/seccomp/seccomp.h"

void process_maybe_free(struct host_process *p)
{
    if (p->reaped && list_empty(&p->threads)) {
        list_del(&p->all_link);
        list_del(&p->kill_link);
        sites_of_children_forget(p);
        free(p);
    }
}

static void thread_free(struct platform_thread *th)
{
    struct host_process *p = th->proc;
    thread_unbind(th);
    thread_destroy(th);
    if (p) {
        process_maybe_free(p);
    }
}

static uint32_t leaves(const struct host_process *p)
{
    return SLOT_LEAVES | (uint32_t)p->pid;
}

/* Its process can be killed before it has freed it. */
static void slot_is_left(const struct platform_thread *th)
{
    struct host_process *p = th->proc;
    if (p && p->space == th->space && !th->vforked) {
        p->left[th->slot / 64] |= 1UL << (th->slot & 63);
        __atomic_store_n(&th->chan->gone, leaves(p), __ATOMIC_RELAXED);
    }
}

void seccomp_thread_exit(struct platform_thread *th)
{
    if (th->dead || !th->in_request) {
        seccomp_thread_free(th);
        return;
    }
    if (!park_thread(th)) {
        th->has_tail = false;
        if (th->proc && th->tid == th->proc->pid) {
            th->proc->leader_gone = true;
        }
        slot_is_left(th);
        channel_reply(th, ORDER_EXIT);
    }
    thread_free(th);
}

void seccomp_thread_free(struct platform_thread *th)
{
    slot_is_lost(th);
    thread_free(th);
}

void slot_is_lost(const struct platform_thread *th)
{
    struct host_process *p = th->proc;
    if (p && !p->reaped && p->space == th->space && th->chan && !th->vforked) {
        p->lost[th->slot / 64] |= 1UL << (th->slot & 63);
    }
}

/* Who was told to leave and did is not there any more: the slot may have another owner. */
static bool slot_is_gone(const struct host_process *p, unsigned slot, bool lost)
{
    uint32_t *gone = &space_chan(p->space, slot)->gone;
    uint32_t expected = leaves(p);
    if (lost) {
        __atomic_store_n(gone, SLOT_GONE, __ATOMIC_RELEASE);
    }
    return lost || __atomic_compare_exchange_n(gone, &expected, SLOT_GONE, false, __ATOMIC_RELEASE,
                                               __ATOMIC_RELAXED);
}

void slots_are_gone(struct host_process *p)
{
    const bool alone = list_is_singular(&p->space->procs);
    p->lost[0] |= p->parked;
    for (unsigned i = 0; i < ARRAY_COUNT(p->lost); i++) {
        for (uint64_t bits = alone ? 0 : p->lost[i] | p->left[i]; bits; bits &= bits - 1) {
            unsigned bit = (unsigned)__builtin_ctzl(bits);
            if (slot_is_gone(p, i * 64 + bit, p->lost[i] >> bit & 1)) {
                __atomic_store_n(&space_process(p->space)->gone, 1, __ATOMIC_RELEASE);
            }
        }
        p->lost[i] = p->left[i] = 0;
    }
}

/*
 * The dying are moved out of the way as long as they die soon there: first two at a time, with each that did one more. Where the
 * other CPUs have work of their own, the dying would queue up, a crowd before which that work waits: then they stay for a while,
 * the longer the more often that is seen.
 */
#define AWAY_FIRST    2
#define AWAY_MOST     64
#define AWAY_LATE_NS  (10 * NSEC_PER_MSEC)
#define AWAY_STAY_NS  (100 * NSEC_PER_MSEC)
#define AWAY_STAY_MAX 6 /* then it is 2^6 times as long */

static struct list g_kills = LIST_INIT(g_kills);
static struct list g_dying = LIST_INIT(g_dying); /* told to, and not reaped: the oldest first */
static struct {
    size_t now, most; /* moved and not reaped; may be at once */
    int64_t stay_ns;  /* CLOCK_MONOTONIC: until then they die where they are */
    unsigned late;    /* how often in a row they were */
} g_away = {.most = AWAY_FIRST};

static void away_is_late(int64_t now_ns)
{
    if (now_ns >= g_away.stay_ns) {
        g_away.stay_ns = now_ns + (AWAY_STAY_NS << g_away.late);
        g_away.late = MIN(g_away.late + 1, (unsigned)AWAY_STAY_MAX);
        g_away.most = AWAY_FIRST;
    }
}

/* Those that were moved too long ago come back. */
static void fetch_late(int64_t now_ns)
{
    struct host_process *p;
    list_for_each_entry (p, &g_dying, kill_link) {
        if (now_ns - p->killed_ns <= AWAY_LATE_NS) {
            return;
        }
        if (p->away) {
            away_is_late(now_ns);
            handoff_fetch(p->pid);
            p->away = false;
            g_away.now--;
        }
    }
}

static void move_away(struct host_process *p)
{
    const int64_t now_ns = host_clock_ns(CLOCK_MONOTONIC);
    fetch_late(now_ns);
    if (g_away.now < g_away.most && now_ns >= g_away.stay_ns) {
        handoff_keep_away(p->pid);
        p->away = true;
        g_away.now++;
    }
}

static void away_is_reaped(const struct host_process *p)
{
    const int64_t now_ns = host_clock_ns(CLOCK_MONOTONIC);
    g_away.now--;
    if (now_ns - p->killed_ns > AWAY_LATE_NS) {
        away_is_late(now_ns);
    } else if (now_ns >= g_away.stay_ns) {
        g_away.late = 0;
        g_away.most = MIN(g_away.most + 1, (size_t)AWAY_MOST);
    }
}

static void process_kill(struct host_process *p)
{
    if (g_seccomp.dying) {
        g_seccomp.dying();
    }
    int r = host_kill(p->pid, SIGKILL);
    if (r < 0) {
        log_warn("kill of host process %d: error %d", p->pid, -r);
    }
    p->killed_ns = host_clock_ns(CLOCK_MONOTONIC);
    list_add_tail(&p->kill_link, &g_dying);
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

#define BRIEF_NS (2 * NSEC_PER_MSEC)

void forked_child_over(struct host_process *p, bool executes)
{
    struct forked_children *f = p->forked;
    if (p->born_ns) {
        bool brief =
            !executes && !f->several && host_clock_ns(CLOCK_MONOTONIC) - p->born_ns < BRIEF_NS;
        f->brief = brief ? f->brief + 1 : 0;
        f->alive--;
        f->several &= f->alive > 0;
        p->born_ns = 0;
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
    forked_child_over(p, false);
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
        move_away(p);
        process_kill(p);
    }
}

static void process_reaped(struct host_process *p, int status)
{
    struct platform_thread *th;
    list_for_each_entry (th, &p->threads, proc_link) {
        slot_is_lost(th);
    }
    slots_are_gone(p);
    p->reaped = true;
    if (p->away) {
        away_is_reaped(p);
    }
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
