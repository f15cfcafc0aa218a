/* LINK: sentry/vfs/lease.o sentry/vfs/cred.o sentry/vfs/super.o sentry/vfs/inode.o sentry/vfs/stamp.o sentry/vfs/dentry.o sentry/vfs/mount.o sentry/vfs/path.o sentry/vfs/namei.o sentry/vfs/modify.o sentry/vfs/rename.o sentry/vfs/attr.o sentry/vfs/open.o sentry/vfs/file.o sentry/vfs/anon.o sentry/vfs/fdtable.o sentry/vfs/locks.o sentry/vfs/seal.o sentry/vfs/mount_at.o sentry/fs/memfile.o sentry/fs/memfile_tree.o sentry/fs/memfile_fd.o sentry/fs/mempage.o sentry/fs/memdir.o sentry/fs/memnode.o sentry/fs/memnode_dir.o sentry/fs/memxattr.o sentry/fs/tmpfs.o sentry/mm/uio.o sentry/mm/usercopy.o sentry/base/kernel.o sentry/base/waitq.o sentry/base/timer.o sentry/base/events.o lib/kthread.o lib/kthread_x86_64.o lib/hash.o lib/host.o lib/strbuf.o lib/bug.o lib/log.o sentry/fs/overlay.o sentry/fs/overlay_file.o sentry/fs/overlay_dir.o */
/*
 * The overlay over a tmpfs: what is read comes from the lower, what is changed stays above it, and
 * the lower is never touched.
 */
#include "tests/unit/vfs_env.h"

#include <linux/fs.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/host.h"

struct world {
    struct env e;     /* the overlay */
    struct env lower; /* the same lower, mounted directly: to look whether it changed */
};

static void populate(struct env *l)
{
    assert_int_equal(vfs_mkdir(&l->w, "/dir", 0755), 0);
    assert_int_equal(vfs_mkdir(&l->w, "/dir/sub", 0755), 0);
    assert_int_equal(vfs_mkdir(&l->w, "/empty", 0755), 0);
    put_file(l, "/a", "lower a");
    put_file(l, "/b", "lower b");
    put_file(l, "/dir/f", "lower f");
    put_file(l, "/dir/sub/g", "lower g");
    assert_int_equal(vfs_link(&l->w, "/a", &l->w, "/dir/hard"), 0);
    assert_int_equal(vfs_symlink(&l->w, "dir/f", "/link"), 0);
}

static int up(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    struct super_block *lower, *sb;
    g_kernel->total_memory = 1UL << 30;
    assert_int_equal(tmpfs_new(0755, 0, 0, 0, &lower), 0);
    super_get(lower);
    env_up_on(&w->lower, lower);
    populate(&w->lower);
    assert_int_equal(overlay_new(lower, &sb), 0);
    super_put(lower);
    env_up_on(&w->e, sb);
    *state = w;
    return 0;
}
static int down(void **state)
{
    struct world *w = *state;
    /* whatever the test did, the lower is as it was */
    assert_names(&w->lower, "/", "a b dir empty link");
    assert_names(&w->lower, "/dir", "f hard sub");
    assert_content(&w->lower, "/a", "lower a");
    assert_content(&w->lower, "/b", "lower b");
    assert_content(&w->lower, "/dir/f", "lower f");
    assert_content(&w->lower, "/dir/sub/g", "lower g");
    path_put(&w->e.root);
    mount_ns_free(w->e.ns);
    cred_put(w->e.root_cred);
    cred_put(w->e.user_cred);
    env_down(&w->lower);
    free(w);
    return 0;
}

/* Drops every unused dentry: views must come back, changes must stay. */
static void forget(void)
{
    dcache_shrink(0);
}

static void append(struct env *e, const char *name, const char *text)
{
    struct file *f;
    struct uio u;
    assert_int_equal(open_name(e, name, O_WRONLY | O_APPEND, &f), 0);
    uio_init_kernel(&u, (void *)(uintptr_t)text, strlen(text));
    assert_int_equal(file_write(f, &u), strlen(text));
    file_put(f);
}

