/*
 * Regular files of a gofer tree: their bytes come from the host file itself, through an fd that the
 * gofer donated; the gofer sees only opens, and reads that would have to wait for the disk.
 *
 * An inode has at most two donated fds, shared by all its open files: one for reading alone, and one
 * that can write (O_RDWR, or O_WRONLY where the mode bits leave no more). A file opened for reading
 * never gets to use the writing one: what a guest may map is what it opened. With no open file left an
 * fd stays for the next open, among a limited number of such (gofer_idle_add). Others come ahead of
 * their first open (gofer_ahead.c): they are idle, and hold their inodes, until somebody opens them.
 *
 * Reads use RWF_NOWAIT; what is not in the host's page cache is first brought there by the gofer,
 * while only this kthread waits. Writes go to the page cache directly: the host lets them wait only
 * when it throttles writers.
 */
#include "sentry/fs/gofer_fs.h"

#include <errno.h>
#include <string.h>

#include "lib/host.h"
#include "sentry/base/timer.h"
#include "sentry/vfs/lease.h"

#define BOUNCE_SIZE    (64u * 1024)
#define READAHEAD_SIZE (128u * 1024)
#define YIELD_EVERY    (1024 * 1024) /* others get their turn during long copies */

/* --- donated fds --- */

/* May put the last reference to its inode. */
static void fd_evict(struct gofer_idle_fd *e)
{
    struct gofer_fd *d = container_of(e, struct gofer_fd, idle);
    host_close(take_fd(&d->fd));
    if (d->ahead) {
        d->ahead = false;
        inode_put(&container_of(d, struct gofer_inode, read_fd)->inode);
    }
}

void gofer_fd_init(struct gofer_fd *d, struct gofer_fs *fs)
{
    d->fs = fs;
    d->fd = -1;
    d->idle.evict = fd_evict;
    d->idle.owner = fs;
    list_init(&d->idle.link);
}

static bool is_idle(const struct gofer_fd *d)
{
    return d->fd >= 0 && d->users == 0;
}

void gofer_fd_store(struct gofer_fd *d, int fd)
{
    if (d->fd >= 0) {
        host_close(fd); /* another kthread was faster */
        return;
    }
    d->fd = fd;
    gofer_idle_add(d->fs->client, &d->idle);
}

void gofer_fd_drop_idle(struct gofer_fd *d)
{
    if (is_idle(d)) {
        gofer_idle_remove(d->fs->client, &d->idle);
        fd_evict(&d->idle);
    }
}

static void fd_use(struct gofer_fd *d)
{
    if (d->users++ == 0) {
        gofer_idle_remove(d->fs->client, &d->idle);
    }
    if (d->ahead) { /* the file that uses it has the inode */
        d->ahead = false;
        gofer_ahead_used(d->fs);
        inode_put(&container_of(d, struct gofer_inode, read_fd)->inode);
    }
}

static void fd_unuse(struct gofer_fd *d, bool keep)
{
    if (--d->users == 0) {
        gofer_idle_add(d->fs->client, &d->idle);
        if (!keep) {
            gofer_fd_drop_idle(d);
        }
    }
}

/* Context: may block. */
static int fd_bring(struct gofer_inode *gi, struct gofer_fd *d, uint32_t flags)
{
    struct gofer_fs *fs = gofer_fs_of(gi);
    AUTO_FREE char *path = NULL;
    struct gofer_attr attr;
    int fd;
    int err = gofer_path(gi, NULL, &path);
    if (err == 0) {
        err = flags == O_RDONLY
                  ? gofer_open_ahead(gi, path, &attr, &fd)
                  : gofer_client_open(fs->client, fs->root, path, flags, 0, &attr, &fd);
    }
    if (err < 0) {
        return err;
    }
    /*
     * Between our lookup and this open (in a frozen tree: at any time) the host may have replaced
     * the file, as editors do when they save. The name is what was asked for: what it leads to now
     * is opened, unless the old file is in use here.
     */
    if (gofer_inode_is(gi, &attr)) {
        gofer_attr_apply(gi, &attr);
    } else if (gi->read_fd.users == 0 && gi->write_fd.users == 0) {
        gofer_inode_adopt(gi, &attr);
    } else {
        host_close(fd);
        return -ESTALE;
    }
    d->write_only = d->fd < 0 && flags == O_WRONLY;
    gofer_fd_store(d, fd);
    return 0;
}

/* --- open and close --- */

