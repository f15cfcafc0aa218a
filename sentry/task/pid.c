/*
 * Numbers of threads, processes, process groups and sessions: one table for all, analogous to
 * Linux's kernel/pid.c with a single PID namespace.
 *
 * A number stays taken while anything is named by it: a thread group that is gone may still lend its
 * number to a process group. Numbers go up and wrap at PID_MAX, so that a number is not reused soon;
 * after the wrap they start at RESERVED_PIDS, below which only the first processes live.
 */
#include "sentry/task/task.h"

#include <errno.h>

#define PID_MAX       4194304
#define RESERVED_PIDS 300

static int pid_insert(int nr, struct pid **out)
{
    struct pid *p = calloc(1, sizeof(*p));
    if (!p) {
        return -ENOMEM;
    }
    p->nr = nr;
    refcount_init(&p->ref);
    list_init(&p->pgrp_members);
    list_init(&p->session_members);
    int r = hash_insert(&g_kernel->pids, &p->hash, hash_u64((uint64_t)nr));
    if (r < 0) {
        free(p);
        return r;
    }
    *out = p;
    return 0;
}

/**
 * pid_alloc - take a number.
 * @fixed: the number wanted, or 0 for the next free one.
 *
 * Return: 0 and one reference in *out.
 * Errors: -EEXIST the fixed number is taken; -EAGAIN all are taken, or --pids is reached; -ENOMEM.
 */
int pid_alloc(int fixed, struct pid **out)
{
    if (fixed > 0) {
        return pid_find(fixed) ? -EEXIST : pid_insert(fixed, out);
    }
    if (g_kernel->max_pids > 0 && g_kernel->task_count >= (size_t)g_kernel->max_pids) {
        return -EAGAIN;
    }
    int nr = g_kernel->last_pid;
    for (int tries = 0; tries < PID_MAX; tries++) {
        if (++nr >= PID_MAX) {
            nr = RESERVED_PIDS;
        }
        if (!pid_find(nr)) {
            g_kernel->last_pid = nr;
            return pid_insert(nr, out);
        }
    }
    return -EAGAIN;
}

struct pid *pid_find(int nr)
{
    if (nr <= 0) {
        return NULL;
    }
    uint64_t hash = hash_u64((uint64_t)nr);
    for (struct hash_node *n = hash_chain(&g_kernel->pids, hash); n; n = n->next) {
        struct pid *p = container_of(n, struct pid, hash);
        if (p->nr == nr) {
            return p;
        }
    }
    return NULL;
}

struct pid *pid_get(struct pid *p)
{
    refcount_get(&p->ref);
    return p;
}

void pid_put(struct pid *p)
{
    if (p && refcount_put(&p->ref)) {
        BUG_ON(p->task || p->tg);
        BUG_ON(!list_empty(&p->pgrp_members) || !list_empty(&p->session_members));
        hash_remove(&g_kernel->pids, &p->hash);
        free(p);
    }
}
