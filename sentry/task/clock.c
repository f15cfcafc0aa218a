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

/*
 * A thread's clock is for threads of its own process only, a process's clock for everybody.
 * DEVIATION: a thread's clock shows its process's CPU time; the host does not tell them apart.
 */
static int dynamic_clock_group(struct task *t, clockid_t id, struct thread_group **out)
{
    int pid = clock_pid(id);
    if ((id & CPUCLOCK_TYPE) > CPUCLOCK_SCHED) {
        return -EINVAL;
    }
    if (pid == 0) {
        *out = thread_group_get(t->tg);
        return 0;
    }
    struct pid *p = pid_find(pid);
    if (id & CPUCLOCK_THREAD) {
        if (!p || !p->task || p->task->tg != t->tg) {
            return -EINVAL;
        }
        *out = thread_group_get(t->tg);
        return 0;
    }
    if (p && p->task == t) {
        *out = thread_group_get(t->tg);
        return 0;
    }
    if (!p || !p->tg) {
        return -EINVAL;
    }
    *out = thread_group_get(p->tg);
    return 0;
}

int guest_clock_group(struct task *t, clockid_t id, struct thread_group **out)
{
    if (id < 0) {
        return dynamic_clock_group(t, id, out);
    }
    if (id == CLOCK_PROCESS_CPUTIME_ID || id == CLOCK_THREAD_CPUTIME_ID) {
        *out = thread_group_get(t->tg);
        return 0;
    }
    return -EINVAL;
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
        AUTO_PUT(thread_group) tg = NULL;
        *out = CLOCK_KIND_CPU;
        return guest_clock_group(t, id, &tg);
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
    AUTO_PUT(thread_group) tg = NULL;
    r = guest_clock_group(t, id, &tg);
    if (r == 0) {
        *out = usage_cpu_ns(tg);
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
