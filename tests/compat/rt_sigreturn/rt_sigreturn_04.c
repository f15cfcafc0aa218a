/*
 * What unwinders and jumps make of a signal frame, whether its handler was entered from a call or from a fault:
 * 1. A walk of the stack in a handler gets through the frame to the functions that were interrupted.
 * 2. An asynchronous cancellation unwinds through one, and runs the cleanup handlers below.
 * 3. siglongjmp out of handlers, thousands of times; from nested ones, too. The mask is the one saved.
 * 4. A signal that interrupts a handler's start or return: handlers that nest deeply all return.
 */
#include "../compat.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <unwind.h>

static volatile int by_fault;
static char *volatile page;
static volatile bool seen_middle, seen_main;
static volatile int depth;
int main(void);
static void middle(void);

static _Unwind_Reason_Code visit(struct _Unwind_Context *c, void *arg)
{
    void *f = _Unwind_FindEnclosingFunction((void *)(_Unwind_GetIP(c) - 1));
    (void)arg;
    seen_middle |= f == (void *)middle;
    seen_main |= f == (void *)main;
    return ++depth < 50 ? _URC_NO_REASON : _URC_END_OF_STACK;
}

static void walk(int sig)
{
    if (sig == SIGSEGV) {
        mprotect(page, 4096, PROT_READ | PROT_WRITE);
    }
    seen_middle = seen_main = false;
    depth = 0;
    _Unwind_Backtrace(visit, NULL);
}

static __attribute__((noinline)) void middle(void)
{
    if (by_fault) {
        *page = 1;
    } else {
        raise(SIGUSR1);
    }
    __asm__ volatile("");
}

static void walks(void)
{
    signal(SIGUSR1, walk);
    signal(SIGSEGV, walk);
    for (int i = 0; i < 8; i++) {
        mprotect(page, 4096, PROT_READ);
        by_fault = i % 2;
        middle();
        CHECK(seen_middle);
        CHECK(seen_main);
    }
}

static volatile int cleaned, spinning;
static void cleanup(void *arg)
{
    cleaned += (int)(intptr_t)arg;
}
static void *victim(void *arg)
{
    (void)arg;
    pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
    pthread_cleanup_push(cleanup, (void *)1);
    pthread_cleanup_push(cleanup, (void *)10);
    spinning = 1;
    for (;;) {
    }
    pthread_cleanup_pop(0);
    pthread_cleanup_pop(0);
    return NULL;
}

static void cancellations(void)
{
    for (int i = 0; i < 20; i++) {
        pthread_t t;
        void *result;
        cleaned = spinning = 0;
        CHECK_EQ(pthread_create(&t, NULL, victim, NULL), 0);
        while (!spinning) {
            sched_yield();
        }
        CHECK_EQ(pthread_cancel(t), 0);
        CHECK_EQ(pthread_join(t, &result), 0);
        CHECK(result == PTHREAD_CANCELED);
        CHECK_EQ(cleaned, 11);
    }
}

static sigjmp_buf env;
static void jump(int sig)
{
    if (sig == SIGUSR2) {
        raise(SIGUSR1); /* and jumps out of that */
    }
    siglongjmp(env, sig);
}

static void jumps(void)
{
    static const int sigs[] = {SIGUSR1, SIGUSR2, SIGSEGV};
    sigset_t now;
    for (int i = 0; i < 3; i++) {
        signal(sigs[i], jump);
    }
    mprotect(page, 4096, PROT_READ);
    for (volatile int i = 0; i < 3000; i++) {
        int got = sigsetjmp(env, 1), want = sigs[i % 3];
        if (got == 0) {
            if (want == SIGSEGV) {
                *page = 1;
            } else {
                raise(want);
            }
            CHECK(!"jumped");
        }
        CHECK_EQ(got, want == SIGUSR2 ? SIGUSR1 : want);
        sigprocmask(SIG_BLOCK, NULL, &now);
        for (int s = 0; s < 3; s++) {
            CHECK_EQ(sigismember(&now, sigs[s]), 0);
        }
    }
}

static volatile long entered, left, ticks;
static void deeper(int sig)
{
    volatile char room[200];
    long level = entered++;
    room[0] = (char)level;
    if (level % 40 != 39) {
        raise(sig);
    }
    CHECK(room[0] == (char)level);
    left++;
}
static void tick(int sig)
{
    (void)sig;
    ticks++;
}

static void nests(void)
{
    struct sigaction sa = {.sa_handler = deeper, .sa_flags = SA_NODEFER};
    CHECK_EQ(sigaction(SIGUSR1, &sa, NULL), 0);
    sa.sa_handler = tick;
    CHECK_EQ(sigaction(SIGALRM, &sa, NULL), 0);
    struct itimerval fast = {{0, 300}, {0, 300}}, off = {{0, 0}, {0, 0}};
    CHECK_EQ(setitimer(ITIMER_REAL, &fast, NULL), 0);
    long rounds = 0;
    while (ticks < 200) {
        raise(SIGUSR1);
        rounds++;
    }
    CHECK_EQ(setitimer(ITIMER_REAL, &off, NULL), 0);
    CHECK_EQ(entered, rounds * 40);
    CHECK_EQ(left, entered);
}

int main(void)
{
    page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    walks();
    cancellations();
    jumps();
    nests();
    return 0;
}
