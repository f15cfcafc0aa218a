/*
 * What the files of sentry/procfs share. /proc is a tree of constant tables (struct proc_entry);
 * directories of numbers (processes, threads, descriptors) are answered by a struct proc_numbers.
 * Inodes are made for each lookup and hold what they are about; when that is gone, they say -ESRCH.
 */
#pragma once

#include <stdio.h>

#include "lib/strbuf.h"
#include "sentry/task/task.h"
#include "sentry/vfs/vfs.h"

struct proc_entry;

struct proc_inode {
    struct inode base;
    const struct proc_entry *entry;
    struct thread_group *tg; /* ref: the process; NULL in system-wide places */
    struct task *task;       /* ref: the thread, below task/TID; else NULL: the leader is meant */
    long number;             /* below fd/ and fdinfo/: the descriptor */
};
static inline struct proc_inode *proc_inode_of(struct inode *inode)
{
    return container_of(inode, struct proc_inode, base);
}

/* What one procfs remembers; its super_block's private. */
struct proc_state {
    char boot_id[37];
    struct {
        int64_t sampled_ns;
        uint64_t average[3]; /* in 1/10000 */
    } load;
    uint64_t tsc_start; /* with tsc_start_ns: for measuring the CPU's clock */
    int64_t tsc_start_ns;
};
static inline struct proc_state *proc_state_of(const struct proc_inode *pi)
{
    return pi->base.sb->private;
}

/* A directory whose names are numbers. */
struct proc_numbers {
    const struct proc_entry *entry; /* what each of them is */
    /* Does number exist in dir? Fills tg and task of inode (with references) where they differ from dir's. */
    MUST_CHECK int (*find)(struct proc_inode *dir, long number, struct proc_inode *inode);
    /* The smallest existing number >= from, or -1. */
    long (*next)(struct proc_inode *dir, long from);
    /* Permission bits that depend on the number. NULL: the entry's. */
    uint32_t (*mode)(struct proc_inode *pi);
};

struct proc_entry {
    const char *name;
    uint32_t mode;  /* with the type: exactly one of the groups below belongs to each type */
    unsigned flags; /* PROC_* */
    /* Regular files. show appends the whole text; it is called at each read from the start. */
    MUST_CHECK int (*show)(struct proc_inode *pi, struct strbuf *out);
    /* text: NUL-terminated, at most a page. NULL: can't be written (-EIO, as in Linux). */
    MUST_CHECK int (*store)(struct proc_inode *pi, const struct cred *cred, char *text);
    /* Instead of both, for what is no text: what an open file can do. */
    const struct file_ops *ops;
    MUST_CHECK int (*open)(struct proc_inode *pi, struct file *f);
    /* Symbolic links: the text; and for links that lead to an object itself, that object. */
    MUST_CHECK int (*link)(struct proc_inode *pi, struct strbuf *out);
    MUST_CHECK int (*jump)(struct proc_inode *pi, struct path *out);
    /* Directories */
    const struct proc_entry *children;
    size_t child_count;
    const struct proc_numbers *numbers;
    /* For show: a constant text or value. */
    const char *text;
    long value;
};
#define PROC_PTRACE 1u /* opening or following needs the right to look into the process */
#define PROC_FDDIR  2u /* the process itself may always enter */

#define PROC_FILE(n, m, fn)                                                                        \
    {                                                                                              \
        .name = (n), .mode = S_IFREG | (m), .show = (fn)                                           \
    }
#define PROC_SECRET(n, m, fn)                                                                      \
    {                                                                                              \
        .name = (n), .mode = S_IFREG | (m), .flags = PROC_PTRACE, .show = (fn)                     \
    }
#define PROC_WRITABLE(n, m, fn, st)                                                                \
    {                                                                                              \
        .name = (n), .mode = S_IFREG | (m), .show = (fn), .store = (st)                            \
    }
#define PROC_DIR(n, m, table)                                                                      \
    {                                                                                              \
        .name = (n), .mode = S_IFDIR | (m), .children = (table), .child_count = ARRAY_COUNT(table) \
    }
#define PROC_LINK(n, fn)                                                                           \
    {                                                                                              \
        .name = (n), .mode = S_IFLNK | 0777, .link = (fn)                                          \
    }
#define PROC_MAGIC(n, fn, j)                                                                       \
    {                                                                                              \
        .name = (n), .mode = S_IFLNK | 0777, .flags = PROC_PTRACE, .link = (fn), .jump = (j)       \
    }

