/* LINK: tests/unit/gofer_peer.o gofer/gofer.o gofer/proto.o gofer/resolve.o gofer/attr.o gofer/host_files.o gofer/serve_list.o gofer/serve_read.o gofer/serve_write.o sentry/fs/gofer_client.o sentry/fs/gofer_calls.o sentry/fs/gofer_dirents.o sentry/base/events.o sentry/base/kernel.o sentry/base/timer.o sentry/base/waitq.o lib/kthread.o lib/kthread_x86_64.o lib/hash.o lib/strbuf.o lib/host.o lib/log.o lib/bug.o */
/*
 * The gofer connection: more calls than the socket holds, and a gofer that lies in each way that its replies
 * could be wrong.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "lib/host.h"
#include "sentry/fs/gofer_call.h"
#include "tests/unit/gofer_env.h"

/* More calls at once than the socket holds: they queue, and all are answered. */
static int g_answers;
static void one_stat(void *arg)
{
    struct gofer_attr attr;
    char *target;
    (void)arg;
    CHECK_EQ(gofer_client_stat(g_client, RO, "sub/inner", &attr, &target), 0);
    g_answers++;
}
static void many_calls(void)
{
    enum { CALLS = 1000 };
    struct kthread *k;
    kill(g_peer.pid, SIGSTOP);
    for (int i = 0; i < CALLS; i++) {
        CHECK_EQ(kthread_create(&k, one_stat, NULL, "stat"), 0);
    }
    kthread_yield();
    CHECK_EQ(g_answers, 0);
    kill(g_peer.pid, SIGCONT);
    one_stat(NULL);
    for (int i = 0; i < 1000 && g_answers < CALLS + 1; i++) {
        one_stat(NULL);
    }
    CHECK(g_answers > CALLS);
}

/* --- calls that are made before anybody waits for them --- */

static int count_fds(void)
{
    int n = 0;
    for (int fd = 0; fd < 512; fd++) {
        n += fcntl(fd, F_GETFD) >= 0;
    }
    return n;
}

static void sleep_ns(int64_t ns)
{
    int64_t end = ktime_monotonic_ns() + ns;
    struct waitq never;
    waitq_init(&never);
    int r = waitq_wait_deadline(&never, false, WAIT_UNINTERRUPTIBLE, end);
    (void)r; /* the time is over */
}

static struct gofer_call *post_listing(void)
{
    struct gofer_call *c = NULL;
    CHECK_EQ(gofer_client_readdir_post(g_client, RO, ".", &(struct gofer_readdir_req){0}, "", &c),
             0);
    return c;
}

static struct gofer_call *post_open(void)
{
    struct gofer_call *c = NULL;
    CHECK_EQ(gofer_client_open_post(g_client, RO, "sub/inner", "deep//.//file", &c), 0);
    return c;
}

/* They may be taken in any order, long after they came or before, or never; what came with them is closed. */
static void posted_calls(void)
{
    struct gofer_dirents d;
    static struct gofer_beside b;
    one_stat(NULL);
    int before = count_fds();
    struct gofer_call *one = post_listing(), *two = post_open(), *three = post_listing();
    CHECK_EQ(gofer_client_readdir_take(g_client, three, "", &d), 0);
    CHECK_EQ(d.dir[0]->count, 10);
    gofer_dirents_free(&d);
    CHECK(gofer_call_is_done(g_client, one) || !one->done);
    one_stat(NULL);
    CHECK_EQ(gofer_client_open_take(g_client, two, "deep//.//file", &b), 0);
    CHECK_EQ(b.count, 1);
    CHECK_EQ(host_pread_nowait(b.fds[0], (char[8]){0}, 8, 0), 8);
    host_close(b.fds[0]);
    CHECK_EQ(gofer_client_readdir_take(g_client, one, "", &d), 0);
    gofer_dirents_free(&d);
    CHECK_EQ(count_fds(), before);
    gofer_call_abandon(post_open()); /* before its reply came */
    one = post_open();
    while (!gofer_call_is_done(g_client, one)) {
        one_stat(NULL);
    }
    gofer_call_abandon(one); /* after it came */
    CHECK_EQ(count_fds(), before);
    for (int i = 0; i < 100; i++) { /* all that was asked for comes, and is thrown away */
        one_stat(NULL);
    }
    CHECK_EQ(count_fds(), before);
    one = post_open();
    for (int i = 0; i < 200 && !one->done; i++) { /* though nobody looks */
        sleep_ns(NSEC_PER_MSEC);
    }
    CHECK(one->done);
    gofer_call_abandon(one);
    kill(g_peer.pid, SIGSTOP);
    one = post_listing();
    two = post_open();
    gofer_call_abandon(post_open());
    kill(g_peer.pid, SIGKILL);
    int r = gofer_client_readdir_take(g_client, one, "", &d);
    CHECK(r == -EIO || r == 0); /* it may have answered before it stopped */
    if (r == 0) {
        gofer_dirents_free(&d);
    }
    r = gofer_client_open_take(g_client, two, "deep//.//file", &b);
    CHECK(r == -EIO || r == 0);
    for (size_t i = 0; i < b.count; i++) {
        host_close(b.fds[i]);
    }
    struct gofer_attr attr;
    char *target;
    CHECK_EQ(gofer_client_stat(g_client, RO, ".", &attr, &target), -EIO);
    CHECK_EQ(gofer_client_readdir_post(g_client, RO, ".", &(struct gofer_readdir_req){0}, "", &one),
             -EIO);
}

