/*
 * Accounting. A guest process's CPU time is its stub's, as the host counts it; what the sentry does
 * for it is not in it. An exec may go on in another host process: the time in the old one is remembered, as system time.
 * DEVIATION: page faults and context switches there are forgotten; those of a thread count from the beginning of its host
 * thread, in which there may have been others.
 */
#include "sentry/task/usage.h"

#include "lib/host.h"
#include "sentry/task/internal.h"

#include <stdio.h>
#include <string.h>

#define USER_HZ 100

static struct timeval ticks_timeval(uint64_t ticks)
{
    return (struct timeval){.tv_sec = (time_t)(ticks / USER_HZ),
                            .tv_usec = (suseconds_t)(ticks % USER_HZ * (1000000 / USER_HZ))};
}

/* Fields of proc_pid_stat(5) from the third on: behind the name, which may hold anything. */
static void parse_stat(const char *text, struct rusage *out)
{
    unsigned long minflt, majflt, utime, stime, rss;
    const char *p = strrchr(text, ')');
    if (!p) {
        return;
    }
    int n = sscanf(
        p + 1,
        " %*c %*d %*d %*d %*d %*d %*u %lu %*u %lu %*u %lu %lu %*d %*d %*d %*d %*d %*d %*u %*u %lu",
        &minflt, &majflt, &utime, &stime, &rss);
    if (n != 5) {
        return;
    }
    out->ru_minflt = (long)minflt;
    out->ru_majflt = (long)majflt;
    out->ru_utime = ticks_timeval(utime);
    out->ru_stime = ticks_timeval(stime);
    out->ru_maxrss = MAX(out->ru_maxrss, (long)(rss * (PAGE_SIZE / 1024)));
}

static struct task *any_living(struct thread_group *tg)
{
    struct task *t;
    if (tg->host_killed || tg->vm_borrowed) {
        return NULL;
    }
    list_for_each_entry (t, &tg->threads, group_link) {
        if (t->pt && !t->exited) {
            return t;
        }
    }
    return NULL;
}

static struct timeval ns_timeval(int64_t ns)
{
    return (struct timeval){.tv_sec = (time_t)(ns / NSEC_PER_SEC),
                            .tv_usec = (suseconds_t)(ns % NSEC_PER_SEC / NSEC_PER_USEC)};
}

/* CPU time, divided as user and system time are to each other. */
static void set_times(struct rusage *out, int64_t total_ns, double user, double system)
{
    int64_t user_ns =
        user + system > 0 ? (int64_t)((double)total_ns * (user / (user + system))) : 0;
    out->ru_utime = ns_timeval(user_ns);
    out->ru_stime = ns_timeval(total_ns - user_ns);
}

static void add_before(const struct thread_group *tg, struct rusage *out)
{
    out->ru_stime = ns_timeval(timeval_ns(&out->ru_stime) + tg->cpu_before_ns);
}

void usage_collect(struct thread_group *tg)
{
    struct task *t = any_living(tg);
    AUTO_STRBUF text = {0};
    if (!t || platform_proc_read(platform_space(t->pt), "stat", &text) < 0 || !text.text) {
        return;
    }
    parse_stat(text.text, &tg->usage);
    add_before(tg, &tg->usage);
    tg->utime = tg->usage.ru_utime;
    tg->stime = tg->usage.ru_stime;
}

/* The CPU-time clock of another process, as clock_getcpuclockid(3) makes it: readable for everybody on Linux. */
static clockid_t process_clock(int host_pid)
{
    return (clockid_t)(~(unsigned)host_pid << 3 | 2);
}

int64_t usage_exec_begin(const struct task *t)
{
    return host_clock_ns(process_clock(platform_host_pid(t->pt)));
}

void usage_exec_moved(struct task *t, int64_t before_ns)
{
    t->tg->cpu_before_ns += MAX(before_ns, 0);
}

/* The host says how much CPU time it was, the guest how much of that was user time. */
static bool collect_said(struct thread_group *tg, struct task *t)
{
    struct platform_exit_info info;
    if (!platform_exit_info(t->pt, &info)) {
        return false;
    }
    int64_t total = host_clock_ns(process_clock(platform_host_pid(t->pt)));
    double user = (double)timeval_ns(&info.usage.ru_utime);
    double system = (double)timeval_ns(&info.usage.ru_stime);
    if (total <= 0 || user < 0 || system < 0 || info.usage.ru_minflt < 0 ||
        info.usage.ru_majflt < 0 || info.usage.ru_maxrss < 0 || info.usage.ru_nvcsw < 0 ||
        info.usage.ru_nivcsw < 0) {
        return false;
    }
    tg->usage = (struct rusage){.ru_minflt = info.usage.ru_minflt,
                                .ru_majflt = info.usage.ru_majflt,
                                .ru_maxrss = MAX(tg->usage.ru_maxrss, info.usage.ru_maxrss),
                                .ru_nvcsw = info.usage.ru_nvcsw,
                                .ru_nivcsw = info.usage.ru_nivcsw};
    set_times(&tg->usage, total, user, system);
    add_before(tg, &tg->usage);
    tg->utime = tg->usage.ru_utime;
    tg->stime = tg->usage.ru_stime;
    return true;
}

