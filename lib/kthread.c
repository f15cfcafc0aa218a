/*
 * Cooperative kernel threads under one baton: see kthread.h for the contract.
 *
 * The host thread that holds the baton has a context of its own (g_host); it switches into a
 * ready kthread, which switches back when it sleeps, yields or ends. Since only the holder runs kernel
 * code, one run queue and one saved host context serve all host threads.
 *
 * Stacks are mapped (64 KiB and a guard page), touched only when used, and kept in a small pool:
 * mapping one costs more than a whole task switch.
 */
#include "lib/kthread.h"

#include <errno.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <string.h>

#include "lib/host.h"

#if defined(__SANITIZE_ADDRESS__)
#include <pthread.h>
#include <sanitizer/asan_interface.h>
#define STACK_SIZE (512UL * 1024)
#elif defined(__SANITIZE_THREAD__)
#include <sanitizer/tsan_interface.h>
#define STACK_SIZE (512UL * 1024)
#else
#define STACK_SIZE (64UL * 1024)
#endif
#define POOL_MAX     64
#define DEFERRED_MAX 8
#define BATON_SPINS  100 /* of 30-40 ns */

void kthread_switch_(void **save_sp, void *load_sp);
extern char kthread_start_[];

static struct list g_ready = LIST_INIT(g_ready);
static struct kthread *g_current; /* the running kthread; NULL on the host context */
static void *g_host_sp;           /* where the baton's holder left off to run g_current */
static void (*g_idle_hook)(void);
static void (*g_wait_hook)(void *guest);
static void *g_pool[POOL_MAX];
static size_t g_pool_count;

/* --- the baton: a three-state futex lock (0 free, 1 held, 2 held and waited for) --- */

static _Atomic uint32_t g_baton;

bool baton_try(void)
{
    uint32_t expected = 0;
    return atomic_compare_exchange_strong(&g_baton, &expected, 1);
}

void baton_take(void)
{
    if (baton_try()) {
        return;
    }
    /* It is mostly held for a few microseconds, and a sleep costs as many on both sides. */
    for (int i = 0; i < BATON_SPINS; i++) {
        __builtin_ia32_pause();
        if (atomic_load_explicit(&g_baton, memory_order_relaxed) == 0 && baton_try()) {
            return;
        }
    }
    while (atomic_exchange(&g_baton, 2) != 0) {
        if (host_futex_wait(&g_baton, 2, NULL) < 0) {
            continue; /* EAGAIN, EINTR: look again */
        }
    }
}

#define LEND_TRIES 20 /* then it queues up like all others */

void baton_lend(void)
{
    static const uint32_t never;
    const struct timespec moment = {.tv_nsec = 50 * NSEC_PER_USEC};
    if (!kthread_is_wanted()) {
        return;
    }
    baton_drop();
    for (int i = 0; i < LEND_TRIES; i++) {
        if (baton_try()) {
            return;
        }
        int r = host_futex_wait(&never, 0, &moment);
        (void)r; /* nobody wakes it */
    }
    baton_take();
}

static void baton_release(void)
{
    if (atomic_exchange(&g_baton, 0) == 2) {
        host_futex_wake(&g_baton, 1);
    }
}

bool baton_held(void)
{
    return atomic_load(&g_baton) != 0;
}

/* --- switching, with what the sanitizers need to follow it --- */

#if defined(__SANITIZE_ADDRESS__)
static const void *g_host_stack;
static size_t g_host_stack_size;

/* save NULL: the stack that is being left is dead. */
static void switch_start(void **save, const void *bottom, size_t size)
{
    __sanitizer_start_switch_fiber(save, bottom, size);
}
static void switch_finish(void *saved, bool entered_from_host)
{
    const void *bottom;
    size_t size;
    __sanitizer_finish_switch_fiber(saved, &bottom, &size);
    if (entered_from_host) {
        g_host_stack = bottom;
        g_host_stack_size = size;
    }
}
#endif
#if defined(__SANITIZE_THREAD__)
static void *g_host_fiber;
#endif

/* Context: host context, baton held. Runs k until it gives up the CPU. */
static void switch_to(struct kthread *k)
{
    g_current = k;
    k->state = KTHREAD_RUNNING;
    k->woken = false;
#if defined(__SANITIZE_ADDRESS__)
    void *saved;
    switch_start(&saved, (char *)k->stack + PAGE_SIZE, STACK_SIZE);
#elif defined(__SANITIZE_THREAD__)
    g_host_fiber = __tsan_get_current_fiber();
    __tsan_switch_to_fiber(k->sanitizer_fiber, 0);
#endif
    kthread_switch_(&g_host_sp, k->sp);
#if defined(__SANITIZE_ADDRESS__)
    switch_finish(saved, false);
#endif
    g_current = NULL;
}

/* Context: kthread. Returns when somebody runs it again. */
static void switch_away(struct kthread *k)
{
#if defined(__SANITIZE_ADDRESS__)
    void *saved = NULL;
    switch_start(k->state == KTHREAD_DEAD ? NULL : &saved, g_host_stack, g_host_stack_size);
#elif defined(__SANITIZE_THREAD__)
    __tsan_switch_to_fiber(g_host_fiber, 0);
#endif
    kthread_switch_(&k->sp, g_host_sp);
#if defined(__SANITIZE_ADDRESS__)
    switch_finish(saved, true);
#endif
}

/* --- stacks --- */

