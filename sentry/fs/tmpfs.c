/*
 * tmpfs: a file system that lives in memory. Analogous to Linux's mm/shmem.c; see tmpfs(5).
 *
 * How it works, bottom up. A regular file's bytes are a memfile: pages of the sentry's memory that
 * move to a memfd the first time a guest maps the file, so that a mapping, read(2) and write(2) show
 * the same bytes (memfile.c). A directory's names are a memdir: a hash table plus an array in order of
 * creation, whose ever-growing cookies are the positions of readdir (memdir.c). Around either stands
 * a mem_node, which embeds the inode that vfs works with (memnode.c).
 *
 * Who keeps a node alive: each name holds one reference on its inode, each open file and each cached
 * dentry another. unlink(2) drops the name's; the bytes go when the last of the others does. Names
 * are the truth and dentries only a cache of them, so evicting dentries loses nothing.
 *
 * Everything a file system must decide beyond that (permission, sticky directories, ".", mount
 * points, which locks are held) vfs decides before it calls; what is left is short enough that this
 * file is only the tables.
 *
 * Bytes are limited by size_limit and inodes by half of the memory's pages, both -ENOSPC, as on Linux.
 * Sockets, FIFOs and device nodes are inodes without content: what opening one means is decided
 * above, by its type.
 */
#include "sentry/fs/fs.h"

#include <errno.h>
#include <linux/magic.h>

#include "sentry/fs/memnode.h"

static const struct inode_ops tmpfs_dir_ops = {
    .lookup = mem_lookup,
    .create = mem_create,
    .mkdir = mem_create,
    .mknod = mem_mknod,
    .symlink = mem_symlink,
    .link = mem_link,
    .unlink = mem_unlink,
    .rmdir = mem_rmdir,
    .rename = mem_rename,
    .tmpfile = mem_tmpfile,
    .names_after = mem_names_after,
    .reserve_names = mem_reserve_names,
    .each_name = mem_each_name,
    .setattr = mem_setattr,
    .open = mem_open_dir,
    .getxattr = mem_getxattr,
    .setxattr = mem_setxattr,
    .listxattr = mem_listxattr,
    .removexattr = mem_removexattr,
    .lacks_xattrs = mem_lacks_xattrs,
};
static const struct inode_ops tmpfs_file_ops = {
    .getattr = mem_getattr,
    .setattr = mem_setattr,
    .open = mem_open_file,
    .getxattr = mem_getxattr,
    .setxattr = mem_setxattr,
    .listxattr = mem_listxattr,
    .removexattr = mem_removexattr,
    .opens_at_once = mem_opens_at_once,
    .lacks_xattrs = mem_lacks_xattrs,
};
static const struct inode_ops tmpfs_link_ops = {
    .readlink = mem_readlink,
    .setattr = mem_setattr,
    .getxattr = mem_getxattr,
    .setxattr = mem_setxattr,
    .listxattr = mem_listxattr,
    .removexattr = mem_removexattr,
    .lacks_xattrs = mem_lacks_xattrs,
};
static const struct inode_ops tmpfs_special_ops = {
    .setattr = mem_setattr,
    .getxattr = mem_getxattr,
    .setxattr = mem_setxattr,
    .listxattr = mem_listxattr,
    .removexattr = mem_removexattr,
    .lacks_xattrs = mem_lacks_xattrs,
};

static const struct mem_fs_type tmpfs_type = {
    .node_size = sizeof(struct mem_node),
    .dir_ops = &tmpfs_dir_ops,
    .file_ops = &tmpfs_file_ops,
    .link_ops = &tmpfs_link_ops,
    .special_ops = &tmpfs_special_ops,
    .dir_size = 40, /* as Linux's tmpfs counts */
    .dirent_size = 20,
};

static void tmpfs_put(struct super_block *sb)
{
    mem_drop_tree(sb->root->inode);
}

static const struct super_ops tmpfs_super_ops = {
    .free_inode = mem_free_inode,
    .statfs = mem_statfs,
    .put = tmpfs_put,
};

/**
 * tmpfs_new - make an empty tmpfs.
 * @root_mode: permission bits of its root, which belongs to uid and gid.
 * @size_limit: bytes of file data; 0: half of the sandbox's memory.
 *
 * Return:  0 with one reference in *out.
 * Errors:  -ENOMEM.
 */
int tmpfs_new(uint32_t root_mode, uint32_t uid, uint32_t gid, uint64_t size_limit,
              struct super_block **out)
{
    struct super_block *sb;
    struct mem_node *root;
    int r = super_new(&sb, &tmpfs_super_ops, "tmpfs", TMPFS_MAGIC);
    if (r < 0) {
        return r;
    }
    struct mem_fs *fs = calloc(1, sizeof(*fs));
    if (!fs) {
        super_put(sb);
        return -ENOMEM;
    }
    sb->private = fs;
    sb->flags |= SB_STEADY;
    mem_fs_init(fs, &tmpfs_type, size_limit);
    r = mem_node_new(sb, S_IFDIR | (root_mode & 07777), uid, gid, &root);
    if (r == 0) {
        r = dentry_new_root(sb, &root->inode, &sb->root);
    }
    if (r < 0) {
        super_put(sb);
        return r;
    }
    *out = sb;
    return 0;
}
