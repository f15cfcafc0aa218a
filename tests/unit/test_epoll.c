/* LINK: sentry/vfs/lease.o sentry/fs/epoll.o sentry/fs/eventfd.o sentry/fs/timerfd.o sentry/vfs/cred.o sentry/vfs/super.o sentry/vfs/inode.o sentry/vfs/stamp.o sentry/vfs/dentry.o sentry/vfs/mount.o sentry/vfs/path.o sentry/vfs/namei.o sentry/vfs/modify.o sentry/vfs/rename.o sentry/vfs/attr.o sentry/vfs/open.o sentry/vfs/file.o sentry/vfs/anon.o sentry/vfs/fdtable.o sentry/vfs/locks.o sentry/vfs/seal.o sentry/vfs/mount_at.o sentry/fs/memfile.o sentry/fs/memfile_tree.o sentry/fs/memfile_fd.o sentry/fs/mempage.o sentry/fs/memdir.o sentry/fs/memnode.o sentry/fs/memnode_dir.o sentry/fs/memxattr.o sentry/fs/tmpfs.o sentry/mm/uio.o sentry/mm/usercopy.o sentry/base/kernel.o sentry/base/waitq.o sentry/base/timer.o sentry/base/events.o lib/kthread.o lib/kthread_x86_64.o lib/hash.o lib/host.o lib/strbuf.o lib/bug.o lib/log.o */
/*
 * epoll sets over eventfds without sleeping: triggers, removal, nesting, a guest buffer that faults.
 */
#include "tests/unit/vfs_env.h"

#include <sys/timerfd.h>

#include "lib/host.h"
#include "sentry/base/events.h"
#include "sentry/base/timer.h"
#include "sentry/fs/epoll.h"
#include "sentry/fs/timerfd.h"
#include "sentry/mm/mm.h"

#define FILES 100

static struct cred *g_cred;
static struct file *g_ep, *g_files[FILES];
static struct mm g_mm;
static struct epoll_event *const g_events = (struct epoll_event *)(void *)g_guest_memory;

static int up(void **state)
{
    (void)state;
    assert_int_equal(cred_new(&g_cred, 0, 0, NULL, 0), 0);
    assert_int_equal(epoll_new(g_cred, &g_ep), 0);
    for (int i = 0; i < FILES; i++) {
        assert_int_equal(eventfd_new(0, O_NONBLOCK, g_cred, &g_files[i]), 0);
    }
    return 0;
}
static int down(void **state)
{
    (void)state;
    for (int i = 0; i < FILES; i++) {
        if (g_files[i]) {
            file_put(take(&g_files[i]));
        }
    }
    if (g_ep) {
        file_put(take(&g_ep));
    }
    cred_put(g_cred);
    return 0;
}

static int control(int op, int i, uint32_t events)
{
    struct epoll_event e = {.events = events, .data.u32 = (uint32_t)i};
    return epoll_control(g_ep, op, g_files[i], i, &e);
}
static void signal_file(int i)
{
    uint64_t one = 1;
    struct uio u;
    uio_init_kernel(&u, &one, sizeof(one));
    assert_int_equal(file_write(g_files[i], &u), 8);
}
static void clear_file(int i)
{
    uint64_t value;
    struct uio u;
    uio_init_kernel(&u, &value, sizeof(value));
    assert_int_equal(file_read(g_files[i], &u), 8);
}
static int collect(int max)
{
    return epoll_collect(g_ep, &g_mm, GUEST_BASE, max, 0);
}

static void epoll_collect__level__until_read(void **state)
{
    (void)state;
    assert_int_equal(control(EPOLL_CTL_ADD, 0, EPOLLIN), 0);
    assert_int_equal(collect(8), 0);
    signal_file(0);
    assert_int_equal(collect(8), 1);
    assert_int_equal(g_events[0].events, EPOLLIN);
    assert_int_equal(collect(8), 1);
    clear_file(0);
    assert_int_equal(collect(8), 0);
}

static void epoll_collect__edge_and_oneshot__once(void **state)
{
    (void)state;
    assert_int_equal(control(EPOLL_CTL_ADD, 0, EPOLLIN | EPOLLET), 0);
    assert_int_equal(control(EPOLL_CTL_ADD, 1, EPOLLIN | EPOLLONESHOT), 0);
    signal_file(0);
    signal_file(1);
    assert_int_equal(collect(8), 2);
    assert_int_equal(collect(8), 0);
    signal_file(0);
    signal_file(1);
    assert_int_equal(collect(8), 1);
    assert_int_equal(g_events[0].data.u32, 0);
    assert_int_equal(control(EPOLL_CTL_MOD, 1, EPOLLIN), 0);
    assert_int_equal(collect(8), 1);
    assert_int_equal(g_events[0].data.u32, 1);
}