/* --- a gofer that lies --- */

enum lie {
    LIE_NONE,
    LIE_SHORT,
    LIE_SIZE,
    LIE_TAG,
    LIE_TYPE,
    LIE_ERROR_SIGN,
    LIE_ERROR_RANGE,
    LIE_NO_FIELDS,
    LIE_TARGET_LONG,
    LIE_TARGET_NUL,
    LIE_EXTRA_FD,
    LIE_WALK_COUNT,
    LIE_DIRENT_LONG,
    LIE_DIRENT_SLASH,
    LIE_DIRENT_COUNT,
    LIE_DIRENT_ATTR,
    LIE_DIR_SIZE,
    LIE_DIR_PARENT,
    LIE_DIR_PLACE,
    LIE_DIR_BESIDE,
    LIE_DIRS,
    LIE_DIR_ENDLESS,
    LIE_OPEN_DIR,
    LIE_OPEN_COUNT,
    LIE_COUNT
};

static uint32_t lie_type(enum lie lie)
{
    return lie == LIE_WALK_COUNT                              ? GOFER_WALK
           : lie >= LIE_DIRENT_LONG && lie <= LIE_DIR_ENDLESS ? GOFER_READDIR
           : lie == LIE_OPEN_DIR || lie == LIE_OPEN_COUNT     ? GOFER_OPEN
                                                              : GOFER_STAT;
}

/* Context: the lying child. Answers one request. */
static void lie_once(int sock, enum lie lie)
{
    static struct {
        struct gofer_reply h;
        uint8_t body[4096];
    } m;
    struct gofer_request req;
    uint8_t in[512];
    int fd = -1;
    if (recv(sock, in, sizeof(in), 0) < (ssize_t)sizeof(req)) {
        return;
    }
    memcpy(&req, in, sizeof(req));
    struct gofer_stat_rep *st = (void *)m.body;
    struct gofer_readdir_rep *rd = (void *)m.body;
    struct gofer_open_rep *op = (void *)m.body;
    struct gofer_listed *l = (void *)(rd + 1), *sub;
    struct gofer_dirent *e = (void *)(l + 1);
    size_t size = sizeof(m.h) + sizeof(*st);
    m.h = (struct gofer_reply){.type = req.type, .tag = req.tag};
    st->attr.mode = S_IFREG | 0644;
    if (req.type == GOFER_READDIR) { /* an entry without attributes, and an empty directory below */
        memset(m.body, 0, sizeof(m.body));
        rd->dirs = lie == LIE_DIRS ? 1000 : lie >= LIE_DIR_PARENT && lie <= LIE_DIR_BESIDE ? 2 : 1;
        e->name_size = lie == LIE_DIRENT_LONG ? 1000 : 3;
        e->has_attr = lie == LIE_DIRENT_ATTR ? 2 : 0;
        memcpy(e + 1, lie == LIE_DIRENT_SLASH ? "a/b" : "abc", 3);
        l->count = lie == LIE_DIRENT_COUNT ? 100 : lie != LIE_DIR_ENDLESS;
        l->size = lie == LIE_DIR_ENDLESS ? 0 : 32;
        l->complete = lie != LIE_DIR_ENDLESS;
        sub = (void *)((uint8_t *)(l + 1) + l->size);
        sub->complete = 1;
        sub->parent = lie == LIE_DIR_PARENT ? 1 : lie == LIE_DIR_BESIDE ? GOFER_LISTED_BESIDE : 0;
        size = sizeof(m.h) + sizeof(*rd) + sizeof(*l) + l->size;
        size += rd->dirs == 2 ? sizeof(*sub) : 0;
        l->size += lie == LIE_DIR_SIZE ? 8 : 0;
    }
    switch (lie) {
    case LIE_SHORT:
        size = 8;
        break;
    case LIE_TAG:
        m.h.tag++;
        break;
    case LIE_TYPE:
        m.h.type++;
        break;
    case LIE_ERROR_SIGN:
        m.h.error = 5;
        break;
    case LIE_ERROR_RANGE:
        m.h.error = -512;
        break;
    case LIE_NO_FIELDS:
        size = sizeof(m.h);
        break;
    case LIE_TARGET_LONG:
        st->attr.mode = S_IFLNK | 0777;
        st->target_size = 5000;
        break;
    case LIE_TARGET_NUL:
        st->attr.mode = S_IFLNK | 0777;
        st->target_size = 4;
        size += 4;
        break;
    case LIE_EXTRA_FD:
        fd = sock;
        break;
    case LIE_WALK_COUNT:
        memset(m.body, 0xff, 16);
        break;
    case LIE_OPEN_DIR:
    case LIE_OPEN_COUNT:
        memset(m.body, 0, sizeof(m.body));
        op->attr.mode = lie == LIE_OPEN_DIR ? S_IFDIR | 0755 : S_IFREG | 0644;
        op->count = lie == LIE_OPEN_COUNT;
        fd = sock;
        size = sizeof(m.h) + sizeof(*op);
        break;
    default:
        break;
    }
    m.h.size = (uint32_t)size + (lie == LIE_SIZE);
    _exit(host_send_fd(sock, &m, size, fd) < 0);
}

