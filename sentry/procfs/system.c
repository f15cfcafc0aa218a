/*
 * The machine as a whole: /proc/{stat,meminfo,loadavg,vmstat}. The machine is the sandbox: its
 * processes' time and memory, the memory it was given, the CPUs it may use. Analogous to Linux's
 * fs/proc/{stat,meminfo,loadavg}.c.
 */
#include "sentry/procfs/proc.h"

#include <string.h>

#include "sentry/task/usage.h"

#define NS_PER_TICK (NSEC_PER_SEC / 100)

static int64_t rusage_user_ns(const struct rusage *u)
{
    return timeval_ns(&u->ru_utime);
}

static int64_t rusage_system_ns(const struct rusage *u)
{
    return timeval_ns(&u->ru_stime);
}

/* Of the living and of zombies; each carries the time of its reaped children, and so does PID 1. */
void proc_cpu_time_of(struct proc_cpu_time *out)
{
    *out = (struct proc_cpu_time){0};
    const struct task *t;
    list_for_each_entry (t, &g_kernel->tasks, all_link) {
        if (t->tg->leader != t) {
            continue;
        }
        struct rusage u = {0};
        thread_group_usage(t->tg, &u);
        const struct rusage *c = &t->tg->children_usage;
        out->user_ns += rusage_user_ns(&u) + rusage_user_ns(c);
        out->system_ns += rusage_system_ns(&u) + rusage_system_ns(c);
    }
    out->uptime_ns = ktime_monotonic_ns() - g_kernel->boot_monotonic_ns;
    int64_t all = out->uptime_ns * (int64_t)MAX(g_kernel->cpu_count, (size_t)1);
    out->idle_ns = MAX(all - out->user_ns - out->system_ns, (int64_t)0);
}

static size_t count_running(void)
{
    const struct task *t;
    size_t n = 0;
    list_for_each_entry (t, &g_kernel->tasks, all_link) {
        n += task_state_char(t) == 'R';
    }
    return n;
}

static void add_cpu_line(struct strbuf *out, const char *name, const struct proc_cpu_time *cpu,
                         int64_t share)
{
    strbuf_printf(
        out, "%s %ld 0 %ld %ld 0 0 0 0 0 0\n", name, (long)(cpu->user_ns / share / NS_PER_TICK),
        (long)(cpu->system_ns / share / NS_PER_TICK), (long)(cpu->idle_ns / share / NS_PER_TICK));
}

int proc_show_system_stat(struct proc_inode *pi, struct strbuf *out)
{
    (void)pi;
    struct proc_cpu_time cpu;
    size_t cpus = MAX(g_kernel->cpu_count, (size_t)1);
    proc_cpu_time_of(&cpu);
    add_cpu_line(out, "cpu ", &cpu, 1);
    for (size_t i = 0; i < cpus; i++) {
        char name[24];
        snprintf(name, sizeof(name), "cpu%zu", i);
        add_cpu_line(out, name, &cpu, (int64_t)cpus); /* which CPU ran what is not known */
    }
    const struct task *t;
    uint64_t switches = 0;
    list_for_each_entry (t, &g_kernel->tasks, all_link) {
        switches += t->nvcsw;
    }
    strbuf_printf(out, "intr 0\nctxt %lu\nbtime %ld\nprocesses %lu\nprocs_running %zu\n",
                  (unsigned long)switches, (long)(g_kernel->boot_realtime_ns / NSEC_PER_SEC),
                  (unsigned long)g_kernel->forks, count_running());
    strbuf_adds(out, "procs_blocked 0\nsoftirq 0 0 0 0 0 0 0 0 0 0 0\n");
    return 0;
}

/*
 * What the host counts for each process: to walk their mappings takes half a millisecond, and C libraries ask for the
 * machine's memory at the start of many programs.
 */
void proc_machine_memory(struct proc_machine_memory *out)
{
    struct task *t;
    uint64_t all = 0, file = 0, kb = PAGE_SIZE / 1024;
    list_for_each_entry (t, &g_kernel->tasks, all_link) {
        if (t->tg->leader == t && t->mm && !t->exited) {
            uint64_t resident, shared;
            proc_resident_of(t->mm, &resident, &shared);
            all += resident;
            file += MIN(shared, resident);
        }
    }
    out->total = g_kernel->total_memory / 1024;
    out->used = MIN(all * kb, out->total);
    out->anonymous = (all - file) * kb;
    out->file = file * kb;
}

static void add_kb(struct strbuf *out, const char *name, uint64_t kb)
{
    strbuf_printf(out, "%s:%*lu kB\n", name, (int)(23 - strlen(name)), (unsigned long)kb);
}