static void *stack_new(void)
{
    if (g_pool_count) {
        return g_pool[--g_pool_count];
    }
    void *p = mmap(NULL, STACK_SIZE + PAGE_SIZE, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (p == MAP_FAILED) {
        return NULL;
    }
    if (mprotect(p, PAGE_SIZE, PROT_NONE) < 0) {
        munmap(p, STACK_SIZE + PAGE_SIZE);
        return NULL;
    }
    return p;
}

static void stack_free(void *stack)
{
#if defined(__SANITIZE_ADDRESS__)
    /* A kthread ends in the middle of its frames. What is mapped there next has none. */
    __asan_unpoison_memory_region(stack, STACK_SIZE + PAGE_SIZE);
#endif
    if (g_pool_count < POOL_MAX) {
        g_pool[g_pool_count++] = stack;
    } else {
        munmap(stack, STACK_SIZE + PAGE_SIZE);
    }
}

/* --- kthreads --- */

static NORETURN void kthread_main(void)
{
    struct kthread *k = g_current;
#if defined(__SANITIZE_ADDRESS__)
    switch_finish(NULL, true);
#endif
    k->entry(k->arg);
    k->state = KTHREAD_DEAD;
    switch_away(k);
    BUG();
}

int kthread_create(struct kthread **out, void (*entry)(void *arg), void *arg, const char *name)
{
    struct kthread *k = calloc(1, sizeof(*k));
    void *stack = k ? stack_new() : NULL;
    if (!stack) {
        free(k);
        return -ENOMEM;
    }
    k->stack = stack;
    k->entry = entry;
    k->arg = arg;
    strncpy(k->name, name, sizeof(k->name) - 1);
    list_init(&k->run_link);

    /* The frame that kthread_switch_ pops: MXCSR and x87 defaults, r15..r12, rbx, rbp, return. */
    uint64_t *top = (uint64_t *)(void *)((char *)stack + PAGE_SIZE + STACK_SIZE - 16);
    uint64_t *sp = top - 8;
    memset(sp, 0, 8 * sizeof(*sp));
    sp[0] = 0x1f80 | (uint64_t)0x037f << 32;
    sp[5] = (uint64_t)(uintptr_t)kthread_main;
    sp[7] = (uint64_t)(uintptr_t)kthread_start_;
    k->sp = sp;
#if defined(__SANITIZE_THREAD__)
    k->sanitizer_fiber = __tsan_create_fiber(0);
#endif
    k->state = KTHREAD_READY;
    list_add_tail(&k->run_link, &g_ready);
    *out = k;
    return 0;
}

static void kthread_free(struct kthread *k)
{
    list_del(&k->run_link);
#if defined(__SANITIZE_THREAD__)
    __tsan_destroy_fiber(k->sanitizer_fiber);
#endif
    stack_free(k->stack);
    free(k);
}

struct kthread *kthread_current(void)
{
    return g_current;
}

void kthread_sleep(void)
{
    struct kthread *k = g_current;
    BUG_ON(!k);
    if (k->woken) {
        k->woken = false;
        return;
    }
    k->state = KTHREAD_SLEEPING;
    switch_away(k);
}

void kthread_wake(struct kthread *k)
{
    switch (k->state) {
    case KTHREAD_SLEEPING:
        k->state = KTHREAD_READY;
        list_add_tail(&k->run_link, &g_ready);
        break;
    case KTHREAD_RUNNING:
        k->woken = true;
        break;
    case KTHREAD_READY:
    case KTHREAD_DEAD:
        break;
    }
}

void kthread_yield(void)
{
    struct kthread *k = g_current;
    BUG_ON(!k);
    k->state = KTHREAD_READY;
    list_add_tail(&k->run_link, &g_ready);
    switch_away(k);
}

bool kthread_is_wanted(void)
{
    return !list_empty(&g_ready) || atomic_load_explicit(&g_baton, memory_order_relaxed) == 2;
}

void kthread_will_wait(void)
{
    if (g_wait_hook && g_current && g_current->guest) {
        g_wait_hook(g_current->guest);
    }
}

void kthread_set_wait_hook(void (*hook)(void *guest))
{
    g_wait_hook = hook;
}

void kthread_set_idle_hook(void (*hook)(void))
{
    g_idle_hook = hook;
}

/* --- deferred work --- */

struct deferred {
    void (*fn)(uint64_t arg);
    uint64_t arg;
};
static struct deferred g_deferred[DEFERRED_MAX];
static size_t g_deferred_count;

void baton_defer(void (*fn)(uint64_t arg), uint64_t arg)
{
    if (g_deferred_count == DEFERRED_MAX) {
        fn(arg);
        return;
    }
    g_deferred[g_deferred_count++] = (struct deferred){fn, arg};
}

static void run_deferred(const struct deferred *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        list[i].fn(list[i].arg);
    }
}

void baton_deferred_now(void)
{
    size_t count = g_deferred_count;
    g_deferred_count = 0;
    run_deferred(g_deferred, count);
}

void baton_run(void)
{
    struct kthread *k;
    BUG_ON(g_current);
    while ((k = list_first_entry(&g_ready, struct kthread, run_link))) {
        list_del(&k->run_link);
        switch_to(k);
        if (k->state == KTHREAD_DEAD) {
            kthread_free(k);
        }
        if (!list_empty(&g_ready)) {
            baton_deferred_now();
        }
    }
}

void baton_drop(void)
{
    do {
        baton_run();
        if (g_idle_hook) {
            g_idle_hook();
        }
    } while (!list_empty(&g_ready));
    struct deferred mine[DEFERRED_MAX];
    size_t count = g_deferred_count;
    memcpy(mine, g_deferred, count * sizeof(mine[0]));
    g_deferred_count = 0;
    baton_release();
    run_deferred(mine, count);
}
