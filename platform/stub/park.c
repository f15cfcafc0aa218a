/*
 * Threads that end, and live again. Making a host thread and taking it down costs more than all the rest of a thread's
 * life, so one that ends stays, and the next thread that the process makes begins in it:
 *
 *      exit      what the host would do at its end is done (clear_child_tid, and the wake-up of who joins it); the
 *                exit is posted in the channel without ringing; the thread sleeps on area->life
 *      sentry    finds the request with the process's next one (struct stub_process, exits), or when the sleeper rings because
 *                nobody has looked at it for RING_AFTER_NS, or a kick wakes it
 *      clone     ORDER_CLONE names the slot: the caller fills the area as for a new thread, and wakes it
 *
 * It executes nothing of the guest's meanwhile. Who holds robust locks, is traced, or has anything to tell ends as
 * threads always did. What the host has of a thread for itself is the same for all but its CPU time: chan.cpu_start_ns.
 */
#include <asm/unistd.h>

#include "platform/stub/stub.h"

#define LIFE_PARKED    1U /* it sleeps, or is about to: who gives it another life wakes it */
#define LIFE_SPINS     2U /* it looks at area->life all the time */
#define PARK_MAX       4  /* of a process */
#define RING_AFTER_NS  2000000
#define FUTEX_PRIVATE_ 128
#define FUTEX_WAKE_    1
#define ETIMEDOUT_     110
#define ODDS_MIN       1U
#define ODDS_MAX       1024U

/* The thread's robust list is empty: nobody waits for a lock of its. */
static int holds_no_locks(uint64_t list)
{
    uint64_t head[3]; /* next, offset, pending */
    return !list || (guarded_copy(head, (const void *)list, sizeof(head)) == 0 && head[0] == list &&
                     head[2] == 0);
}

static int may_park(const struct area *area)
{
    return area->is_thread && area->slot < PARK_SLOTS && RO->park && !area->waiting &&
           !area->kick && !(area->chan->ask & (CHAN_ASK_CALLS | CHAN_ASK_SITES | CHAN_ASK_MASK)) &&
           stub_fp_known() && !stub_single_threaded() &&
           bit_count(__atomic_load_n(&HOT->parked, __ATOMIC_ACQUIRE)) < PARK_MAX &&
           holds_no_locks(area->chan->robust_list);
}

void stub_clear_tid(uint64_t at)
{
    static const uint32_t zero;
    if (at && guarded_copy((void *)at, &zero, sizeof(zero)) == 0) {
        gate(__NR_futex, at, FUTEX_WAKE_, 1, 0, 0, 0);
    }
}

static void post_exit(struct area *area)
{
    struct chan *c = area->chan;
    uint64_t bit = 1UL << area->slot;
    uint32_t flags = (uint32_t)area->mask_changed;
    area->mask_changed = 0;
    c->robust_list = 0;
    c->tid_address = 0;
    c->has_tid_address = 1;
    c->nr = __NR_exit;
    c->args[0] = area->args[0];
    c->args[5] = STUB_EXIT_PARKED;
    c->order = 0;
    area->life = LIFE_SPINS;
    __atomic_fetch_or(&HOT->parked, bit, __ATOMIC_SEQ_CST);
    __atomic_store_n(&c->state, CHAN_REQ | flags, __ATOMIC_SEQ_CST);
    __atomic_fetch_or(&this_process()->exits, bit, __ATOMIC_SEQ_CST);
}

static int is_unserved(const struct chan *c)
{
    return (__atomic_load_n(&c->state, __ATOMIC_SEQ_CST) & CHAN_STATE_MASK) == CHAN_REQ;
}

int stub_odds_try(uint32_t *odds)
{
    uint32_t left = *odds & 0xffff;
    *odds -= left != 0;
    return left == 0;
}

void stub_odds_learn(uint32_t *odds, int paid)
{
    uint32_t penalty = *odds >> 16;
    if (paid) {
        *odds = penalty / 2 << 16;
        return;
    }
    penalty = penalty < ODDS_MIN ? ODDS_MIN : penalty < ODDS_MAX ? penalty * 2 : ODDS_MAX;
    *odds = penalty << 16 | penalty;
}

