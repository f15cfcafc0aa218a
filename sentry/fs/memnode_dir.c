/*
 * Directories that live in memory: names made, moved, removed and listed. Analogous to the directory
 * half of Linux's mm/shmem.c and to fs/overlayfs/dir.c.
 *
 * A name of the overlay may come from the lower directory without an entry in memory. Hence:
 * removing leaves a whiteout where the lower directory has the name, and moving first makes an entry.
 * vfs has looked every name up before it comes here, so "no entry" together with "the name exists"
 * means "it is the lower directory's".
 */
#include "sentry/fs/memnode.h"

#include <errno.h>
#include <linux/fs.h>
#include <string.h>

#define SLOTS_LOOKED_AT 512 /* for what only saves time: most may be holes */

/* --- bookkeeping --- */

/* dir gained or lost names. */
static void dir_changed(struct mem_node *dir, int names)
{
    inode_touch(&dir->inode, ATTR_MTIME | ATTR_CTIME);
    dir->inode.size += names * mem_fs(dir->inode.sb)->type->dirent_size;
    mem_modified(dir);
}

/* name := inode. existed: the name led to another inode till now. */
static int set_name(struct mem_node *dir, const struct name *name, struct inode *inode,
                    bool existed)
{
    bool from_lower = existed && !memdir_find(&dir->names, name);
    return memdir_set(&dir->names, name, inode, from_lower);
}

/* A name that exists gets an entry, if it had none. */
static int own_name(struct mem_node *dir, const struct name *name, struct inode *inode)
{
    return memdir_find(&dir->names, name) ? 0 : memdir_set(&dir->names, name, inode, true);
}

/* Removes a name that has an entry: can't fail. */
static void remove_name(struct mem_node *dir, const struct name *name)
{
    struct mem_dirent *e = memdir_find(&dir->names, name);
    if (e->covers_lower) {
        int r = memdir_set(&dir->names, name, NULL, true);
        BUG_ON(r < 0);
    } else {
        memdir_remove(&dir->names, e);
    }
}

static void change_nlink(struct inode *inode, int by)
{
    /* A lower file system may have told a smaller count than there are names. */
    inode->nlink = by < 0 && inode->nlink < (uint32_t)-by ? 0 : inode->nlink + (uint32_t)by;
    inode_touch(inode, ATTR_CTIME);
    mem_modified(mem_node(inode));
}

/* --- making --- */

static int new_node(struct inode *dir, uint32_t mode, const struct cred *cred,
                    struct mem_node **out)
{
    uint32_t uid, gid;
    inode_init_owner(dir, cred, &mode, &uid, &gid);
    int r = mem_node_new(dir->sb, mode, uid, gid, out);
    if (r == 0) {
        (*out)->inode.dev = dir->dev; /* an overlay shows the devices of its lower trees */
    }
    return r;
}

/* Links a new node into dir. node: consumed; on success *out has its reference. */
static int add_node(struct inode *dir, const struct name *name, struct mem_node *node,
                    struct inode **out)
{
    int r = set_name(mem_node(dir), name, &node->inode, false);
    if (r < 0) {
        inode_put(&node->inode);
        return r;
    }
    if (S_ISDIR(node->inode.mode)) {
        dir->nlink++;
    }
    dir_changed(mem_node(dir), 1);
    *out = &node->inode;
    return 0;
}

int mem_create(struct inode *dir, const struct name *name, uint32_t mode, const struct cred *cred,
               struct inode **out)
{
    struct mem_node *n;
    int r = new_node(dir, mode, cred, &n);
    return r < 0 ? r : add_node(dir, name, n, out);
}

int mem_mknod(struct inode *dir, const struct name *name, uint32_t mode, dev_t rdev,
              const struct cred *cred, struct inode **out)
{
    struct mem_node *n;
    int r = new_node(dir, mode, cred, &n);
    if (r < 0) {
        return r;
    }
    n->inode.rdev = rdev;
    return add_node(dir, name, n, out);
}

int mem_symlink(struct inode *dir, const struct name *name, const char *target,
                const struct cred *cred, struct inode **out)
{
    struct mem_node *n;
    int r = new_node(dir, S_IFLNK | 0777, cred, &n);
    if (r < 0) {
        return r;
    }
    n->target = strdup(target);
    if (!n->target) {
        inode_put(&n->inode);
        return -ENOMEM;
    }
    n->inode.size = (int64_t)strlen(target);
    return add_node(dir, name, n, out);
}

