/*
 * struct thread_group: processes, the tree of parents and children, process groups and sessions, and
 * the first two processes. Analogous to Linux's signal_struct and the tree in task_struct.
 *
 * References: the tree (from being linked until thread_group_reap) holds one, and each of the group's
 * tasks one. The leader's task is kept by the group until it is reaped, so that a zombie still has
 * a name and credentials; that cycle is what thread_group_reap cuts.
 */
#include "sentry/task/internal.h"

#include <string.h>

int thread_group_alloc(struct pid *pid, struct thread_group **out)
{
    struct thread_group *tg = calloc(1, sizeof(*tg));
    if (!tg) {
        pid_put(pid);
        return -ENOMEM;
    }
    refcount_init(&tg->ref);
    tg->pid = pid;
    list_init(&tg->threads);
    list_init(&tg->children);
    list_init(&tg->sibling);
    list_init(&tg->pgrp_link);
    list_init(&tg->session_link);
    list_init(&tg->posix_timers);
    waitq_init(&tg->wait_children);
    waitq_init(&tg->exit_wait);
    waitq_init(&tg->thread_wait);
    sigpending_init(&tg->pending);
    itimers_init(tg);
    tg->exit_signal = SIGCHLD;
    tg->dumpable = true;
    tg->start_ns = ktime_monotonic_ns();
    *out = tg;
    return 0;
}

struct thread_group *thread_group_get(struct thread_group *tg)
{
    refcount_get(&tg->ref);
    return tg;
}

void thread_group_put(struct thread_group *tg)
{
    if (!tg || !refcount_put(&tg->ref)) {
        return;
    }
    BUG_ON(!list_empty(&tg->threads) || !list_empty(&tg->children) || !list_empty(&tg->sibling));
    itimers_cancel(tg);
    posix_timers_cancel(tg);
    sigpending_flush(&tg->pending);
    list_del(&tg->pgrp_link);
    list_del(&tg->session_link);
    pid_put(tg->pgrp);
    pid_put(tg->session);
    if (tg->pid->tg == tg) {
        tg->pid->tg = NULL;
    }
    pid_put(tg->pid);
    if (tg->sighand) {
        sighand_put(tg->sighand);
    }
    thread_group_set_exe(tg, NULL);
    free(tg);
}

struct thread_group *thread_group_find(int pid)
{
    struct pid *p = pid_find(pid);
    return p && p->tg ? thread_group_get(p->tg) : NULL;
}

/* getppid, getpgrp, getsid: as they were told to the group's threads. */
static void forget_answers(struct thread_group *tg)
{
    struct task *t;
    list_for_each_entry (t, &tg->threads, group_link) {
        task_forget_answers(t);
    }
}

void thread_group_set_parent(struct thread_group *tg, struct thread_group *parent)
{
    list_del(&tg->sibling);
    tg->parent = parent;
    list_add_tail(&tg->sibling, &parent->children);
    wait_somebody_came(parent);
    forget_answers(tg);
}

void thread_group_set_pgrp(struct thread_group *tg, struct pid *pgrp)
{
    struct pid *old = tg->pgrp;
    list_del(&tg->pgrp_link);
    tg->pgrp = pid_get(pgrp);
    list_add_tail(&tg->pgrp_link, &pgrp->pgrp_members);
    forget_answers(tg);
    pid_put(old);
}

void thread_group_set_session(struct thread_group *tg, struct pid *session)
{
    struct pid *old = tg->session;
    list_del(&tg->session_link);
    tg->session = pid_get(session);
    list_add_tail(&tg->session_link, &session->session_members);
    forget_answers(tg);
    pid_put(old);
}

void thread_group_link_leader(struct thread_group *tg, struct task *leader)
{
    tg->leader = task_get(leader);
    tg->pid->tg = tg;
    task_link(leader);
}

void thread_group_reap(struct thread_group *tg)
{
    BUG_ON(!tg->zombie);
    struct task *leader = take(&tg->leader);
    list_del(&tg->sibling);
    tg->parent = NULL;
    /* The number is free for others from now on, whoever may still hold a pidfd. */
    tg->pid->tg = NULL;
    tg->pid->task = NULL;
    list_del(&tg->pgrp_link);
    list_del(&tg->session_link);
    list_del(&leader->group_link);
    list_del(&leader->all_link);
    g_kernel->task_count--;
    waitq_wake(&tg->exit_wait, 0);
    task_put(leader);
    thread_group_put(tg);
}

