/*
 * overlay: changes in memory over a file system that is only read. Analogous to Linux's overlayfs,
 * and with its rules, but with one node a file instead of two inodes.
 *
 *      overlay node  =  mem_node (tmpfs's inode)  +  optionally the lower inode it began as
 *
 * A node of a lower file starts as a view: attributes copied, bytes and names asked of the lower. What
 * is changed is kept in the node: attributes at once; bytes with the first write (copy-up: the whole
 * file; truncation to 0 copies nothing); names in the directory's memdir, where a whiteout hides
 * what the lower directory has. Renaming, linking and chmod copy no bytes. A renamed directory takes
 * its lower inode along, so whatever is below it comes with it.
 *
 * Views can be thrown away and made again, and are when their dentries are evicted. A changed node
 * cannot: it is pinned in a table by the lower's (dev, ino), which every lookup consults. That is
 * also what makes hard links of the lower tree one file here, with one copy.
 *
 * st_dev and st_ino of a node with a lower are the lower's, always, so that nothing changes when it is
 * copied up; nodes made here count up from a number that real file systems don't reach, on the device
 * of their parent directory, so that find -xdev sees the host's devices.
 *
 * DEVIATION: as in Linux's overlayfs, a mapping made before a copy-up goes on showing the lower
 * bytes. An open description does not: it reads the copy as soon as there is one.
 */
#include "sentry/fs/overlay.h"

#include <errno.h>
#include <linux/magic.h>
#include <string.h>

#include "sentry/fs/fs.h"

#define FIRST_OWN_INO (1ULL << 52) /* still exact as a double: scripting languages show inodes so */

static struct overlay_fs *overlay_fs(const struct super_block *sb)
{
    return sb->private;
}

static uint64_t lower_hash(const struct inode *lower)
{
    return hash_u64(lower->ino ^ hash_u64(lower->dev));
}

/* --- nodes --- */

static struct overlay_node *find_node(const struct overlay_fs *fs, const struct inode *lower)
{
    uint64_t hash = lower_hash(lower);
    for (struct hash_node *h = hash_chain(&fs->nodes, hash); h; h = h->next) {
        struct overlay_node *n = container_of(h, struct overlay_node, hash);
        if (h->hash == hash && n->lower->dev == lower->dev && n->lower->ino == lower->ino) {
            return n;
        }
    }
    return NULL;
}

static void copy_attributes(struct inode *to, const struct inode *from)
{
    to->nlink = from->nlink;
    to->uid = from->uid;
    to->gid = from->gid;
    to->rdev = from->rdev;
    to->size = from->size;
    to->blocks = from->blocks;
    to->blksize = from->blksize;
    to->mode = from->mode;
    to->atime_ns = from->atime_ns;
    to->mtime_ns = from->mtime_ns;
    to->ctime_ns = from->ctime_ns;
    to->btime_ns = from->btime_ns;
}

/* The node for a lower inode: the one there is, or a fresh view. lower: consumed. */
static int node_for(struct super_block *sb, struct inode *lower, struct overlay_node **out)
{
    struct overlay_fs *fs = overlay_fs(sb);
    struct overlay_node *known = find_node(fs, lower);
    if (known && ((known->mem.inode.mode ^ lower->mode) & S_IFMT) == 0) {
        inode_get(&known->mem.inode);
        inode_put(lower);
        *out = known;
        return 0;
    }
    if (known) { /* the host used the number again for something else: the old file is gone there */
        hash_remove(&fs->nodes, &known->hash);
        known->in_table = false;
    }
    struct mem_node *mem;
    int r = mem_node_new(sb, lower->mode, lower->uid, lower->gid, &mem);
    if (r < 0) {
        inode_put(lower);
        return r;
    }
    struct overlay_node *n = (struct overlay_node *)mem;
    copy_attributes(&mem->inode, lower);
    mem->inode.dev = lower->dev;
    mem->inode.ino = lower->ino;
    n->lower = lower;
    n->data_in_lower = S_ISREG(lower->mode);
    mem->inode.i_flags |= lower->i_flags & INODE_FROZEN;
    n->xattrs_in_lower = true;
    r = hash_insert(&fs->nodes, &n->hash, lower_hash(lower));
    n->in_table = r == 0;
    if (r < 0) {
        inode_put(&mem->inode);
        return r;
    }
    *out = n;
    return 0;
}

