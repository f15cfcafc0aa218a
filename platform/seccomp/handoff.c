/*
 * Who looks at the channels, and when: the whole hand-off policy is here.
 *
 * - The doorbell thread waits for notifications; exactly one thread does, since every waiter is woken for each
 *   (two waiters cost 10-12 us a doorbell instead of 6-7). It never polls: a woken guest is queued on its CPU.
 * - The poller, a thread of its own, spins over the channels' state words while requests keep coming: a
 *   request then costs a cache miss instead of two context switches. It starts when POLL_START_COUNT
 *   doorbells fell within POLL_START_NS, and stops after POLL_IDLE_NS without a request. On one CPU there is none.
 * - The poller is kept off the CPU where the guest rang that it is started for: there it would only delay it.
 * - With more guests than other CPUs, polling has to earn its CPU: a request that it serves saves everybody POLL_EARNS_NS.
 *   When it finds itself preempted (a gap between two empty rounds), or has guests kept off its CPU, it
 *   compares that with the time it ran. If it does not pay, it stops, and is not started again for a while.
 * - A guest that rings on the poller's CPU has pushed it aside. If the poller earns its CPU, they only get into each other's
 *   way: the guest is *confined* to the other CPUs until the poller stops. Guests that share a CPU
 *   also wake each other there, which costs a tenth of a wake-up across CPUs.
 * - `awake` is cleared by the first guest that rings although it is set: the poller has no CPU, and nobody else need
 *   spin for it. The poller sets it again when it runs.
 * - A guest whose request the poller serves for longer than it spins rings all the same. The doorbell thread, on its CPU, then spins
 *   for the reply in its place: a CPU that went idle takes 50 us to wake, and the baton may be the poller's again by then.
 *
 * No request is lost when the poller stops: it clears `awake`, and then looks at every channel once more; a guest
 * that saw `awake` set before published its request before that look, one that saw it cleared rings.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <x86intrin.h>

#include "lib/host.h"
#include "lib/log.h"
#include "lib/panic.h"
#include "platform/seccomp/seccomp.h"

#define POLL_START_COUNT 4
#define POLL_START_NS    (200 * NSEC_PER_USEC)
#define POLL_IDLE_NS     (50 * NSEC_PER_USEC)
#define POLL_GAP_NS      (100 * NSEC_PER_USEC) /* an empty round takes 50 ns, a timer tick 10-60 us */
#define POLL_EARNS_NS                                                                              \
    (5 * NSEC_PER_USEC) /* by which a request is cheaper than a doorbell, for all involved */
#define POLL_TRIAL_NS                                                                              \
    (1 * NSEC_PER_MSEC) /* how long it may keep guests off its CPU before that is looked at */
#define POLL_GRACE_NS                                                                              \
    (2 * NSEC_PER_MSEC) /* after it stopped, it starts again with the first doorbell if it paid */
#define POLL_BACKOFF_MAX 5 /* then it stays away for a trial's time, twice it, four times ... 2^4 */
#define POLL_STUCK_NS                                                                              \
    (4 * NSEC_PER_MSEC) /* for which it may wait for a CPU; the host's slices are of 3 ms */
#define POLL_STUCK_REST_NS                                                                         \
    (16 * NSEC_PER_MSEC) /* ... before it is started again; then twice as long ... */
#define POLL_STUCK_MAX 5
#define SPIN_PIPE      200  /* pauses before the other end of a leased pipe is slept for */
#define SPIN_LIFE      1200 /* ... before a thread that has ended sleeps until its next life */
#define SPIN_JOIN      1200 /* ... before the end of a thread that was just made is slept for */
#define RINGERS        64
#define RING_WAIT_NS                                                                               \
    (200 * NSEC_PER_USEC) /* for the poller's reply to one that rang, instead of for the baton */
#define SPIN_REQUEST 250  /* pauses (40 ns) before an unanswered request rings the doorbell */

