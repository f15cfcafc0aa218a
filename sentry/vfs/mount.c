/*
 * Mounts: which file system covers which directory. Analogous to Linux's fs/namespace.c, with one
 * mount namespace and no propagation. A sandbox has a few dozen mounts, so lists are enough; the walk
 * asks only when dentry.mount_count says that something is mounted there.
 *
 * The namespace owns the mounts (one reference each); open files and working directories keep a mount
 * that was unmounted lazily until they go.
 */
#include "sentry/vfs/namei.h"

#include <errno.h>
#include <string.h>

#include "sentry/vfs/dcache.h"
#include "sentry/vfs/stamp.h"

int mount_ns_new(struct mount_ns **out)
{
    struct mount_ns *ns = calloc(1, sizeof(*ns));
    if (!ns) {
        return -ENOMEM;
    }
    list_init(&ns->all);
    *out = ns;
    return 0;
}

void mount_ns_free(struct mount_ns *ns)
{
    while (!list_empty(&ns->all)) {
        struct mount *last = list_entry(ns->all.prev, struct mount, all);
        int r = mount_remove(ns, last, true);
        BUG_ON(r < 0);
    }
    free(ns);
}

struct mount *mount_get(struct mount *m)
{
    refcount_get(&m->ref);
    return m;
}

void mount_put(struct mount *m)
{
    if (!refcount_put(&m->ref)) {
        return;
    }
    dentry_put(m->root);
    super_deactivate(m->sb);
    super_put(m->sb);
    free(m->source);
    free(m->options);
    free(m);
}

struct mount *mount_covering(const struct mount *parent, const struct dentry *d)
{
    struct mount *m;
    list_for_each_entry (m, &parent->children, siblings) {
        if (m->mountpoint == d) {
            return m;
        }
    }
    return NULL;
}

static int attach(struct mount_ns *ns, struct mount *m, const struct path *at)
{
    if (!at || !at->dentry) {
        ns->root = m;
        return 0;
    }
    int r = dentry_pin(at->dentry);
    if (r < 0) {
        return r;
    }
    m->parent = at->mnt;
    m->mountpoint = dentry_get(at->dentry);
    m->mountpoint->mount_count++;
    list_add(&m->siblings, &at->mnt->children);
    return 0;
}

/* Mounts the tree below root, which is on sb. at: NULL for the root of ns. */
static int add_mount(struct mount_ns *ns, const struct path *at, struct super_block *sb,
                     struct dentry *root, unsigned flags, const char *source, const char *options,
                     struct mount **out_borrowed)
{
    if (at && at->dentry) {
        if (S_ISDIR(at->dentry->inode->mode) != S_ISDIR(root->inode->mode)) {
            return -ENOTDIR;
        }
    } else if (ns->root) {
        return -EBUSY;
    }
    struct mount *m = calloc(1, sizeof(*m));
    char *source_copy = strdup(source ? source : "none");
    char *options_copy = strdup(options ? options : "");
    if (!m || !source_copy || !options_copy) {
        goto no_memory;
    }
    refcount_init(&m->ref);
    list_init(&m->siblings);
    list_init(&m->children);
    if (attach(ns, m, at) < 0) {
        goto no_memory;
    }
    list_add_tail(&m->all, &ns->all);
    m->flags = flags;
    m->id = ++ns->next_id;
    m->source = source_copy;
    m->options = options_copy;
    m->sb = super_get(sb);
    super_activate(sb);
    m->root = dentry_get(root);
    if (g_paths_changed) {
        g_paths_changed();
    }
    stamp_everything();
    if (out_borrowed) {
        *out_borrowed = m;
    }
    return 0;
no_memory:
    free(m);
    free(source_copy);
    free(options_copy);
    return -ENOMEM;
}

/**
 * mount_add - mount sb on at, or as the root.
 * @at: borrowed; its dentry NULL, or at NULL: sb becomes the root of ns.
 * @out_borrowed: may be NULL.
 *
 * Errors:  -ENOMEM; -ENOTDIR when a directory would cover a file or the reverse; -EBUSY a second root.
 */
int mount_add(struct mount_ns *ns, const struct path *at, struct super_block *sb, unsigned flags,
              const char *source, const char *options, struct mount **out_borrowed)
{
    return add_mount(ns, at, sb, sb->root, flags, source, options, out_borrowed);
}

int mount_bind(struct mount_ns *ns, const struct path *at, const struct path *from)
{
    const struct mount *m = from->mnt;
    return add_mount(ns, at, m->sb, from->dentry, m->flags, m->source, m->options, NULL);
}

int mount_remove(struct mount_ns *ns, struct mount *m, bool detach)
{
    if (!detach && (m == ns->root || !list_empty(&m->children) || m->ref.n > 1)) {
        return -EBUSY;
    }
    while (!list_empty(&m->children)) {
        int r = mount_remove(ns, list_entry(m->children.next, struct mount, siblings), true);
        BUG_ON(r < 0);
    }
    list_del(&m->siblings);
    list_del(&m->all);
    if (ns->root == m) {
        ns->root = NULL;
    }
    m->parent = NULL;
    if (g_paths_changed) {
        g_paths_changed();
    }
    stamp_everything();
    struct dentry *mountpoint = take(&m->mountpoint);
    if (mountpoint) {
        mountpoint->mount_count--;
        dentry_put(mountpoint);
    }
    mount_put(m);
    return 0;
}
