/*
 * A host tree, served by the gofer, as a file system: inodes, their attributes, lookups.
 *
 * An inode knows its name and its parent, and is addressed by the path made of them at each request:
 * the gofer keeps nothing for us. Beside that it has the host's identity (mount, device, inode
 * number, birth time), so that hard links are one inode here as they are there, and a file that the
 * host replaced is not taken for the old one.
 */
#include "sentry/fs/gofer_fs.h"

#include <errno.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include "lib/host.h"
#include "sentry/base/kernel.h"
#include "sentry/base/timer.h"
#include "sentry/fs/fs.h"

bool gofer_fresh(const struct gofer_fs *fs, int64_t when_ns)
{
    return when_ns && (fs->frozen || ktime_monotonic_ns() - when_ns < GOFER_FRESH_NS);
}

int gofer_path(struct gofer_inode *gi, const struct name *name, char **out)
{
    size_t size = name ? name->size + 1 : 0;
    for (const struct gofer_inode *i = gi; i->parent; i = i->parent) {
        if (i->lost) {
            return -ENOENT;
        }
        size += strlen(i->name) + 1;
    }
    if (size > GOFER_MAX_PATH) {
        return -ENAMETOOLONG;
    }
    if (size == 0) {
        *out = strdup(".");
        return *out ? 0 : -ENOMEM;
    }
    char *path = malloc(size); /* each name and its slash; the last slash becomes the NUL */
    if (!path) {
        return -ENOMEM;
    }
    char *at = path + size;
    *--at = '\0';
    if (name) {
        at -= name->size;
        memcpy(at, name->text, name->size);
    }
    for (const struct gofer_inode *i = gi; i->parent; i = i->parent) {
        size_t n = strlen(i->name);
        if (at[0] != '\0') {
            *--at = '/';
        }
        at -= n;
        memcpy(at, i->name, n);
    }
    *out = path;
    return 0;
}

/* --- attributes --- */

/* DEVIATION: device numbers are ours; only that two files are on different ones is the host's. */
static dev_t guest_dev(struct gofer_fs *fs, uint64_t host)
{
    for (size_t i = 0; i < fs->dev_count; i++) {
        if (fs->devs[i].host == host) {
            return fs->devs[i].guest;
        }
    }
    struct gofer_dev *devs = reallocarray(fs->devs, fs->dev_count + 1, sizeof(*devs));
    if (!devs) {
        return fs->sb->dev;
    }
    fs->devs = devs;
    dev_t dev = fs->dev_count == 0 ? fs->sb->dev : makedev(0, ++g_kernel->last_anon_dev);
    devs[fs->dev_count++] = (struct gofer_dev){host, dev};
    return dev;
}

void gofer_attr_apply(struct gofer_inode *gi, const struct gofer_attr *attr)
{
    struct inode *i = &gi->inode;
    if (attr->asked < gi->changed) {
        gi->fetched_ns = 0;
        return;
    }
    i->mode = (i->mode & S_IFMT) | (attr->mode & 07777);
    i->nlink = attr->nlink;
    i->uid = attr->uid;
    i->gid = attr->gid;
    i->rdev = attr->rdev;
    i->ino = attr->ino;
    i->size = attr->size > INT64_MAX ? INT64_MAX : (int64_t)attr->size;
    i->blocks = attr->blocks;
    i->blksize = attr->blksize ? attr->blksize : PAGE_SIZE;
    i->atime_ns = attr->atime_ns;
    i->mtime_ns = attr->mtime_ns;
    i->ctime_ns = attr->ctime_ns;
    i->btime_ns = attr->btime_ns;
    gi->may = attr->flags & GOFER_ATTR_MAY;
    /* Not every reply tells. */
    gi->no_xattr = (attr->flags & GOFER_ATTR_NO_XATTR) || (gi->no_xattr && gofer_fs_of(gi)->frozen);
    gi->fetched_ns = ktime_monotonic_ns();
}

void gofer_inode_changed(struct gofer_inode *gi)
{
    gi->changed = gofer_client_change();
    gi->fetched_ns = 0;
}

/* --- identity --- */

