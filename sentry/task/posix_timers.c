/*
 * POSIX timers, analogous to Linux's kernel/time/posix-timers.c.
 *
 * A timer has at most one signal queued. While it waits to be taken the timer rests; the taker gets
 * the number of periods that passed (overrun), and that re-arms it. CPU clocks are polled, as in itimer.c.
 */
#include "sentry/task/posix_timers.h"

#include <limits.h>

#include "sentry/task/internal.h"
#include "sentry/task/usage.h"

#define CPU_TICK_NS (4 * NSEC_PER_MSEC)

struct posix_timer {
    struct list link;        /* thread_group.posix_timers */
    struct thread_group *tg; /* borrowed: outlives its timers */
    struct cpu_clock cpu;    /* refs; tg NULL: not a CPU clock */
    struct task *target;     /* ref: SIGEV_THREAD_ID; NULL: the process */
    struct posix_timer_spec spec;
    int id;
    struct ktimer timer;
    int64_t expiry_ns; /* on its clock; 0: not armed */
    int64_t interval_ns;
    int64_t overrun_last;
    bool queued; /* its signal waits to be taken */
};

static int64_t timer_now(const struct posix_timer *pt)
{
    return pt->cpu.tg ? cpu_clock_ns(&pt->cpu) : host_time_ns(pt->spec.clock);
}

static void arm(struct posix_timer *pt)
{
    int64_t left = pt->expiry_ns - timer_now(pt);
    if (pt->cpu.tg && left > 0) {
        int live = pt->cpu.task ? 1 : pt->cpu.tg->live_threads;
        int64_t threads = MAX(MIN(live, (int)g_kernel->cpu_count), 1);
        left = MAX(left / threads, CPU_TICK_NS);
    }
    int64_t now = ktime_monotonic_ns();
    ktimer_set(&pt->timer, left > INT64_MAX - 1 - now ? INT64_MAX - 1 : now + MAX(left, 0L));
}

/* Moves the expiry behind now. Return: how many periods were skipped. */
static int64_t forward(struct posix_timer *pt)
{
    int64_t late = timer_now(pt) - pt->expiry_ns;
    int64_t periods = late > 0 ? late / pt->interval_ns : 0;
    pt->expiry_ns += periods * pt->interval_ns; /* not past now */
    if (__builtin_add_overflow(pt->expiry_ns, pt->interval_ns, &pt->expiry_ns)) {
        pt->expiry_ns = INT64_MAX;
    }
    return periods;
}

static bool send(struct posix_timer *pt)
{
    siginfo_t info;
    siginfo_init(&info, pt->spec.signo, SI_TIMER, 0, 0);
    info.si_timerid = pt->id;
    info.si_value = pt->spec.value;
    struct task *to = pt->target ? pt->target : pt->tg->leader;
    if (!to || to->tg->exiting || (pt->target && to->exited)) {
        return false;
    }
    if (signal_is_ignored(pt->tg, info.si_signo) &&
        !(signal_blocked(to) & KSIG_BIT(info.si_signo))) {
        return false;
    }
    return signal_send_timer(pt->tg, pt->target, &info) == 0;
}

static void fire(struct ktimer *k)
{
    struct posix_timer *pt = container_of(k, struct posix_timer, timer);
    if (pt->expiry_ns > timer_now(pt)) {
        arm(pt); /* the CPU clock did not run all the time, or the wall clock was set back */
        return;
    }
    if (pt->spec.notify == SIGEV_NONE) {
        return; /* timer_gettime computes it all */
    }
    if (send(pt)) {
        pt->queued = true;
    } else if (pt->interval_ns) {
        forward(pt);
        arm(pt);
    }
}

static struct posix_timer *find(struct thread_group *tg, int id)
{
    struct posix_timer *pt;
    list_for_each_entry (pt, &tg->posix_timers, link) {
        if (pt->id == id) {
            return pt;
        }
    }
    return NULL;
}

void posix_timer_dequeued(struct thread_group *tg, siginfo_t *info)
{
    struct posix_timer *pt = find(tg, info->si_timerid);
    if (!pt || !pt->queued) {
        return;
    }
    pt->queued = false;
    pt->overrun_last = 0;
    if (pt->interval_ns) {
        pt->overrun_last = forward(pt);
        arm(pt);
    }
    info->si_overrun = (int)MIN(pt->overrun_last, (int64_t)INT_MAX);
}

static void disarm(struct posix_timer *pt)
{
    struct thread_group *tg = pt->tg;
    ktimer_cancel(&pt->timer);
    if (pt->queued) {
        sigpending_drop_timer(pt->target ? &pt->target->pending : &tg->pending, pt->id);
        pt->queued = false;
    }
}

static void timer_free(struct posix_timer *pt)
{
    disarm(pt);
    list_del(&pt->link);
    pt->tg->timer_count--;
    task_put(pt->target);
    cpu_clock_put(&pt->cpu);
    free(pt);
}

