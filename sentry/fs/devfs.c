/*
 * /dev: analogous to Linux's devtmpfs. A tmpfs with the usual nodes and links made in advance, so
 * that a guest may add its own. What the nodes do is device.c; the runtime mounts devpts and a tmpfs
 * on the directories pts and shm.
 */
#include <string.h>
#include <sys/sysmacros.h>

#include "sentry/base/errno.h"
#include "sentry/fs/fs.h"

struct dev_node {
    const char *name;
    uint32_t mode;
    unsigned major, minor;
    const char *target; /* symbolic links only */
};
static const struct dev_node dev_nodes[] = {
    {"null", S_IFCHR | 0666, 1, 3, NULL},          {"zero", S_IFCHR | 0666, 1, 5, NULL},
    {"full", S_IFCHR | 0666, 1, 7, NULL},          {"random", S_IFCHR | 0666, 1, 8, NULL},
    {"urandom", S_IFCHR | 0666, 1, 9, NULL},       {"tty", S_IFCHR | 0666, 5, 0, NULL},
    {"ptmx", S_IFCHR | 0666, 5, 2, NULL},          {"fd", S_IFLNK, 0, 0, "/proc/self/fd"},
    {"stdin", S_IFLNK, 0, 0, "/proc/self/fd/0"},   {"stdout", S_IFLNK, 0, 0, "/proc/self/fd/1"},
    {"stderr", S_IFLNK, 0, 0, "/proc/self/fd/2"},  {"pts", S_IFDIR | 0755, 0, 0, NULL},
    {"shm", S_IFDIR | S_ISVTX | 0777, 0, 0, NULL},
};

static int add_node(struct inode *dir, const struct dev_node *n, const struct cred *root)
{
    struct name name = {n->name, strlen(n->name)};
    AUTO_PUT(inode) made = NULL;

    if (S_ISLNK(n->mode)) {
        return dir->ops->symlink(dir, &name, n->target, root, &made);
    }
    if (S_ISDIR(n->mode)) {
        return dir->ops->mkdir(dir, &name, n->mode, root, &made);
    }
    return dir->ops->mknod(dir, &name, n->mode, makedev(n->major, n->minor), root, &made);
}

int devfs_new(struct super_block **out)
{
    AUTO_PUT(cred) root = NULL;
    struct super_block *sb;
    int r = cred_new(&root, 0, 0, NULL, 0);

    if (r < 0) {
        return r;
    }
    r = tmpfs_new(0755, 0, 0, 0, &sb);
    if (r < 0) {
        return r;
    }
    sb->type_name = "devtmpfs";
    for (size_t i = 0; i < ARRAY_COUNT(dev_nodes) && r == 0; i++) {
        r = add_node(sb->root->inode, &dev_nodes[i], root);
    }
    if (r < 0) {
        super_activate(sb);
        super_deactivate(sb); /* drops the tree */
        super_put(sb);
        return r;
    }
    *out = sb;
    return 0;
}