static uint64_t identity_hash(const struct gofer_attr *a)
{
    return hash_u64(a->ino ^ hash_u64(a->dev ^ hash_u64(a->mount_id)));
}

static bool same_file(const struct gofer_inode *gi, const struct gofer_attr *a)
{
    return gi->host_ino == a->ino && gi->host_dev == a->dev && gi->mount_id == a->mount_id;
}

/* Inode numbers are used again by the host: type and birth time tell one owner from the next. */
static bool same_life(const struct gofer_inode *gi, const struct gofer_attr *a)
{
    return (gi->inode.mode & S_IFMT) == (a->mode & S_IFMT) && gi->host_btime_ns == a->btime_ns;
}

struct gofer_inode *gofer_inode_known(struct gofer_fs *fs, const struct gofer_attr *a)
{
    for (struct hash_node *n = hash_chain(&fs->inodes, identity_hash(a)); n; n = n->next) {
        struct gofer_inode *gi = container_of(n, struct gofer_inode, identity);
        if (same_file(gi, a)) {
            return gi;
        }
    }
    return NULL;
}

static void forget_identity(struct gofer_inode *gi)
{
    if (gi->hashed) {
        hash_remove(&gofer_fs_of(gi)->inodes, &gi->identity);
        gi->hashed = false;
    }
}

static void set_identity(struct gofer_inode *gi, const struct gofer_attr *a)
{
    gi->hashed = true;
    gi->host_dev = a->dev;
    gi->host_ino = a->ino;
    gi->mount_id = a->mount_id;
    gi->host_btime_ns = a->btime_ns;
}

static int inode_new(struct gofer_fs *fs, const struct gofer_attr *a, struct gofer_inode **out)
{
    struct gofer_inode *gi = calloc(1, sizeof(*gi));
    if (!gi) {
        return -ENOMEM;
    }
    inode_init(&gi->inode, fs->sb, &gofer_inode_ops, a->mode, a->uid, a->gid);
    gi->inode.dev = guest_dev(fs, a->dev);
    gi->inode.i_flags |= fs->frozen ? INODE_FROZEN : 0;
    gofer_fd_init(&gi->read_fd, fs);
    gofer_fd_init(&gi->write_fd, fs);
    gofer_attr_apply(gi, a);
    if (hash_insert(&fs->inodes, &gi->identity, identity_hash(a)) < 0) {
        inode_put(&gi->inode);
        return -ENOMEM;
    }
    set_identity(gi, a);
    *out = gi;
    return 0;
}

bool gofer_inode_is(const struct gofer_inode *gi, const struct gofer_attr *a)
{
    return same_file(gi, a) && same_life(gi, a);
}

void gofer_inode_adopt(struct gofer_inode *gi, const struct gofer_attr *a)
{
    struct gofer_fs *fs = gofer_fs_of(gi);
    gofer_fd_drop_idle(&gi->read_fd);
    gofer_fd_drop_idle(&gi->write_fd);
    forget_identity(gi);
    set_identity(gi, a);
    gi->inode.dev = guest_dev(fs, a->dev);
    gi->no_nowait = gi->no_xattr = false;
    /* Without memory for it, it is only not found by its other names. */
    gi->hashed = hash_insert(&fs->inodes, &gi->identity, identity_hash(a)) == 0;
    gofer_attr_apply(gi, a);
}

bool gofer_is_named(const struct gofer_inode *gi, const struct gofer_inode *dir,
                    const struct name *name)
{
    return !gi->lost && gi->parent == dir && strlen(gi->name) == name->size &&
           memcmp(gi->name, name->text, name->size) == 0;
}

int gofer_inode_move(struct gofer_inode *gi, struct gofer_inode *dir, const struct name *name)
{
    /* A host that moves directories around while we walk could make us believe in a circle. */
    for (const struct gofer_inode *i = dir; i; i = i->parent) {
        if (i == gi) {
            return -ELOOP;
        }
    }
    char *copy = strndup(name->text, name->size);
    if (!copy) {
        return -ENOMEM;
    }
    struct gofer_inode *old = gi->parent;
    inode_get(&dir->inode);
    gi->parent = dir;
    free(gi->name);
    gi->name = copy;
    gi->lost = false;
    if (old) {
        inode_put(&old->inode);
    }
    return 0;
}

