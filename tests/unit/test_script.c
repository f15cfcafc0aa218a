/* LINK: loader/script.o */
/* loader/script.h: #! lines, with the odd cases that Linux decides by its buffer's size. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "loader/script.h"

static char buf[SCRIPT_BUFFER_SIZE];
static struct script_line line;

static int parse(const char *text)
{
    memset(buf, 0, sizeof(buf));
    memcpy(buf, text, strnlen(text, sizeof(buf)));
    return script_parse(buf, &line);
}

static void script_parse__plain__interpreter(void **state)
{
    (void)state;
    assert_int_equal(parse("#!/bin/sh\necho"), 0);
    assert_string_equal(line.interp, "/bin/sh");
    assert_null(line.arg);
    assert_int_equal(parse("#! \t /bin/sh \t \n"), 0);
    assert_string_equal(line.interp, "/bin/sh");
    assert_null(line.arg);
    assert_int_equal(parse("#!/bin/sh"), 0); /* no newline: the end of the file */
    assert_string_equal(line.interp, "/bin/sh");
    assert_null(line.arg);
}

static void script_parse__argument__is_one(void **state)
{
    (void)state;
    assert_int_equal(parse("#!/usr/bin/env  -S  a b\t\n"), 0);
    assert_string_equal(line.interp, "/usr/bin/env");
    assert_string_equal(line.arg, "-S  a b");
}

static void script_parse__nothing__enoexec(void **state)
{
    (void)state;
    assert_int_equal(parse("#!"), 0); /* an empty name, as in Linux: opening it fails */
    assert_string_equal(line.interp, "");
    assert_int_equal(parse("#!\n"), -ENOEXEC);
    assert_int_equal(parse("#!  \t \n/bin/sh"), -ENOEXEC);
    char blanks[SCRIPT_BUFFER_SIZE + 1];
    memset(blanks, ' ', sizeof(blanks));
    memcpy(blanks, "#!", 2);
    blanks[SCRIPT_BUFFER_SIZE] = '\0';
    assert_int_equal(parse(blanks), -ENOEXEC);
}

static void script_parse__long__only_the_argument_is_cut(void **state)
{
    (void)state;
    char text[SCRIPT_BUFFER_SIZE + 64];
    memset(text, 'x', sizeof(text));
    memcpy(text, "#!/", 3);
    text[sizeof(text) - 1] = '\0';
    assert_int_equal(parse(text), -ENOEXEC);
    text[10] = ' ';
    assert_int_equal(parse(text), 0);
    assert_string_equal(line.interp, "/xxxxxxx");
    assert_int_equal(strlen(line.arg), SCRIPT_BUFFER_SIZE - 1 - 11);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(script_parse__plain__interpreter),
        cmocka_unit_test(script_parse__argument__is_one),
        cmocka_unit_test(script_parse__nothing__enoexec),
        cmocka_unit_test(script_parse__long__only_the_argument_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
