/*
 * The hand-off on the sentry's side: requests are taken once into private memory, replies are published
 * last. See platform/stub/layout.h for the protocol.
 *
 *      guest                            sentry
 *      state = REQ
 *                                       copy; in_request = true: from now on the state does not count
 *                                       PARKED, if the reply does not follow at once
 *      (sleeps: state |= SLEEPING)
 *                                       reply fields; old = xchg(state, DONE)
 *                                       in_request = false before that: a new REQ may follow at once
 *                                       old & SLEEPING: wake[id]++, FUTEX_WAKE
 */
#include <errno.h>
#include <string.h>

#include "lib/host.h"
#include "lib/log.h"
#include "platform/seccomp/seccomp.h"

struct poll_slot g_poll_slots[THREAD_MAX];
_Atomic uint32_t g_poll_slot_count;

static int poll_slot_alloc(uint32_t *out)
{
    uint32_t count = atomic_load(&g_poll_slot_count);
    for (uint32_t i = 0; i < count; i++) {
        if (!g_poll_slots[i].th) {
            *out = i;
            return 0;
        }
    }
    if (count == THREAD_MAX) {
        return -EAGAIN;
    }
    atomic_store(&g_poll_slot_count, count + 1);
    *out = count;
    return 0;
}

int thread_new(struct platform_space *s, struct platform_thread **out)
{
    struct platform_thread *th = calloc(1, sizeof(*th));
    if (!th) {
        return -ENOMEM;
    }
    int r = poll_slot_alloc(&th->index);
    if (r < 0) {
        free(th);
        return r;
    }
    g_poll_slots[th->index].th = th;
    th->space = space_get(s);
    th->notify_fd = -1;
    th->one_fd = -1;
    th->ask = PLATFORM_ASK_FILES | PLATFORM_ASK_NAMES; /* until it is known what it shares */
    list_init(&th->proc_link);
    list_init(&th->pending_link);
    *out = th;
    return 0;
}

void thread_set_slot(struct platform_thread *th, uint32_t slot)
{
    th->slot = slot;
    th->chan = space_chan(th->space, slot);
    th->chan->wake_id = th->index % WAKE_COUNT;
    th->chan->state = CHAN_IDLE;
    th->chan->host_tid = 0;
    th->chan->start_kick = th->start_kick;
    seccomp_answers_init(th);
    atomic_store(&g_poll_slots[th->index].chan, th->chan);
}

void thread_destroy(struct platform_thread *th)
{
    struct kthread *k = kthread_current();
    if (k && k->guest == th) {
        k->guest = NULL; /* a task outlives its guest thread: its copies find no window any more */
    }
    handoff_forget(th);
    atomic_store(&g_poll_slots[th->index].chan, NULL);
    g_poll_slots[th->index].th = NULL;
    while (g_poll_slot_count && !g_poll_slots[g_poll_slot_count - 1].th) {
        atomic_fetch_sub(&g_poll_slot_count, 1);
    }
    if (th->child) {
        th->child->cloner = NULL;
    }
    if (th->cloner) {
        th->cloner->child = NULL;
    }
    list_del(&th->proc_link);
    list_del(&th->pending_link);
    space_put(th->space);
    free(th->inherited);
    sites_of_children_put(th->forked);
    preload_put(th->preload);
    free(th);
}

