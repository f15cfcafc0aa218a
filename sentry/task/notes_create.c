/*
 * Files that a process makes by noting it (platform/notes.h): after its first two in a directory of a memory file system it gets a
 * grant, and makes the next ones without asking, each with an fd that is free. That is an archive being unpacked, or a checkout.
 *
 *      the process                              here
 *      open(O_CREAT), twice                     a grant: the directory's lease, the way to it, a filter of its names
 *      open(O_CREAT) of a name that is not
 *        in the filter: NOTE_CREATE
 *      write, fchmod ... : more notes
 *      close: NOTE_CLOSE
 *      its next request, "there are notes"      all of it happens
 *      a request while such a file is open      the file has its slot, and then its fd, behind all that was closed (creates_adopt)
 *
 *      another task looks a name up in the      the grant ends, and all notes are applied, before it finds anything (dentry_lookup,
 *      directory, or at the directory           inode_take_notes)
 *
 * Why the result is certain. While the grant is out no one but the process makes names in the directory; what it makes by calls is
 * put into the filter, or ends the grant (creates_hold compares the directory). So what the filter lacks is not there, and
 * stat, access and unlink of it are ENOENT without a trip. The way is watched by stamps, as that of a kept lookup; rights of the directory are
 * changed by who looks at it. Inodes and pages are reserved, and the process has one such file open at a time. Nobody keeps a lookup in the
 * directory meanwhile: what others had ends with a stamp as the grant begins, and the process's own walks there are unsteady.
 *
 * Nothing sleeps in the middle of a change of the directory while the grant is out, so files are made without its lock: all
 * changes begin with a lookup under the lock, which ends the grant, and the grant is not given while the lock is held.
 *
 * A forged note is an open(O_CREAT|O_EXCL) by a name in a directory where the process has made a file, with its own
 * credentials, and checked again.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "sentry/task/facts.h"
#include "sentry/task/notes_internal.h"
#include "sentry/vfs/namei.h"
#include "sentry/vfs/notify.h"
#include "sentry/vfs/stamp.h"

#define NAMES_MAX 400 /* in the directory: the filter tells little of more */
/* Grants in a row that were of no use: each doubles how many files are made by asking before the next. */
#define VAIN_MAX 6u
/* Files, and pages for the bytes of one log, and for those that follow in the slot of one that stays open. */
#define ROOM ((int)(NOTE_CREATES_MAX + 2 * (NOTES_SIZE / 4096 + 1)))

static struct platform_creates *page_of(const struct note_table *t)
{
    return &t->table->page->creates;
}

/* --- the grant's life --- */

static void end(struct file_lease *base)
{
    struct create_grant *g = container_of(base, struct create_grant, base);
    int r = g->dir.dentry->inode->ops->reserve_names(g->dir.dentry->inode, -ROOM);
    (void)r; /* there is more than before */
    page_of(g->table)->granted = 0;
    g->pays = g->used > 1;
    g->vain = g->used > 0 ? 0 : MIN(g->vain + 1u, VAIN_MAX);
    g->left_out = (1U << g->vain) - 1;
    g->out = false;
}

static void take_over(struct file_lease *base)
{
    notes_take(container_of(base, struct create_grant, base)->table, NOTES_NO_CREATES);
}

static void looked_at(struct file_lease *base)
{
    struct note_table *t = container_of(base, struct create_grant, base)->table;
    if (!t->creates.out || t->applying) {
        return;
    }
    if (task_current() == t->task) {
        t->recheck = true; /* it notes nothing meanwhile */
        return;
    }
    file_lease_end(base);
}

static void fd_closed(struct file_lease *base, struct file *f, const struct fd_table *files, int fd)
{
    (void)base, (void)f, (void)files, (void)fd; /* it belongs to no fd */
}

static void drop(struct file_lease *base)
{
    struct create_grant *g = container_of(base, struct create_grant, base);
    path_put(&g->dir);
    cred_put(g->cred);
    g->cred = NULL;
}

static const struct file_lease_ops create_ops = {.take_over = take_over,
                                                 .end = end,
                                                 .looked_at = looked_at,
                                                 .fd_closed = fd_closed,
                                                 .free = drop};

bool lease_is_create(const struct file_lease *l)
{
    return l->ops == &create_ops;
}

bool notes_may_create(const struct lease_table *table)
{
    return table->notes && table->notes->creates.out;
}

void notes_end_creates(struct lease_table *table)
{
    if (notes_may_create(table)) {
        file_lease_end(&table->notes->creates.base);
    }
}

bool creates_hold(const struct note_table *t, const struct task *task)
{
    const struct create_grant *g = &t->creates;
    return g->cred == task->cred && task->tg->live_threads == 1 && !g_vfs_notify &&
           inode_mark_holds(&g->mark, g->dir.dentry->inode);
}

/* --- applying --- */

static void forget_last(struct create_grant *g)
{
    if (g->last_made) {
        file_put(take(&g->last_made));
    }
}

