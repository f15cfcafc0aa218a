/*
 * All mounts are one list: the sentry's own, the host's trees, empty directories. Sorted by name,
 * parents come first; of two on one name the later one covers the earlier, as on Linux.
 */
#include "runtime/guest_mounts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/error.h"
#include "sentry/base/kernel.h"
#include "sentry/fs/fs.h"

enum item_kind { ITEM_PROC, ITEM_DEV, ITEM_DEVPTS, ITEM_TMPFS, ITEM_TREE };
struct item {
    enum item_kind kind;
    const char *guest;
    int order;
    uint32_t mode, uid, gid; /* of a tmpfs */
    bool read_only;
    const struct tree *tree;
    uint32_t tree_index;
};
struct plan {
    struct item items[2 * CONFIG_MAX_TREES + 8];
    size_t count;
};

static void add(struct plan *p, struct item item)
{
    p->items[p->count++] = item;
}

static int compare(const void *a, const void *b)
{
    const struct item *x = a, *y = b;
    int names = strcmp(x->guest, y->guest);
    return names ? names : x->order - y->order;
}

static void make_plan(const struct config *c, struct plan *p)
{
    for (size_t i = 0; i < c->tree_count; i++) {
        add(p, (struct item){.kind = ITEM_TREE,
                             .guest = c->trees[i].guest,
                             .order = c->trees[i].order,
                             .tree = &c->trees[i],
                             .tree_index = (uint32_t)i});
    }
    for (size_t i = 0; i < c->tmpfs_count; i++) {
        const struct guest_tmpfs *t = &c->tmpfs[i];
        add(p, (struct item){.kind = ITEM_TMPFS,
                             .guest = t->guest,
                             .order = t->order,
                             .mode = t->mode,
                             .uid = t->owned_by_user ? c->uid : 0,
                             .gid = t->owned_by_user ? c->gid : 0});
    }
    add(p, (struct item){.kind = ITEM_PROC, .guest = "/proc", .order = -1});
    add(p, (struct item){.kind = ITEM_DEV, .guest = "/dev", .order = -1});
    add(p, (struct item){.kind = ITEM_DEVPTS, .guest = "/dev/pts", .order = -1});
    add(p, (struct item){.kind = ITEM_TMPFS, .guest = "/dev/shm", .order = -1, .mode = 01777});
    add(p, (struct item){
               .kind = ITEM_TMPFS, .guest = "/sys", .order = -1, .mode = 0555, .read_only = true});
    qsort(p->items, p->count, sizeof(p->items[0]), compare);
}

static int make_tree(const struct item *item, struct super_block **out)
{
    const struct tree *t = item->tree;
    struct super_block *lower;
    int r = gofer_fs_new(g_kernel->gofer, item->tree_index, !t->writable, t->writable, &lower);
    if (r < 0 || !t->overlay) {
        *out = lower;
        return r;
    }
    r = overlay_new(lower, out);
    super_put(lower);
    return r;
}

/* A file system and what /proc/mounts says of it. */
static int make_item(const struct item *item, struct super_block **out, unsigned *out_flags,
                     const char **out_source)
{
    *out_flags = MNT_NOSUID | MNT_NODEV | MNT_RELATIME | (item->read_only ? MNT_RDONLY : 0);
    switch (item->kind) {
    case ITEM_PROC:
        *out_source = "proc";
        *out_flags |= MNT_NOEXEC;
        return procfs_new(out);
    case ITEM_DEV:
        *out_source = "devtmpfs";
        *out_flags = MNT_NOSUID | MNT_RELATIME;
        return devfs_new(out);
    case ITEM_DEVPTS:
        *out_source = "devpts";
        *out_flags = MNT_NOSUID | MNT_NOEXEC | MNT_RELATIME;
        return devpts_new(out);
    case ITEM_TMPFS:
        *out_source = "tmpfs";
        return tmpfs_new(item->mode, item->uid, item->gid, g_kernel->total_memory / 2, out);
    case ITEM_TREE:
        *out_source = item->tree->overlay ? "overlay" : "host";
        if (!item->tree->overlay && !item->tree->writable) {
            *out_flags |= MNT_RDONLY;
        }
        return make_tree(item, out);
    }
    return -EINVAL;
}

static void mount_root(struct plan *p)
{
    struct super_block *sb;
    unsigned flags = MNT_RELATIME;
    const char *source = "rootfs";
    const struct item *root = NULL;
    for (size_t i = 0; i < p->count && !strcmp(p->items[i].guest, "/"); i++) {
        root = &p->items[i]; /* the last one covers the others */
    }
    int r = root ? make_item(root, &sb, &flags, &source)
                 : tmpfs_new(0755, 0, 0, g_kernel->total_memory / 2, &sb);
    if (r == 0) {
        r = mount_add(g_kernel->mounts, NULL, sb, flags, source, "", NULL);
        super_put(sb);
    }
    if (r < 0) {
        fail(EXIT_SANDBOX, "mounting / inside: %s: %s",
             root && root->tree ? root->tree->host : "tmpfs", strerror(-r));
    }
}

static void mount_item(const struct item *item)
{
    struct super_block *sb;
    unsigned flags;
    const char *source, *host = item->tree ? item->tree->host : "";
    int r = make_item(item, &sb, &flags, &source);
    if (r == 0) {
        r = vfs_mount_at(g_kernel->mounts, item->guest, true, sb, flags, source, "");
        super_put(sb);
    }
    if (r < 0) {
        fail(EXIT_SANDBOX,
             "mounting %s at %s inside: %s: give a directory that is there, or can be made",
             *host ? host : source, item->guest, strerror(-r));
    }
}

static void make_links(const struct config *c)
{
    struct cred *cred;
    struct path root = {g_kernel->mounts->root, g_kernel->mounts->root->root};
    if (cred_new(&cred, 0, 0, NULL, 0) < 0) {
        fail(EXIT_SANDBOX, "mounting: out of memory");
    }
    struct walk w = {.cred = cred, .root = &root, .start = &root, .umask = 022};
    for (size_t i = 0; i < c->link_count; i++) {
        int r = vfs_symlink(&w, c->links[i].target, c->links[i].guest);
        if (r < 0 && r != -EEXIST) {
            fail(EXIT_SANDBOX, "making %s inside: %s", c->links[i].guest, strerror(-r));
        }
    }
    cred_put(cred);
}

void guest_mounts_build(const struct config *c)
{
    struct plan *p = calloc(1, sizeof(*p)); /* a kernel stack is small */
    if (!p || mount_ns_new(&g_kernel->mounts) < 0) {
        fail(EXIT_SANDBOX, "mounting: out of memory");
    }
    make_plan(c, p);
    mount_root(p);
    make_links(c);
    for (size_t i = 0; i < p->count; i++) {
        if (strcmp(p->items[i].guest, "/")) {
            mount_item(&p->items[i]);
        }
    }
    free(p);
}
