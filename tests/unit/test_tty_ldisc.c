/* LINK: sentry/fs/tty_ldisc.o lib/bug.o */
/*
 * The line discipline by itself: what is typed, what is echoed, what is read.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <signal.h>
#include <string.h>

#include "sentry/fs/tty_ldisc.h"

static struct ldisc g_l;
static char g_out[32768];
static size_t g_out_size, g_room;
static int g_signal, g_flow_changes;

static void output(struct ldisc *l, const uint8_t *data, size_t size)
{
    (void)l;
    memcpy(g_out + g_out_size, data, size);
    g_out_size += size;
}
static size_t output_room(struct ldisc *l)
{
    (void)l;
    return g_room > g_out_size ? g_room - g_out_size : 0;
}
static void flush_output(struct ldisc *l)
{
    (void)l;
    g_out_size = 0;
}
static void signal_sent(struct ldisc *l, int sig)
{
    (void)l;
    g_signal = sig;
}
static void flow(struct ldisc *l, bool stopped)
{
    (void)l;
    (void)stopped;
    g_flow_changes++;
}
static const struct ldisc_ops ops = {output, output_room, flush_output, signal_sent, flow};

static int up(void **state)
{
    (void)state;
    ldisc_init(&g_l, &ops);
    g_out_size = 0;
    g_room = sizeof(g_out);
    g_signal = g_flow_changes = 0;
    return 0;
}

static size_t type(const char *text)
{
    return ldisc_receive(&g_l, (const uint8_t *)text, strlen(text));
}
static void assert_echo(const char *want)
{
    assert_int_equal(g_out_size, strlen(want));
    assert_memory_equal(g_out, want, g_out_size);
    g_out_size = 0;
}
static void assert_read(size_t size, const char *want)
{
    uint8_t buf[LDISC_SIZE + 1];
    size_t n = ldisc_read(&g_l, buf, size);
    assert_int_equal(n, strlen(want));
    assert_memory_equal(buf, want, n);
}
static void set_lflag(unsigned on, unsigned off)
{
    struct termios2 t = g_l.tio;
    t.c_lflag = (t.c_lflag | on) & ~off;
    ldisc_set_termios(&g_l, &t);
}

static void ldisc_receive__line__echoed_and_readable(void **state)
{
    (void)state;
    type("hello");
    assert_false(ldisc_readable(&g_l, 1));
    type("\r");
    assert_true(ldisc_readable(&g_l, 1));
    assert_echo("hello\r\n");
    assert_int_equal(ldisc_count(&g_l), 6);
    assert_read(3, "hel");
    assert_read(100, "lo\n");
    assert_false(ldisc_readable(&g_l, 1));
}

static void ldisc_receive__editing_keys__line_changes(void **state)
{
    (void)state;
    type("ab\177\177\177c one_1  two\027\n");
    assert_read(100, "c one_1  \n");
    type("gone\025kept\n");
    assert_read(100, "kept\n");
    type("\026\003\026\n\n");
    assert_read(100, "\003\n\n"); /* a literal newline is data, and ends no line */
}

static void ldisc_receive__erase_utf8__whole_character(void **state)
{
    (void)state;
    struct termios2 t = g_l.tio;
    t.c_iflag |= IUTF8;
    ldisc_set_termios(&g_l, &t);
    type("a\303\244\177");
    assert_echo("a\303\244\b \b");
    type("\n");
    assert_read(100, "a\n");
}

static void ldisc_receive__signal_keys__signal_and_flush(void **state)
{
    (void)state;
    type("half\003");
    assert_int_equal(g_signal, SIGINT);
    assert_echo("^C"); /* what was echoed before is flushed */
    type("x\n");
    assert_read(100, "x\n");
    type("\034");
    assert_int_equal(g_signal, SIGQUIT);
    type("\032");
    assert_int_equal(g_signal, SIGTSTP);
    set_lflag(0, ISIG);
    g_signal = 0;
    type("\003\n");
    assert_int_equal(g_signal, 0);
    assert_read(100, "\003\n");
}

