/* LINK: tests/unit/gofer_peer.o gofer/gofer.o gofer/proto.o gofer/resolve.o gofer/attr.o gofer/host_files.o gofer/serve_list.o gofer/serve_read.o gofer/serve_write.o lib/host.o lib/log.o lib/bug.o */
/*
 * The gofer as a hostile sentry meets it: malformed messages, paths that try to leave the root,
 * writes where there may be none; and that well-formed requests do what they say.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/gofer_peer.h"

enum { RO, RW, WORLD, FILE_ROOT };

static struct peer g_peer;
static struct peer_reply g_reply;

static int setup(void **state)
{
    (void)state;
    peer_start(&g_peer);
    return 0;
}
static int teardown(void **state)
{
    (void)state;
    peer_stop(&g_peer);
    return 0;
}

static int call(uint32_t type, uint32_t root, const char *path, const char *text,
                const void *fields, size_t size)
{
    peer_call(&g_peer, type, root, path, text, fields, size, &g_reply);
    return g_reply.error;
}
static int do_stat(uint32_t root, const char *path)
{
    return call(GOFER_STAT, root, path, NULL, NULL, 0);
}
static int do_walk(uint32_t root, const char *path, const char *rest)
{
    struct gofer_walk_req req = {.opens = 1};
    int err = call(GOFER_WALK, root, path, rest, &req, sizeof(req));
    peer_close_fds(&g_reply);
    return err;
}
/* Opens and closes again. Return: the error. */
static int do_open(uint32_t root, const char *path, uint32_t flags)
{
    struct gofer_open_req req = {flags, 0644};
    int err = call(GOFER_OPEN, root, path, NULL, &req, sizeof(req));
    assert_true((err == 0) == (g_reply.fd >= 0));
    if (g_reply.fd >= 0) {
        close(g_reply.fd);
    }
    return err;
}

static void path_valid__table(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        size_t size;
        bool valid;
    } t[] = {
        {".", 1, true},
        {"a", 1, true},
        {"a/b", 3, true},
        {"...", 3, true},
        {".a/..b", 6, true},
        {"", 0, false},
        {"..", 2, false},
        {"/", 1, false},
        {"/a", 2, false},
        {"a/", 2, false},
        {"a//b", 4, false},
        {"a/.", 3, false},
        {"./a", 3, false},
        {"a/..", 4, false},
        {"../a", 4, false},
        {"a/../b", 6, false},
        {"a\0b", 3, false},
        {"\0", 1, false},
        {"a/b/../../..", 12, false},
    };
    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        if (gofer_path_valid(t[i].path, t[i].size) != t[i].valid) {
            fail_msg("row %zu: %s", i, t[i].path);
        }
    }
    char text[GOFER_MAX_PATH + 1];
    memset(text, 'a', sizeof(text));
    assert_true(gofer_path_valid(text, 255));
    assert_false(gofer_path_valid(text, 256));
    for (size_t i = 200; i < sizeof(text); i += 200) {
        text[i] = '/';
    }
    assert_true(gofer_path_valid(text, 4095));
    assert_false(gofer_path_valid(text, 4096));
}

