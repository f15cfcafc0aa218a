/*
 * Changes of a gofer tree's names and attributes. The host decides each of them; here only what we
 * believe is brought in line afterwards. In a read-only tree everything is -EROFS without asking.
 *
 * DEVIATION: new files belong to whom the gofer runs as, whatever the creating task's fsuid: the host
 * knows nothing of the guest's users. Programs that chown what they made get the host's answer.
 */
#include "sentry/fs/gofer_fs.h"

#include <errno.h>
#include <linux/fs.h>

#include "lib/host.h"
#include "sentry/base/timer.h"

/* What we believed of dir and of name in it is no longer true. */
static void names_changed(struct gofer_inode *dir, const struct name *name)
{
    gofer_listing_drop(dir);
    gofer_unprime(gofer_fs_of(dir), &dir->inode, name);
    inode_touch(&dir->inode, ATTR_MTIME | ATTR_CTIME);
    gofer_inode_changed(dir);
}

/* Where a new name will be. *out: malloc'ed path. */
static int new_name(struct gofer_inode *dir, const struct name *name, char **out)
{
    if (gofer_fs_of(dir)->read_only) {
        return -EROFS;
    }
    return gofer_path(dir, name, out);
}

/* The gofer made it: the inode for it. */
static int made(struct gofer_inode *dir, const struct name *name, const struct gofer_attr *attr,
                struct inode **out)
{
    struct gofer_inode *gi;
    names_changed(dir, name);
    int err = gofer_inode_find(dir, name, attr, NULL, &gi);
    if (err == 0) {
        *out = &gi->inode;
    }
    return err;
}

int gofer_create(struct inode *dir, const struct name *name, uint32_t mode, const struct cred *cred,
                 struct inode **out)
{
    (void)cred;
    struct gofer_inode *gi = gofer_i(dir);
    struct gofer_fs *fs = gofer_fs_of(gi);
    AUTO_FREE char *path = NULL;
    struct gofer_attr attr;
    int fd;
    int err = new_name(gi, name, &path);
    if (err == 0) {
        err = gofer_client_open(fs->client, fs->root, path, O_RDWR | O_CREAT | O_EXCL, mode & 07777,
                                &attr, &fd);
    }
    if (err < 0) {
        return err;
    }
    err = made(gi, name, &attr, out);
    if (err < 0) {
        AUTO_FD unused = fd;
        (void)unused;
        return err;
    }
    /* For the open that made it: its mode may forbid a second one. */
    gofer_fd_store(&gofer_i(*out)->write_fd, fd);
    return 0;
}

int gofer_mkdir(struct inode *dir, const struct name *name, uint32_t mode, const struct cred *cred,
                struct inode **out)
{
    (void)cred;
    struct gofer_inode *gi = gofer_i(dir);
    struct gofer_fs *fs = gofer_fs_of(gi);
    AUTO_FREE char *path = NULL;
    struct gofer_attr attr;
    int err = new_name(gi, name, &path);
    if (err == 0) {
        err = gofer_client_mkdir(fs->client, fs->root, path, mode & 07777, &attr);
    }
    return err < 0 ? err : made(gi, name, &attr, out);
}

int gofer_mknod(struct inode *dir, const struct name *name, uint32_t mode, dev_t rdev,
                const struct cred *cred, struct inode **out)
{
    (void)cred;
    (void)rdev; /* device nodes: the gofer says -EPERM */
    struct gofer_inode *gi = gofer_i(dir);
    struct gofer_fs *fs = gofer_fs_of(gi);
    AUTO_FREE char *path = NULL;
    struct gofer_attr attr;
    int err = new_name(gi, name, &path);
    if (err == 0) {
        err = gofer_client_mknod(fs->client, fs->root, path, mode & (S_IFMT | 07777), &attr);
    }
    return err < 0 ? err : made(gi, name, &attr, out);
}