/* mem_fs_type.modified: a changed node stays, until its last name is gone. */
static void overlay_modified(struct mem_node *node)
{
    struct overlay_node *n = (struct overlay_node *)node;
    bool pin = n->lower && node->inode.nlink > 0;
    if (pin && !n->pinned) {
        n->pinned = true;
        inode_get(&node->inode);
    } else if (!pin && n->pinned) {
        n->pinned = false;
        inode_put(&node->inode); /* never the last one: whoever changed it holds it */
    }
}

static void overlay_free_inode(struct inode *inode)
{
    struct overlay_node *n = overlay_node(inode);
    BUG_ON(n->pinned || n->lower_users > 0 || n->dir_users > 0);
    if (n->in_table) {
        hash_remove(&overlay_fs(inode->sb)->nodes, &n->hash);
    }
    overlay_forget_listing(n);
    if (n->lower) {
        inode_put(n->lower);
    }
    mem_free_inode(inode);
}

/* --- names --- */

static int overlay_lookup(struct inode *dir, const struct name *name, struct inode **out)
{
    struct overlay_node *d = overlay_node(dir);
    const struct mem_dirent *e = memdir_find(&d->mem.names, name);
    if (e || !d->lower) {
        return mem_lookup(dir, name, out);
    }
    struct inode *lower;
    kmutex_lock(&d->lower->lock);
    int r = d->lower->ops->lookup(d->lower, name, &lower);
    kmutex_unlock(&d->lower->lock);
    if (r < 0) {
        return r;
    }
    struct overlay_node *n;
    r = node_for(dir->sb, lower, &n);
    if (r == 0) {
        *out = &n->mem.inode;
    }
    return r;
}

static void overlay_walk_ahead(struct inode *dir, const char *text, bool opens)
{
    struct overlay_node *d = overlay_node(dir);
    const struct name first = {text, strcspn(text, "/")};
    if (d->lower && d->lower->ops->walk_ahead && !memdir_find(&d->mem.names, &first)) {
        d->lower->ops->walk_ahead(d->lower, text, opens);
    }
}

/* In overlay_readdir's order: names in memory, then those of the lower directory that they don't hide. */
static size_t overlay_names_after(struct inode *dir, const struct name *after, char *names,
                                  size_t size, size_t max)
{
    struct overlay_node *d = overlay_node(dir);
    bool in_memory = !after || memdir_find(&d->mem.names, after);
    size_t count = in_memory ? mem_names_after(dir, after, names, size, max) : 0;
    if (count > 0 || !d->lower || !d->lower->ops->names_after) {
        return count;
    }
    size_t found = d->lower->ops->names_after(d->lower, in_memory ? NULL : after, names, size, max);
    char *to = names;
    for (const char *from = names; found > 0; found--) {
        const struct name name = {from, strlen(from)};
        from += name.size + 1;
        if (!memdir_find(&d->mem.names, &name)) {
            memmove(to, name.text, name.size + 1);
            to += name.size + 1;
            count++;
        }
    }
    return count;
}

static bool overlay_opens_at_once(struct inode *inode)
{
    const struct overlay_node *n = container_of(inode, const struct overlay_node, mem.inode);
    return !n->data_in_lower ||
           (n->lower->ops->opens_at_once && n->lower->ops->opens_at_once(n->lower));
}

static void overlay_open_more(struct inode *inode)
{
    const struct overlay_node *n = container_of(inode, const struct overlay_node, mem.inode);
    if (n->data_in_lower && n->lower->ops->open_more) {
        n->lower->ops->open_more(n->lower);
    }
}

static int overlay_readlink(struct inode *inode, char **out)
{
    const struct overlay_node *n = overlay_node(inode);
    if (!n->lower) {
        return mem_readlink(inode, out);
    }
    return n->lower->ops->readlink ? n->lower->ops->readlink(n->lower, out) : -EINVAL;
}

/* --- attributes --- */

static int overlay_getattr(struct inode *inode)
{
    struct overlay_node *n = overlay_node(inode);
    if (!n->lower || (S_ISREG(inode->mode) && !n->data_in_lower)) {
        return mem_getattr(inode);
    }
    if (!n->lower->ops->getattr) {
        return 0;
    }
    int r = n->lower->ops->getattr(n->lower);
    if (r < 0) {
        return r;
    }
    /* Changed here, or without a name here: then it is no longer what lower says. */
    if (!n->pinned && inode->nlink > 0 && ((n->lower->mode ^ inode->mode) & S_IFMT) == 0) {
        copy_attributes(inode, n->lower);
    }
    return 0;
}

