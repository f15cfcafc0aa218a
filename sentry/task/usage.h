/* CPU time and memory use of processes, from the host's accounting of their stubs. */
#pragma once

#include "sentry/task/task.h"

/* Fills tg->usage, utime, stime from the host, while the host process still exists. */
void usage_collect(struct thread_group *tg);
/* The same, for the last time: what a thread said with its exit spares a look at the host's procfs. */
void usage_collect_last(struct thread_group *tg);
/* exec: CPU time of t's host process so far, which counts on if t has left that for another one. */
int64_t usage_exec_begin(const struct task *t);
void usage_exec_moved(struct task *t, int64_t before_ns);
/* A reaped child's usage, with its own children's, becomes its parent's children_usage. */
void usage_add_child(struct thread_group *parent, const struct thread_group *child);
void rusage_add(struct rusage *to, const struct rusage *add);
/* In USER_HZ (100 a second). */
long usage_ticks(const struct timeval *tv);
/* CPU time consumed by a live or dead process, with the clock's full resolution. */
int64_t usage_cpu_ns(struct thread_group *tg);
/* The same of one thread. */
int64_t usage_thread_cpu_ns(struct task *t);
/* RUSAGE_THREAD: CPU time and faults of the thread; peak memory of its process. */
void task_usage(struct task *t, struct rusage *out);
static inline int64_t timeval_ns(const struct timeval *tv)
{
    return tv->tv_sec * NSEC_PER_SEC + tv->tv_usec * NSEC_PER_USEC;
}
