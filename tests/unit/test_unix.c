/* LINK: sentry/vfs/lease.o sentry/vfs/cred.o sentry/vfs/super.o sentry/vfs/inode.o sentry/vfs/stamp.o sentry/vfs/dentry.o sentry/vfs/mount.o sentry/vfs/path.o sentry/vfs/namei.o sentry/vfs/modify.o sentry/vfs/rename.o sentry/vfs/attr.o sentry/vfs/open.o sentry/vfs/file.o sentry/vfs/anon.o sentry/vfs/fdtable.o sentry/vfs/locks.o sentry/vfs/seal.o sentry/vfs/mount_at.o sentry/fs/memfile.o sentry/fs/memfile_tree.o sentry/fs/memfile_fd.o sentry/fs/mempage.o sentry/fs/memdir.o sentry/fs/memnode.o sentry/fs/memnode_dir.o sentry/fs/memxattr.o sentry/fs/tmpfs.o sentry/mm/uio.o sentry/mm/usercopy.o sentry/base/kernel.o sentry/base/waitq.o sentry/base/timer.o sentry/base/events.o lib/kthread.o lib/kthread_x86_64.o lib/hash.o lib/host.o lib/strbuf.o lib/bug.o lib/log.o sentry/net/scm.o sentry/net/socket.o sentry/net/socket_option.o sentry/net/socket_kept.o sentry/net/unix.o sentry/net/unix_name.o sentry/net/unix_connect.o sentry/net/unix_message.o sentry/net/unix_send.o sentry/net/unix_receive.o sentry/net/unix_oob.o sentry/net/unix_inflight.o */
/*
 * AF_UNIX sockets without guests: names, charges, files under way, and that everything ends. Nothing
 * here may sleep: the tests run on no kthread, so they ask with MSG_DONTWAIT.
 */
#include "tests/unit/vfs_env.h"

#include <sys/un.h>

#include "sentry/net/unix.h"

struct world {
    struct env e;
    struct socket_caller c;
};

static struct world *g_world;

static void current_caller(struct socket_caller *out)
{
    *out = g_world->c;
}

static size_t count_sockets(void)
{
    AUTO_STRBUF text = {0};
    size_t n = 0;
    unix_show_all(&text);
    for (size_t i = 0; i < text.size; i++) {
        n += text.text[i] == '\n';
    }
    return n;
}

static int up(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    env_up(&w->e);
    w->c = (struct socket_caller){
        .cred = w->e.root_cred, .walk = &w->e.w, .pid = 7, .max_files = 1024};
    g_world = w;
    unix_init();
    socket_set_caller(current_caller);
    *state = w;
    return 0;
}
static int down(void **state)
{
    struct world *w = *state;
    assert_int_equal(count_sockets(), 0); /* none was forgotten */
    assert_int_equal(w->e.root_cred->ref.n, 1);
    env_down(&w->e);
    free(w);
    return 0;
}

static struct file *new_socket(struct world *w, int type)
{
    struct socket *s;
    struct file *f;
    assert_int_equal(socket_create(&w->c, AF_UNIX, type, 0, &s), 0);
    assert_int_equal(socket_file(s, w->c.cred, O_NONBLOCK, &f), 0);
    return f;
}
static void new_pair(struct world *w, int type, struct file *f[2])
{
    f[0] = new_socket(w, type);
    f[1] = new_socket(w, type);
    assert_int_equal(socket_connect_pair(&w->c, file_socket(f[0]), file_socket(f[1])), 0);
}
static struct unix_socket *u_of(struct file *f)
{
    return unix_socket(file_socket(f));
}
static ssize_t put(struct file *f, const char *text)
{
    struct uio u;
    uio_init_kernel(&u, (void *)(uintptr_t)text, strlen(text));
    return file_write(f, &u);
}
static ssize_t get(struct file *f, char *buf, size_t size)
{
    struct uio u;
    memset(buf, 0, size);
    uio_init_kernel(&u, buf, size);
    return file_read(f, &u);
}
/* Sends "x" and these files. */
static ssize_t put_files(struct world *w, struct file *f, struct file *const *list, size_t count)
{
    struct uio u;
    struct socket_msg m = {.data = &u, .flags = MSG_DONTWAIT, .caller = &w->c};
    uio_init_kernel(&u, (void *)(uintptr_t) "x", 1);
    assert_int_equal(scm_files_new(count, &m.scm.files), 0);
    for (size_t i = 0; i < count; i++) {
        m.scm.files->file[m.scm.files->count++] = file_get(list[i]);
    }
    ssize_t n = file_socket(f)->ops->send(file_socket(f), &m);
    scm_put(&m.scm);
    return n;
}
static struct socket_addr addr(const char *text, size_t size)
{
    struct socket_addr a = {.family = AF_UNIX, .size = (uint32_t)(2 + size)};
    memcpy(a.bytes + 2, text, size);
    return a;
}

