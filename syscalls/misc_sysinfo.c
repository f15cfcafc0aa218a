/* sysinfo(2): what /proc/loadavg, /proc/meminfo and /proc/uptime say, in one structure. */
#include <stdio.h>
#include <string.h>
#include <sys/sysinfo.h>

#include "sentry/base/errno.h"
#include "sentry/mm/usercopy.h"
#include "sentry/procfs/proc.h"
#include "syscalls/syscalls.h"

#define LOAD_SHIFT 16 /* SI_LOAD_SHIFT */

/* The three averages of /proc/loadavg, so that both always agree. May block. */
static int load_averages(unsigned long loads[3])
{
    AUTO_STRBUF text = {0};
    unsigned long whole[3] = {0}, hundredths[3] = {0};

    int r = proc_show_loadavg(NULL, &text);
    strbuf_addc(&text, '\0');
    if (r < 0 || strbuf_error(&text) < 0) {
        return r < 0 ? r : -ENOMEM;
    }
    if (sscanf(text.text, "%lu.%lu %lu.%lu %lu.%lu", &whole[0], &hundredths[0], &whole[1],
               &hundredths[1], &whole[2], &hundredths[2]) != 6) {
        return -EIO;
    }
    for (int i = 0; i < 3; i++) {
        loads[i] = (whole[i] << LOAD_SHIFT) + (hundredths[i] << LOAD_SHIFT) / 100;
    }
    return 0;
}

/**
 * sys_sysinfo - see sysinfo(2).
 * Context: may block (memory use is the host's to tell).
 * Errors:  -EFAULT, -ENOMEM.
 */
long sys_sysinfo(struct task *t, uaddr_t info)
{
    struct proc_machine_memory m;
    struct sysinfo s;
    memset(&s, 0, sizeof(s));

    int r = load_averages(s.loads);
    if (r < 0) {
        return r;
    }
    proc_machine_memory(&m);
    s.uptime = (ktime_monotonic_ns() - g_kernel->boot_monotonic_ns) / NSEC_PER_SEC + 1;
    s.totalram = g_kernel->total_memory;
    s.freeram = (m.total - m.used) * 1024; /* nothing is shared, nor in buffers */
    s.procs = (unsigned short)MIN(g_kernel->task_count, (size_t)UINT16_MAX);
    s.mem_unit = 1;
    return put_user(t->mm, info, &s);
}
