/* LINK: sentry/task/pid.o sentry/base/kernel.o lib/hash.o lib/bug.o lib/host.o */
/* PID numbers: order, wrap, limits, and how long a number stays taken. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sentry/task/task.h"

static void reset(void)
{
    g_kernel->last_pid = 0;
    g_kernel->max_pids = 0;
    g_kernel->task_count = 0;
}

static void pid_alloc__fresh__counts_up(void **state)
{
    struct pid *a, *b;
    (void)state;
    reset();
    assert_int_equal(pid_alloc(0, &a), 0);
    assert_int_equal(pid_alloc(0, &b), 0);
    assert_int_equal(a->nr, 1);
    assert_int_equal(b->nr, 2);
    pid_put(a);
    pid_put(b);
    assert_int_equal(pid_alloc(0, &a), 0);
    assert_int_equal(a->nr, 3); /* a freed number is not reused at once */
    pid_put(a);
}

static void pid_alloc__fixed_taken__eexist(void **state)
{
    struct pid *a, *b = NULL;
    (void)state;
    reset();
    assert_int_equal(pid_alloc(77, &a), 0);
    assert_int_equal(pid_alloc(77, &b), -EEXIST);
    pid_put(a);
    assert_int_equal(pid_alloc(77, &b), 0);
    pid_put(b);
}

static void pid_alloc__at_pid_max__wraps_above_reserved(void **state)
{
    struct pid *a, *b;
    (void)state;
    reset();
    g_kernel->last_pid = 4194302;
    assert_int_equal(pid_alloc(0, &a), 0);
    assert_int_equal(pid_alloc(0, &b), 0);
    assert_int_equal(a->nr, 4194303);
    assert_int_equal(b->nr, 300);
    pid_put(a);
    pid_put(b);
}

static void pid_alloc__limit_reached__eagain(void **state)
{
    struct pid *a = NULL;
    (void)state;
    reset();
    g_kernel->max_pids = 5;
    g_kernel->task_count = 5;
    assert_int_equal(pid_alloc(0, &a), -EAGAIN);
    g_kernel->task_count = 4;
    assert_int_equal(pid_alloc(0, &a), 0);
    pid_put(a);
}

static void pid_find__second_reference__still_there(void **state)
{
    struct pid *a;
    (void)state;
    reset();
    assert_int_equal(pid_alloc(0, &a), 0);
    int nr = a->nr;
    pid_get(a);
    pid_put(a);
    assert_ptr_equal(pid_find(nr), a);
    pid_put(a);
    assert_null(pid_find(nr));
    assert_null(pid_find(0));
    assert_null(pid_find(-1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pid_alloc__fresh__counts_up),
        cmocka_unit_test(pid_alloc__fixed_taken__eexist),
        cmocka_unit_test(pid_alloc__at_pid_max__wraps_above_reserved),
        cmocka_unit_test(pid_alloc__limit_reached__eagain),
        cmocka_unit_test(pid_find__second_reference__still_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