/* Where the request's copies are: each inside the window, whatever the guest says. */
static void accept_copies(struct platform_thread *th, bool sizes)
{
    const volatile uint32_t *said = th->chan->copy_size;
    char *window = (char *)th->chan + WINDOW_OFFSET;
    const uint16_t *plan = th->nr < PLATFORM_COPY_NR_COUNT ? g_seccomp.ro->copy_plan[th->nr] : NULL;
    uint32_t used = 0;
    bool lacks_output = false;
    for (int i = 0; plan && i < 6 && used < WINDOW_SIZE; i++) {
        uint64_t planned = copy_planned(plan[i], th->args, i), wanted = sizes ? said[i] : planned;
        uint32_t size = (uint32_t)MIN(wanted, (uint64_t)WINDOW_SIZE - used);
        bool is_out = plan[i] >> 12 >= PLATFORM_COPY_OUT_FIXED;
        lacks_output |= is_out && size < planned;
        if (plan[i] >> 12 == PLATFORM_COPY_POKES) {
            th->poke_room = size;
            th->poke_offset = used;
            th->poke_arg = i;
        } else if (plan[i] && size && !platform_range_reserved(th->args[i], size)) {
            th->ranges[th->range_count++] =
                (struct copy_range){.addr = th->args[i],
                                    .size = size,
                                    .offset = used,
                                    .arg = i,
                                    .is_out = is_out,
                                    .is_string = plan[i] >> 12 == PLATFORM_COPY_IN_STR,
                                    .is_vector = plan[i] >> 12 == PLATFORM_COPY_IN_VECTOR};
            __builtin_prefetch(window + used, 1); /* it is on the guest's CPU */
        }
        used = copy_next(used, size);
    }
    if (lacks_output) { /* to be seen at once, not when the call has had its effect */
        th->poke_room = 0;
    }
}

void channel_flush_pokes(struct platform_thread *th)
{
    for (uint32_t i = 0; i < th->poke_count; i++) {
        const struct poke *p = &th->pokes[i];
        if (engine_vm_write(thread_memory(th), p->addr,
                            (char *)th->chan + WINDOW_OFFSET + p->offset, p->size) != p->size) {
            th->copy_failed = true;
        }
    }
    th->poke_count = th->poke_used = 0;
}

void channel_flush(struct platform_thread *th)
{
    uint32_t count = th->range_count;
    th->range_count = 0; /* first: the writes below must not find them */
    channel_flush_pokes(th);
    th->poke_room = 0;
    for (uint32_t i = 0; i < count; i++) {
        const struct copy_range *r = &th->ranges[i];
        if (r->is_out && r->filled) {
            size_t copied =
                engine_vm_write(thread_memory(th), r->addr,
                                (char *)th->chan + WINDOW_OFFSET + r->offset, r->filled);
            if (copied != r->filled) {
                th->copy_failed = true;
            }
        }
    }
}

bool channel_accept(struct platform_thread *th, uint64_t notify_id)
{
    struct chan *c = th->chan;
    if (!c || th->in_request || th->unpark_waits || th->dead) {
        return false;
    }
    uint32_t state = __atomic_load_n(&c->state, __ATOMIC_ACQUIRE);
    if ((state & CHAN_STATE_MASK) != CHAN_REQ || ((state & CHAN_NO_POLL) && !notify_id)) {
        return false;
    }
    if (!th->tid && !thread_identify(th)) {
        return false;
    }
    if (notify_id) {
        c->state = CHAN_PARKED; /* the poller need not look: the guest sleeps in the notification */
    }
    th->nr = *(volatile uint64_t *)&c->nr;
    for (int i = 0; i < 6; i++) {
        th->args[i] = ((volatile uint64_t *)c->args)[i];
    }
    th->done = state & CHAN_PARTIAL ? *(volatile uint64_t *)&c->done & INT32_MAX : 0;
    th->mask_changed = state & CHAN_MASK;
    if (th->mask_changed) {
        th->sigmask = *(volatile uint64_t *)&c->sigmask;
    }
    uint32_t told = *(volatile uint32_t *)&c->order;
    th->told = told & NOTES_TOLD ? told : th->told;
    c->order =
        ORDER_RETURN; /* the line starts to come over for the reply, while the call is served */
    channel_no_copies(th);
    if (state & CHAN_COPY) {
        accept_copies(th, state & CHAN_SIZES);
    }
    th->in_request = true;
    th->event = true;
    th->has_channels = false;
    th->notify_id = notify_id;
    th->at_clone = false;
    th->expect = EXPECT_NONE;
    if (th->owner) {
        kthread_wake(th->owner);
    }
    return true;
}

