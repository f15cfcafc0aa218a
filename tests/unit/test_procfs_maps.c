/* LINK: sentry/mm/mm_map.o sentry/mm/mm.o tests/unit/fake_range.o lib/strbuf.o lib/host.o lib/bug.o lib/hash.o */
/* sentry/mm/mm_map.h: what of the host's map a guest sees. The platform is a text in this file. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "platform/platform.h"
#include "sentry/mm/mm_map.h"

static const char *host_text;

int platform_proc_read(struct platform_space *s, const char *name, struct strbuf *out)
{
    (void)s;
    assert_string_equal(name, "maps");
    if (!host_text) {
        return -ENOENT;
    }
    strbuf_adds(out, host_text);
    return 0;
}

static char seen[4096];

static int each(const struct mm_mapping *m, void *arg)
{
    (void)arg;
    size_t size = strlen(seen);
    snprintf(seen + size, sizeof(seen) - size, "%lx-%lx %s %lx %u:%u %lu %s\n",
             (unsigned long)m->start, (unsigned long)m->end, m->prot, (unsigned long)m->offset,
             major(m->dev), minor(m->dev), (unsigned long)m->ino, m->name);
    return 0;
}

static struct mm *new_mm(void)
{
    struct mm *mm;
    assert_int_equal(mm_new(&mm), 0);
    mm->space = (struct platform_space *)mm; /* never looked into */
    mm->start_brk = 0x5000000;
    mm->brk = 0x5021000;
    mm->stack_low = 0x7ffe00000000;
    mm->stack_top = 0x7ffe00800000;
    seen[0] = '\0';
    return mm;
}

static void mm_map_walk__host_map__becomes_the_guests(void **state)
{
    (void)state;
    struct mm *mm = new_mm();
    struct stat st;
    AUTO_FD fd = open("/proc/self/exe", O_RDONLY);
    assert_true(fd >= 0 && fstat(fd, &st) == 0);
    assert_int_equal(mm_note_file(mm, fd, makedev(0, 77), 4711, "/usr/bin/guest name"), 0);
    char text[2048];
    snprintf(
        text, sizeof(text),
        "00400000-00401000 r-xp 00001000 %02x:%02x %lu                  /host/secret/path\n"
        "05000000-05021000 rw-p 00000000 00:00 0\n"
        "06000000-06001000 rw-p 00000000 00:00 0                                  [heap]\n"
        "06100000-06101000 rw-s 00000000 00:01 99                   /memfd:channels (deleted)\n"
        "700000000000-700000003000 r-xp 00000000 00:01 5            /memfd:stub (deleted)\n"
        "700010000000-700010020000 rw-p 00000000 00:00 0\n"
        "7eff00000000-7eff00001000 ---p 00000000 00:00 0\n"
        "7ffd00000000-7ffd00021000 rw-p 00000000 00:00 0                          [stack]\n"
        "7ffe00000000-7ffe00800000 rw-p 00000000 00:00 0\n"
        "7fff00000000-7fff00002000 r-xp 00000000 00:00 0                          [vdso]\n",
        major(st.st_dev), minor(st.st_dev), (unsigned long)st.st_ino);
    host_text = text;
    assert_int_equal(mm_map_walk(mm, each, NULL), 0);
    assert_string_equal(seen, "400000-401000 r-xp 1000 0:77 4711 /usr/bin/guest name\n"
                              "5000000-5021000 rw-p 0 0:0 0 [heap]\n"
                              "6000000-6001000 rw-p 0 0:0 0 \n"
                              "6100000-6101000 rw-s 0 0:1 99 /dev/zero (deleted)\n"
                              "7eff00000000-7eff00001000 ---p 0 0:0 0 \n"
                              "7ffe00000000-7ffe00800000 rw-p 0 0:0 0 [stack]\n"
                              "7fff00000000-7fff00002000 r-xp 0 0:0 0 [vdso]\n");
    mm_put(mm);
}

static void mm_map_walk__nonsense__is_skipped(void **state)
{
    (void)state;
    struct mm *mm = new_mm();
    host_text = "\nnot a line\n10000-11000 r--p\n\n";
    assert_int_equal(mm_map_walk(mm, each, NULL), 0);
    assert_string_equal(seen, "");
    mm_put(mm);
}

static void mm_map_walk__no_procfs__enoent(void **state)
{
    (void)state;
    struct mm *mm = new_mm();
    host_text = NULL;
    assert_int_equal(mm_map_walk(mm, each, NULL), -ENOENT);
    mm->space = NULL;
    assert_int_equal(mm_map_walk(mm, each, NULL), -ESRCH);
    mm_put(mm);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mm_map_walk__host_map__becomes_the_guests),
        cmocka_unit_test(mm_map_walk__nonsense__is_skipped),
        cmocka_unit_test(mm_map_walk__no_procfs__enoent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
