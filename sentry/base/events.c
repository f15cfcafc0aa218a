/*
 * The events thread: see events.h. Sources are removed only under the baton, and the loop takes the baton
 * before it looks at what epoll returned; a source that was removed in between is found by the generation
 * check (its slot no longer holds it).
 */
#include "sentry/base/events.h"

#include <stdbool.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <errno.h>

#include "lib/bug.h"
#include "lib/host.h"
#include "lib/kthread.h"

#define SLOTS_MAX 1024

static struct {
    int epoll_fd;
    int stop_fd;
    _Atomic bool stop;
    /* epoll's data is slot | generation << 32, so that a stale event never touches a freed source */
    struct event_source *slots[SLOTS_MAX];
    uint32_t generation[SLOTS_MAX];
} g_events = {.epoll_fd = -1, .stop_fd = -1};

int events_init(void)
{
    g_events.epoll_fd = (int)host_result(epoll_create1(EPOLL_CLOEXEC));
    if (g_events.epoll_fd < 0) {
        return g_events.epoll_fd;
    }
    g_events.stop_fd = (int)host_result(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
    if (g_events.stop_fd < 0) {
        return g_events.stop_fd;
    }
    struct epoll_event e = {.events = EPOLLIN, .data.u64 = UINT64_MAX};
    return (int)host_result(epoll_ctl(g_events.epoll_fd, EPOLL_CTL_ADD, g_events.stop_fd, &e));
}

static uint64_t slot_data(uint32_t slot)
{
    return slot | (uint64_t)g_events.generation[slot] << 32;
}

static int slot_of(const struct event_source *s)
{
    for (int i = 0; i < SLOTS_MAX; i++) {
        if (g_events.slots[i] == s) {
            return i;
        }
    }
    return -1;
}

int event_source_add(struct event_source *s, int fd, uint32_t events,
                     void (*ready)(struct event_source *s, uint32_t events))
{
    int slot = slot_of(NULL);
    if (slot < 0) {
        return -ENOSPC;
    }
    *s = (struct event_source){.fd = fd, .events = events, .ready = ready};
    struct epoll_event e = {.events = events, .data.u64 = slot_data((uint32_t)slot)};
    int r = (int)host_result(epoll_ctl(g_events.epoll_fd, EPOLL_CTL_ADD, fd, &e));
    if (r == 0) {
        g_events.slots[slot] = s;
    }
    return r;
}

void event_source_modify(struct event_source *s, uint32_t events)
{
    int slot = slot_of(s);
    BUG_ON(slot < 0);
    if (s->events == events) {
        return;
    }
    s->events = events;
    struct epoll_event e = {.events = events, .data.u64 = slot_data((uint32_t)slot)};
    int r = epoll_ctl(g_events.epoll_fd, EPOLL_CTL_MOD, s->fd, &e);
    BUG_ON(r < 0);
}

void event_source_remove(struct event_source *s)
{
    int slot = slot_of(s);
    if (slot < 0) {
        return;
    }
    g_events.slots[slot] = NULL;
    g_events.generation[slot]++;
    int r = epoll_ctl(g_events.epoll_fd, EPOLL_CTL_DEL, s->fd, NULL);
    BUG_ON(r < 0);
}

static void dispatch(const struct epoll_event *e)
{
    if (e->data.u64 == UINT64_MAX) {
        return; /* events_stop: the loop's condition sees it */
    }
    uint32_t slot = (uint32_t)e->data.u64;
    struct event_source *s = g_events.slots[slot];
    if (s && slot_data(slot) == e->data.u64) {
        s->ready(s, e->events);
    }
}

void events_loop(void)
{
    struct epoll_event ready[32];
    while (!atomic_load(&g_events.stop)) {
        int n = (int)host_result(epoll_wait(g_events.epoll_fd, ready, ARRAY_COUNT(ready), -1));
        if (n == -EINTR) {
            continue;
        }
        BUG_ON(n < 0);
        baton_take();
        for (int i = 0; i < n; i++) {
            dispatch(&ready[i]);
        }
        baton_drop();
    }
}

void events_stop(void)
{
    uint64_t one = 1;
    atomic_store(&g_events.stop, true);
    ssize_t r = host_write(g_events.stop_fd, &one, sizeof(one));
    BUG_ON(r < 0);
}
