/*
 * Locks of what a process's threads have in common, with those of other processes that share their memory: children of vfork, and of
 * CLONE_VM. Such a process can be killed at any moment, and leave a lock behind. So each holds its owner's slot; who waits sees
 * in the channels of slots, where the sentry says so, that somebody is gone (the parent of a vfork knows it by itself),
 * mends what the lock protects, and goes on. A lock is held for microseconds, and its owner need not wait for anybody but
 * the sentry.
 */
#include <asm/unistd.h>

#include "platform/stub/stub.h"

static uint32_t own_name(void)
{
    return (uint32_t)own_area()->slot + 1;
}

static int try_lock(uint32_t *lock)
{
    uint32_t nobody = 0;
    return __atomic_compare_exchange_n(lock, &nobody, own_name(), 0, __ATOMIC_ACQUIRE,
                                       __ATOMIC_RELAXED);
}

static void wait_and_lock(uint32_t *lock)
{
    while (!try_lock(lock)) {
        stub_look_for_gone();
        gate(__NR_sched_yield, 0, 0, 0, 0, 0, 0);
    }
}

static void unlock(uint32_t *lock)
{
    __atomic_store_n(lock, 0, __ATOMIC_RELEASE);
}

/* Held over a fork, so that the child's memory and its break agree. */
void stub_brk_lock(void)
{
    wait_and_lock(&HOT->brk_lock);
}

void stub_brk_unlock(void)
{
    unlock(&HOT->brk_lock);
}

/* Held over a fork, so that the child never gets a site that somebody was halfway through rewriting. */
void stub_patch_lock(void)
{
    wait_and_lock(&HOT->patch_lock);
}

int stub_patch_trylock(void)
{
    int had = try_lock(&HOT->patch_lock);
    if (!had) {
        stub_look_for_gone();
    }
    return had;
}

void stub_patch_unlock(void)
{
    unlock(&HOT->patch_lock);
}

static int take_over(uint32_t *lock, uint64_t slot)
{
    uint32_t dead = (uint32_t)slot + 1;
    return __atomic_compare_exchange_n(lock, &dead, own_name(), 0, __ATOMIC_ACQUIRE,
                                       __ATOMIC_RELAXED);
}

void stub_slot_gone(uint64_t slot)
{
    if (take_over(&HOT->patch_lock, slot)) {
        stub_patch_mend();
        stub_patch_unlock();
    }
    if (take_over(&HOT->brk_lock, slot)) {
        stub_brk_mend();
        stub_brk_unlock();
    }
}

void stub_look_for_gone(void)
{
    struct stub_process *p = this_process();
    if (!__atomic_load_n(&p->gone, __ATOMIC_RELAXED) ||
        !__atomic_exchange_n(&p->gone, 0, __ATOMIC_ACQUIRE)) {
        return;
    }
    for (uint64_t slot = 0; slot < THREAD_SLOTS; slot++) {
        uint64_t bit = 1UL << (slot & 63);
        uint32_t is_gone = SLOT_GONE;
        if (__atomic_load_n(stub_slot_word(slot), __ATOMIC_RELAXED) & bit &&
            __atomic_compare_exchange_n(&slot_chan(slot)->gone, &is_gone, 0, 0, __ATOMIC_ACQUIRE,
                                        __ATOMIC_RELAXED)) {
            stub_slot_gone(slot);
            __atomic_fetch_and(&HOT->parked, slot < PARK_SLOTS ? ~bit : ~0UL, __ATOMIC_SEQ_CST);
            __atomic_fetch_and(stub_slot_word(slot), ~bit, __ATOMIC_RELEASE);
        }
    }
}
