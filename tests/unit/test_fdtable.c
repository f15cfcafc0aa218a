/* LINK: sentry/vfs/lease.o sentry/vfs/cred.o sentry/vfs/super.o sentry/vfs/inode.o sentry/vfs/stamp.o sentry/vfs/dentry.o sentry/vfs/mount.o sentry/vfs/path.o sentry/vfs/namei.o sentry/vfs/modify.o sentry/vfs/rename.o sentry/vfs/attr.o sentry/vfs/open.o sentry/vfs/file.o sentry/vfs/anon.o sentry/vfs/fdtable.o sentry/vfs/locks.o sentry/vfs/seal.o sentry/vfs/mount_at.o sentry/fs/memfile.o sentry/fs/memfile_tree.o sentry/fs/memfile_fd.o sentry/fs/mempage.o sentry/fs/memdir.o sentry/fs/memnode.o sentry/fs/memnode_dir.o sentry/fs/memxattr.o sentry/fs/tmpfs.o sentry/mm/uio.o sentry/mm/usercopy.o sentry/base/kernel.o sentry/base/waitq.o sentry/base/timer.o sentry/base/events.o lib/kthread.o lib/kthread_x86_64.o lib/hash.o lib/host.o lib/strbuf.o lib/bug.o lib/log.o */
/*
 * fd numbers, and the locks that go with closing them.
 */
#include "tests/unit/vfs_env.h"

#include <sys/file.h>

#include "sentry/vfs/fdtable.h"
#include "sentry/vfs/locks.h"

struct world {
    struct env e;
    struct fd_table *t;
    struct file *f;
};

static int up(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    env_up(&w->e);
    assert_int_equal(fd_table_new(&w->t), 0);
    assert_int_equal(open_name(&w->e, "/f", O_RDWR | O_CREAT, &w->f), 0);
    *state = w;
    return 0;
}
static int down(void **state)
{
    struct world *w = *state;
    fd_table_put(w->t);
    assert_int_equal(w->f->ref.n, 1);
    file_put(w->f);
    env_down(&w->e);
    free(w);
    return 0;
}

static void fd_table_install__lowest_free__taken(void **state)
{
    struct world *w = *state;
    for (int i = 0; i < 200; i++) {
        assert_int_equal(fd_table_install(w->t, w->f, 0, 1000, false), i);
    }
    assert_int_equal(fd_table_close(w->t, 130), 0);
    assert_int_equal(fd_table_close(w->t, 7), 0);
    assert_int_equal(fd_table_install(w->t, w->f, 100, 1000, false), 130);
    assert_int_equal(fd_table_install(w->t, w->f, 0, 1000, false), 7);
    assert_int_equal(fd_table_install(w->t, w->f, 0, 1000, false), 200);
    assert_int_equal(fd_table_install(w->t, w->f, 500, 1000, false), 500);
    assert_int_equal(fd_table_install(w->t, w->f, 0, 1000, false), 201);
    assert_int_equal(fd_table_close(w->t, 900), -EBADF);
    assert_int_equal(fd_table_close(w->t, -1), -EBADF);
}

static void fd_table_install__full__emfile(void **state)
{
    struct world *w = *state;
    for (int i = 0; i < 64; i++) {
        assert_int_equal(fd_table_install(w->t, w->f, 0, 64, false), i);
    }
    assert_int_equal(fd_table_install(w->t, w->f, 0, 64, false), -EMFILE);
    assert_int_equal(fd_table_install(w->t, w->f, 64, 64, false), -EINVAL);
    assert_int_equal(fd_table_install(w->t, w->f, -1, 64, false), -EINVAL);
    assert_int_equal(fd_table_install_at(w->t, w->f, 64, 64, false), -EBADF);
    assert_int_equal(fd_table_install_at(w->t, w->f, 3, 64, true), 3);
    assert_int_equal(fd_table_cloexec(w->t, 3), 1);
}

static void fd_table_copy__then_exec__independent(void **state)
{
    struct world *w = *state;
    struct fd_table *copy;
    assert_int_equal(fd_table_install_at(w->t, w->f, 3, 100, true), 3);
    assert_int_equal(fd_table_install_at(w->t, w->f, 70, 100, false), 70);
    assert_int_equal(fd_table_copy(w->t, &copy), 0);
    fd_table_close_on_exec(copy);
    assert_int_equal(fd_table_next(copy, 0), 70);
    assert_int_equal(fd_table_next(copy, 71), -1);
    assert_int_equal(fd_table_next(w->t, 0), 3);
    assert_int_equal(fd_table_install(copy, w->f, 0, 100, false), 0);
    fd_table_put(copy);
}

