/*
 * syscalls/table.def against Linux: every number and name of the headers, no holes but Linux's own, the number of
 * arguments of each call, and details that point at arguments that make sense.
 */
/* LINK: syscalls/support.o syscalls/info.o syscalls/decode_sets.o */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "syscalls/decode_sets.h"
#include "syscalls/info.h"
#include "syscalls/support.h"

#define LAST_OLD  336 /* uprobe */
#define FIRST_NEW 424
#define LAST_NEW  469 /* file_setattr */

/* Arguments by row, as Linux 6.18's SYSCALL_DEFINEn say (events/syscalls of tracefs shows them). */
static const char g_arg_counts[] = "33312223363214403443321505333333120221304333663323" /* 0 */
                                   "23345550031421334124533211223211221221232233312221" /* 50 */
                                   "14030110020002222333311112224322231122232322311122" /* 100 */
                                   "21003215212101252214221303200400000003555444333222" /* 150 */
                                   "21633021533001005310443421122241443206354155234554" /* 200 */
                                   "53203244345343453433651236444646321442442132155455" /* 250 */
                                   "2545321423665334533253513366642156400"              /* 300 */
                                   "4264352533223434565434212544434644444336654555";    /* 424 */

static FILE *open_header(void)
{
    static const char *const paths[] = {"/usr/include/x86_64-linux-gnu/asm/unistd_64.h",
                                        "/usr/include/asm/unistd_64.h"};
    for (size_t i = 0; i < ARRAY_COUNT(paths); i++) {
        FILE *f = fopen(paths[i], "r");
        if (f) {
            return f;
        }
    }
    return NULL;
}

static void table__linux_headers__same_numbers(void **state)
{
    (void)state;
    char line[256], name[128];
    unsigned nr, seen = 0;
    FILE *f = open_header();
    assert_non_null(f);
    while (fgets(line, sizeof(line), f)) {
        if (sscanf(line, "#define __NR_%127s %u", name, &nr) == 2) {
            const struct syscall_info *info = syscall_info(nr);
            assert_non_null(info);
            assert_string_equal(info->name, name);
            assert_ptr_equal(syscall_find(name), info);
            seen++;
        }
    }
    fclose(f);
    assert_true(seen > 350);
}

static void table__all_numbers__dense(void **state)
{
    (void)state;
    unsigned expected = 0;
    for (size_t i = 0; i < g_syscall_count; i++) {
        assert_int_equal(g_syscalls[i].nr, expected);
        expected = expected == LAST_OLD ? FIRST_NEW : expected + 1;
    }
    assert_int_equal(expected, LAST_NEW + 1);
    assert_null(syscall_info(LAST_OLD + 1));
    assert_null(syscall_info(FIRST_NEW - 1));
    assert_null(syscall_info(LAST_NEW + 1));
    assert_null(syscall_info(0x40000000)); /* x32's read */
    assert_null(syscall_info(UINT64_MAX));
}

static void table__newest_names__known(void **state)
{
    (void)state;
    static const struct {
        unsigned nr;
        const char *name;
    } newest[] = {{335, "uretprobe"},     {336, "uprobe"},         {451, "cachestat"},
                  {457, "statmount"},     {462, "mseal"},          {463, "setxattrat"},
                  {466, "removexattrat"}, {467, "open_tree_attr"}, {468, "file_getattr"},
                  {469, "file_setattr"}};
    for (size_t i = 0; i < ARRAY_COUNT(newest); i++) {
        assert_string_equal(syscall_info(newest[i].nr)->name, newest[i].name);
    }
}

static void table__argument_counts__as_linux(void **state)
{
    (void)state;
    assert_int_equal(strlen(g_arg_counts), g_syscall_count);
    for (size_t i = 0; i < g_syscall_count; i++) {
        if (g_syscalls[i].arg_count != (unsigned)(g_arg_counts[i] - '0')) {
            fail_msg("%s has %u arguments", g_syscalls[i].name, g_syscalls[i].arg_count);
        }
    }
}

static void table__support__note_and_errno_where_needed(void **state)
{
    (void)state;
    for (size_t i = 0; i < g_syscall_count; i++) {
        const struct syscall_support *s = &g_syscalls[i].support;
        assert_int_equal(s->level == LEVEL_FULL, s->note == NULL);
        assert_int_equal(s->level == LEVEL_UNSUPPORTED, s->error != 0);
        if (s->error) {
            assert_non_null(error_name(s->error));
        }
    }
}

static bool is_count(enum arg_kind kind)
{
    return kind == KIND_SIZE || kind == KIND_INT || kind == KIND_UINT || kind == KIND_ULONG;
}