void channel_park(struct platform_thread *th)
{
    if (th && th->in_request && !th->notify_id) {
        uint32_t state = __atomic_load_n(&th->chan->state, __ATOMIC_RELAXED);
        if ((state & CHAN_STATE_MASK) == CHAN_REQ) {
            __atomic_compare_exchange_n(&th->chan->state, &state, CHAN_PARKED, false,
                                        __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
        }
    }
}

static void wake_later(uint64_t index)
{
    host_futex_wake(&g_seccomp.ro->wake[index], INT32_MAX);
}

void channel_reply(struct platform_thread *th, enum stub_order order)
{
    struct chan *c = th->chan;
    uint64_t id = th->notify_id;
    if (!th->has_context &&
        (order == ORDER_RETURN || order == ORDER_UPCALL || order == ORDER_SIGNAL)) {
        memset(c->copy_filled, 0, sizeof(c->copy_filled));
        for (uint32_t i = 0; i < th->range_count; i++) {
            c->copy_filled[th->ranges[i].arg] = th->ranges[i].filled;
        }
        if (th->poke_count) {
            c->copy_filled[th->poke_arg] = th->poke_used;
        }
    } else {
        channel_flush_pokes(th);
    }
    channel_no_copies(th);
    c->order = order | th->grant;
    th->grant = 0;
    th->in_request = false;
    th->event = false;
    th->has_context = false;
    th->has_signal = false;
    uint32_t old = __atomic_exchange_n(&c->state, CHAN_DONE, __ATOMIC_SEQ_CST);
    if (id && th->notify_fd >= 0) {
        notify_give_channels(th);
        return;
    }
    th->notify_id = 0;
    if (id && th->at_clone) {
        th->at_clone = false;
        if (order == ORDER_FORKS) {
            notify_continue(id);
        } else {
            notify_answer(id, -ECANCELED);
        }
    } else if (id && (order == ORDER_RETURN || order == ORDER_LOAD)) {
        notify_answer_later(id);
    } else if (id) {
        notify_answer(id, 0); /* it has something to do, and we may have, too: at the same time */
    } else if (old & CHAN_SLEEPING) {
        uint32_t index = th->index % WAKE_COUNT;
        __atomic_fetch_add(&g_seccomp.ro->wake[index], 1, __ATOMIC_SEQ_CST);
        baton_defer(wake_later, index);
    }
}

int channel_wait(struct platform_thread *th)
{
    while (!th->event && !th->dead) {
        kthread_sleep();
    }
    if (th->dead) {
        return -ESRCH;
    }
    th->event = false;
    return 0;
}

int channel_need_notify(struct platform_thread *th)
{
    if (th->notify_id) {
        return 0;
    }
    /* ORDER_COMEBACK keeps the request's context in the stub: only the channel is used again. */
    bool had_context = th->has_context;
    uint64_t nr = th->nr, args[6];
    memcpy(args, th->args, sizeof(args));
    channel_reply(th, ORDER_COMEBACK);
    int r = channel_wait(th);
    if (r < 0) {
        return r;
    }
    if (th->nr != STUB_REQ_COMEBACK || !th->notify_id) {
        log_info("tid %d: request %#llx instead of a comeback", th->tid,
                 (unsigned long long)th->nr);
        seccomp_kill(th);
        return -ESRCH;
    }
    th->nr = nr;
    memcpy(th->args, args, sizeof(args));
    th->has_context = had_context;
    return 0;
}

int channel_install(struct platform_thread *th, int fd, int number, bool cloexec)
{
    while (!th->dead) {
        uint64_t id = th->notify_id;
        int r = notify_install(id, fd, number, cloexec);
        if (r != -ENOENT) {
            return r;
        }
        while (th->notify_id == id && !th->dead) {
            kthread_sleep(); /* it was broken off: the guest rings again, or is dead */
        }
    }
    return -ESRCH;
}

void thread_mark_dead(struct platform_thread *th, int status)
{
    if (th->dead) {
        return;
    }
    th->dead = true;
    th->status = status;
    th->notify_id = 0;
    if (th->owner) {
        th->owner->killed = true;
        th->owner->interrupt = true;
        kthread_wake(th->owner);
    }
}
