/*
 * Open file descriptions: made from a path, read and written through ops, let go with the last
 * reference. Analogous to Linux's fs/file_table.c, do_dentry_open in fs/open.c and fs/read_write.c.
 */
#include "sentry/vfs/file.h"

#include <errno.h>
#include <unistd.h>

#include "sentry/base/timer.h"
#include "sentry/vfs/lease.h"
#include "sentry/vfs/locks.h"
#include "sentry/vfs/namei.h"
#include "sentry/vfs/notify.h"
#include "sentry/vfs/stamp.h"

#define O_LARGEFILE_BIT                                                                            \
    0100000u /* fcntl(F_GETFL) shows it on 64-bit Linux; glibc defines it as 0 */
#define NOT_KEPT      (O_CREAT | O_EXCL | O_TRUNC | O_CLOEXEC | VFS_O_EXEC)
#define ATIME_LAZY_NS (24 * 3600 * NSEC_PER_SEC)

static int (*g_fifo_open)(struct inode *inode, struct file *f);
static int (*g_device_open)(struct inode *inode, struct file *f);

void vfs_set_special(int (*fifo_open_fn)(struct inode *inode, struct file *f),
                     int (*device_open_fn)(struct inode *inode, struct file *f))
{
    g_fifo_open = fifo_open_fn;
    g_device_open = device_open_fn;
}

/* What an O_PATH file can do: nothing; its flags refuse reading and writing before ops are asked. */
static const struct file_ops path_only_ops = {0};

static struct file *file_alloc(struct inode *inode, unsigned flags, const struct cred *cred)
{
    struct file *f = calloc(1, sizeof(*f));
    if (f) {
        refcount_init(&f->ref);
        kmutex_init(&f->pos_lock);
        list_init(&f->watches);
        f->inode = inode_get(inode);
        f->cred = cred_get(cred);
        f->flags = flags & ~(unsigned)NOT_KEPT;
    }
    return f;
}

static void file_free(struct file *f)
{
    path_put(&f->path);
    inode_put(f->inode);
    cred_put(f->cred);
    free(f);
}

static bool is_special(const struct inode *inode)
{
    return !S_ISREG(inode->mode) && !S_ISDIR(inode->mode);
}

static int open_by_type(struct inode *inode, struct file *f)
{
    switch (inode->mode & S_IFMT) {
    case S_IFCHR:
    case S_IFBLK:
        return g_device_open ? g_device_open(inode, f) : -ENXIO;
    case S_IFIFO:
        return g_fifo_open ? g_fifo_open(inode, f) : -ENXIO;
    case S_IFSOCK:
        return -ENXIO;
    case S_IFLNK:
        return -ELOOP;
    default:
        return inode->ops->open ? inode->ops->open(inode, f) : -ENXIO;
    }
}

static int open_file(struct file *f)
{
    if (f->flags & O_PATH) {
        f->ops = &path_only_ops;
        return 0;
    }
    inode_hold_leases(f->inode);
    bool counted = file_writable(f) && !is_special(f->inode);
    int r = counted ? inode_get_write(f->inode) : 0;
    if (r < 0) {
        return r;
    }
    f->counted_writer = counted;
    r = open_by_type(f->inode, f);
    f->flags &= ~(unsigned)O_NOCTTY; /* only the open itself asks for it */
    if (r == 0) {
        BUG_ON(!f->ops);
    } else if (counted) {
        inode_put_write(f->inode);
    }
    return r;
}

int file_open_path(const struct path *path, unsigned flags, const struct cred *cred,
                   struct file **out)
{
    struct file *f = file_alloc(path->dentry->inode, flags, cred);
    if (!f) {
        return -ENOMEM;
    }
    if (!(flags & O_PATH)) {
        f->flags |= O_LARGEFILE_BIT;
    }
    path_copy(&f->path, path);
    int r = open_file(f);
    if (r < 0) {
        file_free(f);
        return r;
    }
    if (!(flags & O_PATH)) {
        vfs_notify(f->path.dentry, IN_OPEN);
    }
    *out = f;
    return 0;
}