static void fd_table_close_range__part__closed(void **state)
{
    struct world *w = *state;
    for (int i = 0; i < 10; i++) {
        assert_int_equal(fd_table_install(w->t, w->f, 0, 100, false), i);
    }
    fd_table_set_cloexec_range(w->t, 8, UINT32_MAX);
    assert_int_equal(fd_table_cloexec(w->t, 7), 0);
    assert_int_equal(fd_table_cloexec(w->t, 8), 1);
    fd_table_close_range(w->t, 2, 5);
    assert_int_equal(fd_table_next(w->t, 2), 6);
    fd_table_close_range(w->t, 6, UINT32_MAX);
    assert_int_equal(fd_table_next(w->t, 2), -1);
    assert_int_equal(fd_table_cloexec(w->t, 2), -EBADF);
}

static void fd_table_lookup__o_path__refused(void **state)
{
    struct world *w = *state;
    struct file *f, *got;
    assert_int_equal(open_name(&w->e, "/f", O_PATH, &f), 0);
    assert_int_equal(fd_table_install(w->t, f, 0, 10, false), 0);
    file_put(f);
    assert_int_equal(fd_table_lookup(w->t, 0, &got), -EBADF);
    assert_int_equal(fd_table_lookup_any(w->t, 0, &got), 0);
    assert_ptr_equal(got, f);
    file_put(got);
}

/* --- locks --- */

static int a_owner, b_owner;

static int set(struct world *w, const void *owner, short type, int64_t start, int64_t size)
{
    struct lock_range r;
    assert_int_equal(lock_range_init(&r, w->f, type, SEEK_SET, start, size), 0);
    return file_lock_set(w->f, owner, &r, false);
}
/* What b finds in the way of a write lock on [start, start + size): "type start end". */
static void assert_held(struct world *w, int64_t start, int64_t size, int type, int64_t s,
                        int64_t end)
{
    struct lock_range r;
    assert_int_equal(lock_range_init(&r, w->f, F_WRLCK, SEEK_SET, start, size), 0);
    file_lock_test(w->f, &b_owner, &r);
    assert_int_equal(r.type, type);
    if (type != F_UNLCK) {
        assert_int_equal(r.start, s);
        assert_int_equal(r.end, end);
    }
}

static void file_lock_set__ranges__split_and_merge(void **state)
{
    struct world *w = *state;
    assert_int_equal(set(w, &a_owner, F_WRLCK, 0, 100), 0);
    assert_held(w, 50, 1, F_WRLCK, 0, 99);
    assert_int_equal(set(w, &b_owner, F_RDLCK, 99, 10), -EAGAIN);
    assert_int_equal(set(w, &b_owner, F_RDLCK, 100, 10), 0);
    assert_int_equal(set(w, &b_owner, F_UNLCK, 0, 0), 0);
    assert_int_equal(set(w, &a_owner, F_UNLCK, 40, 20), 0); /* a hole in the middle */
    assert_held(w, 0, 60, F_WRLCK, 0, 39);
    assert_held(w, 40, 20, F_UNLCK, 0, 0);
    assert_held(w, 60, 0, F_WRLCK, 60, 99);
    assert_int_equal(set(w, &a_owner, F_RDLCK, 30, 40), 0); /* over both edges */
    assert_held(w, 0, 30, F_WRLCK, 0, 29);
    assert_held(w, 30, 40, F_RDLCK, 30, 69);
    assert_held(w, 70, 0, F_WRLCK, 70, 99);
    assert_int_equal(set(w, &b_owner, F_RDLCK, 35, 5), 0); /* readers share */
    assert_int_equal(set(w, &b_owner, F_UNLCK, 0, 0), 0);
    assert_int_equal(set(w, &a_owner, F_WRLCK, 30, 40), 0); /* all three become one */
    assert_held(w, 0, 0, F_WRLCK, 0, 99);
    assert_int_equal(set(w, &a_owner, F_WRLCK, 100, 0), 0); /* touching: one, to the end */
    assert_held(w, 5000, 1, F_WRLCK, 0, INT64_MAX);
}

