/*
 * exit_group(2) with other threads: who has waited for the process finds that none of its threads runs any more, whatever they
 * did (computed, slept on a futex, waited in a read, made calls), and however it ended (exit_group, a signal); its status is the
 * process's. wait4(2).
 */
#include "tests/compat/compat.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>

#define ROUNDS  40
#define THREADS 4

struct shared {
    _Atomic unsigned long counts[THREADS]; /* what its threads do */
    _Atomic int ready;
};
static struct shared *g_shared;
static pthread_mutex_t g_locked = PTHREAD_MUTEX_INITIALIZER;
static int g_pipe[2];

static void *thread(void *arg)
{
    long i = (long)(intptr_t)arg;
    char byte;
    g_shared->ready++;
    switch (i) {
    case 0:
        for (;;) {
            g_shared->counts[i]++;
        }
    case 1:
        pthread_mutex_lock(&g_locked);
        break;
    case 2:
        (void)!read(g_pipe[0], &byte, 1);
        break;
    default:
        for (;;) {
            g_shared->counts[i] += getppid() > 0;
        }
    }
    g_shared->counts[i]++; /* nobody lets it go */
    return NULL;
}

static void child(int kills)
{
    pthread_t t;
    CHECK(pipe(g_pipe) == 0);
    pthread_mutex_lock(&g_locked);
    for (long i = 0; i < THREADS; i++) {
        CHECK(pthread_create(&t, NULL, thread, (void *)(intptr_t)i) == 0);
    }
    while (g_shared->ready < THREADS || !g_shared->counts[0] || !g_shared->counts[3]) {
        sched_yield();
    }
    if (kills) {
        kill(getpid(), SIGKILL);
    }
    _exit(7);
}

int main(void)
{
    g_shared =
        mmap(NULL, sizeof(*g_shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(g_shared != MAP_FAILED);
    for (int i = 0; i < ROUNDS; i++) {
        memset(g_shared, 0, sizeof(*g_shared));
        pid_t pid = fork();
        if (pid == 0) {
            child(i & 1);
        }
        int status;
        struct shared then, now;
        CHECK(pid > 0 && waitpid(pid, &status, 0) == pid);
        memcpy(&then, g_shared, sizeof(then));
        CHECK(i & 1 ? WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL
                    : WIFEXITED(status) && WEXITSTATUS(status) == 7);
        usleep(1000);
        memcpy(&now, g_shared, sizeof(now));
        for (int k = 0; k < THREADS; k++) {
            CHECK_EQ(now.counts[k], then.counts[k]);
        }
        CHECK(now.counts[1] == 0 && now.counts[2] == 0);
    }
    return 0;
}
