/*
 * /proc/PID/{status,stat,statm}: a process in text, for people and for ps. Analogous to Linux's
 * fs/proc/array.c and task_mmu.c. See proc_pid_status(5), proc_pid_stat(5).
 */
#include "sentry/procfs/proc.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "sentry/fs/tty.h"
#include "sentry/task/facts.h"
#include "sentry/task/ptrace.h"
#include "sentry/task/usage.h"

#define KB_PER_PAGE (PAGE_SIZE / 1024)

static const char *state_word(char state)
{
    switch (state) {
    case 'R':
        return "running";
    case 'T':
        return "stopped";
    case 't':
        return "tracing stop";
    case 'Z':
        return "zombie";
    default:
        return "sleeping";
    }
}

static int parent_of(const struct thread_group *tg)
{
    return tg->parent ? tg->parent->pid->nr : 0;
}

static size_t fd_size(const struct task *t)
{
    int highest = -1;
    for (int fd = t->files ? fd_table_next(t->files, 0) : -1; fd >= 0;
         fd = fd_table_next(t->files, fd + 1)) {
        highest = fd;
    }
    size_t size = 64;
    while (size < (size_t)(highest + 1)) {
        size *= 2;
    }
    return size;
}

/* Names may hold anything: what would break the line is escaped as Linux does. */
static void add_escaped(struct strbuf *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '\n') {
            strbuf_adds(out, "\\n");
        } else if (*text == '\\') {
            strbuf_adds(out, "\\\\");
        } else {
            strbuf_addc(out, *text);
        }
    }
}

static void show_identity(const struct task *t, struct strbuf *out)
{
    const struct thread_group *tg = t->tg;
    const struct cred *c = t->cred;
    const struct ptrace_state *p = task_traced(t);
    char state = task_state_char(t);
    strbuf_adds(out, "Name:\t");
    add_escaped(out, t->comm);
    strbuf_addc(out, '\n');
    if (t->fs) {
        strbuf_printf(out, "Umask:\t%04o\n", facts_umask(t->fs));
    }
    strbuf_printf(out, "State:\t%c (%s)\n", state, state_word(state));
    strbuf_printf(out, "Tgid:\t%d\nNgid:\t0\nPid:\t%d\nPPid:\t%d\nTracerPid:\t%d\n", task_tgid(t),
                  task_tid(t), parent_of(tg), p ? task_tid(p->tracer) : 0);
    strbuf_printf(out, "Uid:\t%u\t%u\t%u\t%u\n", c->uid, c->euid, c->suid, c->fsuid);
    strbuf_printf(out, "Gid:\t%u\t%u\t%u\t%u\n", c->gid, c->egid, c->sgid, c->fsgid);
    strbuf_printf(out, "FDSize:\t%zu\nGroups:\t", t->files ? fd_size(t) : 0);
    for (uint32_t i = 0; i < c->group_count; i++) {
        strbuf_printf(out, "%u ", c->groups[i]);
    }
    strbuf_printf(out, "%s\n", c->group_count ? "" : " ");
    strbuf_printf(out, "NStgid:\t%d\nNSpid:\t%d\nNSpgid:\t%d\nNSsid:\t%d\nKthread:\t0\n",
                  task_tgid(t), task_tid(t), tg->pgrp ? tg->pgrp->nr : 0,
                  tg->session ? tg->session->nr : 0);
}

static void add_kb(struct strbuf *out, const char *name, uint64_t pages)
{
    strbuf_printf(out, "%s:\t%8lu kB\n", name, (unsigned long)(pages * KB_PER_PAGE));
}

static void show_memory(const struct proc_memory *m, long max_rss_kb, struct strbuf *out)
{
    uint64_t peak = MAX(m->resident, (uint64_t)max_rss_kb / KB_PER_PAGE);
    add_kb(out, "VmPeak", m->size);
    add_kb(out, "VmSize", m->size);
    add_kb(out, "VmLck", 0);
    add_kb(out, "VmPin", 0);
    add_kb(out, "VmHWM", peak);
    add_kb(out, "VmRSS", m->resident);
    add_kb(out, "RssAnon", m->resident - MIN(m->resident, m->shared));
    add_kb(out, "RssFile", MIN(m->resident, m->shared));
    add_kb(out, "RssShmem", 0);
    add_kb(out, "VmData", m->data);
    add_kb(out, "VmStk", m->stack);
    add_kb(out, "VmExe", m->text);
    add_kb(out, "VmLib", m->lib);
    add_kb(out, "VmPTE", 0);
    add_kb(out, "VmSwap", 0);
    strbuf_adds(out, "HugetlbPages:\t       0 kB\nCoreDumping:\t0\nTHP_enabled:\t1\n"
                     "untag_mask:\t0xffffffffffffffff\n");
}

