/*
 * What holds signals: dispositions (struct sighand) and queues of pending ones (struct sigpending).
 * Analogous to the lower half of Linux's kernel/signal.c. No policy: who gets what is signal_send.c.
 */
#include "sentry/task/internal.h"

#include <string.h>

int sighand_new(struct sighand **out)
{
    struct sighand *s = calloc(1, sizeof(*s));
    if (!s) {
        return -ENOMEM;
    }
    refcount_init(&s->ref);
    waitq_init(&s->signalfd_wait);
    *out = s;
    return 0;
}

int sighand_copy(const struct sighand *s, struct sighand **out)
{
    int r = sighand_new(out);
    if (r == 0) {
        memcpy((*out)->action, s->action, sizeof(s->action));
    }
    return r;
}

struct sighand *sighand_get(struct sighand *s)
{
    refcount_get(&s->ref);
    return s;
}

void sighand_put(struct sighand *s)
{
    if (refcount_put(&s->ref)) {
        /* An epoll set elsewhere may still watch this process's signals: it never hears of them again. */
        while (!list_empty(&s->signalfd_wait.waiters)) {
            list_del(s->signalfd_wait.waiters.next);
        }
        free(s);
    }
}

void sigpending_init(struct sigpending *p)
{
    p->set = 0;
    p->count = 0;
    list_init(&p->queue);
}

static void sigpending_free(struct sigpending *p, struct ksiginfo *q)
{
    list_del(&q->link);
    p->count--;
    g_kernel->queued_signals--;
    free(q);
}

void sigpending_flush(struct sigpending *p)
{
    sigpending_drop(p, ~(ksigset_t)0);
}

void siginfo_init(siginfo_t *info, int sig, int code, int pid, uint32_t uid)
{
    memset(info, 0, sizeof(*info));
    info->si_signo = sig;
    info->si_code = code;
    info->si_pid = pid;
    info->si_uid = uid;
}

/*
 * A standard signal that is pending already is not queued again. When there is no room, a standard signal
 * stays pending without details, and so does a real-time signal from kill(2); others fail.
 * DEVIATION: RLIMIT_SIGPENDING counts the whole sandbox's queue, not one user's.
 */
int sigpending_add(struct sigpending *p, int sig, const siginfo_t *info, uint64_t limit, bool timer)
{
    if (sig < KSIG_RTMIN && !timer && (p->set & KSIG_BIT(sig))) {
        return 0;
    }
    bool must = timer || (sig < KSIG_RTMIN && (!info || info->si_code >= 0));
    struct ksiginfo *q = NULL;
    if (must || g_kernel->queued_signals < limit) {
        q = malloc(sizeof(*q));
    }
    if (!q) {
        if (sig >= KSIG_RTMIN && info && info->si_code != SI_USER) {
            return -EAGAIN;
        }
        p->set |= KSIG_BIT(sig);
        return 0;
    }
    if (info) {
        q->info = *info;
        q->info.si_signo = sig;
    } else {
        siginfo_init(&q->info, sig, SI_KERNEL, 0, 0);
    }
    list_add_tail(&q->link, &p->queue);
    p->count++;
    g_kernel->queued_signals++;
    p->set |= KSIG_BIT(sig);
    return 0;
}

/* The first queued fault: it must be delivered before an asynchronous signal moves the registers. */
static int next_synchronous(const struct sigpending *p, ksigset_t deliverable)
{
    if (!(deliverable & SIGSET_SYNCHRONOUS)) {
        return 0;
    }
    const struct ksiginfo *q;
    list_for_each_entry (q, &p->queue, link) {
        int sig = q->info.si_signo;
        if (q->info.si_code > SI_USER && (deliverable & KSIG_BIT(sig) & SIGSET_SYNCHRONOUS)) {
            return sig;
        }
    }
    return 0;
}

int sigpending_next(const struct sigpending *p, ksigset_t mask)
{
    ksigset_t deliverable = p->set & ~mask;
    if (!deliverable) {
        return 0;
    }
    int sig = next_synchronous(p, deliverable);
    if (sig) {
        return sig;
    }
    if (deliverable & SIGSET_SYNCHRONOUS) {
        deliverable &= SIGSET_SYNCHRONOUS;
    }
    return __builtin_ctzll(deliverable) + 1;
}

void sigpending_take(struct sigpending *p, int sig, siginfo_t *out)
{
    struct ksiginfo *q, *first = NULL;
    bool more = false;
    list_for_each_entry (q, &p->queue, link) {
        if (q->info.si_signo != sig) {
            continue;
        }
        if (first) {
            more = true;
            break;
        }
        first = q;
    }
    if (!more) {
        p->set &= ~KSIG_BIT(sig);
    }
    if (!first) {
        siginfo_init(out, sig, SI_USER, 0, 0);
        return;
    }
    *out = first->info;
    sigpending_free(p, first);
}

void sigpending_drop(struct sigpending *p, ksigset_t set)
{
    struct ksiginfo *q, *next;
    p->set &= ~set;
    list_for_each_entry_safe (q, next, &p->queue, link) {
        if (set & KSIG_BIT(q->info.si_signo)) {
            sigpending_free(p, q);
        }
    }
}

void sigpending_drop_timer(struct sigpending *p, int timer_id)
{
    struct ksiginfo *q, *next;
    ksigset_t touched = 0;
    list_for_each_entry_safe (q, next, &p->queue, link) {
        if (q->info.si_code == SI_TIMER && q->info.si_timerid == timer_id) {
            touched |= KSIG_BIT(q->info.si_signo);
            sigpending_free(p, q);
        }
    }
    p->set &= ~touched;
    list_for_each_entry (q, &p->queue, link) {
        p->set |= KSIG_BIT(q->info.si_signo);
    }
}
