/*
 * Host threads that wait for another guest thread to begin in them: see platform/stub/park.c for the protocol.
 *
 * Such a thread is nobody's, but its process's: the process has a bit for its slot. All that a guest could do with one
 * it can do with any thread of its own that ignores its end.
 */
#include <sys/syscall.h>

#include "lib/host.h"
#include "platform/seccomp/seccomp.h"

/* Of all processes: the host's limit of tasks (engine_limit_tasks) has room for so many besides the guests'. */
#define PARKED_MAX 64

static unsigned g_parked;

static void count(int change)
{
    g_parked += (unsigned)change;
    bool park = g_seccomp.ro->answer && g_parked < PARKED_MAX;
    if (g_seccomp.ro->park != park) {
        g_seccomp.ro->park = park;
    }
}

void park_init(void)
{
    count(0);
}

void park_forget(struct host_process *p)
{
    count(-__builtin_popcountl(p->parked));
    p->parked = 0;
}

void park_collect(struct platform_thread *th)
{
    struct platform_thread *other, *next;
    bool found = false;
    struct stub_process *said = space_process(th->space);
    if (!th->proc || !__atomic_load_n(&said->exits, __ATOMIC_RELAXED)) {
        return;
    }
    uint64_t slots = __atomic_exchange_n(&said->exits, 0, __ATOMIC_SEQ_CST);
    /* One whose host task is learnt now becomes the last. */
    list_for_each_entry_safe (other, next, &th->proc->threads, proc_link) {
        if (other != th && other->slot < PARK_SLOTS && (slots >> other->slot & 1)) {
            found |= channel_accept(other, 0);
        }
    }
    if (found) {
        kthread_yield();
    }
}

bool park_thread(struct platform_thread *th)
{
    if (th->nr != SYS_exit || th->args[5] != STUB_EXIT_PARKED || th->slot >= PARK_SLOTS) {
        return false;
    }
    uint64_t id = th->notify_id;
    if (th->confined) {
        handoff_anywhere(th->tid);
    }
    uint64_t bit = 1UL << th->slot;
    count(!(th->proc->parked & bit));
    th->proc->parked |= bit;
    th->in_request = th->event = false;
    th->notify_id = 0;
    __atomic_store_n(&th->chan->state, CHAN_DONE, __ATOMIC_SEQ_CST);
    if (id) {
        notify_answer_later(id);
    }
    return true;
}

int64_t seccomp_cpu_start(const struct platform_thread *th)
{
    return th->chan ? (int64_t)(*(volatile uint64_t *)&th->chan->cpu_start_ns & INT64_MAX) : 0;
}

/*
 * The order goes out with th's next platform_switch: the thread that it wakes finds its channel as the kernel wants it, as a
 * new one does, which has to come by here first.
 */
bool park_begin(struct platform_thread *th, struct platform_thread *child)
{
    uint64_t waiting = th->proc ? th->proc->parked : 0;
    while (waiting && thread_slot_in_use(th, (uint32_t)__builtin_ctzl(waiting))) {
        waiting &= waiting - 1;
    }
    if (!waiting) {
        return false;
    }
    uint32_t slot = (uint32_t)__builtin_ctzl(waiting);
    th->proc->parked &= ~(1UL << slot);
    count(-1);
    handoff_forget(child); /* it is not where th is */
    thread_set_slot(child, slot);
    list_add_tail(&child->pending_link, &g_seccomp.pending);
    th->expect_clone.parked = 1 + slot;
    channel_park(th);
    th->unpark_waits = true;
    th->in_request = th->event = false;
    return true;
}

void park_go(struct platform_thread *th)
{
    th->unpark_waits = false;
    th->chan->clone = th->expect_clone;
    th->chan->ret = th->expect_clone.guest_tid;
    channel_reply(th, ORDER_CLONE);
}
