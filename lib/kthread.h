/*
 * Cooperative kernel threads, and the baton.
 *
 * Each guest task has a small kernel stack of its own (a coroutine). Kernel code runs only while
 * its host thread holds the baton, and a kthread keeps running until it calls kthread_sleep: so
 * kernel data needs no locks. A kthread may resume on another host thread: no thread-local state
 * may be held across a sleep.
 *
 *      host thread:  baton_take();  ...kthread_wake(k)...  baton_drop();   <- runs all that is ready
 *      kthread:      while (!condition) { kthread_sleep(); }
 *
 * baton_drop runs every ready kthread before it lets the baton go. Only host threads call
 * baton_take/baton_drop; only kthreads call kthread_sleep; kthread_wake needs the baton.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "lib/bug.h"
#include "lib/list.h"

enum kthread_state { KTHREAD_READY, KTHREAD_RUNNING, KTHREAD_SLEEPING, KTHREAD_DEAD };

struct kthread {
    struct list run_link;
    enum kthread_state state;
    bool woken;     /* a wake-up came while it was running: the next sleep returns at once */
    bool interrupt; /* a signal wants in: interruptible waits end with -ERESTARTSYS */
    bool killed;    /* it must die: killable waits end, too */
    void *sp;       /* saved stack pointer while not running */
    void *stack;    /* owned: lowest byte of the mapping, a guard page */
    void (*entry)(void *arg);
    void *arg;
    void *guest; /* borrowed: the platform thread whose work this is; NULL for pure kernel work */
    void *sanitizer_fiber; /* tsan builds only */
    char name[16];
};

/**
 * kthread_create - make a kthread that will run entry(arg) once, and queue it to run.
 * @name: for logs; copied, cut to 15 bytes.
 *
 * When entry returns the kthread is dead and frees itself; nobody may keep a pointer to it.
 * Errors: -ENOMEM.
 */
MUST_CHECK int kthread_create(struct kthread **out, void (*entry)(void *arg), void *arg,
                              const char *name);
/* The running kthread, or NULL on a plain host thread that holds the baton. */
struct kthread *kthread_current(void);
/* Sleeps until kthread_wake; may return early, so always in a loop on a condition. Context: kthread. */
void kthread_sleep(void);
/* Makes k ready. Idempotent; needs the baton. */
void kthread_wake(struct kthread *k);
/* Lets the other ready kthreads run, then goes on. */
void kthread_yield(void);

void baton_take(void);
bool baton_try(void);
void baton_drop(void);
/* Lets who waits for the baton have it, and takes it back when it is free: for work that nobody waits for. Context: host context. */
void baton_lend(void);
/*
 * Work that is better done without the baton, such as waking somebody who will soon want it: baton_drop does it when it
 * has let go, baton_run before it turns to another kthread. Context: baton.
 */
void baton_defer(void (*fn)(uint64_t arg), uint64_t arg);
/* Does it at once, because what comes next takes long. Context: baton. */
void baton_deferred_now(void);
/* Runs what is ready, but keeps the baton. Context: host context. */
void baton_run(void);
/* Has anybody else something to do: another kthread that is ready, or a host thread that waits for the baton? */
bool kthread_is_wanted(void);
/* For asserting: the calling host thread holds the baton (exact only in debug builds). */
bool baton_held(void);
/*
 * The running kthread is about to wait without sleeping, but for so long that who waits for it had better sleep: hook(k->guest)
 * says so to its guest.
 */
void kthread_will_wait(void);
void kthread_set_wait_hook(void (*hook)(void *guest));
/* Called by baton_drop each time the run queue has drained, before the baton is released. */
void kthread_set_idle_hook(void (*hook)(void));