static void lock_range_init__odd_ranges__as_linux(void **state)
{
    struct world *w = *state;
    struct lock_range r;
    w->f->pos = 10;
    assert_int_equal(lock_range_init(&r, w->f, F_RDLCK, SEEK_CUR, 0, -5), 0);
    assert_true(r.start == 5 && r.end == 9);
    assert_int_equal(lock_range_init(&r, w->f, F_RDLCK, SEEK_CUR, 0, -11), -EINVAL);
    assert_int_equal(lock_range_init(&r, w->f, F_RDLCK, SEEK_SET, -1, 0), -EINVAL);
    assert_int_equal(lock_range_init(&r, w->f, F_RDLCK, SEEK_SET, 2, INT64_MAX), -EOVERFLOW);
    assert_int_equal(lock_range_init(&r, w->f, F_RDLCK, 7, 0, 0), -EINVAL);
    assert_int_equal(lock_range_init(&r, w->f, 9, SEEK_SET, 0, 0), -EINVAL);
    w->f->pos = 0;
}

static void fd_table_close__any_fd__posix_locks_drop(void **state)
{
    struct world *w = *state;
    assert_int_equal(fd_table_install(w->t, w->f, 0, 10, false), 0);
    assert_int_equal(fd_table_install(w->t, w->f, 0, 10, false), 1);
    assert_int_equal(set(w, w->t, F_WRLCK, 0, 10), 0);
    assert_int_equal(set(w, w->f, F_RDLCK, 20, 10), 0); /* an OFD lock beside it */
    assert_held(w, 0, 10, F_WRLCK, 0, 9);
    assert_int_equal(fd_table_close(w->t, 1), 0);
    assert_held(w, 0, 10, F_UNLCK, 0, 0);
    assert_held(w, 20, 10, F_RDLCK, 20, 29);
}

static void file_lock_set__wrong_open_mode__ebadf(void **state)
{
    struct world *w = *state;
    struct file *f;
    struct lock_range r;
    assert_int_equal(open_name(&w->e, "/f", O_RDONLY, &f), 0);
    assert_int_equal(lock_range_init(&r, f, F_WRLCK, SEEK_SET, 0, 0), 0);
    assert_int_equal(file_lock_set(f, &a_owner, &r, false), -EBADF);
    r.type = F_RDLCK;
    assert_int_equal(file_lock_set(f, &a_owner, &r, false), 0);
    file_put(f); /* a lock never outlives the file it was set through */
    assert_held(w, 0, 0, F_UNLCK, 0, 0);
}

static void file_flock__two_descriptions__conflict(void **state)
{
    struct world *w = *state;
    struct file *g;
    assert_int_equal(open_name(&w->e, "/f", O_RDONLY, &g), 0);
    assert_int_equal(file_flock(w->f, LOCK_SH, false), 0);
    assert_int_equal(file_flock(g, LOCK_SH, false), 0);
    assert_int_equal(file_flock(g, LOCK_EX, false), -EAGAIN); /* and the shared one is lost */
    assert_int_equal(file_flock(w->f, LOCK_EX, false), 0);
    assert_int_equal(file_flock(g, LOCK_SH, false), -EAGAIN);
    assert_int_equal(set(w, &a_owner, F_WRLCK, 0, 0), 0); /* record locks don't care */
    assert_int_equal(file_flock(w->f, LOCK_UN, false), 0);
    assert_int_equal(file_flock(g, LOCK_EX, false), 0);
    file_put(g);
    assert_int_equal(file_flock(w->f, LOCK_EX, false), 0);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, up, down)
    const struct CMUnitTest tests[] = {
        CASE(fd_table_install__lowest_free__taken),  CASE(fd_table_install__full__emfile),
        CASE(fd_table_copy__then_exec__independent), CASE(fd_table_close_range__part__closed),
        CASE(fd_table_lookup__o_path__refused),      CASE(file_lock_set__ranges__split_and_merge),
        CASE(lock_range_init__odd_ranges__as_linux), CASE(fd_table_close__any_fd__posix_locks_drop),
        CASE(file_lock_set__wrong_open_mode__ebadf), CASE(file_flock__two_descriptions__conflict),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