int proc_show_meminfo(struct proc_inode *pi, struct strbuf *out)
{
    (void)pi;
    struct proc_machine_memory m;
    proc_machine_memory(&m);
    uint64_t total = m.total, used = m.used, anon = m.anonymous, file = m.file;
    const struct {
        const char *name;
        uint64_t value;
    } rows[] = {
        {"MemTotal", total},
        {"MemFree", total - used},
        {"MemAvailable", total - used},
        {"Buffers", 0},
        {"Cached", file},
        {"SwapCached", 0},
        {"Active", used},
        {"Inactive", 0},
        {"Active(anon)", anon},
        {"Inactive(anon)", 0},
        {"Active(file)", file},
        {"Inactive(file)", 0},
        {"Unevictable", 0},
        {"Mlocked", 0},
        {"SwapTotal", 0},
        {"SwapFree", 0},
        {"Dirty", 0},
        {"Writeback", 0},
        {"AnonPages", anon},
        {"Mapped", file},
        {"Shmem", 0},
        {"KReclaimable", 0},
        {"Slab", 0},
        {"SReclaimable", 0},
        {"SUnreclaim", 0},
        {"KernelStack", 0},
        {"PageTables", 0},
        {"NFS_Unstable", 0},
        {"Bounce", 0},
        {"WritebackTmp", 0},
        {"CommitLimit", total},
        {"Committed_AS", anon}, /* DEVIATION: what is in use, without what was only asked for */
        {"VmallocTotal", 34359738367},
        {"VmallocUsed", 0},
        {"VmallocChunk", 0},
        {"Percpu", 0},
        {"AnonHugePages", 0},
        {"ShmemHugePages", 0},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        add_kb(out, rows[i].name, rows[i].value);
    }
    strbuf_adds(
        out,
        "HugePages_Total:       0\nHugePages_Free:        0\nHugePages_Rsvd:        0\n"
        "HugePages_Surp:        0\nHugepagesize:       2048 kB\nHugetlb:               0 kB\n");
    return 0;
}

int proc_show_vmstat(struct proc_inode *pi, struct strbuf *out)
{
    (void)pi;
    struct proc_machine_memory m;
    uint64_t kb = PAGE_SIZE / 1024;
    proc_machine_memory(&m);
    strbuf_printf(out, "nr_free_pages %lu\nnr_active_anon %lu\nnr_active_file %lu\nnr_mapped %lu\n",
                  (unsigned long)((m.total - m.used) / kb), (unsigned long)(m.anonymous / kb),
                  (unsigned long)(m.file / kb), (unsigned long)(m.file / kb));
    struct rusage sum = {0};
    struct task *t;
    list_for_each_entry (t, &g_kernel->tasks, all_link) {
        if (t->tg->leader == t) {
            struct rusage u = {0};
            thread_group_usage(t->tg, &u);
            rusage_add(&sum, &u);
            rusage_add(&sum, &t->tg->children_usage);
        }
    }
    strbuf_printf(out, "pgfault %ld\npgmajfault %ld\npswpin 0\npswpout 0\noom_kill 0\n",
                  sum.ru_minflt + sum.ru_majflt, sum.ru_majflt);
    return 0;
}

/*
 * Load averages decay exponentially over 1, 5 and 15 minutes. DEVIATION: nobody samples while nobody
 * looks; at each look the time since the last one counts as if it had been as busy as it is now.
 */
int proc_show_loadavg(struct proc_inode *pi, struct strbuf *out)
{
    static const int64_t periods[3] = {60, 300, 900};
    static struct proc_state unmounted; /* sysinfo(2) asks without a procfs */
    struct proc_state *state = pi ? proc_state_of(pi) : &unmounted;
    size_t running = count_running();
    int64_t now = ktime_monotonic_ns();
    int64_t since = state->load.sampled_ns ? state->load.sampled_ns : g_kernel->boot_monotonic_ns;
    /* The reader itself is running: it is not load. */
    uint64_t level = (uint64_t)(running > 0 ? running - 1 : 0) * 10000;
    for (size_t i = 0; i < 3; i++) {
        int64_t period = periods[i] * NSEC_PER_SEC, passed = MIN(now - since, period);
        int64_t gap = (int64_t)level - (int64_t)state->load.average[i];
        int64_t step = gap * (passed / NSEC_PER_MSEC) / (period / NSEC_PER_MSEC);
        state->load.average[i] = (uint64_t)((int64_t)state->load.average[i] + step);
    }
    state->load.sampled_ns = now;
    for (size_t i = 0; i < 3; i++) {
        unsigned long hundredths = (unsigned long)state->load.average[i] / 100;
        strbuf_printf(out, "%lu.%02lu ", hundredths / 100, hundredths % 100);
    }
    strbuf_printf(out, "%zu/%zu %d\n", running, g_kernel->task_count, g_kernel->last_pid);
    return 0;
}
