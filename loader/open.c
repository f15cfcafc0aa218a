/*
 * Which files may be executed: the checks of Linux's do_open_execat and deny_write_access.
 */
#include "loader/loader.h"

#include <errno.h>

/*
 * Executing a file needs x, not r: the kernel itself reads it. Hence the open by an identity that
 * may read everything, after the caller's own right to execute was checked.
 */
static int open_as_kernel(const struct path *p, struct file **out)
{
    AUTO_PUT(cred) kernel = NULL;
    int err = cred_new(&kernel, 0, 0, NULL, 0);
    if (err < 0) {
        return err;
    }
    return vfs_open_path(p, O_RDONLY, kernel, out);
}

int loader_open_path(const struct path *p, const struct cred *cred, struct file **out)
{
    struct inode *inode = p->dentry->inode;
    if (!inode) {
        return -ENOENT;
    }
    if (inode->ops->getattr) {
        int err = inode->ops->getattr(inode);
        if (err < 0) {
            return err;
        }
    }
    if (S_ISLNK(inode->mode)) {
        return -ELOOP;
    }
    if (!S_ISREG(inode->mode) || !(inode->mode & 0111) ||
        (p->mnt && (p->mnt->flags & MNT_NOEXEC))) {
        return -EACCES;
    }
    int err = inode_permission(inode, cred, MAY_EXEC);
    if (err < 0) {
        return err;
    }
    if (inode->writers > inode->lax_writers) {
        return -ETXTBSY;
    }
    return open_as_kernel(p, out);
}

int loader_open(const struct walk *w, const char *name, struct file **out)
{
    AUTO_PATH p = {0};
    int err = vfs_lookup(w, name, &p);
    if (err < 0) {
        return err;
    }
    return loader_open_path(&p, w->cred, out);
}