/* Every one gets an error reply with its tag, and the gofer lives on. */
static void message__malformed__error_reply(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        uint32_t type, root;
        const char *path;
        size_t path_size;
        const char *text;
        size_t text_size, fields;
        int error;
    } t[] = {
        {"type 0", 0, RO, "file", 4, "", 0, 0, -ENOSYS},
        {"type beyond", 19, RO, "file", 4, "", 0, 0, -ENOSYS},
        {"type huge", 0xffffffff, RO, "file", 4, "", 0, 0, -ENOSYS},
        {"root beyond", GOFER_STAT, 4, "file", 4, "", 0, 0, -ENOENT},
        {"root huge", GOFER_STAT, 0xffffffff, "file", 4, "", 0, 0, -ENOENT},
        {"empty path", GOFER_STAT, RO, "", 0, "", 0, 0, -EINVAL},
        {"absolute", GOFER_STAT, RO, "/etc/passwd", 11, "", 0, 0, -EINVAL},
        {"dotdot", GOFER_STAT, RO, "..", 2, "", 0, 0, -EINVAL},
        {"dotdot within", GOFER_STAT, RO, "sub/../../canary", 16, "", 0, 0, -EINVAL},
        {"trailing slash", GOFER_STAT, RO, "sub/", 4, "", 0, 0, -EINVAL},
        {"nul", GOFER_STAT, RO, "fi\0e", 4, "", 0, 0, -EINVAL},
        {"text where none is", GOFER_STAT, RO, "file", 4, "x", 1, 0, -EINVAL},
        {"text missing", GOFER_WALK, RO, ".", 1, "", 0, 8, -EINVAL},
        {"text climbs", GOFER_WALK, RO, "sub", 3, "../../canary", 12, 8, -EINVAL},
        {"link to climb", GOFER_LINK, RW, "file", 4, "../stolen", 9, 0, -EINVAL},
        {"rename to climb", GOFER_RENAME, RW, "file", 4, "../stolen", 9, 8, -EINVAL},
        {"target nul", GOFER_SYMLINK, RW, "new", 3, "a\0b", 3, 0, -EINVAL},
        {"xattr nul", GOFER_GETXATTR, RO, "file", 4, "user.\0", 6, 8, -EINVAL},
        {"fields short", GOFER_OPEN, RO, "file", 4, "", 0, 4, -EBADMSG},
        {"fields missing", GOFER_READDIR, RO, ".", 1, "", 0, 0, -EBADMSG},
        {"fields long", GOFER_STAT, RO, "file", 4, "", 0, 8, -EBADMSG},
    };
    static const uint8_t zeros[64];
    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        peer_call_bytes(&g_peer, t[i].type, t[i].root, t[i].path, t[i].path_size, t[i].text,
                        t[i].text_size, zeros, t[i].fields, &g_reply);
        if (g_reply.error != t[i].error || g_reply.size || g_reply.fd >= 0) {
            fail_msg("%s: %d, not %d", t[i].what, g_reply.error, t[i].error);
        }
    }
    /* Sizes in the header that don't add up. */
    uint8_t m[64] = {0};
    struct gofer_request h = {GOFER_STAT, 7, RO, 60000, 60000};
    memcpy(m, &h, sizeof(h));
    peer_raw(&g_peer, m, sizeof(m), &g_reply);
    assert_int_equal(g_reply.error, -EBADMSG);
    static uint8_t big[GOFER_MAX_MESSAGE + 1000];
    memcpy(big, &h, sizeof(h));
    peer_raw(&g_peer, big, sizeof(big), &g_reply);
    assert_int_equal(g_reply.error, -EMSGSIZE);
    assert_int_equal(do_stat(RO, "file"), 0);
}

static void message__no_header__ends(void **state)
{
    (void)state;
    peer_raw(&g_peer, "short", 5, &g_reply);
    assert_int_equal(g_reply.error, -EPIPE);
    int status = peer_wait_end(&g_peer);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
}

