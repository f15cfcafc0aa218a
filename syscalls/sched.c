/*
 * Scheduling: priorities, affinity, yielding. Guest threads are host threads, and the host schedules
 * them all alike. DEVIATION: policies, priorities and affinity are checked, remembered and shown, but
 * not enforced. See sched(7). The policy calls are in sched_policy.c.
 */
#include <linux/ioprio.h>
#include <sched.h>
#include <string.h>

#include "sentry/base/errno.h"
#include "sentry/mm/usercopy.h"
#include "sentry/task/task.h"
#include "syscalls/sched_policy.h"
#include "syscalls/syscalls.h"

long sys_sched_yield(struct task *t)
{
    (void)t;
    kthread_yield();
    return 0;
}

long sys_getcpu(struct task *t, uaddr_t cpu, uaddr_t node, uaddr_t tcache)
{
    /*
     * Where the sentry runs now; the guest ran somewhere a moment ago, and may go on elsewhere. DEVIATION: the vDSO's getcpu
     * gives the host's number, which may be beyond the guest's processors when the sandbox may not use all of the host's.
     */
    int here = sched_getcpu();
    uint32_t now = (uint32_t)MAX(here, 0) % (uint32_t)MAX(g_kernel->cpu_count, (size_t)1), zero = 0;
    (void)tcache;
    if ((cpu && put_user(t->mm, cpu, &now) < 0) || (node && put_user(t->mm, node, &zero) < 0)) {
        return -EFAULT;
    }
    return 0;
}

/* --- affinity --- */

static size_t cpu_mask_size(void)
{
    return ALIGN_UP((MIN(g_kernel->cpu_count, (size_t)1024) + 7) / 8, sizeof(uint64_t));
}

long sys_sched_setaffinity(struct task *t, int pid, unsigned len, uaddr_t mask)
{
    uint64_t wanted[16] = {0};
    bool any = false;
    if (copy_in(t->mm, wanted, mask, MIN((size_t)len, cpu_mask_size())) < 0) {
        return -EFAULT;
    }
    AUTO_PUT(task) other = pid ? task_find(pid) : task_get(t);
    if (!other) {
        return -ESRCH;
    }
    if (!sched_same_owner(t, other) && !cred_capable(t->cred, CAP_SYS_NICE)) {
        return -EPERM;
    }
    for (size_t i = 0; i < ARRAY_COUNT(wanted); i++) {
        for (size_t bit = 0; bit < 64; bit++) {
            if (i * 64 + bit >= g_kernel->cpu_count) {
                wanted[i] &= ~(1ULL << bit);
            }
        }
        any |= wanted[i] != 0;
    }
    if (!any) {
        return -EINVAL;
    }
    memcpy(other->cpu_affinity, wanted, sizeof(wanted));
    return 0;
}

long sys_sched_getaffinity(struct task *t, int pid, unsigned len, uaddr_t mask)
{
    if ((uint64_t)len * 8 < g_kernel->cpu_count || (len & (sizeof(long) - 1))) {
        return -EINVAL;
    }
    AUTO_PUT(task) other = pid ? task_find(pid) : task_get(t);
    if (!other) {
        return -ESRCH;
    }
    size_t size = MIN((size_t)len, cpu_mask_size());
    return copy_out(t->mm, mask, other->cpu_affinity, size) < 0 ? -EFAULT : (long)size;
}

/* --- nice --- */

/* Calls fn for each task that (which, who) names. Return: how many. */
static int for_each_named(struct task *t, int which, int who, void (*fn)(struct task *, void *),
                          void *arg)
{
    struct task *other;
    int count = 0;
    if (which == PRIO_PROCESS) {
        AUTO_PUT(task) one = who ? task_find(who) : task_get(t);
        if (one) {
            fn(one, arg);
        }
        return one != NULL;
    }
    int pgid = who ? who : t->tg->pgrp->nr;
    uint32_t uid = who ? (uint32_t)who : t->cred->uid;
    list_for_each_entry (other, &g_kernel->tasks, all_link) {
        bool named = which == PRIO_PGRP ? other->tg->pgrp->nr == pgid : other->cred->uid == uid;
        if (named && !thread_group_is_init(other->tg)) {
            fn(other, arg);
            count++;
        }
    }
    return count;
}