int file_open_inode(struct inode *inode, unsigned flags, const struct cred *cred, struct file **out)
{
    struct file *f = file_alloc(inode, flags, cred);
    if (!f) {
        return -ENOMEM;
    }
    int r = open_file(f);
    if (r < 0) {
        file_free(f);
        return r;
    }
    *out = f;
    return 0;
}

int file_new_anon(const struct file_ops *ops, const char *name, struct inode *inode_consumed,
                  unsigned flags, const struct cred *cred, void *private, struct file **out)
{
    struct inode *inode = inode_consumed;
    struct file *f = file_alloc(inode, flags, cred);
    if (!f) {
        inode_put(inode);
        return -ENOMEM;
    }
    int r = dentry_new_anon(name, inode, &f->path.dentry);
    if (r < 0) {
        file_free(f);
        return r;
    }
    f->ops = ops;
    f->private = private;
    *out = f;
    return 0;
}

struct file *file_get(struct file *f)
{
    refcount_get(&f->ref);
    return f;
}

/* The last reference is gone. */
static void file_release(struct file *f)
{
    if (f->lease) {
        file_lease_end(
            f->lease); /* a descriptor's end has done it; but a lease never outlives its file */
    }
    if (f->noted) {
        file_lease_end(f->noted);
    }
    while (!list_empty(&f->watches)) {
        struct file_watch *w = list_entry(f->watches.next, struct file_watch, link);
        list_del(&w->link); /* ends the loop even if released forgets to */
        w->released(w);
    }
    locks_remove_file(f);
    if (!(f->flags & O_PATH)) {
        vfs_notify(f->path.dentry, file_writable(f) ? IN_CLOSE_WRITE : IN_CLOSE_NOWRITE);
    }
    if (f->ops->release) {
        f->ops->release(f);
    }
    f->inode->lax_writers -= f->lax_writer;
    if (f->counted_writer) {
        inode_put_write(f->inode);
    }
    file_free(f);
}

void file_put(struct file *f)
{
    if (refcount_put(&f->ref)) {
        file_release(f);
    }
}

/* --- transfer --- */

static bool is_stream(const struct file *f)
{
    return f->ops->llseek == no_llseek || f->ops->llseek == noop_llseek;
}

bool file_has_positions(const struct file *f)
{
    return !is_stream(f) || f->ops->traits & FILE_PREAD;
}

int file_check_range(const struct file *f, int64_t pos, size_t size)
{
    int64_t end;
    if (is_stream(f) || f->ops->traits & FILE_ANY_POSITION) {
        return 0;
    }
    return pos < 0 || __builtin_add_overflow(pos, size, &end) ? -EINVAL : 0;
}

bool atime_is_due(const struct inode *inode, int64_t now)
{
    return inode->atime_ns <= inode->mtime_ns || inode->atime_ns <= inode->ctime_ns ||
           now - inode->atime_ns >= ATIME_LAZY_NS;
}

static bool access_counts(const struct path *p, int64_t now)
{
    const struct inode *inode = p->dentry ? p->dentry->inode : NULL;
    const struct mount *m = p->mnt;
    if (!m || !inode || (m->flags & (MNT_NOATIME | MNT_RDONLY)) ||
        (inode->sb->flags & (SB_RDONLY | SB_REVALIDATE))) {
        return false;
    }
    return atime_is_due(inode, now);
}

void path_accessed(const struct path *p)
{
    int64_t now = ktime_realtime_ns();
    if (access_counts(p, now)) {
        p->dentry->inode->atime_ns = now;
        inode_changed(p->dentry->inode);
    }
}

bool file_access_counts(const struct file *f)
{
    return !(f->flags & O_NOATIME) && access_counts(&f->path, ktime_realtime_ns());
}

void file_accessed(struct file *f)
{
    if (!(f->flags & O_NOATIME)) {
        path_accessed(&f->path);
    }
}

