/* Wait queues and kmutex: see waitq.h. */
#include "sentry/base/waitq.h"

#include "sentry/base/errno.h"
#include "sentry/base/timer.h"

void waitq_init(struct waitq *q)
{
    list_init(&q->waiters);
}

void waitq_add(struct waitq *q, struct waitq_entry *e)
{
    list_add_tail(&e->link, &q->waiters);
}

void waitq_remove(struct waitq_entry *e)
{
    list_del(&e->link);
}

bool waitq_active(const struct waitq *q)
{
    return !list_empty(&q->waiters);
}

void waitq_wake(struct waitq *q, uint32_t events)
{
    struct waitq_entry *e, *next;
    list_for_each_entry_safe (e, next, &q->waiters, link) {
        if (!e->mask || !events || (e->mask & events)) {
            e->wake(e, events);
        }
    }
}

void waitq_wake_kthread(struct waitq_entry *e, uint32_t events)
{
    (void)events;
    kthread_wake(e->kthread);
}

void waitq_entry_init(struct waitq_entry *e, uint32_t mask)
{
    *e = (struct waitq_entry){
        .wake = waitq_wake_kthread, .mask = mask, .kthread = kthread_current()};
    list_init(&e->link);
}

struct sleep_timer {
    struct ktimer timer;
    struct kthread *kthread;
};

static void sleep_timer_fire(struct ktimer *t)
{
    kthread_wake(container_of(t, struct sleep_timer, timer)->kthread);
}

static bool interrupted(const struct kthread *k, enum wait_mode mode)
{
    return (mode == WAIT_INTERRUPTIBLE && k->interrupt) ||
           (mode != WAIT_UNINTERRUPTIBLE && k->killed);
}

int waitq_sleep(enum wait_mode mode, int64_t deadline_ns)
{
    struct kthread *k = kthread_current();
    if (interrupted(k, mode)) {
        return -ERESTARTSYS;
    }
    if (deadline_ns == WAIT_FOREVER) {
        kthread_sleep();
        return 0;
    }
    if (ktime_monotonic_ns() >= deadline_ns) {
        return -ETIMEDOUT;
    }
    struct sleep_timer s = {.kthread = k};
    ktimer_init(&s.timer, sleep_timer_fire);
    ktimer_set(&s.timer, deadline_ns);
    kthread_sleep();
    ktimer_cancel(&s.timer);
    return 0;
}

void kmutex_init(struct kmutex *m)
{
    m->owner = NULL;
    waitq_init(&m->q);
}

void kmutex_lock(struct kmutex *m)
{
    struct kthread *k = kthread_current();
    BUG_ON(k && m->owner == k);
    if (!m->owner) {
        m->owner = k;
        return;
    }
    int r = waitq_wait_deadline(&m->q, m->owner == NULL, WAIT_UNINTERRUPTIBLE, WAIT_FOREVER);
    BUG_ON(r != 0);
    m->owner = k;
}

void kmutex_unlock(struct kmutex *m)
{
    BUG_ON(m->owner != kthread_current());
    m->owner = NULL;
    waitq_wake(&m->q, 0);
}
