/* LINK: sentry/vfs/lease.o sentry/fs/pipe.o sentry/fs/fifo.o sentry/fs/hostfile.o sentry/fs/hosttty.o sentry/fs/tty.o sentry/vfs/cred.o sentry/vfs/super.o sentry/vfs/inode.o sentry/vfs/stamp.o sentry/vfs/dentry.o sentry/vfs/mount.o sentry/vfs/path.o sentry/vfs/namei.o sentry/vfs/modify.o sentry/vfs/rename.o sentry/vfs/attr.o sentry/vfs/open.o sentry/vfs/file.o sentry/vfs/anon.o sentry/vfs/fdtable.o sentry/vfs/locks.o sentry/vfs/seal.o sentry/vfs/mount_at.o sentry/fs/memfile.o sentry/fs/memfile_tree.o sentry/fs/memfile_fd.o sentry/fs/mempage.o sentry/fs/memdir.o sentry/fs/memnode.o sentry/fs/memnode_dir.o sentry/fs/memxattr.o sentry/fs/tmpfs.o sentry/mm/uio.o sentry/mm/usercopy.o sentry/base/kernel.o sentry/base/waitq.o sentry/base/timer.o sentry/base/events.o lib/kthread.o lib/kthread_x86_64.o lib/hash.o lib/host.o lib/strbuf.o lib/bug.o lib/log.o */
/*
 * Pipes without sleeping: capacity, atomicity, merging, packets, hang-up, resizing, reference counts.
 */
#include "tests/unit/vfs_env.h"

#include "sentry/fs/pipe.h"

static struct cred *g_cred;
static struct file *g_p[2];
static char g_buf[1 << 21];

static int up(void **state)
{
    (void)state;
    assert_int_equal(cred_new(&g_cred, 0, 0, NULL, 0), 0);
    assert_int_equal(pipe_new(O_NONBLOCK, g_cred, g_p), 0);
    return 0;
}
static int down(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        if (g_p[i]) {
            file_put(take(&g_p[i]));
        }
    }
    cred_put(g_cred);
    return 0;
}

static ssize_t put(const void *data, size_t size)
{
    struct uio u;
    uio_init_kernel(&u, (void *)(uintptr_t)data, size);
    return file_write(g_p[1], &u);
}
static ssize_t get(size_t size)
{
    struct uio u;
    uio_init_kernel(&u, g_buf, size);
    return file_read(g_p[0], &u);
}
static uint32_t events(int end)
{
    return file_poll(g_p[end], NULL);
}

static void pipe_write__full__eagain_and_partial(void **state)
{
    (void)state;
    assert_int_equal(put(g_buf, 100000), 65536);
    assert_int_equal(put(g_buf, 1), -EAGAIN);
    assert_int_equal(events(1), 0);
    assert_int_equal(get(4095), 4095);
    assert_int_equal(put(g_buf, 1), -EAGAIN);
    assert_int_equal(get(1), 1);
    assert_true(events(1) & EPOLLOUT);
    assert_int_equal(put(g_buf, 4096), 4096);
}

static void pipe_write__small_pieces__merged_into_pages(void **state)
{
    (void)state;
    size_t total = 0;
    while (put("0123456789abcdef", 16) == 16) {
        total += 16;
    }
    assert_int_equal(total, 65536); /* no page was left half full */
    assert_int_equal(get(65536), 65536);
    assert_memory_equal(g_buf + 65520, "0123456789abcdef", 16);
}

static void pipe_read__ends_closed__eof_and_epipe(void **state)
{
    (void)state;
    assert_int_equal(get(1), -EAGAIN);
    assert_int_equal(put("x", 1), 1);
    file_put(take(&g_p[1]));
    assert_int_equal(events(0), EPOLLIN | EPOLLRDNORM | EPOLLHUP);
    assert_int_equal(get(5), 1);
    assert_int_equal(get(5), 0);
    down(NULL);
    up(NULL);
    file_put(take(&g_p[0]));
    assert_true(events(1) & EPOLLERR);
    assert_int_equal(put("x", 1), -EPIPE);
}

static void pipe_set_size__limits__errors(void **state)
{
    (void)state;
    struct cred *user;
    assert_int_equal(cred_new(&user, 1000, 1000, NULL, 0), 0);
    assert_int_equal(pipe_get_size(g_p[0]), 65536);
    assert_int_equal(put(g_buf, 10000), 10000);
    assert_int_equal(pipe_set_size(g_p[0], 4096, user), -EBUSY);
    assert_int_equal(pipe_set_size(g_p[0], 12289, user), 16384);
    assert_int_equal(pipe_set_size(g_p[0], PIPE_MAX_SIZE + 1, user), -EPERM);
    assert_int_equal(pipe_set_size(g_p[0], UINT32_MAX, g_cred), -EINVAL);
    assert_int_equal(pipe_set_size(g_p[0], PIPE_MAX_SIZE * 2, g_cred), PIPE_MAX_SIZE * 2);
    assert_int_equal(get(sizeof(g_buf)), 10000);
    cred_put(user);
}

static void pipe_peek__skip__leaves_data(void **state)
{
    (void)state;
    char buf[8] = "";
    assert_int_equal(put("abcdef", 6), 6);
    assert_int_equal(pipe_peek(g_p[0], 2, buf, 3), 3);
    assert_memory_equal(buf, "cde", 3);
    pipe_discard(g_p[0], 4);
    assert_int_equal(get(10), 2);
    assert_memory_equal(g_buf, "ef", 2);
}

static void fifo_open__nonblock__rules(void **state)
{
    struct env *e = calloc(1, sizeof(*e));
    struct file *r, *w;
    (void)state;
    env_up(e);
    vfs_set_special(fifo_open, NULL);
    assert_int_equal(vfs_mknod(&e->w, "/f", S_IFIFO | 0600, 0), 0);
    assert_int_equal(open_name(e, "/f", O_WRONLY | O_NONBLOCK, &w), -ENXIO);
    assert_int_equal(open_name(e, "/f", O_RDONLY | O_NONBLOCK, &r), 0);
    assert_int_equal(file_poll(r, NULL), 0); /* no writer yet: no hang-up either */
    assert_int_equal(open_name(e, "/f", O_WRONLY | O_NONBLOCK, &w), 0);
    file_put(w);
    assert_int_equal(file_poll(r, NULL), EPOLLHUP);
    file_put(r);
    assert_int_equal(open_name(e, "/f", O_RDWR, &r), 0);
    file_put(r);
    env_down(e);
    free(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(pipe_write__full__eagain_and_partial, up, down),
        cmocka_unit_test_setup_teardown(pipe_write__small_pieces__merged_into_pages, up, down),
        cmocka_unit_test_setup_teardown(pipe_read__ends_closed__eof_and_epipe, up, down),
        cmocka_unit_test_setup_teardown(pipe_set_size__limits__errors, up, down),
        cmocka_unit_test_setup_teardown(pipe_peek__skip__leaves_data, up, down),
        cmocka_unit_test(fifo_open__nonblock__rules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
