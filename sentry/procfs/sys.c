/*
 * /proc/sys: what programs ask of it. Values are the sandbox's own; the few that can be set are
 * those that mean something here. Analogous to Linux's sysctl tables. See proc_sys(5).
 *
 * DEVIATION: a value without a meaning in a sandbox can't be written (-EIO), not even by root.
 */
#include "sentry/procfs/proc.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "lib/host.h"

static int show_value(struct proc_inode *pi, struct strbuf *out)
{
    strbuf_printf(out, "%ld\n", pi->entry->value);
    return 0;
}
#define VALUE(n, v)                                                                                \
    {                                                                                              \
        .name = (n), .mode = S_IFREG | 0444, .show = show_value, .value = (v)                      \
    }
#define TEXT(n, t)                                                                                 \
    {                                                                                              \
        .name = (n), .mode = S_IFREG | 0444, .show = proc_show_text, .text = (t)                   \
    }

int proc_parse(const char *text, long min, long max, long *out)
{
    char *end;
    text += strspn(text, " \t\n");
    errno = 0;
    long value = strtol(text, &end, 10);
    if (end == text || end[strspn(end, " \t\n")] != '\0') {
        return -EINVAL;
    }
    if (errno == ERANGE || value < min || value > max) {
        return -ERANGE;
    }
    *out = value;
    return 0;
}

/* --- kernel --- */

static int show_hostname(struct proc_inode *pi, struct strbuf *out)
{
    (void)pi;
    strbuf_printf(out, "%s\n", g_kernel->hostname);
    return 0;
}

static int show_domainname(struct proc_inode *pi, struct strbuf *out)
{
    (void)pi;
    strbuf_printf(out, "%s\n", g_kernel->domainname[0] ? g_kernel->domainname : "(none)");
    return 0;
}

static int store_name(char name[static 65], const struct cred *cred, const char *text)
{
    if (!cred_capable(cred, CAP_SYS_ADMIN)) {
        return -EPERM;
    }
    snprintf(name, 65, "%.*s", (int)MIN(strcspn(text, "\n"), (size_t)64), text);
    return 0;
}

static int store_hostname(struct proc_inode *pi, const struct cred *cred, char *text)
{
    (void)pi;
    return store_name(g_kernel->hostname, cred, text);
}

static int store_domainname(struct proc_inode *pi, const struct cred *cred, char *text)
{
    (void)pi;
    return store_name(g_kernel->domainname, cred, text);
}

static int show_osrelease(struct proc_inode *pi, struct strbuf *out)
{
    (void)pi;
    strbuf_printf(out, "%s\n", g_kernel->machine_release);
    return 0;
}

static int show_threads_max(struct proc_inode *pi, struct strbuf *out)
{
    (void)pi;
    strbuf_printf(out, "%d\n", g_kernel->max_pids > 0 ? g_kernel->max_pids : 4194304);
    return 0;
}

static int show_last_pid(struct proc_inode *pi, struct strbuf *out)
{
    (void)pi;
    strbuf_printf(out, "%d\n", g_kernel->last_pid);
    return 0;
}

void proc_make_uuid(char out[37])
{
    uint8_t b[16];
    host_random(b, sizeof(b));
    b[6] = (b[6] & 0x0f) | 0x40;
    b[8] = (b[8] & 0x3f) | 0x80;
    for (size_t i = 0, at = 0; i < sizeof(b); i++) {
        at += (size_t)sprintf(out + at, i == 4 || i == 6 || i == 8 || i == 10 ? "-%02x" : "%02x",
                              b[i]);
    }
}

static int show_uuid(struct proc_inode *pi, struct strbuf *out)
{
    (void)pi;
    char uuid[37];
    proc_make_uuid(uuid);
    strbuf_printf(out, "%s\n", uuid);
    return 0;
}

static int show_boot_id(struct proc_inode *pi, struct strbuf *out)
{
    strbuf_printf(out, "%s\n", proc_state_of(pi)->boot_id);
    return 0;
}

static const struct proc_entry random_entries[] = {
    PROC_FILE("boot_id", 0444, show_boot_id),
    VALUE("entropy_avail", 256),
    VALUE("poolsize", 256),
    VALUE("urandom_min_reseed_secs", 60),
    PROC_FILE("uuid", 0444, show_uuid),
    VALUE("write_wakeup_threshold", 256),
};

static const struct proc_entry kernel_entries[] = {
    TEXT("arch", "x86_64\n"),
    VALUE("cap_last_cap", CAP_LAST_CAP),
    TEXT("core_pattern", "core\n"),
    VALUE("core_uses_pid", 0),
    PROC_WRITABLE("domainname", 0644, show_domainname, store_domainname),
    PROC_WRITABLE("hostname", 0644, show_hostname, store_hostname),
    VALUE("io_uring_disabled", 2),
    VALUE("kptr_restrict", 1),
    VALUE("dmesg_restrict", 1),
    VALUE("msgmax", 8192),
    VALUE("msgmnb", 16384),
    VALUE("msgmni", 32000),
    VALUE("ngroups_max", 65536),
    PROC_FILE("ns_last_pid", 0444, show_last_pid),
    PROC_FILE("osrelease", 0444, show_osrelease),
    TEXT("ostype", "Linux\n"),
    VALUE("overflowgid", 65534),
    VALUE("overflowuid", 65534),
    VALUE("perf_event_paranoid", 3),
    VALUE("pid_max", 4194304),
    TEXT("printk", "4\t4\t1\t7\n"),
    PROC_DIR("random", 0555, random_entries),
    VALUE("randomize_va_space", 2),
    VALUE("sched_rr_timeslice_ms", 100),
    VALUE("sched_rt_period_us", 1000000),
    VALUE("sched_rt_runtime_us", 950000),
    TEXT("sem", "32000\t1024000000\t500\t32000\n"),
    TEXT("shmall", "18446744073692774399\n"),
    TEXT("shmmax", "18446744073692774399\n"),
    VALUE("shmmni", 4096),
    VALUE("tainted", 0),
    PROC_FILE("threads-max", 0444, show_threads_max),
    VALUE("unprivileged_bpf_disabled", 2),
    TEXT("version", "#1 SMP PREEMPT_DYNAMIC\n"),
};

