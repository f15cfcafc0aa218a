/*
 * Requests without the stub: what a guest can write into its own channel, and the conversation with the kernel that
 * follows. Between forge and the end of a conversation no C library call may make a system call: it would
 * go through the same channel.
 */
#pragma once

#include "tests/escape/escape.h"

static inline void ring(void)
{
    GATE(GATE_DOORBELL, 0, 0, 0, 0, 0, 0);
}

/* A forged request in the first thread's channel, rung for; the stub is not asked. */
static inline void forge(uint64_t nr, const uint64_t args[6], uint32_t state)
{
    struct chan *c = my_channel();
    c->nr = nr;
    for (int i = 0; i < 6; i++) {
        c->args[i] = args[i];
    }
    c->sp = rnd();
    __atomic_store_n(&c->state, state, __ATOMIC_SEQ_CST);
    ring();
}

/* Carries a forged request to its reply, as the stub would, but does not act on it. Return: the order; -1: none. */
static inline int converse(uint64_t nr, const uint64_t args[6])
{
    struct chan *c = my_channel();
    forge(nr, args, CHAN_REQ | CHAN_NO_POLL);
    for (int i = 0; i < 2000 && (c->state & CHAN_STATE_MASK) != CHAN_DONE; i++) {
        ring();
        GATE(SYS_sched_yield);
    }
    bool done = (c->state & CHAN_STATE_MASK) == CHAN_DONE;
    c->state = CHAN_IDLE;
    return done ? (int)c->order : -1;
}
#define CONVERSE(nr, ...) converse(nr, (uint64_t[6]){__VA_ARGS__})

/* A system call by hand, outside the stub's text: from the compiler's point of view a call with one result. */
static inline long raw_syscall(uint64_t nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    register uint64_t r10 __asm__("r10") = d;
    long ret;
    __asm__ volatile("syscall"
                     : "=a"(ret)
                     : "0"(nr), "D"(a), "S"(b), "d"(c), "r"(r10)
                     : "rcx", "r11", "memory");
    return ret;
}

/*
 * Who served a call that made an fd? One that the guest's kernel does not know of, but that the host closes, was made
 * by the host's, where the guest has no business. ret is what memfd_create or the like gave, or something else.
 */
static inline void must_not_be_the_hosts(long ret, const char *what)
{
    if (ret < 0 || ret > 4095 || (fcntl((int)ret, F_GETFD) >= 0 && close((int)ret) == 0)) {
        return;
    }
    if (!getenv("NO_GATE") && GATE(SYS_close, ret) == 0) {
        BREACH("%s: the host's kernel served it (%ld)", what, ret);
    }
}

/* What processes that left their kernel behind have seen; they end by the gate, and can't say more. */
static volatile struct report {
    int control; /* the attack was one: the order was there, and worked when obeyed */
    int got, refused, children, rounds, parked, told;
    long value;
} * g_report;

static int g_variant;

static inline void report_new(void)
{
    g_report = mmap(NULL, 4096, 3, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}
/* Runs fn in a process that may end in any way, or be killed; then nothing may have been got. */
static inline void lawless(void (*fn)(void), double seconds)
{
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        fn();
        GATE(SYS_exit_group, 0);
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
static inline void must_be_refused(long r, long value)
{
    if (r >= 0 || r < -4095) {
        g_report->got++;
        g_report->value = value;
    } else {
        g_report->refused++;
    }
}
static inline void verdict(const char *what)
{
    if (!g_report->control) {
        BREACH("%s: the order did not come, so this attack is none", what);
    }
    if (g_report->got) {
        BREACH("%s: %d of %d were let through, as %#lx", what, g_report->got,
               g_report->got + g_report->refused, g_report->value);
    }
}

#define THREAD_FLAGS                                                                               \
    (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM)
