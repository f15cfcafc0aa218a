/* Resource limits and usage: getrlimit, setrlimit, prlimit64, getrusage. See getrlimit(2). */
#include "sentry/base/errno.h"

#include <string.h>

#include "sentry/mm/usercopy.h"
#include "sentry/task/facts.h"
#include "sentry/task/lease.h"
#include "sentry/task/usage.h"
#include "syscalls/syscalls.h"

#define NR_OPEN 1048576 /* fs.nr_open */

static int check_limit(struct task *t, struct thread_group *tg, unsigned resource,
                       const struct rlimit *new)
{
    if (new->rlim_cur > new->rlim_max) {
        return -EINVAL;
    }
    if (resource == RLIMIT_NOFILE && new->rlim_max > NR_OPEN) {
        return -EPERM;
    }
    if (new->rlim_max > tg->limits[resource].rlim_max && !cred_capable(t->cred, CAP_SYS_RESOURCE)) {
        return -EPERM;
    }
    return 0;
}

long sys_getrlimit(struct task *t, unsigned resource, uaddr_t rlim)
{
    if (resource >= RLIM_NLIMITS) {
        return -EINVAL;
    }
    facts_keep(t, FACT_RLIMITS, t->tg->limits, sizeof(t->tg->limits));
    return put_user(t->mm, rlim, &t->tg->limits[resource]);
}

static void store_limit(struct thread_group *tg, unsigned resource, const struct rlimit *new)
{
    if (resource == RLIMIT_NOFILE) {
        lease_limits_changed(tg);
    }
    tg->limits[resource] = *new;
    facts_forget_of(tg, FACT_RLIMITS);
    if (resource == RLIMIT_CPU) {
        thread_group_cpu_limit_changed(tg);
    }
    struct task *t;
    list_for_each_entry (t, &tg->threads, group_link) {
        if (resource == RLIMIT_FSIZE) {
            lease_end_growing(t);
        }
        if (t->pt) {
            task_update_asks(t);
        }
    }
}

long sys_setrlimit(struct task *t, unsigned resource, uaddr_t rlim)
{
    struct rlimit new;
    if (get_user(t->mm, &new, rlim) < 0) {
        return -EFAULT;
    }
    if (resource >= RLIM_NLIMITS) {
        return -EINVAL;
    }
    int r = check_limit(t, t->tg, resource, &new);
    if (r == 0) {
        store_limit(t->tg, resource, &new);
    }
    return r;
}

static bool may_prlimit(const struct task *t, const struct task *other)
{
    const struct cred *c = t->cred, *o = other->cred;
    if (t == other || cred_capable(c, CAP_SYS_RESOURCE)) {
        return true;
    }
    return c->uid == o->euid && c->uid == o->suid && c->uid == o->uid && c->gid == o->egid &&
           c->gid == o->sgid && c->gid == o->gid;
}

long sys_prlimit64(struct task *t, int pid, unsigned resource, uaddr_t new_limit, uaddr_t old_limit)
{
    struct rlimit new, old;
    if (new_limit && get_user(t->mm, &new, new_limit) < 0) {
        return -EFAULT;
    }
    AUTO_PUT(task) other = pid ? task_find(pid) : task_get(t);
    if (!other) {
        return -ESRCH;
    }
    if (!may_prlimit(t, other)) {
        return -EPERM;
    }
    if (resource >= RLIM_NLIMITS) {
        return -EINVAL;
    }
    old = other->tg->limits[resource];
    if (new_limit) {
        int r = check_limit(t, other->tg, resource, &new);
        if (r < 0) {
            return r;
        }
        store_limit(other->tg, resource, &new);
    }
    if (other == t && !new_limit) {
        facts_keep(t, FACT_RLIMITS, t->tg->limits, sizeof(t->tg->limits));
    }
    return old_limit ? put_user(t->mm, old_limit, &old) : 0;
}

long sys_getrusage(struct task *t, int who, uaddr_t usage)
{
    struct rusage u;
    memset(&u, 0, sizeof(u));
    switch (who) {
    case RUSAGE_SELF:
        thread_group_usage(t->tg, &u);
        break;
    case RUSAGE_THREAD:
        task_usage(t, &u);
        break;
    case RUSAGE_CHILDREN:
        u = t->tg->children_usage;
        break;
    default:
        return -EINVAL;
    }
    return put_user(t->mm, usage, &u);
}
