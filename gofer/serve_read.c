/* The requests that only look: walk, stat, readlink, open, statfs, readahead, xattrs. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "gofer/resolve.h"
#include "gofer/serve.h"
#include "lib/host.h"

/* Appends a link's text to the tail. fd: O_PATH of the link. */
static int add_target(struct serve *s, int fd, uint32_t *out_size)
{
    char target[GOFER_MAX_PATH];
    ssize_t n = hostfs_readlink(fd, "", target, sizeof(target));
    if (n < 0) {
        return (int)n;
    }
    if ((size_t)n >= sizeof(target) || (size_t)n > serve_tail_left(s)) {
        return -ENAMETOOLONG;
    }
    memcpy(s->tail + s->tail_size, target, (size_t)n);
    s->tail_size += (size_t)n;
    *out_size = (uint32_t)n;
    return 0;
}

int serve_stat(struct serve *s, const struct gofer_stat_req *req, struct gofer_stat_rep *rep)
{
    (void)req;
    AUTO_FD fd = -1;
    int err = resolve_node(s->root, s->path, &fd);
    if (err == 0) {
        err = serve_attr_of(s, fd, "", &rep->attr);
    }
    if (err == 0 && S_ISLNK(rep->attr.mode)) {
        err = add_target(s, fd, &rep->target_size);
    }
    return err;
}

/* Opens the next component of a walk. fd: owned by the caller, replaced. */
static int walk_step(struct serve *s, int *fd, const char *name, struct gofer_attr *attr)
{
    int err = resolve_may_search(s->root, *fd);
    if (err < 0) {
        return err;
    }
    int next = hostfs_open_beneath(*fd, name, O_PATH | O_NOFOLLOW, 0);
    if (next < 0) {
        return next;
    }
    host_close(*fd);
    *fd = next;
    return serve_attr_of(s, next, "", attr);
}

/*
 * The file that a walk has led to, opened by its whole path. *attr: its attributes, replaced by those of what
 * was opened. It is not an error if it can't be opened: the walk has said what it is.
 */
static void open_walked(struct serve *s, const char *rest, struct gofer_attr *attr)
{
    char path[2 * GOFER_MAX_PATH];
    struct statx stx;
    int fd;
    bool self = !strcmp(s->path, ".");
    int n = snprintf(path, sizeof(path), "%s%s%s", self ? "" : s->path, self ? "" : "/", rest);
    if (n >= (int)GOFER_MAX_PATH || resolve_file(s->root, path, O_RDONLY, 0, &fd, &stx) < 0) {
        return;
    }
    s->donate[s->donate_count++] = fd;
    serve_fill_attr(s, &stx, fd, "", attr);
}

int serve_walk(struct serve *s, const struct gofer_walk_req *req, struct gofer_walk_rep *rep)
{
    AUTO_FD fd = -1;
    int err = resolve_node(s->root, s->path, &fd);
    if (err < 0) {
        return err;
    }
    char rest[GOFER_MAX_PATH];
    strcpy(rest, s->text);
    char *name = s->text;
    while (name && rep->count < GOFER_MAX_WALK) {
        char *slash = strchr(name, '/');
        if (slash) {
            *slash = '\0';
        }
        struct gofer_attr attr;
        rep->stop = walk_step(s, &fd, name, &attr);
        if (rep->stop < 0) {
            break;
        }
        if (req->opens && !slash && S_ISREG(attr.mode)) {
            open_walked(s, rest, &attr);
        }
        memcpy(s->tail + s->tail_size, &attr, sizeof(attr));
        s->tail_size += sizeof(attr);
        rep->count++;
        if (S_ISLNK(attr.mode)) {
            return add_target(s, fd, &rep->target_size);
        }
        name = slash ? slash + 1 : NULL;
    }
    return 0;
}

int serve_readlink(struct serve *s, const struct gofer_readlink_req *req,
                   struct gofer_readlink_rep *rep)
{
    (void)req;
    AUTO_FD fd = -1;
    struct gofer_attr attr;
    int err = resolve_node(s->root, s->path, &fd);
    if (err == 0) {
        err = serve_attr_of(s, fd, "", &attr);
    }
    if (err == 0 && !S_ISLNK(attr.mode)) {
        err = -EINVAL;
    }
    return err < 0 ? err : add_target(s, fd, &rep->size);
}

