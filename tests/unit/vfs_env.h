/*
 * What the unit tests of vfs and the memory file systems stand on: a platform whose guest memory is
 * the test's own, a mount namespace with a tmpfs as its root, and short names for common calls.
 * Included by exactly one source file of each test.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/strbuf.h"
#include "platform/platform.h"
#include "sentry/base/kernel.h"
#include "sentry/fs/fs.h"
#include "sentry/vfs/dcache.h"
#include "sentry/vfs/namei.h"

/* The guest's address 0x10000 + i is g_guest_memory[i]. */
#define GUEST_BASE 0x10000UL
#define GUEST_SIZE 0x20000UL
static char g_guest_memory[GUEST_SIZE];

static size_t guest_clamp(uaddr_t addr, size_t size)
{
    if (addr < GUEST_BASE || addr >= GUEST_BASE + GUEST_SIZE) {
        return 0;
    }
    return MIN(size, GUEST_BASE + GUEST_SIZE - addr);
}
size_t platform_copy_in(struct platform_space *s, void *dst, uaddr_t src, size_t size)
{
    (void)s;
    size = guest_clamp(src, size);
    memcpy(dst, g_guest_memory + (size ? src - GUEST_BASE : 0), size);
    return size;
}
size_t platform_copy_in_str(struct platform_space *s, char *dst, uaddr_t src, size_t size)
{
    return platform_copy_in(s, dst, src, size);
}
void *platform_window(struct platform_space *s, uaddr_t dst, size_t *size)
{
    (void)s, (void)dst, (void)size;
    return NULL;
}
void platform_window_filled(struct platform_space *s, uaddr_t dst, size_t size)
{
    (void)s, (void)dst, (void)size;
}
size_t platform_copy_out(struct platform_space *s, uaddr_t dst, const void *src, size_t size)
{
    (void)s;
    size = guest_clamp(dst, size);
    memcpy(g_guest_memory + (size ? dst - GUEST_BASE : 0), src, size);
    return size;
}
bool platform_range_reserved(uaddr_t addr, uint64_t size)
{
    return addr < PLATFORM_SLICE_END && addr + size > PLATFORM_SLICE_START;
}

/* A little world: root tmpfs, a walk as root and one as an ordinary user. */
struct env {
    struct mount_ns *ns;
    struct cred *root_cred, *user_cred;
    struct path root;
    struct walk w, user_w;
};

static inline void env_up_on(struct env *e, struct super_block *sb)
{
    static const uint32_t groups[] = {2000, 100};
    assert_int_equal(mount_ns_new(&e->ns), 0);
    assert_int_equal(vfs_mount_at(e->ns, "/", false, sb, 0, "root", ""), 0);
    super_put(sb);
    assert_int_equal(cred_new(&e->root_cred, 0, 0, NULL, 0), 0);
    assert_int_equal(cred_new(&e->user_cred, 1000, 1000, groups, 2), 0);
    const struct path root = {.mnt = e->ns->root, .dentry = e->ns->root->root};
    path_copy(&e->root, &root);
    e->w = (struct walk){.cred = e->root_cred, .root = &e->root, .start = &e->root, .umask = 022};
    e->w.flags = WALK_FOLLOW;
    e->user_w = e->w;
    e->user_w.cred = e->user_cred;
}

static inline void env_up(struct env *e)
{
    struct super_block *sb;
    g_kernel->total_memory = 1UL << 30;
    assert_int_equal(tmpfs_new(01777, 0, 0, 0, &sb), 0);
    env_up_on(e, sb);
}

static inline void env_down(struct env *e)
{
    path_put(&e->root);
    mount_ns_free(e->ns);
    cred_put(e->root_cred);
    cred_put(e->user_cred);
    dcache_shrink(0);
    assert_int_equal(g_kernel->dentry_count, 0); /* nobody leaked a reference */
    hash_free(&g_kernel->dentries);
}

static inline int open_name(struct env *e, const char *name, unsigned flags, struct file **out)
{
    return vfs_open(&e->w, name, flags, 0666, out);
}

/* name gets this content. */
static inline void put_file(struct env *e, const char *name, const char *text)
{
    struct file *f;
    struct uio u;
    assert_int_equal(open_name(e, name, O_WRONLY | O_CREAT | O_TRUNC, &f), 0);
    uio_init_kernel(&u, (void *)(uintptr_t)text, strlen(text));
    assert_int_equal(file_write(f, &u), strlen(text));
    file_put(f);
}

static inline ssize_t read_file(struct env *e, const char *name, char *buf, size_t size)
{
    struct file *f;
    int r = open_name(e, name, O_RDONLY, &f);
    if (r < 0) {
        return r;
    }
    ssize_t n = file_kernel_read(f, buf, size - 1, 0);
    buf[n > 0 ? n : 0] = '\0';
    file_put(f);
    return n;
}
#define assert_content(e, name, text)                                                              \
    do {                                                                                           \
        char content_[4096];                                                                       \
        assert_int_equal(read_file(e, name, content_, sizeof(content_)), strlen(text));            \
        assert_string_equal(content_, text);                                                       \
    } while (0)

static inline int stat_name(const struct walk *w, const char *name, struct stat *st)
{
    AUTO_PATH p = {0};
    int r = vfs_lookup(w, name, &p);
    return r < 0 ? r : vfs_stat(&p, st);
}
static inline int exists(struct env *e, const char *name)
{
    struct stat st;
    struct walk w = e->w;
    w.flags = 0;
    return stat_name(&w, name, &st);
}

/* All names of a directory but the dots, sorted, with blanks between. */
struct name_list {
    struct dir_context c;
    char names[64][64];
    size_t count, limit;
};
static bool take_name(struct dir_context *c, const char *name, size_t size, uint64_t ino,
                      unsigned char type, int64_t next_pos)
{
    struct name_list *l = container_of(c, struct name_list, c);
    (void)ino, (void)type, (void)next_pos;
    if (l->count == l->limit) {
        return false;
    }
    snprintf(l->names[l->count++], sizeof(l->names[0]), "%.*s", (int)size, name);
    return true;
}
static int compare_names(const void *a, const void *b)
{
    return strcmp(a, b);
}
static inline void list_dir(struct env *e, const char *name, char *out, size_t size)
{
    struct file *f;
    struct name_list l = {.c = {.emit = take_name}, .limit = 3};
    assert_int_equal(open_name(e, name, O_RDONLY | O_DIRECTORY, &f), 0);
    size_t before;
    do { /* a few names at a time, as getdents does */
        before = l.count;
        assert_int_equal(f->ops->readdir(f, &l.c), 0);
        l.limit = MIN(l.count + 3, ARRAY_COUNT(l.names));
    } while (l.count > before);
    file_put(f);
    qsort(l.names, l.count, sizeof(l.names[0]), compare_names);
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; i < l.count; i++) {
        if (strcmp(l.names[i], ".") != 0 && strcmp(l.names[i], "..") != 0) {
            used += (size_t)snprintf(out + used, size - used, "%s%s", used ? " " : "", l.names[i]);
        }
    }
}
#define assert_names(e, dir, expected)                                                             \
    do {                                                                                           \
        char names_[2048];                                                                         \
        list_dir(e, dir, names_, sizeof(names_));                                                  \
        assert_string_equal(names_, expected);                                                     \
    } while (0)