static void socket__closed__exits_0(void **state)
{
    (void)state;
    int status = peer_wait_end(&g_peer);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void walk__symlinks__never_followed(void **state)
{
    (void)state;
    for (uint32_t root = RO; root <= WORLD; root++) {
        assert_int_equal(do_open(root, "out", O_RDONLY), -ELOOP);
        assert_int_equal(do_open(root, "abs", O_RDONLY), -ELOOP);
        assert_int_equal(do_open(root, "upsub/inner", O_RDONLY), root == WORLD ? -ENOTDIR : -ELOOP);
        assert_int_equal(do_stat(root, "upsub/inner"), root == WORLD ? -ENOTDIR : -ELOOP);
        struct gofer_readdir_req rd = {0};
        assert_true(call(GOFER_READDIR, root, "upsub", NULL, &rd, sizeof(rd)) < 0);
        assert_int_equal(do_stat(root, "out"), 0);
        const struct gofer_stat_rep *rep = (const void *)g_reply.body;
        assert_true(S_ISLNK(rep->attr.mode));
        assert_int_equal(rep->target_size, 9);
        assert_memory_equal(g_reply.body + sizeof(*rep), "../canary", 9);
    }
    /* Links that a taken sentry makes for itself lead nowhere either. */
    assert_int_equal(call(GOFER_SYMLINK, RW, "climb", "..", NULL, 0), 0);
    assert_int_equal(do_open(RW, "climb/canary", O_RDONLY), -ELOOP);
    assert_int_equal(do_open(RW, "climb/new", O_RDWR | O_CREAT), -ELOOP);
    struct gofer_mkdir_req req = {.mode = 0755};
    assert_true(call(GOFER_MKDIR, RW, "climb/new", NULL, &req, sizeof(req)) < 0);
    assert_true(call(GOFER_UNLINK, RW, "climb/canary", NULL, NULL, 0) < 0);
    assert_int_equal(call(GOFER_SYMLINK, RW, "magic", "/proc/self/root", NULL, 0), 0);
    assert_int_equal(do_open(RW, "magic/etc/passwd", O_RDONLY), -ELOOP);
}

static void walk__many_components__attributes_of_each(void **state)
{
    (void)state;
    const struct gofer_walk_rep *rep = (const void *)g_reply.body;
    const struct gofer_attr *attr = (const void *)(rep + 1);
    assert_int_equal(do_walk(RO, ".", "sub/deep/leaf"), 0);
    assert_int_equal(rep->count, 3);
    assert_int_equal(rep->stop, 0);
    assert_true(S_ISDIR(attr[0].mode) && S_ISDIR(attr[1].mode) && S_ISREG(attr[2].mode));
    assert_int_equal(attr[2].size, 4);
    assert_int_equal(do_walk(RO, "sub", "deep/none/more"), 0);
    assert_int_equal(rep->count, 1);
    assert_int_equal(rep->stop, -ENOENT);
    assert_int_equal(do_walk(RO, ".", "file/x"), 0);
    assert_int_equal(rep->count, 1);
    assert_int_equal(rep->stop, -ENOTDIR);
    assert_int_equal(do_walk(RO, ".", "upsub/inner"), 0);
    assert_int_equal(rep->count, 1);
    assert_int_equal(rep->stop, 0);
    assert_true(S_ISLNK(attr[0].mode) && rep->target_size == 3);
    assert_memory_equal(&attr[1], "sub", 3);
    assert_int_equal(do_walk(RO, "none", "x"), -ENOENT);
}

static void open__only_regular_files(void **state)
{
    (void)state;
    assert_int_equal(do_open(RO, "file", O_RDONLY), 0);
    assert_int_equal(do_open(RO, "sub/deep/leaf", O_RDONLY), 0);
    assert_int_equal(do_open(RO, "sub", O_RDONLY), -EISDIR);
    assert_int_equal(do_open(RO, ".", O_RDONLY), -EISDIR);
    assert_int_equal(do_open(RO, "fifo", O_RDONLY), -ENXIO);
    assert_int_equal(do_open(RW, "fifo", O_RDWR), -ENXIO);
    assert_int_equal(do_open(RO, "file", O_RDONLY | O_DIRECT), -EINVAL);
    assert_int_equal(do_open(RO, "file", O_PATH), -EINVAL);
    assert_int_equal(do_open(RO, "file", 3), -EINVAL);
    assert_int_equal(do_open(FILE_ROOT, ".", O_RDONLY), 0);
    assert_int_equal(do_open(FILE_ROOT, "sub/inner", O_RDONLY), -ENOTDIR);
    assert_int_equal(do_stat(FILE_ROOT, "."), 0);
}

static void open__read_only_root__donates_read_only(void **state)
{
    (void)state;
    struct gofer_open_req req = {O_RDONLY, 0};
    assert_int_equal(call(GOFER_OPEN, RO, "file", NULL, &req, sizeof(req)), 0);
    char text[16];
    assert_int_equal(pread(g_reply.fd, text, sizeof(text), 0), 8);
    assert_memory_equal(text, "contents", 8);
    assert_int_equal(pwrite(g_reply.fd, "x", 1, 0), -1);
    assert_int_equal(fcntl(g_reply.fd, F_GETFL) & O_ACCMODE, O_RDONLY);
    close(g_reply.fd);
}

static void read_only_root__every_change__erofs(void **state)
{
    (void)state;
    static const uint32_t open_flags[] = {O_WRONLY, O_RDWR, O_RDONLY | O_TRUNC, O_RDONLY | O_CREAT};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(do_open(RO, "file", open_flags[i]), -EROFS);
        assert_int_equal(do_open(WORLD, "file", open_flags[i]), -EROFS);
    }
    static const struct {
        uint32_t type;
        const char *text;
        size_t fields;
    } t[] = {
        {GOFER_MKDIR, NULL, 8},
        {GOFER_MKNOD, NULL, 8},
        {GOFER_SYMLINK, "x", 0},
        {GOFER_LINK, "x", 0},
        {GOFER_UNLINK, NULL, 0},
        {GOFER_RMDIR, NULL, 0},
        {GOFER_RENAME, "x", 8},
        {GOFER_FSYNC, NULL, 8},
        {GOFER_SETATTR, NULL, sizeof(struct gofer_setattr_req)},
    };
    static const uint8_t zeros[64];
    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        assert_int_equal(call(t[i].type, RO, "file", t[i].text, zeros, t[i].fields), -EROFS);
        assert_int_equal(call(t[i].type, WORLD, "file", t[i].text, zeros, t[i].fields), -EROFS);
    }
    assert_int_equal(do_stat(RO, "file"), 0);
}