int gofer_symlink(struct inode *dir, const struct name *name, const char *target,
                  const struct cred *cred, struct inode **out)
{
    (void)cred;
    struct gofer_inode *gi = gofer_i(dir);
    struct gofer_fs *fs = gofer_fs_of(gi);
    AUTO_FREE char *path = NULL;
    struct gofer_attr attr;
    int err = new_name(gi, name, &path);
    if (err == 0) {
        err = gofer_client_symlink(fs->client, fs->root, path, target, &attr);
    }
    return err < 0 ? err : made(gi, name, &attr, out);
}

int gofer_link(struct inode *dir, const struct name *name, struct inode *inode)
{
    struct gofer_inode *gi = gofer_i(dir), *old = gofer_i(inode);
    struct gofer_fs *fs = gofer_fs_of(gi);
    AUTO_FREE char *path = NULL;
    AUTO_FREE char *old_path = NULL;
    struct gofer_attr attr;
    int err = new_name(gi, name, &path);
    if (err == 0) {
        err = gofer_path(old, NULL, &old_path);
    }
    if (err == 0) {
        err = gofer_client_link(fs->client, fs->root, old_path, path, &attr);
    }
    if (err == 0) {
        names_changed(gi, name);
        gofer_attr_apply(old, &attr);
        old->changed = gofer_client_change();
    }
    return err;
}

/* (dir, name) led to gi and does no more. */
static void removed(struct gofer_inode *dir, const struct name *name, struct gofer_inode *gi)
{
    names_changed(dir, name);
    struct inode *i = &gi->inode;
    i->nlink = S_ISDIR(i->mode) || i->nlink == 0 ? 0 : i->nlink - 1;
    inode_touch(i, ATTR_CTIME);
    gofer_inode_changed(gi);
    if (gofer_is_named(gi, dir, name)) {
        gofer_inode_lose(gi);
    }
}

int gofer_unlink(struct inode *dir, const struct name *name, struct inode *inode)
{
    struct gofer_inode *gi = gofer_i(dir);
    struct gofer_fs *fs = gofer_fs_of(gi);
    AUTO_FREE char *path = NULL;
    int err = new_name(gi, name, &path);
    if (err == 0) {
        err = gofer_client_unlink(fs->client, fs->root, path);
    }
    if (err == 0) {
        removed(gi, name, gofer_i(inode));
    }
    return err;
}

int gofer_rmdir(struct inode *dir, const struct name *name, struct inode *inode)
{
    struct gofer_inode *gi = gofer_i(dir);
    struct gofer_fs *fs = gofer_fs_of(gi);
    AUTO_FREE char *path = NULL;
    int err = new_name(gi, name, &path);
    if (err == 0) {
        err = gofer_client_rmdir(fs->client, fs->root, path);
    }
    if (err == 0) {
        removed(gi, name, gofer_i(inode));
    }
    return err;
}

/* Failing to follow a move leaves the inode without a path, until it is looked up again. */
static void moved(struct gofer_inode *gi, struct gofer_inode *dir, const struct name *name)
{
    if (gofer_inode_move(gi, dir, name) < 0) {
        gi->lost = true;
    }
    gofer_fs_of(gi)->moves++;
    gofer_inode_changed(gi);
}

/* RENAME_EXCHANGE of two directories may pass through a state that looks like a circle. */
static void exchanged(struct gofer_inode *a, struct gofer_inode *a_dir, const struct name *a_name,
                      struct gofer_inode *b, struct gofer_inode *b_dir, const struct name *b_name)
{
    moved(a, b_dir, b_name);
    moved(b, a_dir, a_name);
    if (a->lost) {
        moved(a, b_dir, b_name);
    }
}

