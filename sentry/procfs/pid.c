/*
 * /proc/PID and /proc/PID/task/TID: the tables, who may look, and the small files. Analogous to
 * Linux's fs/proc/base.c.
 */
#include "sentry/procfs/proc.h"

#include <errno.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>

#include "sentry/task/ptrace.h"
#include "sentry/task/usage.h"

struct task *proc_task(const struct proc_inode *pi)
{
    if (pi->task) {
        return list_empty(&pi->task->all_link) ? NULL : pi->task;
    }
    return pi->tg ? pi->tg->leader : NULL;
}

struct mm *proc_mm(const struct proc_inode *pi)
{
    const struct task *t = proc_task(pi);
    return t && !t->exited ? t->mm : NULL;
}

int proc_may_trace(const struct cred *cred, const struct task *t)
{
    return ptrace_access(proc_current(), cred, cred->fsuid, cred->fsgid, t) ? 0 : -EACCES;
}

/* --- numbers --- */

static int find_process(struct proc_inode *dir, long number, struct proc_inode *inode)
{
    (void)dir;
    struct task *t = task_find((int)number);
    if (!t) {
        return -ENOENT;
    }
    /* A thread's number works, too, though it is not listed: as in Linux it shows the process. */
    int err = t->tg->leader ? 0 : -ENOENT;
    if (err == 0) {
        inode->tg = thread_group_get(t->tg);
        inode->number = task_tgid(t);
    }
    task_put(t);
    return err;
}

static long next_process(struct proc_inode *dir, long from)
{
    (void)dir;
    const struct task *t;
    long best = -1;
    list_for_each_entry (t, &g_kernel->tasks, all_link) {
        long nr = task_tgid(t);
        if (t->tg->leader == t && nr >= from && (best < 0 || nr < best)) {
            best = nr;
        }
    }
    return best;
}

const struct proc_numbers proc_pids = {
    .entry = &proc_pid_entry,
    .find = find_process,
    .next = next_process,
};

static int find_thread(struct proc_inode *dir, long number, struct proc_inode *inode)
{
    struct task *t = task_find((int)number);
    if (!t || t->tg != dir->tg) {
        task_put(t);
        return -ENOENT;
    }
    inode->tg = thread_group_get(t->tg);
    inode->task = t;
    return 0;
}

static long next_thread(struct proc_inode *dir, long from)
{
    const struct task *t;
    long best = -1;
    list_for_each_entry (t, &dir->tg->threads, group_link) {
        long nr = task_tid(t);
        if (nr >= from && (best < 0 || nr < best)) {
            best = nr;
        }
    }
    return best;
}

static const struct proc_numbers proc_threads = {
    .entry = &proc_task_entry,
    .find = find_thread,
    .next = next_thread,
};

/* --- links --- */

static const struct path *root_of_caller(void)
{
    const struct task *t = proc_current();
    return t && t->fs ? &t->fs->root : NULL;
}

/* Which of the process's three paths the entry names; NULL: it has none (any more). */
static const struct path *path_of(const struct proc_inode *pi)
{
    const struct task *t = proc_task(pi);
    const struct path *p = NULL;
    if (!t || t->exited) {
        return NULL;
    }
    if (strcmp(pi->entry->name, "exe") == 0) {
        p = &t->tg->exe;
    } else if (t->fs) {
        p = strcmp(pi->entry->name, "cwd") == 0 ? &t->fs->cwd : &t->fs->root;
    }
    return p && p->dentry ? p : NULL;
}

static int link_path(struct proc_inode *pi, struct strbuf *out)
{
    const struct path *p = path_of(pi);
    return p ? path_name(p, root_of_caller(), out) : -ENOENT;
}

static int jump_path(struct proc_inode *pi, struct path *out)
{
    const struct path *p = path_of(pi);
    if (!p) {
        return -ENOENT;
    }
    path_copy(out, p);
    return 0;
}

/* Namespaces: all processes of a sandbox are in the same ones. */
static int link_namespace(struct proc_inode *pi, struct strbuf *out)
{
    const char *name = pi->entry->name;
    const char *suffix = strstr(name, "_for_children");
    int size = suffix ? (int)(suffix - name) : (int)strlen(name);
    strbuf_printf(out, "%.*s:[%ld]", size, name, pi->entry->value);
    return 0;
}
#define NAMESPACE(n, v)                                                                            \
    {                                                                                              \
        .name = (n), .mode = S_IFLNK | 0777, .flags = PROC_PTRACE, .link = link_namespace,         \
        .value = (v)                                                                               \
    }
