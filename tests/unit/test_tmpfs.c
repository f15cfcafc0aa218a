/* LINK: sentry/vfs/lease.o sentry/vfs/cred.o sentry/vfs/super.o sentry/vfs/inode.o sentry/vfs/stamp.o sentry/vfs/dentry.o sentry/vfs/mount.o sentry/vfs/path.o sentry/vfs/namei.o sentry/vfs/modify.o sentry/vfs/rename.o sentry/vfs/attr.o sentry/vfs/open.o sentry/vfs/file.o sentry/vfs/anon.o sentry/vfs/fdtable.o sentry/vfs/locks.o sentry/vfs/seal.o sentry/vfs/mount_at.o sentry/fs/memfile.o sentry/fs/memfile_tree.o sentry/fs/memfile_fd.o sentry/fs/mempage.o sentry/fs/memdir.o sentry/fs/memnode.o sentry/fs/memnode_dir.o sentry/fs/memxattr.o sentry/fs/tmpfs.o sentry/mm/uio.o sentry/mm/usercopy.o sentry/base/kernel.o sentry/base/waitq.o sentry/base/timer.o sentry/base/events.o lib/kthread.o lib/kthread_x86_64.o lib/hash.o lib/host.o lib/strbuf.o lib/bug.o lib/log.o */
/*
 * tmpfs and the memfile below it: sparse bytes, limits, mapping, positions in directories, links.
 */
#include "tests/unit/vfs_env.h"

#include <linux/falloc.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "lib/host.h"
#include "sentry/fs/memfile.h"
#include "sentry/fs/mempage.h"

static int up(void **state)
{
    struct env *e = calloc(1, sizeof(*e));
    env_up(e);
    *state = e;
    return 0;
}
static int down(void **state)
{
    env_down(*state);
    free(*state);
    return 0;
}

static ssize_t write_at(struct memfile *m, const char *text, size_t size, int64_t pos)
{
    struct uio u;
    uio_init_kernel(&u, (void *)(uintptr_t)text, size);
    return memfile_write(m, &u, pos);
}
static ssize_t read_at(struct memfile *m, char *buf, size_t size, int64_t pos)
{
    struct uio u;
    memset(buf, 0x55, size);
    uio_init_kernel(&u, buf, size);
    return memfile_read(m, &u, pos);
}

/* The same operations on a memfile and on a host file must give the same bytes: memory or memfd. */
static void compare_with_host(bool mapped, unsigned seed)
{
    enum { SPACE = 300 * 1000 };
    static char data[SPACE], ours[SPACE], theirs[SPACE];
    struct mem_budget budget = {0};
    struct memfile m;
    struct file_map map;
    int fd = host_memfd_create("oracle", MFD_CLOEXEC);
    assert_true(fd >= 0);
    memfile_init(&m, &budget);
    srand(seed);
    for (int i = 0; i < 300; i++) {
        int64_t pos = rand() % SPACE;
        size_t size = (size_t)(rand() % (rand() % 4 ? 9000 : 200000));
        size = MIN(size, (size_t)(SPACE - pos));
        if (mapped && i == 150) {
            assert_int_equal(memfile_map(&m, &map), 0);
        }
        switch (rand() % 4) {
        case 0:
        case 1:
            memset(data, 'a' + i % 26, size);
            assert_int_equal(write_at(&m, data, size, pos), size);
            assert_int_equal(host_pwrite(fd, data, size, pos), size);
            break;
        case 2:
            assert_int_equal(memfile_truncate(&m, pos), 0);
            assert_int_equal(host_ftruncate(fd, pos), 0);
            break;
        default:
            if (size > 0) {
                int mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
                assert_int_equal(memfile_fallocate(&m, mode, pos, (int64_t)size), 0);
                assert_int_equal(host_fallocate(fd, mode, pos, (off_t)size), 0);
            }
            break;
        }
        struct stat st;
        assert_int_equal(host_fstat(fd, &st), 0);
        assert_int_equal(m.size, st.st_size);
        assert_int_equal(read_at(&m, ours, SPACE, 0), st.st_size);
        assert_int_equal(host_pread(fd, theirs, SPACE, 0), st.st_size);
        assert_memory_equal(ours, theirs, st.st_size);
        assert_int_equal(budget.used_pages, m.pages);
    }
    memfile_free(&m);
    assert_int_equal(budget.used_pages, 0);
    host_close(fd);
}

static void memfile__random_operations__same_as_host(void **state)
{
    (void)state;
    compare_with_host(false, 1);
    compare_with_host(false, 2);
    compare_with_host(true, 3);
}