int mem_tmpfile(struct inode *dir, uint32_t mode, const struct cred *cred, struct inode **out)
{
    struct mem_node *n;
    int r = new_node(dir, mode, cred, &n);
    if (r == 0) {
        n->inode.nlink = 0;
        *out = &n->inode;
    }
    return r;
}

int mem_link(struct inode *dir, const struct name *name, struct inode *inode)
{
    int r = set_name(mem_node(dir), name, inode, false);
    if (r == 0) {
        change_nlink(inode, 1);
        dir_changed(mem_node(dir), 1);
    }
    return r;
}

/* --- finding and removing --- */

int mem_lookup(struct inode *dir, const struct name *name, struct inode **out)
{
    const struct mem_dirent *e = memdir_find(&mem_node(dir)->names, name);
    if (!e || !e->inode) {
        return -ENOENT;
    }
    *out = inode_get(e->inode);
    return 0;
}

int mem_unlink(struct inode *dir, const struct name *name, struct inode *inode)
{
    int r = own_name(mem_node(dir), name, inode);
    if (r < 0) {
        return r;
    }
    remove_name(mem_node(dir), name);
    dir_changed(mem_node(dir), -1);
    change_nlink(inode, -1);
    return 0;
}

/* 1, 0 or -errno. Context: may block. */
static int is_empty(struct mem_node *dir)
{
    const struct mem_fs_type *type = mem_fs(dir->inode.sb)->type;
    if (dir->names.live > 0) {
        return 0;
    }
    return type->lower_empty ? type->lower_empty(dir) : 1;
}

/* dir is empty and goes: what is left in memory (whiteouts) has no use. */
static void bury_dir(struct inode *dir)
{
    dir->nlink = 0;
    inode_touch(dir, ATTR_CTIME);
    memdir_free(&mem_node(dir)->names);
    mem_modified(mem_node(dir));
}

int mem_rmdir(struct inode *dir, const struct name *name, struct inode *inode)
{
    int r = is_empty(mem_node(inode));
    if (r <= 0) {
        return r < 0 ? r : -ENOTEMPTY;
    }
    r = own_name(mem_node(dir), name, inode);
    if (r < 0) {
        return r;
    }
    remove_name(mem_node(dir), name);
    bury_dir(inode);
    dir->nlink--;
    dir_changed(mem_node(dir), -1);
    return 0;
}

/* --- moving --- */

/* A directory went from one parent to another: so did its "..". */
static void move_dotdot(struct inode *from, struct inode *to)
{
    if (from != to) {
        from->nlink--;
        to->nlink++;
    }
}

static int exchange(struct inode *old_dir, const struct name *old_name, struct inode *inode,
                    struct inode *new_dir, const struct name *new_name, struct inode *target)
{
    int r = own_name(mem_node(old_dir), old_name, inode);
    if (r == 0) {
        r = own_name(mem_node(new_dir), new_name, target);
    }
    if (r == 0) {
        r = memdir_set(&mem_node(old_dir)->names, old_name, target, false);
    }
    if (r == 0) {
        r = memdir_set(&mem_node(new_dir)->names, new_name, inode, false);
    }
    if (r < 0) {
        return r;
    }
    if (S_ISDIR(inode->mode)) {
        move_dotdot(old_dir, new_dir);
    }
    if (S_ISDIR(target->mode)) {
        move_dotdot(new_dir, old_dir);
    }
    change_nlink(inode, 0);
    change_nlink(target, 0);
    dir_changed(mem_node(old_dir), 0);
    dir_changed(mem_node(new_dir), 0);
    return 0;
}

int mem_rename(struct inode *old_dir, const struct name *old_name, struct inode *inode,
               struct inode *new_dir, const struct name *new_name, struct inode *target,
               unsigned flags)
{
    if (flags & RENAME_EXCHANGE) {
        return exchange(old_dir, old_name, inode, new_dir, new_name, target);
    }
    bool is_dir = S_ISDIR(inode->mode);
    if (target && is_dir) {
        int empty = is_empty(mem_node(target));
        if (empty <= 0) {
            return empty < 0 ? empty : -ENOTEMPTY;
        }
    }
    /* Everything that can fail comes before the old name goes. */
    int r = own_name(mem_node(old_dir), old_name, inode);
    if (r == 0) {
        r = set_name(mem_node(new_dir), new_name, inode, target != NULL);
    }
    if (r < 0) {
        return r;
    }
    remove_name(mem_node(old_dir), old_name);
    if (is_dir) {
        move_dotdot(old_dir, new_dir);
    }
    if (target && is_dir) {
        bury_dir(target);
        new_dir->nlink--;
    } else if (target) {
        change_nlink(target, -1);
    }
    change_nlink(inode, 0);
    dir_changed(mem_node(old_dir), -1);
    dir_changed(mem_node(new_dir), target ? 0 : 1);
    return 0;
}

