/*
 * devpts: the file system that names pseudo-terminals, /dev/pts/N, and /dev/pts/ptmx. Analogous to
 * Linux's fs/devpts/inode.c. There is one instance; a second mount shows the same.
 *
 * A pair takes an index when its master is opened and gives it back when both ends are closed; its
 * name is there as long as the master is open.
 */
#include <dirent.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include "sentry/base/errno.h"
#include "sentry/base/kernel.h"
#include "sentry/fs/fs.h"
#include "sentry/fs/pty.h"

#define TTY_GID   5 /* mount option gid=5 of every distribution */
#define FIRST_POS 2 /* readdir: after "." and ".." */

struct devpts_node {
    struct inode inode;
    struct pty *pty; /* borrowed; NULL: ptmx, the root, or gone */
};
struct devpts {        /* super_block.private: freed with it */
    struct pty **ptys; /* owned; borrowed pairs by index */
    size_t capacity;
    struct inode *ptmx; /* ref */
};

static const struct inode_ops node_ops;
static const struct super_ops devpts_super_ops;

static struct devpts *devpts(void)
{
    return g_kernel->devpts_sb ? g_kernel->devpts_sb->private : NULL;
}

static int node_new(struct super_block *sb, const struct inode_ops *ops, uint32_t mode,
                    uint32_t uid, uint32_t gid, dev_t rdev, struct devpts_node **out)
{
    struct devpts_node *n = calloc(1, sizeof(*n));

    if (!n) {
        return -ENOMEM;
    }
    inode_init(&n->inode, sb, ops, mode, uid, gid);
    n->inode.rdev = rdev;
    n->inode.blksize = 1024;
    *out = n;
    return 0;
}

static void node_free(struct inode *inode)
{
    free(container_of(inode, struct devpts_node, inode));
}

/* --- the pairs --- */

/* The lowest free index, with room for it in the table. */
static int index_alloc(struct devpts *d, unsigned *out)
{
    size_t i = 0;

    while (i < d->capacity && d->ptys[i]) {
        i++;
    }
    if (i >= PTY_MAX) {
        return -ENOSPC;
    }
    if (i == d->capacity) {
        size_t capacity = d->capacity ? d->capacity * 2 : 16;
        struct pty **ptys = realloc(d->ptys, capacity * sizeof(struct pty *));
        if (!ptys) {
            return -ENOMEM;
        }
        memset(ptys + d->capacity, 0, (capacity - d->capacity) * sizeof(struct pty *));
        d->ptys = ptys;
        d->capacity = capacity;
    }
    *out = (unsigned)i;
    return 0;
}

int devpts_add(struct pty *pty, const struct cred *cred)
{
    struct devpts *d = devpts();
    struct devpts_node *n;
    unsigned index;
    int r = d ? index_alloc(d, &index) : -ENXIO;

    if (r < 0) {
        return r;
    }
    r = node_new(g_kernel->devpts_sb, &node_ops, S_IFCHR | 0620, cred->fsuid, TTY_GID,
                 makedev(PTY_SLAVE_MAJOR, index), &n);
    if (r < 0) {
        return r;
    }
    n->inode.ino = index + 3; /* as Linux numbers them: 1 is the root, 2 ptmx */
    n->pty = pty;
    pty->index = index;
    pty->inode = &n->inode;
    pty->master_open = true;
    d->ptys[index] = pty;
    return 0;
}

void devpts_unlink(struct pty *pty)
{
    pty->inode->nlink = 0;
}

void devpts_release(struct pty *pty)
{
    struct devpts *d = devpts();

    container_of(pty->inode, struct devpts_node, inode)->pty = NULL;
    if (d) {
        d->ptys[pty->index] = NULL;
    }
}

int devpts_pty(struct inode *inode, struct pty **out)
{
    struct devpts *d = devpts();
    unsigned index = minor(inode->rdev);

    if (inode->sb->ops == &devpts_super_ops) {
        *out = container_of(inode, struct devpts_node, inode)->pty;
        return *out ? 0 : -EIO;
    }
    /* A node that somebody made elsewhere with mknod. */
    if (!d || index >= d->capacity || !d->ptys[index]) {
        return -ENXIO;
    }
    *out = d->ptys[index];
    return 0;
}

/* --- the directory --- */

static bool visible(const struct devpts *d, size_t i)
{
    return i < d->capacity && d->ptys[i] && d->ptys[i]->master_open;
}

