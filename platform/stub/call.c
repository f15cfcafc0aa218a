/*
 * A guest's system call, seen from the stub: answer it here if that can be (answer.c), else publish it in the
 * channel, wait, and carry out what the sentry orders.
 *
 * DEVIATION: a call leaves the arithmetic flags as it happens, which Linux keeps (compilers take them for lost); and a program that has
 * alignment checks on (EFLAGS.AC) gets SIGBUS from calls at rewritten sites.
 */
#include <asm/unistd.h>
#include <stdatomic.h>

#include "platform/stub/stub.h"

#define SYSCALL_SIZE 2

void stub_hold(struct area *area)
{
    if (__atomic_load_n(&area->chan->start_kick, __ATOMIC_SEQ_CST)) {
        area->kick = 1;
    }
}

__attribute__((noreturn)) void stub_die(void)
{
    for (;;) {
        gate(__NR_exit_group, 127, 0, 0, 0, 0, 0);
    }
}

/* Sleeps until the sentry bumps our word; the state is re-checked after the mark, so no wake-up is lost. */
static void chan_park(struct chan *c, uint32_t state)
{
    uint32_t id = c->wake_id % WAKE_COUNT;
    uint32_t seq = RO->wake[id];
    if (!(state & CHAN_SLEEPING)) {
        if (!__atomic_compare_exchange_n(&c->state, &state, state | CHAN_SLEEPING, 0,
                                         __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
            return;
        }
        state |= CHAN_SLEEPING;
    }
    if (__atomic_load_n(&c->state, __ATOMIC_SEQ_CST) == state) {
        gate(__NR_futex, ptr(&RO->wake[id]), 0 /* FUTEX_WAIT */, seq, 0, 0, 0);
    }
}

/*
 * How long to leave the line alone before the first look at it. Who looks while the sentry works takes the line away from it, and
 * it has to fetch it again for the reply: 60-100 ns between CPUs. Each kind of call has learned how long it takes: it
 * looks a little earlier each time that the reply was there, and later each time that it was not.
 */
#define PATIENCE_UNIT  4U /* a pause has so many */
#define PATIENCE_MORE  2U /* after a look in vain; less by 1 after another */
#define PATIENCE_MAX   (20U * PATIENCE_UNIT)
#define PATIENCE_LEARN 32U /* pauses: what takes longer says nothing about the others of its kind */

#define SLEPT ~0U

/* spins: pauses until the reply came; first: until the first look, or SLEPT. */
static void patience_learn(uint8_t *patience, uint32_t spins, uint32_t first)
{
    if (first == SLEPT) {
        return;
    }
    if (spins == first) {
        *patience -= *patience != 0;
    } else if (spins < PATIENCE_LEARN && *patience < PATIENCE_MAX) {
        *patience += PATIENCE_MORE;
    }
}

/* Waits for the reply to the request in the channel. */
static void chan_wait(struct area *area, struct chan *c, uint8_t *patience)
{
    uint32_t spins = 0, first = RO->awake ? *patience / PATIENCE_UNIT : 0;
    while (spins < first) {
        __builtin_ia32_pause();
        spins++;
    }
    for (;;) {
        uint32_t state = __atomic_load_n(&c->state, __ATOMIC_ACQUIRE);
        switch (state & CHAN_STATE_MASK) {
        case CHAN_DONE:
            patience_learn(patience, spins, first);
            return;
        case CHAN_REQ:
            if ((state & CHAN_NO_POLL) || !RO->awake || spins >= RO->spin_request ||
                ((spins & 15) == 0 && RO->poll_cpu == this_cpu())) {
                gate(GATE_DOORBELL, area->slot, area->nonce, 0, 0, 0, 0);
                spins = 0;
                first = SLEPT;
                continue;
            }
            break;
        default:
            chan_park(c, state);
            first = SLEPT;
            continue;
        }
        spins++;
        __builtin_ia32_pause();
    }
}

/* The request in the channel counts from now on. Return: what chan_replied needs. */
static uint32_t chan_publish(struct area *area, uint32_t flags)
{
    struct chan *c = area->chan;
    flags |= (uint32_t)area->mask_changed;
    area->mask_changed = 0;
    uint32_t told = area->waiting ? stub_notes_tell(area) : 0;
    c->order = told;
    __atomic_store_n(&c->state, CHAN_REQ | flags, __ATOMIC_SEQ_CST);
    return told;
}

/* The reply is there. */
static void chan_replied(struct area *area, uint32_t told, uint8_t *patience)
{
    struct chan *c = area->chan;
    if (told) {
        stub_notes_told(area, told);
    }
    if (c->order & NOTE_GRANTED) {
        stub_notes_granted(area, c->order);
    }
    while (c->order == ORDER_COMEBACK) {
        c->nr = STUB_REQ_COMEBACK;
        c->order = 0;
        __atomic_store_n(&c->state, CHAN_REQ | CHAN_NO_POLL, __ATOMIC_SEQ_CST);
        chan_wait(area, c, patience);
    }
}

void chan_call(struct area *area, uint32_t flags)
{
    struct chan *c = area->chan;
    uint8_t *patience = &area->patience[c->nr % PATIENCE_KINDS];
    uint32_t told = chan_publish(area, flags);
    chan_wait(area, c, patience);
    chan_replied(area, told, patience);
}

/* The same for a request to fork, in which the fork itself is the doorbell. Return: 0 in the child; else what the host said. */
static long chan_fork(struct area *area, uint32_t flags, const struct stub_order_clone *o)
{
    uint8_t *patience = &area->patience[area->chan->nr % PATIENCE_KINDS];
    uint32_t told = chan_publish(area, flags | CHAN_NO_POLL);
    long r = stub_fork(area, o);
    if (r != 0) {
        chan_wait(area, area->chan,
                  patience); /* there already, unless the sentry did not know us */
        chan_replied(area, told, patience);
    }
    return r;
}

void chan_request(struct area *area, uint64_t nr, uint64_t a0, uint64_t a1)
{
    struct chan *c = area->chan;
    c->nr = nr;
    c->args[0] = a0;
    c->args[1] = a1;
    chan_call(area, 0);
}

static long stub_mem_list(struct area *area, uint64_t count)
{
    const struct stub_mem_call *list = (const void *)chan_window(area->chan);
    long r = 0;
    for (uint64_t i = 0; i < count && !(r < 0 && r >= -4095); i++) {
        r = stub_mem(&list[i]);
    }
    return r; /* the last one's */
}

__attribute__((noreturn)) void stub_thread_end(struct area *area)
{
    if (area->is_thread) {
        stub_clear_tid(area->clear_tid);
    }
    if (!area->vfork) {
        __atomic_store_n(&area->chan->gone, 0, __ATOMIC_RELEASE);
    }
    exit_thread(stub_slot_word(area->slot), area->vfork ? ~0UL : ~(1UL << (area->slot & 63)));
}

static void stub_exec(void)
{
    long r;
    do {
        r = gate(__NR_execveat, STUB_FD_IMAGE, stub_info.exec_path, stub_info.exec_argv,
                 stub_info.exec_envp, 0x1000 /* AT_EMPTY_PATH */, 0);
    } while (r == -EINTR_);
    stub_die();
}

/* The registers with which Linux starts a program: all zero but the stack pointer. */
static __attribute__((noreturn)) void stub_start_program(struct area *area, uint64_t entry,
                                                         uint64_t sp)
{
    for (int i = 0; i < 6; i++) {
        area->args[i] = 0;
        area->callee[i] = 0;
    }
    area->rip = entry;
    area->rsp = sp;
    area->flags = 0;
    stub_hold(area);
    go_guest(area);
}

/* The memory of a program, and its call sites. Return: 0 or more when all went well. */
static long stub_load_parts(struct area *area, enum stub_text how)
{
    struct chan *c = area->chan;
    uint64_t copies = c->reply_args[3];
    const struct stub_copy *list =
        (const void *)(chan_window(c) + c->reply_args[2] * sizeof(struct stub_mem_call));
    long r = stub_mem_list(area, c->reply_args[2]);
    for (uint64_t i = 0; i < copies && !(r < 0 && r >= -4095); i++) {
        r = list[i].offset
                ? guarded_copy((void *)list[i].addr, chan_window(c) + list[i].offset, list[i].size)
                : guarded_zero((void *)list[i].addr, list[i].size);
    }
    if (r < 0 && r >= -4095) {
        return r;
    }
    const struct stub_mem_call *m = (const void *)chan_window(c);
    for (uint64_t i = 0; i < c->reply_args[2]; i++) {
        if (m[i].nr == __NR_mmap && m[i].args[2] == PROT_RX) {
            stub_patch_known(m[i].args[0], m[i].args[1],
                             (const void *)(chan_window(c) + c->reply_args[5]),
                             (uint32_t)c->reply_args[4], how);
        }
    }
    return 0;
}

/* Does not come back when all went well. */
static long stub_load_program(struct area *area)
{
    const uint64_t *a = area->chan->reply_args;
    uint64_t entry = a[0], sp = a[1], watch = a[4] & LOAD_WATCH;
    long r = stub_load_parts(area, TEXT_OF_PROGRAM);
    if (r != 0) {
        return r;
    }
    if (watch) {
        stub_cpuid_watch();
    }
    stub_start_program(area, entry, sp);
}

/* To be served when there is nothing else to do: it waits in a notification meanwhile. */
static void idle_result(struct area *area, long r)
{
    area->chan->nr = STUB_REQ_RESULT;
    area->chan->args[0] = (uint64_t)r;
    chan_call(area, CHAN_NO_POLL);
}

int stub_obey_within(struct area *area)
{
    struct chan *c = area->chan;
    switch (c->order) {
    case ORDER_MEM_LIST:
        chan_request(area, STUB_REQ_RESULT, (uint64_t)stub_mem_list(area, c->reply_args[0]), 0);
        return 1;
    case ORDER_SITES:
        stub_sites_stop(c->reply_args[0] != 0);
        chan_request(area, STUB_REQ_RESULT, 0, 0);
        return 1;
    default:
        return 0;
    }
}

/* Carries out orders until one of them is the result of the call. forked: what the host said if it was a fork already. */
static long stub_obey(struct area *area, long forked)
{
    struct chan *c = area->chan;
    for (;;) {
        switch (c->order) {
        case ORDER_RETURN:
            return stub_copy_back(area);
        case ORDER_UPCALL:
            area->kick = 1;
            return stub_copy_back(area);
        case ORDER_REDO: {
            long r = stub_redo(area, c->ret);
            area->rip -= r == NOT_OURS ? SYSCALL_SIZE : 0;
            return r == NOT_OURS ? (long)c->ret : r;
        }
        case ORDER_SIGNAL: {
            long r = stub_copy_back(area);
            area->rip -= c->signal.flags & SIGNAL_REDO ? SYSCALL_SIZE : 0;
            return stub_signal_call(area, r);
        }
        case ORDER_MEM:
            return stub_mem(&c->mem);
        case ORDER_MAP_COPY:
            return stub_map_filled(c->reply_args[0], c->reply_args[1], c->reply_args[2],
                                   c->reply_args[3], chan_window(c), c->reply_args[4]);
        case ORDER_MEM_LIST:
        case ORDER_SITES:
            stub_obey_within(area);
            break;
        case ORDER_CLONE: {
            long tid = (long)c->ret;
            long r = stub_clone(area);
            stub_hold(area);
            if (r >= 0) {
                return r == 0 ? 0 : tid;
            }
            chan_request(area, STUB_REQ_RESULT, (uint64_t)r, 0);
            break;
        }
        case ORDER_FORKS: {
            long tid = (long)c->ret;
            stub_hold(area);
            if (forked > 0) {
                c->clone.child_pid = (uint32_t)forked;
                return tid;
            }
            chan_request(area, STUB_REQ_RESULT, (uint64_t)forked, 0);
            break;
        }
        case ORDER_SPARE: {
            idle_result(area, stub_clone(area)); /* the child, too: it has its channel by now */
            break;
        }
        case ORDER_PRELOAD:
            idle_result(area, stub_load_parts(area, TEXT_OF_SPARES));
            break;
        case ORDER_EXEC:
            stub_exec();
            break;
        case ORDER_LOAD:
            chan_request(area, STUB_REQ_RESULT, (uint64_t)stub_load_program(area), 0);
            break;
        case ORDER_START:
            stub_start_program(area, c->reply_args[0], c->reply_args[1]);
        case ORDER_EXIT:
            stub_thread_end(area);
        default:
            stub_die();
        }
    }
}

__attribute__((noreturn)) void stub_load(struct area *area)
{
    stub_obey(area, 0);
    stub_die();
}

/* Its usage counts when it is the process's last thread. */
static void exit_info(struct area *area)
{
    struct chan *c = area->chan;
    struct stub_exit_info *info = (void *)((uint8_t *)c + STUB_EXIT_OFFSET);
    info->robust_list = c->robust_list;
    if (info->robust_list && guarded_copy(info->robust_head, (const void *)info->robust_list,
                                          sizeof(info->robust_head)) != 0) {
        info->robust_list = 0;
    }
    area->args[5] = STUB_EXIT_INFO;
    if ((area->nr == __NR_exit && !stub_single_threaded()) ||
        gate(__NR_getrusage, 0 /* SELF */, ptr(info->usage), 0, 0, 0, 0) != 0) {
        info->usage[0] = ~0UL; /* not known: no time is negative */
    }
}

/* The sentry serves call nr with area's arguments. */
static long ask(struct area *area, uint64_t nr)
{
    struct chan *c = area->chan;
    area->copied = 0;
    if (nr < PLATFORM_COPY_NR_COUNT && RO->has_copy[nr]) {
        area->copied = stub_copy_ahead(area, RO->copy_plan[nr]);
        area->asked = nr;
    }
    area->out_limit = 0;
    c->sp = area->rsp;
    uint32_t flags = (uint32_t)area->copied;
    if (area->done) {
        c->done = area->done;
        area->done = 0;
        flags |= CHAN_PARTIAL;
    }
    c->nr = nr;
    for (int i = 0; i < 6; i++) {
        c->args[i] = area->args[i];
    }
    struct stub_order_clone o;
    long forked = 0;
    if (!stub_forks_at_once(area, nr, &o)) {
        chan_call(area, flags);
    } else if ((forked = chan_fork(area, flags, &o)) == 0) {
        return 0;
    }
    if (area->noted) {
        stub_notes_served(area, nr);
    }
    return stub_obey(area, forked);
}

long stub_ask(struct area *area, uint64_t nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    uint64_t saved[4];
    for (int i = 0; i < 4; i++) {
        saved[i] = area->args[i];
    }
    area->args[0] = a;
    area->args[1] = b;
    area->args[2] = c;
    area->args[3] = d;
    long r = ask(area, nr);
    for (int i = 0; i < 4; i++) {
        area->args[i] = saved[i];
    }
    return r;
}

long stub_syscall(struct area *area)
{
    uint64_t nr = (uint32_t)area->nr; /* all that Linux looks at */

    if (nr >= STUB_REQ_BASE) {
        return -ENOSYS_; /* the sentry would take it for one of the stub's own requests */
    }

    long result;
    if (stub_answer(area, nr, &result)) {
        if (area->call_traced) {
            area->call_traced = 0;
            area->call_over = 1;
            area->kick = 1;
        }
        return result;
    }
    area->call_traced = 0; /* the sentry knows itself when it is over */
    if (nr == __NR_exit) {
        stub_park(area);
    }
    if (nr == __NR_exit_group || nr == __NR_exit) {
        exit_info(area);
    }
    return ask(area, nr);
}
