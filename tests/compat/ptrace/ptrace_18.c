/*
 * Writes to a tracee's memory that it may not write itself, by PTRACE_POKETEXT and /proc/PID/mem, succeed whatever else happens: signals come to the
 * writers all the time, two threads write at once, and other threads of the tracee come and go.
 */
#include "tests/compat/ptrace/tracer.h"

#include <pthread.h>
#include <sys/mman.h>
#include <sys/time.h>

#define ROUNDS 1500

static const long g_const[3] = {1, 2, 3};
static volatile int g_alarms, g_fd;
static pid_t g_tracee;

static void alarmed(int sig)
{
    (void)sig;
    g_alarms++;
}

static void *short_thread(void *arg)
{
    return arg;
}

/* Its leader stops; threads of it go on. */
static void *makes_threads(void *arg)
{
    for (;;) {
        pthread_t t;
        if (pthread_create(&t, NULL, short_thread, NULL) == 0) {
            pthread_join(t, NULL);
        }
    }
    return arg;
}

static int child(void)
{
    pthread_t t;
    CHECK_EQ(pthread_create(&t, NULL, makes_threads, NULL), 0);
    syscall(SYS_tkill, getpid(), SIGUSR1); /* only a traced thread stops */
    return 4;
}

static void write_and_read(int i, long value)
{
    long back = 0;
    off_t at = (off_t)(uintptr_t)&g_const[i];
    CHECK_EQ(pwrite(g_fd, &value, sizeof(value), at), (long)sizeof(value));
    CHECK_EQ(pread(g_fd, &back, sizeof(back), at), (long)sizeof(back));
    CHECK_EQ(back, value);
}

static void *writes_too(void *arg)
{
    for (long i = 0; i < ROUNDS; i++) {
        write_and_read(1, i);
    }
    return arg;
}

int main(void)
{
    char path[64];
    pthread_t other;
    const struct itimerval often = {{0, 300}, {0, 300}}, never = {{0, 0}, {0, 0}};
    g_tracee = traced_child(child);
    CHECK_EQ(go(g_tracee, PTRACE_CONT, 0), SIGUSR1);
    snprintf(path, sizeof(path), "/proc/%d/mem", (int)g_tracee);
    g_fd = open(path, O_RDWR);
    CHECK(g_fd >= 0);
    CHECK(signal(SIGALRM, alarmed) != SIG_ERR);
    CHECK_EQ(pthread_create(&other, NULL, writes_too, NULL), 0);
    CHECK_EQ(setitimer(ITIMER_REAL, &often, NULL), 0);
    for (long i = 0; i < ROUNDS; i++) {
        write_and_read(0, i);
        CHECK_EQ(ptrace(PTRACE_POKETEXT, g_tracee, &g_const[2], i), 0);
        CHECK_EQ(ptrace(PTRACE_PEEKTEXT, g_tracee, &g_const[2], 0), i);
    }
    CHECK_EQ(pthread_join(other, NULL), 0);
    CHECK_EQ(setitimer(ITIMER_REAL, &never, NULL), 0);
    CHECK(g_alarms > 0);
    CHECK_EQ(kill(g_tracee, SIGKILL), 0);
    must_wait_for(g_tracee, SIGKILL);
    return 0;
}