static _Atomic uint32_t g_poll_wanted;        /* futex word: the poller sleeps while it is 0 */
static int64_t g_doorbells[POLL_START_COUNT]; /* when the last ones came */
static unsigned g_doorbell_next;
static _Atomic int64_t g_poll_paused; /* CLOCK_MONOTONIC: when it stopped for want of requests */
static _Atomic int64_t g_poll_not_before; /* CLOCK_MONOTONIC */
static _Atomic uint32_t g_poll_rounds;    /* changes while the poller looks around */
static _Atomic bool g_poll_pays;          /* it did when that was last looked at */
static _Atomic bool g_poll_busy;          /* it serves a request */
static _Atomic uint32_t g_poll_serves;    /* whose: index of g_poll_slots + 1 */
static _Atomic int g_poller_tid;
static cpu_set_t g_cpus;               /* all that this process may use */
static _Atomic size_t g_confined;      /* threads; changes under the baton */
static unsigned g_poller_not_on = ~0U; /* the CPU that it is kept off. Context: doorbell thread */
static struct {
    uint32_t rounds;
    int64_t since_ns;     /* it has not moved on from rounds */
    int64_t not_again_ns; /* CLOCK_MONOTONIC: it is not started before */
    unsigned times;       /* that it was fetched, less those that it ran */
} g_stuck;                /* Context: doorbell thread */
static bool g_guest_rang; /* not only a spare. Context: doorbell thread */

static unsigned this_cpu(void)
{
    unsigned cpu;
    __rdtscp(&cpu);
    return cpu & 0xfff;
}

static cpu_set_t cpus_without(unsigned cpu)
{
    cpu_set_t set = g_cpus;
    CPU_CLR(cpu, &set);
    return set;
}

static cpu_set_t only_cpu(unsigned cpu)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    return set;
}

static void run_on(int tid, cpu_set_t cpus)
{
    int r = sched_setaffinity(tid, sizeof(cpus), &cpus);
    (void)r; /* it is gone already */
}

/*
 * The doorbell thread runs where the guest does that it serves, the poller elsewhere. near: tid is to run on that guest's
 * CPU; else on any other. *was: what it was told last, PLACE_KNOWN and the CPU; NULL: that is not known.
 */
#define PLACE_KNOWN 0x10000U
#define PLACE_HERE  0x20000U
static void place(int tid, bool near, unsigned *was)
{
    if (g_seccomp.cpu_count < 2 || CPU_COUNT(&g_cpus) < 2) {
        return;
    }
    unsigned cpu = this_cpu();
    bool here = near != (g_seccomp.ro->awake && g_seccomp.ro->poll_cpu == cpu);
    unsigned now = PLACE_KNOWN | (here ? PLACE_HERE : 0) | cpu;
    if (was && *was == now) {
        return;
    }
    run_on(tid, here ? only_cpu(cpu) : cpus_without(cpu));
    if (was) {
        *was = now;
    }
}

void handoff_keep_away(int tid)
{
    place(tid, false, NULL);
}

void handoff_stay_away(const struct platform_thread *th, unsigned *was)
{
    place(th->tid, false, was);
}

void handoff_keep_near(int tid)
{
    place(tid, true, NULL);
}

void handoff_fetch(int tid)
{
    run_on(tid, only_cpu(this_cpu()));
}

void handoff_anywhere(int tid)
{
    if (g_seccomp.cpu_count > 1 && CPU_COUNT(&g_cpus) > 1) {
        run_on(tid, g_cpus);
    }
}

/* The guest that rang woke this thread on its own CPU. Context: doorbell thread. */
static void poller_keep_off(void)
{
    unsigned cpu = this_cpu();
    int tid = atomic_load(&g_poller_tid);
    if (!tid || cpu == g_poller_not_on || !CPU_ISSET(cpu, &g_cpus)) {
        return;
    }
    cpu_set_t others = cpus_without(cpu);
    if (sched_setaffinity(tid, sizeof(others), &others) == 0) {
        g_poller_not_on = cpu;
    }
}