static int root_lookup(struct inode *dir, const struct name *name, struct inode **out)
{
    struct devpts *d = dir->sb->private;
    size_t index = 0;

    if (name->size == 4 && memcmp(name->text, "ptmx", 4) == 0) {
        *out = inode_get(d->ptmx);
        return 0;
    }
    if (name->size == 0 || name->size > 4 || (name->text[0] == '0' && name->size > 1)) {
        return -ENOENT;
    }
    for (size_t i = 0; i < name->size; i++) {
        if (name->text[i] < '0' || name->text[i] > '9') {
            return -ENOENT;
        }
        index = index * 10 + (size_t)(name->text[i] - '0');
    }
    if (!visible(d, index)) {
        return -ENOENT;
    }
    *out = inode_get(d->ptys[index]->inode);
    return 0;
}

static bool root_revalidate(struct inode *dir, const struct name *name, struct inode *inode)
{
    struct inode *now;

    if (root_lookup(dir, name, &now) < 0) {
        return inode == NULL;
    }
    inode_put(now); /* whoever names it holds another reference */
    return now == inode;
}

static bool emit_node(struct dir_context *c, const char *name, const struct inode *inode)
{
    if (!c->emit(c, name, strlen(name), inode->ino, S_ISDIR(inode->mode) ? DT_DIR : DT_CHR,
                 c->pos + 1)) {
        return false;
    }
    c->pos++;
    return true;
}

/* Positions: 0 ".", 1 "..", 2 ptmx, 3 + N. */
static int root_readdir(struct file *f, struct dir_context *c)
{
    struct devpts *d = f->inode->sb->private;

    while (c->pos >= 0 && c->pos <= FIRST_POS) {
        static const char *const names[] = {".", "..", "ptmx"};
        if (!emit_node(c, names[c->pos], c->pos == FIRST_POS ? d->ptmx : f->inode)) {
            return 0;
        }
    }
    for (size_t i = (size_t)(c->pos - FIRST_POS - 1); i < d->capacity; i++) {
        char name[24];

        c->pos = (int64_t)i + FIRST_POS + 1;
        if (!visible(d, i)) {
            continue;
        }
        snprintf(name, sizeof(name), "%zu", i);
        if (!emit_node(c, name, d->ptys[i]->inode)) {
            return 0;
        }
    }
    return 0;
}

static const struct file_ops root_file_ops = {
    .readdir = root_readdir,
};

static int root_open(struct inode *inode, struct file *f)
{
    (void)inode;
    f->ops = &root_file_ops;
    return 0;
}

static const struct inode_ops root_ops = {
    .lookup = root_lookup,
    .revalidate = root_revalidate,
    .setattr = inode_setattr_simple,
    .open = root_open,
};
static const struct inode_ops node_ops = {
    .setattr = inode_setattr_simple,
};

/* --- the file system --- */

static int devpts_statfs(struct inode *root, struct statfs *out)
{
    (void)root;
    *out = (struct statfs){.f_type = DEVPTS_SUPER_MAGIC,
                           .f_bsize = PAGE_SIZE,
                           .f_frsize = PAGE_SIZE,
                           .f_namelen = 255};
    return 0;
}

static void devpts_put(struct super_block *sb)
{
    struct devpts *d = sb->private;

    if (g_kernel->devpts_sb == sb) {
        g_kernel->devpts_sb = NULL; /* pairs that are still open lose their names only */
    }
    inode_put(d->ptmx);
    free(d->ptys);
    d->ptys = NULL;
    d->capacity = 0;
}

static const struct super_ops devpts_super_ops = {
    .free_inode = node_free,
    .statfs = devpts_statfs,
    .put = devpts_put,
};

static int devpts_fill(struct super_block *sb, struct devpts *d)
{
    struct devpts_node *root, *ptmx;
    int r = node_new(sb, &root_ops, S_IFDIR | 0755, 0, 0, 0, &root);

    if (r < 0) {
        return r;
    }
    r = node_new(sb, &node_ops, S_IFCHR | 0666, 0, 0, makedev(5, 2), &ptmx);
    if (r < 0) {
        inode_put(&root->inode);
        return r;
    }
    r = dentry_new_root(sb, &root->inode, &sb->root);
    if (r < 0) {
        inode_put(&ptmx->inode);
        return r;
    }
    d->ptmx = &ptmx->inode;
    return 0;
}

int devpts_new(struct super_block **out)
{
    struct super_block *sb;
    struct devpts *d;
    int r;

    if (g_kernel->devpts_sb) {
        *out = super_get(g_kernel->devpts_sb);
        return 0;
    }
    d = calloc(1, sizeof(*d));
    if (!d) {
        return -ENOMEM;
    }
    r = super_new(&sb, &devpts_super_ops, "devpts", DEVPTS_SUPER_MAGIC);
    if (r < 0) {
        free(d);
        return r;
    }
    sb->private = d;
    sb->flags |= SB_NO_DCACHE;
    r = devpts_fill(sb, d);
    if (r < 0) {
        super_put(sb);
        return r;
    }
    g_kernel->devpts_sb = sb;
    *out = sb;
    return 0;
}
