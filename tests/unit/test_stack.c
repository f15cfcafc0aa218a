/* LINK: loader/stack.o lib/strbuf.o lib/bug.o */
/*
 * loader/stack.h: the first stack of a program. The test walks it as a C runtime would.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>

#include <cmocka.h>
#include <elf.h>
#include <errno.h>
#include <string.h>

#include "loader/stack.h"

#define TOP 0x7fff00000000UL

static struct stack_image image;

static uint64_t word(uaddr_t at)
{
    uint64_t w;
    assert_in_range(at, image.sp, TOP - 8);
    memcpy(&w, image.bytes + (at - image.sp), 8);
    return w;
}

static const char *text(uaddr_t at)
{
    assert_in_range(at, image.sp, TOP - 1);
    return image.bytes + (at - image.sp);
}

static uint64_t aux(uaddr_t at, uint64_t type)
{
    for (; word(at) != AT_NULL; at += 16) {
        if (word(at) == type) {
            return word(at + 8);
        }
    }
    fail_msg("no auxv entry %lu", (unsigned long)type);
    return 0;
}

static void check_layout(uint64_t padding)
{
    struct arg_list args = {0}, env = {0};
    assert_int_equal(arg_list_add(&args, "prog"), 0);
    assert_int_equal(arg_list_add(&args, ""), 0);
    assert_int_equal(arg_list_add(&args, "two words"), 0);
    assert_int_equal(arg_list_add(&env, "HOME=/"), 0);
    struct auxv auxv = {0};
    auxv_add(&auxv, AT_PAGESZ, 4096);
    auxv_add(&auxv, AT_RANDOM, 0);
    auxv_add(&auxv, AT_EXECFN, 0);
    auxv_add(&auxv, AT_PLATFORM, 0);
    struct stack_request r = {
        .args = &args, .env = &env, .execfn = "/bin/prog", .top = TOP, .padding = padding};
    memcpy(r.random, "0123456789abcdef", 16);
    assert_int_equal(stack_build(&r, &auxv, &image), 0);
    assert_int_equal(image.sp % 16, 0);
    assert_int_equal(image.sp + image.size, TOP);
    assert_true(image.size <= stack_size_bound(&args, &env, r.execfn));

    assert_int_equal(word(image.sp), 3);
    assert_string_equal(text(word(image.sp + 8)), "prog");
    assert_string_equal(text(word(image.sp + 16)), "");
    assert_string_equal(text(word(image.sp + 24)), "two words");
    assert_int_equal(word(image.sp + 32), 0);
    assert_string_equal(text(word(image.sp + 40)), "HOME=/");
    assert_int_equal(word(image.sp + 48), 0);
    uaddr_t at = image.sp + 56;
    assert_int_equal(aux(at, AT_PAGESZ), 4096);
    assert_memory_equal(text(aux(at, AT_RANDOM)), "0123456789abcdef", 16);
    assert_string_equal(text(aux(at, AT_PLATFORM)), "x86_64");
    /* execfn ends 8 bytes below the top, and the strings lie below it in order */
    assert_int_equal(aux(at, AT_EXECFN), TOP - 8 - 10);
    assert_int_equal(word(TOP - 8), 0);
    assert_int_equal(image.env_end, TOP - 18);
    assert_int_equal(image.arg_end, image.env_start);
    assert_int_equal(image.arg_start, word(image.sp + 8));
    assert_int_equal(image.env_start, word(image.sp + 40));
    stack_image_free(&image);
    arg_list_free(&args);
    arg_list_free(&env);
}

static void stack_build__any_padding__is_walkable(void **state)
{
    (void)state;
    for (uint64_t padding = 0; padding < 8192; padding += 7) {
        check_layout(padding);
    }
}

static void arg_space__limits__as_linux(void **state)
{
    (void)state;
    const uint64_t eight_mib = 8UL << 20;
    assert_int_equal(arg_space(eight_mib, 1, 0), (2 << 20) - 8);
    assert_int_equal(arg_space(eight_mib, 0, 0), (2 << 20) - 8); /* an empty argv gets a string */
    assert_int_equal(arg_space(UINT64_MAX, 10, 10), (6 << 20) - 160);
    assert_int_equal(arg_space(0, 1, 1), 131072 - 16); /* ARG_MAX whatever the limit */
    assert_int_equal(arg_space(0, 131072 / 8, 0), -E2BIG);
    assert_int_equal(arg_space(0, SIZE_MAX, SIZE_MAX), -E2BIG);
}

static void arg_list_add__too_long__e2big(void **state)
{
    (void)state;
    char *s = malloc(ARG_STRING_MAX + 1);
    assert_non_null(s);
    memset(s, 'x', ARG_STRING_MAX);
    s[ARG_STRING_MAX] = '\0';
    struct arg_list l = {0};
    assert_int_equal(arg_list_add(&l, s), -E2BIG);
    assert_int_equal(arg_list_add(&l, s + 1), 0);
    assert_int_equal(l.text.size, ARG_STRING_MAX);
    arg_list_free(&l);
    free(s);
}

static void arg_list_replace_first__script__rewrites(void **state)
{
    (void)state;
    struct arg_list l = {0};
    assert_int_equal(arg_list_add(&l, "argv0"), 0);
    assert_int_equal(arg_list_add(&l, "rest"), 0);
    const char *const texts[] = {"/bin/sh", "-x", "./script"};
    assert_int_equal(arg_list_replace_first(&l, texts, 3), 0);
    assert_int_equal(l.count, 4);
    assert_memory_equal(l.text.text, "/bin/sh\0-x\0./script\0rest", 26);
    arg_list_free(&l);
    assert_int_equal(arg_list_replace_first(&l, texts, 1), 0);
    assert_int_equal(l.count, 1);
    arg_list_free(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stack_build__any_padding__is_walkable),
        cmocka_unit_test(arg_space__limits__as_linux),
        cmocka_unit_test(arg_list_add__too_long__e2big),
        cmocka_unit_test(arg_list_replace_first__script__rewrites),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
