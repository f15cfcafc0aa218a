/*
 * struct super_block: one file system instance. Analogous to Linux's fs/super.c. As there, two
 * counts: references keep the struct (each inode has one), activity keeps the file system (each
 * mount has one, and an overlay on its lower).
 */
#include "sentry/vfs/inode.h"

#include <errno.h>
#include <sys/sysmacros.h>

#include "sentry/base/kernel.h"
#include "sentry/vfs/dcache.h"

/**
 * super_new - make a file system without a root yet; the caller sets sb->root.
 *
 * Return:  0 with one reference in *out.
 * Errors:  -ENOMEM.
 */
int super_new(struct super_block **out, const struct super_ops *ops, const char *type_name,
              uint32_t magic)
{
    struct super_block *sb = calloc(1, sizeof(*sb));
    if (!sb) {
        return -ENOMEM;
    }
    refcount_init(&sb->ref);
    sb->ops = ops;
    sb->type_name = type_name;
    sb->magic = magic;
    sb->dev = makedev(0, ++g_kernel->last_anon_dev);
    sb->next_ino = 1;
    kmutex_init(&sb->rename_lock);
    *out = sb;
    return 0;
}

struct super_block *super_get(struct super_block *sb)
{
    refcount_get(&sb->ref);
    return sb;
}

void super_put(struct super_block *sb)
{
    if (refcount_put(&sb->ref)) {
        free(sb->private);
        free(sb);
    }
}

void super_activate(struct super_block *sb)
{
    sb->active++;
}

void super_deactivate(struct super_block *sb)
{
    BUG_ON(sb->active == 0);
    if (--sb->active > 0) {
        return;
    }
    /* The root's inode holds a reference on sb: keep sb while its tree goes. */
    super_get(sb);
    dcache_drop_super(sb);
    if (sb->ops->put) {
        sb->ops->put(sb);
    }
    struct dentry *root = take(&sb->root);
    if (root) {
        dentry_put(root);
    }
    super_put(sb);
}