static int overlay_setattr(struct inode *inode, const struct inode_attr *attr)
{
    struct overlay_node *n = overlay_node(inode);
    if ((attr->valid & ATTR_SIZE) && n->data_in_lower) {
        int r = overlay_copy_up(n, attr->size, NULL);
        if (r < 0) {
            return r;
        }
    }
    return mem_setattr(inode, attr);
}

/* What the lower file system does not let this sandbox read stays unreadable; writing is up to us. */
static int overlay_permission(struct inode *inode, const struct cred *cred, int may)
{
    const struct overlay_node *n = overlay_node(inode);
    may &= ~MAY_WRITE;
    if (may == 0 || !n->lower || !n->lower->ops->permission ||
        (S_ISREG(inode->mode) && !n->data_in_lower)) {
        return 0;
    }
    return n->lower->ops->permission(n->lower, cred, may);
}

/* --- extended attributes: the lower's until the first change, then all of them ours --- */

static ssize_t overlay_getxattr(struct inode *inode, const char *name, void *value, size_t size)
{
    const struct overlay_node *n = overlay_node(inode);
    if (!n->xattrs_in_lower) {
        return mem_getxattr(inode, name, value, size);
    }
    return n->lower->ops->getxattr ? n->lower->ops->getxattr(n->lower, name, value, size)
                                   : -ENODATA;
}

static ssize_t overlay_listxattr(struct inode *inode, char *list, size_t size)
{
    const struct overlay_node *n = overlay_node(inode);
    if (!n->xattrs_in_lower) {
        return mem_listxattr(inode, list, size);
    }
    return n->lower->ops->listxattr ? n->lower->ops->listxattr(n->lower, list, size) : 0;
}

static bool overlay_lacks_xattrs(struct inode *inode)
{
    const struct overlay_node *n = overlay_node(inode);
    if (!n->xattrs_in_lower) {
        return mem_lacks_xattrs(inode);
    }
    return n->lower->ops->lacks_xattrs && n->lower->ops->lacks_xattrs(n->lower);
}

static int copy_one_xattr(struct overlay_node *n, const char *name)
{
    ssize_t size = overlay_getxattr(&n->mem.inode, name, NULL, 0);
    if (size < 0) {
        return size == -ENODATA ? 0 : (int)size;
    }
    AUTO_FREE char *value = malloc((size_t)size + 1);
    if (!value) {
        return -ENOMEM;
    }
    size = size ? overlay_getxattr(&n->mem.inode, name, value, (size_t)size) : 0;
    if (size < 0) {
        return (int)size;
    }
    int r = mem_setxattr(&n->mem.inode, name, value, (size_t)size, 0);
    return r == -EOPNOTSUPP ? 0 : r; /* ACLs are the mode's matter here */
}

static int copy_up_xattrs(struct overlay_node *n)
{
    if (!n->xattrs_in_lower) {
        return 0;
    }
    ssize_t size = overlay_listxattr(&n->mem.inode, NULL, 0);
    AUTO_FREE char *list = size > 0 ? malloc((size_t)size + 1) : NULL;
    if (size > 0 && !list) {
        return -ENOMEM;
    }
    if (size > 0) {
        size = overlay_listxattr(&n->mem.inode, list, (size_t)size);
    }
    if (size < 0 && size != -EOPNOTSUPP) {
        return (int)size;
    }
    for (ssize_t at = 0; at < size; at += (ssize_t)strnlen(list + at, (size_t)(size - at)) + 1) {
        list[size] = '\0';
        int r = copy_one_xattr(n, list + at);
        if (r < 0) {
            mem_xattrs_free(&n->mem);
            return r;
        }
    }
    n->xattrs_in_lower = false;
    return 0;
}

static int overlay_setxattr(struct inode *inode, const char *name, const void *value, size_t size,
                            int flags)
{
    int r = copy_up_xattrs(overlay_node(inode));
    return r < 0 ? r : mem_setxattr(inode, name, value, size, flags);
}

static int overlay_removexattr(struct inode *inode, const char *name)
{
    struct overlay_node *n = overlay_node(inode);
    if (n->xattrs_in_lower) {
        ssize_t size = overlay_getxattr(inode, name, NULL, 0);
        if (size < 0) {
            return (int)size;
        }
        int r = copy_up_xattrs(n);
        if (r < 0) {
            return r;
        }
    }
    return mem_removexattr(inode, name);
}

/* --- tables --- */

