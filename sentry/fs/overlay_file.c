/*
 * The bytes of overlay files: read from the lower file until something is written. See overlay.c.
 *
 * All descriptions of a node that need its lower bytes share one lower file, opened for the first of
 * them and let go with the last: file.private says whether a description is counted.
 */
#include "sentry/fs/overlay.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "sentry/vfs/lease.h"
#include "sentry/vfs/stamp.h"

#define COPY_CHUNK (256 * 1024)

static struct overlay_node *node_of(const struct file *f)
{
    return overlay_node(f->inode);
}

/* Context: may block. */
static int lower_acquire(struct overlay_node *n, const struct cred *cred)
{
    if (!n->lower_file) {
        struct file *f;
        int r = file_open_inode(n->lower, O_RDONLY | O_NOATIME, cred, &f);
        if (r < 0) {
            return r;
        }
        if (n->lower_file) { /* another task opened it while this one slept */
            file_put(f);
        } else {
            n->lower_file = f;
        }
    }
    n->lower_users++;
    return 0;
}

static void lower_release(struct overlay_node *n)
{
    BUG_ON(n->lower_users == 0);
    if (--n->lower_users == 0) {
        file_put(take(&n->lower_file));
    }
}

/* f needs the lower bytes from now on. Context: may block. */
static int need_lower(struct file *f)
{
    if (f->private) {
        return 0;
    }
    int r = lower_acquire(node_of(f), f->cred);
    if (r < 0) {
        return r;
    }
    if (f->private) { /* another thread of this description was faster */
        lower_release(node_of(f));
    }
    f->private = node_of(f);
    return 0;
}

static bool all_zero(const char *p, size_t size)
{
    return size == 0 || (p[0] == 0 && memcmp(p, p + 1, size - 1) == 0);
}

/* Holes, and pages that might as well be, stay holes. */
static int store_chunk(struct memfile *m, char *buf, size_t size, int64_t pos)
{
    for (size_t at = 0; at < size; at += PAGE_SIZE) {
        size_t n = MIN(size - at, PAGE_SIZE);
        struct uio u;
        if (all_zero(buf + at, n)) {
            continue;
        }
        uio_init_kernel(&u, buf + at, n);
        ssize_t done = memfile_write(m, &u, pos + (int64_t)at);
        if (done != (ssize_t)n) {
            return done < 0 ? (int)done : -ENOSPC;
        }
    }
    return 0;
}

static int copy_bytes(struct overlay_node *n, int64_t size)
{
    AUTO_FREE char *buf = malloc(COPY_CHUNK);
    if (!buf) {
        return -ENOMEM;
    }
    for (int64_t pos = 0; pos < size;) {
        size_t want = (size_t)MIN((int64_t)COPY_CHUNK, size - pos);
        ssize_t got = file_kernel_read(n->lower_file, buf, want, pos);
        if (got <= 0) {
            return (int)got; /* 0: the host's file is shorter than it was; the rest is a hole */
        }
        int r = store_chunk(&n->mem.data, buf, (size_t)got, pos);
        if (r < 0) {
            return r;
        }
        /* Short reads keep pages aligned: only whole pages advance, unless this was the end. */
        if (got < (ssize_t)want && got >= (ssize_t)PAGE_SIZE) {
            got = ALIGN_DOWN(got, (ssize_t)PAGE_SIZE);
        }
        pos += got;
        if (kthread_current()) {
            kthread_yield(); /* large files take a while, and others have work, too */
        }
    }
    return 0;
}

/**
 * overlay_copy_up - give a node bytes of its own.
 * @keep: copy at most the first keep bytes (truncation needs no more).
 * @cred: opens the lower file; NULL: as the sandbox itself.
 *
 * Readers go on reading the lower bytes until all are copied.
 * Context: may block; inode->lock is held, so there is one at a time.
 * Errors:  -ENOSPC -ENOMEM, what the lower gives; then nothing has changed.
 */
int overlay_copy_up(struct overlay_node *n, int64_t keep, const struct cred *cred)
{
    int64_t size = MIN(n->mem.inode.size, keep);
    int r = 0;
    inode_end_leases(&n->mem.inode); /* of the lower bytes */
    if (size > 0) {
        AUTO_PUT(cred) own = NULL;
        if (!cred) {
            r = cred_new(&own, 0, 0, NULL, 0);
            cred = own;
        }
        if (r == 0) {
            r = lower_acquire(n, cred);
        }
        if (r < 0) {
            return r;
        }
        r = copy_bytes(n, size);
        lower_release(n);
    }
    if (r == 0) {
        r = memfile_truncate(&n->mem.data, size);
    }
    if (r < 0) {
        memfile_free(&n->mem.data);
        memfile_init(&n->mem.data, &mem_fs(n->mem.inode.sb)->budget);
        return r;
    }
    inode_end_leases(&n->mem.inode); /* there may be new ones: copying sleeps */
    n->data_in_lower = false;
    n->mem.inode.i_flags &= ~INODE_FROZEN;
    n->mem.inode.size = size;
    inode_changed(&n->mem.inode); /* its blocks */
    mem_modified(&n->mem);
    return 0;
}

