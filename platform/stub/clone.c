/*
 * New threads and processes. The sentry decides (it sends the exact flags); the guest's own thread
 * makes the host call at the gate, where the sentry checks it against its order.
 *
 * A fork, which most programs ask for in the same words, comes to the sentry as the host call itself, and is let go on: there and back once
 * less than with an order. For that the parent has the next child's nonce beforehand.
 *
 * A child that is a process of its own introduces itself with the order's nonce before it runs guest code, by a notification, so
 * that the sentry has from the host which task it is: vfork's rings the doorbell, fork's asks for its own
 * channels. A thread only leaves its host tid in its channel: it can't name a task that is not of its process, whose other
 * threads the sentry knows, so a lie hurts nobody else.
 *
 * The guest's tid is written by the stub, not by the host, whose tids the guest never sees: to
 * *parent_tid before the child exists (a store after clone could overwrite the zero that an already dead
 * child's CLEARTID left there), to *child_tid by the child.
 */
#include <asm/unistd.h>
#include <stddef.h>

#include "platform/stub/stub.h"

#define CLONE_VM_             0x100UL
#define CLONE_VFORK_          0x4000UL
#define CLONE_PARENT_         0x8000UL
#define CLONE_THREAD_         0x10000UL
#define CLONE_PARENT_SETTID_  0x100000UL
#define CLONE_CHILD_CLEARTID_ 0x200000UL
#define CLONE_CHILD_SETTID_   0x1000000UL
#define SIGCHLD_              17UL
#define EAGAIN_               11

uint64_t *stub_slot_word(uint64_t slot)
{
    return &HOT->slots[(slot / 64) % (SLOT_COUNT / 64)];
}

void stub_slots_reset(uint64_t slot)
{
    for (uint64_t i = 0; i < SLOT_COUNT / 64; i++) {
        HOT->slots[i] = i == SLOT_COUNT / 64 - 1 ? SHARED_SLOT_BITS : 0;
    }
    *stub_slot_word(slot) |= 1UL << (slot & 63);
    HOT->parked = 0;
    HOT->changing = 0;
}

int stub_single_threaded(void)
{
    int count = 0;
    for (uint64_t i = 0; i < SLOT_COUNT / 64; i++) {
        count += bit_count(__atomic_load_n(&HOT->slots[i], __ATOMIC_ACQUIRE));
    }
    return count == 1 + SHARED_SLOTS + bit_count(__atomic_load_n(&HOT->parked, __ATOMIC_ACQUIRE));
}

