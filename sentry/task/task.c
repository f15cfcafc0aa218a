/*
 * struct task: making, finding and freeing guest threads. Analogous to Linux's task_struct.
 *
 * References: the task's own kthread holds one while it runs, thread_group.leader one, and whoever
 * looked it up one. Lists (threads of a group, all tasks) hold none: task_exit takes a task off them.
 */
#include "sentry/task/facts.h"
#include "sentry/task/internal.h"
#include "sentry/task/lease.h"
#include "sentry/task/names.h"
#include "sentry/task/ptrace.h"

#include <linux/prctl.h>
#include <string.h>

static void (*task_main)(void *task);

void task_set_main(void (*entry)(void *task))
{
    task_main = entry;
}

int task_alloc(struct pid *pid, struct task **out)
{
    struct task *t = calloc(1, sizeof(*t));
    if (!t) {
        pid_put(pid);
        return -ENOMEM;
    }
    refcount_init(&t->ref);
    t->pid = pid;
    t->syscall_nr = -1;
    list_init(&t->group_link);
    list_init(&t->all_link);
    list_init(&t->tracees);
    sigpending_init(&t->pending);
    t->altstack.ss_flags = SS_DISABLE;
    t->default_timer_slack_ns = t->timer_slack_ns = 50 * NSEC_PER_USEC;
    t->mce_kill = PR_MCE_KILL_DEFAULT;
    *out = t;
    return 0;
}

struct task *task_get(struct task *t)
{
    refcount_get(&t->ref);
    return t;
}

void task_put(struct task *t)
{
    if (!t || !refcount_put(&t->ref)) {
        return;
    }
    BUG_ON(t->kthread || t->pt || !list_empty(&t->all_link));
    sigpending_flush(&t->pending);
    ptrace_free(t);
    if (t->pid->task == t) {
        t->pid->task = NULL;
    }
    pid_put(t->pid);
    if (t->files) {
        fd_table_put(t->files);
    }
    if (t->fs) {
        fs_context_put(t->fs);
    }
    if (t->mm) {
        mm_put(t->mm);
    }
    if (t->cred) {
        cred_put(t->cred);
    }
    if (t->tg) {
        thread_group_put(t->tg);
    }
    free(t);
}

bool mm_is_inhabited(const struct mm *mm)
{
    const struct task *t;
    list_for_each_entry (t, &g_kernel->tasks, all_link) {
        if (t->mm == mm && !t->exited) {
            return true;
        }
    }
    return false;
}

struct task *task_find(int tid)
{
    struct pid *p = pid_find(tid);
    return p && p->task ? task_get(p->task) : NULL;
}

void task_link(struct task *t)
{
    struct thread_group *tg = t->tg;
    list_add_tail(&t->group_link, &tg->threads);
    list_add_tail(&t->all_link, &g_kernel->tasks);
    tg->live_threads++;
    tg->quick_threads++;
    g_kernel->task_count++;
    t->pid->task = t;
}

/*
 * The bottom frame of every task's kernel stack. The kthread exists before the guest thread does,
 * because making that thread can't be undone while making a kthread can.
 */
static void task_kthread(void *arg)
{
    struct task *t = arg;
    while (!t->pt && !t->must_exit) {
        kthread_sleep();
    }
    if (t->pt) {
        task_main(t);
        BUG_ON(!t->exited);
    }
    t->kthread = NULL;
    task_put(t);
}

int task_make_kthread(struct task *t)
{
    int r = kthread_create(&t->kthread, task_kthread, t, t->comm);
    if (r == 0) {
        task_get(t);
    }
    return r;
}

void task_launch(struct task *t, struct platform_thread *pt)
{
    if (pt) {
        t->pt = pt;
        platform_set_mask(pt, t->blocked);
        signal_altstack_changed(t);
        task_update_asks(t);
        platform_set_owner(pt, t->kthread);
    } else {
        t->must_exit = true;
    }
    kthread_wake(t->kthread);
}

void task_forget_answers(struct task *t)
{
    if (t->pt) {
        platform_forget_answers(t->pt);
    }
}

void task_update_asks(struct task *t)
{
    const struct ptrace_state *p = task_traced(t);
    const struct rlimit *limits = t->tg->limits;
    bool limited = limits[RLIMIT_AS].rlim_cur != RLIM_INFINITY ||
                   limits[RLIMIT_DATA].rlim_cur != RLIM_INFINITY;
    bool few_files = limits[RLIMIT_NOFILE].rlim_cur < PLATFORM_POLL_MAX; /* poll looks at that */
    unsigned asks = (t->pending.set | t->tg->pending.set ? PLATFORM_ASK_MASK : 0u) |
                    (t->restart ? PLATFORM_ASK_SIGRETURN : 0u) |
                    (limited ? PLATFORM_ASK_MEMORY : 0u) |
                    (lease_is_foreign(t) || few_files ? PLATFORM_ASK_FILES : 0u) |
                    (t->tg->cpu_before_ns ? PLATFORM_ASK_USAGE : 0u) |
                    (facts_are_foreign(t) ? PLATFORM_ASK_FACTS : 0u) |
                    (names_are_foreign(t) ? PLATFORM_ASK_NAMES : 0u) |
                    (t->mm && t->mm->shared_files ? PLATFORM_ASK_CODE : 0u) |
                    ((t->mm && t->mm->shared_code) || p ? PLATFORM_ASK_SITES : 0u);
    if (p && (p->mode != PTRACE_GO || ptrace_watches(t))) {
        asks |= PLATFORM_ASK_CALLS | PLATFORM_ASK_SIGRETURN;
    }
    platform_ask(t->pt, asks, ~0u);
}

void task_set_cred(struct task *t, struct cred *cred)
{
    struct cred *old = t->cred;
    bool ids = cred->euid != old->euid || cred->egid != old->egid || cred->fsuid != old->fsuid ||
               cred->fsgid != old->fsgid;
    if (ids || (cred->cap_permitted & ~old->cap_permitted)) {
        t->tg->dumpable = false;
        t->tg->pdeath_signal = 0;
    }
    t->cred = cred;
    bool same = cred_same(old, cred); /* an exec's are, as a rule */
    if (!same) {
        names_cred_changed(t);
    }
    if (t->pt && !same) {
        platform_forget_answers(t->pt);
        platform_forget_files(t->pt); /* may block: the new credentials count already */
    }
    cred_put(old);
}

char task_state_char(const struct task *t)
{
    if (t->exited || !t->kthread) {
        return thread_group_is_init(t->tg) ? 'S' : 'Z';
    }
    if (t->stopped) {
        return 'T';
    }
    if (t->ptrace && ptrace_is_stopped(t->ptrace)) {
        return 't';
    }
    /* Asleep inside a system call is 'S'; a kthread that waits in platform_switch is running guest code. */
    return t->syscall_nr >= 0 && t->kthread->state == KTHREAD_SLEEPING ? 'S' : 'R';
}