static void guests_spin(bool spin)
{
    g_seccomp.ro->spin_pipe = spin ? SPIN_PIPE : 0;
    g_seccomp.ro->spin_life = spin ? SPIN_LIFE : 0;
    g_seccomp.ro->spin_join = spin ? SPIN_JOIN : 0;
}

/* Context: baton. */
static void confine(struct platform_thread *th, unsigned cpu)
{
    cpu_set_t others = cpus_without(cpu);
    if (!th->confined && CPU_COUNT(&others) &&
        sched_setaffinity(th->tid, sizeof(others), &others) == 0) {
        th->confined = true;
        g_confined++;
        guests_spin(false); /* who is waited for may be behind the waiter on this CPU */
    }
}

/* Those whose host task is not known yet stay for the next time. Context: baton. */
static void release_confined(void)
{
    uint32_t count = atomic_load_explicit(&g_poll_slot_count, memory_order_relaxed);
    for (uint32_t i = 0; i < count && g_confined; i++) {
        struct platform_thread *th = g_poll_slots[i].th;
        if (th && th->confined && (th->dead || thread_identify(th))) {
            if (!th->dead) {
                handoff_anywhere(th->tid);
            }
            handoff_forget(th);
        }
    }
}

void handoff_forget(struct platform_thread *th)
{
    if (th->confined) {
        th->confined = false;
        g_confined--;
        guests_spin(g_confined == 0);
    }
}

void handoff_inherit(struct platform_thread *child, const struct platform_thread *parent)
{
    child->confined = parent->confined;
    g_confined += child->confined;
}

/* An empty round takes 50 ns. */
static bool poller_runs(void)
{
    uint32_t before = atomic_load_explicit(&g_poll_rounds, memory_order_relaxed);
    for (int i = 0; i < 20; i++) {
        if (atomic_load_explicit(&g_poll_busy, memory_order_relaxed) ||
            atomic_load_explicit(&g_poll_rounds, memory_order_relaxed) != before) {
            return true;
        }
        _mm_pause();
    }
    return false;
}

void handoff_rang(struct platform_thread *th)
{
    struct stub_ro *ro = g_seccomp.ro;
    bool wanted = atomic_load_explicit(&g_poll_wanted, memory_order_relaxed);
    if (th->settles) {
        return;
    }
    g_guest_rang = true;
    unsigned cpu = this_cpu(); /* a guest that rings wakes this thread on its own CPU */
    if (wanted && ro->awake && (cpu == ro->poll_cpu || !poller_runs())) {
        __atomic_store_n(&ro->awake, 0, __ATOMIC_SEQ_CST);
    }
    if (wanted && cpu == ro->poll_cpu && atomic_load_explicit(&g_poll_pays, memory_order_relaxed)) {
        confine(th, cpu);
    }
}

/*
 * The poller waits for a CPU that others have: it is fetched to this one, where it soon finds nothing to do, and is left alone for a while.
 * Context: doorbell thread.
 */
static void poller_fetch(int64_t now)
{
    uint32_t rounds = atomic_load_explicit(&g_poll_rounds, memory_order_relaxed);
    if (rounds != g_stuck.rounds || atomic_load_explicit(&g_poll_busy, memory_order_relaxed)) {
        g_stuck.rounds = rounds;
        g_stuck.since_ns = now;
        return;
    }
    if (now - g_stuck.since_ns < POLL_STUCK_NS) {
        return;
    }
    handoff_fetch(atomic_load(&g_poller_tid));
    g_poller_not_on = ~0U;
    g_stuck.since_ns = now;
    g_stuck.not_again_ns = now + (POLL_STUCK_REST_NS << g_stuck.times);
    g_stuck.times = MIN(g_stuck.times + 1, (unsigned)POLL_STUCK_MAX);
}