static long slot_alloc(void)
{
    stub_look_for_gone();
    for (uint64_t i = 0; i < SLOT_COUNT / 64; i++) {
        uint64_t old = __atomic_load_n(&HOT->slots[i], __ATOMIC_RELAXED);
        while (~old) {
            int bit = __builtin_ctzl(~old);
            if (__atomic_compare_exchange_n(&HOT->slots[i], &old, old | 1UL << bit, 0,
                                            __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) {
                return (long)(i * 64 + (uint64_t)bit);
            }
        }
    }
    return -EAGAIN_;
}

static void slot_free(uint64_t slot)
{
    __atomic_fetch_and(stub_slot_word(slot), ~(1UL << (slot & 63)), __ATOMIC_RELEASE);
}

static void store_tid(uint64_t addr, uint32_t tid)
{
    guarded_copy((void *)addr, &tid, sizeof(tid));
}

void stub_was_lent(uint64_t slot)
{
    uint16_t end = __atomic_load_n(&HOT->lent_end, __ATOMIC_RELAXED);
    while (end <= slot && !__atomic_compare_exchange_n(&HOT->lent_end, &end, (uint16_t)(slot + 1),
                                                       0, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED)) {
    }
}

/*
 * A file that another thread was lent for one call as we forked is not ours, whatever rights we give up later. The host copies
 * descriptors before memory: that thread may have ended in between, and lent_end is all that is left of it.
 */
static void lent_files_close(const struct area *area)
{
    const uint64_t own = area->slot / 64, last = SLOT_COUNT / 64 - 1;
    uint64_t end = HOT->lent_end;
    for (uint64_t i = 0; i <= last; i++) {
        uint64_t others = HOT->slots[i] & ~(i == own ? 1UL << (area->slot & 63) : 0) &
                          ~(i == last ? SHARED_SLOT_BITS : 0);
        uint64_t here = others ? i * 64 + 64 - (uint64_t)__builtin_clzl(others) : 0;
        end = here > end ? here : end;
    }
    HOT->lent_end = 0;
    if (end == area->slot + 1) {
        end = area->slot; /* we forked, and closed ours before */
    }
    for (uint64_t slot = 0; slot < end; slot++) {
        gate(__NR_close, STUB_FD_GIVEN + slot, 0, 0, 0, 0, 0);
        gate(__NR_close, STUB_FD_MAP + slot, 0, 0, 0, 0, 0);
    }
}

/* In the forked child, on its copy of the stack: nothing shared may be touched before the channels are its own. */
static void fork_child(struct area *area, uint32_t nonce)
{
    lent_files_close(area);
    stub_slots_reset(area->slot);
    area->kick = 0;
    area->kick_came = 0;
    stub_notes_reset(area);
    static const uint64_t none[5];
    stub_hello(nonce, none);
    stub_hold(area);
    const struct stub_order_clone *o = &area->chan->clone; /* the same that its parent has */
    if (o->guest_flags & CLONE_CHILD_SETTID_) {
        store_tid(o->child_tid, o->guest_tid);
    }
    if (o->stack) {
        area->rsp = o->stack;
    }
}

#define YIELD_LOST 300000UL /* cycles: somebody else had the CPU, too */

/*
 * Our clone's permission took this CPU from the thread that serves doorbells, which is what our child, on another CPU, will ring for: it would
 * wait until we sleep. That thread finds nothing yet, and sleeps, so that the child wakes it there. Where others want
 * this CPU, they get it first; then a child that waits is the smaller evil.
 */
static void let_child_be_heard(void)
{
    if (RO->cpu_count < 2 || !stub_odds_try(&HOT->yield_odds)) {
        return;
    }
    uint64_t before = timestamp();
    gate(__NR_sched_yield, 0, 0, 0, 0, 0, 0);
    stub_odds_learn(&HOT->yield_odds, timestamp() - before < YIELD_LOST);
}

long stub_fork(struct area *area, const struct stub_order_clone *o)
{
    long r;
    stub_brk_lock(); /* who moves the break may have to wait for the other */
    stub_patch_lock();
    do {
        r = gate(__NR_clone, o->flags, 0, 0, o->child_tid, o->tls, 0);
    } while (r == -EINTR_);
    stub_patch_unlock();
    stub_brk_unlock();
    if (r == 0) {
        fork_child(area, o->nonce);
    } else if (r > 0) {
        let_child_be_heard();
    }
    return r;
}

int stub_forks_at_once(const struct area *area, uint64_t nr, struct stub_order_clone *out)
{
    const uint64_t flags = nr == __NR_fork ? SIGCHLD_ : area->args[0];
    const uint64_t may_be = CLONE_CHILD_SETTID_ | CLONE_CHILD_CLEARTID_;
    if ((nr != __NR_fork && (nr != __NR_clone || area->args[1])) || (flags & ~may_be) != SIGCHLD_ ||
        !area->chan->next_nonce || (area->chan->ask & (CHAN_ASK_CALLS | CHAN_ASK_SITES)) ||
        !stub_single_threaded()) {
        return 0;
    }
    *out = (struct stub_order_clone){.flags =
                                         CLONE_PARENT_ | SIGCHLD_ | (flags & CLONE_CHILD_CLEARTID_),
                                     .child_tid = nr == __NR_fork ? 0 : area->args[3],
                                     .tls = nr == __NR_fork ? 0 : area->args[4],
                                     .nonce = area->chan->next_nonce};
    return 1;
}

/* A thread, or a vfork child: it shares our memory, and gets a slot of its own. */
static long stub_thread(struct area *area, const struct stub_order_clone *o)
{
    long slot = o->parked ? o->parked - 1L : slot_alloc();
    if (slot < 0) {
        return slot;
    }
    struct area *n = slot_area((uint64_t)slot);
    n->self = n;
    n->chan = slot_chan((uint64_t)slot);
    n->kick = 0;
    n->kick_came = 0;
    stub_notes_reset(n);
    n->frame_waits = 0;
    n->vdso_sp = 0;
    n->call_traced = n->call_over = 0;
    n->fault[0] = n->fault[1] = n->fault[2] = 0;
    n->restart = 0;
    n->sigreturn = 0;
    n->restored = 0;
    n->flags = area->flags;
    n->rip = area->rip;
    n->rsp = o->stack ? o->stack : area->rsp;
    for (int i = 0; i < 6; i++) {
        n->args[i] = area->args[i];
        n->callee[i] = area->callee[i];
    }
    n->slot = (uint64_t)slot;
    n->nonce = o->nonce;
    n->guest_tid = o->guest_tid;
    n->set_child_tid = o->guest_flags & CLONE_CHILD_SETTID_ ? o->child_tid : 0;
    n->clear_tid = o->guest_flags & CLONE_CHILD_CLEARTID_ ? o->child_tid : 0;
    area->made_tid = n->clear_tid;
    n->vfork = (o->flags & CLONE_VFORK_) != 0;
    n->is_thread = (o->flags & CLONE_THREAD_) != 0;
    if (o->parked) {
        stub_unpark(n, o);
        return 1;
    }
    n->chan->state = CHAN_IDLE;

    long r;
    do {
        r = gate_clone(o->flags, ptr(n), 0, o->child_tid, o->tls);
    } while (r == -EINTR_);
    /* A vfork child that is back from exec or exit has left our memory; a thread frees its slot itself. */
    if (r < 0 || (o->flags & CLONE_VFORK_)) {
        stub_slot_gone((uint64_t)slot);
        slot_free((uint64_t)slot);
    }
    return r;
}

long stub_clone(struct area *area)
{
    struct stub_order_clone o = area->chan->clone;
    uint32_t old_tid = 0;
    if (o.guest_flags & CLONE_PARENT_SETTID_) {
        guarded_copy(&old_tid, (void *)o.parent_tid, sizeof(old_tid));
        store_tid(o.parent_tid, o.guest_tid);
    }
    if (area->chan->reply_args[0]) {
        stub_patch_for_children((const void *)chan_window(area->chan), area->chan->reply_args[0]);
    }
    long r = o.flags & CLONE_VM_ ? stub_thread(area, &o) : stub_fork(area, &o);
    if (r > 0) {
        area->chan->clone.child_pid = (uint32_t)r; /* should it die before it can say hello */
    }
    if (r < 0 && (o.guest_flags & CLONE_PARENT_SETTID_)) {
        store_tid(o.parent_tid, old_tid);
    }
    return r;
}

void stub_thread_begins(struct area *area)
{
    if (area->is_thread) {
        __atomic_store_n(&area->chan->host_tid, area->host_tid, __ATOMIC_SEQ_CST);
    }
    stub_hold(area);
    if (area->set_child_tid) {
        store_tid(area->set_child_tid, (uint32_t)area->guest_tid);
    }
}

void stub_child(struct area *area)
{
    stub_thread_setup(area);
    if (area->is_thread) {
        area->host_tid = (uint32_t)gate(__NR_gettid, 0, 0, 0, 0, 0, 0);
    } else {
        long r;
        do {
            r = gate(GATE_DOORBELL, area->slot, area->nonce, 0, 0, 0, 0);
        } while (r == -EINTR_);
        if (r < 0) {
            stub_thread_end(area);
        }
    }
    stub_thread_begins(area);
}
