/*
 * The proc file system itself: inodes made from tables, directories, and text files that are a
 * snapshot of the moment when reading them began. Analogous to Linux's fs/proc/{generic,inode,root}.c
 * and fs/seq_file.c. See proc(5).
 */
#include "sentry/procfs/proc.h"

#include <dirent.h>
#include <errno.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/statfs.h>
#include <x86intrin.h>

#include "sentry/fs/fs.h"
#include "sentry/task/usage.h"

#define ROOT_INO 1
/* Directory positions: "." and "..", the table's entries, then the numbers. */
#define POS_CHILDREN 2
#define POS_NUMBERS  256

static const struct inode_ops proc_inode_ops;
static const struct inode_ops proc_link_ops;
static const struct inode_ops proc_magic_ops;

struct task *proc_current(void)
{
    const struct kthread *k = kthread_current();
    struct task *t;
    if (k) {
        list_for_each_entry (t, &g_kernel->tasks, all_link) {
            if (t->kthread == k) {
                return t;
            }
        }
    }
    return NULL;
}

/*
 * Numbers must not change between lookups, since inodes do not stay: so they are made of what the
 * inode is about. Tables are in one object, hence their distance is the same in every process.
 */
static uint64_t proc_ino(const struct proc_entry *e, const struct thread_group *tg,
                         const struct task *task, long number)
{
    if (e == &proc_root_entry) {
        return ROOT_INO;
    }
    uint64_t place = (uint64_t)((const char *)e - (const char *)&proc_root_entry);
    uint64_t h = hash_u64(place + 1);
    h = hash_u64(h ^ (tg ? (uint64_t)tg->pid->nr : 0));
    h = hash_u64(h ^ (task ? (uint64_t)task_tid(task) << 32 : 0));
    return hash_u64(h ^ (uint64_t)number) >> 12 | 1ULL << 32;
}

static const struct inode_ops *ops_of(const struct proc_entry *e)
{
    return !S_ISLNK(e->mode) ? &proc_inode_ops : e->jump ? &proc_magic_ops : &proc_link_ops;
}

/* Who owns what is about a process: itself, or root when others may not look into it. */
static void set_owner(struct proc_inode *pi)
{
    const struct task *t = pi->tg ? proc_task(pi) : NULL;
    bool directory = (pi->entry->mode & 07777) == 0555 && S_ISDIR(pi->entry->mode);
    const struct task *caller = pi->entry->flags & PROC_FDDIR ? proc_current() : NULL;
    if (t && (directory || t->tg->dumpable || (caller && caller->tg == pi->tg))) {
        pi->base.uid = t->cred->euid;
        pi->base.gid = t->cred->egid;
    } else {
        pi->base.uid = pi->base.gid = 0;
    }
}

/* pi: its tg, task and number are set (references are pi's). */
static void proc_inode_setup(struct proc_inode *pi, struct super_block *sb,
                             const struct proc_entry *e)
{
    inode_init(&pi->base, sb, ops_of(e), e->mode, 0, 0);
    pi->entry = e;
    pi->base.ino = proc_ino(e, pi->tg, pi->task, pi->number);
    pi->base.blksize = 1024;
    set_owner(pi);
}

static void proc_free_inode(struct inode *inode)
{
    struct proc_inode *pi = proc_inode_of(inode);
    thread_group_put(pi->tg);
    task_put(pi->task);
    free(pi);
}

static int proc_statfs(struct inode *root, struct statfs *out)
{
    (void)root;
    *out = (struct statfs){
        .f_type = PROC_SUPER_MAGIC, .f_bsize = PAGE_SIZE, .f_namelen = 255, .f_frsize = PAGE_SIZE};
    return 0;
}

static const struct super_ops proc_super_ops = {
    .free_inode = proc_free_inode,
    .statfs = proc_statfs,
};

/* --- directories --- */

static const struct proc_entry *find_child(const struct proc_entry *dir, const struct name *name)
{
    for (size_t i = 0; i < dir->child_count; i++) {
        const struct proc_entry *e = &dir->children[i];
        if (strlen(e->name) == name->size && memcmp(e->name, name->text, name->size) == 0) {
            return e;
        }
    }
    return NULL;
}