void gofer_inode_lose(struct gofer_inode *gi)
{
    inode_get(&gi->inode); /* what is dropped here may have been all that held it */
    gi->lost = true;
    if (gi->inode.nlink == 0) {
        gofer_fd_drop_idle(&gi->read_fd);
        gofer_fd_drop_idle(&gi->write_fd);
    }
    gofer_listing_drop(gi);
    inode_put(&gi->inode);
}

int gofer_inode_find(struct gofer_inode *dir, const struct name *name,
                     const struct gofer_attr *attr, char *target, struct gofer_inode **out)
{
    AUTO_FREE char *text = target;
    struct gofer_fs *fs = gofer_fs_of(dir);
    struct gofer_inode *gi = gofer_inode_known(fs, attr);
    int err = 0;
    if (gi && !same_life(gi, attr)) {
        forget_identity(gi);
        if (!fs->frozen) { /* there its name stays; see gofer_inode_adopt */
            gi->inode.nlink = 0;
            gofer_inode_lose(gi);
        }
        gi = NULL;
    }
    if (gi) {
        inode_get(&gi->inode);
        gofer_attr_apply(gi, attr);
    } else {
        err = inode_new(fs, attr, &gi);
        if (err < 0) {
            return err;
        }
    }
    if (!gi->parent || (!fs->frozen && !gofer_is_named(gi, dir, name))) {
        err = gofer_inode_move(gi, dir, name);
    }
    if (err < 0) {
        inode_put(&gi->inode);
        return err;
    }
    if (text) {
        free(gi->target);
        gi->target = take(&text);
    }
    *out = gi;
    return 0;
}

/*
 * The last reference is gone. A parent is put from a loop, not from within its child's free: a chain
 * of 2,000 directories must not become 2,000 frames of a kernel stack.
 */
static void free_inode(struct inode *inode)
{
    struct gofer_inode *gi = gofer_i(inode);
    struct gofer_fs *fs = gofer_fs_of(gi);
    struct gofer_inode *parent = gi->parent;
    forget_identity(gi);
    gofer_fd_drop_idle(&gi->read_fd);
    gofer_fd_drop_idle(&gi->write_fd);
    free(gi->target);
    free(gi->name);
    free(gi);
    if (fs->inodes.count == 0) {
        hash_free(&fs->inodes);
    }
    if (fs->freeing) {
        fs->put_later = parent;
        return;
    }
    fs->freeing = true;
    while (parent) {
        fs->put_later = NULL;
        inode_put(&parent->inode);
        parent = fs->put_later;
    }
    fs->freeing = false;
}

/* --- inode operations --- */

int gofer_stat(struct gofer_inode *gi, const struct name *name, struct gofer_attr *out,
               char **out_target)
{
    struct gofer_fs *fs = gofer_fs_of(gi);
    for (;;) {
        AUTO_FREE char *path = NULL;
        uint64_t moves = fs->moves;
        int err = gofer_path(gi, name, &path);
        if (err == 0) {
            err = gofer_client_stat(fs->client, fs->root, path, out, out_target);
        }
        if (fs->moves == moves) {
            return err;
        }
        free(err == 0 ? *out_target : NULL);
    }
}

static int fs_getattr(struct inode *inode)
{
    struct gofer_inode *gi = gofer_i(inode);
    struct gofer_fs *fs = gofer_fs_of(gi);
    if (gofer_fresh(fs, gi->fetched_ns) || gofer_file_getattr(gi) == 0 || gi->lost) {
        return 0;
    }
    AUTO_FREE char *target = NULL;
    struct gofer_attr attr;
    int err = gofer_stat(gi, NULL, &attr, &target);
    if (err == 0 && gofer_inode_is(gi, &attr)) {
        gofer_attr_apply(gi, &attr);
        return 0;
    }
    if (err == 0 || err == -ENOENT || err == -ENOTDIR || err == -ELOOP) {
        inode->nlink = S_ISDIR(inode->mode) || inode->nlink == 0 ? 0 : inode->nlink - 1;
        gofer_inode_lose(gi); /* the host took the name away: we still have what it was */
        return 0;
    }
    return err;
}

