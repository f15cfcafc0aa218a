/*
 * Scheduling policies: sched_setscheduler, sched_setparam, sched_setattr and their getters. DEVIATION:
 * remembered, not enforced (see sched.c); SCHED_DEADLINE, which is a promise of time, is refused.
 */
#include "syscalls/sched_policy.h"

#include <string.h>

#include "sentry/base/errno.h"
#include "sentry/mm/usercopy.h"
#include "syscalls/syscalls.h"
#include "syscalls/timespec.h"

#define POLICY_NORMAL   0
#define POLICY_FIFO     1
#define POLICY_RR       2
#define POLICY_BATCH    3
#define POLICY_IDLE     5
#define POLICY_DEADLINE 6
#define POLICY_EXT      7
#define RESET_ON_FORK   0x40000000
#define RT_PRIO_MAX     99

#define FLAG_RESET_ON_FORK 1u
#define FLAG_RECLAIM       2u
#define FLAG_DL_OVERRUN    4u
#define FLAG_KEEP_POLICY   8u
#define FLAG_KEEP_PARAMS   16u
#define FLAG_UTIL_CLAMP    0x60u
#define FLAG_ALL           0x7fu

struct sched_attributes { /* struct sched_attr, first version and utilisation clamps */
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period;
    uint32_t util_min, util_max;
};
#define SCHED_ATTR_SIZE_VER0 48

bool sched_same_owner(const struct task *t, const struct task *other)
{
    return t->cred->euid == other->cred->euid || t->cred->euid == other->cred->uid;
}

static bool is_rt(int policy)
{
    return policy == POLICY_FIFO || policy == POLICY_RR;
}

static bool policy_known(int policy)
{
    return is_rt(policy) || policy == POLICY_NORMAL || policy == POLICY_BATCH ||
           policy == POLICY_IDLE;
}

/* What an unprivileged task may not do (Linux's user_check_sched_setscheduler). */
static int check_permission(const struct task *t, const struct task *other, int policy,
                            int priority, int nice, bool reset_on_fork)
{
    if (cred_capable(t->cred, CAP_SYS_NICE)) {
        return 0;
    }
    if (!is_rt(policy) && nice < other->nice &&
        (rlim_t)(20 - nice) > other->tg->limits[RLIMIT_NICE].rlim_cur) {
        return -EPERM;
    }
    if (is_rt(policy)) {
        rlim_t limit = other->tg->limits[RLIMIT_RTPRIO].rlim_cur;
        if ((policy != other->sched_policy && !limit) ||
            (priority > other->sched_priority && (rlim_t)priority > limit)) {
            return -EPERM;
        }
    }
    if (other->sched_policy == POLICY_IDLE && policy != POLICY_IDLE &&
        (rlim_t)(20 - other->nice) > other->tg->limits[RLIMIT_NICE].rlim_cur) {
        return -EPERM;
    }
    if (!sched_same_owner(t, other)) {
        return -EPERM;
    }
    return other->sched_reset_on_fork && !reset_on_fork ? -EPERM : 0;
}

static int set_policy(struct task *t, struct task *other, int policy, int priority, int nice,
                      bool reset_on_fork)
{
    if (policy == POLICY_DEADLINE || policy == POLICY_EXT) {
        return cred_capable(t->cred, CAP_SYS_NICE) && policy == POLICY_DEADLINE ? -EINVAL : -EPERM;
    }
    if (!policy_known(policy) || priority < 0 || priority > RT_PRIO_MAX ||
        is_rt(policy) != (priority != 0)) {
        return -EINVAL;
    }
    int r = check_permission(t, other, policy, priority, nice, reset_on_fork);
    if (r < 0) {
        return r;
    }
    other->sched_policy = policy;
    other->sched_priority = priority;
    other->sched_reset_on_fork = reset_on_fork;
    if (!is_rt(policy)) {
        other->nice = nice;
    }
    return 0;
}

static struct task *named(struct task *t, int pid)
{
    return pid ? task_find(pid) : task_get(t);
}

long sys_sched_setscheduler(struct task *t, int pid, int policy, uaddr_t param)
{
    int priority;
    if (policy < 0 || !param || pid < 0) {
        return -EINVAL;
    }
    if (get_user(t->mm, &priority, param) < 0) {
        return -EFAULT;
    }
    AUTO_PUT(task) other = named(t, pid);
    if (!other) {
        return -ESRCH;
    }
    return set_policy(t, other, policy & ~RESET_ON_FORK, priority, other->nice,
                      policy & RESET_ON_FORK);
}

long sys_sched_setparam(struct task *t, int pid, uaddr_t param)
{
    int priority;
    if (!param || pid < 0) {
        return -EINVAL;
    }
    if (get_user(t->mm, &priority, param) < 0) {
        return -EFAULT;
    }
    AUTO_PUT(task) other = named(t, pid);
    if (!other) {
        return -ESRCH;
    }
    return set_policy(t, other, other->sched_policy, priority, other->nice,
                      other->sched_reset_on_fork);
}