void posix_timers_cancel(struct thread_group *tg)
{
    while (!list_empty(&tg->posix_timers)) {
        timer_free(list_entry(tg->posix_timers.next, struct posix_timer, link));
    }
}

/* Linux's good_sigevent. */
static int check_target(struct task *t, const struct posix_timer_spec *s, struct task **out)
{
    int notify = s->notify;
    if (notify == (SIGEV_SIGNAL | SIGEV_THREAD_ID)) {
        AUTO_PUT(task) target = task_find(s->tid);
        if (!target || target->tg != t->tg || target->exited) {
            return -EINVAL;
        }
        notify = SIGEV_SIGNAL;
        *out = take(&target);
    }
    switch (notify) {
    case SIGEV_SIGNAL:
    case SIGEV_THREAD:
        if (s->signo <= 0 || s->signo > KSIG_MAX) {
            return -EINVAL;
        }
        return 0;
    case SIGEV_NONE:
        return 0;
    default:
        return -EINVAL;
    }
}

static int check_clock(struct task *t, const struct posix_timer_spec *s, struct cpu_clock *out_cpu)
{
    enum clock_kind kind;
    int r = guest_clock_kind(t, s->clock, &kind);
    if (r < 0) {
        return r;
    }
    if (kind == CLOCK_KIND_READ || kind == CLOCK_KIND_ALARM) {
        return -EOPNOTSUPP;
    }
    return kind == CLOCK_KIND_CPU ? cpu_clock_get(t, s->clock, out_cpu) : 0;
}

int posix_timer_create(struct task *t, const struct posix_timer_spec *spec)
{
    struct thread_group *tg = t->tg;
    struct cpu_clock cpu = {0};
    AUTO_PUT(task) target = NULL;
    int r = check_clock(t, spec, &cpu);
    if (r == 0 && tg->timer_count >= tg->limits[RLIMIT_SIGPENDING].rlim_cur) {
        r = -EAGAIN;
    }
    if (r == 0) {
        r = check_target(t, spec, &target);
    }
    if (r < 0) {
        cpu_clock_put(&cpu);
        return r;
    }
    struct posix_timer *pt = calloc(1, sizeof(*pt));
    if (!pt) {
        cpu_clock_put(&cpu);
        return -EAGAIN;
    }
    do {
        pt->id = tg->next_timer_id;
        tg->next_timer_id = pt->id == INT_MAX ? 0 : pt->id + 1;
    } while (find(tg, pt->id));
    pt->spec = *spec;
    if (spec->value_is_id) {
        pt->spec.value.sival_int = pt->id;
    }
    pt->tg = tg;
    pt->cpu = cpu;
    pt->target = take(&target);
    ktimer_init(&pt->timer, fire);
    list_add_tail(&pt->link, &tg->posix_timers);
    tg->timer_count++;
    return pt->id;
}

int posix_timer_settime(struct task *t, int id, bool absolute, int64_t value_ns,
                        int64_t interval_ns)
{
    struct posix_timer *pt = find(t->tg, id);
    if (!pt) {
        return -EINVAL;
    }
    disarm(pt);
    pt->overrun_last = 0;
    pt->interval_ns = 0;
    pt->expiry_ns = 0;
    if (!value_ns) {
        return 0;
    }
    pt->interval_ns = interval_ns;
    int64_t now = absolute ? 0 : timer_now(pt);
    pt->expiry_ns = value_ns > INT64_MAX - now ? INT64_MAX : now + value_ns;
    arm(pt);
    return 0;
}

int posix_timer_gettime(struct task *t, int id, int64_t *out_left_ns, int64_t *out_interval_ns)
{
    struct posix_timer *pt = find(t->tg, id);
    if (!pt) {
        return -EINVAL;
    }
    *out_interval_ns = pt->interval_ns;
    *out_left_ns = 0;
    if (!pt->expiry_ns) {
        return 0;
    }
    int64_t left = pt->expiry_ns - timer_now(pt);
    if (left <= 0 && pt->interval_ns && (pt->queued || pt->spec.notify == SIGEV_NONE)) {
        /* As if it had been re-armed already. */
        left = pt->interval_ns - (-left % pt->interval_ns);
    }
    if (left > 0) {
        *out_left_ns = left;
    } else if (pt->spec.notify != SIGEV_NONE && ktimer_armed(&pt->timer)) {
        *out_left_ns = 1; /* about to fire: 0 would say "not armed" */
    }
    return 0;
}

int posix_timer_getoverrun(struct task *t, int id)
{
    const struct posix_timer *pt = find(t->tg, id);
    return pt ? (int)MIN(pt->overrun_last, (int64_t)INT_MAX) : -EINVAL;
}

int posix_timer_delete(struct task *t, int id)
{
    struct posix_timer *pt = find(t->tg, id);
    if (!pt) {
        return -EINVAL;
    }
    timer_free(pt);
    return 0;
}
