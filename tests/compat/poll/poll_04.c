/*
 * poll with a zero timeout on a pipe and an eventfd that nobody has read or written yet, again and again, among other files; then
 * the first bytes come, from the process, from a child, and from a thread that another one polls for; and the last writer goes.
 */
#include "tests/compat/compat.h"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/select.h>

#define ROUNDS 200

static int g_pipe[2], g_event;

static void looks(short of_pipe, short of_event)
{
    const struct timespec zero = {0};
    for (int i = 0; i < ROUNDS; i++) {
        struct pollfd p[3] = {{g_pipe[0], POLLIN, -1}, {-1, POLLIN, -1}, {g_event, POLLIN, -1}};
        CHECK_EQ(i % 2 ? poll(p, 3, 0) : ppoll(p, 3, &zero, NULL), !!of_pipe + !!of_event);
        CHECK(p[0].revents == of_pipe && p[1].revents == 0 && p[2].revents == of_event);
        fd_set set;
        FD_ZERO(&set);
        FD_SET(g_pipe[0], &set);
        FD_SET(g_event, &set);
        CHECK_EQ(pselect(64, &set, NULL, NULL, &zero, NULL), !!of_pipe + !!of_event);
        CHECK(FD_ISSET(g_pipe[0], &set) == !!of_pipe && FD_ISSET(g_event, &set) == !!of_event);
    }
}

static int child_writes(void)
{
    return write(g_pipe[1], "c", 1) == 1 && eventfd_write(g_event, 1) == 0 ? 0 : 1;
}

static void *thread_writes(void *arg)
{
    usleep(20000);
    CHECK_EQ(write(g_pipe[1], "t", 1), 1);
    return arg;
}

static void drain(void)
{
    char byte;
    eventfd_t n;
    CHECK_EQ(read(g_pipe[0], &byte, 1), 1);
    CHECK(eventfd_read(g_event, &n) == 0 && n == 1);
    looks(0, 0);
}

int main(void)
{
    pthread_t t;
    char byte;
    CHECK(pipe(g_pipe) == 0 && (g_event = eventfd(0, 0)) >= 0);
    looks(0, 0);
    CHECK_EQ(write(g_pipe[1], "x", 1), 1);
    looks(POLLIN, 0);
    CHECK_EQ(eventfd_write(g_event, 1), 0);
    looks(POLLIN, POLLIN);
    drain();
    CHECK_EQ(compat_child(child_writes), 0);
    looks(POLLIN, POLLIN);
    drain();
    CHECK(pthread_create(&t, NULL, thread_writes, NULL) == 0);
    struct pollfd p = {g_pipe[0], POLLIN, 0};
    while (poll(&p, 1, 0) == 0) {
    }
    CHECK(p.revents == POLLIN && pthread_join(t, NULL) == 0);
    CHECK(read(g_pipe[0], &byte, 1) == 1 && byte == 't');
    looks(0, 0);
    close(g_pipe[1]);
    looks(POLLHUP, 0);
    return 0;
}
