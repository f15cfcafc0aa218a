/*
 * /proc itself: its table, the links to the caller, and the system-wide files that are short.
 */
#include "sentry/procfs/proc.h"

#include <errno.h>
#include <string.h>

static int link_self(struct proc_inode *pi, struct strbuf *out)
{
    (void)pi;
    const struct task *t = proc_current();
    if (!t) {
        return -ENOENT;
    }
    strbuf_printf(out, "%d", task_tgid(t));
    return 0;
}

static int link_thread_self(struct proc_inode *pi, struct strbuf *out)
{
    (void)pi;
    const struct task *t = proc_current();
    if (!t) {
        return -ENOENT;
    }
    strbuf_printf(out, "%d/task/%d", task_tgid(t), task_tid(t));
    return 0;
}

static int link_text(struct proc_inode *pi, struct strbuf *out)
{
    strbuf_adds(out, pi->entry->text);
    return 0;
}

static int show_version(struct proc_inode *pi, struct strbuf *out)
{
    (void)pi;
    strbuf_printf(out, "Linux version %s (sandbox) (%s) #1 SMP PREEMPT_DYNAMIC\n",
                  g_kernel->machine_release, "gcc " __VERSION__);
    return 0;
}

/* Each type that something is mounted of, and those that a program may look for before it mounts. */
static int show_filesystems(struct proc_inode *pi, struct strbuf *out)
{
    (void)pi;
    strbuf_adds(out, "nodev\tproc\nnodev\ttmpfs\nnodev\tdevtmpfs\nnodev\tdevpts\nnodev\tsockfs\n"
                     "nodev\tpipefs\nnodev\toverlay\n");
    return 0;
}

static int show_devices(struct proc_inode *pi, struct strbuf *out)
{
    (void)pi;
    strbuf_adds(out, "Character devices:\n  1 mem\n  5 /dev/tty\n  5 /dev/ptmx\n136 pts\n"
                     "\nBlock devices:\n");
    return 0;
}

#define ROOT_TEXT(n, t)                                                                            \
    {                                                                                              \
        .name = (n), .mode = S_IFREG | 0444, .show = proc_show_text, .text = (t)                   \
    }
#define ROOT_LINK(n, t)                                                                            \
    {                                                                                              \
        .name = (n), .mode = S_IFLNK | 0777, .link = link_text, .text = (t)                        \
    }

static int show_uptime(struct proc_inode *pi, struct strbuf *out);

static const struct proc_entry root_entries[] = {
    PROC_LINK("self", link_self),
    PROC_LINK("thread-self", link_thread_self),
    ROOT_LINK("mounts", "self/mounts"),
    ROOT_LINK("net", "self/net"),
    ROOT_TEXT("cmdline", "\n"),
    PROC_FILE("cpuinfo", 0444, proc_show_cpuinfo),
    PROC_FILE("devices", 0444, show_devices),
    ROOT_TEXT("diskstats", ""),
    PROC_FILE("filesystems", 0444, show_filesystems),
    PROC_FILE("loadavg", 0444, proc_show_loadavg),
    PROC_FILE("meminfo", 0444, proc_show_meminfo),
    ROOT_TEXT("modules", ""),
    ROOT_TEXT("partitions", "major minor  #blocks  name\n\n"),
    PROC_FILE("stat", 0444, proc_show_system_stat),
    ROOT_TEXT("swaps", "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"),
    {.name = "sys",
     .mode = S_IFDIR | 0555,
     .children = proc_sys_entries,
     .child_count = PROC_SYS_COUNT},
    PROC_FILE("uptime", 0444, show_uptime),
    PROC_FILE("version", 0444, show_version),
    PROC_FILE("vmstat", 0444, proc_show_vmstat),
};
const struct proc_entry proc_root_entry = {
    .name = "/",
    .mode = S_IFDIR | 0555,
    .children = root_entries,
    .child_count = ARRAY_COUNT(root_entries),
    .numbers = &proc_pids,
};

static int show_uptime(struct proc_inode *pi, struct strbuf *out)
{
    (void)pi;
    struct proc_cpu_time cpu;
    proc_cpu_time_of(&cpu);
    int64_t up = cpu.uptime_ns, idle = cpu.idle_ns;
    strbuf_printf(out, "%ld.%02ld %ld.%02ld\n", (long)(up / NSEC_PER_SEC),
                  (long)(up % NSEC_PER_SEC / 10000000), (long)(idle / NSEC_PER_SEC),
                  (long)(idle % NSEC_PER_SEC / 10000000));
    return 0;
}
