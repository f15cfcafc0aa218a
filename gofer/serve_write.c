/*
 * The requests that change a writable root. That the root is writable has been checked by the
 * dispatch; each works on (directory fd, single name), so that no link can redirect it.
 */
#include <errno.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/stat.h>

#include "gofer/resolve.h"
#include "gofer/serve.h"
#include "lib/host.h"

#define MODE_BITS 07777u
#define SET_ID    ((uint32_t)(S_ISUID | S_ISGID))

int serve_mkdir(struct serve *s, const struct gofer_mkdir_req *req, struct gofer_mkdir_rep *rep)
{
    if (req->mode & ~MODE_BITS) {
        return -EINVAL;
    }
    AUTO_FD dir = -1;
    const char *name;
    int err = resolve_parent(s->root, s->path, &dir, &name);
    if (err == 0) {
        err = hostfs_mkdirat(dir, name, req->mode);
    }
    return err < 0 ? err : serve_attr_of(s, dir, name, &rep->attr);
}

int serve_mknod(struct serve *s, const struct gofer_mknod_req *req, struct gofer_mknod_rep *rep)
{
    uint32_t type = req->mode & S_IFMT;
    if (req->mode & ~(S_IFMT | MODE_BITS)) {
        return -EINVAL;
    }
    if ((type != S_IFIFO && type != S_IFSOCK && type != S_IFREG) ||
        ((req->mode & SET_ID) && !s->config->allow_set_id)) {
        return -EPERM;
    }
    AUTO_FD dir = -1;
    const char *name;
    int err = resolve_parent(s->root, s->path, &dir, &name);
    if (err == 0) {
        err = hostfs_mknodat(dir, name, req->mode);
    }
    return err < 0 ? err : serve_attr_of(s, dir, name, &rep->attr);
}

int serve_symlink(struct serve *s, const struct gofer_symlink_req *req,
                  struct gofer_symlink_rep *rep)
{
    (void)req;
    AUTO_FD dir = -1;
    const char *name;
    int err = resolve_parent(s->root, s->path, &dir, &name);
    if (err == 0) {
        err = hostfs_symlinkat(s->text, dir, name);
    }
    return err < 0 ? err : serve_attr_of(s, dir, name, &rep->attr);
}

int serve_link(struct serve *s, const struct gofer_link_req *req, struct gofer_link_rep *rep)
{
    (void)req;
    AUTO_FD dir = -1;
    AUTO_FD new_dir = -1;
    const char *name, *new_name;
    int err = resolve_parent(s->root, s->path, &dir, &name);
    if (err == 0) {
        err = resolve_parent(s->root, s->text, &new_dir, &new_name);
    }
    if (err == 0) {
        err = hostfs_linkat(dir, name, new_dir, new_name);
    }
    return err < 0 ? err : serve_attr_of(s, new_dir, new_name, &rep->attr);
}

static int remove_name(struct serve *s, int flags)
{
    AUTO_FD dir = -1;
    const char *name;
    int err = resolve_parent(s->root, s->path, &dir, &name);
    return err < 0 ? err : hostfs_unlinkat(dir, name, flags);
}

int serve_unlink(struct serve *s, const struct gofer_unlink_req *req, struct gofer_unlink_rep *rep)
{
    (void)req;
    (void)rep;
    return remove_name(s, 0);
}

int serve_rmdir(struct serve *s, const struct gofer_rmdir_req *req, struct gofer_rmdir_rep *rep)
{
    (void)req;
    (void)rep;
    return remove_name(s, AT_REMOVEDIR);
}

int serve_rename(struct serve *s, const struct gofer_rename_req *req, struct gofer_rename_rep *rep)
{
    (void)rep;
    /* RENAME_WHITEOUT would make a device node. */
    if (req->flags & ~(uint32_t)(RENAME_NOREPLACE | RENAME_EXCHANGE)) {
        return -EINVAL;
    }
    AUTO_FD dir = -1;
    AUTO_FD new_dir = -1;
    const char *name, *new_name;
    int err = resolve_parent(s->root, s->path, &dir, &name);
    if (err == 0) {
        err = resolve_parent(s->root, s->text, &new_dir, &new_name);
    }
    return err < 0 ? err : hostfs_renameat2(dir, name, new_dir, new_name, req->flags);
}