int gofer_rename(struct inode *old_dir, const struct name *old_name, struct inode *inode,
                 struct inode *new_dir, const struct name *new_name_, struct inode *target,
                 unsigned flags)
{
    struct gofer_inode *from = gofer_i(old_dir), *to = gofer_i(new_dir), *gi = gofer_i(inode);
    struct gofer_fs *fs = gofer_fs_of(from);
    AUTO_FREE char *path = NULL;
    AUTO_FREE char *new_path = NULL;
    int err = new_name(from, old_name, &path);
    if (err == 0) {
        err = new_name(to, new_name_, &new_path);
    }
    if (err == 0) {
        err = gofer_client_rename(fs->client, fs->root, path, new_path, flags);
    }
    if (err < 0 || inode == target) {
        return err; /* two names of one file: rename(2) leaves both */
    }
    if ((flags & RENAME_EXCHANGE) && target) {
        names_changed(from, old_name);
        names_changed(to, new_name_);
        exchanged(gi, from, old_name, gofer_i(target), to, new_name_);
        return 0;
    }
    if (target) {
        removed(to, new_name_, gofer_i(target));
    }
    names_changed(from, old_name);
    names_changed(to, new_name_);
    moved(gi, to, new_name_);
    return 0;
}

/* --- attributes --- */

/* An inode without a name any more, but perhaps with an fd. */
static int setattr_lost(struct gofer_inode *gi, const struct inode_attr *attr)
{
    if (gi->inode.nlink > 0) {
        return -ESTALE; /* it has other names that we don't know */
    }
    struct inode_attr rest = *attr;
    if (attr->valid & ATTR_SIZE) {
        if (gi->write_fd.fd < 0) {
            return -ENOENT;
        }
        int err = host_ftruncate(gi->write_fd.fd, attr->size);
        if (err < 0) {
            return err;
        }
        gi->inode.size = attr->size;
        rest.valid &= ~ATTR_SIZE;
    }
    /* Nobody but those who hold it open can see the rest, and they see this inode. */
    return inode_setattr_simple(&gi->inode, &rest);
}

int gofer_setattr(struct inode *inode, const struct inode_attr *attr)
{
    struct gofer_inode *gi = gofer_i(inode);
    struct gofer_fs *fs = gofer_fs_of(gi);
    if (fs->read_only) {
        return -EROFS;
    }
    if (gi->lost) {
        return setattr_lost(gi, attr);
    }
    if ((attr->valid & ~ATTR_CTIME) == ATTR_SIZE && gi->write_fd.fd >= 0) {
        int err = host_ftruncate(gi->write_fd.fd, attr->size);
        gofer_inode_changed(gi);
        return err < 0 ? err : gofer_file_getattr(gi);
    }
    struct gofer_setattr_req req = {
        .valid = (attr->valid & ATTR_MODE ? GOFER_SET_MODE : 0) |
                 (attr->valid & ATTR_UID && attr->uid != inode->uid ? GOFER_SET_UID : 0) |
                 (attr->valid & ATTR_GID && attr->gid != inode->gid ? GOFER_SET_GID : 0) |
                 (attr->valid & ATTR_SIZE ? GOFER_SET_SIZE : 0) |
                 (attr->valid & ATTR_ATIME ? GOFER_SET_ATIME : 0) |
                 (attr->valid & ATTR_MTIME ? GOFER_SET_MTIME : 0),
        .mode = attr->mode & 07777,
        .uid = attr->uid,
        .gid = attr->gid,
        .size = attr->valid & ATTR_SIZE ? (uint64_t)attr->size : 0,
        .atime_ns = attr->atime_ns,
        .mtime_ns = attr->mtime_ns,
    };
    if (req.valid == 0) {
        return 0; /* the change time alone: the host keeps its own */
    }
    AUTO_FREE char *path = NULL;
    struct gofer_attr now;
    int err = gofer_path(gi, NULL, &path);
    if (err == 0) {
        err = gofer_client_setattr(fs->client, fs->root, path, &req, &now);
    }
    if (err == 0) {
        gofer_attr_apply(gi, &now);
        gi->changed = gofer_client_change();
    } else {
        gofer_inode_changed(gi); /* part of it may have been done */
    }
    return err;
}
