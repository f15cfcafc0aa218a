/* LINK: sentry/task/sigqueue.o sentry/base/kernel.o lib/bug.o */
/* Queues of pending signals: what is kept, and what is taken first. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sentry/task/internal.h"

/* Wait queues need the kernel threads; a signal queue only has one in it. */
void waitq_init(struct waitq *q)
{
    list_init(&q->waiters);
}

#define NO_LIMIT UINT64_MAX

static int add(struct sigpending *p, int sig, int code, int value)
{
    siginfo_t info;
    siginfo_init(&info, sig, code, 1, 0);
    info.si_value.sival_int = value;
    return sigpending_add(p, sig, &info, NO_LIMIT, false);
}

static void sigpending_add__standard_twice__kept_once(void **state)
{
    struct sigpending p;
    siginfo_t info;
    (void)state;
    sigpending_init(&p);
    assert_int_equal(add(&p, SIGUSR1, SI_QUEUE, 1), 0);
    assert_int_equal(add(&p, SIGUSR1, SI_QUEUE, 2), 0);
    assert_int_equal(p.count, 1);
    sigpending_take(&p, SIGUSR1, &info);
    assert_int_equal(info.si_value.sival_int, 1);
    assert_int_equal(p.set, 0);
    assert_int_equal(g_kernel->queued_signals, 0);
}

static void sigpending_add__realtime__all_kept_in_order(void **state)
{
    struct sigpending p;
    siginfo_t info;
    (void)state;
    sigpending_init(&p);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(add(&p, 40, SI_QUEUE, i), 0);
    }
    for (int i = 0; i < 3; i++) {
        assert_int_equal(sigpending_next(&p, 0), 40);
        sigpending_take(&p, 40, &info);
        assert_int_equal(info.si_value.sival_int, i);
    }
    assert_int_equal(sigpending_next(&p, 0), 0);
}

static void sigpending_add__over_limit__realtime_eagain_kill_kept(void **state)
{
    struct sigpending p;
    siginfo_t info;
    (void)state;
    sigpending_init(&p);
    siginfo_init(&info, 40, SI_QUEUE, 1, 0);
    assert_int_equal(sigpending_add(&p, 40, &info, 0, false), -EAGAIN);
    info.si_code = SI_USER; /* kill(2) of a real-time signal: pending without details */
    assert_int_equal(sigpending_add(&p, 40, &info, 0, false), 0);
    assert_int_equal(p.count, 0);
    assert_int_equal(sigpending_next(&p, 0), 40);
    sigpending_take(&p, 40, &info);
    assert_int_equal(info.si_code, SI_USER);
    assert_int_equal(info.si_pid, 0);
}

static void sigpending_next__several__lowest_unblocked_first(void **state)
{
    struct sigpending p;
    (void)state;
    sigpending_init(&p);
    assert_int_equal(add(&p, 50, SI_QUEUE, 0), 0);
    assert_int_equal(add(&p, SIGTERM, SI_USER, 0), 0);
    assert_int_equal(add(&p, SIGHUP, SI_USER, 0), 0);
    assert_int_equal(sigpending_next(&p, 0), SIGHUP);
    assert_int_equal(sigpending_next(&p, KSIG_BIT(SIGHUP)), SIGTERM);
    assert_int_equal(sigpending_next(&p, KSIG_BIT(SIGHUP) | KSIG_BIT(SIGTERM)), 50);
    sigpending_flush(&p);
    assert_int_equal(g_kernel->queued_signals, 0);
}

static void sigpending_next__fault_pending__before_all_others(void **state)
{
    struct sigpending p;
    (void)state;
    sigpending_init(&p);
    assert_int_equal(add(&p, SIGHUP, SI_USER, 0), 0);
    assert_int_equal(add(&p, SIGBUS, SI_USER, 0), 0);
    assert_int_equal(add(&p, SIGSEGV, SEGV_MAPERR, 0), 0);
    assert_int_equal(sigpending_next(&p, 0), SIGSEGV); /* a real fault before a sent one */
    sigpending_drop(&p, KSIG_BIT(SIGSEGV));
    assert_int_equal(sigpending_next(&p, 0), SIGBUS);
    sigpending_flush(&p);
}

static void sigpending_drop_timer__other_source__stays_pending(void **state)
{
    struct sigpending p;
    siginfo_t info;
    (void)state;
    sigpending_init(&p);
    assert_int_equal(add(&p, SIGALRM, SI_USER, 0), 0);
    siginfo_init(&info, SIGALRM, SI_TIMER, 0, 0);
    info.si_timerid = 3;
    assert_int_equal(sigpending_add(&p, SIGALRM, &info, NO_LIMIT, true), 0);
    assert_int_equal(p.count, 2); /* timers have room of their own */
    sigpending_drop_timer(&p, 3);
    assert_int_equal(p.count, 1);
    assert_int_equal(sigpending_next(&p, 0), SIGALRM);
    sigpending_flush(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sigpending_add__standard_twice__kept_once),
        cmocka_unit_test(sigpending_add__realtime__all_kept_in_order),
        cmocka_unit_test(sigpending_add__over_limit__realtime_eagain_kill_kept),
        cmocka_unit_test(sigpending_next__several__lowest_unblocked_first),
        cmocka_unit_test(sigpending_next__fault_pending__before_all_others),
        cmocka_unit_test(sigpending_drop_timer__other_source__stays_pending),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