/* --- listing --- */

size_t mem_names_after(struct inode *dir, const struct name *after, char *names, size_t size,
                       size_t max)
{
    const struct memdir *d = &mem_node(dir)->names;
    const struct mem_dirent *e = after ? memdir_find(d, after) : NULL;
    size_t count = 0, first = e ? e->slot + 1 : 0;
    if (after && !e) {
        return 0;
    }
    size_t end = MIN(d->slot_count, first + SLOTS_LOOKED_AT);
    for (size_t i = first; i < end && count < max; i++) {
        e = d->slots[i].entry;
        if (!e || !e->inode) {
            continue;
        }
        if (e->size + 1U > size) {
            break;
        }
        memcpy(names, e->name, e->size + 1U);
        names += e->size + 1U;
        size -= e->size + 1U;
        count++;
    }
    return count;
}

bool mem_each_name(const struct inode *dir, size_t max,
                   void (*tell)(void *to, const struct name *name), void *to)
{
    const struct memdir *d = &mem_node((struct inode *)(uintptr_t)dir)->names;
    if (d->slot_count > 4 * max) { /* most may be holes */
        return false;
    }
    size_t count = 0;
    for (size_t i = 0; i < d->slot_count; i++) {
        const struct mem_dirent *e = d->slots[i].entry;
        if (e && count++ == max) {
            return false;
        }
        if (e) {
            const struct name name = {e->name, e->size};
            tell(to, &name);
        }
    }
    return true;
}

int mem_reserve_names(struct inode *dir, int count)
{
    struct mem_fs *fs = mem_fs(dir->sb);
    fs->reserved_inodes += (uint64_t)(int64_t)count; /* wraps to a subtraction */
    fs->budget.reserved_pages += (uint64_t)(int64_t)count;
    return memfile_affords(&fs->budget, 0) &&
                   (!fs->max_inodes || fs->inodes + fs->reserved_inodes <= fs->max_inodes)
               ? 0
               : -ENOSPC;
}

static bool emit_dots(struct file *f, struct dir_context *c)
{
    const struct dentry *parent = f->path.dentry ? f->path.dentry->parent : NULL;
    while (c->pos < 2) {
        bool self = c->pos == 0;
        uint64_t ino = self || !parent ? f->inode->ino : parent->inode->ino;
        if (!c->emit(c, "..", self ? 1 : 2, ino, S_IFDIR >> 12, c->pos + 1)) {
            return false;
        }
        c->pos++;
    }
    return true;
}

bool mem_emit_names(struct file *f, struct dir_context *c)
{
    const struct memdir *d = &mem_node(f->inode)->names;
    if (c->pos < 0 || !emit_dots(f, c)) {
        return false;
    }
    for (size_t i = memdir_seek(d, c->pos); i < d->slot_count; i++) {
        const struct mem_dirent *e = d->slots[i].entry;
        if (!e || !e->inode) {
            continue;
        }
        unsigned char type = (unsigned char)((e->inode->mode & S_IFMT) >> 12);
        int64_t next = d->slots[i].cookie + 1;
        if (!c->emit(c, e->name, e->size, e->inode->ino, type, next)) {
            return false;
        }
        c->pos = next;
    }
    return true;
}

static int mem_readdir(struct file *f, struct dir_context *c)
{
    if (f->inode->i_flags & INODE_DEAD) {
        return -ENOENT; /* removed: not even the dots are left */
    }
    (void)mem_emit_names(f, c);
    file_accessed(f);
    return 0;
}

/* Positions are cookies, so there is nothing to count from the end, and no holes; as Linux's offset_dir_llseek. */
static int64_t mem_dir_llseek(struct file *f, int64_t offset, int whence)
{
    return whence == SEEK_SET || whence == SEEK_CUR ? generic_llseek(f, offset, whence) : -EINVAL;
}

static const struct file_ops mem_dir_ops = {
    .readdir = mem_readdir,
    .fsync = mem_file_fsync,
    .llseek = mem_dir_llseek,
};

int mem_open_dir(struct inode *inode, struct file *f)
{
    (void)inode;
    f->ops = &mem_dir_ops;
    return 0;
}