static void overlay__untouched__shows_lower(void **state)
{
    struct world *w = *state;
    struct stat st, lower_st;
    assert_names(&w->e, "/", "a b dir empty link");
    assert_names(&w->e, "/dir", "f hard sub");
    assert_content(&w->e, "/link", "lower f");
    assert_int_equal(stat_name(&w->e.w, "/dir/f", &st), 0);
    assert_int_equal(stat_name(&w->lower.w, "/dir/f", &lower_st), 0);
    assert_true(st.st_ino == lower_st.st_ino && st.st_dev == lower_st.st_dev);
    assert_true(st.st_mtim.tv_nsec == lower_st.st_mtim.tv_nsec && st.st_size == lower_st.st_size);
    assert_int_equal(exists(&w->e, "/none"), -ENOENT);
    assert_int_equal(exists(&w->e, "/a/x"), -ENOTDIR);
}

static void overlay_write__lower_file__copied_up(void **state)
{
    struct world *w = *state;
    struct stat before, after;
    assert_int_equal(stat_name(&w->e.w, "/dir/f", &before), 0);
    append(&w->e, "/dir/f", "+upper");
    forget();
    assert_content(&w->e, "/dir/f", "lower f+upper");
    assert_int_equal(stat_name(&w->e.w, "/dir/f", &after), 0);
    assert_true(before.st_ino == after.st_ino && before.st_dev == after.st_dev);
    assert_names(&w->e, "/dir", "f hard sub");
}

static void overlay_write__hard_link__both_names_change(void **state)
{
    struct world *w = *state;
    append(&w->e, "/dir/hard", "!");
    forget();
    assert_content(&w->e, "/a", "lower a!");
    assert_int_equal(vfs_unlink(&w->e.w, "/a"), 0);
    forget();
    struct stat st;
    assert_content(&w->e, "/dir/hard", "lower a!");
    assert_int_equal(stat_name(&w->e.w, "/dir/hard", &st), 0);
    assert_int_equal(st.st_nlink, 1);
}

static void overlay_read__open_before_copy_up__sees_new_bytes(void **state)
{
    struct world *w = *state;
    struct file *f;
    char buf[32] = {0};
    assert_int_equal(open_name(&w->e, "/a", O_RDONLY, &f), 0);
    append(&w->e, "/a", "2");
    assert_int_equal(file_kernel_read(f, buf, sizeof(buf), 0), 8);
    assert_string_equal(buf, "lower a2");
    file_put(f);
}

static void overlay_truncate__lower_file__keeps_the_front(void **state)
{
    struct world *w = *state;
    AUTO_PATH p = {0};
    assert_int_equal(vfs_lookup(&w->e.w, "/a", &p), 0);
    assert_int_equal(vfs_truncate(&p, w->e.root_cred, 5), 0);
    assert_content(&w->e, "/a", "lower");
    put_file(&w->e, "/b", "new");
    assert_content(&w->e, "/b", "new");
}

