/* LINK: sentry/vfs/lease.o sentry/vfs/cred.o sentry/vfs/super.o sentry/vfs/inode.o sentry/vfs/stamp.o sentry/vfs/dentry.o sentry/vfs/mount.o sentry/vfs/path.o sentry/vfs/namei.o sentry/vfs/modify.o sentry/vfs/rename.o sentry/vfs/attr.o sentry/vfs/open.o sentry/vfs/file.o sentry/vfs/anon.o sentry/vfs/fdtable.o sentry/vfs/locks.o sentry/vfs/seal.o sentry/vfs/mount_at.o sentry/fs/memfile.o sentry/fs/memfile_tree.o sentry/fs/memfile_fd.o sentry/fs/mempage.o sentry/fs/memdir.o sentry/fs/memnode.o sentry/fs/memnode_dir.o sentry/fs/memxattr.o sentry/fs/tmpfs.o sentry/mm/uio.o sentry/mm/mm.o sentry/mm/usercopy.o sentry/base/kernel.o sentry/base/waitq.o sentry/base/timer.o sentry/base/events.o lib/kthread.o lib/kthread_x86_64.o lib/hash.o lib/host.o lib/strbuf.o lib/bug.o lib/log.o */
/*
 * Guest memory: short copies, strings at the edge of a page, vectors.
 */
#include "tests/unit/vfs_env.h"

#include "sentry/mm/mm.h"
#include "sentry/mm/usercopy.h"

#define GUEST_END (GUEST_BASE + GUEST_SIZE)

uaddr_t platform_brk(const struct platform_space *space, uaddr_t known)
{
    (void)space;
    return known;
}

static struct mm g_mm;

static void copy_in_str__ends_at_unmapped_page__found(void **state)
{
    char buf[300];
    (void)state;
    memset(g_guest_memory, 'a', GUEST_SIZE);
    g_guest_memory[GUEST_SIZE - 1] = '\0';
    assert_int_equal(copy_in_str(&g_mm, buf, GUEST_END - 5, sizeof(buf)), 4);
    assert_string_equal(buf, "aaaa");
    assert_int_equal(copy_in_str(&g_mm, buf, GUEST_END - 300, sizeof(buf)), 299);
    assert_int_equal(copy_in_str(&g_mm, buf, GUEST_END - 301, sizeof(buf)), -ENAMETOOLONG);
    g_guest_memory[GUEST_SIZE - 1] = 'a';
    assert_int_equal(copy_in_str(&g_mm, buf, GUEST_END - 5, sizeof(buf)), -EFAULT);
    assert_int_equal(copy_in_str(&g_mm, buf, 0, sizeof(buf)), -EFAULT);
    assert_int_equal(copy_in_str(&g_mm, buf, GUEST_BASE, 0), -ENAMETOOLONG);
}

static void copy_in__kernel_and_stub_addresses__efault(void **state)
{
    char c;
    (void)state;
    assert_int_equal(copy_in(&g_mm, &c, UINT64_MAX, 1), -EFAULT);
    assert_int_equal(copy_in(&g_mm, &c, PLATFORM_TASK_SIZE, 1), -EFAULT);
    assert_int_equal(copy_in(&g_mm, &c, PLATFORM_SLICE_START, 1), -EFAULT);
    assert_int_equal(copy_out(&g_mm, PLATFORM_SLICE_END - 1, &c, 1), -EFAULT);
    assert_int_equal(copy_in(&g_mm, &c, 0, 0), 0);
}

static void copy_in_extensible__newer_struct__only_zeros_allowed(void **state)
{
    uint64_t dst[3] = {9, 9, 9};
    (void)state;
    memset(g_guest_memory, 0, 64);
    g_guest_memory[0] = 1;
    assert_int_equal(copy_in_extensible(&g_mm, dst, 24, GUEST_BASE, 8), 0);
    assert_true(dst[0] == 1 && dst[1] == 0 && dst[2] == 0);
    assert_int_equal(copy_in_extensible(&g_mm, dst, 24, GUEST_BASE, 64), 0);
    g_guest_memory[40] = 1;
    assert_int_equal(copy_in_extensible(&g_mm, dst, 24, GUEST_BASE, 64), -E2BIG);
    assert_int_equal(copy_in_extensible(&g_mm, dst, 24, GUEST_BASE, 5000), -E2BIG);
    assert_int_equal(copy_in_extensible(&g_mm, dst, 24, 8, 24), -EFAULT);
}

static void put_vector(const uint64_t *words, size_t count)
{
    memcpy(g_guest_memory, words, count * sizeof(*words));
}