static void world_readable_only__closed_things__eacces(void **state)
{
    (void)state;
    struct gofer_readdir_req rd = {0};
    assert_int_equal(do_open(WORLD, "file", O_RDONLY), 0);
    assert_int_equal(do_open(WORLD, "sub/deep/leaf", O_RDONLY), 0);
    assert_int_equal(do_open(WORLD, "private", O_RDONLY), -EACCES);
    assert_int_equal(do_open(WORLD, "closed/open", O_RDONLY), -EACCES);
    assert_int_equal(do_stat(WORLD, "closed"), 0);
    assert_int_equal(do_stat(WORLD, "closed/file"), -EACCES);
    assert_int_equal(call(GOFER_READDIR, WORLD, "closed", NULL, &rd, sizeof(rd)), -EACCES);
    struct gofer_readahead_req ra = {0, 100};
    assert_int_equal(call(GOFER_READAHEAD, WORLD, "private", NULL, &ra, sizeof(ra)), -EACCES);
    assert_int_equal(do_walk(WORLD, ".", "closed/open"), 0);
    const struct gofer_walk_rep *rep = (const void *)g_reply.body;
    assert_int_equal(rep->count, 1);
    assert_int_equal(rep->stop, -EACCES);
    /* The test runs as the owner: without the policy all of that is open. */
    assert_int_equal(do_open(RO, "closed/open", O_RDONLY), 0);
}

/* READDIR of path with everything wanted. Return: the first directory in the reply; NULL on an error. */
static const struct gofer_listed *list(uint32_t root, const char *path, const char *beside,
                                       struct gofer_readdir_req req)
{
    if (call(GOFER_READDIR, root, path, beside, &req, sizeof(req)) < 0) {
        return NULL;
    }
    return (const void *)(g_reply.body + sizeof(struct gofer_readdir_rep));
}
static uint32_t listed_dirs(void)
{
    return ((const struct gofer_readdir_rep *)(const void *)g_reply.body)->dirs;
}
static const struct gofer_listed *listed_next(const struct gofer_listed *l)
{
    return (const void *)((const uint8_t *)(l + 1) + l->size);
}
static const struct gofer_dirent *listed_entry(const struct gofer_listed *l, size_t at)
{
    return (const void *)((const uint8_t *)(l + 1) + at);
}
static const struct gofer_dirent *find_entry(const struct gofer_listed *l, const char *name)
{
    for (size_t at = 0; at < l->size; at += gofer_dirent_size(listed_entry(l, at))) {
        const struct gofer_dirent *e = listed_entry(l, at);
        if (e->name_size == strlen(name) && !memcmp(gofer_dirent_name(e), name, e->name_size)) {
            return e;
        }
    }
    return NULL;
}