/* The same in two steps. */
static int post_to_liar(struct gofer_client *g, enum lie lie)
{
    static struct gofer_beside b;
    struct gofer_dirents d;
    struct gofer_call *c;
    int r;
    if (lie_type(lie) == GOFER_OPEN) {
        r = gofer_client_open_post(g, RO, "a", "b", &c);
        return r < 0 ? r : gofer_client_open_take(g, c, "b", &b);
    }
    r = gofer_client_readdir_post(g, RO, ".", &(struct gofer_readdir_req){0}, "", &c);
    return r < 0 ? r : gofer_client_readdir_take(g, c, "", &d);
}

static int call_liar(struct gofer_client *g, enum lie lie)
{
    struct gofer_attr attr;
    struct gofer_walked w;
    struct gofer_dirents d;
    char *target;
    int fd;
    switch (lie_type(lie)) {
    case GOFER_WALK:
        return gofer_client_walk(g, RO, ".", "a/b", false, &w);
    case GOFER_READDIR:
        return gofer_client_readdir(g, RO, ".", &(struct gofer_readdir_req){0}, "", &d);
    case GOFER_OPEN:
        return gofer_client_open(g, RO, "a", O_RDONLY, 0, &attr, &fd);
    default:
        return gofer_client_stat(g, RO, "a", &attr, &target);
    }
}

static void lie_to_client(enum lie lie, int (*call)(struct gofer_client *g, enum lie lie))
{
    int pair[2];
    struct gofer_client *g;
    CHECK_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
    int pid = fork();
    if (pid == 0) {
        close(pair[0]);
        lie_once(pair[1], lie);
        _exit(1);
    }
    close(pair[1]);
    CHECK_EQ(gofer_client_new(pair[0], &g), 0);
    int r = call(g, lie);
    if (r != (lie == LIE_NONE ? 0 : -EIO)) {
        fprintf(stderr, "lie %d is answered %d\n", lie, r);
        g_failures++;
    }
    CHECK_EQ(call_liar(g, LIE_NONE), -EIO); /* it is gone: nothing waits for ever */
    gofer_client_free(g);
    waitpid(pid, NULL, 0);
}

static void lying_gofer(void)
{
    for (int lie = LIE_NONE; lie < LIE_COUNT; lie++) {
        lie_to_client((enum lie)lie, call_liar);
        uint32_t type = lie_type((enum lie)lie);
        /* that the fd is missing of the file that nobody wants is no lie, but one file may not be two */
        if (type == GOFER_READDIR || type == GOFER_OPEN) {
            lie_to_client((enum lie)lie, post_to_liar);
        }
    }
}

CASE(gofer_client__socket_full__queues, many_calls)
CASE(gofer_client__posted__taken_or_not, posted_calls)
CASE(gofer_client__malformed_replies__eio, lying_gofer)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gofer_client__socket_full__queues),
        cmocka_unit_test(gofer_client__posted__taken_or_not),
        cmocka_unit_test(gofer_client__malformed_replies__eio),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
