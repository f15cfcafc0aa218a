/*
 * What attacks are made of: breaches, processes that may be ruined, jumps to the gate. An attack runs in a process of
 * its own (driver.h); it may end in any way but one: with BREACH, which says that it got something that it
 * must not have.
 */
#pragma once

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "platform/stub/layout.h"

/* Newer than the headers of our oldest host. */
#ifndef SYS_futex_requeue
#define SYS_futex_requeue 456
#endif
#ifndef SYS_mseal
#define SYS_mseal 462
#endif

#define BREACH_STATUS 66
/* How much of an attack there was: for who reads the log of a run that was not red. */
#define NOTE(...) fprintf(stderr, "  " __VA_ARGS__)
#define BREACH(...)                                                                                \
    do {                                                                                           \
        fprintf(stderr, "BREACH: " __VA_ARGS__);                                                   \
        fputc('\n', stderr);                                                                       \
        _exit(BREACH_STATUS);                                                                      \
    } while (0)
/* The call failed; anything else is a breach. */
#define MUST_FAIL(call)                                                                            \
    do {                                                                                           \
        errno = 0;                                                                                 \
        long got_ = (long)(call);                                                                  \
        if (got_ != -1) {                                                                          \
            BREACH("%s:%d: %s: %ld", __FILE__, __LINE__, #call, got_);                             \
        }                                                                                          \
    } while (0)

static inline double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Waits for pid until the time is over. Return: 1 with *status, 0 when it still runs. */
static inline int wait_until(pid_t pid, int *status, double end)
{
    for (;;) {
        pid_t r = waitpid(pid, status, WNOHANG);
        if (r != 0) {
            return r == pid;
        }
        if (now() > end) {
            return 0;
        }
        usleep(2000);
    }
}

/* Runs fn in a child that may well spin for ever on the ruins of its own stub, but must die when it is killed. */
static inline void expendable_for(void (*fn)(void), double seconds)
{
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        fn();
        _exit(0);
    }
    if (!wait_until(pid, &status, now() + seconds)) {
        kill(pid, SIGKILL);
        if (!wait_until(pid, &status, now() + 5)) {
            BREACH("a process can't be killed");
        }
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == BREACH_STATUS) {
        _exit(BREACH_STATUS);
    }
}

static inline void expendable(void (*fn)(void))
{
    expendable_for(fn, 1);
}

/* --- the gate --- */
static inline const struct stub_info *stub(void)
{
    return (const struct stub_info *)STUB_TEXT;
}

/* Jumps to a gate's system call instruction; comes back by the `ret` behind it (gates 0, 1 and 3 have one). */
static inline long gate(unsigned which, uint64_t nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d,
                        uint64_t e, uint64_t f)
{
    register uint64_t r10 __asm__("r10") = d;
    register uint64_t r8 __asm__("r8") = e;
    register uint64_t r9 __asm__("r9") = f;
    uint64_t target = stub()->gate_ips[which] - 2, ret = nr;
    __asm__ volatile("call *%[t]"
                     : "+a"(ret)
                     : "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9), [t] "b"(target)
                     : "rcx", "r11", "memory");
    return (long)ret;
}
#define GATE(nr, ...) GATE_(nr, ##__VA_ARGS__, 0, 0, 0, 0, 0, 0)
#define GATE_(nr, a, b, c, d, e, f, ...)                                                           \
    gate(0, (uint64_t)(nr), (uint64_t)(a), (uint64_t)(b), (uint64_t)(c), (uint64_t)(d),            \
         (uint64_t)(e), (uint64_t)(f))
#define GATE_MUST_FAIL(nr, ...)                                                                    \
    do {                                                                                           \
        long got_ = GATE(nr, ##__VA_ARGS__);                                                       \
        if (got_ >= 0 || got_ < -4095) {                                                           \
            BREACH("%s:%d: gate(%s, %s): %ld", __FILE__, __LINE__, #nr, #__VA_ARGS__, got_);       \
        }                                                                                          \
    } while (0)

static inline struct chan *channel_of(int slot)
{
    return (struct chan *)(CHAN_BASE + (uint64_t)slot * CHAN_STRIDE);
}
static inline struct chan *my_channel(void)
{
    return (struct chan *)CHAN_BASE; /* of the first thread */
}

/* From now on nothing interrupts this process but its end. */
static inline void ignore_kicks(void)
{
    uint64_t ignore[4] = {1, 0, 0, 0};
    GATE(SYS_rt_sigaction, STUB_KICK, ignore, 0, 8);
}

static uint64_t g_random = 88172645463325252ULL;
static inline uint64_t rnd(void)
{
    g_random ^= g_random << 13;
    g_random ^= g_random >> 7;
    return g_random ^= g_random << 17;
}

#include "tests/escape/driver.h"