static void poller_start(int64_t now)
{
    poller_keep_off();
    g_stuck.since_ns = now;
    if (atomic_load(&g_poll_rounds) != g_stuck.rounds && g_stuck.times) {
        g_stuck.times--;
    }
    g_stuck.rounds = atomic_load(&g_poll_rounds);
    atomic_store(&g_poll_wanted, 1);
    host_futex_wake(&g_poll_wanted, 1);
}

/* Context: doorbell thread. */
static void doorbell_count(void)
{
    int64_t now = host_clock_ns(CLOCK_MONOTONIC);
    int64_t oldest = g_doorbells[g_doorbell_next % POLL_START_COUNT];
    g_doorbells[g_doorbell_next++ % POLL_START_COUNT] = now;
    bool again = atomic_load_explicit(&g_poll_pays, memory_order_relaxed) &&
                 now - atomic_load(&g_poll_paused) < POLL_GRACE_NS;
    if (atomic_load(&g_poll_wanted)) {
        poller_fetch(now);
    } else if (g_seccomp.cpu_count > 1 && (again || now - oldest < POLL_START_NS) &&
               now > atomic_load(&g_poll_not_before) && now > g_stuck.not_again_ns) {
        poller_start(now);
    }
}

/* Once all stubs are gone the host answers -ENOENT for ever: the sandbox is about to end without us. */
static void sleep_if_no_stubs(void)
{
    static const uint32_t never;
    int events = host_poll_now(g_seccomp.listener, POLLIN);
    while (events >= 0 && (events & POLLHUP)) {
        int r = host_futex_wait(&never, 0, NULL);
        (void)r; /* nobody wakes it; a signal is no reason to go on */
    }
}

/*
 * Who rang last. A guest for which the poller works for longer than it spins rings, and sleeps until that is answered. So this
 * thread waits with it for the reply, and lets it go on as soon as that is there, whoever has the baton by then. To be let go too early
 * only makes it look again; a task that got another's number is soon looked at, since nothing of that one is polled any more. Any
 * other state than DONE needs to be looked at: the notification may be one that was broken off. Context: doorbell thread.
 */
struct ringer {
    uint32_t tid;
    uint32_t index; /* of g_poll_slots */
    const struct chan *chan;
    uint32_t polled; /* of the slot, when it was looked at, or let go */
};
static struct ringer g_ringers[RINGERS];

/* Context: baton. */
static void ringer_note(const struct seccomp_notif *n)
{
    const struct platform_thread *th = thread_find((int)n->pid);
    if (n->data.nr == GATE_DOORBELL && th && th->chan) {
        g_ringers[n->pid % RINGERS] =
            (struct ringer){n->pid, th->index, th->chan, g_poll_slots[th->index].polled};
    }
}

/* Return: false, it has to be looked at. */
static bool ringer_answer(const struct seccomp_notif *n)
{
    struct ringer *r = &g_ringers[n->pid % RINGERS];
    const struct poll_slot *slot = &g_poll_slots[r->index];
    uint32_t polled = atomic_load(&slot->polled);
    if (n->data.nr != GATE_DOORBELL || r->tid != n->pid || polled == r->polled ||
        this_cpu() == g_seccomp.ro->poll_cpu) {
        return false;
    }
    int64_t end = host_clock_ns(CLOCK_MONOTONIC) + RING_WAIT_NS;
    do {
        if (atomic_load(&slot->chan) != r->chan) {
            return false;
        }
        uint32_t state = __atomic_load_n(&r->chan->state, __ATOMIC_ACQUIRE) & CHAN_STATE_MASK;
        if (state == CHAN_DONE) {
            r->polled = polled;
            notify_answer(n->id, 0);
            return true;
        }
        if (state != CHAN_REQ || atomic_load(&g_poll_serves) != r->index + 1) {
            return false;
        }
        host_yield();
    } while (host_clock_ns(CLOCK_MONOTONIC) < end);
    return false;
}

