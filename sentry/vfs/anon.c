/*
 * The file system of inodes without names: pipes, eventfds, epolls. Analogous to Linux's
 * fs/anon_inodes.c and fs/pseudo file systems. Made with the first such inode.
 */
#include "sentry/vfs/file.h"

#include <errno.h>

#include "sentry/base/kernel.h"

#define ANON_INODE_FS_MAGIC 0x09041934

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

int inode_new_anon(uint32_t mode, const struct cred *cred, struct inode **out)
{
    if (!g_kernel->anon_sb) {
        int r = super_new(&g_kernel->anon_sb, &anon_super_ops, "anon_inodefs", ANON_INODE_FS_MAGIC);
        if (r < 0) {
            return r;
        }
    }
    struct inode *inode = malloc(sizeof(*inode));
    if (!inode) {
        return -ENOMEM;
    }
    bool is_stream = S_ISFIFO(mode) || S_ISSOCK(mode);
    inode_init(inode, g_kernel->anon_sb, is_stream ? &anon_stream_ops : &anon_inode_ops, mode,
               cred->fsuid, cred->fsgid);
    inode->nlink = 1;
    *out = inode;
    return 0;
}
