/*
 * Wait queues, analogous to Linux's wait_queue_head: where kthreads sleep for a condition, and
 * where epoll hangs its callbacks. Wake-ups carry poll events (EPOLLIN ...) so that a waiter can
 * ignore what it does not care for; 0 in a waiter's mask means "any".
 */
#pragma once

#include <stdbool.h>

#include "lib/kthread.h"
#include "lib/list.h"

/* With EPOLLOUT in a wake-up's events: somebody had found no room. */
#define WAITQ_FOUND_NO_ROOM EPOLLMSG

struct waitq {
    struct list waiters;
};
struct waitq_entry {
    struct list link;
    /* Context: under the baton, in the waker; must not block; may remove this entry, and no other. */
    void (*wake)(struct waitq_entry *e, uint32_t events);
    uint32_t mask;
    struct kthread *kthread; /* borrowed; for waitq_wake_kthread */
};

void waitq_init(struct waitq *q);
void waitq_add(struct waitq *q, struct waitq_entry *e);
void waitq_remove(struct waitq_entry *e);
bool waitq_active(const struct waitq *q);
/* Calls wake of every entry whose mask meets events. */
void waitq_wake(struct waitq *q, uint32_t events);
/* The usual wake function: wakes e->kthread. */
void waitq_wake_kthread(struct waitq_entry *e, uint32_t events);
/* An entry for the running kthread, not yet added. */
void waitq_entry_init(struct waitq_entry *e, uint32_t mask);

enum wait_mode { WAIT_UNINTERRUPTIBLE, WAIT_KILLABLE, WAIT_INTERRUPTIBLE };
#define WAIT_FOREVER INT64_MAX
/* One sleep of the loop below. Return: 0; -ERESTARTSYS; -ETIMEDOUT. deadline_ns: CLOCK_MONOTONIC. */
int waitq_sleep(enum wait_mode mode, int64_t deadline_ns);

/*
 * Waits on q until cond. Yields 0, -ERESTARTSYS (a signal; interruptible only, or killed), or
 * -ETIMEDOUT. cond is evaluated at least once, and once more after the last wake-up.
 */
#define waitq_wait_deadline(q, cond, mode, deadline_ns)                                            \
    ({                                                                                             \
        int wait_r_ = 0;                                                                           \
        struct waitq_entry wait_e_;                                                                \
        waitq_entry_init(&wait_e_, 0);                                                             \
        waitq_add((q), &wait_e_);                                                                  \
        while (!(cond)) {                                                                          \
            wait_r_ = waitq_sleep((mode), (deadline_ns));                                          \
            if (wait_r_ < 0) {                                                                     \
                if (cond) {                                                                        \
                    wait_r_ = 0;                                                                   \
                }                                                                                  \
                break;                                                                             \
            }                                                                                      \
        }                                                                                          \
        waitq_remove(&wait_e_);                                                                    \
        wait_r_;                                                                                   \
    })
#define waitq_wait(q, cond) waitq_wait_deadline(q, cond, WAIT_INTERRUPTIBLE, WAIT_FOREVER)

/* A lock that may be held across a blocking point; for the few things that need it. */
struct kmutex {
    struct kthread *owner;
    struct waitq q;
};
void kmutex_init(struct kmutex *m);
void kmutex_lock(struct kmutex *m); /* Context: may block; not interruptible */
void kmutex_unlock(struct kmutex *m);
