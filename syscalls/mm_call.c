/*
 * How a memory call reaches the host, and the limits that the host can't apply for us: its own limits
 * count the stub, and are not the guest's. Analogous to may_expand_vm and mlock's checks in Linux.
 */
#include "syscalls/mm_call.h"

#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

#include "lib/strbuf.h"
#include "sentry/base/errno.h"
#include "syscalls/strace.h"

/* The platform will refuse it: an error that is known now needs no trip. */
static bool touches_reserved(const struct mem_call *m)
{
    return platform_range_reserved(m->args[0], m->args[1]) ||
           (m->nr == SYS_mremap && platform_range_reserved(m->args[4], m->args[2]));
}

long mem_perform(struct task *t, const struct mem_call *m)
{
    if (signal_pending(t) || touches_reserved(m) || strace_on()) {
        return platform_mem(t->pt, m);
    }
    return platform_mem_tail(t->pt, m);
}

/* One line of /proc/PID/maps into the sums. */
static void measure_line(const char *line, struct mm_sizes *out)
{
    unsigned long start, end;
    char perms[5];
    if (sscanf(line, "%lx-%lx %4s", &start, &end, perms) != 3 || start >= PLATFORM_TASK_SIZE ||
        platform_range_reserved(start, end - start)) {
        return;
    }
    out->total += end - start;
    if (perms[1] == 'w' && perms[3] == 'p' && !strstr(line, "[stack]")) {
        out->data += end - start;
    }
}

int mm_measure(struct mm *mm, struct mm_sizes *out)
{
    AUTO_STRBUF text = {0};
    *out = (struct mm_sizes){0};
    int r = platform_proc_read(mm->space, "maps", &text);
    if (r < 0) {
        return r;
    }
    char *save = NULL;
    for (char *line = strtok_r(text.text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        measure_line(line, out);
    }
    strbuf_clear(&text);
    r = platform_proc_read(mm->space, "status", &text);
    if (r < 0) {
        return r;
    }
    const char *locked = text.text ? strstr(text.text, "\nVmLck:") : NULL;
    if (locked) {
        out->locked = strtoull(locked + strlen("\nVmLck:"), NULL, 10) * 1024;
    }
    return 0;
}

/*
 * DEVIATION: a MAP_FIXED over what is mapped already counts twice, because only the host knows how
 * much it replaces; Linux subtracts it.
 */
int mm_limit_growth(struct task *t, uint64_t size, bool data)
{
    struct mm_sizes now;
    uint64_t limit_total = task_rlimit(t, RLIMIT_AS);
    uint64_t limit_data = data ? task_rlimit(t, RLIMIT_DATA) : RLIM_INFINITY;
    if (limit_total == RLIM_INFINITY && limit_data == RLIM_INFINITY) {
        return 0;
    }
    int r = mm_measure(t->mm, &now);
    if (r < 0) {
        return r;
    }
    if (size > limit_total || now.total > limit_total - size) {
        return -ENOMEM;
    }
    if (size > limit_data || now.data > limit_data - size) {
        return -ENOMEM;
    }
    return 0;
}

int mm_limit_lock(struct task *t, uint64_t size)
{
    struct mm_sizes now;
    uint64_t limit = task_rlimit(t, RLIMIT_MEMLOCK);
    if (limit == RLIM_INFINITY || cred_capable(t->cred, CAP_IPC_LOCK)) {
        return 0;
    }
    if (limit == 0) {
        return -EPERM;
    }
    int r = mm_measure(t->mm, &now);
    if (r < 0) {
        return r;
    }
    return size > limit || now.locked > limit - size ? -ENOMEM : 0;
}
