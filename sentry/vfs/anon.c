/*
 * The file system of inodes without names: pipes, eventfds, epolls. Analogous to Linux's
 * fs/anon_inodes.c and fs/pseudo file systems. Made with the first such inode.
 */
#include "sentry/vfs/file.h"

#include <errno.h>
#include <linux/magic.h>

#include "sentry/base/kernel.h"

static void anon_free_inode(struct inode *inode)
{
    free(inode);
}

static const struct super_ops anon_super_ops = {.free_inode = anon_free_inode};
static const struct inode_ops anon_stream_ops = {.setattr = inode_setattr_simple};

/* Linux has one inode for all eventfds, epolls and their like, so nobody may change it. */
static int anon_setattr(struct inode *inode, const struct inode_attr *attr)
{
    (void)inode;
    (void)attr;
    return -EOPNOTSUPP;
}

static const struct inode_ops anon_inode_ops = {.setattr = anon_setattr};

/* Linux's pipefs, sockfs and anon_inodefs. */
static int anon_super(uint32_t mode, struct super_block **out)
{
    struct super_block **sb = S_ISFIFO(mode)   ? &g_kernel->pipe_sb
                              : S_ISSOCK(mode) ? &g_kernel->socket_sb
                                               : &g_kernel->anon_sb;
    const char *name = S_ISFIFO(mode) ? "pipefs" : S_ISSOCK(mode) ? "sockfs" : "anon_inodefs";
    const uint32_t magic = S_ISFIFO(mode)   ? PIPEFS_MAGIC
                           : S_ISSOCK(mode) ? SOCKFS_MAGIC
                                            : ANON_INODE_FS_MAGIC;
    int r = *sb ? 0 : super_new(sb, &anon_super_ops, name, magic);
    *out = *sb;
    return r;
}

int inode_new_anon(uint32_t mode, const struct cred *cred, struct inode **out)
{
    struct super_block *sb;
    int r = anon_super(mode, &sb);
    if (r < 0) {
        return r;
    }
    struct inode *inode = malloc(sizeof(*inode));
    if (!inode) {
        return -ENOMEM;
    }
    bool is_stream = S_ISFIFO(mode) || S_ISSOCK(mode);
    inode_init(inode, sb, is_stream ? &anon_stream_ops : &anon_inode_ops, mode, cred->fsuid,
               cred->fsgid);
    inode->nlink = 1;
    *out = inode;
    return 0;
}