/*
 * To sleep, and to be woken on another CPU, takes longer than what is between lives where threads are made one after the other.
 * Return: the next one has begun.
 */
static int spin_for_life(struct area *area)
{
    uint32_t spins = stub_odds_try(&area->life_odds) ? RO->spin_life : 0;
    for (uint32_t i = 0; i < spins && !area->kick; i++) {
        if (__atomic_load_n(&area->life, __ATOMIC_ACQUIRE) != LIFE_SPINS) {
            stub_odds_learn(&area->life_odds, 1);
            return 1;
        }
        __builtin_ia32_pause();
    }
    uint32_t expected = LIFE_SPINS;
    if (!__atomic_compare_exchange_n(&area->life, &expected, LIFE_PARKED, 0, __ATOMIC_SEQ_CST,
                                     __ATOMIC_SEQ_CST)) {
        return 1;
    }
    if (spins) {
        stub_odds_learn(&area->life_odds, 0);
    }
    return 0;
}

void stub_join_soon(struct area *area, uint64_t word, uint32_t value)
{
    uint32_t now, spins = stub_odds_try(&area->join_odds) ? RO->spin_join : 0;
    for (uint32_t i = 0; i < spins && !area->kick; i++) {
        if (guarded_copy(&now, (const void *)word, sizeof(now)) < 0 || now != value) {
            stub_odds_learn(&area->join_odds, 1);
            return;
        }
        __builtin_ia32_pause();
    }
    if (spins) {
        stub_odds_learn(&area->join_odds, 0);
    }
}

/* Until the next life. What is in the area is that one's as soon as the exit was served: slot and nonce are the last one's. */
static void sleep_parked(struct area *area, struct chan *c, uint64_t slot, uint64_t nonce)
{
    static const uint64_t soon[2] = {0, RING_AFTER_NS};
    if (spin_for_life(area)) {
        return;
    }
    if (area->kick && is_unserved(c)) {
        gate(GATE_DOORBELL, slot, nonce, 0, 0, 0, 0);
    }
    while (__atomic_load_n(&area->life, __ATOMIC_ACQUIRE) == LIFE_PARKED) {
        int unserved = is_unserved(c);
        long r = gate(__NR_futex, ptr(&area->life), FUTEX_PRIVATE_ /* WAIT */, LIFE_PARKED,
                      unserved ? ptr(soon) : 0, 0, 0);
        if (unserved && (r == -ETIMEDOUT_ || r == -EINTR_) && is_unserved(c)) {
            gate(GATE_DOORBELL, slot, nonce, 0, 0, 0, 0);
        }
    }
}

/* The signal stack's low end: nothing but a kick uses that stack meanwhile, at its other end. */
static uint64_t fp_place(const struct area *area)
{
    return ptr(area) - AREA_STRUCT;
}

void stub_park(struct area *area)
{
    if (!may_park(area)) {
        return;
    }
    uint32_t host_tid = area->host_tid;
    uint64_t slot = area->slot, nonce = area->nonce, clear_tid = area->clear_tid;
    struct chan *c = area->chan;
    post_exit(area);
    stub_clear_tid(clear_tid);
    sleep_parked(area, c, slot, nonce);
    __asm__ volatile("wrgsbase %0" ::"r"(area));
    __asm__ volatile("wrfsbase %0" ::"r"(area->fs_base));
    stub_fp_take(fp_place(area));
    stub_thread_time(&area->chan->cpu_start_ns);
    area->host_tid = host_tid;
    stub_thread_begins(area);
    go_guest(area);
}

void stub_unpark(struct area *n, const struct stub_order_clone *o)
{
    n->fs_base = o->guest_flags & CLONE_SETTLS_ ? o->tls : base_of_fs();
    stub_fp_keep(fp_place(n));
    __atomic_fetch_and(&HOT->parked, ~(1UL << n->slot), __ATOMIC_SEQ_CST);
    if (__atomic_exchange_n(&n->life, 0, __ATOMIC_SEQ_CST) != LIFE_SPINS) {
        gate(__NR_futex, ptr(&n->life), FUTEX_PRIVATE_ | FUTEX_WAKE_, 1, 0, 0, 0);
    }
}