static void show_signals(struct task *t, struct strbuf *out)
{
    ksigset_t ignored = 0, caught = 0;
    if (t->tg->sighand) {
        signal_sets(t->tg, &ignored, &caught);
    }
    strbuf_printf(out, "SigQ:\t%zu/%lu\n", g_kernel->queued_signals,
                  (unsigned long)task_rlimit(t, RLIMIT_SIGPENDING));
    const struct {
        const char *name;
        ksigset_t set;
    } rows[] = {
        {"SigPnd", t->pending.set},
        {"ShdPnd", t->tg->pending.set},
        {"SigBlk", signal_blocked(t)},
        {"SigIgn", ignored},
        {"SigCgt", caught},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        strbuf_printf(out, "%s:\t%016lx\n", rows[i].name, (unsigned long)rows[i].set);
    }
}

static void show_rights(const struct task *t, struct strbuf *out)
{
    const struct cred *c = t->cred;
    const struct {
        const char *name;
        uint64_t set;
    } rows[] = {
        {"CapInh", c->cap_inheritable}, {"CapPrm", c->cap_permitted}, {"CapEff", c->cap_effective},
        {"CapBnd", c->cap_bset},        {"CapAmb", c->cap_ambient},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        strbuf_printf(out, "%s:\t%016lx\n", rows[i].name, (unsigned long)rows[i].set);
    }
    strbuf_printf(out, "NoNewPrivs:\t%d\nSeccomp:\t0\nSeccomp_filters:\t0\n", t->tg->no_new_privs);
    strbuf_adds(out, "Speculation_Store_Bypass:\tthread vulnerable\n"
                     "SpeculationIndirectBranch:\tconditional enabled\n");
}

void proc_cpu_list(struct strbuf *out, size_t count)
{
    strbuf_printf(out, count > 1 ? "0-%zu\n" : "0\n", count - 1);
}

static bool cpu_allowed(const struct task *t, size_t cpu)
{
    return cpu < 1024 && (t->cpu_affinity[cpu / 64] >> (cpu % 64) & 1);
}

/* "0-3,6": the CPUs that t may use. */
static void add_cpu_list(const struct task *t, struct strbuf *out)
{
    const char *comma = "";
    for (size_t cpu = 0; cpu < g_kernel->cpu_count; cpu++) {
        size_t last = cpu;
        if (!cpu_allowed(t, cpu)) {
            continue;
        }
        while (last + 1 < g_kernel->cpu_count && cpu_allowed(t, last + 1)) {
            last++;
        }
        strbuf_printf(out, last > cpu ? "%s%zu-%zu" : "%s%zu", comma, cpu, last);
        comma = ",";
        cpu = last;
    }
}

static void show_placement(const struct task *t, struct strbuf *out)
{
    size_t words = (MIN(MAX(g_kernel->cpu_count, (size_t)1), (size_t)1024) + 31) / 32;
    strbuf_adds(out, "Cpus_allowed:\t");
    for (size_t i = words; i-- > 0;) {
        uint32_t bits = (uint32_t)(t->cpu_affinity[i / 2] >> (i % 2 * 32));
        strbuf_printf(out, words > 1 ? "%08x" : "%x", bits);
        strbuf_addc(out, i ? ',' : '\n');
    }
    strbuf_adds(out, "Cpus_allowed_list:\t");
    add_cpu_list(t, out);
    strbuf_adds(out, "\nMems_allowed:\t00000001\nMems_allowed_list:\t0\n");
    strbuf_printf(out, "voluntary_ctxt_switches:\t%lu\nnonvoluntary_ctxt_switches:\t0\n",
                  (unsigned long)t->nvcsw);
    strbuf_adds(out, "x86_Thread_features:\t\nx86_Thread_features_locked:\t\n");
}

int proc_show_status(struct proc_inode *pi, struct strbuf *out)
{
    struct proc_memory memory;
    struct rusage usage = {0};
    struct mm *mm = proc_mm(pi);
    bool has_memory = mm;
    proc_memory_of(mm, &memory);
    thread_group_usage(pi->tg, &usage);
    struct task *t = proc_task(pi);
    if (!t) {
        return -ESRCH;
    }
    show_identity(t, out);
    if (has_memory) {
        show_memory(&memory, usage.ru_maxrss, out);
    }
    strbuf_printf(out, "Threads:\t%d\n", MAX(t->tg->live_threads, t->tg->zombie ? 1 : 0));
    show_signals(t, out);
    show_rights(t, out);
    show_placement(t, out);
    return 0;
}