/* A name as a number without leading zeros, or -1. */
static long number_of(const struct name *name)
{
    long n = 0;
    if (name->size == 0 || name->size > 10 || (name->size > 1 && name->text[0] == '0')) {
        return -1;
    }
    for (size_t i = 0; i < name->size; i++) {
        if (name->text[i] < '0' || name->text[i] > '9') {
            return -1;
        }
        n = n * 10 + (name->text[i] - '0');
    }
    return n <= INT32_MAX ? n : -1;
}

static int find_number(struct proc_inode *dir, const struct name *name, struct proc_inode *pi)
{
    const struct proc_numbers *numbers = dir->entry->numbers;
    long n = numbers ? number_of(name) : -1;
    if (n < 0) {
        return -ENOENT;
    }
    pi->number = n;
    return numbers->find(dir, n, pi);
}

static int proc_lookup(struct inode *inode, const struct name *name, struct inode **out)
{
    struct proc_inode *dir = proc_inode_of(inode);
    if (!S_ISDIR(inode->mode)) {
        return -ENOTDIR;
    }
    if (dir->tg && !proc_task(dir)) {
        return -ENOENT;
    }
    struct proc_inode *pi = calloc(1, sizeof(*pi));
    if (!pi) {
        return -ENOMEM;
    }
    const struct proc_entry *e = find_child(dir->entry, name);
    if (!e) {
        int err = find_number(dir, name, pi);
        if (err < 0) {
            free(pi);
            return err;
        }
        e = dir->entry->numbers->entry;
    }
    if (!pi->tg && dir->tg) {
        pi->tg = thread_group_get(dir->tg);
        pi->task = dir->task ? task_get(dir->task) : NULL;
    }
    proc_inode_setup(pi, inode->sb, e);
    const struct proc_numbers *numbers = dir->entry->numbers;
    if (numbers && numbers->mode && e == numbers->entry) {
        pi->base.mode = (e->mode & S_IFMT) | numbers->mode(pi);
    }
    *out = &pi->base;
    return 0;
}

static bool emit(struct dir_context *c, const char *name, uint64_t ino, uint32_t mode, int64_t next)
{
    if (!c->emit(c, name, strlen(name), ino, (unsigned char)IFTODT(mode), next)) {
        return false;
    }
    c->pos = next;
    return true;
}

/* The number that directory position pos stands for, as an entry; false: no room. */
static bool emit_number(struct proc_inode *dir, struct dir_context *c, long n)
{
    char name[24];
    snprintf(name, sizeof(name), "%ld", n);
    struct proc_inode probe = {.number = n};
    const struct proc_numbers *numbers = dir->entry->numbers;
    if (numbers->find(dir, n, &probe) < 0) {
        c->pos = POS_NUMBERS + n + 1;
        return true;
    }
    bool own = probe.tg;
    uint64_t ino =
        proc_ino(numbers->entry, own ? probe.tg : dir->tg, own ? probe.task : dir->task, n);
    thread_group_put(probe.tg);
    task_put(probe.task);
    return emit(c, name, ino, numbers->entry->mode, POS_NUMBERS + n + 1);
}

static int proc_readdir(struct file *f, struct dir_context *c)
{
    struct proc_inode *dir = proc_inode_of(f->inode);
    if (dir->tg && !proc_task(dir)) {
        return -ENOENT;
    }
    if (c->pos == 0 && !emit(c, ".", f->inode->ino, S_IFDIR, 1)) {
        return 0;
    }
    if (c->pos == 1) {
        struct dentry *up = f->path.dentry->parent;
        if (!emit(c, "..", up ? up->inode->ino : f->inode->ino, S_IFDIR, POS_CHILDREN)) {
            return 0;
        }
    }
    const struct proc_entry *e = dir->entry;
    for (size_t i = (size_t)(c->pos - POS_CHILDREN); c->pos < POS_NUMBERS && i < e->child_count;
         i++) {
        const struct proc_entry *child = &e->children[i];
        uint64_t ino = proc_ino(child, dir->tg, dir->task, 0);
        if (!emit(c, child->name, ino, child->mode, POS_CHILDREN + (int64_t)i + 1)) {
            return 0;
        }
    }
    c->pos = MAX(c->pos, (int64_t)POS_NUMBERS);
    while (e->numbers) {
        long n = e->numbers->next(dir, (long)(c->pos - POS_NUMBERS));
        if (n < 0 || !emit_number(dir, c, n)) {
            break;
        }
    }
    return 0;
}