static NORETURN void *doorbell_thread(void *arg)
{
    (void)arg;
    panic_thread_init();
    for (;;) {
        struct seccomp_notif n = {0};
        int r = host_ioctl(g_seccomp.listener, SECCOMP_IOCTL_NOTIF_RECV, &n);
        if (r < 0) {
            BUG_ON(r != -EINTR && r != -ENOENT);
            if (r == -ENOENT) {
                sleep_if_no_stubs();
            }
            continue; /* the guest died, or was interrupted, before we got to it */
        }
        if (ringer_answer(&n)) {
            continue;
        }
        baton_take();
        ringer_note(&n);
        notify_handle(&n);
        baton_drop();
        if (g_guest_rang) {
            g_guest_rang = false;
            doorbell_count();
        }
    }
}

static bool has_request(uint32_t slot)
{
    struct chan *c = atomic_load_explicit(&g_poll_slots[slot].chan, memory_order_relaxed);
    if (!c) {
        return false;
    }
    uint32_t state = __atomic_load_n(&c->state, __ATOMIC_ACQUIRE);
    return (state & CHAN_STATE_MASK) == CHAN_REQ && !(state & CHAN_NO_POLL);
}

/*
 * Serves every request there is. A request that its task leaves unanswered is marked as parked. A baton that is taken
 * is not slept for: whoever sleeps for it is woken too late for the next request, which then rings, and so on.
 */
static unsigned poll_once(bool wait)
{
    unsigned found = 0;
    uint32_t count = atomic_load_explicit(&g_poll_slot_count, memory_order_relaxed);
    for (uint32_t i = 0; i < count; i++) {
        if (!has_request(i)) {
            continue;
        }
        if (wait) {
            baton_take();
        } else if (!baton_try()) {
            continue;
        }
        struct platform_thread *th = g_poll_slots[i].th;
        atomic_store_explicit(&g_poll_busy, true, memory_order_relaxed);
        atomic_store_explicit(&g_poll_serves, i + 1, memory_order_relaxed);
        if (th && channel_accept(th, 0)) {
            found++;
            atomic_fetch_add(&g_poll_slots[i].polled, 1);
            baton_run();
            channel_park(g_poll_slots[i].th);
        }
        baton_drop();
        atomic_store_explicit(&g_poll_serves, 0, memory_order_relaxed);
        atomic_store_explicit(&g_poll_busy, false, memory_order_relaxed);
    }
    return found;
}

/* What the poller did lately: whether it earns its CPU when others want it. Times are CLOCK_MONOTONIC; 0: not yet. */
struct poll_account {
    int64_t since;      /* up to when it is in ran */
    int64_t last;       /* the previous look at the clock, if all rounds since were empty */
    int64_t idle_since; /* the first empty round after a request */
    int64_t ran;
    uint64_t served;
    unsigned failed; /* how often in a row it did not pay */
    bool contended;  /* it was preempted, or kept guests off its CPU */
};

/* Return: false when it costs more than it saves. */
static bool account_balance(struct poll_account *a)
{
    bool pays = (int64_t)a->served * POLL_EARNS_NS >= a->ran;
    bool contended = a->contended;
    atomic_store_explicit(&g_poll_pays, pays, memory_order_relaxed);
    a->failed = pays ? 0 : a->failed;
    a->ran = 0;
    a->served = 0;
    a->contended = false;
    return pays || !contended;
}

/* Return: false when it is time to stop. */
static bool poll_go_on(struct poll_account *a)
{
    int64_t now = host_clock_ns(CLOCK_MONOTONIC);
    bool preempted = a->last && now - a->last > POLL_GAP_NS;
    a->ran += (preempted ? a->last : now) - a->since;
    a->since = now;
    a->last = now;
    a->contended |= preempted || g_confined;
    if ((preempted || a->ran > POLL_TRIAL_NS) && !account_balance(a)) {
        a->failed += a->failed < POLL_BACKOFF_MAX;
        atomic_store(&g_poll_not_before, now + (POLL_TRIAL_NS << (a->failed - 1)));
        return false;
    }
    if (!a->idle_since) {
        a->idle_since = now;
    }
    if (now - a->idle_since <= POLL_IDLE_NS) {
        return true;
    }
    atomic_store(&g_poll_paused, now);
    return false;
}

