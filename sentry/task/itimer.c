/*
 * Interval timers, setitimer(2), analogous to Linux's kernel/time/itimer.c.
 *
 * ITIMER_REAL is a kernel timer. ITIMER_VIRTUAL and ITIMER_PROF count CPU time, which only the host
 * knows: a kernel timer looks at the process's CPU clock when it could have expired at the earliest
 * (all its threads running all the time), and goes to sleep again for what is missing, at least a tick.
 * DEVIATION: both count user and system time together.
 */
#include "sentry/task/itimer.h"

#include <string.h>

#include "sentry/task/internal.h"
#include "sentry/task/usage.h"

#define CPU_TICK_NS (4 * NSEC_PER_MSEC)
#define RUNNERS_MAX 16 /* threads that are looked at, of which each is a file of the host's */

static void send_timer_signal(struct thread_group *tg, int sig)
{
    int r = signal_send_group(tg, sig, NULL); /* SI_KERNEL, as Linux's SEND_SIG_PRIV */
    (void)r;                                  /* a standard signal always finds room */
}

static void real_fire(struct ktimer *k)
{
    struct itimer *it = container_of(k, struct itimer, timer);
    struct thread_group *tg = container_of(it, struct thread_group, real_timer);
    if (it->interval_ns) {
        /* From the deadline, not from now: no drift. Missed periods are skipped. */
        int64_t now = ktime_monotonic_ns(), next = k->deadline_ns + it->interval_ns;
        if (next <= now) {
            next += (now - next) / it->interval_ns * it->interval_ns + it->interval_ns;
        }
        ktimer_set(k, next);
    }
    send_timer_signal(tg, SIGALRM);
}

static void cpu_arm(struct thread_group *tg, int i, int64_t left_ns)
{
    int64_t threads = MAX(MIN(tg->live_threads, (int)g_kernel->cpu_count), 1);
    ktimer_set(&tg->cpu_timers[i].timer,
               ktime_monotonic_ns() + MAX(left_ns / threads, CPU_TICK_NS));
}

/*
 * On Linux the timer expires in the thread that runs, which gets the signal: a profiler looks at its stack. Here that is
 * the one that has run most since the timer looked last.
 */
static struct task *who_runs(struct thread_group *tg)
{
    struct task *t, *runner = tg->leader;
    int64_t most = 0;
    int left = RUNNERS_MAX;
    if (tg->live_threads <= 1) {
        return runner;
    }
    list_for_each_entry (t, &tg->threads, group_link) {
        if (t->exited || left-- <= 0) {
            continue;
        }
        int64_t used = usage_thread_cpu_ns(t), more = used - t->cpu_seen_ns;
        t->cpu_seen_ns = used;
        if (more > most) {
            most = more;
            runner = t;
        }
    }
    return runner;
}

static void send_to_runner(struct thread_group *tg, int sig)
{
    struct task *t = who_runs(tg);
    int r = t ? signal_send_runner(t, sig) : 0;
    (void)r; /* a standard signal always finds room */
}

static void cpu_fire(struct thread_group *tg, int i, int sig)
{
    int64_t left = tg->cpu_timer_expiry_ns[i] - usage_cpu_ns(tg);
    if (left > 0) {
        cpu_arm(tg, i, left);
        return;
    }
    int64_t interval = tg->cpu_timers[i].interval_ns;
    tg->cpu_timer_expiry_ns[i] = 0;
    if (interval) {
        tg->cpu_timer_expiry_ns[i] = usage_cpu_ns(tg) + interval;
        cpu_arm(tg, i, interval);
    }
    send_to_runner(tg, sig);
}

static void virtual_fire(struct ktimer *k)
{
    cpu_fire(container_of(k, struct thread_group, cpu_timers[0].timer), 0, SIGVTALRM);
}

static void prof_fire(struct ktimer *k)
{
    cpu_fire(container_of(k, struct thread_group, cpu_timers[1].timer), 1, SIGPROF);
}