/* DEVIATION: the links can be read and compared, not opened: there is no setns(2). */
static const struct proc_entry ns_entries[] = {
    NAMESPACE("cgroup", 4026531835), NAMESPACE("ipc", 4026531839),
    NAMESPACE("mnt", 4026531841),    NAMESPACE("net", 4026531840),
    NAMESPACE("pid", 4026531836),    NAMESPACE("pid_for_children", 4026531836),
    NAMESPACE("time", 4026531834),   NAMESPACE("time_for_children", 4026531834),
    NAMESPACE("user", 4026531837),   NAMESPACE("uts", 4026531838),
};

/* --- memory --- */

static int show_range(struct proc_inode *pi, uaddr_t start, uaddr_t end, struct strbuf *out)
{
    struct mm *mm = proc_mm(pi);
    if (!mm || end <= start) {
        return 0;
    }
    mm_get(mm);
    int err = proc_add_memory(mm, start, MIN(end - start, 8UL << 20), out);
    mm_put(mm);
    return err;
}

/*
 * When a program has overwritten its last argument's NUL (setproctitle), the text goes on into what
 * was the environment, up to the first NUL.
 */
static int show_cmdline(struct proc_inode *pi, struct strbuf *out)
{
    const struct mm *mm = proc_mm(pi);
    if (!mm) {
        return 0;
    }
    uaddr_t env_start = mm->env_start, env_end = mm->env_end, arg_end = mm->arg_end;
    int err = show_range(pi, mm->arg_start, arg_end, out);
    if (err < 0 || out->size == 0 || out->text[out->size - 1] == '\0' || env_start != arg_end) {
        return err;
    }
    size_t first = strnlen(out->text, out->size);
    if (first == out->size) {
        err = show_range(pi, env_start, env_end, out);
        first = strnlen(out->text, out->size);
    }
    out->size = MIN(first, out->size);
    return err;
}

static int show_environ(struct proc_inode *pi, struct strbuf *out)
{
    const struct mm *mm = proc_mm(pi);
    return mm ? show_range(pi, mm->env_start, mm->env_end, out) : 0;
}

static int show_auxv(struct proc_inode *pi, struct strbuf *out)
{
    const struct mm *mm = proc_mm(pi);
    if (!mm) {
        return 0;
    }
    size_t words = 0;
    while (words + 2 < ARRAY_COUNT(mm->auxv) && mm->auxv[words] != 0) {
        words += 2;
    }
    strbuf_add(out, mm->auxv, (words + 2) * sizeof(mm->auxv[0]));
    return 0;
}

/* --- small files --- */

static int show_comm(struct proc_inode *pi, struct strbuf *out)
{
    strbuf_printf(out, "%s\n", proc_task(pi)->comm);
    return 0;
}

/* Only a thread of the same process may rename. */
static int store_comm(struct proc_inode *pi, const struct cred *cred, char *text)
{
    (void)cred;
    struct task *t = proc_task(pi);
    const struct task *caller = proc_current();
    if (!caller || caller->tg != t->tg) {
        return -EINVAL;
    }
    snprintf(t->comm, sizeof(t->comm), "%.*s", (int)sizeof(t->comm) - 1, text);
    return 0;
}

static int show_limits(struct proc_inode *pi, struct strbuf *out)
{
    static const struct {
        const char *name, *unit;
    } rows[RLIM_NLIMITS] = {
        [RLIMIT_CPU] = {"Max cpu time", "seconds"},
        [RLIMIT_FSIZE] = {"Max file size", "bytes"},
        [RLIMIT_DATA] = {"Max data size", "bytes"},
        [RLIMIT_STACK] = {"Max stack size", "bytes"},
        [RLIMIT_CORE] = {"Max core file size", "bytes"},
        [RLIMIT_RSS] = {"Max resident set", "bytes"},
        [RLIMIT_NPROC] = {"Max processes", "processes"},
        [RLIMIT_NOFILE] = {"Max open files", "files"},
        [RLIMIT_MEMLOCK] = {"Max locked memory", "bytes"},
        [RLIMIT_AS] = {"Max address space", "bytes"},
        [RLIMIT_LOCKS] = {"Max file locks", "locks"},
        [RLIMIT_SIGPENDING] = {"Max pending signals", "signals"},
        [RLIMIT_MSGQUEUE] = {"Max msgqueue size", "bytes"},
        [RLIMIT_NICE] = {"Max nice priority", ""},
        [RLIMIT_RTPRIO] = {"Max realtime priority", ""},
        [RLIMIT_RTTIME] = {"Max realtime timeout", "us"},
    };
    strbuf_printf(out, "%-25s %-20s %-20s %-10s\n", "Limit", "Soft Limit", "Hard Limit", "Units");
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        const struct rlimit *l = &pi->tg->limits[i];
        const rlim_t values[2] = {l->rlim_cur, l->rlim_max};
        strbuf_printf(out, "%-25s ", rows[i].name);
        for (size_t j = 0; j < 2; j++) {
            if (values[j] == RLIM_INFINITY) {
                strbuf_printf(out, "%-20s ", "unlimited");
            } else {
                strbuf_printf(out, "%-20lu ", (unsigned long)values[j]);
            }
        }
        strbuf_printf(out, rows[i].unit[0] ? "%-10s\n" : "%s\n", rows[i].unit);
    }
    return 0;
}

