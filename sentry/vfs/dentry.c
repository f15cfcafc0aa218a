/*
 * The dentry cache. Analogous to Linux's fs/dcache.c.
 *
 * A cached dentry is in g_kernel->dentries by (parent, name), and the table holds one reference of
 * its own: so a hashed dentry whose count is 1 is unused, and lies on g_kernel->dentry_lru, oldest
 * first, to be freed when a new one would exceed dentry_limit. One that is used again stays there, marked,
 * so that a lookup does not touch its neighbours; who looks for something to free sorts that out. A
 * dentry holds its parent, hence parents become unused only after all their cached children went.
 *
 *      hashed, count > 1    in use
 *      hashed, count == 1   unused: on the LRU list
 *      not hashed           roots, anonymous files, deleted names, file systems with SB_NO_DCACHE;
 *                           freed with the last reference
 */
#include "sentry/vfs/dcache.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "sentry/base/kernel.h"
#include "sentry/vfs/lease.h"
#include "sentry/vfs/stamp.h"

#define DEFAULT_LIMIT 16384

void (*g_paths_changed)(void);

static uint64_t dentry_hash(const struct dentry *parent, const char *name, size_t size)
{
    return hash_bytes(name, size, (uintptr_t)parent);
}

static char *inline_name(struct dentry *d)
{
    return (char *)(d + 1);
}

/* inode: consumed, also on error; NULL for a negative one. */
static int dentry_alloc(struct super_block *sb, struct dentry *parent, const struct name *name,
                        struct inode *inode, struct dentry **out)
{
    size_t limit = g_kernel->dentry_limit ? g_kernel->dentry_limit : DEFAULT_LIMIT;
    if (g_kernel->dentry_count >= limit) {
        dcache_shrink(limit - limit / 64 - 1);
    }
    struct dentry *d = malloc(sizeof(*d) + name->size + 1);
    if (!d) {
        if (inode) {
            inode_put(inode);
        }
        return -ENOMEM;
    }
    *d = (struct dentry){
        .parent = parent ? dentry_get(parent) : NULL,
        .inode = inode,
        .sb = sb,
        .name_size = (uint16_t)name->size,
        .name = inline_name(d),
    };
    memcpy(d->name, name->text, name->size);
    d->name[name->size] = '\0';
    refcount_init(&d->ref);
    list_init(&d->siblings);
    list_init(&d->children);
    list_init(&d->lru);
    g_kernel->dentry_count++;
    *out = d;
    return 0;
}

/* Frees d, whose count is 0. Return: its parent, whose reference is now the caller's. */
static struct dentry *dentry_free(struct dentry *d)
{
    struct dentry *parent = d->parent;
    BUG_ON(d->hashed || !list_empty(&d->lru) || !list_empty(&d->children));
    g_kernel->dentry_count--;
    if (d->name != inline_name(d)) {
        free(d->name);
    }
    struct inode *inode = d->inode;
    free(d);
    if (inode) {
        inode_put(inode);
    }
    return parent;
}

struct dentry *dentry_get(struct dentry *d)
{
    refcount_get(&d->ref);
    return d;
}

void dentry_put(struct dentry *d)
{
    while (d) {
        if (!refcount_put(&d->ref)) {
            if (d->hashed && d->ref.n == 1) {
                d->used = true;
                if (list_empty(&d->lru)) {
                    list_add_tail(&d->lru, &g_kernel->dentry_lru);
                }
            }
            return;
        }
        d = dentry_free(d);
    }
}

/* The table takes its reference. Out of memory only means that d is not cached. */
static void dentry_rehash(struct dentry *d)
{
    uint64_t hash = dentry_hash(d->parent, d->name, d->name_size);
    if (hash_insert(&g_kernel->dentries, &d->hash, hash) < 0) {
        return;
    }
    dentry_get(d);
    d->hashed = true;
    list_add(&d->siblings, &d->parent->children);
}

/* Out of the table; the caller holds a reference beside the table's, which is dropped. */
static void dentry_unhash(struct dentry *d)
{
    if (d->hashed) {
        hash_remove(&g_kernel->dentries, &d->hash);
        list_del(&d->siblings);
        list_del(&d->lru);
        d->hashed = false;
        dentry_put(d);
    }
}

/* Frees an unused dentry: the table's reference is the last one. */
static void dentry_prune(struct dentry *d)
{
    dentry_get(d);
    dentry_unhash(d);
    dentry_put(d);
}

