/* LINK: sentry/vfs/cred.o lib/bug.o lib/log.o lib/host.o lib/strbuf.o */
/*
 * Credentials: groups, capabilities, copies.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "sentry/vfs/cred.h"

static void cred_new__root_and_user__capabilities(void **state)
{
    AUTO_PUT(cred) root = NULL;
    AUTO_PUT(cred) user = NULL;
    (void)state;
    assert_int_equal(cred_new(&root, 0, 0, NULL, 0), 0);
    assert_int_equal(cred_new(&user, 1000, 1000, NULL, 0), 0);
    assert_true(cred_capable(root, CAP_DAC_OVERRIDE));
    assert_true(cred_capable(root, CAP_LAST_CAP));
    assert_false(cred_capable(user, CAP_DAC_OVERRIDE));
    assert_true(user->cap_bset == CAP_FULL_SET);
}

static void cred_in_group__unsorted_groups__all_found(void **state)
{
    static const uint32_t groups[] = {50, 7, 4000000000u, 12, 9};
    AUTO_PUT(cred) c = NULL;
    (void)state;
    assert_int_equal(cred_new(&c, 1, 100, groups, 5), 0);
    for (size_t i = 0; i < 5; i++) {
        assert_true(cred_in_group(c, groups[i]));
    }
    assert_true(cred_in_group(c, 100));
    assert_false(cred_in_group(c, 8));
    c->fsgid = 8;
    assert_true(cred_in_group(c, 8));
    assert_false(cred_in_group(c, 100));
}

static void cred_copy__changed__original_untouched(void **state)
{
    static const uint32_t groups[] = {5};
    AUTO_PUT(cred) c = NULL;
    AUTO_PUT(cred) copy = NULL;
    (void)state;
    assert_int_equal(cred_new(&c, 1, 1, groups, 1), 0);
    assert_int_equal(cred_copy(c, &copy), 0);
    copy->groups[0] = 6;
    copy->fsuid = 9;
    assert_true(cred_in_group(c, 5) && c->fsuid == 1);
    assert_true(cred_in_group(copy, 6));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cred_new__root_and_user__capabilities),
        cmocka_unit_test(cred_in_group__unsorted_groups__all_found),
        cmocka_unit_test(cred_copy__changed__original_untouched),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