static int check_read(const struct file *f, int64_t pos, size_t size)
{
    bool directory = S_ISDIR(f->inode->mode);
    if (!file_readable(f)) {
        return -EBADF;
    }
    if (!directory && !f->ops->read) {
        return -EINVAL;
    }
    int r = file_check_range(f, pos, size);
    return r == 0 && directory ? -EISDIR : r;
}

static ssize_t read_at(struct file *f, struct uio *dst, int64_t *pos)
{
    ssize_t n = f->ops->read(f, dst, pos);
    if (n > 0) {
        file_accessed(f);
        vfs_notify(f->path.dentry, IN_ACCESS);
    }
    return n;
}

/* Regular files and directories have a position that one transfer at a time may move. */
static bool has_shared_pos(const struct file *f)
{
    return S_ISREG(f->inode->mode) || S_ISDIR(f->inode->mode);
}

ssize_t file_read(struct file *f, struct uio *dst)
{
    int r = check_read(f, f->pos, uio_size(dst));
    if (r < 0) {
        return r;
    }
    if (!has_shared_pos(f)) {
        return read_at(f, dst, &f->pos);
    }
    kmutex_lock(&f->pos_lock);
    ssize_t n = read_at(f, dst, &f->pos);
    kmutex_unlock(&f->pos_lock);
    return n;
}

static int check_pos(const struct file *f, int64_t pos)
{
    if (pos < 0) {
        return -EINVAL;
    }
    return file_has_positions(f) ? 0 : -ESPIPE;
}

ssize_t file_pread(struct file *f, struct uio *dst, int64_t pos)
{
    int r = check_pos(f, pos);
    if (r == 0) {
        r = check_read(f, pos, uio_size(dst));
    }
    return r < 0 ? r : read_at(f, dst, &pos);
}

ssize_t file_kernel_read(struct file *f, void *buf, size_t size, int64_t pos)
{
    struct uio u;
    uio_init_kernel(&u, buf, size);
    int r = check_pos(f, pos);
    if (r < 0) {
        return r;
    }
    /* The kernel reads what it executes, also when only execute permission was asked for. */
    return f->ops->read && !(f->flags & O_PATH) ? f->ops->read(f, &u, &pos) : -EINVAL;
}

static int check_write(const struct file *f, int64_t pos, size_t size)
{
    if (!file_writable(f)) {
        return -EBADF;
    }
    return f->ops->write ? file_check_range(f, pos, size) : -EINVAL;
}

/*
 * A write to a regular file, under its lock: against other writers, truncation, and copy-up.
 * DEVIATION: whether set-id bits go is decided by who opened the file, not by who writes: they differ
 * only when a description is handed to another user.
 */
static ssize_t write_regular(struct file *f, struct uio *src, int64_t *pos, bool here)
{
    struct inode *inode = f->inode;
    kmutex_lock(&inode->lock);
    const unsigned append = f->flags & O_APPEND; /* the file system looks there, too */
    if (here) {
        f->flags &= ~append;
    }
    ssize_t n = 0;
    if (uio_size(src) > 0) {
        if (f->flags & O_APPEND) {
            *pos = inode->size;
        }
        if (*pos == INT64_MAX) {
            n = -EFBIG;
        } else {
            uio_truncate(src, (size_t)MIN((uint64_t)uio_size(src), (uint64_t)(INT64_MAX - *pos)));
            n = inode_drop_privileges(inode, f->cred);
        }
        if (n == 0) {
            n = f->ops->write(f, src, pos);
        }
    }
    f->flags |= append;
    kmutex_unlock(&inode->lock);
    return n;
}