static void ldisc_read__eof__ends_line_or_is_zero(void **state)
{
    (void)state;
    type("abc\004\004");
    assert_read(100, "abc");
    assert_true(ldisc_readable(&g_l, 1));
    assert_read(100, "");
    assert_false(ldisc_readable(&g_l, 1));
    type("abc\004");
    assert_read(3, "abc");
    assert_false(ldisc_readable(&g_l, 1));
}

static void ldisc_receive__line_too_long__cut_but_ends(void **state)
{
    (void)state;
    static char line[6000], got[LDISC_SIZE];
    memset(line, 'q', sizeof(line) - 1);
    set_lflag(0, ECHO);
    assert_int_equal(type(line), sizeof(line) - 1);
    assert_true(ldisc_receive_room(&g_l));
    assert_int_equal(type("\n"), 1);
    assert_false(ldisc_receive_room(&g_l));
    assert_int_equal(type("z"), 0);
    assert_int_equal(ldisc_read(&g_l, (uint8_t *)got, sizeof(got)), LDISC_SIZE);
    assert_int_equal(got[LDISC_SIZE - 1], '\n');
}

static void ldisc_receive__raw_and_full__takes_no_more(void **state)
{
    (void)state;
    static char line[6000];
    memset(line, 'q', sizeof(line) - 1);
    set_lflag(0, ICANON | ECHO);
    assert_int_equal(type(line), LDISC_SIZE - 1);
    assert_false(ldisc_receive_room(&g_l));
    assert_true(ldisc_readable(&g_l, 255));
    uint8_t buf[10];
    assert_int_equal(ldisc_read(&g_l, buf, 10), 10);
    assert_int_equal(type(line), 10);
}

static void ldisc_set_termios__mode_switch__pending_is_a_line(void **state)
{
    (void)state;
    type("half");
    set_lflag(0, ICANON);
    assert_true(ldisc_readable(&g_l, 4));
    set_lflag(ICANON, 0);
    assert_true(ldisc_readable(&g_l, 1));
    assert_read(100, "half");
}

static void ldisc_write__onlcr__needs_room_for_both(void **state)
{
    (void)state;
    g_room = 2;
    assert_int_equal(ldisc_write(&g_l, (const uint8_t *)"a\nb", 3), 1);
    g_room = 3;
    assert_int_equal(ldisc_write(&g_l, (const uint8_t *)"\nb", 2), 1);
    assert_echo("a\r\n");
}

static void ldisc_write__tabs__columns(void **state)
{
    (void)state;
    struct termios2 t = g_l.tio;
    t.c_oflag |= XTABS;
    ldisc_set_termios(&g_l, &t);
    assert_int_equal(ldisc_write(&g_l, (const uint8_t *)"ab\tc\r\td", 7), 7);
    assert_echo("ab      c\r        d");
}

static void ldisc_receive__stop_and_start__output_waits(void **state)
{
    (void)state;
    type("\023");
    assert_int_equal(ldisc_write(&g_l, (const uint8_t *)"x", 1), 0);
    type("\021");
    assert_int_equal(ldisc_write(&g_l, (const uint8_t *)"x", 1), 1);
    assert_int_equal(g_flow_changes, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(ldisc_receive__line__echoed_and_readable, up),
        cmocka_unit_test_setup(ldisc_receive__editing_keys__line_changes, up),
        cmocka_unit_test_setup(ldisc_receive__erase_utf8__whole_character, up),
        cmocka_unit_test_setup(ldisc_receive__signal_keys__signal_and_flush, up),
        cmocka_unit_test_setup(ldisc_read__eof__ends_line_or_is_zero, up),
        cmocka_unit_test_setup(ldisc_receive__line_too_long__cut_but_ends, up),
        cmocka_unit_test_setup(ldisc_receive__raw_and_full__takes_no_more, up),
        cmocka_unit_test_setup(ldisc_set_termios__mode_switch__pending_is_a_line, up),
        cmocka_unit_test_setup(ldisc_write__onlcr__needs_room_for_both, up),
        cmocka_unit_test_setup(ldisc_write__tabs__columns, up),
        cmocka_unit_test_setup(ldisc_receive__stop_and_start__output_waits, up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