static int set_size(struct serve *s, uint64_t size)
{
    if (size > INT64_MAX) {
        return -EINVAL;
    }
    AUTO_FD fd = -1;
    struct statx stx;
    int err = resolve_file(s->root, s->path, O_WRONLY, 0, &fd, &stx);
    return err < 0 ? err : host_ftruncate(fd, (off_t)size);
}

/* node: O_PATH. Hosts without fchmodat2 need the file open, which needs it to be readable. */
static int set_mode(struct serve *s, int node, uint32_t type, uint32_t mode)
{
    if ((mode & SET_ID) && type != S_IFDIR && !s->config->allow_set_id) {
        return -EPERM; /* as for OPEN */
    }
    int err = hostfs_fchmodat2(node, mode);
    if (err != -ENOSYS) {
        return err;
    }
    AUTO_FD fd = -1;
    struct statx stx;
    err = type == S_IFDIR ? resolve_dir(s->root, s->path, &fd)
                          : resolve_file(s->root, s->path, O_RDONLY, 0, &fd, &stx);
    return err < 0 ? err : hostfs_fchmod(fd, mode);
}

static struct timespec to_timespec(bool set, int64_t ns)
{
    if (!set) {
        return (struct timespec){.tv_nsec = UTIME_OMIT};
    }
    struct timespec ts = {.tv_sec = ns / NSEC_PER_SEC, .tv_nsec = ns % NSEC_PER_SEC};
    if (ts.tv_nsec < 0) {
        ts.tv_nsec += NSEC_PER_SEC;
        ts.tv_sec--;
    }
    return ts;
}

int serve_setattr(struct serve *s, const struct gofer_setattr_req *req,
                  struct gofer_setattr_rep *rep)
{
    if ((req->valid & ~GOFER_SET_ALL) || (req->mode & ~MODE_BITS)) {
        return -EINVAL;
    }
    AUTO_FD node = -1;
    struct statx stx;
    int err = resolve_node(s->root, s->path, &node);
    if (err == 0) {
        err = hostfs_statx(node, "", &stx);
    }
    if (err == 0 && (req->valid & GOFER_SET_SIZE)) {
        err = set_size(s, req->size);
    }
    if (err == 0 && (req->valid & (GOFER_SET_UID | GOFER_SET_GID))) {
        err = hostfs_fchownat(node, req->valid & GOFER_SET_UID ? req->uid : UINT32_MAX,
                              req->valid & GOFER_SET_GID ? req->gid : UINT32_MAX);
    }
    if (err == 0 && (req->valid & GOFER_SET_MODE)) {
        err = set_mode(s, node, stx.stx_mode & S_IFMT, req->mode);
    }
    if (err == 0 && (req->valid & (GOFER_SET_ATIME | GOFER_SET_MTIME))) {
        struct timespec times[2] = {
            to_timespec(req->valid & GOFER_SET_ATIME, req->atime_ns),
            to_timespec(req->valid & GOFER_SET_MTIME, req->mtime_ns),
        };
        err = hostfs_futimens(node, times);
    }
    return err < 0 ? err : serve_attr_of(s, node, "", &rep->attr);
}

int serve_fsync(struct serve *s, const struct gofer_fsync_req *req, struct gofer_fsync_rep *rep)
{
    (void)rep;
    AUTO_FD fd = -1;
    struct statx stx;
    int err = resolve_file(s->root, s->path, O_RDONLY, 0, &fd, &stx);
    if (err == -EACCES) {
        err = resolve_file(s->root, s->path, O_WRONLY, 0, &fd, &stx);
    } else if (err == -EISDIR) {
        err = resolve_dir(s->root, s->path, &fd);
    }
    return err < 0 ? err : hostfs_fsync(fd, req->data_only != 0);
}