struct set_nice {
    struct task *by;
    int nice;
    int error;
};

/* RLIMIT_NICE says how far below its nice value an unprivileged task may go: 20 - limit. */
static bool may_lower_nice(const struct task *by, const struct task *t, int nice)
{
    return (rlim_t)(20 - nice) <= t->tg->limits[RLIMIT_NICE].rlim_cur ||
           cred_capable(by->cred, CAP_SYS_NICE);
}

static void set_one_nice(struct task *t, void *arg)
{
    struct set_nice *s = arg;
    const struct cred *c = s->by->cred, *o = t->cred;
    if (o->uid != c->euid && o->euid != c->euid && !cred_capable(c, CAP_SYS_NICE)) {
        s->error = -EPERM;
    } else if (s->nice < t->nice && !may_lower_nice(s->by, t, s->nice)) {
        s->error = -EACCES;
    } else {
        t->nice = s->nice;
        s->error = s->error == -ESRCH ? 0 : s->error;
    }
}

long sys_setpriority(struct task *t, int which, int who, int prio)
{
    if (which < PRIO_PROCESS || which > PRIO_USER) {
        return -EINVAL;
    }
    struct set_nice s = {.by = t, .nice = MAX(MIN(prio, 19), -20), .error = -ESRCH};
    for_each_named(t, which, who, set_one_nice, &s);
    return s.error;
}

static void best_nice(struct task *t, void *arg)
{
    int *best = arg;
    *best = MAX(*best, 20 - t->nice);
}

long sys_getpriority(struct task *t, int which, int who)
{
    int best = -ESRCH;
    if (which < PRIO_PROCESS || which > PRIO_USER) {
        return -EINVAL;
    }
    for_each_named(t, which, who, best_nice, &best);
    return best; /* 1...40: the C library turns it around */
}

/* --- I/O priority --- */

static int check_ioprio(const struct task *t, int ioprio)
{
    int class = IOPRIO_PRIO_CLASS(ioprio), level = ioprio & 7;
    switch (class) {
    case IOPRIO_CLASS_RT:
        if (!cred_capable(t->cred, CAP_SYS_ADMIN) && !cred_capable(t->cred, CAP_SYS_NICE)) {
            return -EPERM;
        }
        return 0;
    case IOPRIO_CLASS_BE:
    case IOPRIO_CLASS_IDLE:
        return 0;
    case IOPRIO_CLASS_NONE:
        return level ? -EINVAL : 0;
    default:
        return -EINVAL;
    }
}

struct set_ioprio {
    struct task *by;
    int ioprio, error;
};

static void set_one_ioprio(struct task *t, void *arg)
{
    struct set_ioprio *s = arg;
    const struct cred *c = s->by->cred;
    if (t->cred->uid != c->euid && t->cred->uid != c->uid && !cred_capable(c, CAP_SYS_NICE)) {
        s->error = -EPERM;
        return;
    }
    t->ioprio = s->ioprio;
    s->error = s->error == -ESRCH ? 0 : s->error;
}

long sys_ioprio_set(struct task *t, int which, int who, int ioprio)
{
    int r = check_ioprio(t, ioprio);
    if (r < 0) {
        return r;
    }
    if (which < IOPRIO_WHO_PROCESS || which > IOPRIO_WHO_USER) {
        return -EINVAL;
    }
    struct set_ioprio s = {.by = t, .ioprio = ioprio, .error = -ESRCH};
    for_each_named(t, which - IOPRIO_WHO_PROCESS, who, set_one_ioprio, &s);
    return s.error;
}

static void best_ioprio(struct task *t, void *arg)
{
    int *best = arg;
    *best = *best < 0 ? t->ioprio : MIN(*best, t->ioprio);
}

long sys_ioprio_get(struct task *t, int which, int who)
{
    int best = -ESRCH;
    if (which < IOPRIO_WHO_PROCESS || which > IOPRIO_WHO_USER) {
        return -EINVAL;
    }
    for_each_named(t, which - IOPRIO_WHO_PROCESS, who, best_ioprio, &best);
    return best;
}