int gofer_file_open(struct gofer_inode *gi, struct file *f)
{
    bool write = file_writable(f);
    struct gofer_fd *d = write ? &gi->write_fd : &gi->read_fd;
    if (write && gofer_fs_of(gi)->read_only) {
        return -EROFS;
    }
    if (d->fd < 0 && !write) {
        gofer_ahead_wait(gi);
    }
    if (d->fd < 0) {
        int err = fd_bring(gi, d, write ? O_RDWR : O_RDONLY);
        if (err == -EACCES && write && !file_readable(f)) {
            err = fd_bring(gi, d, O_WRONLY);
        }
        if (err < 0) {
            return err;
        }
    }
    if (write && file_readable(f) && d->write_only) {
        return -EACCES;
    }
    fd_use(d);
    f->private = d;
    f->ops = &gofer_file_ops;
    return 0;
}

static void file_release(struct file *f)
{
    struct gofer_inode *gi = gofer_i(f->inode);
    /* An fd of an unlinked file would keep its blocks on the host's disk. */
    fd_unuse(take(&f->private), !gi->lost || gi->inode.nlink > 0);
}

static int host_fd(const struct file *f)
{
    return ((const struct gofer_fd *)f->private)->fd;
}

/* --- data --- */

/* Context: may block, for the disk if it must. */
static ssize_t read_host(struct gofer_inode *gi, int fd, void *buf, size_t size, int64_t pos)
{
    if (!gi->no_nowait) {
        ssize_t n = host_pread_nowait(fd, buf, size, pos);
        if (n == -EAGAIN) {
            struct gofer_fs *fs = gofer_fs_of(gi);
            AUTO_FREE char *path = NULL;
            size_t want = MAX(size, (size_t)READAHEAD_SIZE);
            if (gofer_path(gi, NULL, &path) == 0 &&
                gofer_client_readahead(fs->client, fs->root, path, (uint64_t)pos, want) >= 0) {
                n = host_pread_nowait(fd, buf, size, pos);
            }
        }
        if (n != -EAGAIN && n != -EOPNOTSUPP && n != -EINVAL && n != -ENOSYS) {
            return n;
        }
        gi->no_nowait = n != -EAGAIN;
    }
    return host_pread(fd, buf, size, pos);
}

/*
 * How far f can be read from pos on. What can't change is as long as was learnt when it was opened; but files
 * that are made as they are read say that they are empty.
 */
static size_t readable_size(const struct file *f, int64_t pos)
{
    const struct inode *inode = f->inode;
    if (!(inode->i_flags & INODE_FROZEN) || inode->size == 0) {
        return SIZE_MAX;
    }
    return pos < inode->size ? (size_t)(inode->size - pos) : 0;
}

/* One piece to where the reader takes it from. Return: as read_host; -EAGAIN: it has to be asked. */
static ssize_t read_direct(struct file *f, struct uio *dst, size_t size, int64_t pos)
{
    void *at = gofer_i(f->inode)->no_nowait ? NULL : uio_window(dst, &size);
    ssize_t n = at ? host_pread_nowait(host_fd(f), at, size, pos) : -EAGAIN;
    if (n < 0) {
        return -EAGAIN;
    }
    uio_placed(dst, (size_t)n);
    return n;
}

/* One piece by way of *bounce, which is made when it is needed. Context: may block. */
static ssize_t read_bounced(struct file *f, struct uio *dst, size_t size, int64_t pos,
                            uint8_t **bounce)
{
    size = MIN(size, (size_t)BOUNCE_SIZE);
    if (!*bounce && !(*bounce = malloc(size))) {
        return -ENOMEM;
    }
    ssize_t n = read_host(gofer_i(f->inode), host_fd(f), *bounce, size, pos);
    return n > 0 ? uio_copy_to(dst, *bounce, (size_t)n) : n;
}

/*
 * The host may have changed the access time, if it goes by relatime. DEVIATION: by a descriptor with O_NOATIME, too, in a tree of the
 * host's: all readers share the one that the gofer gave.
 */
static void note_read(struct gofer_inode *gi)
{
    if (!(gi->inode.i_flags & INODE_FROZEN) && atime_is_due(&gi->inode, ktime_realtime_ns())) {
        int err = gofer_file_getattr(gi);
        (void)err; /* then it is known a little later */
    }
}

static ssize_t file_read_at(struct file *f, struct uio *dst, int64_t *pos)
{
    AUTO_FREE uint8_t *bounce = NULL;
    ssize_t total = 0, n = 0;
    size_t want;
    while ((want = MIN(uio_size(dst), readable_size(f, *pos))) > 0) {
        n = bounce ? -EAGAIN : read_direct(f, dst, want, *pos);
        if (n == -EAGAIN) {
            n = read_bounced(f, dst, want, *pos, &bounce);
        }
        if (n <= 0) {
            break;
        }
        total += n;
        *pos += n;
        if (total % YIELD_EVERY == 0) {
            kthread_yield();
        }
    }
    if (total > 0) {
        note_read(gofer_i(f->inode));
    }
    return total > 0 ? total : n;
}