static const struct file_ops proc_dir_ops = {.readdir = proc_readdir};

int proc_file_process(const struct file *f, struct task **out)
{
    const struct proc_inode *pi = f->ops == &proc_dir_ops ? proc_inode_of(f->inode) : NULL;
    if (!pi || pi->entry != &proc_pid_entry) {
        return -EBADF;
    }
    struct task *t = proc_task(pi);
    if (!t) {
        return -ESRCH;
    }
    *out = task_get(t);
    return 0;
}

/* --- text files --- */

static ssize_t proc_read(struct file *f, struct uio *dst, int64_t *pos)
{
    struct proc_inode *pi = proc_inode_of(f->inode);
    struct strbuf *text = f->private;
    if (*pos < 0) {
        return -EINVAL;
    }
    if (*pos == 0 || !text->text) {
        AUTO_STRBUF fresh = {0};
        int err = pi->tg && !proc_task(pi) ? -ESRCH : pi->entry->show(pi, &fresh);
        if (err == 0) {
            err = strbuf_error(&fresh);
        }
        if (err < 0) {
            return err;
        }
        strbuf_free(text);
        *text = fresh;
        fresh = (struct strbuf){0};
    }
    if ((uint64_t)*pos >= text->size) {
        return 0;
    }
    ssize_t n = uio_copy_to(dst, text->text + *pos, MIN(text->size - (size_t)*pos, uio_size(dst)));
    if (n > 0) {
        *pos += n;
    }
    return n;
}

static ssize_t proc_write(struct file *f, struct uio *src, int64_t *pos)
{
    struct proc_inode *pi = proc_inode_of(f->inode);
    if (!pi->entry->store) {
        return -EIO;
    }
    AUTO_FREE char *text = malloc(PAGE_SIZE);
    if (!text) {
        return -ENOMEM;
    }
    size_t size = uio_size(src);
    if (size >= PAGE_SIZE) {
        return -EINVAL;
    }
    ssize_t n = size ? uio_copy_from(src, text, size) : 0;
    if (n < 0) {
        return n;
    }
    text[n] = '\0';
    if (pi->tg && !proc_task(pi)) {
        return -ESRCH;
    }
    int err = pi->entry->store(pi, f->cred, text);
    if (err < 0) {
        return err;
    }
    *pos += n;
    return n;
}

static void proc_release(struct file *f)
{
    strbuf_free(f->private);
    free(f->private);
}

static const struct file_ops proc_file_ops = {
    .read = proc_read,
    .write = proc_write,
    .release = proc_release,
};

/* --- inodes --- */

static int check_trace(struct proc_inode *pi, const struct cred *cred)
{
    if (!(pi->entry->flags & PROC_PTRACE)) {
        return 0;
    }
    const struct task *t = proc_task(pi);
    return t ? proc_may_trace(cred, t) : -ESRCH;
}

static int proc_open(struct inode *inode, struct file *f)
{
    struct proc_inode *pi = proc_inode_of(inode);
    int err = check_trace(pi, f->cred);
    if (err < 0) {
        return err;
    }
    if (S_ISDIR(inode->mode)) {
        f->ops = &proc_dir_ops;
        return 0;
    }
    if (pi->entry->ops) {
        f->ops = pi->entry->ops;
        return pi->entry->open(pi, f);
    }
    f->private = calloc(1, sizeof(struct strbuf));
    if (!f->private) {
        return -ENOMEM;
    }
    f->ops = &proc_file_ops;
    return 0;
}

static int proc_getattr(struct inode *inode)
{
    struct proc_inode *pi = proc_inode_of(inode);
    if (pi->tg && !proc_task(pi)) {
        return -ENOENT;
    }
    set_owner(pi);
    if (pi->entry->numbers == &proc_fd_numbers) {
        inode->size = 0;
        for (long fd = -1; (fd = proc_fd_numbers.next(pi, fd + 1)) >= 0;) {
            inode->size++;
        }
    }
    return 0;
}

