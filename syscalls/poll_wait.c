/* Shared by poll, select and epoll: see poll_wait.h. */
#include "syscalls/poll_wait.h"

#include "sentry/base/errno.h"
#include "sentry/mm/usercopy.h"

/*
 * Asks every file once. With add, also hangs the slots on the files' queues, as long as nothing is
 * ready: then there will be no sleep.
 */
static int poll_scan(struct poll_slot *slots, size_t count, bool add)
{
    int ready = 0;

    for (size_t i = 0; i < count; i++) {
        struct poll_slot *s = &slots[i];

        if (s->file) {
            struct waitq *q = NULL;

            s->revents = file_poll(s->file, &q) & s->events;
            if (add && q && !ready && !s->revents) {
                waitq_entry_init(&s->wait, s->events);
                waitq_add(q, &s->wait);
            }
        }
        ready += s->revents != 0;
    }
    return ready;
}

int poll_wait(struct poll_slot *slots, size_t count, int64_t deadline_ns)
{
    int r;

    for (size_t i = 0; i < count; i++) {
        list_init(&slots[i].wait.link);
    }
    r = poll_scan(slots, count, deadline_ns > 0);
    while (r == 0) {
        /* With the deadline passed it does not sleep, but still sees a signal: that wins, as in Linux. */
        int slept = waitq_sleep(WAIT_INTERRUPTIBLE, deadline_ns);

        if (deadline_ns > 0) {
            r = poll_scan(slots, count, false);
        }
        if (r == 0 && slept == -ETIMEDOUT) {
            break;
        }
        if (r == 0 && slept < 0) {
            r = -ERESTARTNOHAND;
        }
    }
    for (size_t i = 0; i < count; i++) {
        waitq_remove(&slots[i].wait);
    }
    return r;
}

void poll_slots_free(struct poll_slot *slots, size_t count)
{
    for (size_t i = 0; slots && i < count; i++) {
        if (slots[i].file) {
            file_put(slots[i].file);
        }
    }
    free(slots);
}

/* Both parts are valid. */
static int64_t deadline_after(int64_t sec, int64_t nsec)
{
    int64_t now = ktime_monotonic_ns(), rel, at;

    if (sec == 0 && nsec == 0) {
        return DEADLINE_POLL;
    }
    if (__builtin_mul_overflow(sec, NSEC_PER_SEC, &rel) ||
        __builtin_add_overflow(rel, nsec, &rel) || __builtin_add_overflow(now, rel, &at)) {
        return WAIT_FOREVER;
    }
    return at;
}

int deadline_in_timespec(struct task *t, uaddr_t addr, int64_t *out_ns)
{
    struct timespec ts;

    *out_ns = WAIT_FOREVER;
    if (addr) {
        int r = get_user(t->mm, &ts, addr);
        if (r < 0) {
            return r;
        }
        if (ts.tv_sec < 0 || ts.tv_nsec < 0 || ts.tv_nsec >= NSEC_PER_SEC) {
            return -EINVAL;
        }
        *out_ns = deadline_after(ts.tv_sec, ts.tv_nsec);
    }
    return 0;
}

int deadline_in_timeval(struct task *t, uaddr_t addr, int64_t *out_ns)
{
    struct timeval tv;

    *out_ns = WAIT_FOREVER;
    if (addr) {
        int r = get_user(t->mm, &tv, addr);
        if (r < 0) {
            return r;
        }
        /* Microseconds beyond a second are carried, not refused. */
        if (__builtin_add_overflow(tv.tv_sec, tv.tv_usec / 1000000, &tv.tv_sec)) {
            tv.tv_sec = INT64_MAX;
        }
        tv.tv_usec %= 1000000;
        if (tv.tv_sec < 0 || tv.tv_usec < 0) {
            return -EINVAL;
        }
        *out_ns = deadline_after(tv.tv_sec, tv.tv_usec * NSEC_PER_USEC);
    }
    return 0;
}

int64_t deadline_from_ms(int timeout_ms)
{
    if (timeout_ms < 0) {
        return WAIT_FOREVER;
    }
    return deadline_after(timeout_ms / 1000, timeout_ms % 1000 * NSEC_PER_MSEC);
}
