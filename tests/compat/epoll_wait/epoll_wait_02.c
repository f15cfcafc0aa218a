/*
 * epoll_wait(2) by several threads.
 * Claims: each event of an EPOLLONESHOT|EPOLLIN entry wakes exactly one waiter; no event is lost when many threads serve
 * many pipes; a timeout takes its time; a handler interrupts with EINTR even with SA_RESTART; an
 * unwritable buffer gives EFAULT and loses nothing.
 */
#include "../compat.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/time.h>
#include <time.h>

#define THREADS 4
#define PIPES   8
#define ROUNDS  200

static int g_ep, g_pipes[PIPES][2];
static atomic_int g_served;

static void *serve(void *arg)
{
    (void)arg;
    while (atomic_load(&g_served) < PIPES * ROUNDS) {
        struct epoll_event e;
        char c;
        int n = epoll_wait(g_ep, &e, 1, 50);
        CHECK(n >= 0);
        if (n == 0) {
            continue;
        }
        CHECK_EQ(read(g_pipes[e.data.u32][0], &c, 1),
                 1); /* never two for one event: it would block */
        atomic_fetch_add(&g_served, 1);
        e.events = EPOLLIN | EPOLLONESHOT;
        CHECK(epoll_ctl(g_ep, EPOLL_CTL_MOD, g_pipes[e.data.u32][0], &e) == 0);
    }
    return NULL;
}

static void on_alarm(int sig)
{
    (void)sig;
}

int main(void)
{
    struct sigaction sa = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
    struct itimerval it = {.it_value = {0, 20000}};
    struct epoll_event e;
    struct timespec before, after;
    pthread_t threads[THREADS];

    g_ep = epoll_create1(0);
    for (unsigned i = 0; i < PIPES; i++) {
        CHECK(pipe2(g_pipes[i], O_NONBLOCK) == 0);
        e = (struct epoll_event){.events = EPOLLIN | EPOLLONESHOT, .data.u32 = i};
        CHECK(epoll_ctl(g_ep, EPOLL_CTL_ADD, g_pipes[i][0], &e) == 0);
    }
    for (int i = 0; i < THREADS; i++) {
        CHECK(pthread_create(&threads[i], NULL, serve, NULL) == 0);
    }
    for (int r = 0; r < ROUNDS; r++) {
        for (int i = 0; i < PIPES; i++) {
            CHECK(write(g_pipes[i][1], "x", 1) == 1);
        }
    }
    for (int i = 0; i < THREADS; i++) {
        CHECK(pthread_join(threads[i], NULL) == 0);
    }
    CHECK_EQ(atomic_load(&g_served), PIPES * ROUNDS);

    clock_gettime(CLOCK_MONOTONIC, &before);
    CHECK_EQ(epoll_wait(g_ep, &e, 1, 30), 0);
    clock_gettime(CLOCK_MONOTONIC, &after);
    CHECK((after.tv_sec - before.tv_sec) * 1000000000L + after.tv_nsec - before.tv_nsec >=
          30000000L);
    CHECK(sigaction(SIGALRM, &sa, NULL) == 0);
    CHECK(setitimer(ITIMER_REAL, &it, NULL) == 0);
    CHECK_ERRNO(epoll_wait(g_ep, &e, 1, -1), EINTR);
    CHECK(write(g_pipes[0][1], "x", 1) == 1);
    CHECK_ERRNO(epoll_wait(g_ep, (struct epoll_event *)16, 1, -1), EFAULT);
    CHECK_EQ(epoll_wait(g_ep, &e, 1, 0), 1);
    return 0;
}