static void readdir__whole_directory__attributes(void **state)
{
    (void)state;
    const struct gofer_readdir_req all = {.want = GOFER_LIST_ALL};
    const struct gofer_listed *l = list(RO, ".", NULL, all);
    assert_non_null(l);
    assert_int_equal(listed_dirs(), 1);
    assert_int_equal(l->complete, 1);
    assert_int_equal(l->count, 10); /* . .. file sub private closed out abs upsub fifo */
    assert_ptr_equal(listed_next(l), g_reply.body + g_reply.size);
    const struct gofer_dirent *e = find_entry(l, "file");
    struct gofer_attr attr;
    assert_true(e && e->has_attr && e->target_size == 0);
    memcpy(&attr, e + 1, sizeof(attr));
    assert_true(attr.size == 8 && S_ISREG(attr.mode));
    e = find_entry(l, "out");
    assert_true(e && e->has_attr && e->target_size == 9);
    assert_memory_equal(gofer_dirent_name(e) + 3, "../canary", 9);
    l = list(RO, ".", NULL, (struct gofer_readdir_req){0});
    assert_false(find_entry(l, "file")->has_attr);
    assert_true(find_entry(l, "sub")->has_attr);
    assert_null(list(RO, "file", NULL, all));
    assert_int_equal(g_reply.error, -ENOTDIR);
}

/* What comes ahead: below, beside, within the bytes that it may take, and by the root's policy. */
static void readdir__ahead__whole_directories(void **state)
{
    (void)state;
    const struct gofer_readdir_req ahead = {.want = GOFER_LIST_ALL, .ahead = 65536};
    const struct gofer_listed *l = list(RO, ".", NULL, ahead);
    assert_int_equal(listed_dirs(), 4); /* itself, sub, sub/deep, closed */
    const struct gofer_listed *dirs[4] = {l};
    const char *deep = NULL;
    for (uint32_t i = 1; i < 4; i++) {
        dirs[i] = listed_next(dirs[i - 1]);
        assert_true(dirs[i]->complete && dirs[i]->parent < i);
        const struct gofer_dirent *e = listed_entry(dirs[dirs[i]->parent], dirs[i]->entry);
        if (e->name_size == 4 && !memcmp(gofer_dirent_name(e), "deep", 4)) {
            deep = find_entry(dirs[i], "leaf") ? "leaf" : NULL;
        }
    }
    assert_non_null(deep);
    l = list(RO, "sub", "closed/none/file/upsub/closed", ahead);
    assert_int_equal(listed_dirs(), 4); /* sub, sub/deep, closed twice; a link is not followed */
    l = listed_next(listed_next(l));
    assert_int_equal(l->parent, GOFER_LISTED_BESIDE);
    assert_int_equal(l->entry, 0);
    assert_non_null(find_entry(l, "open"));
    assert_int_equal(listed_next(l)->entry, 23);
    list(RO, ".", NULL, (struct gofer_readdir_req){.want = GOFER_LIST_ALL, .ahead = 40});
    assert_int_equal(listed_dirs(), 1);
    list(WORLD, ".", NULL, ahead);
    assert_int_equal(listed_dirs(), 3); /* not what is closed */
    list(WORLD, "sub", "closed", ahead);
    assert_int_equal(listed_dirs(), 2);
    static const char *const bad[] = {"..", "a/../b", "/sub", "sub/"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_null(list(RO, "sub", bad[i], ahead));
        assert_int_equal(g_reply.error, -EINVAL);
    }
    assert_null(list(RO, ".", NULL, (struct gofer_readdir_req){.want = 4}));
    assert_null(list(RO, ".", NULL, (struct gofer_readdir_req){.cookie = 1, .ahead = 1}));
}