/* The task that is running; NULL when none is (the sentry's own work). */
struct task *proc_current(void);
/* The task that pi is about, borrowed; NULL when it has been reaped. It may be a zombie. */
struct task *proc_task(const struct proc_inode *pi);
/* The same with an address space, or NULL: zombies and PID 1 have none. Borrowed: hold mm over a sleep. */
struct mm *proc_mm(const struct proc_inode *pi);
/* May the caller look into t? 0 or -EACCES. Source: ptrace(2), "Ptrace access mode checking". */
MUST_CHECK int proc_may_trace(const struct cred *cred, const struct task *t);
/* A process's memory in pages, from the host; zero when it has none. */
struct proc_memory {
    uint64_t size, resident, shared, text, data, stack, lib;
};
void proc_memory_of(struct mm *mm, struct proc_memory *out);
/* The same, of that only what the host has counted already: whole pages in memory. */
void proc_resident_of(struct mm *mm, uint64_t *out_resident, uint64_t *out_shared);
/* Of all processes, in KiB. */
struct proc_machine_memory {
    uint64_t total, used, anonymous, file;
};
void proc_machine_memory(struct proc_machine_memory *out);
/* CPU time of all processes since the start. */
struct proc_cpu_time {
    int64_t user_ns, system_ns, idle_ns, uptime_ns;
};
void proc_cpu_time_of(struct proc_cpu_time *out);
/* A random (version 4) UUID's text. */
void proc_make_uuid(char out[37]);
/* CPUs as a mask's list: "0-3". */
void proc_cpu_list(struct strbuf *out, size_t count);
/* A number from written text. Errors: -EINVAL, -ERANGE out of [min, max]. */
MUST_CHECK int proc_parse(const char *text, long min, long max, long *out);
/* Guest data of size bytes at addr, appended; stops silently at the first fault. */
MUST_CHECK int proc_add_memory(struct mm *mm, uaddr_t addr, uint64_t size, struct strbuf *out);

/* The leader of the process whose /proc/PID f is, with a reference. Errors: -EBADF not such a directory; -ESRCH
 * the process is gone. */
MUST_CHECK int proc_file_process(const struct file *f, struct task **out);

/* The tables, each in a file of its own. */
extern const struct proc_entry proc_root_entry; /* root.c */
extern const struct proc_entry proc_pid_entry;  /* pid.c: /proc/PID */
extern const struct proc_entry proc_task_entry; /* pid.c: /proc/PID/task/TID */
extern const struct proc_numbers proc_pids;     /* pid.c */
extern const struct file_ops proc_mem_ops;      /* mem.c */
MUST_CHECK int proc_mem_open(struct proc_inode *pi, struct file *f);
extern const struct proc_numbers proc_fd_numbers, proc_fdinfo_numbers; /* fd.c */
#define PROC_NET_COUNT 12
extern const struct proc_entry proc_net_entries[PROC_NET_COUNT]; /* net.c */
#define PROC_SYS_COUNT 5
extern const struct proc_entry proc_sys_entries[PROC_SYS_COUNT]; /* sys.c */

/* show functions that live apart from their table */
MUST_CHECK int proc_show_cpuinfo(struct proc_inode *pi, struct strbuf *out); /* cpuinfo.c */
MUST_CHECK int proc_show_system_stat(struct proc_inode *pi, struct strbuf *out);
MUST_CHECK int proc_show_meminfo(struct proc_inode *pi, struct strbuf *out);
MUST_CHECK int proc_show_loadavg(struct proc_inode *pi, struct strbuf *out);
MUST_CHECK int proc_show_vmstat(struct proc_inode *pi, struct strbuf *out);
MUST_CHECK int proc_show_maps(struct proc_inode *pi, struct strbuf *out);   /* maps.c */
MUST_CHECK int proc_show_status(struct proc_inode *pi, struct strbuf *out); /* status.c */
MUST_CHECK int proc_show_stat(struct proc_inode *pi, struct strbuf *out);
MUST_CHECK int proc_show_statm(struct proc_inode *pi, struct strbuf *out);
MUST_CHECK int proc_show_mounts(struct proc_inode *pi, struct strbuf *out); /* mounts.c */
MUST_CHECK int proc_show_mountinfo(struct proc_inode *pi, struct strbuf *out);
MUST_CHECK int proc_show_mountstats(struct proc_inode *pi, struct strbuf *out);
MUST_CHECK int proc_show_text(struct proc_inode *pi, struct strbuf *out); /* entry->text */