/* Only when it changes: every guest has the line in its cache. */
static void poll_cpu_show(void)
{
    unsigned cpu = this_cpu();
    if (g_seccomp.ro->poll_cpu != cpu) {
        __atomic_store_n(&g_seccomp.ro->poll_cpu, cpu, __ATOMIC_RELAXED);
    }
}

static void poll_until_idle(struct poll_account *account)
{
    struct stub_ro *ro = g_seccomp.ro;
    account->since = host_clock_ns(CLOCK_MONOTONIC);
    account->last = account->idle_since = 0;
    poll_cpu_show();
    for (unsigned round = 0;; round++) {
        if (!__atomic_load_n(&ro->awake, __ATOMIC_RELAXED)) {
            __atomic_store_n(&ro->awake, 1, __ATOMIC_SEQ_CST);
        }
        atomic_store_explicit(&g_poll_rounds, round, memory_order_relaxed);
        unsigned found = poll_once(false);
        if (found) {
            account->served += found;
            account->last = account->idle_since = 0;
            continue;
        }
        _mm_pause();
        if (round & 15) {
            continue;
        }
        poll_cpu_show();
        if (!poll_go_on(account)) {
            break;
        }
    }
    atomic_store(&g_poll_wanted, 0);
    __atomic_store_n(&ro->awake, 0, __ATOMIC_SEQ_CST);
    atomic_thread_fence(memory_order_seq_cst);
    while (poll_once(true)) {
    }
}

/*
 * Sleeps until it is wanted. Guests that were confined for it are free again soon. One whose host task is not known yet can't
 * be: it is tried again, ever more seldom.
 */
static void poll_sleep(void)
{
    struct timespec grace = {.tv_nsec = POLL_GRACE_NS};
    while (!atomic_load(&g_poll_wanted)) {
        int r = host_futex_wait(&g_poll_wanted, 0, g_confined ? &grace : NULL);
        BUG_ON(r < 0 && r != -EAGAIN && r != -EINTR && r != -ETIMEDOUT);
        if (r == -ETIMEDOUT) {
            baton_take();
            release_confined();
            baton_drop();
            grace.tv_sec = grace.tv_sec ? MIN(grace.tv_sec * 2, 3600) : 1;
        }
    }
}

static NORETURN void *poller_thread(void *arg)
{
    (void)arg;
    atomic_store(&g_poller_tid, (int)gettid());
    panic_thread_init();
    struct poll_account account = {0};
    for (;;) {
        poll_sleep();
        poll_until_idle(&account);
    }
}

static int thread_start(void *(*entry)(void *))
{
    pthread_t thread;
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attr, 256 * 1024);
    int r = pthread_create(&thread, &attr, entry, NULL);
    pthread_attr_destroy(&attr);
    return -r;
}

/* What nobody waits for, after those who do have been answered. */
static void between_requests(void)
{
    seccomp_kill_flush();
    spare_make();
}

int handoff_start(void)
{
    g_seccomp.ro->spin_request = SPIN_REQUEST;
    kthread_set_idle_hook(between_requests);
    guests_spin(g_seccomp.cpu_count > 1);
    g_seccomp.ro->patch = g_seccomp.patch;
    if (sched_getaffinity(0, sizeof(g_cpus), &g_cpus) < 0) {
        CPU_ZERO(&g_cpus);
    }
    int r = thread_start(doorbell_thread);
    if (r == 0 && g_seccomp.cpu_count > 1) {
        r = thread_start(poller_thread);
    }
    return r;
}