void creates_begin(struct note_table *t)
{
    struct inode *dir = t->creates.out ? t->creates.dir.dentry->inode : NULL;
    int r = dir ? dir->ops->reserve_names(dir, -ROOM) : 0;
    (void)r; /* there is more than before */
    t->creates.in_log = 0;
}

unsigned creates_done(struct note_table *t)
{
    struct create_grant *g = &t->creates;
    unsigned unfit = 0;
    forget_last(g);
    for (unsigned i = 0; i < NOTE_SLOTS; i++) {
        struct made_file *m = &t->made[i];
        if (m->file && m->now) {
            unsigned rights = notes_rights(t->task, m->file) & g->rights;
            m->now = false;
            bool room = notes_give_slot(t, i, m->file, m->fd, rights);
            bool fit = room && rights == g->rights && notes_unseen(t->task, m->file, 1);
            unfit |= fit ? 0 : 1U << i;
            t->revoked &= ~(1UL << i);
            __atomic_fetch_and(t->notes.word, ~(1UL << (NOTES_REVOKED_SHIFT + i)),
                               __ATOMIC_SEQ_CST);
            t->table->closes.waiting = true;
        }
    }
    if (g->out) {
        struct inode *dir = g->dir.dentry->inode;
        g->mark = inode_mark(dir);
        unfit |= dir->ops->reserve_names(dir, ROOM) < 0 ? 1U << NOTE_SLOTS : 0;
    }
    return unfit;
}

static bool is_plain_name(const struct name *name)
{
    bool dots =
        name->text[0] == '.' && (name->size == 1 || (name->size == 2 && name->text[1] == '.'));
    return !dots && !memchr(name->text, '/', name->size) && !memchr(name->text, 0, name->size);
}

/* May slot have a file that is made now? */
static bool is_free(const struct note_table *t, unsigned slot)
{
    for (unsigned i = 0; i < NOTE_SLOTS; i++) {
        if (t->made[i].file && (t->made[i].now || i == slot)) {
            return false;
        }
    }
    return t->creates.out && t->creates.in_log < NOTE_CREATES_MAX && !t->files[slot].out &&
           !t->files[slot].closed;
}

int creates_apply(struct note_table *t, unsigned slot, const uint8_t *bytes, size_t size,
                  int64_t when)
{
    struct platform_note_create c;
    char text[NAME_SIZE_MAX];
    struct create_grant *g = &t->creates;
    if (!is_free(t, slot)) {
        return -EPERM;
    }
    if (size <= sizeof(c) || size - sizeof(c) > sizeof(text)) {
        return -EINVAL;
    }
    memcpy(&c, bytes, sizeof(c));
    memcpy(text, bytes + sizeof(c), size - sizeof(c));
    const struct name name = {text, size - sizeof(c)};
    unsigned access = c.flags & O_ACCMODE;
    if (!is_plain_name(&name) || c.flags & ~NOTE_CREATE_FLAGS || !(c.flags & O_CREAT) ||
        (access != O_WRONLY && access != O_RDWR) || c.mode & ~0777) {
        return -EINVAL;
    }
    struct made_file *m = &t->made[slot];
    int r = vfs_create_at_once(&g->dir, &name, c.flags & ~(unsigned)O_CLOEXEC, c.mode, g->cred,
                               &m->file);
    if (r < 0) {
        m->file = NULL;
        return r;
    }
    forget_last(g);
    g->last_made = file_get(m->file);
    m->fd = c.fd;
    m->cloexec = c.flags & O_CLOEXEC;
    m->now = true;
    g->in_log++;
    g->used++;
    struct inode *inode = m->file->inode, *dir = g->dir.dentry->inode;
    inode->atime_ns = inode->mtime_ns = inode->ctime_ns = inode->btime_ns = when;
    dir->mtime_ns = dir->ctime_ns = when;
    return 0;
}

int creates_apply_close(struct note_table *t, unsigned slot)
{
    struct made_file *m = &t->made[slot];
    if (!m->file || !m->now) {
        return -EBADF;
    }
    file_put(take(&m->file));
    return 0;
}

bool creates_forget(struct note_table *t, const struct file *f)
{
    for (unsigned i = 0; i < NOTE_SLOTS; i++) {
        if (t->made[i].file == f) {
            file_lease_end(f->noted);
            file_put(take(&t->made[i].file));
            return true;
        }
    }
    return false;
}

void creates_adopt(struct note_table *t)
{
    for (unsigned i = 0; i < NOTE_SLOTS; i++) {
        struct made_file *m = &t->made[i];
        if (!m->file || m->now) {
            continue;
        }
        struct fd_table *files = t->table->closes.table;
        if ((!files || !fd_table_adopt(files, m->fd, m->file, m->cloexec)) && m->file->noted) {
            file_lease_end(m->file->noted); /* no stub of ours did that */
        }
        file_put(take(&m->file));
    }
}

