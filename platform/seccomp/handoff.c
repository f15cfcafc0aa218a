/*
 * Who looks at the channels, and when: the whole hand-off policy is here.
 *
 * - The doorbell thread waits for notifications; exactly one thread does, since every waiter is woken for each
 *   (two waiters cost 10-12 us a doorbell instead of 6-7). It never polls: a woken guest is queued on its CPU.
 * - The poller, a thread of its own, spins over the channels' state words while requests keep coming: a
 *   request then costs a cache miss instead of two context switches. It starts when POLL_START_COUNT
 *   doorbells fell within POLL_START_NS, and stops after POLL_IDLE_NS without a request. On one CPU there is none.
 * - The poller is kept off the CPU where the guest rang that it is started for: there it would only delay it.
 * - Polling only pays while a CPU is free for it. A poller that finds itself preempted (a gap between two
 *   empty rounds) stops, and is not started again for a while: guests would spin for a reply that can't come.
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
#define POLL_BACKOFF     8   /* times the gap: it was a time slice of somebody else's */
#define SPIN_PIPE        200 /* pauses before the other end of a leased pipe is slept for */
#define SPIN_REQUEST     250 /* pauses (40 ns) before an unanswered request rings the doorbell */

static _Atomic uint32_t g_poll_wanted;        /* futex word: the poller sleeps while it is 0 */
static int64_t g_doorbells[POLL_START_COUNT]; /* when the last ones came */
static unsigned g_doorbell_next;
static _Atomic int64_t g_poll_not_before; /* CLOCK_MONOTONIC */
static _Atomic int g_poller_tid;
static cpu_set_t g_cpus;               /* all that this process may use */
static unsigned g_poller_not_on = ~0U; /* the CPU that it is kept off. Context: doorbell thread */

/* The guest that rang woke this thread on its own CPU. Context: doorbell thread. */
static void poller_keep_off(void)
{
    unsigned cpu;
    __rdtscp(&cpu);
    cpu &= 0xfff;
    int tid = atomic_load(&g_poller_tid);
    if (!tid || cpu == g_poller_not_on || !CPU_ISSET(cpu, &g_cpus)) {
        return;
    }
    cpu_set_t others = g_cpus;
    CPU_CLR(cpu, &others);
    if (sched_setaffinity(tid, sizeof(others), &others) == 0) {
        g_poller_not_on = cpu;
    }
}

/* Context: doorbell thread. */
static void doorbell_count(void)
{
    int64_t now = host_clock_ns(CLOCK_MONOTONIC);
    int64_t oldest = g_doorbells[g_doorbell_next % POLL_START_COUNT];
    g_doorbells[g_doorbell_next++ % POLL_START_COUNT] = now;
    if (g_seccomp.cpu_count > 1 && now - oldest < POLL_START_NS &&
        now > atomic_load(&g_poll_not_before) && !atomic_load(&g_poll_wanted)) {
        poller_keep_off();
        atomic_store(&g_poll_wanted, 1);
        host_futex_wake(&g_poll_wanted, 1);
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
        baton_take();
        notify_handle(&n);
        baton_drop();
        if (n.data.nr == GATE_DOORBELL) {
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

/* Serves every request there is. A request that its task leaves unanswered is marked as parked. */
static bool poll_once(void)
{
    bool found = false;
    uint32_t count = atomic_load_explicit(&g_poll_slot_count, memory_order_relaxed);
    for (uint32_t i = 0; i < count; i++) {
        if (!has_request(i)) {
            continue;
        }
        baton_take();
        struct platform_thread *th = g_poll_slots[i].th;
        if (th && channel_accept(th, 0)) {
            found = true;
            baton_run();
            channel_park(g_poll_slots[i].th);
        }
        baton_drop();
    }
    return found;
}

/* Return: false when it is time to stop. *last: when the previous empty round was; 0: there was a request. */
static bool poll_go_on(int64_t *last, int64_t *idle_since)
{
    int64_t now = host_clock_ns(CLOCK_MONOTONIC);
    if (*last && now - *last > POLL_GAP_NS) {
        atomic_store(&g_poll_not_before, now + POLL_BACKOFF * (now - *last));
        return false;
    }
    *last = now;
    if (!*idle_since) {
        *idle_since = now;
    }
    return now - *idle_since <= POLL_IDLE_NS;
}

/* Only when it changes: every guest has the line in its cache. */
static void poll_cpu_set(uint32_t cpu)
{
    if (g_seccomp.ro->poll_cpu != (cpu & 0xfff)) {
        __atomic_store_n(&g_seccomp.ro->poll_cpu, cpu & 0xfff, __ATOMIC_RELAXED);
    }
}

static void poll_until_idle(void)
{
    struct stub_ro *ro = g_seccomp.ro;
    unsigned cpu;
    int64_t last = 0, idle_since = 0;
    __rdtscp(&cpu);
    poll_cpu_set(cpu);
    __atomic_store_n(&ro->awake, 1, __ATOMIC_SEQ_CST);
    for (unsigned round = 0;; round++) {
        if (poll_once()) {
            last = idle_since = 0;
            continue;
        }
        _mm_pause();
        if (round & 15) {
            continue;
        }
        __rdtscp(&cpu);
        poll_cpu_set(cpu);
        if (!poll_go_on(&last, &idle_since)) {
            break;
        }
    }
    atomic_store(&g_poll_wanted, 0);
    __atomic_store_n(&ro->awake, 0, __ATOMIC_SEQ_CST);
    atomic_thread_fence(memory_order_seq_cst);
    while (poll_once()) {
    }
}

static NORETURN void *poller_thread(void *arg)
{
    (void)arg;
    atomic_store(&g_poller_tid, (int)gettid());
    panic_thread_init();
    for (;;) {
        if (!atomic_load(&g_poll_wanted)) {
            int r = host_futex_wait(&g_poll_wanted, 0, NULL);
            BUG_ON(r < 0 && r != -EAGAIN && r != -EINTR);
            continue;
        }
        poll_until_idle();
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

int handoff_start(void)
{
    g_seccomp.ro->spin_request = SPIN_REQUEST;
    kthread_set_idle_hook(seccomp_kill_flush);
    g_seccomp.ro->spin_pipe = g_seccomp.cpu_count > 1 ? SPIN_PIPE : 0;
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