/* Files in dir, as far as they can be opened. names: within s->text. */
static void open_names(struct serve *s, int dir, char *names, struct gofer_open_rep *rep)
{
    char *next = names[0] ? names : NULL, *name;
    while ((name = strsep(&next, "/")) && rep->count < GOFER_MAX_BESIDE) {
        struct gofer_opened o = {.entry = (uint32_t)(name - s->text)};
        struct statx stx;
        int fd;
        if (serve_tail_left(s) < sizeof(o)) {
            break;
        }
        if (resolve_file_at(s->root, dir, name, O_RDONLY, 0, &fd, &stx) < 0) {
            continue;
        }
        serve_fill_attr(s, &stx, fd, "", &o.attr);
        memcpy(s->tail + s->tail_size, &o, sizeof(o));
        s->tail_size += sizeof(o);
        s->donate[s->donate_count++] = fd;
        rep->count++;
    }
}

/* Cuts text at its first "//". Return: what comes after it; NULL: nothing does. */
static char *cut(char *text)
{
    char *end = strstr(text, "//");
    if (end) {
        *end = '\0';
        end += 2;
    }
    return end;
}

/* The files that text names. */
static void open_others(struct serve *s, struct gofer_open_rep *rep)
{
    AUTO_FD dir = -1;
    const char *unused;
    char *names = s->text;
    if (names[0] == '\0' || s->root->name) {
        return;
    }
    int err = resolve_parent(s->root, s->path, &dir, &unused);
    for (;;) {
        char *where = cut(names);
        if (err == 0) {
            open_names(s, dir, names, rep);
        }
        if (!where || !(names = cut(where))) {
            return;
        }
        host_close(take_fd(&dir));
        err = resolve_node(s->root, where, &dir);
        if (err == 0) {
            err = resolve_may_search(s->root, dir);
        }
    }
}

int serve_open(struct serve *s, const struct gofer_open_req *req, struct gofer_open_rep *rep)
{
    int access = (int)(req->flags & O_ACCMODE);
    if ((req->flags & ~GOFER_OPEN_FLAGS) || access == O_ACCMODE || (req->mode & ~07777u)) {
        return -EINVAL;
    }
    bool changes = access != O_RDONLY || (req->flags & (O_CREAT | O_EXCL | O_TRUNC));
    if (changes && !s->root->writable) {
        return -EROFS;
    }
    /*
     * DEVIATION: a set-id file in a writable root would lend the caller's own identity to other
     * users of the host, so a guest can't make one.
     */
    if ((req->flags & O_CREAT) && (req->mode & (S_ISUID | S_ISGID)) && !s->config->allow_set_id) {
        return -EPERM;
    }
    if (s->text[0] && req->flags != O_RDONLY) {
        return -EINVAL;
    }
    struct statx stx;
    int fd;
    int err = resolve_file(s->root, s->path, (int)req->flags, req->mode, &fd, &stx);
    if (err < 0) {
        return err;
    }
    s->donate[s->donate_count++] = fd;
    serve_fill_attr(s, &stx, fd, "", &rep->attr);
    open_others(s, rep);
    return 0;
}

int serve_statfs(struct serve *s, const struct gofer_statfs_req *req, struct gofer_statfs_rep *rep)
{
    (void)req;
    AUTO_FD fd = -1;
    struct statfs st;
    int err = resolve_node(s->root, s->path, &fd);
    if (err == 0) {
        err = hostfs_fstatfs(fd, &st);
    }
    if (err < 0) {
        return err;
    }
    *rep = (struct gofer_statfs_rep){
        .type = (uint64_t)st.f_type,
        .bsize = (uint64_t)st.f_bsize,
        .blocks = st.f_blocks,
        .bfree = st.f_bfree,
        .bavail = st.f_bavail,
        .files = st.f_files,
        .ffree = st.f_ffree,
        .namelen = (uint64_t)st.f_namelen,
        .frsize = (uint64_t)st.f_frsize,
        .flags = (uint64_t)st.f_flags,
    };
    return 0;
}

