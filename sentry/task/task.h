/*
 * Tasks (guest threads), thread groups (processes), process groups and sessions: struct task is
 * Linux's task_struct, struct thread_group its signal_struct and the parent/child tree. Everything is
 * owned by the kernel and touched under the baton only.
 */
#pragma once

#include <sys/resource.h>
#include <sys/time.h>

#include "sentry/base/kernel.h"
#include "sentry/base/timer.h"
#include "sentry/mm/mm.h"
#include "sentry/task/signal.h"
#include "sentry/vfs/fdtable.h"

struct platform_thread;
struct ptrace_state;
struct tty;

struct fs_context { /* CLONE_FS: Linux's fs_struct */
    struct refcount ref;
    struct path root, cwd;
    uint32_t umask; /* by facts_umask: the process may change it by itself */
    struct fact_table
        *facts; /* borrowed, or NULL: what the one process that uses this knows of it */
    uint32_t cwd_stamp, root_stamp; /* ids of theirs: sentry/vfs/stamp.h */
};
MUST_CHECK int fs_context_new(const struct path *root, const struct path *cwd, uint32_t umask,
                              struct fs_context **out);
MUST_CHECK int fs_context_copy(const struct fs_context *fs, struct fs_context **out);
struct fs_context *fs_context_get(struct fs_context *fs);
void fs_context_put(struct fs_context *fs);

/* A number and what it names; one table for tids, tgids, pgids and sids (Linux's struct pid). */
struct pid {
    struct hash_node hash;
    int nr;
    struct refcount
        ref; /* each of task, group, session holds one: the number is taken while any does */
    struct task *task;           /* borrowed: thread with this tid, or NULL */
    struct thread_group *tg;     /* borrowed: process with this tgid (also as a zombie), or NULL */
    struct list pgrp_members;    /* thread_group.pgrp_link */
    struct list session_members; /* thread_group.session_link */
};
/* A fresh number, or the given one (fixed > 0). Errors: -EAGAIN. */
MUST_CHECK int pid_alloc(int fixed, struct pid **out);
#define FIRST_PROGRAM_PID 2   /* PID 1 is the sentry's own init */
struct pid *pid_find(int nr); /* borrowed, or NULL */
struct pid *pid_get(struct pid *p);
void pid_put(struct pid *p);

struct itimer { /* ITIMER_REAL */
    struct ktimer timer;
    int64_t interval_ns;
};

struct thread_group {
    struct refcount ref;
    struct pid *pid;     /* ref: tgid */
    struct list threads; /* struct task.group_link; the leader first while it lives */
    int live_threads;    /* not yet past exit */
    int quick_threads;   /* not yet begun to exit: the last one gives the process's status */
    struct task *leader; /* ref: kept until the group is reaped */
    struct thread_group *parent; /* borrowed: children are moved to init when it exits */
    int parent_tid;              /* the thread of it that made us, if it still is one */
    struct list children;        /* thread_group.sibling */
    struct list sibling;
    struct waitq wait_children; /* the parent's wait4 sleeps here */
    struct pid *pgrp;           /* ref */
    struct pid *session;        /* ref */
    struct list pgrp_link, session_link;
    struct tty *tty; /* borrowed: controlling terminal or NULL */

    struct sighand *sighand; /* ref (tasks share it; kept here) */
    uint8_t action_calls;    /* rt_sigaction's, its parent's included; see actions.c */
    /* Borrowed from mm->facts: the process changes its actions there; NULL: it asks. */
    struct platform_facts *actions_page;
    struct sigpending pending;              /* process-directed */
    int exit_signal;                        /* to the parent at exit; SIGCHLD for fork */
    bool exiting;                           /* exit_group began: exit_status is decided */
    bool zombie;                            /* all threads gone, not yet waited for */
    int exit_status;                        /* wait(2) status */
    bool stopped, stop_reported, continued; /* job control */
    int stop_signal;
    bool has_execed; /* setpgid rule */
    bool
        from_outside; /* the first program: whoever started the sandbox is its shell, so its group is no orphan */
    bool dumpable;
    bool childless_told;    /* FACT_CHILDLESS: wait.c */
    uint8_t childless_heat; /* waits for nobody */
    unsigned births;        /* children that are being made: there is somebody to wait for */
    unsigned exec_closed;   /* execs on their way to credentials that not everybody may look into */
    struct rlimit limits[RLIM_NLIMITS];
    struct itimer real_timer;
    struct list posix_timers;     /* sentry/task/posix_timers.c */
    struct waitq exit_wait;       /* pidfd poll */
    int64_t start_ns;             /* CLOCK_MONOTONIC */
    struct rusage children_usage; /* of waited-for children */
    struct timeval utime, stime;  /* of the process, filled at exit */
    struct path exe;              /* refs: /proc/self/exe */
    int oom_score_adj, oom_score_adj_min;
    uint32_t personality;
    bool child_subreaper, no_new_privs;
    int pdeath_signal;