/* --- granting --- */

static void put_name(void *to, const struct name *name)
{
    platform_creates_add(to, platform_create_hash(name->text, name->size));
}

/* The way to the directory, as the process writes it. Return: false when it can't be kept. */
static bool describe(const struct task *task, const struct name_lookup *l, const struct file *f,
                     struct platform_creates *c)
{
    const struct dentry *d = f->path.dentry;
    size_t size = strlen(l->text), prefix = size - MIN(size, (size_t)d->name_size);
    const struct walk_trace *trace = &l->trace;
    if (trace->unsteady || trace->last_link || trace->count == 0 ||
        trace->names[trace->count - 1] != stamp_of_name(d->parent->inode, d->name, d->name_size) ||
        size >= sizeof(c->path) || memcmp(l->text + prefix, d->name, size - prefix) != 0 ||
        (prefix > 0 && l->text[prefix - 1] != '/')) {
        return false;
    }
    *c = (struct platform_creates){.prefix = (uint32_t)prefix, .since = trace->since};
    memcpy(c->path, l->text, prefix);
    c->dirfd = l->text[0] == '/' ? (uint32_t)AT_FDCWD : lease_directory_key(task, l->dirfd);
    bool keyed = c->dirfd != (uint32_t)AT_FDCWD && c->dirfd & NAME_KEY;
    c->deps[0] = c->dirfd == (uint32_t)AT_FDCWD ? stamp_of_id(task->fs->cwd_stamp)
                 : keyed                        ? 0
                                                : stamp_of_fd(fd_table_id(task->files), l->dirfd);
    c->deps[1] = stamp_of_id(task->fs->root_stamp);
    memcpy(c->deps + 2, trace->names, (trace->count - 1U) * sizeof(trace->names[0]));
    return true;
}

static void grant(struct task *task, struct note_table *t, const struct name_lookup *l,
                  struct file *f)
{
    struct create_grant *g = &t->creates;
    struct inode *dir = f->path.dentry->parent->inode;
    struct platform_creates c, *to = page_of(t);
    if (!dir->ops->reserve_names || !dir->ops->each_name || dir->lock.owner ||
        !(dir->sb->flags & SB_STEADY) || dir->nlink == 0 || !describe(task, l, f, &c) ||
        !dir->ops->each_name(dir, NAMES_MAX, put_name, &c)) {
        return;
    }
    lease_open_offer(task);
    if (t->table->page->open_limit == 0 || !facts_know_umask(task)) {
        return;
    }
    int r = dir->ops->reserve_names(dir, ROOM);
    if (r < 0) {
        r = dir->ops->reserve_names(dir, -ROOM);
        return;
    }
    g->table = t;
    g->dir = (struct path){.mnt = f->path.mnt ? mount_get(f->path.mnt) : NULL,
                           .dentry = dentry_get(f->path.dentry->parent)};
    g->cred = cred_get(task->cred);
    g->since = c.since;
    memcpy(g->deps, c.deps, sizeof(g->deps));
    g->mark = inode_mark(dir);
    g->rights = notes_rights(task, f) & ~(unsigned)NOTE_READABLE;
    g->used = 0;
    g->out = true;
    g->base = (struct file_lease){.writes = true};
    file_lease_init(&g->base, &create_ops, dir);
    missing_changed(dir); /* what is kept about it does not see what the process notes */
    inode_changed(dir);
    t->cred = task->cred;
    t->table->closes.waiting = true;
    c.rights = g->rights;
    *to = c;
    t->revoked &= ~NOTES_NO_CREATES;
    notes_take(t, 0);
    __atomic_store_n(&to->granted, 1, __ATOMIC_SEQ_CST);
}

void notes_created(struct task *task, const struct name_lookup *l, struct file *f)
{
    struct platform_stamps *stamps = platform_stamps();
    const struct dentry *dir = f->path.dentry->parent;
    if (!stamps || !dir || !f->ops->reserve || task->tg->live_threads != 1 ||
        !notes_unseen(task, f, 2)) {
        return;
    }
    struct note_table *t = notes_table(task);
    if (!t || lease_open_table(task) != t->table) {
        return;
    }
    struct create_grant *g = &t->creates;
    if (g->out && g->dir.dentry == dir && g->dir.mnt == f->path.mnt && g->cred == task->cred &&
        stamps_hold(g->since, g->deps, NAME_DEPS)) {
        const struct name name = {f->path.dentry->name, f->path.dentry->name_size};
        put_name(page_of(t), &name);
        g->mark = inode_mark(dir->inode);
        return;
    }
    bool began = g_stamps;
    stamps_start((struct stamps *)stamps);
    notes_end_creates(t->table);
    bool again = g->last == dir;
    g->last = dir;
    if (again && g->left_out > 0) {
        g->left_out--;
    } else if (began && (again || g->pays)) {
        grant(task, t, l, f);
    }
}
