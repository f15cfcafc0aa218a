/*
 * Inodes that live in memory: lifetime, attributes, bytes. Names are in memnode_dir.c, extended
 * attributes in memxattr.c. Analogous to Linux's mm/shmem.c.
 */
#include "sentry/fs/memnode.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "sentry/base/kernel.h"
#include "sentry/vfs/lease.h"
#include "sentry/vfs/stamp.h"

void mem_fs_init(struct mem_fs *fs, const struct mem_fs_type *type, uint64_t limit_bytes)
{
    uint64_t half = g_kernel->total_memory / 2 / PAGE_SIZE;
    fs->type = type;
    fs->budget.limit_pages = limit_bytes ? ALIGN_UP(limit_bytes, PAGE_SIZE) / PAGE_SIZE : half;
    fs->max_inodes = half;
}

static const struct inode_ops *ops_for(const struct mem_fs_type *type, uint32_t mode)
{
    switch (mode & S_IFMT) {
    case S_IFREG:
        return type->file_ops;
    case S_IFDIR:
        return type->dir_ops;
    case S_IFLNK:
        return type->link_ops;
    default:
        return type->special_ops;
    }
}

static bool has_inodes(const struct mem_fs *fs)
{
    return !fs->max_inodes || fs->inodes + fs->reserved_inodes < fs->max_inodes;
}

int mem_node_new(struct super_block *sb, uint32_t mode, uint32_t uid, uint32_t gid,
                 struct mem_node **out)
{
    struct mem_fs *fs = mem_fs(sb);
    if (!has_inodes(fs) && g_file_lease_yield_room) {
        g_file_lease_yield_room();
    }
    if (!has_inodes(fs)) {
        return -ENOSPC;
    }
    struct mem_node *n = calloc(1, fs->type->node_size);
    if (!n) {
        return -ENOMEM;
    }
    inode_init(&n->inode, sb, ops_for(fs->type, mode), mode, uid, gid);
    if (S_ISREG(mode)) {
        memfile_init(&n->data, &fs->budget);
    } else if (S_ISDIR(mode)) {
        memdir_init(&n->names);
        n->inode.size = fs->type->dir_size;
    }
    fs->inodes++;
    *out = n;
    return 0;
}

void mem_free_inode(struct inode *inode)
{
    struct mem_node *n = mem_node(inode);
    if (S_ISREG(inode->mode)) {
        memfile_free(&n->data);
    } else if (S_ISDIR(inode->mode)) {
        memdir_free(&n->names);
    } else if (S_ISLNK(inode->mode)) {
        free(n->target);
    }
    mem_xattrs_free(n);
    mem_fs(inode->sb)->inodes--;
    free(n);
}

/*
 * Directories are moved onto a list of their own before they are emptied: a tree as deep as a guest
 * cares to make it must not become as deep a recursion.
 */
void mem_drop_tree(struct inode *root)
{
    struct memdir todo;
    memdir_init(&todo);
    struct inode *dir = inode_get(root);
    for (;;) {
        struct memdir *names = &mem_node(dir)->names;
        for (size_t i = 0; i < names->slot_count; i++) {
            struct mem_dirent *e = names->slots[i].entry;
            if (!e || !e->inode || !S_ISDIR(e->inode->mode)) {
                continue;
            }
            char key[24];
            const struct name name = {key,
                                      (size_t)snprintf(key, sizeof(key), "%p", (void *)e->inode)};
            if (memdir_set(&todo, &name, e->inode, false) < 0) {
                break; /* no memory: what is left goes by recursion */
            }
        }
        memdir_free(names);
        inode_put(dir);
        while (todo.slot_count > 0 && !todo.slots[todo.slot_count - 1].entry) {
            todo.slot_count--;
        }
        if (todo.slot_count == 0) {
            break;
        }
        struct mem_dirent *last = todo.slots[todo.slot_count - 1].entry;
        dir = inode_get(last->inode);
        memdir_remove(&todo, last);
    }
    memdir_free(&todo);
}

int mem_statfs(struct inode *root, struct statfs *out)
{
    const struct mem_fs *fs = mem_fs(root->sb);
    memset(out, 0, sizeof(*out));
    out->f_type = root->sb->magic;
    out->f_bsize = out->f_frsize = PAGE_SIZE;
    out->f_namelen = 255;
    if (fs->budget.limit_pages) {
        out->f_blocks = fs->budget.limit_pages;
        out->f_bfree = out->f_bavail =
            fs->budget.limit_pages - MIN(fs->budget.limit_pages, fs->budget.used_pages);
    }
    if (fs->max_inodes) {
        out->f_files = fs->max_inodes;
        out->f_ffree = fs->max_inodes - fs->inodes;
    }
    return 0;
}

/* --- attributes --- */

int mem_getattr(struct inode *inode)
{
    if (S_ISREG(inode->mode)) {
        inode->blocks = memfile_blocks(&mem_node(inode)->data);
    }
    return 0;
}

