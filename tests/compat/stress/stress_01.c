/*
 * Threads, signals, forks and system calls all at once, for two seconds.
 *
 * Claims: no signal that was sent to a thread is lost, whatever the thread is doing (its own code, a blocking
 * read, a futex wait, a call that returns at once); results of calls are never mixed up between threads;
 * callee-saved and floating-point state survives; children of a process with running threads work.
 */
#include "tests/compat/compat.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#define THREADS 4
#define SECONDS 2

static atomic_long g_handled[THREADS];
static atomic_bool g_stop;
static atomic_int g_ready;
static __thread int t_index;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void on_signal(int sig)
{
    (void)sig;
    volatile double x = 1.5; /* uses the registers that the interrupted code may be using */
    x = x * 3 + sig;
    atomic_fetch_add(&g_handled[t_index], 1);
}

static void step(int index, unsigned round, int p[2])
{
    double a = index + 0.25, b = round;
    pid_t tid = (pid_t)syscall(SYS_gettid);
    char c = (char)(round + (unsigned)index), d = 0;
    int word = 0;
    struct timespec nap = {0, 50000};
    switch (round % 5) {
    case 0:
        for (int i = 0; i < 200; i++) {
            CHECK(syscall(SYS_gettid) == tid);
        }
        break;
    case 1:
        CHECK(write(p[1], &c, 1) == 1);
        while (read(p[0], &d, 1) != 1) {
            CHECK(errno == EINTR);
        }
        CHECK(c == d);
        break;
    case 2:
        syscall(SYS_futex, &word, 128 /* FUTEX_WAIT_PRIVATE */, 0, &nap, NULL, 0);
        break;
    case 3:
        nanosleep(&nap, NULL);
        break;
    default:
        for (volatile int i = 0; i < 20000; i++) {
        }
        break;
    }
    CHECK(a == index + 0.25 && b == round);
}

static void *worker(void *arg)
{
    int p[2];
    t_index = (int)(long)arg;
    atomic_fetch_add(&g_ready, 1); /* from here on signals are counted for it */
    CHECK(pipe(p) == 0);
    for (unsigned round = 0; !atomic_load(&g_stop); round++) {
        step(t_index, round, p);
    }
    return NULL;
}

static void *forker(void *arg)
{
    (void)arg;
    while (!atomic_load(&g_stop)) {
        int status;
        pid_t pid = fork();
        if (pid == 0) {
            _exit(getppid() > 0 ? 7 : 1);
        }
        CHECK(pid > 0 && waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 7);
    }
    return NULL;
}

int main(void)
{
    pthread_t threads[THREADS], fork_thread;
    struct sigaction action = {.sa_handler = on_signal};
    long sent[THREADS] = {0};
    CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
    for (long i = 0; i < THREADS; i++) {
        CHECK(pthread_create(&threads[i], NULL, worker, (void *)i) == 0);
    }
    while (atomic_load(&g_ready) < THREADS) {
        sched_yield();
    }
    CHECK(pthread_create(&fork_thread, NULL, forker, NULL) == 0);
    double end = now() + SECONDS;
    for (int n = 0; n < THREADS || now() < end; n++) {
        int i = n < THREADS ? n : rand() % THREADS; /* each of them, however busy the machine is */
        CHECK(pthread_kill(threads[i], SIGUSR1) == 0);
        sent[i]++;
        for (double give_up = now() + 20; atomic_load(&g_handled[i]) < sent[i];) {
            CHECK(now() < give_up); /* lost */
        }
    }
    atomic_store(&g_stop, true);
    for (int i = 0; i < THREADS; i++) {
        CHECK(pthread_join(threads[i], NULL) == 0);
        CHECK(atomic_load(&g_handled[i]) == sent[i]);
    }
    CHECK(pthread_join(fork_thread, NULL) == 0);
    return 0;
}
