/* LINK: sentry/vfs/lease.o sentry/vfs/cred.o sentry/vfs/super.o sentry/vfs/inode.o sentry/vfs/stamp.o sentry/vfs/dentry.o sentry/vfs/mount.o sentry/vfs/path.o sentry/vfs/namei.o sentry/vfs/modify.o sentry/vfs/rename.o sentry/vfs/attr.o sentry/vfs/open.o sentry/vfs/file.o sentry/vfs/anon.o sentry/vfs/fdtable.o sentry/vfs/locks.o sentry/vfs/seal.o sentry/vfs/mount_at.o sentry/fs/memfile.o sentry/fs/memfile_tree.o sentry/fs/memfile_fd.o sentry/fs/mempage.o sentry/fs/memdir.o sentry/fs/memnode.o sentry/fs/memnode_dir.o sentry/fs/memxattr.o sentry/fs/tmpfs.o sentry/mm/uio.o sentry/mm/usercopy.o sentry/base/kernel.o sentry/base/waitq.o sentry/base/timer.o sentry/base/events.o lib/kthread.o lib/kthread_x86_64.o lib/hash.o lib/host.o lib/strbuf.o lib/bug.o lib/log.o */
/*
 * The dentry cache: what it keeps, what it forgets, and file systems that must not be cached.
 */
#include "tests/unit/vfs_env.h"

static int up(void **state)
{
    struct env *e = calloc(1, sizeof(*e));
    env_up(e);
    *state = e;
    return 0;
}
static int down(void **state)
{
    g_kernel->dentry_limit = 0;
    env_down(*state);
    free(*state);
    return 0;
}

static void dcache__limit_exceeded__oldest_unused_go(void **state)
{
    struct env *e = *state;
    struct stat st;
    char name[32];
    g_kernel->dentry_limit = 100;
    for (int i = 0; i < 500; i++) {
        snprintf(name, sizeof(name), "/f%d", i);
        put_file(e, name, "x");
        snprintf(name, sizeof(name), "/none%d", i);
        assert_int_equal(stat_name(&e->w, name, &st), -ENOENT);
        assert_true(g_kernel->dentry_count <= 100);
    }
    for (int i = 0; i < 500; i++) { /* tmpfs keeps the names itself */
        snprintf(name, sizeof(name), "/f%d", i);
        assert_int_equal(exists(e, name), 0);
    }
}

static void dcache__names_in_use__stay(void **state)
{
    struct env *e = *state;
    AUTO_PATH deep = {0}, again = {0};
    AUTO_STRBUF name = {0};
    assert_int_equal(vfs_mkdir(&e->w, "/a", 0777), 0);
    assert_int_equal(vfs_mkdir(&e->w, "/a/b", 0777), 0);
    assert_int_equal(vfs_lookup(&e->w, "/a/b", &deep), 0);
    dcache_shrink(0);
    assert_int_equal(g_kernel->dentry_count, 3);
    assert_int_equal(vfs_lookup(&e->w, "/a/b", &again), 0);
    assert_ptr_equal(deep.dentry, again.dentry);
    assert_int_equal(vfs_rename(&e->w, "/a", &e->w, "/c", 0), 0);
    assert_int_equal(path_name(&deep, &e->root, &name), 0);
    assert_string_equal(name.text, "/c/b"); /* names move with their directory */
}

static void dcache__removed_directory__children_forgotten(void **state)
{
    struct env *e = *state;
    AUTO_PATH d = {0};
    assert_int_equal(vfs_mkdir(&e->w, "/d", 0777), 0);
    assert_int_equal(vfs_lookup(&e->w, "/d", &d), 0);
    assert_int_equal(exists(e, "/d/none"), -ENOENT);
    assert_int_equal(vfs_rmdir(&e->w, "/d"), 0);
    assert_int_equal(d.dentry->ref.n, 1); /* no negative child holds it */
    assert_int_equal(vfs_mkdir(&e->w, "/d", 0777), 0);
    assert_int_equal(exists(e, "/d"), 0);
}

static int g_asked;
static bool g_says;
static bool fake_revalidate(struct inode *dir, const struct name *name, struct inode *inode)
{
    (void)dir, (void)name, (void)inode;
    g_asked++;
    return g_says;
}