/* --- vm --- */

static const struct proc_entry vm_entries[] = {
    VALUE("dirty_background_ratio", 10),
    VALUE("dirty_ratio", 20),
    VALUE("max_map_count", 65530),
    VALUE("min_free_kbytes", 16384),
    VALUE("mmap_min_addr", 65536),
    VALUE("mmap_rnd_bits", 28),
    VALUE("nr_hugepages", 0),
    VALUE("overcommit_memory", 0),
    VALUE("overcommit_ratio", 50),
    VALUE("page-cluster", 3),
    VALUE("swappiness", 60),
    VALUE("unprivileged_userfaultfd", 0),
    VALUE("vfs_cache_pressure", 100),
    VALUE("zone_reclaim_mode", 0),
};

/* --- fs --- */

static int show_file_nr(struct proc_inode *pi, struct strbuf *out)
{
    (void)pi;
    const struct task *t;
    size_t files = 0;
    list_for_each_entry (t, &g_kernel->tasks, all_link) {
        if (t->tg->leader != t || !t->files || t->exited) {
            continue;
        }
        for (int fd = fd_table_next(t->files, 0); fd >= 0; fd = fd_table_next(t->files, fd + 1)) {
            files++;
        }
    }
    strbuf_printf(out, "%zu\t0\t%ld\n", files, LONG_MAX);
    return 0;
}

static int show_dentry_state(struct proc_inode *pi, struct strbuf *out)
{
    (void)pi;
    strbuf_printf(out, "%zu\t0\t45\t0\t0\t0\n", g_kernel->dentry_count);
    return 0;
}

static const struct proc_entry inotify_entries[] = {
    VALUE("max_queued_events", 16384),
    VALUE("max_user_instances", 128),
    VALUE("max_user_watches", 65536),
};
static const struct proc_entry epoll_entries[] = {VALUE("max_user_watches", 65536L * 16)};
static const struct proc_entry fs_entries[] = {
    VALUE("aio-max-nr", 65536),
    PROC_FILE("dentry-state", 0444, show_dentry_state),
    VALUE("dir-notify-enable", 1),
    PROC_DIR("epoll", 0555, epoll_entries),
    VALUE("file-max", LONG_MAX),
    PROC_FILE("file-nr", 0444, show_file_nr),
    PROC_DIR("inotify", 0555, inotify_entries),
    VALUE("lease-break-time", 45),
    VALUE("mount-max", 100000),
    VALUE("nr_open", 1048576),
    VALUE("overflowgid", 65534),
    VALUE("overflowuid", 65534),
    VALUE("pipe-max-size", 1048576),
    VALUE("pipe-user-pages-hard", 0),
    VALUE("pipe-user-pages-soft", 16384),
    VALUE("protected_fifos", 0),
    VALUE("protected_hardlinks", 1),
    VALUE("protected_regular", 0),
    VALUE("protected_symlinks", 0),
    VALUE("suid_dumpable", 0),
};

/* --- net --- */

static const struct proc_entry net_core_entries[] = {
    VALUE("optmem_max", 131072), VALUE("rmem_default", 212992), VALUE("rmem_max", 212992),
    VALUE("somaxconn", 4096),    VALUE("wmem_default", 212992), VALUE("wmem_max", 212992),
};
static const struct proc_entry net_ipv4_entries[] = {
    TEXT("ip_local_port_range", "32768\t60999\n"),
    VALUE("ip_unprivileged_port_start", 1024),
    VALUE("tcp_fin_timeout", 60),
    VALUE("tcp_keepalive_intvl", 75),
    VALUE("tcp_keepalive_probes", 9),
    VALUE("tcp_keepalive_time", 7200),
    VALUE("tcp_max_syn_backlog", 4096),
    TEXT("tcp_rmem", "4096\t131072\t6291456\n"),
    TEXT("tcp_wmem", "4096\t16384\t4194304\n"),
};
static const struct proc_entry net_unix_entries[] = {VALUE("max_dgram_qlen", 10)};
static const struct proc_entry net_entries[] = {
    PROC_DIR("core", 0555, net_core_entries),
    PROC_DIR("ipv4", 0555, net_ipv4_entries),
    PROC_DIR("unix", 0555, net_unix_entries),
};

static const struct proc_entry user_entries[] = {
    VALUE("max_user_namespaces", 0), VALUE("max_pid_namespaces", 0), VALUE("max_net_namespaces", 0),
    VALUE("max_mnt_namespaces", 0),  VALUE("max_uts_namespaces", 0), VALUE("max_ipc_namespaces", 0),
};

const struct proc_entry proc_sys_entries[PROC_SYS_COUNT] = {
    PROC_DIR("fs", 0555, fs_entries),   PROC_DIR("kernel", 0555, kernel_entries),
    PROC_DIR("net", 0555, net_entries), PROC_DIR("user", 0555, user_entries),
    PROC_DIR("vm", 0555, vm_entries),
};