long sys_sched_getscheduler(struct task *t, int pid)
{
    if (pid < 0) {
        return -EINVAL;
    }
    AUTO_PUT(task) other = named(t, pid);
    if (!other) {
        return -ESRCH;
    }
    return other->sched_policy | (other->sched_reset_on_fork ? RESET_ON_FORK : 0);
}

long sys_sched_getparam(struct task *t, int pid, uaddr_t param)
{
    if (!param || pid < 0) {
        return -EINVAL;
    }
    AUTO_PUT(task) other = named(t, pid);
    if (!other) {
        return -ESRCH;
    }
    int priority = is_rt(other->sched_policy) ? other->sched_priority : 0;
    return put_user(t->mm, param, &priority);
}

long sys_sched_get_priority_max(struct task *t, int policy)
{
    (void)t;
    if (is_rt(policy)) {
        return RT_PRIO_MAX;
    }
    return policy_known(policy) || policy == POLICY_DEADLINE || policy == POLICY_EXT ? 0 : -EINVAL;
}

long sys_sched_get_priority_min(struct task *t, int policy)
{
    (void)t;
    if (is_rt(policy)) {
        return 1;
    }
    return policy_known(policy) || policy == POLICY_DEADLINE || policy == POLICY_EXT ? 0 : -EINVAL;
}

long sys_sched_rr_get_interval(struct task *t, int pid, uaddr_t tp)
{
    if (pid < 0) {
        return -EINVAL;
    }
    AUTO_PUT(task) other = named(t, pid);
    if (!other) {
        return -ESRCH;
    }
    int64_t slice = other->sched_policy == POLICY_FIFO ? 0
                    : other->sched_policy == POLICY_RR ? 100 * NSEC_PER_MSEC
                                                       : 4 * NSEC_PER_MSEC;
    return timespec_out(t->mm, tp, slice);
}

/* Linux's sched_copy_attr: a size from the structure itself, 0 meaning the first version. */
static int attr_in(struct task *t, uaddr_t from, struct sched_attributes *out)
{
    uint32_t size;
    memset(out, 0, sizeof(*out));
    if (get_user(t->mm, &size, from) < 0) {
        return -EFAULT;
    }
    size = size ? size : SCHED_ATTR_SIZE_VER0;
    int r = size < SCHED_ATTR_SIZE_VER0 || size > PAGE_SIZE
                ? -E2BIG
                : copy_in_extensible(t->mm, out, sizeof(*out), from, size);
    if (r == -E2BIG) {
        uint32_t supported = sizeof(*out);
        r = put_user(t->mm, from, &supported) < 0 ? -EFAULT : -E2BIG;
    }
    if (r == 0 && (out->flags & FLAG_UTIL_CLAMP)) {
        return -EOPNOTSUPP; /* as without CONFIG_UCLAMP_TASK */
    }
    out->nice = MAX(MIN(out->nice, 19), -20);
    return r;
}

long sys_sched_setattr(struct task *t, int pid, uaddr_t attr, unsigned flags)
{
    struct sched_attributes a;
    if (!attr || pid < 0 || flags) {
        return -EINVAL;
    }
    int r = attr_in(t, attr, &a);
    if (r < 0) {
        return r;
    }
    if ((int)a.policy < 0 || (a.flags & ~(uint64_t)FLAG_ALL)) {
        return -EINVAL;
    }
    AUTO_PUT(task) other = named(t, pid);
    if (!other) {
        return -ESRCH;
    }
    if (a.flags & FLAG_KEEP_POLICY) {
        a.policy = (uint32_t)other->sched_policy;
    }
    if (a.flags & FLAG_KEEP_PARAMS) {
        a.priority = (uint32_t)other->sched_priority;
        a.nice = other->nice;
    }
    if (a.priority > RT_PRIO_MAX) {
        return -EINVAL;
    }
    return set_policy(t, other, (int)a.policy, (int)a.priority, a.nice,
                      a.flags & FLAG_RESET_ON_FORK);
}

long sys_sched_getattr(struct task *t, int pid, uaddr_t attr, unsigned size, unsigned flags)
{
    if (!attr || pid < 0 || size > PAGE_SIZE || size < SCHED_ATTR_SIZE_VER0 || flags) {
        return -EINVAL;
    }
    AUTO_PUT(task) other = named(t, pid);
    if (!other) {
        return -ESRCH;
    }
    struct sched_attributes a = {.policy = (uint32_t)other->sched_policy,
                                 .flags = other->sched_reset_on_fork ? FLAG_RESET_ON_FORK : 0};
    if (is_rt(other->sched_policy)) {
        a.priority = (uint32_t)other->sched_priority;
    } else {
        a.nice = other->nice;
        a.runtime = 4 * NSEC_PER_MSEC;
    }
    a.size = (uint32_t)MIN((size_t)size, sizeof(a));
    if (copy_out(t->mm, attr, &a, a.size) < 0) {
        return -EFAULT;
    }
    return size > a.size ? clear_user(t->mm, attr + a.size, size - a.size) : 0;
}