static void write__to_pair__charged_until_read(void **state)
{
    struct file *f[2];
    char buf[8];
    new_pair(*state, SOCK_STREAM, f);
    assert_int_equal(put(f[0], "ab"), 2);
    assert_int_equal(put(f[0], "cd"), 2);
    assert_int_equal(u_of(f[0])->sent, 2 * 768);
    assert_int_equal(get(f[1], buf, 3), 3);
    assert_memory_equal(buf, "abc", 3);
    assert_int_equal(u_of(f[0])->sent, 768);
    assert_int_equal(get(f[1], buf, 8), 1);
    assert_int_equal(u_of(f[0])->sent, 0);
    assert_int_equal(get(f[1], buf, 8), -EAGAIN);
    file_put(f[0]);
    assert_int_equal(get(f[1], buf, 8), 0);
    assert_int_equal(put(f[1], "x"), -EPIPE);
    file_put(f[1]);
}

static void close__sender_first__message_still_read(void **state)
{
    struct file *f[2];
    char buf[8];
    new_pair(*state, SOCK_SEQPACKET, f);
    assert_int_equal(put(f[0], "last"), 4);
    file_put(f[0]);
    assert_int_equal(get(f[1], buf, 8), 4);
    assert_string_equal(buf, "last");
    assert_int_equal(get(f[1], buf, 8), 0);
    file_put(f[1]);
}

static void write__until_full__eagain_and_not_writable(void **state)
{
    struct file *f[2];
    char buf[8];
    int n = 0;
    new_pair(*state, SOCK_DGRAM, f);
    while (put(f[0], "x") == 1) {
        n++;
    }
    assert_int_equal(n, 278); /* as many as on Linux */
    assert_int_equal(file_poll(f[0], NULL) & EPOLLOUT, 0);
    for (int i = 0; i < n; i++) {
        assert_int_equal(get(f[1], buf, 8), 1);
    }
    assert_int_equal(file_poll(f[0], NULL) & EPOLLOUT, EPOLLOUT);
    file_put(f[0]);
    file_put(f[1]);
}

static void bind__path__inode_leads_to_socket(void **state)
{
    struct world *w = *state;
    struct file *f = new_socket(w, SOCK_DGRAM), *g = new_socket(w, SOCK_DGRAM);
    struct socket_addr a = addr("/s", 2), got;
    struct unix_socket *found;
    assert_int_equal(unix_bind(file_socket(f), &w->c, &a), 0);
    assert_int_equal(unix_getname(file_socket(f), false, &got), 0);
    assert_int_equal(got.size, 2 + 3); /* with the NUL */
    assert_int_equal(unix_bind(file_socket(g), &w->c, &a), -EADDRINUSE);
    assert_int_equal(unix_find(&w->c, &a, SOCK_STREAM, &found), -EPROTOTYPE);
    assert_int_equal(unix_find(&w->c, &a, SOCK_DGRAM, &found), 0);
    assert_ptr_equal(found, u_of(f));
    unix_put(found);
    file_put(f);
    assert_int_equal(unix_find(&w->c, &a, SOCK_DGRAM, &found), -ECONNREFUSED);
    assert_int_equal(exists(&w->e, "/s"), 0);
    file_put(g);
}

static void bind__abstract__gone_with_socket(void **state)
{
    struct world *w = *state;
    struct file *f = new_socket(w, SOCK_DGRAM);
    struct socket_addr a = addr("\0n\0m", 4), shorter = addr("\0n\0", 3);
    struct unix_socket *found;
    assert_int_equal(unix_bind(file_socket(f), &w->c, &a), 0);
    assert_int_equal(unix_find(&w->c, &shorter, SOCK_DGRAM, &found), -ECONNREFUSED);
    assert_int_equal(unix_find(&w->c, &a, SOCK_DGRAM, &found), 0);
    unix_put(found);
    file_put(f);
    assert_int_equal(unix_find(&w->c, &a, SOCK_DGRAM, &found), -ECONNREFUSED);
}