static void overlay_chmod__lower_file__no_bytes_copied(void **state)
{
    struct world *w = *state;
    struct stat st;
    {
        AUTO_PATH p = {0};
        assert_int_equal(vfs_lookup(&w->e.w, "/a", &p), 0);
        assert_int_equal(vfs_chmod(&p, w->e.root_cred, 0600), 0);
        assert_int_equal(vfs_utimes(&p, w->e.root_cred, 7, 8), 0);
    }
    forget();
    assert_int_equal(stat_name(&w->e.w, "/a", &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(st.st_mtim.tv_nsec, 8);
    assert_int_equal(stat_name(&w->e.w, "/dir/hard", &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_content(&w->e, "/a", "lower a");
    assert_int_equal(stat_name(&w->lower.w, "/a", &st), 0);
    assert_int_equal(st.st_mode & 07777, 0644);
}

static void overlay_unlink__lower_name__whited_out(void **state)
{
    struct world *w = *state;
    assert_int_equal(vfs_unlink(&w->e.w, "/b"), 0);
    forget();
    assert_int_equal(exists(&w->e, "/b"), -ENOENT);
    assert_names(&w->e, "/", "a dir empty link");
    put_file(&w->e, "/b", "again");
    forget();
    assert_content(&w->e, "/b", "again");
    assert_int_equal(vfs_unlink(&w->e.w, "/b"), 0);
    forget();
    assert_int_equal(exists(&w->e, "/b"), -ENOENT);
    assert_int_equal(vfs_unlink(&w->e.w, "/b"), -ENOENT);
}

static void overlay_rmdir__lower_directory__opaque_when_made_again(void **state)
{
    struct world *w = *state;
    assert_int_equal(vfs_rmdir(&w->e.w, "/dir/sub"), -ENOTEMPTY);
    assert_int_equal(vfs_unlink(&w->e.w, "/dir/sub/g"), 0);
    assert_int_equal(vfs_rmdir(&w->e.w, "/dir/sub"), 0);
    assert_int_equal(vfs_rmdir(&w->e.w, "/empty"), 0);
    forget();
    assert_int_equal(exists(&w->e, "/dir/sub"), -ENOENT);
    assert_int_equal(vfs_mkdir(&w->e.w, "/dir/sub", 0700), 0);
    forget();
    assert_names(&w->e, "/dir/sub", "");
    assert_names(&w->e, "/", "a b dir link");
    struct stat st;
    assert_int_equal(stat_name(&w->e.w, "/dir", &st), 0);
    assert_int_equal(st.st_nlink, 3);
}

static void overlay_rename__lower_directory__takes_its_names_along(void **state)
{
    struct world *w = *state;
    struct stat before, after;
    assert_int_equal(stat_name(&w->e.w, "/dir/sub/g", &before), 0);
    append(&w->e, "/dir/f", "1");
    assert_int_equal(vfs_rename(&w->e.w, "/dir", &w->e.w, "/empty/moved", 0), 0);
    forget();
    assert_int_equal(exists(&w->e, "/dir"), -ENOENT);
    assert_names(&w->e, "/empty/moved", "f hard sub");
    assert_content(&w->e, "/empty/moved/f", "lower f1");
    assert_content(&w->e, "/empty/moved/sub/g", "lower g");
    assert_int_equal(stat_name(&w->e.w, "/empty/moved/sub/g", &after), 0);
    assert_true(before.st_ino == after.st_ino);
    append(&w->e, "/empty/moved/sub/g", "2");
    assert_int_equal(vfs_rename(&w->e.w, "/empty/moved", &w->e.w, "/dir", 0), 0);
    forget();
    assert_content(&w->e, "/dir/sub/g", "lower g2");
    assert_names(&w->e, "/", "a b dir empty link");
}

static void overlay_rename__over_lower_file__replaces_it(void **state)
{
    struct world *w = *state;
    put_file(&w->e, "/tmp", "fresh");
    assert_int_equal(vfs_rename(&w->e.w, "/tmp", &w->e.w, "/b", 0), 0);
    forget();
    assert_content(&w->e, "/b", "fresh");
    assert_names(&w->e, "/", "a b dir empty link");
    assert_int_equal(vfs_unlink(&w->e.w, "/b"), 0);
    forget();
    assert_int_equal(exists(&w->e, "/b"), -ENOENT); /* not lower b again */
    assert_int_equal(vfs_rename(&w->e.w, "/a", &w->e.w, "/dir/f", RENAME_EXCHANGE), 0);
    forget();
    assert_content(&w->e, "/a", "lower f");
    assert_content(&w->e, "/dir/f", "lower a");
    assert_int_equal(vfs_rename(&w->e.w, "/a", &w->e.w, "/dir/f", 0), 0);
    forget();
    assert_int_equal(exists(&w->e, "/a"), -ENOENT);
    assert_content(&w->e, "/dir/f", "lower f");
    assert_content(&w->e, "/dir/hard", "lower a");
}

static void overlay_link__lower_file__second_name(void **state)
{
    struct world *w = *state;
    struct stat st;
    assert_int_equal(vfs_link(&w->e.w, "/b", &w->e.w, "/b2"), 0);
    forget();
    assert_int_equal(stat_name(&w->e.w, "/b", &st), 0);
    assert_int_equal(st.st_nlink, 2);
    assert_int_equal(vfs_unlink(&w->e.w, "/b"), 0);
    append(&w->e, "/b2", "!");
    forget();
    assert_content(&w->e, "/b2", "lower b!");
    assert_int_equal(vfs_unlink(&w->e.w, "/b2"), 0);
}

static void overlay_readdir__removal_during_scan__complete(void **state)
{
    struct world *w = *state;
    struct file *f;
    char name[32];
    for (int i = 0; i < 20; i++) {
        snprintf(name, sizeof(name), "/dir/n%02d", i);
        put_file(&w->e, name, "x");
    }
    struct name_list l = {.c = {.emit = take_name}};
    assert_int_equal(open_name(&w->e, "/dir", O_RDONLY | O_DIRECTORY, &f), 0);
    size_t done = 0, before;
    do {
        before = l.count;
        l.limit = l.count + 3;
        assert_int_equal(f->ops->readdir(f, &l.c), 0);
        for (; done < l.count; done++) {
            snprintf(name, sizeof(name), "/dir/%.20s", l.names[done]);
            if (l.names[done][0] != '.' && strcmp(l.names[done], "sub") != 0) {
                assert_int_equal(vfs_unlink(&w->e.w, name), 0);
            }
        }
    } while (l.count > before);
    assert_int_equal(l.count, 2 + 20 + 3);
    file_put(f);
    assert_names(&w->e, "/dir", "sub");
}

static void overlay_mmap__lower_and_copied__right_bytes(void **state)
{
    struct world *w = *state;
    struct file *f;
    struct file_map map;
    char buf[16] = {0};
    assert_int_equal(open_name(&w->e, "/a", O_RDONLY, &f), 0);
    assert_int_equal(f->ops->mmap(f, PROT_READ, MAP_PRIVATE, &map), 0);
    assert_int_equal(host_pread(map.host_fd, buf, 7, (off_t)map.host_offset), 7);
    assert_string_equal(buf, "lower a");
    file_put(f);
    assert_int_equal(open_name(&w->e, "/b", O_RDWR, &f), 0);
    assert_int_equal(f->ops->mmap(f, PROT_READ | PROT_WRITE, MAP_SHARED, &map), 0);
    assert_int_equal(host_pwrite(map.host_fd, "UPPER", 5, 0), 5); /* as a guest's store does */
    file_put(f);
    forget();
    assert_content(&w->e, "/b", "UPPER b");
}

static void overlay_xattr__lower_values__copied_before_change(void **state)
{
    struct world *w = *state;
    AUTO_PATH low = {0}, p = {0};
    char buf[16];
    assert_int_equal(vfs_lookup(&w->lower.w, "/a", &low), 0);
    struct inode *li = low.dentry->inode;
    assert_int_equal(li->ops->setxattr(li, "user.one", "1", 1, 0), 0);
    assert_int_equal(vfs_lookup(&w->e.w, "/a", &p), 0);
    struct inode *i = p.dentry->inode;
    assert_int_equal(i->ops->getxattr(i, "user.one", buf, sizeof(buf)), 1);
    assert_int_equal(i->ops->removexattr(i, "user.none"), -ENODATA);
    assert_int_equal(i->ops->setxattr(i, "user.two", "22", 2, 0), 0);
    assert_int_equal(i->ops->getxattr(i, "user.one", buf, sizeof(buf)), 1);
    assert_int_equal(i->ops->listxattr(i, NULL, 0), 18);
    assert_int_equal(i->ops->removexattr(i, "user.one"), 0);
    assert_int_equal(i->ops->getxattr(i, "user.one", buf, sizeof(buf)), -ENODATA);
    assert_int_equal(li->ops->getxattr(li, "user.one", buf, sizeof(buf)), 1);
    assert_int_equal(li->ops->removexattr(li, "user.one"), 0);
}

static void overlay__deep_tree__torn_down_without_recursion(void **state)
{
    struct world *w = *state;
    AUTO_PATH at = {0};
    assert_int_equal(vfs_lookup(&w->e.w, "/", &at), 0);
    for (int i = 0; i < 20000; i++) {
        struct walk walk = w->e.w;
        struct path next = {0};
        walk.start = &at;
        assert_int_equal(vfs_mkdir(&walk, "d", 0755), 0);
        assert_int_equal(vfs_lookup(&walk, "d", &next), 0);
        path_put(&at);
        at = next;
    }
}

/* --- the same random operations on the overlay and on a plain tmpfs with the same files --- */

static void random_name(char *out, size_t size)
{
    static const char *const parts[] = {"a", "b", "dir", "sub", "f", "g", "empty", "link", "new"};
    size_t used = 0;
    for (int depth = rand() % 3; depth >= 0; depth--) {
        const char *part = parts[rand() % ARRAY_COUNT(parts)];
        used += (size_t)snprintf(out + used, size - used, "/%s", part);
    }
}

static int write_some(struct env *e, const char *name, unsigned flags, size_t size)
{
    struct file *f;
    struct uio u;
    static char data[9000];
    int r = open_name(e, name, O_WRONLY | O_CREAT | flags, &f);
    if (r < 0) {
        return r;
    }
    memset(data, 'a' + (int)(size % 26), size);
    uio_init_kernel(&u, data, size);
    ssize_t n = file_write(f, &u);
    file_put(f);
    return (int)n;
}

static int truncate_name(struct env *e, const char *name, int64_t size)
{
    AUTO_PATH p = {0};
    int r = vfs_lookup(&e->w, name, &p);
    return r < 0 ? r : vfs_truncate(&p, e->root_cred, size);
}

static int random_operation(struct env *e, int op, const char *p, const char *q, int n)
{
    struct walk nofollow = e->w;
    nofollow.flags = 0;
    switch (op) {
    case 0:
        return vfs_unlink(&e->w, p);
    case 1:
        return vfs_rmdir(&e->w, p);
    case 2:
        return vfs_mkdir(&e->w, p, 0755);
    case 3:
        return vfs_rename(&e->w, p, &e->w, q, 0);
    case 4:
        return vfs_rename(&e->w, p, &e->w, q, RENAME_EXCHANGE);
    case 5:
        return vfs_link(&nofollow, p, &e->w, q);
    case 6:
        return vfs_symlink(&e->w, q + 1, p);
    case 7:
        return truncate_name(e, p, n);
    case 8:
        return write_some(e, p, O_APPEND, (size_t)n % 9000);
    default:
        return write_some(e, p, n % 2 ? O_TRUNC : 0, (size_t)n % 9000);
    }
}

static void compare_name(struct env *a, struct env *b, const char *name)
{
    static char x[100000], y[100000];
    struct stat s, t;
    int r = stat_name(&a->w, name, &s);
    assert_int_equal(r, stat_name(&b->w, name, &t));
    if (r < 0) {
        return;
    }
    assert_int_equal(s.st_mode, t.st_mode);
    assert_int_equal(s.st_nlink, t.st_nlink);
    if (S_ISDIR(s.st_mode)) {
        list_dir(a, name, x, sizeof(x));
        list_dir(b, name, y, sizeof(y));
        assert_string_equal(x, y);
    } else {
        ssize_t n = read_file(a, name, x, sizeof(x));
        assert_int_equal(n, read_file(b, name, y, sizeof(y)));
        assert_memory_equal(x, y, n);
    }
}

static void overlay__random_operations__same_as_plain_tmpfs(void **state)
{
    struct world *w = *state;
    struct env plain;
    struct super_block *sb;
    assert_int_equal(tmpfs_new(0755, 0, 0, 0, &sb), 0);
    env_up_on(&plain, sb);
    populate(&plain);
    srand(4);
    for (int i = 0; i < 20000; i++) {
        char p[64], q[64];
        random_name(p, sizeof(p));
        random_name(q, sizeof(q));
        int op = rand() % 11, n = rand() % 20000;
        int r = random_operation(&w->e, op, p, q, n);
        assert_int_equal(r, random_operation(&plain, op, p, q, n));
        compare_name(&w->e, &plain, p);
        compare_name(&w->e, &plain, q);
        if (rand() % 20 == 0) {
            forget();
        }
    }
    path_put(&plain.root);
    mount_ns_free(plain.ns);
    cred_put(plain.root_cred);
    cred_put(plain.user_cred);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, up, down)
    const struct CMUnitTest tests[] = {
        CASE(overlay__untouched__shows_lower),
        CASE(overlay_write__lower_file__copied_up),
        CASE(overlay_write__hard_link__both_names_change),
        CASE(overlay_read__open_before_copy_up__sees_new_bytes),
        CASE(overlay_truncate__lower_file__keeps_the_front),
        CASE(overlay_chmod__lower_file__no_bytes_copied),
        CASE(overlay_unlink__lower_name__whited_out),
        CASE(overlay_rmdir__lower_directory__opaque_when_made_again),
        CASE(overlay_rename__lower_directory__takes_its_names_along),
        CASE(overlay_rename__over_lower_file__replaces_it),
        CASE(overlay_link__lower_file__second_name),
        CASE(overlay_readdir__removal_during_scan__complete),
        CASE(overlay_mmap__lower_and_copied__right_bytes),
        CASE(overlay_xattr__lower_values__copied_before_change),
        CASE(overlay__random_operations__same_as_plain_tmpfs),
        CASE(overlay__deep_tree__torn_down_without_recursion),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
