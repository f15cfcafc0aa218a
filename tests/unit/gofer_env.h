/*
 * A small kernel for tests of the gofer's client and file system: an events thread, one kthread that plays the
 * program, and a real gofer (gofer_peer.h) in a child process. Included by one .c file a program.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/kthread.h"
#include "sentry/base/events.h"
#include "sentry/base/kernel.h"
#include "sentry/base/timer.h"
#include "sentry/fs/gofer_client.h"
#include "tests/unit/gofer_peer.h"

enum { RO, RW, WORLD, FILE_ROOT };

static struct kernel g_test_kernel;
static struct peer g_peer;
static struct gofer_client *g_client;
static int g_failures;

/* A kthread's stack is not cmocka's: failures are counted, and asserted on the main thread. */
#define CHECK(c)                                                                                   \
    do {                                                                                           \
        if (!(c)) {                                                                                \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #c);                                \
            g_failures++;                                                                          \
        }                                                                                          \
    } while (0)
#define CHECK_EQ(a, b)                                                                             \
    do {                                                                                           \
        long a_ = (long)(a), b_ = (long)(b);                                                       \
        if (a_ != b_) {                                                                            \
            fprintf(stderr, "%s:%d: %s is %ld, not %ld\n", __FILE__, __LINE__, #a, a_, b_);        \
            g_failures++;                                                                          \
        }                                                                                          \
    } while (0)

/* --- running a case: a process of its own, since events and kernel are one a process --- */

static void (*g_case)(void);

static void case_main(void *arg)
{
    (void)arg;
    g_case();
    events_stop();
}

static void run_case(void (*f)(void))
{
    struct kthread *k;
    peer_start(&g_peer);
    g_case = f;
    g_failures = 0;
    fflush(NULL);
    int pid = fork();
    if (pid == 0) {
        alarm(20);
        struct rlimit few = {512, 512}; /* then 64 fds may be idle */
        setrlimit(RLIMIT_NOFILE, &few);
        g_kernel = &g_test_kernel;
        list_init(&g_kernel->dentry_lru);
        g_kernel->dentry_limit = 1000;
        int err = events_init();
        err = err < 0 ? err : timers_init();
        err = err < 0 ? err : gofer_client_new(g_peer.sock, &g_client);
        err = err < 0 ? err : kthread_create(&k, case_main, NULL, "case");
        if (err < 0) {
            fprintf(stderr, "setting up: %d\n", err);
            _exit(99);
        }
        baton_take();
        baton_drop();
        events_loop();
        exit(g_failures ? 1 : 0);
    }
    int status = -1;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    peer_stop(&g_peer);
    assert_int_equal(status, 0);
}

#define CASE(name, f)                                                                              \
    static void name(void **state)                                                                 \
    {                                                                                              \
        (void)state;                                                                               \
        run_case(f);                                                                               \
    }
