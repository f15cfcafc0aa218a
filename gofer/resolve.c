/*
 * Resolution of paths beneath a root.
 *
 * The rule has two halves. The text: only canonical paths come here, without "..", and a root's own
 * fd is the only place where any walk begins. The kernel: every open is an openat2 with
 * RESOLVE_BENEATH, RESOLVE_NO_MAGICLINKS and RESOLVE_NO_SYMLINKS, so that a link that a host process
 * (or this sandbox, on a writable root) plants between two of our calls leads nowhere. Symbolic links
 * are the sentry's business: it reads their text and walks again, inside its own name space.
 *
 * A root with world_readable_only is walked a component at a time, so that each directory's mode
 * can be looked at through the same fd that the next step starts from.
 */
#include "gofer/resolve.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "gofer/proto.h"
#include "lib/host.h"

int resolve_may_search(const struct gofer_root *r, int dir)
{
    if (!r->world_readable_only) {
        return 0;
    }
    struct statx stx;
    int err = hostfs_statx(dir, "", &stx);
    if (err < 0) {
        return err;
    }
    return S_ISDIR(stx.stx_mode) && !(stx.stx_mode & S_IXOTH) ? -EACCES : 0;
}

static int open_root(const struct gofer_root *r, int *out_fd)
{
    int fd =
        r->name ? hostfs_open_beneath(r->fd, r->name, O_PATH | O_NOFOLLOW, 0) : hostfs_dup(r->fd);
    if (fd < 0) {
        return fd;
    }
    *out_fd = fd;
    return 0;
}

/* The first size bytes of path, component by component, each directory's policy checked. */
static int walk_checked(const struct gofer_root *r, const char *path, size_t size, int *out_fd)
{
    AUTO_FD fd = -1;
    int err = open_root(r, &fd);
    if (err < 0) {
        return err;
    }
    size_t at = 0;
    while (at < size) {
        const char *slash = memchr(path + at, '/', size - at);
        size_t n = slash ? (size_t)(slash - path) - at : size - at;
        char name[GOFER_MAX_NAME + 1];
        memcpy(name, path + at, n);
        name[n] = '\0';
        err = resolve_may_search(r, fd);
        if (err < 0) {
            return err;
        }
        int next = hostfs_open_beneath(fd, name, O_PATH | O_NOFOLLOW, 0);
        if (next < 0) {
            return next;
        }
        host_close(fd);
        fd = next;
        at += n + 1;
    }
    *out_fd = take_fd(&fd);
    return 0;
}

/* The first size bytes of path. */
static int walk(const struct gofer_root *r, const char *path, size_t size, int *out_fd)
{
    if (size == 0 || (size == 1 && path[0] == '.')) {
        return open_root(r, out_fd);
    }
    if (r->name) {
        return -ENOTDIR;
    }
    if (r->world_readable_only) {
        return walk_checked(r, path, size, out_fd);
    }
    char prefix[GOFER_MAX_PATH];
    memcpy(prefix, path, size);
    prefix[size] = '\0';
    int fd = hostfs_open_beneath(r->fd, prefix, O_PATH | O_NOFOLLOW, 0);
    if (fd < 0) {
        return fd;
    }
    *out_fd = fd;
    return 0;
}

int resolve_node(const struct gofer_root *r, const char *path, int *out_fd)
{
    return walk(r, path, strlen(path), out_fd);
}

int resolve_parent(const struct gofer_root *r, const char *path, int *out_dir,
                   const char **out_name)
{
    if (!strcmp(path, ".")) {
        return -EBUSY;
    }
    const char *slash = strrchr(path, '/');
    AUTO_FD dir = -1;
    int err = walk(r, path, slash ? (size_t)(slash - path) : 0, &dir);
    if (err == 0) {
        err = resolve_may_search(r, dir);
    }
    if (err < 0) {
        return err;
    }
    *out_dir = take_fd(&dir);
    *out_name = slash ? slash + 1 : path;
    return 0;
}