static void readdir__many_entries__cookies_reach_all(void **state)
{
    (void)state;
    enum { FILES = 1500 };
    static bool seen[FILES];
    struct gofer_mkdir_req mk = {.mode = 0755};
    assert_int_equal(call(GOFER_MKDIR, RW, "many", NULL, &mk, sizeof(mk)), 0);
    for (int i = 0; i < FILES; i++) {
        char path[128];
        snprintf(path, sizeof(path), "many/a-rather-long-name-of-a-file-%d", i);
        assert_int_equal(do_open(RW, path, O_RDWR | O_CREAT | O_EXCL), 0);
    }
    struct gofer_readdir_req req = {.want = GOFER_LIST_ATTRS};
    int calls = 0, total = 0;
    bool complete;
    do {
        const struct gofer_listed *l = list(RO, "many", NULL, req);
        assert_non_null(l);
        for (size_t at = 0; at < l->size; at += gofer_dirent_size(listed_entry(l, at))) {
            const struct gofer_dirent *e = listed_entry(l, at);
            int n;
            char name[256] = {0};
            memcpy(name, gofer_dirent_name(e), e->name_size);
            if (sscanf(name, "a-rather-long-name-of-a-file-%d", &n) == 1) {
                assert_false(seen[n]);
                seen[n] = true;
                total++;
            }
        }
        req.cookie = l->next;
        complete = l->complete;
        calls++;
    } while (!complete && calls < 100);
    assert_int_equal(total, FILES);
    assert_true(calls > 2);
}

/* Files beside the one that is opened: regular ones, as the root's policy lets them be. */
static void open__beside__regular_files_only(void **state)
{
    (void)state;
    static const struct {
        uint32_t root;
        const char *path, *beside;
        int error;
        uint32_t count;
    } t[] = {
        {RO, "file", "private/fifo/sub/out/none/file", 0, 2},
        {RO, "sub/inner", "inner/deep", 0, 1},
        {RO, "closed/open", "file", 0, 1},
        {WORLD, "file", "private/file", 0, 1},
        {RO, "file", "../canary", -EINVAL, 0},
        {RO, "file", "fifo//sub//inner/none//.//private", 0, 2},
        {RO, "file", "//sub//inner", 0, 1},
        {RO, "file", "//none//inner//file//inner//sub//inner", 0, 1},
        {RO, "file", "//sub", -EINVAL, 0},
        {RO, "file", "//sub//", -EINVAL, 0},
        {RO, "file", "private//", -EINVAL, 0},
        {RO, "file", "private////inner", -EINVAL, 0},
        {RO, "file", "//sub//.", 0, 0},
        {RO, "file", "//../x//y", -EINVAL, 0},
        {RO, "file", "///etc//passwd", -EINVAL, 0},
        {RO, "file", "//out//canary", 0, 0}, /* a link */
        {RO, "none", "file", -ENOENT, 0},
        {FILE_ROOT, ".", "file", 0, 0},
    };
    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        struct gofer_open_req req = {.flags = O_RDONLY};
        int err = call(GOFER_OPEN, t[i].root, t[i].path, t[i].beside, &req, sizeof(req));
        const struct gofer_open_rep *rep = (const void *)g_reply.body;
        if (err != t[i].error || (err == 0 && rep->count != t[i].count) ||
            g_reply.fd_count != (err == 0 ? rep->count + 1 : 0)) {
            fail_msg("row %zu: error %d, %zu fds", i, err, g_reply.fd_count);
        }
        peer_close_fds(&g_reply);
    }
    struct gofer_open_req req = {.flags = O_RDWR};
    assert_int_equal(call(GOFER_OPEN, RW, "file", "private", &req, sizeof(req)), -EINVAL);
}