#define OVERLAY_COMMON_OPS                                                                         \
    .getattr = overlay_getattr, .setattr = overlay_setattr, .getxattr = overlay_getxattr,          \
    .setxattr = overlay_setxattr, .listxattr = overlay_listxattr,                                  \
    .removexattr = overlay_removexattr, .permission = overlay_permission,                          \
    .lacks_xattrs = overlay_lacks_xattrs

static const struct inode_ops overlay_dir_ops = {
    OVERLAY_COMMON_OPS,       .lookup = overlay_lookup,
    .create = mem_create,     .mkdir = mem_create,
    .mknod = mem_mknod,       .symlink = mem_symlink,
    .link = mem_link,         .unlink = mem_unlink,
    .rmdir = mem_rmdir,       .rename = mem_rename,
    .tmpfile = mem_tmpfile,   .walk_ahead = overlay_walk_ahead,
    .open = overlay_open_dir, .names_after = overlay_names_after,
};
static const struct inode_ops overlay_file_ops = {
    OVERLAY_COMMON_OPS,
    .open = overlay_open_file,
    .opens_at_once = overlay_opens_at_once,
    .open_more = overlay_open_more,
};
static const struct inode_ops overlay_link_ops = {OVERLAY_COMMON_OPS, .readlink = overlay_readlink};
static const struct inode_ops overlay_special_ops = {OVERLAY_COMMON_OPS};

static const struct mem_fs_type overlay_type = {
    .node_size = sizeof(struct overlay_node),
    .dir_ops = &overlay_dir_ops,
    .file_ops = &overlay_file_ops,
    .link_ops = &overlay_link_ops,
    .special_ops = &overlay_special_ops,
    .dir_size = 4096,
    .modified = overlay_modified,
    .lower_empty = overlay_lower_empty,
};

/* A pinned node, its names dropped and its pin taken over by the caller; NULL: none is left. */
static struct inode *take_pinned(const struct overlay_fs *fs, size_t bucket)
{
    for (struct hash_node *h = fs->nodes.buckets[bucket]; h; h = h->next) {
        struct overlay_node *n = container_of(h, struct overlay_node, hash);
        if (n->pinned) {
            n->pinned = false;
            return &n->mem.inode;
        }
    }
    return NULL;
}

static void overlay_put(struct super_block *sb)
{
    struct overlay_fs *fs = overlay_fs(sb);
    mem_drop_tree(sb->root->inode);
    for (size_t i = 0; i < fs->nodes.bucket_count; i++) {
        struct inode *inode;
        while ((inode = take_pinned(fs, i))) { /* each may free others: begin the chain again */
            if (S_ISDIR(inode->mode)) {
                mem_drop_tree(inode);
            }
            inode_put(inode);
        }
    }
    super_deactivate(fs->lower);
    super_put(take(&fs->lower));
}

static void overlay_free_last(struct inode *inode)
{
    struct super_block *sb = inode->sb;
    overlay_free_inode(inode);
    struct overlay_fs *fs = overlay_fs(sb);
    if (!fs->lower && fs->mem.inodes == 0) {
        hash_free(&fs->nodes);
    }
}

static const struct super_ops overlay_super_ops = {
    .free_inode = overlay_free_last,
    .statfs = mem_statfs,
    .put = overlay_put,
};

/**
 * overlay_new - make an overlay whose tree is lower's, and whose changes stay in memory.
 * @lower: a reference is taken, and it is kept active; only inode_ops and file_ops that read are used.
 *
 * Return:  0 with one reference in *out.
 * Errors:  -ENOMEM.
 */
int overlay_new(struct super_block *lower, struct super_block **out)
{
    struct super_block *sb;
    int r = super_new(&sb, &overlay_super_ops, "overlay", OVERLAYFS_SUPER_MAGIC);
    if (r < 0) {
        return r;
    }
    struct overlay_fs *fs = calloc(1, sizeof(*fs));
    if (!fs) {
        super_put(sb);
        return -ENOMEM;
    }
    sb->private = fs;
    sb->flags |= lower->flags & SB_STEADY;
    mem_fs_init(&fs->mem, &overlay_type, 0);
    fs->lower = super_get(lower);
    super_activate(lower);
    struct overlay_node *root;
    r = node_for(sb, inode_get(lower->root->inode), &root);
    if (r == 0) {
        sb->next_ino = FIRST_OWN_INO;
        r = dentry_new_root(sb, &root->mem.inode, &sb->root);
    }
    if (r < 0) {
        super_deactivate(lower);
        super_put(lower);
        super_put(sb);
        return r;
    }
    *out = sb;
    return 0;
}
