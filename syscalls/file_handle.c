/*
 * Names that outlive a rename: name_to_handle_at and open_by_handle_at. Analogous to Linux's fs/fhandle.c and fs/exportfs.
 * open_by_handle_at(2).
 *
 * A handle has a tmpfs's form: a generation, here the file system's number, and the inode's. To find it again the file system is
 * searched from its root: nobody but backup tools and user-space file servers asks.
 */
#include <dirent.h>
#include <linux/magic.h>
#include <string.h>

#include "lib/kthread.h"
#include "lib/strbuf.h"
#include "sentry/base/errno.h"
#include "sentry/vfs/lease.h"
#include "syscalls/file_open.h"
#include "syscalls/helpers.h"
#include "syscalls/syscalls.h"

#ifndef AT_HANDLE_FID
#define AT_HANDLE_FID AT_REMOVEDIR
#endif
#ifndef AT_HANDLE_MNT_ID_UNIQUE
#define AT_HANDLE_MNT_ID_UNIQUE 0x001
#define AT_HANDLE_CONNECTABLE   0x002
#endif
#define HANDLE_FLAGS                                                                               \
    (AT_SYMLINK_FOLLOW | AT_EMPTY_PATH | AT_HANDLE_FID | AT_HANDLE_MNT_ID_UNIQUE |                 \
     AT_HANDLE_CONNECTABLE)

#define TYPE_TMPFS   1    /* FILEID_INO32_GEN: what a tmpfs says, whatever is in it */
#define TYPE_ID_ONLY 0x81 /* FILEID_INO64_GEN: can't be opened */
#define TYPE_INVALID 255

struct handle_head { /* struct file_handle without its bytes */
    uint32_t size;
    int32_t type;
};
struct handle_id {
    uint32_t generation, ino_low, ino_high;
};

/* Can a file be found again by its inode's number? */
static bool can_be_found(const struct super_block *sb)
{
    return sb->magic == TMPFS_MAGIC;
}

static struct handle_id handle_of(const struct inode *inode)
{
    return (struct handle_id){.generation = (uint32_t)inode->sb->dev,
                              .ino_low = (uint32_t)inode->ino,
                              .ino_high = (uint32_t)(inode->ino >> 32)};
}

static int mount_id_out(struct task *t, const struct path *p, uaddr_t addr, bool unique)
{
    const uint32_t id = p->mnt ? (uint32_t)p->mnt->id : 0;
    const uint64_t wide = id;
    return unique ? put_user(t->mm, addr, &wide) : put_user(t->mm, addr, &id);
}

static long encode(struct task *t, const struct path *p, uaddr_t handle, uaddr_t mount_id,
                   unsigned flags)
{
    const struct handle_id id = handle_of(p->dentry->inode);
    const bool id_only = flags & AT_HANDLE_FID;
    struct handle_head head;
    if (!id_only && (!p->mnt || !can_be_found(p->dentry->inode->sb))) {
        return -EOPNOTSUPP;
    }
    int r = get_user(t->mm, &head, handle);
    if (r < 0) {
        return r;
    }
    if (head.size > MAX_HANDLE_SZ) {
        return -EINVAL;
    }
    const bool fits = head.size >= sizeof(id);
    head.size = sizeof(id);
    head.type = !fits ? TYPE_INVALID : id_only ? TYPE_ID_ONLY : TYPE_TMPFS;
    r = mount_id_out(t, p, mount_id, flags & AT_HANDLE_MNT_ID_UNIQUE);
    if (r == 0) {
        r = put_user(t->mm, handle, &head);
    }
    if (r == 0 && fits) {
        r = put_user(t->mm, handle + sizeof(head), &id);
    }
    return r < 0 ? r : fits ? 0 : -EOVERFLOW;
}

long sys_name_to_handle_at(struct task *t, int dirfd, uaddr_t pathname, uaddr_t handle,
                           uaddr_t mount_id, int flags)
{
    AUTO_PATH p = {NULL, NULL};
    if (flags & ~HANDLE_FLAGS) {
        return -EINVAL;
    }
    if (flags & AT_HANDLE_CONNECTABLE) {
        /* It would say where the file is, too: no file system here can. */
        return flags & (AT_HANDLE_FID | AT_EMPTY_PATH) ? -EINVAL : -EOPNOTSUPP;
    }
    int r = path_at(t, dirfd, pathname, walk_flags_follow(flags), &p);
    return r < 0 ? r : encode(t, &p, handle, mount_id, (unsigned)flags);
}

/* --- the search --- */

struct folder { /* still to be looked into */
    struct list link;
    struct path path;
};
struct search {
    struct dir_context context; /* first */
    uint64_t ino;
    char *found;         /* owned: its name in the folder that is being read */
    struct strbuf names; /* of folders in it, each with its NUL */
    int error;
};

static bool note_entry(struct dir_context *c, const char *name, size_t size, uint64_t ino,
                       unsigned char type, int64_t next_pos)
{
    struct search *s = container_of(c, struct search, context);
    const bool dots = size <= 2 && memcmp(name, "..", size) == 0;
    c->pos = next_pos;
    if (dots) {
        return true;
    }
    if (ino == s->ino) {
        s->found = strndup(name, size);
        s->error = s->found ? 0 : -ENOMEM;
        return false;
    }
    if (type == DT_DIR) {
        strbuf_add(&s->names, name, size);
        strbuf_addc(&s->names, '\0');
        s->error = s->names.oom ? -ENOMEM : 0;
    }
    return s->error == 0;
}