/* Truncating is what a shell does before it writes: it means nothing here. Modes and owners are fixed. */
static int proc_setattr(struct inode *inode, const struct inode_attr *attr)
{
    (void)inode;
    return attr->valid & (ATTR_MODE | ATTR_UID | ATTR_GID) ? -EPERM : 0;
}

static int proc_permission(struct inode *inode, const struct cred *cred, int may)
{
    (void)cred;
    (void)may;
    struct proc_inode *pi = proc_inode_of(inode);
    return pi->tg && !proc_task(pi) ? -ESRCH : 0;
}

static int proc_readlink(struct inode *inode, char **out)
{
    struct proc_inode *pi = proc_inode_of(inode);
    struct strbuf text = {0};
    int err = pi->tg && !proc_task(pi) ? -ENOENT : 0;
    const struct task *caller = proc_current();
    if (err == 0 && caller) {
        err = check_trace(pi, caller->cred);
    }
    if (err == 0) {
        err = pi->entry->link(pi, &text);
    }
    if (err == 0) {
        strbuf_addc(&text, '\0');
        err = strbuf_error(&text);
    }
    if (err < 0) {
        strbuf_free(&text);
        return err;
    }
    *out = text.text;
    return 0;
}

static int proc_get_link_path(struct inode *inode, const struct cred *cred, struct path *out)
{
    struct proc_inode *pi = proc_inode_of(inode);
    if (!proc_task(pi)) {
        return -ENOENT;
    }
    int err = check_trace(pi, cred);
    return err < 0 ? err : pi->entry->jump(pi, out);
}

/* New names are not refused but never found, as in Linux, where even looking them up fails. */
static int proc_create(struct inode *dir, const struct name *name, uint32_t mode,
                       const struct cred *cred, struct inode **out)
{
    (void)dir, (void)name, (void)mode, (void)cred, (void)out;
    return -ENOENT;
}

static int proc_mknod(struct inode *dir, const struct name *name, uint32_t mode, dev_t rdev,
                      const struct cred *cred, struct inode **out)
{
    (void)dir, (void)name, (void)mode, (void)rdev, (void)cred, (void)out;
    return -ENOENT;
}

static int proc_symlink(struct inode *dir, const struct name *name, const char *target,
                        const struct cred *cred, struct inode **out)
{
    (void)dir, (void)name, (void)target, (void)cred, (void)out;
    return -ENOENT;
}

static const struct inode_ops proc_inode_ops = {
    .lookup = proc_lookup,
    .create = proc_create,
    .mkdir = proc_create,
    .mknod = proc_mknod,
    .symlink = proc_symlink,
    .getattr = proc_getattr,
    .setattr = proc_setattr,
    .open = proc_open,
    .permission = proc_permission,
};
static const struct inode_ops proc_link_ops = {
    .readlink = proc_readlink,
    .getattr = proc_getattr,
    .setattr = proc_setattr,
};
static const struct inode_ops proc_magic_ops = {
    .readlink = proc_readlink,
    .get_link_path = proc_get_link_path,
    .getattr = proc_getattr,
    .setattr = proc_setattr,
};

int procfs_new(struct super_block **out)
{
    struct super_block *sb;
    int err = super_new(&sb, &proc_super_ops, "proc", PROC_SUPER_MAGIC);
    if (err < 0) {
        return err;
    }
    sb->flags = SB_NO_DCACHE;
    struct proc_state *state = calloc(1, sizeof(*state));
    struct proc_inode *root = calloc(1, sizeof(*root));
    if (!root || !state) {
        free(root);
        free(state);
        super_put(sb);
        return -ENOMEM;
    }
    proc_make_uuid(state->boot_id);
    state->tsc_start = __rdtsc();
    state->tsc_start_ns = ktime_monotonic_ns();
    sb->private = state;
    proc_inode_setup(root, sb, &proc_root_entry);
    err = dentry_new_root(sb, &root->base, &sb->root);
    if (err < 0) {
        super_put(sb);
        return err;
    }
    *out = sb;
    return 0;
}