static void writable_root__changes(void **state)
{
    (void)state;
    struct gofer_mknod_req nod = {.mode = S_IFCHR | 0644};
    assert_int_equal(call(GOFER_MKNOD, RW, "dev", NULL, &nod, sizeof(nod)), -EPERM);
    nod.mode = S_IFIFO | 0622;
    assert_int_equal(call(GOFER_MKNOD, RW, "pipe", NULL, &nod, sizeof(nod)), 0);
    const struct gofer_mknod_rep *made = (const void *)g_reply.body;
    assert_int_equal(made->attr.mode, S_IFIFO | 0622);
    struct gofer_open_req setid = {O_RDWR | O_CREAT, 04755};
    assert_int_equal(call(GOFER_OPEN, RW, "setid", NULL, &setid, sizeof(setid)), -EPERM);
    struct gofer_setattr_req set = {.valid = GOFER_SET_MODE, .mode = 04755};
    assert_int_equal(call(GOFER_SETATTR, RW, "file", NULL, &set, sizeof(set)), -EPERM);
    set = (struct gofer_setattr_req){.valid = GOFER_SET_MODE | GOFER_SET_SIZE | GOFER_SET_MTIME,
                                     .mode = 0640,
                                     .size = 3,
                                     .mtime_ns = -1500000000};
    assert_int_equal(call(GOFER_SETATTR, RW, "file", NULL, &set, sizeof(set)), 0);
    const struct gofer_setattr_rep *rep = (const void *)g_reply.body;
    assert_int_equal(rep->attr.mode, S_IFREG | 0640);
    assert_int_equal(rep->attr.size, 3);
    assert_true(rep->attr.mtime_ns == -1500000000);
    assert_int_equal(call(GOFER_LINK, RW, "file", "sub/hard", NULL, 0), 0);
    const struct gofer_link_rep *linked = (const void *)g_reply.body;
    assert_int_equal(linked->attr.nlink, 2);
    struct gofer_rename_req mv = {0};
    assert_int_equal(call(GOFER_RENAME, RW, "sub", "moved", &mv, sizeof(mv)), 0);
    assert_int_equal(do_stat(RW, "moved/deep/leaf"), 0);
    mv.flags = 4; /* RENAME_WHITEOUT */
    assert_int_equal(call(GOFER_RENAME, RW, "moved", "sub", &mv, sizeof(mv)), -EINVAL);
    assert_int_equal(call(GOFER_UNLINK, RW, "moved/hard", NULL, NULL, 0), 0);
    assert_int_equal(call(GOFER_RMDIR, RW, "moved", NULL, NULL, 0), -ENOTEMPTY);
    assert_int_equal(call(GOFER_RMDIR, RW, ".", NULL, NULL, 0), -EBUSY);
    struct gofer_fsync_req sync = {0};
    assert_int_equal(call(GOFER_FSYNC, RW, "file", NULL, &sync, sizeof(sync)), 0);
    assert_int_equal(call(GOFER_FSYNC, RW, "moved", NULL, &sync, sizeof(sync)), 0);
    assert_int_equal(do_open(RW, "file", O_RDWR | O_TRUNC), 0);
    assert_int_equal(do_stat(RW, "file"), 0);
    assert_int_equal(((const struct gofer_stat_rep *)(const void *)g_reply.body)->attr.size, 0);
}

static void readahead_statfs_xattr__answer(void **state)
{
    (void)state;
    struct gofer_readahead_req ra = {2, 100};
    assert_int_equal(call(GOFER_READAHEAD, RO, "file", NULL, &ra, sizeof(ra)), 0);
    assert_int_equal(((const struct gofer_readahead_rep *)(const void *)g_reply.body)->size, 6);
    ra.offset = UINT64_MAX;
    assert_int_equal(call(GOFER_READAHEAD, RO, "file", NULL, &ra, sizeof(ra)), -EINVAL);
    assert_int_equal(call(GOFER_STATFS, RO, "fifo", NULL, NULL, 0), 0);
    assert_true(((const struct gofer_statfs_rep *)(const void *)g_reply.body)->bsize > 0);
    assert_int_equal(call(GOFER_LISTXATTR, RO, "file", NULL, NULL, 0), 0);
    assert_int_equal(call(GOFER_LISTXATTR, RO, ".", NULL, NULL, 0), 0);
    struct gofer_getxattr_req gx = {.max_size = 100};
    assert_int_equal(call(GOFER_GETXATTR, RO, "file", "user.none", &gx, sizeof(gx)), -ENODATA);
    assert_int_equal(call(GOFER_GETXATTR, RO, "none", "user.none", &gx, sizeof(gx)), -ENOENT);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(path_valid__table),
        CASE(message__malformed__error_reply),
        CASE(message__no_header__ends),
        CASE(socket__closed__exits_0),
        CASE(walk__symlinks__never_followed),
        CASE(walk__many_components__attributes_of_each),
        CASE(open__only_regular_files),
        CASE(open__read_only_root__donates_read_only),
        CASE(read_only_root__every_change__erofs),
        CASE(world_readable_only__closed_things__eacces),
        CASE(readdir__whole_directory__attributes),
        CASE(readdir__ahead__whole_directories),
        CASE(readdir__many_entries__cookies_reach_all),
        CASE(open__beside__regular_files_only),
        CASE(writable_root__changes),
        CASE(readahead_statfs_xattr__answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