static void epoll_collect__more_than_a_batch__all_once(void **state)
{
    (void)state;
    uint8_t seen[FILES] = {0};
    for (int i = 0; i < FILES; i++) {
        assert_int_equal(control(EPOLL_CTL_ADD, i, EPOLLIN), 0);
        signal_file(i);
    }
    assert_int_equal(collect(1000), FILES);
    for (int i = 0; i < FILES; i++) {
        seen[g_events[i].data.u32]++;
    }
    for (int i = 0; i < FILES; i++) {
        assert_int_equal(seen[i], 1);
    }
    /* A small array takes turns. */
    for (int i = 0; i < FILES; i += 10) {
        assert_int_equal(collect(10), 10);
        for (int n = 0; n < 10; n++) {
            seen[g_events[n].data.u32]++;
        }
    }
    for (int i = 0; i < FILES; i++) {
        assert_int_equal(seen[i], 2);
    }
}

static void epoll_collect__buffer_faults__nothing_lost(void **state)
{
    (void)state;
    assert_int_equal(control(EPOLL_CTL_ADD, 0, EPOLLIN | EPOLLET), 0);
    assert_int_equal(control(EPOLL_CTL_ADD, 1, EPOLLIN | EPOLLONESHOT), 0);
    signal_file(0);
    signal_file(1);
    assert_int_equal(epoll_collect(g_ep, &g_mm, 8, 8, 0), -EFAULT);
    assert_int_equal(collect(8), 2);
}

static void file_put__watched__leaves_set(void **state)
{
    (void)state;
    assert_int_equal(control(EPOLL_CTL_ADD, 0, EPOLLIN), 0);
    signal_file(0);
    file_put(take(&g_files[0]));
    assert_int_equal(collect(8), 0);
    /* And the set before its files. */
    assert_int_equal(control(EPOLL_CTL_ADD, 1, EPOLLIN), 0);
    file_put(take(&g_ep));
    signal_file(1);
}

static void epoll_control__nested__depth_and_circles(void **state)
{
    struct file *sets[6];
    struct epoll_event e = {.events = EPOLLIN};
    (void)state;
    for (int i = 0; i < 6; i++) {
        assert_int_equal(epoll_new(g_cred, &sets[i]), 0);
    }
    for (int i = 1; i < 5; i++) {
        assert_int_equal(epoll_control(sets[i], EPOLL_CTL_ADD, sets[i - 1], i, &e), 0);
    }
    assert_int_equal(epoll_control(sets[5], EPOLL_CTL_ADD, sets[4], 1, &e), -ELOOP);
    assert_int_equal(epoll_control(sets[0], EPOLL_CTL_ADD, sets[3], 1, &e), -ELOOP);
    assert_int_equal(epoll_control(sets[0], EPOLL_CTL_ADD, sets[0], 1, &e), -EINVAL);
    assert_int_equal(epoll_control(sets[0], EPOLL_CTL_ADD, g_files[0], 1, &e), 0);
    signal_file(0);
    assert_int_equal(epoll_collect(sets[4], &g_mm, GUEST_BASE, 8, 0), 1);
    clear_file(0);
    assert_int_equal(epoll_collect(sets[4], &g_mm, GUEST_BASE, 8, 0), 0);
    for (int i = 0; i < 6; i++) {
        file_put(sets[i]);
    }
}

static void timerfd_set__past_and_overflow__counted_once(void **state)
{
    struct file *f;
    struct timerfd_value old;
    struct uio u;
    uint64_t ticks = 0;
    (void)state;
    assert_int_equal(timerfd_new(CLOCK_MONOTONIC, TFD_NONBLOCK, g_cred, &f), 0);
    assert_int_equal(timerfd_set(f, TFD_TIMER_ABSTIME, 1, INT64_MAX, &old), 0);
    uio_init_kernel(&u, &ticks, sizeof(ticks));
    assert_int_equal(file_read(f, &u), 8);
    assert_int_equal(ticks, 1);
    assert_int_equal(timerfd_set(f, 0, INT64_MAX, 0, &old), 0);
    assert_true(old.left_ns > 0 && old.interval_ns == INT64_MAX);
    uio_init_kernel(&u, &ticks, sizeof(ticks));
    assert_int_equal(file_read(f, &u), -EAGAIN);
    assert_int_equal(timerfd_get(g_files[0], &old), -EINVAL);
    file_put(f);
}

int main(void)
{
    if (events_init() < 0 || timers_init() < 0) {
        return 77;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(epoll_collect__level__until_read, up, down),
        cmocka_unit_test_setup_teardown(epoll_collect__edge_and_oneshot__once, up, down),
        cmocka_unit_test_setup_teardown(epoll_collect__more_than_a_batch__all_once, up, down),
        cmocka_unit_test_setup_teardown(epoll_collect__buffer_faults__nothing_lost, up, down),
        cmocka_unit_test_setup_teardown(file_put__watched__leaves_set, up, down),
        cmocka_unit_test_setup_teardown(epoll_control__nested__depth_and_circles, up, down),
        cmocka_unit_test_setup_teardown(timerfd_set__past_and_overflow__counted_once, up, down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
