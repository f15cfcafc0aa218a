/*
 * Threads that live for microseconds, signals and forks, all at once, for two seconds.
 *
 * Claims: each thread begins with fresh thread-local storage and the floating-point control words of its creator, runs
 * to its end once, and is joined with its own result; no queued signal to the process is lost, although those that take
 * it end all the time; a child of such a process makes threads, too, and its status is its own.
 */
#include "tests/compat/compat.h"
#include "tests/compat/rounding.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

#define CREATORS    3
#define SECONDS     2
#define OUTSTANDING 50 /* signals */

static atomic_long g_sent, g_taken, g_threads;
static atomic_bool g_stop;
static __thread long t_life;

static void on_signal(int sig, siginfo_t *info, void *context)
{
    (void)context;
    CHECK(sig == SIGRTMIN && info->si_code == SI_QUEUE);
    atomic_fetch_add(&g_taken, 1);
}

static void *life(void *arg)
{
    long n = (long)arg;
    CHECK(t_life == 0);
    CHECK(round_is((unsigned)n & 3));
    t_life = n + 1;
    set_round(((unsigned)n + 1) & 3);
    switch (n >> 2 & 3) {
    case 0: {
        struct timespec nap = {0, 20000};
        while (nanosleep(&nap, &nap) != 0) {
            CHECK(errno == EINTR);
        }
        break;
    }
    case 1: {
        void *p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        CHECK(p != MAP_FAILED);
        *(volatile char *)p = 1;
        CHECK(munmap(p, 8192) == 0);
        break;
    }
    default:
        break;
    }
    CHECK(t_life == n + 1);
    return (void *)~n;
}

static void *creator(void *arg)
{
    long n = (long)arg;
    for (; !atomic_load(&g_stop); n += CREATORS) {
        pthread_t t;
        void *result;
        set_round((unsigned)n & 3);
        CHECK(pthread_create(&t, NULL, life, (void *)n) == 0);
        CHECK(pthread_join(t, &result) == 0);
        CHECK(result == (void *)~n);
        CHECK(round_is((unsigned)n & 3));
        atomic_fetch_add(&g_threads, 1);
    }
    set_round(0);
    return NULL;
}

static void *signaller(void *arg)
{
    (void)arg;
    while (!atomic_load(&g_stop)) {
        if (atomic_load(&g_sent) - atomic_load(&g_taken) < OUTSTANDING) {
            CHECK(sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = 1}) == 0);
            atomic_fetch_add(&g_sent, 1);
        } else {
            sched_yield();
        }
    }
    return NULL;
}

static void *forker(void *arg)
{
    (void)arg;
    for (int i = 0; !atomic_load(&g_stop); i++) {
        int status;
        pid_t pid = fork();
        if (pid == 0) {
            pthread_t t[3];
            for (long k = 0; k < 3; k++) {
                set_round((unsigned)k);
                CHECK(pthread_create(&t[k], NULL, life, (void *)k) == 0);
            }
            for (int k = 0; k < 3; k++) {
                CHECK(pthread_join(t[k], NULL) == 0);
            }
            _exit(i % 100);
        }
        CHECK(pid > 0);
        while (waitpid(pid, &status, 0) != pid) {
            CHECK(errno == EINTR);
        }
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == i % 100);
    }
    return NULL;
}

int main(void)
{
    pthread_t t[CREATORS + 2];
    struct sigaction sa = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART};
    CHECK(sigaction(SIGRTMIN, &sa, NULL) == 0);
    for (long i = 0; i < CREATORS; i++) {
        CHECK(pthread_create(&t[i], NULL, creator, (void *)i) == 0);
    }
    CHECK(pthread_create(&t[CREATORS], NULL, signaller, NULL) == 0);
    CHECK(pthread_create(&t[CREATORS + 1], NULL, forker, NULL) == 0);
    struct timespec end;
    CHECK(clock_gettime(CLOCK_MONOTONIC, &end) == 0);
    end.tv_sec += SECONDS; /* a relative sleep would begin anew with each signal */
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &end, NULL) != 0) {
    }
    atomic_store(&g_stop, true);
    for (int i = 0; i < CREATORS + 2; i++) {
        CHECK(pthread_join(t[i], NULL) == 0);
    }
    for (int i = 0; i < 5000 && atomic_load(&g_taken) != atomic_load(&g_sent); i++) {
        usleep(1000);
    }
    CHECK(atomic_load(&g_taken) == atomic_load(&g_sent));
    CHECK(atomic_load(&g_threads) > 50);
    return 0;
}
