/* Who is asking: the task whose kernel stack runs, for the files whose answer depends on it (signalfd, terminals). */
#include "sentry/task/task.h"

/*
 * All tasks' kthreads have the same entry, with the task as its argument; it is learnt from the first
 * one found, so that later questions need no search.
 */
static void (*task_entry)(void *arg);

struct task *task_current(void)
{
    struct kthread *k = kthread_current();
    struct task *t;

    if (!k) {
        return NULL;
    }
    if (task_entry && k->entry == task_entry) {
        return k->arg;
    }
    list_for_each_entry (t, &g_kernel->tasks, all_link) {
        if (t->kthread == k && k->arg == t) {
            task_entry = k->entry;
            return t;
        }
    }
    return NULL;
}