void dcache_shrink(size_t limit)
{
    while (g_kernel->dentry_count > limit && !list_empty(&g_kernel->dentry_lru)) {
        struct dentry *d = list_first_entry(&g_kernel->dentry_lru, struct dentry, lru);
        if (d->ref.n > 1) {
            list_del(&d->lru); /* the last who lets go of it brings it back */
        } else if (d->used) {
            d->used = false;
            list_move_tail(&d->lru, &g_kernel->dentry_lru);
        } else {
            dentry_prune(d);
        }
    }
}

void dcache_drop_super(struct super_block *sb)
{
    bool found;
    do { /* each round may make parents unused */
        found = false;
        struct dentry *d, *tmp;
        struct list mine;
        list_init(&mine);
        list_for_each_entry_safe (d, tmp, &g_kernel->dentry_lru, lru) {
            if (d->sb == sb && d->ref.n == 1) {
                list_move_tail(&d->lru, &mine);
            }
        }
        while (!list_empty(&mine)) {
            found = true;
            dentry_prune(list_first_entry(&mine, struct dentry, lru));
        }
    } while (found);
}

/* Children that are only cached must not keep a deleted directory (and its memory). */
static void drop_unused_children(struct dentry *d)
{
    struct dentry *c, *tmp;
    dentry_get(d);
    list_for_each_entry_safe (c, tmp, &d->children, siblings) {
        if (c->ref.n == 1) {
            dentry_prune(c);
        }
    }
    dentry_put(d);
}

struct dentry *dcache_find(struct dentry *parent, const struct name *name)
{
    uint64_t hash = dentry_hash(parent, name->text, name->size);
    for (struct hash_node *n = hash_chain(&g_kernel->dentries, hash); n; n = n->next) {
        struct dentry *d = container_of(n, struct dentry, hash);
        if (n->hash == hash && d->parent == parent && d->name_size == name->size &&
            memcmp(d->name, name->text, name->size) == 0) {
            return dentry_get(d);
        }
    }
    return NULL;
}

static bool is_named(const struct dentry *d, const struct dentry *parent, const struct name *name)
{
    return d->hashed && d->parent == parent && d->name_size == name->size &&
           memcmp(d->name, name->text, name->size) == 0;
}

static bool still_true(struct dentry *d, struct dentry *parent, const struct name *name)
{
    if (!(d->sb->flags & (SB_NO_DCACHE | SB_REVALIDATE)) || d->mount_count > 0) {
        return true;
    }
    struct inode *dir = parent->inode;
    return dir->ops->revalidate ? dir->ops->revalidate(dir, name, d->inode)
                                : !(d->sb->flags & SB_NO_DCACHE);
}

/*
 * Context: may block (revalidation). Unless the caller holds the parent's lock, a rename may take d's name
 * away meanwhile: then it answers nothing, and the caller looks again under the lock.
 */
static struct dentry *find_valid(struct dentry *parent, const struct name *name)
{
    struct dentry *d = dcache_find(parent, name);
    if (!d) {
        return NULL;
    }
    bool valid = still_true(d, parent, name);
    if (is_named(d, parent, name)) {
        if (valid) {
            return d;
        }
        dentry_unhash(d); /* may be in use: its holders keep the old inode */
    }
    dentry_put(d);
    return NULL;
}

int dentry_lookup_locked(struct dentry *parent, const struct name *name, struct dentry **out)
{
    inode_take_notes(parent->inode); /* of names in it */
    *out = find_valid(parent, name);
    if (*out) {
        return 0;
    }
    struct inode *dir = parent->inode;
    struct inode *inode = NULL;
    if (!dir->ops->lookup) {
        return -ENOTDIR;
    }
    int r = dir->i_flags & INODE_DEAD ? -ENOENT : dir->ops->lookup(dir, name, &inode);
    if (r < 0 && r != -ENOENT) {
        return r;
    }
    r = dentry_alloc(parent->sb, parent, name, r == 0 ? inode : NULL, out);
    if (r == 0 && !(parent->sb->flags & SB_NO_DCACHE) && !(dir->i_flags & INODE_DEAD)) {
        dentry_rehash(*out);
    }
    return r;
}

int dentry_lookup(struct dentry *parent, const struct name *name, unsigned hint,
                  struct dentry **out)
{
    struct inode *dir = parent->inode;
    inode_take_notes(dir);
    *out = find_valid(parent, name);
    if (*out) {
        return 0;
    }
    if (hint && dir->ops->walk_ahead) {
        dir->ops->walk_ahead(dir, name->text, hint & LOOKUP_OPEN);
    }
    kmutex_lock(&parent->inode->lock);
    int r = dentry_lookup_locked(parent, name, out);
    kmutex_unlock(&parent->inode->lock);
    return r;
}