static ssize_t write_at(struct file *f, struct uio *src, int64_t *pos, bool here)
{
    ssize_t n =
        S_ISREG(f->inode->mode) ? write_regular(f, src, pos, here) : f->ops->write(f, src, pos);
    if (n > 0) {
        vfs_notify(f->path.dentry, IN_MODIFY);
    }
    if (n > 0 && (f->flags & O_DSYNC) && f->ops->fsync && S_ISREG(f->inode->mode)) {
        int r = f->ops->fsync(f, (f->flags & O_SYNC) != O_SYNC);
        if (r < 0) {
            return r;
        }
    }
    return n;
}

static ssize_t write_own(struct file *f, struct uio *src, bool here)
{
    int r = check_write(f, f->pos, uio_size(src));
    if (r < 0) {
        return r;
    }
    if (!has_shared_pos(f)) {
        return write_at(f, src, &f->pos, here);
    }
    kmutex_lock(&f->pos_lock);
    ssize_t n = write_at(f, src, &f->pos, here);
    kmutex_unlock(&f->pos_lock);
    return n;
}

static ssize_t write_from(struct file *f, struct uio *src, int64_t pos, bool here)
{
    int r = check_pos(f, pos);
    if (r == 0) {
        r = check_write(f, pos, uio_size(src));
    }
    return r < 0 ? r : write_at(f, src, &pos, here);
}

ssize_t file_write(struct file *f, struct uio *src)
{
    return write_own(f, src, false);
}

ssize_t file_pwrite(struct file *f, struct uio *src, int64_t pos)
{
    return write_from(f, src, pos, false);
}

ssize_t file_write_here(struct file *f, struct uio *src, const int64_t *pos)
{
    return pos ? write_from(f, src, *pos, true) : write_own(f, src, true);
}

/* --- position --- */

int64_t noop_llseek(struct file *f, int64_t offset, int whence)
{
    (void)offset;
    (void)whence;
    return f->pos;
}

int64_t no_llseek(struct file *f, int64_t offset, int whence)
{
    (void)f, (void)offset, (void)whence;
    return -ESPIPE;
}

int64_t generic_llseek(struct file *f, int64_t offset, int whence)
{
    struct inode *inode = f->inode;
    if (!has_shared_pos(f)) {
        return -ESPIPE;
    }
    if (whence == SEEK_END || whence == SEEK_DATA || whence == SEEK_HOLE) {
        int r = inode->ops->getattr ? inode->ops->getattr(inode) : 0;
        if (r < 0) {
            return r;
        }
    }
    switch (whence) {
    case SEEK_SET:
        break;
    case SEEK_CUR:
        if (__builtin_add_overflow(offset, f->pos, &offset)) {
            return -EOVERFLOW;
        }
        break;
    case SEEK_END:
        if (__builtin_add_overflow(offset, inode->size, &offset)) {
            return -EOVERFLOW;
        }
        break;
    case SEEK_DATA: /* all of it is data, and behind it one hole */
    case SEEK_HOLE:
        if (offset < 0 || offset >= inode->size) {
            return -ENXIO;
        }
        offset = whence == SEEK_DATA ? offset : inode->size;
        break;
    default:
        return -EINVAL;
    }
    if (offset < 0) {
        return -EINVAL;
    }
    f->pos = offset;
    return offset;
}

int64_t file_llseek(struct file *f, int64_t offset, int whence)
{
    if (f->flags & O_PATH) {
        return -EBADF;
    }
    int64_t (*llseek)(struct file *, int64_t, int) =
        f->ops->llseek ? f->ops->llseek : generic_llseek;
    if (!has_shared_pos(f)) {
        return llseek(f, offset, whence);
    }
    file_hold_lease(f);
    kmutex_lock(&f->pos_lock);
    int64_t pos = llseek(f, offset, whence);
    kmutex_unlock(&f->pos_lock);
    return pos;
}

uint32_t file_poll(struct file *f, struct waitq **out_q)
{
    if (f->ops->poll) {
        return f->ops->poll(f, out_q);
    }
    if (out_q) {
        *out_q = NULL;
    }
    return EPOLLIN | EPOLLOUT | EPOLLRDNORM | EPOLLWRNORM;
}