static int fs_readlink(struct inode *inode, char **out)
{
    struct gofer_inode *gi = gofer_i(inode);
    struct gofer_fs *fs = gofer_fs_of(gi);
    if (!S_ISLNK(inode->mode)) {
        return -EINVAL;
    }
    if (!gi->target) { /* never changes: another text is another inode */
        AUTO_FREE char *path = NULL;
        char *target;
        int err = gofer_path(gi, NULL, &path);
        if (err == 0) {
            err = gofer_client_readlink(fs->client, fs->root, path, &target);
        }
        if (err < 0) {
            return err;
        }
        free(gi->target); /* another kthread may have asked meanwhile */
        gi->target = target;
    }
    *out = strdup(gi->target);
    return *out ? 0 : -ENOMEM;
}

static int open_inode(struct inode *inode, struct file *f)
{
    struct gofer_inode *gi = gofer_i(inode);
    if (S_ISDIR(inode->mode)) {
        return gofer_dir_open(gi, f);
    }
    return S_ISREG(inode->mode) ? gofer_file_open(gi, f) : -ENXIO;
}

/* The error for an attribute that a file doesn't have, by what Linux's handlers would say. */
static int no_such_xattr(const char *name)
{
    static const char *const known[] = {"user.", "security.", "trusted.", "system.posix_acl_"};
    for (size_t i = 0; i < ARRAY_COUNT(known); i++) {
        if (strncmp(name, known[i], strlen(known[i])) == 0) {
            return -ENODATA;
        }
    }
    return -EOPNOTSUPP;
}

/* Somebody asks for the attributes of one file after the other: the directory's listing knows which have none. */
static bool listing_says_none(struct gofer_inode *gi)
{
    struct gofer_attr attr;
    if (!gi->parent || !gofer_listing_around(gi->parent, GOFER_LIST_ATTRS | GOFER_LIST_XATTRS)) {
        return false;
    }
    const struct name name = {gi->name, strlen(gi->name)};
    if (gofer_listing_find(gi->parent, &name, &attr, NULL) != 1 || !gofer_inode_is(gi, &attr)) {
        return false;
    }
    gofer_attr_apply(gi, &attr);
    return gi->no_xattr;
}

static ssize_t fs_listxattr(struct inode *inode, char *list, size_t size)
{
    struct gofer_inode *gi = gofer_i(inode);
    struct gofer_fs *fs = gofer_fs_of(gi);
    if ((gi->no_xattr && gofer_fresh(fs, gi->fetched_ns)) || listing_says_none(gi)) {
        gofer_listing_xattr_used(fs);
        return 0;
    }
    AUTO_FREE char *path = NULL;
    int err = gofer_path(gi, NULL, &path);
    if (err < 0) {
        return err;
    }
    ssize_t n = gofer_client_listxattr(fs->client, fs->root, path, list, size);
    if (n == 0) {
        gi->no_xattr = true;
    }
    return n;
}

static ssize_t fs_getxattr(struct inode *inode, const char *name, void *value, size_t size)
{
    struct gofer_inode *gi = gofer_i(inode);
    struct gofer_fs *fs = gofer_fs_of(gi);
    /* Most files have none, and "ls -l" asks for several: the list answers for all of them. */
    if (fs->frozen && fs_listxattr(inode, NULL, 0) == 0) {
        return no_such_xattr(name);
    }
    if (gi->no_xattr && gofer_fresh(fs, gi->fetched_ns)) {
        return no_such_xattr(name);
    }
    AUTO_FREE char *path = NULL;
    int err = gofer_path(gi, NULL, &path);
    return err < 0 ? err : gofer_client_getxattr(fs->client, fs->root, path, name, value, size);
}

static bool fs_lacks_xattrs(struct inode *inode)
{
    const struct gofer_inode *gi = gofer_i(inode);
    return gi->no_xattr && gofer_fresh(gofer_fs_of(gi), gi->fetched_ns);
}

static bool fs_opens_at_once(struct inode *inode)
{
    struct gofer_inode *gi = gofer_i(inode);
    return gofer_fs_of(gi)->frozen && S_ISREG(inode->mode) && gofer_ahead_has_come(gi);
}

