/*
 * Kernel timers: a binary heap ordered by deadline, and one host timerfd set to the earliest.
 * Any kthread may arm; only the events thread fires.
 */
#include "sentry/base/timer.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>

#include "lib/bug.h"
#include "lib/host.h"
#include "sentry/base/events.h"

static struct {
    struct ktimer **heap; /* owned; 1-based */
    size_t count, capacity;
    int fd;
    int64_t armed_ns; /* what the timerfd is set to; INT64_MAX: nothing */
    struct event_source source;
} g_timers = {.fd = -1, .armed_ns = INT64_MAX};

int64_t ktime_monotonic_ns(void)
{
    return host_clock_ns(CLOCK_MONOTONIC);
}

int64_t ktime_realtime_ns(void)
{
    return host_clock_ns(CLOCK_REALTIME);
}

static void heap_place(struct ktimer *t, size_t i)
{
    g_timers.heap[i] = t;
    t->heap_index = i;
}

static void heap_up(size_t i)
{
    struct ktimer *t = g_timers.heap[i];
    while (i > 1 && g_timers.heap[i / 2]->deadline_ns > t->deadline_ns) {
        heap_place(g_timers.heap[i / 2], i);
        i /= 2;
    }
    heap_place(t, i);
}

static void heap_down(size_t i)
{
    struct ktimer *t = g_timers.heap[i];
    for (;;) {
        size_t child = i * 2;
        if (child > g_timers.count) {
            break;
        }
        if (child < g_timers.count &&
            g_timers.heap[child + 1]->deadline_ns < g_timers.heap[child]->deadline_ns) {
            child++;
        }
        if (g_timers.heap[child]->deadline_ns >= t->deadline_ns) {
            break;
        }
        heap_place(g_timers.heap[child], i);
        i = child;
    }
    heap_place(t, i);
}

/* The host's timer is only ever moved earlier here: one that is too early fires into an empty round. */
static void rearm(void)
{
    if (!g_timers.count || g_timers.fd < 0) {
        return;
    }
    int64_t deadline = g_timers.heap[1]->deadline_ns;
    if (deadline >= g_timers.armed_ns) {
        return;
    }
    deadline = MAX(deadline, (int64_t)1); /* 0 would disarm */
    struct itimerspec spec = {.it_value = {deadline / NSEC_PER_SEC, deadline % NSEC_PER_SEC}};
    int r = timerfd_settime(g_timers.fd, TFD_TIMER_ABSTIME, &spec, NULL);
    BUG_ON(r < 0);
    g_timers.armed_ns = deadline;
}

static void timers_ready(struct event_source *s, uint32_t events)
{
    (void)events;
    uint64_t expirations;
    if (host_read(s->fd, &expirations, sizeof(expirations)) < 0) {
        return; /* EAGAIN: re-armed meanwhile */
    }
    g_timers.armed_ns = INT64_MAX;
    int64_t now = ktime_monotonic_ns();
    while (g_timers.count && g_timers.heap[1]->deadline_ns <= now) {
        struct ktimer *t = g_timers.heap[1];
        ktimer_cancel(t);
        t->fire(t);
    }
    rearm();
}

int timers_init(void)
{
    int fd = (int)host_result(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC));
    if (fd < 0) {
        return fd;
    }
    g_timers.fd = fd;
    rearm();
    return event_source_add(&g_timers.source, fd, EPOLLIN, timers_ready);
}

void ktimer_init(struct ktimer *t, void (*fire)(struct ktimer *t))
{
    *t = (struct ktimer){.fire = fire};
}

void ktimer_set(struct ktimer *t, int64_t deadline_ns)
{
    ktimer_cancel(t);
    if (g_timers.count + 1 >= g_timers.capacity) {
        size_t capacity = g_timers.capacity ? g_timers.capacity * 2 : 64;
        struct ktimer **heap = realloc(g_timers.heap, capacity * sizeof(struct ktimer *));
        BUG_ON(!heap);
        g_timers.heap = heap;
        g_timers.capacity = capacity;
    }
    t->deadline_ns = deadline_ns;
    heap_place(t, ++g_timers.count);
    heap_up(g_timers.count);
    rearm();
}

void ktimer_cancel(struct ktimer *t)
{
    size_t i = t->heap_index;
    if (!i) {
        return;
    }
    t->heap_index = 0;
    struct ktimer *last = g_timers.heap[g_timers.count--];
    if (last != t) {
        heap_place(last, i);
        heap_up(i);
        heap_down(last->heap_index);
    }
}