static void mempage__freed_and_taken_again__zeroed_when_asked(void **state)
{
    enum { COUNT = 1700 }; /* huge pages among them */
    static char *pages[COUNT];
    (void)state;
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < COUNT; i++) {
            pages[i] = mempage_alloc(true);
            assert_non_null(pages[i]);
            assert_int_equal((uintptr_t)pages[i] % PAGE_SIZE, 0);
            for (size_t at = 0; at < PAGE_SIZE; at += 8) {
                assert_int_equal(*(uint64_t *)(pages[i] + at), 0);
            }
            memset(pages[i], 0x5a, PAGE_SIZE);
        }
        for (size_t i = 0; i < COUNT; i += 2) { /* every other one, then the rest */
            mempage_free(pages[i]);
        }
        for (size_t i = 1; i < COUNT; i += 2) {
            for (size_t at = 0; at < PAGE_SIZE; at += 512) {
                assert_int_equal(pages[i][at], 0x5a);
            }
            mempage_free(pages[i]);
        }
    }
}

static void memfile__sparse__cheap_and_zero(void **state)
{
    struct mem_budget budget = {0};
    struct memfile m;
    char buf[8];
    (void)state;
    memfile_init(&m, &budget);
    assert_int_equal(write_at(&m, "end", 3, 1LL << 50), 3);
    assert_int_equal(write_at(&m, "begin", 5, 0), 5);
    assert_int_equal(budget.used_pages, 2);
    assert_int_equal(memfile_blocks(&m), 16);
    assert_int_equal(read_at(&m, buf, 8, 5), 8);
    assert_memory_equal(buf, "\0\0\0\0\0\0\0\0", 8);
    assert_int_equal(read_at(&m, buf, 8, 1LL << 50), 3);
    assert_memory_equal(buf, "end", 3);
    assert_int_equal(memfile_seek(&m, 0, SEEK_HOLE), 4096);
    assert_int_equal(memfile_seek(&m, 4096, SEEK_DATA), 1LL << 50);
    assert_int_equal(memfile_seek(&m, 1LL << 50, SEEK_HOLE), (1LL << 50) + 3);
    assert_int_equal(memfile_seek(&m, (1LL << 50) + 3, SEEK_DATA), -ENXIO);
    assert_int_equal(memfile_truncate(&m, 3), 0);
    assert_int_equal(memfile_truncate(&m, 8), 0);
    assert_int_equal(read_at(&m, buf, 8, 0), 8);
    assert_memory_equal(buf, "beg\0\0\0\0\0", 8);
    assert_int_equal(budget.used_pages, 1);
    memfile_free(&m);
}

static void memfile_write__budget_used_up__enospc(void **state)
{
    struct mem_budget budget = {.limit_pages = 3};
    struct memfile m;
    static char data[5 * 4096];
    (void)state;
    memfile_init(&m, &budget);
    assert_int_equal(write_at(&m, data, sizeof(data), 0), 3 * 4096); /* as much as fits */
    assert_int_equal(write_at(&m, data, 1, 3 * 4096), -ENOSPC);
    assert_int_equal(write_at(&m, data, 4096, 4096), 4096);
    assert_int_equal(memfile_fallocate(&m, 0, 0, 4 * 4096), -ENOSPC);
    assert_int_equal(memfile_truncate(&m, 4096), 0);
    assert_int_equal(memfile_fallocate(&m, 0, 4096, 4096), 0);
    assert_int_equal(budget.used_pages, 2);
    assert_int_equal(memfile_fallocate(&m, FALLOC_FL_COLLAPSE_RANGE, 0, 4096), -EOPNOTSUPP);
    memfile_free(&m);
}

static void memfile_map__guest_store__seen_by_read(void **state)
{
    struct mem_budget budget = {0};
    struct memfile m;
    struct file_map map, again;
    char buf[8];
    (void)state;
    memfile_init(&m, &budget);
    assert_int_equal(write_at(&m, "abc", 3, 5000), 3);
    assert_int_equal(memfile_map(&m, &map), 0);
    char *p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, map.host_fd, 0);
    assert_true(p != MAP_FAILED);
    assert_memory_equal(p + 5000, "abc", 3);
    memcpy(p + 10, "xyz", 3);
    assert_int_equal(read_at(&m, buf, 3, 10), 3);
    assert_memory_equal(buf, "xyz", 3);
    assert_int_equal(write_at(&m, "new", 3, 5000), 3);
    assert_memory_equal(p + 5000, "new", 3);
    assert_int_equal(memfile_blocks(&m), 16);
    assert_int_equal(memfile_map(&m, &again), 0);
    assert_int_equal(again.host_fd, map.host_fd);
    munmap(p, 8192);
    memfile_free(&m);
}