static int show_cgroup(struct proc_inode *pi, struct strbuf *out)
{
    (void)pi;
    strbuf_adds(out, "0::/\n");
    return 0;
}

static int show_oom_score(struct proc_inode *pi, struct strbuf *out)
{
    struct proc_memory m;
    int adjust = pi->tg->oom_score_adj;
    proc_memory_of(proc_mm(pi), &m);
    /* Thousandths of all memory, with the adjustment, in Linux's scale of 0 to 2000. */
    uint64_t total = MAX(g_kernel->total_memory / PAGE_SIZE, 1UL);
    long points = (long)(m.resident * 1000 / total) + adjust;
    strbuf_printf(out, "%ld\n", MAX((1000 + points) * 2 / 3, 0L));
    return 0;
}

static int show_oom_adj(struct proc_inode *pi, struct strbuf *out)
{
    strbuf_printf(out, "%d\n", pi->tg->oom_score_adj);
    return 0;
}

/* Down to what one with the right chose last, everybody may go. */
static int store_oom_adj(struct proc_inode *pi, const struct cred *cred, char *text)
{
    long value;
    int err = proc_parse(text, -1000, 1000, &value);
    bool may_all = cred_capable(cred, CAP_SYS_RESOURCE);
    if (err < 0) {
        return -EINVAL;
    }
    if (value < pi->tg->oom_score_adj_min && !may_all) {
        return -EACCES;
    }
    pi->tg->oom_score_adj = (int)value;
    if (may_all) {
        pi->tg->oom_score_adj_min = (int)value;
    }
    return 0;
}

/* Who made them is not kept for each thread: the first thread has them all. */
static int show_children(struct proc_inode *pi, struct strbuf *out)
{
    const struct thread_group *child;
    if (proc_task(pi) == pi->tg->leader) {
        list_for_each_entry (child, &pi->tg->children, sibling) {
            strbuf_printf(out, "%d ", child->pid->nr);
        }
    }
    return 0;
}

static int show_personality(struct proc_inode *pi, struct strbuf *out)
{
    strbuf_printf(out, "%08x\n", pi->tg->personality);
    return 0;
}

static int show_timerslack(struct proc_inode *pi, struct strbuf *out)
{
    strbuf_printf(out, "%lu\n", (unsigned long)proc_task(pi)->timer_slack_ns);
    return 0;
}

static int store_timerslack(struct proc_inode *pi, const struct cred *cred, char *text)
{
    struct task *t = proc_task(pi);
    const struct task *caller = proc_current();
    if (caller != t && !cred_capable(cred, CAP_SYS_NICE)) {
        return -EPERM;
    }
    long value;
    int err = proc_parse(text, 0, INT64_MAX, &value);
    if (err == 0) {
        t->timer_slack_ns = value ? (uint64_t)value : t->default_timer_slack_ns;
    }
    return err;
}

static int show_sched(struct proc_inode *pi, struct strbuf *out)
{
    const struct task *t = proc_task(pi);
    strbuf_printf(out, "%s (%d, #threads: %d)\n", t->comm, task_tid(t), pi->tg->live_threads);
    strbuf_adds(out, "-------------------------------------------------------------------\n");
    int64_t ns = usage_cpu_ns(pi->tg);
    strbuf_printf(out, "%-45s:%14ld.%06ld\n", "se.sum_exec_runtime", (long)(ns / NSEC_PER_MSEC),
                  (long)(ns % NSEC_PER_MSEC));
    strbuf_printf(out, "%-45s:%21lu\n", "nr_switches", (unsigned long)t->nvcsw);
    strbuf_printf(out, "%-45s:%21lu\n", "nr_voluntary_switches", (unsigned long)t->nvcsw);
    strbuf_printf(out, "%-45s:%21d\n", "nr_involuntary_switches", 0);
    strbuf_printf(out, "%-45s:%21d\n", "policy", t->sched_policy);
    strbuf_printf(out, "%-45s:%21d\n", "prio", 120 + t->nice);
    return 0;
}