static void uio_init_iovec__bad_vectors__refused(void **state)
{
    struct uio u;
    (void)state;
    const uint64_t negative[] = {GUEST_BASE, 1ULL << 63, GUEST_BASE, 1};
    put_vector(negative, 4);
    assert_int_equal(uio_init_iovec(&u, &g_mm, GUEST_BASE, 2), -EINVAL);
    const uint64_t wild[] = {PLATFORM_TASK_SIZE - 4, 8};
    put_vector(wild, 2);
    assert_int_equal(uio_init_iovec(&u, &g_mm, GUEST_BASE, 1), -EFAULT);
    assert_int_equal(uio_init_iovec(&u, &g_mm, GUEST_BASE, 1025), -EINVAL);
    assert_int_equal(uio_init_iovec(&u, &g_mm, 8, 2), -EFAULT);
    assert_int_equal(uio_init_iovec(&u, &g_mm, 8, 0), 0);
    assert_int_equal(uio_size(&u), 0);
    const uint64_t large[] = {GUEST_BASE, 0x7ffff000, GUEST_BASE, 0x7ffff000};
    put_vector(large, 4);
    assert_int_equal(uio_init_iovec(&u, &g_mm, GUEST_BASE, 2), 0);
    assert_int_equal(uio_size(&u), MAX_RW_COUNT);
    uio_free(&u);
}

static void uio_copy__scattered_ranges__in_order(void **state)
{
    struct uio u;
    char buf[16];
    (void)state;
    const uint64_t v[] = {GUEST_BASE + 100, 3, GUEST_BASE + 300, 0, GUEST_BASE + 200, 5};
    put_vector(v, 6);
    memset(g_guest_memory + 100, '.', 300);
    assert_int_equal(uio_init_iovec(&u, &g_mm, GUEST_BASE, 3), 0);
    assert_int_equal(uio_size(&u), 8);
    assert_int_equal(uio_copy_to(&u, "abcdef", 6), 6);
    assert_memory_equal(g_guest_memory + 100, "abc.", 4);
    assert_memory_equal(g_guest_memory + 200, "def..", 5);
    assert_int_equal(uio_zero(&u, 10), 2);
    assert_memory_equal(g_guest_memory + 200, "def\0\0.", 6);
    assert_int_equal(uio_copy_to(&u, "x", 1), 0);
    uio_free(&u);
    assert_int_equal(uio_init_iovec(&u, &g_mm, GUEST_BASE, 3), 0);
    uio_advance(&u, 1);
    uio_truncate(&u, 4);
    assert_int_equal(uio_copy_from(&u, buf, sizeof(buf)), 4);
    assert_memory_equal(buf, "bcde", 4);
    uio_free(&u);
}

static void uio_copy__fault_in_the_middle__short(void **state)
{
    struct uio u;
    char buf[64];
    (void)state;
    const uint64_t v[] = {GUEST_END - 4, 4, GUEST_END, 4, GUEST_BASE + 500, 4};
    put_vector(v, 6);
    assert_int_equal(uio_init_iovec(&u, &g_mm, GUEST_BASE, 3), 0);
    assert_int_equal(uio_copy_from(&u, buf, 12), 4);
    assert_int_equal(uio_copy_from(&u, buf, 12), -EFAULT);
    uio_free(&u);
}

static void mm_copy__mapped_files__named_alike(void **state)
{
    struct mm *mm, *copy;
    (void)state;
    assert_int_equal(mm_new(&mm), 0);
    mm->brk = 42;
    assert_int_equal(mm_note_file(mm, 0, 1, 2, "/a"), 0);
    assert_int_equal(mm_note_file(mm, 0, 1, 3, "/b"), 0); /* the same host file */
    assert_int_equal(mm_copy(mm, &copy), 0);
    mm_put(mm);
    struct mapped_file *f = list_first_entry(&copy->mapped_files, struct mapped_file, link);
    assert_string_equal(f->name, "/b");
    assert_true(f->link.next == &copy->mapped_files);
    assert_int_equal(f->ino, 3);
    assert_int_equal(copy->brk, 42);
    mm_put(copy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(copy_in_str__ends_at_unmapped_page__found),
        cmocka_unit_test(copy_in__kernel_and_stub_addresses__efault),
        cmocka_unit_test(copy_in_extensible__newer_struct__only_zeros_allowed),
        cmocka_unit_test(uio_init_iovec__bad_vectors__refused),
        cmocka_unit_test(uio_copy__scattered_ranges__in_order),
        cmocka_unit_test(uio_copy__fault_in_the_middle__short),
        cmocka_unit_test(mm_copy__mapped_files__named_alike),
    };
    (void)env_down;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