/* What a write through the fd did to the attributes; the host is asked for the rest. */
static void note_write(struct gofer_inode *gi, int64_t end)
{
    gi->inode.size = MAX(gi->inode.size, end);
    inode_touch(&gi->inode, ATTR_MTIME | ATTR_CTIME);
    gofer_inode_changed(gi);
}

static ssize_t write_host(struct file *f, const void *buf, size_t size, int64_t *pos)
{
    int fd = host_fd(f);
    if (!(f->flags & O_APPEND)) {
        ssize_t n = host_pwrite(fd, buf, size, *pos);
        *pos += MAX(n, (ssize_t)0);
        return n;
    }
    ssize_t n = host_pwrite_append(fd, buf, size);
    struct stat st;
    if (n > 0 && host_fstat(fd, &st) == 0) {
        *pos = st.st_size;
    }
    return n;
}

static ssize_t file_write_at(struct file *f, struct uio *src, int64_t *pos)
{
    struct gofer_inode *gi = gofer_i(f->inode);
    size_t room = MIN(uio_size(src), (size_t)BOUNCE_SIZE);
    AUTO_FREE uint8_t *bounce = malloc(room ? room : 1);
    ssize_t total = 0, n = 0;
    if (!bounce) {
        return -ENOMEM;
    }
    while (uio_size(src) > 0) {
        n = uio_copy_from(src, bounce, MIN(uio_size(src), room));
        if (n <= 0) {
            break;
        }
        ssize_t got = n;
        n = write_host(f, bounce, (size_t)got, pos);
        if (n < 0) {
            break;
        }
        note_write(gi, *pos);
        total += n;
        if (n < got) {
            break;
        }
        if (total % YIELD_EVERY == 0) {
            kthread_yield();
        }
    }
    return total > 0 ? total : n;
}

static int file_map(struct file *f, int prot, int flags, struct file_map *out)
{
    (void)prot;
    (void)flags;
    *out = (struct file_map){.host_fd = host_fd(f)};
    return 0;
}

static int file_fsync(struct file *f, bool data_only)
{
    struct gofer_inode *gi = gofer_i(f->inode);
    struct gofer_fs *fs = gofer_fs_of(gi);
    if (fs->read_only) {
        return 0; /* nothing can be dirty */
    }
    AUTO_FREE char *path = NULL;
    int err = gofer_path(gi, NULL, &path);
    if (err == 0) {
        err = gofer_client_fsync(fs->client, fs->root, path, data_only);
    }
    /* An unlinked file does not outlive a crash anyway. */
    return err == -ENOENT && gi->lost && gi->inode.nlink == 0 ? 0 : err;
}

static int file_fallocate(struct file *f, int mode, int64_t offset, int64_t size)
{
    int err = host_fallocate(host_fd(f), mode, offset, size);
    if (err == 0) {
        gofer_inode_changed(gofer_i(f->inode));
        err = gofer_file_getattr(gofer_i(f->inode));
    }
    return err;
}

int gofer_file_getattr(struct gofer_inode *gi)
{
    int fd = gi->write_fd.fd >= 0 ? gi->write_fd.fd : gi->read_fd.fd;
    struct stat st;
    if (fd < 0 || host_fstat(fd, &st) < 0) {
        return -EBADF;
    }
    /* The owner stays as the gofer told it: it knows which owners this namespace can't name. */
    struct inode *i = &gi->inode;
    i->mode = (i->mode & S_IFMT) | (st.st_mode & 07777);
    i->nlink = (uint32_t)st.st_nlink;
    i->size = st.st_size;
    i->blocks = (uint64_t)st.st_blocks;
    i->atime_ns = st.st_atim.tv_sec * NSEC_PER_SEC + st.st_atim.tv_nsec;
    i->mtime_ns = st.st_mtim.tv_sec * NSEC_PER_SEC + st.st_mtim.tv_nsec;
    i->ctime_ns = st.st_ctim.tv_sec * NSEC_PER_SEC + st.st_ctim.tv_nsec;
    gi->fetched_ns = ktime_monotonic_ns();
    return 0;
}

/* What can't change may be read from the donated fd itself. */
static int file_lease(struct file *f, struct lease_terms *out)
{
    struct gofer_inode *gi = gofer_i(f->inode);
    if (!gofer_fs_of(gi)->frozen || file_writable(f)) {
        return -EPERM;
    }
    *out = (struct lease_terms){.host_fd = host_fd(f),
                                .size = gi->inode.size,
                                .capacity = (uint64_t)gi->inode.size,
                                .frozen = true};
    return 0;
}

const struct file_ops gofer_file_ops = {
    .read = file_read_at,
    .write = file_write_at,
    .mmap = file_map,
    .lease = file_lease,
    .fsync = file_fsync,
    .fallocate = file_fallocate,
    .release = file_release,
};
