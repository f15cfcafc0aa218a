/*
 * Very many threads in one process at the same time: each is made and runs, or the call fails with EAGAIN and
 * those that are there go on.
 */
#include "tests/compat/compat.h"

#include <pthread.h>

#define THREADS 1200
#define ENOUGH  900

static pthread_mutex_t g_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t g_cond = PTHREAD_COND_INITIALIZER;
static int g_go, g_ran;

static void *wait_for_go(void *arg)
{
    pthread_mutex_lock(&g_mutex);
    while (!g_go) {
        pthread_cond_wait(&g_cond, &g_mutex);
    }
    g_ran++;
    pthread_mutex_unlock(&g_mutex);
    return arg;
}

int main(void)
{
    static pthread_t threads[THREADS];
    pthread_attr_t attr;
    int made = 0, r = 0;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, 65536);
    while (made < THREADS && (r = pthread_create(&threads[made], &attr, wait_for_go, NULL)) == 0) {
        made++;
    }
    CHECK(r == 0 || r == EAGAIN);
    CHECK(made > ENOUGH);
    pthread_mutex_lock(&g_mutex);
    g_go = 1;
    pthread_cond_broadcast(&g_cond);
    pthread_mutex_unlock(&g_mutex);
    for (int i = 0; i < made; i++) {
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    }
    CHECK_EQ(g_ran, made);
    CHECK_EQ(pthread_create(threads, &attr, wait_for_go, NULL), 0);
    CHECK_EQ(pthread_join(threads[0], NULL), 0);
    return 0;
}
