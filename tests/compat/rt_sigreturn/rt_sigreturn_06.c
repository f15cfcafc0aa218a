/*
 * A signal from another thread is handled soon, and once, at whatever moment it comes, while its target does one thing over
 * and over and nothing else: computes; asks for its parent; yields; waits on a futex; changes its mask; signals itself;
 * faults; returns from handlers.
 */
#include "../compat.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>

#define ROUNDS 150

static atomic_int g_count, g_stop, g_ready;
static char *volatile g_page;
static int g_word;

static void on_signal(int sig)
{
    (void)sig;
    atomic_fetch_add(&g_count, 1);
}
static void on_own(int sig)
{
    (void)sig;
}
static void on_fault(int sig)
{
    (void)sig;
    mprotect(g_page, 4096, PROT_READ | PROT_WRITE);
}

static void compute(void)
{
    for (volatile int i = 0; i < 1000; i++) {
    }
}
static void ask(void)
{
    syscall(SYS_getppid);
}
static void yield(void)
{
    sched_yield();
}
static void wait_long(void)
{
    syscall(SYS_futex, &g_word, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, 0, NULL);
}
static void wait_not(void)
{
    syscall(SYS_futex, &g_word, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, 1, NULL);
}
static void mask(void)
{
    sigset_t set, old;
    sigfillset(&set);
    pthread_sigmask(SIG_SETMASK, &set, &old);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
}
static void signal_self(void)
{
    raise(SIGUSR2);
}
static void fault(void)
{
    mprotect(g_page, 4096, PROT_READ);
    *g_page = 1;
}

static void *victim(void *what)
{
    g_ready = 1;
    while (!g_stop) {
        ((void (*)(void))what)();
    }
    return NULL;
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void try(const char *name, void (*what)(void))
{
    pthread_t t;
    g_count = g_stop = g_ready = 0;
    CHECK_EQ(pthread_create(&t, NULL, victim, (void *)what), 0);
    while (!g_ready) {
        sched_yield();
    }
    for (int i = 0; i < ROUNDS; i++) {
        CHECK_EQ(pthread_kill(t, SIGUSR1), 0);
        double end = now() + 5;
        while (g_count <= i) {
            if (now() > end) {
                fprintf(stderr, "%s: signal %d is lost\n", name, i);
                _exit(1);
            }
            sched_yield();
        }
        for (volatile int spin = i * 7 % 400; spin > 0; spin--) {
        }
    }
    g_stop = 1;
    pthread_kill(t, SIGUSR1); /* out of the futex */
    CHECK_EQ(pthread_join(t, NULL), 0);
    CHECK(g_count <= ROUNDS + 1);
}

int main(void)
{
    g_page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    signal(SIGUSR1, on_signal);
    signal(SIGUSR2, on_own);
    signal(SIGSEGV, on_fault);
    try("compute", compute);
    try("ask", ask);
    try("yield", yield);
    try("mismatching wait", wait_not);
    try("mask", mask);
    try("self", signal_self);
    try("fault", fault);
    struct sigaction sa = {.sa_handler = on_signal}; /* no SA_RESTART: each wait ends */
    CHECK_EQ(sigaction(SIGUSR1, &sa, NULL), 0);
    try("wait", wait_long);
    return 0;
}