void dentry_instantiate(struct dentry *d, struct inode *inode)
{
    BUG_ON(d->inode);
    d->inode = inode;
    name_changed(d->parent->inode, d->name, d->name_size);
}

/* d's name changes, or goes. */
static void name_changes(const struct dentry *d)
{
    if (g_paths_changed && d->inode && (S_ISDIR(d->inode->mode) || d->is_program)) {
        g_paths_changed();
    }
}

void dentry_delete(struct dentry *d)
{
    name_changes(d);
    d->unhashed = true;
    dentry_unhash(d);
    drop_unused_children(d);
    name_changed(d->parent->inode, d->name, d->name_size);
    if (d->inode && S_ISDIR(d->inode->mode)) {
        missing_changed(d->inode); /* it may be found in the next directory of its name */
    }
}

int dentry_pin(struct dentry *d)
{
    if (!d->hashed && d->parent && !d->unhashed) {
        dentry_rehash(d);
        return d->hashed ? 0 : -ENOMEM;
    }
    return 0;
}

/* Gives d another parent and name. name: consumed. */
static void dentry_rename(struct dentry *d, struct dentry *parent, char *name, size_t size)
{
    bool cached = d->hashed || !(d->sb->flags & SB_NO_DCACHE);
    dentry_unhash(d);
    struct dentry *old_parent = d->parent;
    d->parent = dentry_get(parent);
    dentry_put(old_parent);
    if (d->name != inline_name(d)) {
        free(d->name);
    }
    d->name = name;
    d->name_size = (uint16_t)size;
    if (cached) {
        dentry_rehash(d);
    }
}

/* d goes elsewhere; the way to what is below a directory was it. */
static void stamp_move(const struct dentry *d)
{
    name_changed(d->parent->inode, d->name, d->name_size);
    if (d->inode && S_ISDIR(d->inode->mode)) {
        stamp_everything();
    }
}

int dentry_move(struct dentry *d, struct dentry *target)
{
    stamp_move(d);
    stamp_move(target);
    char *name = strdup(target->name);
    name_changes(d);
    name_changes(target);
    if (!name) {
        /* The rename is done; what the cache believes of both names is wrong now. */
        dentry_unhash(d);
        dentry_unhash(target);
        return -ENOMEM;
    }
    target->unhashed = target->inode != NULL;
    dentry_unhash(target);
    drop_unused_children(target);
    dentry_rename(d, target->parent, name, target->name_size);
    return 0;
}

int dentry_exchange(struct dentry *a, struct dentry *b)
{
    stamp_move(a);
    stamp_move(b);
    char *a_name = strdup(a->name), *b_name = strdup(b->name);
    name_changes(a);
    name_changes(b);
    if (!a_name || !b_name) {
        free(a_name);
        free(b_name);
        dentry_unhash(a);
        dentry_unhash(b);
        return -ENOMEM;
    }
    size_t a_size = a->name_size, b_size = b->name_size;
    AUTO_PUT(dentry) a_parent = dentry_get(a->parent);
    AUTO_PUT(dentry) b_parent = dentry_get(b->parent);
    dentry_unhash(a); /* both names are free before either is taken again */
    dentry_unhash(b);
    dentry_rename(a, b_parent, b_name, b_size);
    dentry_rename(b, a_parent, a_name, a_size);
    return 0;
}

bool dentry_is_ancestor(const struct dentry *a, const struct dentry *d)
{
    for (; d; d = d->parent) {
        if (d == a) {
            return true;
        }
    }
    return false;
}

int dentry_new_root(struct super_block *sb, struct inode *inode, struct dentry **out)
{
    const struct name name = {"/", 1};
    return dentry_alloc(sb, NULL, &name, inode, out);
}

int dentry_new_unnamed(struct dentry *parent, struct inode *inode, struct dentry **out)
{
    char text[24];
    int size = snprintf(text, sizeof(text), "#%lu", (unsigned long)inode->ino);
    const struct name n = {text, (size_t)size};
    int r = dentry_alloc(parent->sb, parent, &n, inode, out);
    if (r == 0) {
        (*out)->unhashed = true;
    }
    return r;
}

int dentry_new_anon(const char *name, struct inode *inode, struct dentry **out)
{
    const struct name n = {name, MIN(strlen(name), (size_t)UINT16_MAX)};
    return dentry_alloc(inode->sb, NULL, &n, inode, out);
}