/* What a login on a plain Linux system gets (include/asm-generic/resource.h). */
static void init_limits(struct thread_group *tg)
{
    for (int i = 0; i < RLIM_NLIMITS; i++) {
        tg->limits[i] = (struct rlimit){RLIM_INFINITY, RLIM_INFINITY};
    }
    tg->limits[RLIMIT_STACK].rlim_cur = 8UL << 20;
    tg->limits[RLIMIT_CORE].rlim_cur = 0;
    tg->limits[RLIMIT_NOFILE] = (struct rlimit){1024, 1048576};
    tg->limits[RLIMIT_MEMLOCK] = (struct rlimit){8UL << 20, 8UL << 20};
    tg->limits[RLIMIT_MSGQUEUE] = (struct rlimit){819200, 819200};
    tg->limits[RLIMIT_NICE] = (struct rlimit){0, 0};
    tg->limits[RLIMIT_RTPRIO] = (struct rlimit){0, 0};
    rlim_t signals = MAX(g_kernel->total_memory >> 18, 1024UL);
    tg->limits[RLIMIT_SIGPENDING] = (struct rlimit){signals, signals};
}

/* A process without a parent's state to copy: PID 1, and the first program. */
static int make_process(int nr, const char *comm, struct cred *cred_consumed, struct task **out)
{
    struct pid *pid;
    struct task *t = NULL;
    struct thread_group *tg;
    int r = pid_alloc(nr, &pid);
    if (r < 0) {
        goto out_cred;
    }
    r = thread_group_alloc(pid_get(pid), &tg);
    if (r < 0) {
        pid_put(pid);
        goto out_cred;
    }
    r = task_alloc(pid, &t);
    if (r < 0) {
        goto out_group;
    }
    t->tg = tg; /* the task's reference; the tree's is taken when it is linked */
    r = sighand_new(&tg->sighand);
    if (r < 0) {
        task_put(t);
        goto out_cred;
    }
    t->cred = cred_consumed;
    strncpy(t->comm, comm, sizeof(t->comm) - 1);
    for (size_t i = 0; i < g_kernel->cpu_count && i < 1024; i++) {
        t->cpu_affinity[i / 64] |= 1ULL << (i % 64);
    }
    init_limits(tg);
    *out = t;
    return 0;
out_group:
    thread_group_put(tg);
out_cred:
    cred_put(cred_consumed);
    return r;
}

int task_init_pid1(void)
{
    struct cred *cred;
    struct task *t;
    int r = cred_new(&cred, 0, 0, NULL, 0);
    if (r < 0) {
        return r;
    }
    r = make_process(1, "init", cred, &t);
    if (r < 0) {
        return r;
    }
    struct thread_group *tg = t->tg;
    thread_group_set_pgrp(tg, tg->pid);
    thread_group_set_session(tg, tg->pid);
    thread_group_link_leader(tg, t);
    tg->has_execed = true;
    g_kernel->init = thread_group_get(tg);
    task_put(t); /* the group keeps its leader; nobody runs it */
    return 0;
}

int task_new_first(struct platform_thread *pt, struct fs_context *fs, struct fd_table *files,
                   struct cred *cred, struct task **out)
{
    struct task *t = NULL;
    int r = make_process(0, "sandbox", cred, &t);
    if (r == 0) {
        t->fs = fs;
        t->files = files;
        r = mm_new(&t->mm);
    } else {
        fs_context_put(fs);
        fd_table_put(files);
    }
    if (r == 0) {
        t->mm->space = platform_space(pt);
        r = task_make_kthread(t);
    }
    if (r < 0) {
        platform_kill(pt);
        platform_thread_free(pt);
        if (t) {
            task_put(t);
        }
        return r;
    }
    struct thread_group *tg = t->tg;
    thread_group_get(tg); /* the tree's */
    thread_group_set_parent(tg, g_kernel->init);
    thread_group_set_pgrp(tg, tg->pid);
    thread_group_set_session(tg, tg->pid);
    thread_group_link_leader(tg, t);
    g_kernel->forks++;
    task_launch(t, pt);
    *out = t;
    task_put(t); /* task_alloc's; the kthread has its own */
    return 0;
}
