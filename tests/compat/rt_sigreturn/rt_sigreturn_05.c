/*
 * Threads that signal themselves, fault, are signalled by each other, change masks and handlers, and fork, for two seconds.
 *
 * Claims: a signal that a thread raises has been handled when raise returns, exactly once; queued signals (real-time) are
 * all delivered, each once, with their values in order for each pair of threads; a fault's handler runs exactly once for
 * each fault; the mask after all of that is what it was.
 */
#include "../compat.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>

#define THREADS 4
#define SECONDS 2

static struct worker {
    pthread_t thread;
    pid_t tid;
    long raised, handled, faults, fault_handled;
    atomic_long queued[THREADS]; /* by others, to us */
    atomic_long got[THREADS];
    char *volatile page;
    unsigned seed;
} g_workers[THREADS];
static atomic_bool g_stop;
static atomic_int g_ready, g_wrong;
static __thread struct worker *t_me;

static void on_raise(int sig, siginfo_t *si, void *uc)
{
    (void)uc;
    (void)sig;
    t_me->handled++;
    if (si->si_code != SI_TKILL || si->si_pid != getpid()) {
        g_wrong = 1;
    }
}

static void on_queued(int sig, siginfo_t *si, void *uc)
{
    int from = si->si_value.sival_int % THREADS;
    long number = si->si_value.sival_int / THREADS;
    (void)sig;
    (void)uc;
    if (atomic_fetch_add(&t_me->got[from], 1) != number) {
        g_wrong = 2;
    }
}

static void on_fault(int sig, siginfo_t *si, void *uc)
{
    (void)sig;
    (void)uc;
    if (si->si_addr != t_me->page) {
        g_wrong = 3;
    }
    t_me->fault_handled++;
    mprotect(t_me->page, 4096, PROT_READ | PROT_WRITE);
}

static void install(int sig, void (*f)(int, siginfo_t *, void *), bool block_queued)
{
    struct sigaction sa = {.sa_sigaction = f, .sa_flags = SA_SIGINFO | SA_RESTART};
    if (block_queued) {
        sigaddset(&sa.sa_mask, SIGRTMIN);
    }
    CHECK_EQ(sigaction(sig, &sa, NULL), 0);
}

static unsigned dice(struct worker *w)
{
    w->seed = w->seed * 1103515245 + 12345;
    return w->seed >> 16;
}

static void queue_to(struct worker *w, int index)
{
    struct worker *to = &g_workers[index];
    int me = (int)(w - g_workers);
    long n = atomic_load(&to->queued[me]);
    siginfo_t si = {.si_code = SI_QUEUE, .si_signo = SIGRTMIN};
    si.si_value.sival_int = (int)(n * THREADS + me);
    if (n - atomic_load(&to->got[me]) < 20 &&
        syscall(SYS_rt_tgsigqueueinfo, getpid(), to->tid, SIGRTMIN, &si) == 0) {
        atomic_fetch_add(&to->queued[me], 1);
    }
}

static void forks(struct worker *w)
{
    pid_t pid = fork();
    int status;
    if (pid == 0) {
        long before = w->handled;
        for (int i = 0; i < 5; i++) {
            raise(SIGUSR1);
        }
        _exit(w->handled == before + 5 ? 0 : 1);
    }
    CHECK(pid > 0);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
}

static void step(struct worker *w)
{
    sigset_t set, old;
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN);
    switch (dice(w) % 16) {
    case 0:
        sigaddset(&set, SIGUSR1);
        CHECK_EQ(pthread_sigmask(SIG_BLOCK, &set, &old), 0);
        long before = w->handled;
        raise(SIGUSR1);
        CHECK_EQ(w->handled, before);
        CHECK_EQ(pthread_sigmask(SIG_SETMASK, &old, NULL), 0);
        w->raised++;
        break;
    case 1:
        install(SIGUSR1, on_raise, dice(w) & 1);
        break;
    case 2:
        if (dice(w) % 64 == 0) {
            forks(w);
        }
        break;
    case 3:
    case 4:
    case 5:
        CHECK_EQ(mprotect(w->page, 4096, PROT_READ), 0);
        *w->page = 1;
        w->faults++;
        break;
    case 6:
    case 7:
    case 8:
        queue_to(w, (int)(dice(w) % THREADS));
        break;
    default:
        raise(SIGUSR1);
        w->raised++;
        break;
    }
    CHECK_EQ(w->handled, w->raised);
    CHECK_EQ(w->fault_handled, w->faults);
    CHECK_EQ(g_wrong, 0);
}

static void *run(void *arg)
{
    struct worker *w = arg;
    sigset_t now;
    t_me = w;
    w->tid = (pid_t)syscall(SYS_gettid);
    w->page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(w->page != MAP_FAILED);
    for (g_ready++; g_ready < THREADS;) {
        sched_yield();
    }
    while (!g_stop) {
        step(w);
    }
    for (g_ready--; g_ready > 0;) { /* nobody sends any more */
        sched_yield();
    }
    for (int i = 0; i < THREADS; i++) {
        while (w->got[i] != w->queued[i]) {
            sched_yield();
        }
    }
    CHECK_EQ(pthread_sigmask(SIG_SETMASK, NULL, &now), 0);
    CHECK_EQ(sigismember(&now, SIGUSR1), 0);
    CHECK_EQ(sigismember(&now, SIGRTMIN), 0);
    return NULL;
}

int main(void)
{
    install(SIGUSR1, on_raise, false);
    install(SIGRTMIN, on_queued, false);
    install(SIGSEGV, on_fault, false);
    for (int i = 0; i < THREADS; i++) {
        g_workers[i].seed = (unsigned)(time(NULL) + i * 7919);
        CHECK_EQ(pthread_create(&g_workers[i].thread, NULL, run, &g_workers[i]), 0);
    }
    sleep(SECONDS);
    g_stop = true;
    long raised = 0, queued = 0, faults = 0;
    for (int i = 0; i < THREADS; i++) {
        CHECK_EQ(pthread_join(g_workers[i].thread, NULL), 0);
        raised += g_workers[i].raised;
        faults += g_workers[i].faults;
        for (int j = 0; j < THREADS; j++) {
            queued += g_workers[i].got[j];
        }
    }
    printf("%ld raised, %ld queued, %ld faults\n", raised, queued, faults);
    CHECK_EQ(g_wrong, 0);
    return 0;
}