static bool is_pointer(enum arg_kind kind)
{
    return kind >= KIND_PTR;
}

static void check_detail(const struct syscall_info *info, const struct arg_info *a)
{
    const struct arg_detail *d = &a->detail;
    switch (d->form) {
    case FORM_LEN:
    case FORM_RET:
    case FORM_CPUSET:
    case FORM_COUNT:
    case FORM_ARRAY:
    case FORM_RET_ARRAY:
    case FORM_SIZED:
    case FORM_FDSET:
        assert_true(is_pointer(a->kind));
        assert_true(d->n < info->arg_count);
        assert_true(is_count(info->args[d->n].kind));
        break;
    case FORM_LEN_AT:
    case FORM_SIZED_AT:
        assert_true(d->n < info->arg_count);
        assert_int_equal(info->args[d->n].kind, KIND_INOUT_STRUCT);
        assert_int_equal(info->args[d->n].detail.what, LAYOUT_int);
        break;
    case FORM_PATH:
    case FORM_TEXT:
        assert_int_equal(a->kind, KIND_IN_STR);
        break;
    case FORM_OF:
        assert_true(a->kind == KIND_IN_STRUCT || a->kind == KIND_OUT_STRUCT ||
                    a->kind == KIND_INOUT_STRUCT);
        break;
    case FORM_SET:
    case FORM_ENUM:
        assert_false(is_pointer(a->kind));
        assert_non_null(decode_set(d->what)->names);
        break;
    default:
        break;
    }
}

static void table__details__point_at_fitting_arguments(void **state)
{
    (void)state;
    for (size_t i = 0; i < g_syscall_count; i++) {
        for (unsigned j = 0; j < g_syscalls[i].arg_count; j++) {
            const struct arg_info *a = &g_syscalls[i].args[j];
            assert_non_null(a->name);
            check_detail(&g_syscalls[i], a);
            /* kinds whose size nothing else tells must have a detail */
            if (a->kind == KIND_IN_STR || a->kind == KIND_IN_BUF || a->kind == KIND_OUT_BUF ||
                a->kind == KIND_IN_STRUCT || a->kind == KIND_OUT_STRUCT ||
                a->kind == KIND_INOUT_STRUCT || a->kind == KIND_IN_IOVEC ||
                a->kind == KIND_OUT_IOVEC) {
                assert_int_not_equal(a->detail.form, FORM_NONE);
            }
        }
    }
}

static void decode_sets__every_set__has_names_and_no_duplicates(void **state)
{
    (void)state;
    for (int id = 0; id < DECODE_SET_COUNT; id++) {
        const struct decode_set *s = decode_set((enum decode_set_id)id);
        assert_true(s->count > 0);
        for (size_t i = 0; i < s->count; i++) {
            for (size_t j = 0; j < i; j++) {
                if (strcmp(s->names[i].name, s->names[j].name) == 0) {
                    fail_msg("%s twice", s->names[i].name);
                }
            }
        }
    }
}

/* Needs to run in the project's folder, as `make check` does. */
static void docs__syscalls_md__up_to_date(void **state)
{
    (void)state;
    char *expected = NULL, *actual = NULL;
    size_t size = 0, capacity = 0;
    FILE *memory = open_memstream(&expected, &size);
    assert_non_null(memory);
    syscalls_print_markdown(memory);
    fclose(memory);
    FILE *f = fopen("docs/SYSCALLS.md", "r");
    if (!f) {
        free(expected);
        skip();
    }
    ssize_t got = getdelim(&actual, &capacity, '\0', f);
    fclose(f);
    assert_int_equal(got, size); /* else: make docs */
    assert_memory_equal(actual, expected, size);
    free(expected);
    free(actual);
}

static void decode_value__unknown__null(void **state)
{
    (void)state;
    assert_string_equal(decode_value(DECODE_whence, 2), "SEEK_END");
    assert_null(decode_value(DECODE_whence, 77));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table__linux_headers__same_numbers),
        cmocka_unit_test(table__all_numbers__dense),
        cmocka_unit_test(table__newest_names__known),
        cmocka_unit_test(table__argument_counts__as_linux),
        cmocka_unit_test(table__support__note_and_errno_where_needed),
        cmocka_unit_test(table__details__point_at_fitting_arguments),
        cmocka_unit_test(decode_sets__every_set__has_names_and_no_duplicates),
        cmocka_unit_test(decode_value__unknown__null),
        cmocka_unit_test(docs__syscalls_md__up_to_date),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
