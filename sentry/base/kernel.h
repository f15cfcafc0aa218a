/*
 * struct kernel: everything one sandbox's kernel knows, reachable from one pointer. Layers above
 * base own their parts; here they are opaque.
 */
#pragma once

#include "lib/hash.h"
#include "lib/list.h"
#include "sentry/base/waitq.h"

struct gofer_client;
struct mount_ns;
struct super_block;
struct task;
struct thread_group;

/* uname -v, and the end of /proc/version */
#define KERNEL_VERSION_TEXT "#1 SMP PREEMPT_DYNAMIC"

struct kernel {
    /* configuration, fixed at start */
    char hostname[65];
    char domainname[65];
    char machine_release[65]; /* uname -r */
    size_t cpu_count;
    uint64_t total_memory; /* bytes, for /proc/meminfo and sysinfo */
    int max_pids;          /* --pids; tasks */
    int64_t boot_monotonic_ns, boot_realtime_ns;

    /* files */
    struct mount_ns *mounts; /* owned */
    struct super_block *anon_sb, *pipe_sb,
        *socket_sb;             /* refs: of what has no name; made at the first use */
    struct super_block *shm_sb; /* ref: memfd_create's files; made at the first use */
    unsigned last_anon_dev;     /* minor of the newest file system's st_dev (major 0) */
    struct super_block
        *devpts_sb; /* borrowed while it is active: where /dev/ptmx makes its pairs */
    struct hash_table dentries;
    struct list dentry_lru;
    size_t dentry_count, dentry_limit;
    struct gofer_client *gofer; /* owned; NULL with --host=none and no binds */

    /* tasks */
    struct hash_table pids; /* struct pid by number: sentry/task/pid.c */
    int last_pid;
    size_t task_count;
    struct thread_group *init; /* ref: PID 1, has no guest code; reaps orphans */
    struct list tasks;         /* all tasks, by task.all_link */
    uint64_t forks;            /* since boot, for /proc/stat */
    uint64_t syscalls;
    size_t queued_signals; /* ksiginfos in all queues: RLIMIT_SIGPENDING */

    /* the end */
    bool shutting_down;
    int exit_status; /* of the first program: wait(2) status */
};
extern struct kernel *g_kernel;