static void add_numbers(struct strbuf *out, const uint64_t *numbers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        strbuf_printf(out, " %lu", (unsigned long)numbers[i]);
    }
}

/* As old programs know device numbers: minor's low byte, major, the rest of minor. */
static unsigned tty_number(const struct thread_group *tg)
{
    if (!tg->tty) {
        return 0;
    }
    unsigned low = minor(tg->tty->rdev) & 0xff;
    return low | major(tg->tty->rdev) << 8 | (minor(tg->tty->rdev) - low) << 12;
}

/* Addresses are shown to those who may look into the process; to others 0, as in Linux. */
static void add_layout(struct task *t, const struct mm *mm, bool permitted, struct strbuf *out)
{
    uint64_t v[3] = {0};
    if (mm) {
        v[0] = permitted ? mm->start_code : 1;
        v[1] = permitted ? mm->end_code : 1;
        v[2] = permitted ? mm->start_stack : 0;
    }
    ksigset_t ignored = 0, caught = 0;
    if (t->tg->sighand) {
        signal_sets(t->tg, &ignored, &caught);
    }
    add_numbers(out, v, 3);
    strbuf_printf(out, " 0 0 %lu %lu %lu %lu 0 0 0 %d 0 %d %d 0 0 0",
                  (unsigned long)(t->pending.set & 0x7fffffff),
                  (unsigned long)(signal_blocked(t) & 0x7fffffff),
                  (unsigned long)(ignored & 0x7fffffff), (unsigned long)(caught & 0x7fffffff),
                  t->tg->exit_signal, t->sched_priority, t->sched_policy);
    const uint64_t ends[7] = {
        mm ? mm->start_data : 0, mm ? mm->end_data : 0, mm ? mm->start_brk : 0,
        mm ? mm->arg_start : 0,  mm ? mm->arg_end : 0,  mm ? mm->env_start : 0,
        mm ? mm->env_end : 0,
    };
    const uint64_t none[7] = {0};
    add_numbers(out, permitted ? ends : none, 7);
    strbuf_printf(out, " %d\n", permitted ? t->tg->exit_status : 0);
}

int proc_show_stat(struct proc_inode *pi, struct strbuf *out)
{
    struct proc_memory memory;
    struct rusage u = {0};
    proc_memory_of(proc_mm(pi), &memory);
    thread_group_usage(pi->tg, &u);
    struct task *t = proc_task(pi);
    if (!t) {
        return -ESRCH;
    }
    const struct thread_group *tg = t->tg;
    const struct task *caller = proc_current();
    bool permitted = caller && proc_may_trace(caller->cred, t) == 0;
    const struct rusage *c = &tg->children_usage;
    strbuf_printf(out, "%d (%s) %c %d %d %d %u %d %u", task_tid(t), t->comm, task_state_char(t),
                  parent_of(tg), tg->pgrp ? tg->pgrp->nr : 0, tg->session ? tg->session->nr : 0,
                  tty_number(tg), tg->tty ? tg->tty->pgrp : -1, 0x400000u);
    strbuf_printf(out, " %ld %ld %ld %ld", u.ru_minflt, c->ru_minflt, u.ru_majflt, c->ru_majflt);
    strbuf_printf(out, " %ld %ld %ld %ld", usage_ticks(&u.ru_utime), usage_ticks(&u.ru_stime),
                  usage_ticks(&c->ru_utime), usage_ticks(&c->ru_stime));
    int64_t start = tg->start_ns - g_kernel->boot_monotonic_ns;
    strbuf_printf(out, " %d %d %d 0 %lld %lu %lu %lu", 20 + t->nice, t->nice,
                  MAX(tg->live_threads, tg->zombie ? 1 : 0),
                  (long long)(MAX(start, (int64_t)0) / (NSEC_PER_SEC / 100)),
                  (unsigned long)(memory.size * PAGE_SIZE), (unsigned long)memory.resident,
                  (unsigned long)tg->limits[RLIMIT_RSS].rlim_cur);
    add_layout(t, proc_mm(pi), permitted, out);
    return 0;
}

int proc_show_statm(struct proc_inode *pi, struct strbuf *out)
{
    struct proc_memory m;
    proc_memory_of(proc_mm(pi), &m);
    strbuf_printf(out, "%lu %lu %lu %lu 0 %lu 0\n", (unsigned long)m.size,
                  (unsigned long)m.resident, (unsigned long)m.shared, (unsigned long)m.text,
                  (unsigned long)m.data);
    return 0;
}