int proc_show_text(struct proc_inode *pi, struct strbuf *out)
{
    strbuf_adds(out, pi->entry->text);
    return 0;
}

#define PROC_TEXT(n, m, t)                                                                         \
    {                                                                                              \
        .name = (n), .mode = S_IFREG | (m), .show = proc_show_text, .text = (t)                    \
    }
#define ID_MAP_ALL "         0          0 4294967295\n"

#define PROC_MEM                                                                                   \
    {                                                                                              \
        .name = "mem", .mode = S_IFREG | 0600, .flags = PROC_PTRACE, .ops = &proc_mem_ops,         \
        .open = proc_mem_open                                                                      \
    }
/* What /proc/PID and /proc/PID/task/TID both have. */
#define COMMON_ENTRIES                                                                             \
    PROC_SECRET("auxv", 0400, show_auxv), PROC_FILE("cgroup", 0444, show_cgroup),                  \
        PROC_FILE("cmdline", 0444, show_cmdline),                                                  \
        PROC_WRITABLE("comm", 0644, show_comm, store_comm),                                        \
        PROC_MAGIC("cwd", link_path, jump_path), PROC_SECRET("environ", 0400, show_environ),       \
        PROC_MAGIC("exe", link_path, jump_path), PROC_FILE("limits", 0444, show_limits),           \
        PROC_SECRET("maps", 0444, proc_show_maps), PROC_MEM,                                       \
        PROC_FILE("mountinfo", 0444, proc_show_mountinfo),                                         \
        PROC_FILE("mounts", 0444, proc_show_mounts), PROC_DIR("ns", 0511, ns_entries),             \
        PROC_FILE("oom_score", 0444, show_oom_score),                                              \
        PROC_WRITABLE("oom_score_adj", 0644, show_oom_adj, store_oom_adj),                         \
        PROC_SECRET("personality", 0400, show_personality),                                        \
        PROC_MAGIC("root", link_path, jump_path), PROC_FILE("sched", 0644, show_sched),            \
        PROC_FILE("stat", 0444, proc_show_stat), PROC_FILE("statm", 0444, proc_show_statm),        \
        PROC_FILE("status", 0444, proc_show_status), PROC_TEXT("uid_map", 0444, ID_MAP_ALL),       \
        PROC_TEXT("gid_map", 0444, ID_MAP_ALL), PROC_TEXT("projid_map", 0444, ID_MAP_ALL),         \
        PROC_TEXT("setgroups", 0444, "allow\n"), PROC_TEXT("loginuid", 0444, "4294967295"),        \
        PROC_TEXT("sessionid", 0444, "4294967295"), PROC_TEXT("wchan", 0444, "0")

/* fd, fdinfo and net are directories whose tables live elsewhere. */
static const struct proc_entry task_entries[] = {
    COMMON_ENTRIES,
    PROC_FILE("children", 0444, show_children),
    {.name = "fd", .mode = S_IFDIR | 0500, .flags = PROC_FDDIR, .numbers = &proc_fd_numbers},
    {.name = "fdinfo",
     .mode = S_IFDIR | 0500,
     .flags = PROC_FDDIR,
     .numbers = &proc_fdinfo_numbers},
};
static const struct proc_entry pid_entries[] = {
    COMMON_ENTRIES,
    PROC_FILE("mountstats", 0400, proc_show_mountstats),
    PROC_WRITABLE("timerslack_ns", 0666, show_timerslack, store_timerslack),
    {.name = "fd", .mode = S_IFDIR | 0500, .flags = PROC_FDDIR, .numbers = &proc_fd_numbers},
    {.name = "fdinfo",
     .mode = S_IFDIR | 0500,
     .flags = PROC_FDDIR,
     .numbers = &proc_fdinfo_numbers},
    {.name = "net",
     .mode = S_IFDIR | 0555,
     .children = proc_net_entries,
     .child_count = PROC_NET_COUNT},
    {.name = "task", .mode = S_IFDIR | 0555, .numbers = &proc_threads},
};
const struct proc_entry proc_pid_entry = PROC_DIR("", 0555, pid_entries);
const struct proc_entry proc_task_entry = PROC_DIR("", 0555, task_entries);