static ssize_t overlay_read(struct file *f, struct uio *dst, int64_t *pos)
{
    struct overlay_node *n = node_of(f);
    if (!n->data_in_lower) {
        return mem_file_read(f, dst, pos);
    }
    int r = need_lower(f);
    if (r < 0) {
        return r;
    }
    return n->data_in_lower ? n->lower_file->ops->read(n->lower_file, dst, pos)
                            : mem_file_read(f, dst, pos);
}

/* vfs holds the inode's lock. */
static ssize_t overlay_write(struct file *f, struct uio *src, int64_t *pos)
{
    struct overlay_node *n = node_of(f);
    int r = n->data_in_lower ? overlay_copy_up(n, INT64_MAX, f->cred) : 0;
    return r < 0 ? r : mem_file_write(f, src, pos);
}

static int copy_up_unlocked(struct file *f)
{
    struct overlay_node *n = node_of(f);
    kmutex_lock(&n->mem.inode.lock);
    int r = n->data_in_lower ? overlay_copy_up(n, INT64_MAX, f->cred) : 0;
    kmutex_unlock(&n->mem.inode.lock);
    return r;
}

static int64_t overlay_llseek(struct file *f, int64_t offset, int whence)
{
    struct overlay_node *n = node_of(f);
    if (!n->data_in_lower || (whence != SEEK_DATA && whence != SEEK_HOLE)) {
        return mem_file_llseek(f, offset, whence);
    }
    int r = need_lower(f);
    if (r < 0) {
        return r;
    }
    if (!n->data_in_lower) {
        return mem_file_llseek(f, offset, whence);
    }
    int64_t pos = file_llseek(n->lower_file, offset, whence);
    if (pos >= 0) {
        f->pos = pos;
    }
    return pos;
}

static int overlay_mmap(struct file *f, int prot, int flags, struct file_map *out)
{
    struct overlay_node *n = node_of(f);
    bool may_write = (flags & MAP_TYPE) != MAP_PRIVATE && file_writable(f);
    int r = 0;
    if (n->data_in_lower) {
        r = may_write ? copy_up_unlocked(f) : need_lower(f);
    }
    if (r < 0) {
        return r;
    }
    if (!n->data_in_lower) {
        return mem_file_mmap(f, prot, flags, out);
    }
    const struct file_ops *ops = n->lower_file->ops;
    return ops->mmap ? ops->mmap(n->lower_file, prot, flags, out) : -ENODEV;
}

/* A lower file's fd can be given to the guest, which is as cheap. */
static bool overlay_steady(const struct file *f)
{
    return !node_of(f)->data_in_lower && mem_file_steady(f);
}

static int overlay_lease(struct file *f, struct lease_terms *out)
{
    struct overlay_node *n = node_of(f);
    if (!n->data_in_lower) {
        return mem_file_lease(f, out);
    }
    if (file_writable(f) || !f->private || !n->lower_file->ops->lease) {
        return -EPERM;
    }
    return n->lower_file->ops->lease(n->lower_file, out);
}

static void overlay_lease_end(struct file *f, int64_t size, int64_t mtime_ns)
{
    if (!node_of(f)->data_in_lower) {
        mem_file_lease_end(f, size, mtime_ns);
    }
}

static int overlay_reserve(struct file *f, int64_t bytes)
{
    return mem_file_reserve(f, bytes);
}

static int overlay_fallocate(struct file *f, int mode, int64_t offset, int64_t size)
{
    int r = copy_up_unlocked(f);
    return r < 0 ? r : mem_file_fallocate(f, mode, offset, size);
}

static void overlay_release(struct file *f)
{
    if (f->private) {
        lower_release(node_of(f));
    }
}

static const struct file_ops overlay_file_file_ops = {
    .read = overlay_read,
    .write = overlay_write,
    .llseek = overlay_llseek,
    .mmap = overlay_mmap,
    .steady = overlay_steady,
    .lease = overlay_lease,
    .lease_end = overlay_lease_end,
    .reserve = overlay_reserve,
    .fsync = mem_file_fsync,
    .fallocate = overlay_fallocate,
    .release = overlay_release,
};

/* A description that can read opens the lower file at once, so that what the host refuses is an error of open(2). */
int overlay_open_file(struct inode *inode, struct file *f)
{
    f->ops = &overlay_file_file_ops;
    bool reads = (f->flags & O_ACCMODE) != O_WRONLY;
    return overlay_node(inode)->data_in_lower && reads ? need_lower(f) : 0;
}