int mem_setattr(struct inode *inode, const struct inode_attr *attr)
{
    struct inode_attr rest = *attr;
    if (attr->valid & ATTR_SIZE) {
        if (!S_ISREG(inode->mode)) {
            return -EINVAL;
        }
        int r = memfile_truncate(&mem_node(inode)->data, attr->size);
        if (r < 0) {
            return r;
        }
        inode->size = attr->size;
        inode_changed(inode);
        rest.valid &= ~ATTR_SIZE;
    }
    mem_modified(mem_node(inode));
    return inode_setattr_simple(inode, &rest);
}

int mem_readlink(struct inode *inode, char **out)
{
    *out = strdup(mem_node(inode)->target);
    return *out ? 0 : -ENOMEM;
}

/* --- bytes --- */

ssize_t mem_file_read(struct file *f, struct uio *dst, int64_t *pos)
{
    ssize_t n = memfile_read(&mem_node(f->inode)->data, dst, *pos);
    if (n > 0) {
        *pos += n;
    }
    return n;
}

/* Before the file needs so many bytes: what is kept for others' notes is theirs only while nobody misses it. */
static void want_room(const struct mem_node *node, uint64_t bytes)
{
    const struct mem_budget *b = node->data.budget;
    if (unlikely(b->reserved_pages > 0 && g_file_lease_yield_room &&
                 !memfile_affords(b, bytes / PAGE_SIZE + 2))) {
        g_file_lease_yield_room();
    }
}

ssize_t mem_file_write(struct file *f, struct uio *src, int64_t *pos)
{
    struct mem_node *node = mem_node(f->inode);
    want_room(node, uio_size(src));
    ssize_t n = memfile_write(&node->data, src, *pos);
    node->inode.size = node->data.size;
    inode_changed(&node->inode); /* one that failed may have left pages */
    if (n > 0) {
        *pos += n;
        inode_touch(&node->inode, ATTR_MTIME | ATTR_CTIME);
    }
    return n;
}

int64_t mem_file_llseek(struct file *f, int64_t offset, int whence)
{
    if (whence != SEEK_DATA && whence != SEEK_HOLE) {
        return generic_llseek(f, offset, whence);
    }
    int64_t pos = memfile_seek(&mem_node(f->inode)->data, offset, whence);
    if (pos >= 0) {
        f->pos = pos;
    }
    return pos;
}

bool mem_file_steady(const struct file *f)
{
    return !mem_node(f->inode)
                ->data.mapped; /* whoever maps it shared may write, without having it open */
}

int mem_file_mmap(struct file *f, int prot, int flags, struct file_map *out)
{
    (void)prot;
    inode_end_leases(f->inode);
    if (flags & MAP_SHARED && file_writable(f)) {
        f->inode->i_flags |= INODE_UNSTEADY; /* who writes there makes blocks */
    }
    inode_changed(f->inode);
    return memfile_map(&mem_node(f->inode)->data, out);
}

int mem_file_lease(struct file *f, struct lease_terms *out)
{
    struct mem_node *node = mem_node(f->inode);
    *out = (struct lease_terms){.writable = file_writable(f),
                                .size = node->data.size,
                                .sparse = memfile_has_holes(&node->data)};
    inode_changed(f->inode); /* blocks, if its bytes have to move for it */
    return memfile_lease(&node->data, out->writable, LEASE_FILE_MAX, &out->host_fd, &out->capacity);
}

void mem_file_lease_end(struct file *f, int64_t size, int64_t mtime_ns)
{
    struct mem_node *node = mem_node(f->inode);
    memfile_lease_end(&node->data, size, mtime_ns != 0);
    node->inode.size = size;
    if (mtime_ns) {
        node->inode.mtime_ns = node->inode.ctime_ns = mtime_ns;
    }
    inode_changed(&node->inode);
}

int mem_file_reserve(struct file *f, int64_t bytes)
{
    return memfile_reserve(&mem_node(f->inode)->data, bytes);
}

/* Memory is as stable as it will get. */
int mem_file_fsync(struct file *f, bool data_only)
{
    (void)f, (void)data_only;
    return 0;
}

int mem_file_fallocate(struct file *f, int mode, int64_t offset, int64_t size)
{
    struct mem_node *node = mem_node(f->inode);
    if (offset < 0 || size <= 0) {
        return -EINVAL;
    }
    if (size > INT64_MAX - offset) {
        return -EFBIG;
    }
    kmutex_lock(&node->inode.lock);
    want_room(node, (uint64_t)size);
    int r = memfile_fallocate(&node->data, mode, offset, size);
    inode_changed(&node->inode);
    if (r == 0) {
        node->inode.size = node->data.size;
        inode_touch(&node->inode, ATTR_MTIME | ATTR_CTIME);
    }
    kmutex_unlock(&node->inode.lock);
    return r;
}

static const struct file_ops mem_file_ops = {
    .read = mem_file_read,
    .write = mem_file_write,
    .llseek = mem_file_llseek,
    .mmap = mem_file_mmap,
    .steady = mem_file_steady,
    .lease = mem_file_lease,
    .lease_end = mem_file_lease_end,
    .reserve = mem_file_reserve,
    .fsync = mem_file_fsync,
    .fallocate = mem_file_fallocate,
};

int mem_open_file(struct inode *inode, struct file *f)
{
    (void)inode;
    f->ops = &mem_file_ops;
    return 0;
}

bool mem_opens_at_once(struct inode *inode)
{
    return !(inode->i_flags & INODE_UNSTEADY);
}