/* RLIMIT_CPU: SIGXCPU at the soft limit and each second after, SIGKILL at the hard one. */
static void limit_fire(struct ktimer *k)
{
    struct thread_group *tg = container_of(k, struct thread_group, cpu_timers[2].timer);
    const struct rlimit *limit = &tg->limits[RLIMIT_CPU];
    int64_t used = usage_cpu_ns(tg);
    int64_t left = tg->cpu_timer_expiry_ns[2] - used;
    if (left > 0) {
        cpu_arm(tg, 2, left);
        return;
    }
    if (limit->rlim_max != RLIM_INFINITY && (rlim_t)(used / NSEC_PER_SEC) >= limit->rlim_max) {
        send_timer_signal(tg, SIGKILL);
        return;
    }
    tg->cpu_timer_expiry_ns[2] += NSEC_PER_SEC;
    cpu_arm(tg, 2, NSEC_PER_SEC);
    send_timer_signal(tg, SIGXCPU);
}

void thread_group_cpu_limit_changed(struct thread_group *tg)
{
    rlim_t seconds = tg->limits[RLIMIT_CPU].rlim_cur;
    ktimer_cancel(&tg->cpu_timers[2].timer);
    if (seconds < INT64_MAX / NSEC_PER_SEC) {
        tg->cpu_timer_expiry_ns[2] = (int64_t)MAX(seconds, 1UL) * NSEC_PER_SEC;
        cpu_arm(tg, 2, MAX(tg->cpu_timer_expiry_ns[2] - usage_cpu_ns(tg), 0L));
    }
}

void itimers_init(struct thread_group *tg)
{
    ktimer_init(&tg->real_timer.timer, real_fire);
    ktimer_init(&tg->cpu_timers[0].timer, virtual_fire);
    ktimer_init(&tg->cpu_timers[1].timer, prof_fire);
    ktimer_init(&tg->cpu_timers[2].timer, limit_fire);
}

void itimers_cancel(struct thread_group *tg)
{
    ktimer_cancel(&tg->real_timer.timer);
    ktimer_cancel(&tg->cpu_timers[0].timer);
    ktimer_cancel(&tg->cpu_timers[1].timer);
    ktimer_cancel(&tg->cpu_timers[2].timer);
}

void itimer_get(struct thread_group *tg, int which, int64_t *out_value_ns, int64_t *out_interval_ns)
{
    int64_t left = 0;
    if (which == ITIMER_REAL) {
        *out_interval_ns = tg->real_timer.interval_ns;
        if (ktimer_armed(&tg->real_timer.timer)) {
            left = MAX(tg->real_timer.timer.deadline_ns - ktime_monotonic_ns(), NSEC_PER_USEC);
        }
    } else {
        int i = which == ITIMER_PROF;
        *out_interval_ns = tg->cpu_timers[i].interval_ns;
        if (tg->cpu_timer_expiry_ns[i]) {
            left = MAX(tg->cpu_timer_expiry_ns[i] - usage_cpu_ns(tg), CPU_TICK_NS);
        }
    }
    *out_value_ns = left;
}

void itimer_set(struct thread_group *tg, int which, int64_t value_ns, int64_t interval_ns)
{
    interval_ns = MIN(interval_ns, INT64_MAX / 4); /* 73 years: sums of it don't overflow */
    if (which == ITIMER_REAL) {
        tg->real_timer.interval_ns = value_ns ? interval_ns : 0;
        if (value_ns) {
            int64_t now = ktime_monotonic_ns();
            ktimer_set(&tg->real_timer.timer,
                       value_ns > INT64_MAX - now ? INT64_MAX - 1 : now + value_ns);
        } else {
            ktimer_cancel(&tg->real_timer.timer);
        }
        return;
    }
    int i = which == ITIMER_PROF;
    tg->cpu_timers[i].interval_ns = value_ns ? interval_ns : 0;
    ktimer_cancel(&tg->cpu_timers[i].timer);
    tg->cpu_timer_expiry_ns[i] = 0;
    if (value_ns) {
        value_ns = MIN(value_ns, INT64_MAX / 4);
        tg->cpu_timer_expiry_ns[i] = usage_cpu_ns(tg) + value_ns;
        cpu_arm(tg, i, value_ns);
    }
}