void usage_collect_last(struct thread_group *tg)
{
    struct task *t;
    list_for_each_entry (t, &tg->threads, group_link) {
        if (t->pt && !t->exited && !tg->vm_borrowed && collect_said(tg, t)) {
            return;
        }
    }
    usage_collect(tg);
}

/* The peak, which stat does not have. */
static void collect_peak(struct thread_group *tg)
{
    struct task *t = any_living(tg);
    AUTO_STRBUF text = {0};
    unsigned long peak, voluntary, forced;
    if (!t || platform_proc_read(platform_space(t->pt), "status", &text) < 0 || !text.text) {
        return;
    }
    const char *p = strstr(text.text, "\nVmHWM:");
    if (p && sscanf(p, "\nVmHWM: %lu", &peak) == 1) {
        tg->usage.ru_maxrss = MAX(tg->usage.ru_maxrss, (long)peak);
    }
    p = strstr(text.text, "\nvoluntary_ctxt_switches:");
    if (p && sscanf(p, "\nvoluntary_ctxt_switches: %lu nonvoluntary_ctxt_switches: %lu", &voluntary,
                    &forced) == 2) {
        tg->usage.ru_nvcsw = (long)voluntary;
        tg->usage.ru_nivcsw = (long)forced;
    }
}

void thread_group_usage(struct thread_group *tg, struct rusage *out)
{
    usage_collect(tg);
    collect_peak(tg);
    *out = tg->usage;
}

int64_t usage_cpu_ns(struct thread_group *tg)
{
    struct task *t = any_living(tg);
    int pid = t ? platform_host_pid(t->pt) : -1;
    int64_t ns = pid > 0 ? host_clock_ns(process_clock(pid)) : -1;
    if (ns > 0) {
        return ns + tg->cpu_before_ns;
    }
    usage_collect(tg);
    return timeval_ns(&tg->usage.ru_utime) + timeval_ns(&tg->usage.ru_stime);
}

/* Text of a file of t's own host thread. */
static int thread_text(struct task *t, const char *file, struct strbuf *out)
{
    char name[48];
    int tid = t->pt ? platform_host_tid(t->pt) : 0;
    if (tid <= 0 || t->tg->host_killed) {
        return -ESRCH;
    }
    snprintf(name, sizeof(name), "task/%d/%s", tid, file);
    int r = platform_proc_read(platform_space(t->pt), name, out);
    return r == 0 && !out->text ? -ESRCH : r;
}

int64_t usage_thread_cpu_ns(struct task *t)
{
    AUTO_STRBUF text = {0};
    unsigned long ns;
    if (thread_text(t, "schedstat", &text) == 0 && sscanf(text.text, "%lu", &ns) == 1) {
        int64_t own = MAX((int64_t)ns - platform_cpu_start(t->pt), 0);
        return own + (t == t->tg->leader ? t->tg->cpu_before_ns : 0);
    }
    return usage_cpu_ns(t->tg); /* a host without schedstat */
}

/* The host thread had other threads before: what they used is not out's. */
static void forget_former(int64_t former_ns, struct rusage *out)
{
    int64_t user = timeval_ns(&out->ru_utime), system = timeval_ns(&out->ru_stime);
    if (former_ns > 0) {
        set_times(out, MAX(user + system - former_ns, 0), (double)user, (double)system);
    }
}

void task_usage(struct task *t, struct rusage *out)
{
    AUTO_STRBUF text = {0};
    thread_group_usage(t->tg, out);
    if (thread_text(t, "stat", &text) == 0) {
        parse_stat(text.text, out);
        forget_former(platform_cpu_start(t->pt), out);
        if (t == t->tg->leader) {
            add_before(t->tg, out);
        }
    }
}

static void timeval_add(struct timeval *to, const struct timeval *add)
{
    to->tv_sec += add->tv_sec;
    to->tv_usec += add->tv_usec;
    if (to->tv_usec >= 1000000) {
        to->tv_usec -= 1000000;
        to->tv_sec++;
    }
}

void rusage_add(struct rusage *to, const struct rusage *add)
{
    timeval_add(&to->ru_utime, &add->ru_utime);
    timeval_add(&to->ru_stime, &add->ru_stime);
    to->ru_maxrss = MAX(to->ru_maxrss, add->ru_maxrss);
    to->ru_minflt += add->ru_minflt;
    to->ru_majflt += add->ru_majflt;
    to->ru_inblock += add->ru_inblock;
    to->ru_oublock += add->ru_oublock;
    to->ru_nvcsw += add->ru_nvcsw;
    to->ru_nivcsw += add->ru_nivcsw;
}

void usage_add_child(struct thread_group *parent, const struct thread_group *child)
{
    rusage_add(&parent->children_usage, &child->usage);
    rusage_add(&parent->children_usage, &child->children_usage);
}

long usage_ticks(const struct timeval *tv)
{
    return tv->tv_sec * USER_HZ + tv->tv_usec / (1000000 / USER_HZ);
}