static void tmpfs__bad_guest_memory__partial_write(void **state)
{
    struct env *e = *state;
    struct mm *mm = (struct mm *)calloc(1, 512);
    struct file *f;
    struct uio u;
    assert_int_equal(open_name(e, "/f", O_RDWR | O_CREAT, &f), 0);
    memset(g_guest_memory + GUEST_SIZE - 100, 'g', 100);
    uio_init(&u, mm, GUEST_BASE + GUEST_SIZE - 100, 5000); /* all but 100 bytes unmapped */
    assert_int_equal(file_write(f, &u), 100);
    assert_int_equal(f->inode->size, 100);
    uio_init(&u, mm, 0x10, 100);
    assert_int_equal(file_write(f, &u), -EFAULT);
    assert_int_equal(file_llseek(f, 0, SEEK_SET), 0);
    uio_init(&u, mm, 0x10, 100);
    assert_int_equal(file_read(f, &u), -EFAULT);
    assert_int_equal(f->pos, 0);
    file_put(f);
    free(mm);
}

static void tmpfs_append__two_descriptions__never_overwrite(void **state)
{
    struct env *e = *state;
    struct file *a, *b;
    struct uio u;
    char x[] = "aa", y[] = "bbb";
    assert_int_equal(open_name(e, "/log", O_WRONLY | O_CREAT | O_APPEND, &a), 0);
    assert_int_equal(open_name(e, "/log", O_WRONLY | O_APPEND, &b), 0);
    uio_init_kernel(&u, x, 2);
    assert_int_equal(file_write(a, &u), 2);
    uio_init_kernel(&u, y, 3);
    assert_int_equal(file_write(b, &u), 3);
    uio_init_kernel(&u, x, 2);
    assert_int_equal(file_pwrite(a, &u, 0), 2); /* Linux: appends all the same */
    assert_int_equal(a->pos, 2);
    file_put(a);
    file_put(b);
    assert_content(e, "/log", "aabbbaa");
}

static void tmpfs_unlink__open_file__lives_on(void **state)
{
    struct env *e = *state;
    struct file *f;
    char buf[8] = {0};
    AUTO_STRBUF name = {0};
    put_file(e, "/f", "still");
    assert_int_equal(open_name(e, "/f", O_RDONLY, &f), 0);
    assert_int_equal(vfs_unlink(&e->w, "/f"), 0);
    assert_int_equal(f->inode->nlink, 0);
    assert_int_equal(file_kernel_read(f, buf, 8, 0), 5);
    assert_string_equal(buf, "still");
    assert_int_equal(path_name(&f->path, &e->root, &name), 0);
    assert_string_equal(name.text, "/f (deleted)");
    put_file(e, "/f", "other");
    assert_int_equal(file_kernel_read(f, buf, 8, 0), 5);
    assert_string_equal(buf, "still");
    file_put(f);
}

static void tmpfs_readdir__removal_during_scan__nothing_skipped(void **state)
{
    struct env *e = *state;
    char name[32];
    bool seen[200] = {0};
    struct file *f;
    struct name_list l = {.c = {.emit = take_name}};
    assert_int_equal(vfs_mkdir(&e->w, "/d", 0777), 0);
    for (int i = 0; i < 200; i++) {
        snprintf(name, sizeof(name), "/d/%d", i);
        put_file(e, name, "");
    }
    assert_int_equal(open_name(e, "/d", O_RDONLY, &f), 0);
    for (;;) {
        l.count = 0;
        l.limit = 7;
        assert_int_equal(f->ops->readdir(f, &l.c), 0);
        if (l.count == 0) {
            break;
        }
        for (size_t i = 0; i < l.count; i++) {
            if (l.names[i][0] != '.') {
                int n = atoi(l.names[i]);
                assert_false(seen[n]);
                seen[n] = true;
                snprintf(name, sizeof(name), "/d/%d", n);
                assert_int_equal(vfs_unlink(&e->w, name), 0);
            }
        }
    }
    for (int i = 0; i < 200; i++) {
        assert_true(seen[i]);
    }
    file_put(f);
    assert_int_equal(vfs_rmdir(&e->w, "/d"), 0);
}