static void fs_open_more(struct inode *inode)
{
    gofer_open_more(gofer_i(inode));
}

static size_t fs_names_after(struct inode *dir, const struct name *after, char *names, size_t size,
                             size_t max)
{
    return gofer_listing_names(gofer_i(dir), after, names, size, max);
}

/* Mode bits have been asked; this is what the caller outside could not do either. */
static int fs_permission(struct inode *inode, const struct cred *cred, int may)
{
    (void)cred;
    struct gofer_inode *gi = gofer_i(inode);
    if (!S_ISREG(inode->mode) && !S_ISDIR(inode->mode)) {
        return 0;
    }
    int wanted = gofer_fs_of(gi)->read_only ? may & ~MAY_WRITE : may;
    return wanted & ~gi->may ? -EACCES : 0;
}

static int statfs_root(struct inode *inode, struct statfs *out)
{
    struct gofer_inode *gi = gofer_i(inode);
    struct gofer_fs *fs = gofer_fs_of(gi);
    AUTO_FREE char *path = NULL;
    int err = gofer_path(gi, NULL, &path);
    return err < 0 ? err : gofer_client_statfs(fs->client, fs->root, path, out);
}

/* The last mount is gone: what is cached must not keep the tree. */
static void put_super(struct super_block *sb)
{
    struct gofer_fs *fs = sb->private;
    gofer_unprime_all(fs);
    gofer_listing_drop_all(fs);
    gofer_idle_drop_owner(fs->client, fs);
    free(take(&fs->devs));
    fs->dev_count = 0;
}

static const struct super_ops gofer_super_ops = {
    .free_inode = free_inode,
    .statfs = statfs_root,
    .put = put_super,
};

const struct inode_ops gofer_inode_ops = {
    .lookup = gofer_lookup,
    .create = gofer_create,
    .mkdir = gofer_mkdir,
    .mknod = gofer_mknod,
    .symlink = gofer_symlink,
    .link = gofer_link,
    .unlink = gofer_unlink,
    .rmdir = gofer_rmdir,
    .rename = gofer_rename,
    .names_after = fs_names_after,
    .opens_at_once = fs_opens_at_once,
    .open_more = fs_open_more,
    .lacks_xattrs = fs_lacks_xattrs,
    .readlink = fs_readlink,
    .getattr = fs_getattr,
    .setattr = gofer_setattr,
    .open = open_inode,
    .getxattr = fs_getxattr,
    .listxattr = fs_listxattr,
    .revalidate = gofer_revalidate,
    .permission = fs_permission,
    .walk_ahead = gofer_walk_ahead,
};

int gofer_fs_new(struct gofer_client *g, uint32_t root, bool read_only, bool shared,
                 struct super_block **out)
{
    struct gofer_attr attr;
    struct statfs st;
    AUTO_FREE char *target = NULL;
    int err = gofer_client_stat(g, root, ".", &attr, &target);
    if (err == 0) {
        err = gofer_client_statfs(g, root, ".", &st);
    }
    if (err < 0) {
        return err;
    }
    struct super_block *sb;
    err = super_new(&sb, &gofer_super_ops, "hostfs", (uint32_t)st.f_type);
    if (err < 0) {
        return err;
    }
    struct gofer_fs *fs = calloc(1, sizeof(*fs));
    if (!fs) {
        super_put(sb);
        return -ENOMEM;
    }
    sb->private = fs;
    sb->flags = (read_only ? SB_RDONLY : 0) | (shared ? SB_REVALIDATE : 0) |
                (read_only && !shared ? SB_STEADY : 0);
    *fs = (struct gofer_fs){.client = g,
                            .sb = sb,
                            .root = root,
                            .read_only = read_only,
                            .frozen = read_only && !shared};
    gofer_listing_init(fs);
    struct gofer_inode *gi;
    err = inode_new(fs, &attr, &gi);
    if (err == 0) {
        err = dentry_new_root(sb, &gi->inode, &sb->root);
    }
    if (err < 0) {
        super_put(sb);
        return err;
    }
    *out = sb;
    return 0;
}