/*
 * Where an open of path begins: a directory fd and what is left to walk from it. Without a policy
 * that is the root and the whole path; *out_owned is then -1.
 */
static int resolve_start(const struct gofer_root *r, const char *path, int *out_dir, int *out_owned,
                         const char **out_name)
{
    *out_owned = -1;
    bool self = !strcmp(path, ".");
    if (r->name) {
        *out_dir = r->fd;
        *out_name = r->name;
        return self ? 0 : -ENOTDIR;
    }
    if (!r->world_readable_only || self) {
        *out_dir = r->fd;
        *out_name = path;
        return 0;
    }
    int err = resolve_parent(r, path, out_owned, out_name);
    *out_dir = *out_owned;
    return err;
}

int resolve_dir(const struct gofer_root *r, const char *path, int *out_fd)
{
    AUTO_FD owned = -1;
    int start;
    const char *name;
    int err = resolve_start(r, path, &start, &owned, &name);
    if (err < 0) {
        return err;
    }
    AUTO_FD fd = hostfs_open_beneath(start, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
    if (fd < 0) {
        return fd;
    }
    if (r->world_readable_only) {
        struct statx stx;
        err = hostfs_statx(fd, "", &stx);
        if (err < 0) {
            return err;
        }
        if (!(stx.stx_mode & S_IROTH)) {
            return -EACCES;
        }
    }
    *out_fd = take_fd(&fd);
    return 0;
}

/* What open(2) would say, for the types whose opening we refuse. */
static int check_file(const struct gofer_root *r, const struct statx *stx)
{
    switch (stx->stx_mode & S_IFMT) {
    case S_IFREG:
        return r->world_readable_only && !(stx->stx_mode & S_IROTH) ? -EACCES : 0;
    case S_IFDIR:
        return -EISDIR;
    case S_IFLNK:
        return -ELOOP;
    default:
        return -ENXIO;
    }
}

/*
 * What name is, before it is opened: an open of a device can have effects of its own. A single name needs no fd
 * for that: nothing of it is followed.
 */
static int look(int dir, const char *name, struct statx *stx)
{
    if (!strchr(name, '/') && strcmp(name, ".") != 0) {
        return hostfs_statx(dir, name, stx);
    }
    AUTO_FD probe = hostfs_open_beneath(dir, name, O_PATH | O_NOFOLLOW, 0);
    return probe < 0 ? probe : hostfs_statx(probe, "", stx);
}

int resolve_file_at(const struct gofer_root *r, int dir, const char *name, int flags, uint32_t mode,
                    int *out_fd, struct statx *stx)
{
    int err = look(dir, name, stx);
    if (err == 0 && (flags & O_CREAT) && (flags & O_EXCL)) {
        err = -EEXIST;
    }
    if (err == 0) {
        err = check_file(r, stx);
    }
    if (err < 0 && (err != -ENOENT || !(flags & O_CREAT))) {
        return err;
    }
    /* The file may have been exchanged since: what was opened is looked at again. */
    int open_flags = (flags & ~O_TRUNC) | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW;
    AUTO_FD fd = hostfs_open_beneath(dir, name, open_flags, mode);
    if (fd < 0) {
        return fd;
    }
    err = hostfs_statx(fd, "", stx);
    if (err == 0) {
        err = check_file(r, stx);
    }
    if (err == 0 && (flags & O_TRUNC) && stx->stx_size != 0) {
        err = host_ftruncate(fd, 0);
        if (err == 0) {
            err = hostfs_statx(fd, "", stx);
        }
    }
    if (err < 0) {
        return err;
    }
    *out_fd = take_fd(&fd);
    return 0;
}

int resolve_file(const struct gofer_root *r, const char *path, int flags, uint32_t mode,
                 int *out_fd, struct statx *stx)
{
    AUTO_FD owned = -1;
    int start;
    const char *name;
    int err = resolve_start(r, path, &start, &owned, &name);
    return err < 0 ? err : resolve_file_at(r, start, name, flags, mode, out_fd, stx);
}