static void tmpfs_statfs__size_limit__told_and_kept(void **state)
{
    struct env *e = *state;
    struct super_block *sb;
    struct statfs st;
    struct file *f;
    struct uio u;
    static char data[3 * 4096];
    assert_int_equal(tmpfs_new(0755, 0, 0, 8192, &sb), 0);
    assert_int_equal(vfs_mount_at(e->ns, "/small", true, sb, 0, "tmpfs", ""), 0);
    assert_int_equal(open_name(e, "/small/f", O_WRONLY | O_CREAT, &f), 0);
    uio_init_kernel(&u, data, sizeof(data));
    assert_int_equal(file_write(f, &u), 8192);
    assert_int_equal(sb->ops->statfs(sb->root->inode, &st), 0);
    assert_int_equal(st.f_blocks, 2);
    assert_int_equal(st.f_bfree, 0);
    file_put(f);
    assert_int_equal(vfs_unlink(&e->w, "/small/f"), 0);
    assert_int_equal(sb->ops->statfs(sb->root->inode, &st), 0);
    assert_int_equal(st.f_bfree, 2);
    super_put(sb);
}

static void tmpfs_xattr__rules__as_linux(void **state)
{
    struct env *e = *state;
    AUTO_PATH p = {0};
    char buf[16];
    put_file(e, "/f", "x");
    assert_int_equal(vfs_lookup(&e->w, "/f", &p), 0);
    struct inode *i = p.dentry->inode;
    const struct inode_ops *ops = i->ops;
    assert_int_equal(ops->getxattr(i, "user.a", buf, 16), -ENODATA);
    assert_int_equal(ops->getxattr(i, "system.posix_acl_access", buf, 16), -EOPNOTSUPP);
    assert_int_equal(ops->setxattr(i, "user.a", "123", 3, 2 /* XATTR_REPLACE */), -ENODATA);
    assert_int_equal(ops->setxattr(i, "user.a", "123", 3, 1 /* XATTR_CREATE */), 0);
    assert_int_equal(ops->setxattr(i, "user.a", "123", 3, 1), -EEXIST);
    assert_int_equal(ops->setxattr(i, "user.a", "", 0, 0), 0);
    assert_int_equal(ops->getxattr(i, "user.a", buf, 16), 0);
    assert_int_equal(ops->setxattr(i, "user.a", "12345", 5, 0), 0);
    assert_int_equal(ops->getxattr(i, "user.a", NULL, 0), 5);
    assert_int_equal(ops->getxattr(i, "user.a", buf, 4), -ERANGE);
    assert_int_equal(ops->listxattr(i, buf, 6), -ERANGE);
    assert_int_equal(ops->listxattr(i, buf, 16), 7);
    assert_int_equal(ops->removexattr(i, "user.a"), 0);
    assert_int_equal(ops->removexattr(i, "user.a"), -ENODATA);
}

static void file_llseek__whence__as_linux(void **state)
{
    struct env *e = *state;
    struct file *f;
    put_file(e, "/f", "0123456789");
    assert_int_equal(open_name(e, "/f", O_RDONLY, &f), 0);
    assert_int_equal(file_llseek(f, -1, SEEK_SET), -EINVAL);
    assert_int_equal(file_llseek(f, 0, 99), -EINVAL);
    assert_int_equal(file_llseek(f, -3, SEEK_END), 7);
    assert_int_equal(file_llseek(f, 2, SEEK_CUR), 9);
    assert_int_equal(file_llseek(f, INT64_MAX, SEEK_CUR), -EOVERFLOW);
    assert_int_equal(file_llseek(f, 3, SEEK_HOLE), 10);
    assert_int_equal(file_llseek(f, 10, SEEK_DATA), -ENXIO);
    assert_int_equal(f->pos, 10);
    file_put(f);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, up, down)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memfile__random_operations__same_as_host),
        cmocka_unit_test(mempage__freed_and_taken_again__zeroed_when_asked),
        cmocka_unit_test(memfile__sparse__cheap_and_zero),
        cmocka_unit_test(memfile_write__budget_used_up__enospc),
        cmocka_unit_test(memfile_map__guest_store__seen_by_read),
        CASE(tmpfs__bad_guest_memory__partial_write),
        CASE(tmpfs_append__two_descriptions__never_overwrite),
        CASE(tmpfs_unlink__open_file__lives_on),
        CASE(tmpfs_readdir__removal_during_scan__nothing_skipped),
        CASE(tmpfs_statfs__size_limit__told_and_kept),
        CASE(tmpfs_xattr__rules__as_linux),
        CASE(file_llseek__whence__as_linux),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