int serve_readahead(struct serve *s, const struct gofer_readahead_req *req,
                    struct gofer_readahead_rep *rep)
{
    if (req->offset > INT64_MAX - GOFER_MAX_READ) {
        return -EINVAL;
    }
    AUTO_FD fd = -1;
    struct statx stx;
    int err = resolve_file(s->root, s->path, O_RDONLY, 0, &fd, &stx);
    if (err < 0) {
        return err;
    }
    uint64_t left = MIN(req->size, (uint64_t)GOFER_MAX_READ);
    while (left > 0) {
        size_t want = (size_t)MIN(left, (uint64_t)GOFER_SCRATCH_SIZE);
        ssize_t n = host_pread(fd, s->scratch, want, (off_t)(req->offset + rep->size));
        if (n < 0) {
            return (int)n;
        }
        if (n == 0) {
            break;
        }
        rep->size += (uint64_t)n;
        left -= (uint64_t)n;
    }
    return 0;
}

/*
 * Hosts without the *xattrat calls: through an fd that is open for reading, which only regular
 * files and directories get. Other types carry no attributes that a guest could see.
 */
static int open_for_xattr(struct serve *s, int *out_fd)
{
    struct statx stx;
    int err = resolve_file(s->root, s->path, O_RDONLY, 0, out_fd, &stx);
    if (err == -EISDIR) {
        err = resolve_dir(s->root, s->path, out_fd);
    }
    return err == -ENXIO || err == -ELOOP ? -ENODATA : err;
}

/* resolve_parent, and by the root's policy only for what everybody may read. */
static int resolve_for_xattr(struct serve *s, int *out_dir, const char **out_name)
{
    struct statx stx;
    int err = resolve_parent(s->root, s->path, out_dir, out_name);
    if (err < 0 || !s->root->world_readable_only) {
        return err;
    }
    err = hostfs_statx(*out_dir, *out_name, &stx);
    return err == 0 && !S_ISLNK(stx.stx_mode) && !(stx.stx_mode & S_IROTH) ? -EACCES : err;
}

int serve_getxattr(struct serve *s, const struct gofer_getxattr_req *req,
                   struct gofer_getxattr_rep *rep)
{
    AUTO_FD fd = -1;
    const char *name;
    size_t room = MIN((size_t)req->max_size, serve_tail_left(s));
    int err = resolve_for_xattr(s, &fd, &name);
    ssize_t n = err < 0 ? err : hostfs_getxattrat(fd, name, s->text, s->tail, room);
    if (n == -EBUSY || n == -ENOSYS) {
        host_close(take_fd(&fd));
        err = open_for_xattr(s, &fd);
        n = err < 0 ? err : hostfs_fgetxattr(fd, s->text, s->tail, room);
    }
    if (n < 0) {
        /* DEVIATION: values of nearly 64 KiB don't fit into a message. */
        return n == -ERANGE && room < req->max_size ? -E2BIG : (int)n;
    }
    rep->size = (uint32_t)n;
    s->tail_size = room ? (size_t)n : 0;
    return 0;
}

int serve_listxattr(struct serve *s, const struct gofer_listxattr_req *req,
                    struct gofer_listxattr_rep *rep)
{
    (void)req;
    AUTO_FD fd = -1;
    const char *name;
    int err = resolve_for_xattr(s, &fd, &name);
    ssize_t n = err < 0 ? err : hostfs_listxattrat(fd, name, (char *)s->tail, serve_tail_left(s));
    if (n == -EBUSY || n == -ENOSYS) {
        host_close(take_fd(&fd));
        err = open_for_xattr(s, &fd);
        n = err < 0 ? err : hostfs_flistxattr(fd, (char *)s->tail, serve_tail_left(s));
    }
    if (n < 0) {
        return n == -ERANGE ? -E2BIG : n == -ENODATA ? 0 : (int)n;
    }
    rep->size = (uint32_t)n;
    s->tail_size = (size_t)n;
    return 0;
}
