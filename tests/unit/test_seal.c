/* What seals forbid: sentry/vfs/seal.c. */
/* LINK: sentry/vfs/seal.o */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "sentry/vfs/seal.h"

static struct inode file_of(uint32_t seals, int64_t size)
{
    return (struct inode){
        .mode = S_IFREG | 0755, .i_flags = INODE_SEALABLE, .seals = seals, .size = size};
}

static void seal_check_size__no_seals__allowed(void **state)
{
    (void)state;
    const struct inode f = file_of(0, 100);
    assert_int_equal(seal_check_size(&f, 0), 0);
    assert_int_equal(seal_check_size(&f, 1000), 0);
}

static void seal_check_size__shrink_and_grow__eperm_beyond(void **state)
{
    (void)state;
    const struct inode shrink = file_of(F_SEAL_SHRINK, 100), grow = file_of(F_SEAL_GROW, 100);
    assert_int_equal(seal_check_size(&shrink, 99), -EPERM);
    assert_int_equal(seal_check_size(&shrink, 100), 0);
    assert_int_equal(seal_check_size(&shrink, 101), 0);
    assert_int_equal(seal_check_size(&grow, 99), 0);
    assert_int_equal(seal_check_size(&grow, 100), 0);
    assert_int_equal(seal_check_size(&grow, 101), -EPERM);
}

static void seal_check_write__write_seals__eperm(void **state)
{
    (void)state;
    size_t size = 1;
    const struct inode w = file_of(F_SEAL_WRITE, 100), future = file_of(F_SEAL_FUTURE_WRITE, 100);
    assert_int_equal(seal_check_write(&w, 0, &size), -EPERM);
    assert_int_equal(seal_check_write(&future, 0, &size), -EPERM);
    size = 0;
    assert_int_equal(seal_check_write(&w, 0, &size), 0);
}

static void seal_check_write__grow__cut_at_last_whole_page(void **state)
{
    (void)state;
    const struct inode f = file_of(F_SEAL_GROW, 2 * 4096 + 10);
    size_t size = 10;
    assert_int_equal(seal_check_write(&f, 2 * 4096, &size), 0);
    assert_int_equal(size, 10);
    size = 11;
    assert_int_equal(seal_check_write(&f, 2 * 4096, &size), -EPERM);
    size = 3 * 4096;
    assert_int_equal(seal_check_write(&f, 100, &size), 0);
    assert_int_equal(size, 2 * 4096 - 100);
    size = SIZE_MAX;
    assert_int_equal(seal_check_write(&f, INT64_MAX, &size), -EPERM);
}

static void seal_check_mode__exec_seal__only_x_bits_matter(void **state)
{
    (void)state;
    const struct inode f = file_of(0x20 /* F_SEAL_EXEC */, 0), free_file = file_of(0, 0);
    assert_int_equal(seal_check_mode(&f, 0755), 0);
    assert_int_equal(seal_check_mode(&f, 0711), 0);
    assert_int_equal(seal_check_mode(&f, 0644), -EPERM);
    assert_int_equal(seal_check_mode(&free_file, 0644), 0);
}

static void seal_denies_mapping__write_seals__true(void **state)
{
    (void)state;
    const struct inode w = file_of(F_SEAL_WRITE, 0), g = file_of(F_SEAL_GROW | F_SEAL_SHRINK, 0);
    assert_true(seal_denies_mapping(&w));
    assert_false(seal_denies_mapping(&g));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(seal_check_size__no_seals__allowed),
        cmocka_unit_test(seal_check_size__shrink_and_grow__eperm_beyond),
        cmocka_unit_test(seal_check_write__write_seals__eperm),
        cmocka_unit_test(seal_check_write__grow__cut_at_last_whole_page),
        cmocka_unit_test(seal_check_mode__exec_seal__only_x_bits_matter),
        cmocka_unit_test(seal_denies_mapping__write_seals__true),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