static void connect__not_accepted__reset_when_listener_ends(void **state)
{
    struct world *w = *state;
    struct file *l = new_socket(w, SOCK_STREAM), *c = new_socket(w, SOCK_STREAM);
    struct socket_addr a = addr("\0l", 2);
    char buf[8];
    assert_int_equal(unix_bind(file_socket(l), &w->c, &a), 0);
    assert_int_equal(unix_listen(file_socket(l), &w->c, 0), 0);
    assert_int_equal(unix_connect(file_socket(c), &w->c, &a, O_NONBLOCK), 0);
    assert_int_equal(put(c, "early"), 5);
    struct file *late = new_socket(w, SOCK_STREAM);
    assert_int_equal(unix_connect(file_socket(late), &w->c, &a, O_NONBLOCK), -EAGAIN);
    file_put(late);
    file_put(l);
    assert_int_equal(get(c, buf, 8), -ECONNRESET);
    assert_int_equal(get(c, buf, 8), 0);
    file_put(c);
}

static void collect__sockets_in_each_other__freed(void **state)
{
    struct world *w = *state;
    struct file *a[2], *b[2], *plain;
    new_pair(w, SOCK_STREAM, a);
    new_pair(w, SOCK_DGRAM, b);
    assert_int_equal(open_name(&w->e, "/f", O_RDWR | O_CREAT, &plain), 0);
    assert_int_equal(put_files(w, a[0], &b[1], 1), 1);
    assert_int_equal(put_files(w, b[0], (struct file *[]){a[1], a[0], plain}, 3), 1);
    assert_int_equal(plain->ref.n, 2);
    file_put(a[0]);
    file_put(a[1]);
    unix_collect();
    assert_int_equal(plain->ref.n, 2); /* b[1] can still be read */
    file_put(b[0]);
    file_put(b[1]);
    unix_collect();
    assert_int_equal(plain->ref.n, 1);
    file_put(plain);
}

static void collect__reached_through_another__kept(void **state)
{
    struct world *w = *state;
    struct file *a[2], *b[2], *c[2];
    new_pair(w, SOCK_STREAM, a);
    new_pair(w, SOCK_STREAM, b);
    new_pair(w, SOCK_STREAM, c);
    assert_int_equal(put_files(w, a[0], &b[1], 1), 1);
    assert_int_equal(put_files(w, b[0], (struct file *[]){c[0], c[1]}, 2), 1);
    struct file *deep = b[1];
    file_put(b[0]);
    file_put(b[1]);
    file_put(c[0]);
    file_put(c[1]);
    unix_collect();
    assert_int_equal(count_sockets(), 5);
    assert_int_equal(deep->ref.n, 1);
    file_put(a[1]);
    assert_int_equal(count_sockets(), 1); /* all but a[0] */
    file_put(a[0]);
}

static void collect__nothing_is_closed__bounded(void **state)
{
    struct world *w = *state;
    struct file *s[2];
    for (int i = 0; i < 3000; i++) { /* each closes its last numbers, but no socket ends by it */
        new_pair(w, SOCK_STREAM, s);
        assert_int_equal(put_files(w, s[0], s, 2), 1);
        file_put(s[0]);
        file_put(s[1]);
    }
    assert_in_range(count_sockets(), 2, 1100);
    unix_collect();
}

static void close__long_chain__no_recursion(void **state)
{
    struct world *w = *state;
    struct file *prev = NULL, *s[2];
    for (int i = 0; i < 6000; i++) {
        new_pair(w, SOCK_STREAM, s);
        if (prev) {
            assert_int_equal(put_files(w, s[0], &prev, 1), 1);
            file_put(prev);
        }
        file_put(s[0]);
        prev = s[1];
    }
    file_put(prev);
}

static void send__too_many_files__etoomanyrefs(void **state)
{
    struct world *w = *state;
    struct file *s[2];
    new_pair(w, SOCK_DGRAM, s);
    w->c.cred = w->e.user_cred;
    w->c.max_files = 3;
    for (int i = 0; i < 4; i++) {
        assert_int_equal(put_files(w, s[0], &s[0], 1), 1);
    }
    assert_int_equal(put_files(w, s[0], &s[0], 1), -ETOOMANYREFS);
    w->c.cred = w->e.root_cred;
    assert_int_equal(put_files(w, s[0], &s[0], 1), 1);
    file_put(s[0]);
    file_put(s[1]);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, up, down)
    const struct CMUnitTest tests[] = {
        CASE(write__to_pair__charged_until_read),
        CASE(close__sender_first__message_still_read),
        CASE(write__until_full__eagain_and_not_writable),
        CASE(bind__path__inode_leads_to_socket),
        CASE(bind__abstract__gone_with_socket),
        CASE(connect__not_accepted__reset_when_listener_ends),
        CASE(collect__sockets_in_each_other__freed),
        CASE(collect__reached_through_another__kept),
        CASE(collect__nothing_is_closed__bounded),
        CASE(close__long_chain__no_recursion),
        CASE(send__too_many_files__etoomanyrefs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