    struct waitq thread_wait; /* a thread of the group is gone: exec waits here */
    struct task *exec_task;   /* borrowed: the thread that is making the group single, or NULL */
    int stop_count;           /* threads that still have to enter the group stop */
    bool vm_borrowed; /* CLONE_VM child (vfork) that has not execed: its space is its parent's */
    bool host_killed; /* the host process was told to die: no guest memory any more */
    bool thp_disable;
    struct rusage usage;         /* of the process itself, filled at exit */
    int64_t cpu_before_ns;       /* CPU time in host processes that exec has left behind */
    struct itimer cpu_timers[3]; /* ITIMER_VIRTUAL, ITIMER_PROF, RLIMIT_CPU: sentry/task/itimer.c */
    int64_t cpu_timer_expiry_ns[3]; /* CPU time at which they fire; 0: not armed */
    int next_timer_id;
    size_t timer_count;
};

struct file_lease;
#define TASK_LEASES_MAX 8

struct task {
    struct refcount ref;
    struct kthread *kthread;    /* borrowed: runs task_main; NULL for init and after exit */
    struct platform_thread *pt; /* owned; NULL for init and after exit */
    struct pid *pid;            /* ref: tid */
    struct thread_group *tg;    /* ref */
    struct list group_link, all_link;

    struct mm *mm;          /* ref; NULL after exit */
    struct fd_table *files; /* ref; NULL after exit */
    struct fs_context *fs;  /* ref; NULL after exit */
    struct cred *cred;      /* ref */
    char comm[16];

    ksigset_t blocked;
    ksigset_t saved_mask; /* for sigsuspend, pselect...: restored at return */
    bool restore_saved_mask;
    struct sigpending pending; /* thread-directed */
    stack_t altstack;
    int frame_sig;           /* what the guest's side was ordered to run last */
    ksigset_t frame_mask;    /* and the mask before */
    bool must_exit;          /* group exit, exec by another thread, or a fatal signal */
    uaddr_t clear_child_tid; /* only to be told: the host, or the stub, clears it */
    uaddr_t robust_list;
    bool robust_done;                  /* walked: it counts no more */
    struct thread_group *vfork_waiter; /* unused by the platform; for /proc state only */

    /* the current system call, for restart, --strace, crash reports */
    long syscall_nr; /* -1: none */
    uint64_t syscall_args[6];
    struct file *
        mapped_file; /* ref: its host fd is mapped as the guest resumes; dropped at its next event */
    bool context_replaced; /* exec or sigreturn set a whole context: keep no result */
    bool exec_started;     /* exec loaded a program that has not run yet */
    /* restart_syscall(2): set by handlers that return -ERESTART_RESTARTBLOCK */
    long (*restart)(struct task *t);
    uint64_t restart_args[4];
    /* refs: whose files the current system call uses: sentry/task/lease.c */
    struct file_lease *leases[TASK_LEASES_MAX];
    unsigned lease_count;
    unsigned polls;
    int polled_fd; /* one that the running poll has looked at without waiting; -1: none */
    uint64_t nvcsw;
    int nice, sched_policy, sched_priority;
    uint64_t cpu_affinity[16];

    ksigset_t real_blocked;             /* sigtimedwait: the mask outside the wait */
    bool stop_pending, stopped;         /* group stop: has to enter it; is in it */
    int exit_status;                    /* of exit(2), in wait(2)'s encoding */
    bool exited;                        /* past the middle of task_exit */
    uint64_t fault_trapno, fault_error; /* of the last fault, for sigcontext */
    uaddr_t fault_addr;
    uint64_t timer_slack_ns, default_timer_slack_ns;
    int mce_kill;        /* PR_MCE_KILL_* */
    int64_t cpu_seen_ns; /* when a CPU timer of the process last looked */
    bool sched_reset_on_fork;
    int ioprio; /* 0: not set */

    struct ptrace_state *ptrace; /* owned, or NULL: never was traced. sentry/task/ptrace.h */
    struct list tracees;         /* struct ptrace_state.link: whom it traces */
};

struct task *task_get(struct task *t);
/* What t's guest side was told to answer by itself (its ids) is no longer true. */
void task_forget_answers(struct task *t);
/* By t's signals and limits, what its guest side may not do by itself. At each return to guest code. */
void task_update_asks(struct task *t);
void task_put(struct task *t);
DEFINE_AUTO_PUT(task)
struct task *task_current(void); /* whose kthread runs; borrowed; NULL in other kernel work */
/* Does any thread live in mm? */
bool mm_is_inhabited(const struct mm *mm);
struct task *task_find(int tid);                 /* with a reference, or NULL */
struct thread_group *thread_group_find(int pid); /* with a reference, or NULL (zombies included) */
struct thread_group *thread_group_get(struct thread_group *tg);
void thread_group_put(struct thread_group *tg);
DEFINE_AUTO_PUT(thread_group)
/* Both take references; the group leaves what it was in. */
void thread_group_set_pgrp(struct thread_group *tg, struct pid *pgrp);
void thread_group_set_session(struct thread_group *tg, struct pid *session);
static inline int task_tid(const struct task *t)
{
    return t->pid->nr;
}
static inline int task_tgid(const struct task *t)
{
    return t->tg->pid->nr;
}