/* What name in dir leads to, on the same mount. Errors: -ENOENT it is covered, or gone. */
static int child(const struct path *dir, const struct cred *kernel, const char *name,
                 struct path *out)
{
    const struct walk w = {.cred = kernel, .root = dir, .start = dir};
    int r = vfs_lookup(&w, name, out);
    if (r == 0 && out->mnt != dir->mnt) {
        path_put(out);
        r = -ENOENT;
    }
    return r;
}

static int read_folder(const struct path *dir, const struct cred *kernel, struct search *s)
{
    AUTO_PUT(file) f = NULL;
    inode_hold_leases(dir->dentry->inode);
    int r = file_open_path(dir, O_RDONLY | O_DIRECTORY, kernel, &f);
    s->context = (struct dir_context){.emit = note_entry};
    if (r == 0) {
        r = f->ops->readdir(f, &s->context);
    }
    return s->error < 0 ? s->error : r;
}

static int add_folder(struct list *todo, const struct path *dir)
{
    struct folder *next = calloc(1, sizeof(*next));
    if (!next) {
        return -ENOMEM;
    }
    path_copy(&next->path, dir);
    list_add_tail(&next->link, todo);
    return 0;
}

/* Looks into one folder, and notes those in it. Return: 1 found; 0; -errno. */
static int search_folder(const struct path *dir, const struct cred *kernel, struct list *todo,
                         uint64_t ino, struct path *out)
{
    struct search s = {.ino = ino};
    int r = read_folder(dir, kernel, &s);
    if (r == 0 && s.found) {
        r = child(dir, kernel, s.found, out);
        r = r == 0 ? 1 : r == -ENOENT ? 0 : r;
    }
    for (size_t at = 0; r == 0 && at < s.names.size; at += strlen(s.names.text + at) + 1) {
        AUTO_PATH sub = {NULL, NULL};
        if (child(dir, kernel, s.names.text + at, &sub) == 0) {
            r = add_folder(todo, &sub);
        }
    }
    free(s.found);
    strbuf_free(&s.names);
    return r;
}

/* Errors: -ESTALE there is none; -ERESTARTSYS; -ENOMEM. */
static int find(struct task *t, struct mount *m, uint64_t ino, struct path *out)
{
    struct path root = {m, m->root};
    struct list todo;
    struct folder *f;
    struct cred *kernel;
    if (root.dentry->inode->ino == ino) {
        path_copy(out, &root);
        return 0;
    }
    int r = cred_new(&kernel, 0, 0, NULL, 0);
    if (r < 0) {
        return r;
    }
    list_init(&todo);
    r = add_folder(&todo, &root);
    while ((f = list_first_entry(&todo, struct folder, link))) {
        if (r == 0) {
            r = signal_pending(t) ? -ERESTARTSYS : search_folder(&f->path, kernel, &todo, ino, out);
            kthread_yield();
        }
        list_del(&f->link);
        path_put(&f->path);
        free(f);
    }
    cred_put(kernel);
    return r == 0 ? -ESTALE : r < 0 ? r : 0;
}

static int decode(struct task *t, int mount_fd, uaddr_t handle, struct path *out)
{
    AUTO_PUT(file) f = NULL;
    AUTO_PATH at = {NULL, NULL};
    struct handle_head head;
    struct handle_id id;
    int r = get_user(t->mm, &head, handle);
    if (r < 0) {
        return r;
    }
    if (head.size == 0 || head.size > MAX_HANDLE_SZ || head.type < 0 || head.type > 0xffff) {
        return -EINVAL;
    }
    if (mount_fd == AT_FDCWD) {
        path_copy(&at, &t->fs->cwd);
    } else {
        r = file_in(t, mount_fd, &f);
        if (r < 0) {
            return r;
        }
        path_copy(&at, &f->path);
    }
    if (!cred_capable(t->cred, CAP_DAC_READ_SEARCH)) {
        return -EPERM;
    }
    if (head.size < sizeof(id) || head.type != TYPE_TMPFS || !at.mnt || !can_be_found(at.mnt->sb)) {
        return -ESTALE;
    }
    r = get_user(t->mm, &id, handle + sizeof(head));
    if (r < 0) {
        return r;
    }
    if (id.generation != (uint32_t)at.mnt->sb->dev) {
        return -ESTALE;
    }
    return find(t, at.mnt, (uint64_t)id.ino_high << 32 | id.ino_low, out);
}

long sys_open_by_handle_at(struct task *t, int mount_fd, uaddr_t handle, int flags)
{
    AUTO_PATH p = {NULL, NULL};
    AUTO_PUT(file) f = NULL;
    int r = decode(t, mount_fd, handle, &p);
    if (r == 0) {
        r = vfs_open_path(&p, (unsigned)flags & OPEN_FLAGS_KNOWN & ~(unsigned)O_CLOEXEC, t->cred,
                          &f);
    }
    return r < 0 ? r : fd_table_install(t->files, f, 0, fd_limit(t), flags & O_CLOEXEC);
}
