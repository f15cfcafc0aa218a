/*
 * Guest clocks, analogous to clockid_to_kclock in Linux's kernel/time/posix-timers.c. A negative id
 * is a CPU clock of a process: ~pid << 3, 4 for a thread, and in the low bits 0 PROF, 1 VIRT, 2 SCHED.
 */
#include "sentry/task/clock.h"

#include "lib/host.h"
#include "sentry/task/internal.h"
#include "sentry/task/usage.h"

#define CPUCLOCK_THREAD 4
#define CPUCLOCK_TYPE   3
#define CPUCLOCK_SCHED  2

static int clock_pid(clockid_t id)
{
    return ~(id >> 3);
}

/* A thread's clock is for threads of its own process only, a process's clock for everybody. */
static int dynamic_clock(struct task *t, clockid_t id, struct cpu_clock *out)
{
    int pid = clock_pid(id);
    if ((id & CPUCLOCK_TYPE) > CPUCLOCK_SCHED) {
        return -EINVAL;
    }
    const struct pid *p = pid_find(pid);
    if (id & CPUCLOCK_THREAD) {
        struct task *other = pid == 0 ? t : p ? p->task : NULL;
        if (!other || other->tg != t->tg) {
            return -EINVAL;
        }
        *out = (struct cpu_clock){thread_group_get(t->tg), task_get(other)};
        return 0;
    }
    struct thread_group *tg = pid == 0 || (p && p->task == t) ? t->tg : p ? p->tg : NULL;
    if (!tg) {
        return -EINVAL;
    }
    *out = (struct cpu_clock){thread_group_get(tg), NULL};
    return 0;
}

int cpu_clock_get(struct task *t, clockid_t id, struct cpu_clock *out)
{
    if (id < 0) {
        return dynamic_clock(t, id, out);
    }
    if (id != CLOCK_PROCESS_CPUTIME_ID && id != CLOCK_THREAD_CPUTIME_ID) {
        return -EINVAL;
    }
    *out = (struct cpu_clock){thread_group_get(t->tg),
                              id == CLOCK_THREAD_CPUTIME_ID ? task_get(t) : NULL};
    return 0;
}

void cpu_clock_put(struct cpu_clock *c)
{
    thread_group_put(c->tg);
    task_put(c->task);
    *c = (struct cpu_clock){0};
}

int64_t cpu_clock_ns(const struct cpu_clock *c)
{
    return c->task ? usage_thread_cpu_ns(c->task) : usage_cpu_ns(c->tg);
}

int guest_clock_kind(struct task *t, clockid_t id, enum clock_kind *out)
{
    switch (id) {
    case CLOCK_REALTIME:
    case CLOCK_TAI:
        *out = CLOCK_KIND_WALL;
        return 0;
    case CLOCK_MONOTONIC:
    case CLOCK_BOOTTIME:
        *out = CLOCK_KIND_UPTIME;
        return 0;
    case CLOCK_MONOTONIC_RAW:
    case CLOCK_REALTIME_COARSE:
    case CLOCK_MONOTONIC_COARSE:
        *out = CLOCK_KIND_READ;
        return 0;
    case CLOCK_REALTIME_ALARM:
    case CLOCK_BOOTTIME_ALARM:
        *out = CLOCK_KIND_ALARM;
        return 0;
    default: {
        struct cpu_clock c;
        int r = cpu_clock_get(t, id, &c);
        if (r == 0) {
            cpu_clock_put(&c);
            *out = CLOCK_KIND_CPU;
        }
        return r;
    }
    }
}

int64_t host_time_ns(clockid_t id)
{
    return host_clock_ns(id);
}

int guest_clock_ns(struct task *t, clockid_t id, int64_t *out)
{
    enum clock_kind kind;
    int r = guest_clock_kind(t, id, &kind);
    if (r < 0 || kind == CLOCK_KIND_ALARM) {
        return -EINVAL;
    }
    if (kind != CLOCK_KIND_CPU) {
        *out = host_time_ns(id);
        return 0;
    }
    struct cpu_clock c;
    r = cpu_clock_get(t, id, &c);
    if (r == 0) {
        *out = cpu_clock_ns(&c);
        cpu_clock_put(&c);
    }
    return r;
}

int guest_clock_resolution(struct task *t, clockid_t id, int64_t *out)
{
    enum clock_kind kind;
    int r = guest_clock_kind(t, id, &kind);
    if (r < 0 || kind == CLOCK_KIND_ALARM) {
        return -EINVAL;
    }
    *out = 1;
    if (kind == CLOCK_KIND_READ && id != CLOCK_MONOTONIC_RAW) {
        struct timespec ts = {0};
        clock_getres(id, &ts); /* vDSO: the host's tick */
        *out = MAX(ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec, 1L);
    }
    return 0;
}