/*
 * tg->exe := exe (NULL: none). While a process has it, its file can't be opened for writing (ETXTBSY,
 * inode->write_denied): every change of tg->exe goes through here.
 */
static inline void thread_group_set_exe(struct thread_group *tg, const struct path *exe)
{
    struct path old = tg->exe;
    tg->exe = (struct path){0};
    if (exe && exe->dentry) {
        path_copy(&tg->exe, exe);
        exe->dentry->inode->write_denied++;
    }
    if (old.dentry) {
        old.dentry->inode->write_denied--;
        path_put(&old);
    }
}

/* clone(2)/fork/vfork/clone3: everything but argument decoding. Return: the child's tid. May block. */
struct clone_request {
    uint64_t flags; /* CLONE_*, without the exit signal */
    int exit_signal;
    uaddr_t stack, parent_tid, child_tid, tls, pidfd;
    int set_tid; /* clone3: the wanted tid; 0: any */
};
MUST_CHECK long task_clone(struct task *t, const struct clone_request *r);
/*
 * The body of a task's kthread: run the guest, serve each event. Handed down once by syscalls/entry.c
 * because dispatch lives above.
 */
void task_set_main(void (*entry)(void *task));
/* Makes PID 1 (no guest code). */
MUST_CHECK int task_init_pid1(void);
/* The first guest process (PID 2): fs, files, cred and pt are consumed. Its kthread starts with task_main. */
MUST_CHECK int task_new_first(struct platform_thread *pt, struct fs_context *fs,
                              struct fd_table *files, struct cred *cred, struct task **out);

/* This task ends; status (wait(2) encoding) counts when exit_group has decided on none and the task has none of its own. The last one of the group makes the zombie. Called on its own kthread, at its very end. */
void task_exit(struct task *t, int status);
/* Marks all threads of the group to die, with this status, and interrupts them. */
void thread_group_exit(struct thread_group *tg, int status);
/* exec by t: all other threads of its group die; waits for it. May block. Errors: -EAGAIN/-ERESTARTNOINTR killed meanwhile. */
MUST_CHECK int thread_group_become_single(struct task *t);

/**
 * task_exec_reset - what execve(2) resets beside memory and files: handled signals go to default in
 * a sighand of its own, altstack, robust list, clear_child_tid, POSIX timers, exit_signal, pdeath_signal
 * (when the credentials change, the caller clears it); sets comm and has_execed. After platform_exec.
 */
void task_exec_reset(struct task *t, const char *comm);
/* Replaces t's credentials (consumed): drops the old ones, and dumpable/pdeath_signal as Linux's commit_creds. */
void task_set_cred(struct task *t, struct cred *cred);
/* Called as a session leader's process ends (borrowed): SIGHUP to the terminal's foreground, drop the terminal. */
void task_set_session_exit_hook(void (*hook)(struct thread_group *leader));

/* wait4/waitid. idtype P_ALL P_PID P_PGID; options W*. Return: the pid (0: WNOHANG and none); fills what is not NULL. */
struct wait_result {
    int pid, uid, status, code; /* code: CLD_* */
    struct rusage usage;
};
MUST_CHECK long task_wait(struct task *t, int idtype, int id, int options, struct wait_result *out);

/* A walk for this task: root, cwd, cred, umask. dirfd: AT_FDCWD or an fd; *start keeps the reference. */
struct walk;
MUST_CHECK int task_walk(struct task *t, int dirfd, unsigned flags, struct walk *w,
                         struct path *start);
/* Copies a path name in. buf: PATH_MAX bytes. Errors: -EFAULT -ENAMETOOLONG, -ENOENT when empty and !allow_empty. */
MUST_CHECK int task_path_in(struct task *t, uaddr_t name, char *buf, bool allow_empty);
/* CPU time, page faults and maximum RSS of a live process, from the host. */
void thread_group_usage(struct thread_group *tg, struct rusage *out);
/* RLIMIT_CPU was set: begins, moves or ends its enforcement. Children inherit the limit, and call it, too. */
void thread_group_cpu_limit_changed(struct thread_group *tg);
/* 'R' 'S' 'T' 'Z' as ps shows it. */
char task_state_char(const struct task *t);
static inline bool thread_group_is_init(const struct thread_group *tg)
{
    return tg == g_kernel->init;
}
static inline uint64_t task_rlimit(const struct task *t, int resource)
{
    return t->tg->limits[resource].rlim_cur;
}