static void dcache__revalidating_fs__asked_each_time(void **state)
{
    struct env *e = *state;
    struct inode *root = e->root.dentry->inode;
    struct inode_ops ops = *root->ops;
    const struct inode_ops *old_ops = root->ops;
    AUTO_PATH before = {0}, same = {0}, after = {0};
    put_file(e, "/f", "x");
    ops.revalidate = fake_revalidate;
    root->ops = &ops;
    root->sb->flags |= SB_REVALIDATE;
    g_asked = 0;
    g_says = true;
    assert_int_equal(vfs_lookup(&e->w, "/f", &before), 0);
    assert_int_equal(vfs_lookup(&e->w, "/f", &same), 0);
    assert_int_equal(g_asked, 2);
    assert_ptr_equal(before.dentry, same.dentry);
    g_says = false;
    assert_int_equal(vfs_lookup(&e->w, "/f", &after), 0);
    assert_true(before.dentry != after.dentry);
    assert_false(before.dentry->unhashed); /* forgotten is not deleted */
    root->sb->flags = 0;
    root->ops = old_ops;
}

static void dcache__uncached_fs__mount_points_found_all_the_same(void **state)
{
    struct env *e = *state;
    struct super_block *top;
    AUTO_PATH a = {0}, b = {0};
    e->root.dentry->sb->flags |= SB_NO_DCACHE;
    assert_int_equal(vfs_mkdir(&e->w, "/m", 0777), 0);
    assert_int_equal(vfs_lookup(&e->w, "/m", &a), 0);
    assert_int_equal(vfs_lookup(&e->w, "/m", &b), 0);
    assert_true(a.dentry != b.dentry && a.dentry->inode == b.dentry->inode);
    assert_int_equal(tmpfs_new(0755, 0, 0, 0, &top), 0);
    assert_int_equal(vfs_mount_at(e->ns, "/m", false, top, 0, "t", ""), 0);
    put_file(e, "/m/f", "x");
    assert_names(e, "/m", "f");
    assert_int_equal(vfs_unlink(&e->w, "/m/f"), 0);
    super_put(top);
    e->root.dentry->sb->flags = 0;
}

static void path_name__anonymous_and_roots__as_linux(void **state)
{
    struct env *e = *state;
    struct inode *inode;
    static const struct file_ops no_ops = {0};
    struct file *f;
    AUTO_STRBUF text = {0};
    char expected[32];
    assert_int_equal(inode_new_anon(S_IFIFO | 0600, e->root_cred, &inode), 0);
    snprintf(expected, sizeof(expected), "pipe:[%lu]", (unsigned long)inode->ino);
    assert_int_equal(file_new_anon(&no_ops, "pipe:", inode, O_RDONLY, e->root_cred, NULL, &f), 0);
    assert_int_equal(path_name(&f->path, &e->root, &text), 0);
    assert_string_equal(text.text, expected);
    file_put(f);
    strbuf_clear(&text);
    assert_int_equal(path_name(&e->root, &e->root, &text), 0);
    assert_string_equal(text.text, "/");
}

static void mount_remove__busy_or_detached__as_linux(void **state)
{
    struct env *e = *state;
    struct super_block *sb;
    struct file *f;
    char buf[4];
    assert_int_equal(tmpfs_new(0755, 0, 0, 0, &sb), 0);
    assert_int_equal(vfs_mount_at(e->ns, "/m", true, sb, 0, "t", ""), 0);
    super_put(sb);
    put_file(e, "/m/f", "abc");
    struct mount *m = list_entry(e->ns->all.prev, struct mount, all);
    assert_int_equal(open_name(e, "/m/f", O_RDONLY, &f), 0);
    assert_int_equal(mount_remove(e->ns, m, false), -EBUSY);
    assert_int_equal(mount_remove(e->ns, e->ns->root, false), -EBUSY);
    assert_int_equal(mount_remove(e->ns, m, true), 0);
    assert_names(e, "/m", "");
    assert_int_equal(file_kernel_read(f, buf, 4, 0), 3); /* lives until it is closed */
    file_put(f);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, up, down)
    const struct CMUnitTest tests[] = {
        CASE(dcache__limit_exceeded__oldest_unused_go),
        CASE(dcache__names_in_use__stay),
        CASE(dcache__removed_directory__children_forgotten),
        CASE(dcache__revalidating_fs__asked_each_time),
        CASE(dcache__uncached_fs__mount_points_found_all_the_same),
        CASE(path_name__anonymous_and_roots__as_linux),
        CASE(mount_remove__busy_or_detached__as_linux),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
