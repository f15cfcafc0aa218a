/*
 * Noted calls (platform/notes.h): what a process does to a file that it has just opened, without asking. It makes sense where the
 * result is certain, and nobody else sees the file before we have read the notes:
 *
 *      open        that makes a file in a directory where nobody else looks: notes_create.c
 *      close       of a memory file, which nobody notices
 *      write, fchmod, fchown, utimensat
 *                  of a memory file that this open has made: all others come to it later than we give the right, and by a
 *                  path or descriptor that leads through inode_hold_leases. Room for the bytes is reserved
 *
 *      the process                          here
 *      open                                 a slot; the reply says so
 *      notes ...
 *      its next request, "there are notes"  they are applied before it is served
 *
 *      another task looks at the inode      the slot is revoked, and all notes are applied; a file that was closed is one
 *                                           writer less, and its descriptor goes at the end of that call
 *      another task looks at the fd table   the same for all slots (fd_table_bind)
 *
 * A forged note is as good as the call that it stands for, on a file that the process has open: it is checked again as
 * it is applied. What could see a close or makes a result uncertain ends the right: locks, watches, other credentials,
 * a file size limit, another thread or process with the same descriptors, a file without a name.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "sentry/base/timer.h"
#include "sentry/task/notes_internal.h"
#include "sentry/vfs/namei.h"
#include "sentry/vfs/notify.h"
#include "sentry/vfs/vfs.h"

static unsigned g_closed;   /* of all processes: descriptors that are to be closed */
static unsigned g_applying; /* tables */

/* s's process notes nothing more. */
static void not_out(struct noted_file *s)
{
    notes_reserve(s, false);
    s->out = false;
    s->table->out--;
    s->table->places &= ~(1U << s->place >> 1);
}

/* s's process has closed it. */
static void note_closed(struct noted_file *s)
{
    struct note_table *t = s->table;
    struct file *f = s->file;
    not_out(s);
    if (creates_forget(t, f)) {
        return;
    }
    s->closed = true;
    t->closed++;
    g_closed++;
    t->table->closes.waiting = true;
    if (f->counted_writer && f->ref.n == 1) { /* who executes it does not look at descriptors */
        f->counted_writer = false;
        inode_put_write(f->inode);
    }
}

void notes_take(struct note_table *t, uint64_t revoke)
{
    t->revoked |= revoke;
    t->generation += NOTES_GENERATION;
    uint64_t word = t->generation | NOTES_BUSY | t->revoked << NOTES_REVOKED_SHIFT;
    word = __atomic_exchange_n(t->notes.word, word, __ATOMIC_SEQ_CST);
    size_t logged = MIN(word & NOTES_LOGGED, (uint64_t)NOTES_SIZE);
    t->applying = true;
    g_applying++;
    creates_begin(t);
    if (logged) {
        notes_apply_log(t, logged);
    }
    for (unsigned i = 0; i < NOTE_SLOTS; i++) {
        if (t->files[i].out && word >> (NOTES_CLOSED_SHIFT + i) & 1) {
            note_closed(&t->files[i]);
        }
    }
    unsigned unfit = creates_done(t);
    __atomic_fetch_and(t->notes.word, ~NOTES_BUSY, __ATOMIC_SEQ_CST);
    g_applying--;
    t->applying = false;
    for (; unfit; unfit &= unfit - 1) {
        unsigned i = (unsigned)__builtin_ctz(unfit);
        file_lease_end(i < NOTE_SLOTS ? &t->files[i].base : &t->creates.base);
    }
}

/* --- the slot's life --- */

static void end(struct file_lease *base)
{
    struct noted_file *s = noted(base);
    s->file->noted = NULL;
    if (s->out) {
        not_out(s);
    }
}

static void take_over(struct file_lease *base)
{
    struct noted_file *s = noted(base);
    if (s->out) {
        notes_take(s->table, 1UL << (s - s->table->files));
    }
}

static void drop_closed(struct note_table *t)
{
    for (unsigned i = 0; i < NOTE_SLOTS && t->closed; i++) {
        struct noted_file *s = &t->files[i];
        if (s->closed) {
            s->closed = false;
            t->closed--;
            g_closed--;
            file_lease_end(&s->base);
            if (t->table->closes.table) {
                fd_table_drop(t->table->closes.table, s->fd, s->file);
            }
        }
    }
}

/* Of a file that was closed only the descriptor is left, which the kernel closes in its own time. */
static void looked_at(struct file_lease *base)
{
    struct noted_file *s = noted(base);
    struct note_table *t = s->table;
    if (!s->out || t->applying) {
        return;
    }
    if (task_current() == t->task) {
        s->recheck = t->recheck = true; /* it notes nothing meanwhile */
        return;
    }
    file_lease_end(base);
}

static void fd_closed(struct file_lease *base, struct file *f, const struct fd_table *files, int fd)
{
    struct noted_file *s = noted(base);
    (void)f;
    const struct fd_table *own = s->table->table->closes.table;
    if ((files == own || !own) && fd == s->fd) {
        file_lease_end(base);
        if (s->closed) { /* noted, while somebody else was closing it */
            s->closed = false;
            s->table->closed--;
            g_closed--;
        }
    }
}

static void stays(struct file_lease *base)
{
    (void)base; /* a part of the table */
}

static const struct file_lease_ops note_ops = {.take_over = take_over,
                                               .end = end,
                                               .looked_at = looked_at,
                                               .fd_closed = fd_closed,
                                               .free = stays};

bool lease_is_note(const struct file_lease *l)
{
    return l->ops == &note_ops;
}

void notes_give_way(struct inode *inode)
{
    struct file_lease *l, *next;
    list_for_each_entry_safe (l, next, &inode->leases, inode_link) {
        if (l->writes && (lease_is_note(l) || lease_is_create(l))) {
            file_lease_end(l);
        }
    }
}

/* --- when --- */

void notes_drop_closed(struct lease_table *table)
{
    if (table->notes) {
        drop_closed(table->notes);
    }
}

/* Somebody looks at the process's descriptors. */
void notes_settle(struct lease_table *table)
{
    struct note_table *t = table->notes;
    if ((t->out || t->creates.out) && task_current() != t->task) {
        notes_end_all(table);
    }
    drop_closed(t);
}

void notes_end_all(struct lease_table *table)
{
    struct note_table *t = table->notes;
    if (t && (t->out || t->creates.out)) {
        notes_take(t, (1UL << NOTE_SLOTS) - 1);
        if (t->creates.out) {
            file_lease_end(&t->creates.base);
        }
        for (unsigned i = 0; i < NOTE_SLOTS; i++) {
            if (t->files[i].out) {
                file_lease_end(&t->files[i].base);
            }
        }
    }
}

void notes_end(struct task *task)
{
    if (task->mm && task->mm->leases) {
        notes_end_all(task->mm->leases);
    }
}

void notes_replied(struct lease_table *table)
{
    if (table->notes) {
        table->notes->told = 0; /* with the reply the process clears its bits */
    }
}

void notes_new_thread(struct lease_table *table)
{
    notes_end_all(table);
    if (table->notes && !table->notes->closed) {
        table->notes->task =
            NULL; /* who will be the last one is not known; it may end before that */
    }
}

bool notes_are_out(const struct lease_table *table)
{
    const struct note_table *t = table->notes;
    return t && (t->out || t->closed || t->creates.out);
}

bool notes_are_applied(void)
{
    return g_applying > 0;
}

void notes_free(struct lease_table *table)
{
    if (table->notes) {
        notes_end_all(table);
        drop_closed(table->notes);
        creates_adopt(table->notes);
        free(take(&table->notes));
    }
}

void notes_told(struct task *task, uint32_t told)
{
    struct note_table *t = task->mm && task->mm->leases ? task->mm->leases->notes : NULL;
    if (!t || t->task != task || !t->table->closes.table) {
        return;
    }
    unsigned closed = told & NOTES_TOLD_CLOSED;
    t->told = 0;
    if (told & NOTES_TOLD_LOG) {
        notes_take(t, 0);
        lease_settle(t->table); /* what was made, and stays open */
    } else {
        for (; closed; closed &= closed - 1) {
            unsigned i = (unsigned)__builtin_ctz(closed);
            if (t->files[i].out) {
                t->told |= 1U << i;
                note_closed(&t->files[i]);
            }
        }
    }
    drop_closed(t);
}

bool notes_unseen(const struct task *task, const struct file *f, uint32_t refs)
{
    return list_empty(&f->inode->locks) && f->inode->nlink > 0 && !g_vfs_notify &&
           !(f->inode->mode & (S_ISUID | S_ISGID)) && f->cred == task->cred && f->ref.n == refs;
}

static bool has_room(struct noted_file *s)
{
    notes_reserve(s, false);
    return notes_reserve(s, true);
}

/* --- attributes --- */

#define STAT_CREDIT 64 /* files for one question */

/* What fstat says goes to the process, which is in a system call. Return: it may have it. */
static bool put_stat(struct noted_file *s)
{
    struct stat st;
    struct file *f = s->file;
    const struct inode *i = f->inode;
    if (i->i_flags & INODE_UNSTEADY || !f->ops->steady || !f->ops->steady(f) ||
        vfs_stat_leased(&f->path, &st) < 0) {
        return false;
    }
    s->stat_of = inode_mark(i);
    memcpy(s->table->notes.stats[s->place - 1].stat, &st, sizeof(s->table->notes.stats->stat));
    return true;
}

/* s is about to be given. */
static void give_stat(struct note_table *t, struct noted_file *s)
{
    const struct file_lease *l;
    unsigned place = (unsigned)__builtin_ctz(~t->places);
    if (t->stat_credit == 0 || place >= NOTE_PLACES) {
        return;
    }
    list_for_each_entry (l, &s->file->inode->leases, inode_link) {
        if (l->writes && l != &s->base) {
            return; /* somebody changes them without telling */
        }
    }
    s->place = place + 1;
    if (put_stat(s)) {
        t->stat_credit--;
        t->places |= 1U << place;
    } else {
        s->place = 0;
    }
}

static bool moves_positions(long nr)
{
    switch (nr) {
    case SYS_read:
    case SYS_write:
    case SYS_readv:
    case SYS_writev:
    case SYS_preadv2:
    case SYS_pwritev2:
    case SYS_lseek:
        return true;
    default:
        return false;
    }
}

/* The process has used s in call nr. Return: it knows all that it needs. */
static bool is_up_to_date(struct noted_file *s, long nr)
{
    bool moved = s->pos != s->file->pos, resized = s->size != s->file->inode->size;
    s->pos = s->file->pos;
    s->size = s->file->inode->size;
    return s->flags == s->file->flags && (!moved || moves_positions(nr)) &&
           (!resized || moves_positions(nr) || nr == SYS_pwrite64) && nr != SYS_fallocate &&
           (!s->place || inode_mark_holds(&s->stat_of, s->file->inode) || put_stat(s));
}

static bool asks_for_stat(const struct task *task, long nr)
{
    return nr == SYS_fstat || (nr == SYS_newfstatat && (int)task->syscall_args[3] & AT_EMPTY_PATH);
}

void notes_call_done(struct task *task, long nr)
{
    struct note_table *t = task->mm && task->mm->leases ? task->mm->leases->notes : NULL;
    if (t && (t->out || t->creates.out) && t->task == task &&
        (t->recheck || t->cred != task->cred)) {
        t->recheck = false;
        if (t->creates.out && !creates_hold(t, task)) {
            file_lease_end(&t->creates.base);
        }
        t->stat_credit = asks_for_stat(task, nr) ? STAT_CREDIT : t->stat_credit;
        for (unsigned i = 0; i < NOTE_SLOTS; i++) {
            struct noted_file *s = &t->files[i];
            if (s->out &&
                !(notes_unseen(task, s->file, 1) && has_room(s) && is_up_to_date(s, nr))) {
                file_lease_end(&s->base);
            }
        }
    }
    if (unlikely(g_closed)) {
        lease_drop_closed();
    }
}

struct note_table *notes_table(struct task *task)
{
    struct lease_table *table = lease_table_of(task);
    if (!table || !table->closes.table) {
        return NULL;
    }
    struct note_table *t = table->notes;
    if (!t) {
        t = calloc(1, sizeof(*t));
        if (!t || !platform_notes(task->pt, &t->notes)) {
            free(t);
            return NULL;
        }
        t->task = task;
        t->table = table;
        t->since = clock_pair_now();
        table->notes = t;
    }
    if (t->task != task) { /* the one that is left of several threads */
        if (t->out || t->closed || t->creates.out || !platform_notes(task->pt, &t->notes)) {
            return NULL;
        }
        t->task = task;
        t->revoked =
            (1UL << NOTE_SLOTS) - 1 + NOTES_NO_CREATES; /* its channel's word is whatever it is */
        t->told = 0;
    }
    return t;
}

static int free_slot(struct note_table *t)
{
    for (unsigned n = 1; n <= NOTE_SLOTS; n++) {
        unsigned i = (t->last + n) % NOTE_SLOTS;
        if (!t->files[i].out && !t->files[i].closed && !(t->told >> i & 1)) {
            return (int)i;
        }
    }
    return -1;
}

unsigned notes_rights(const struct task *task, const struct file *f)
{
    unsigned rights = NOTE_MAY_CLOSE | (file_readable(f) ? NOTE_READABLE : 0) |
                      (f->pos == 0 && !(f->flags & O_APPEND) ? NOTE_POSITION : 0);
    if (f->created && file_writable(f)) {
        rights |= lease_may_have(task, f) ? NOTE_MAY_WRITE : 0;
        if (inode_owner_or_capable(f->inode, task->cred)) {
            rights |= NOTE_MAY_SET;
        }
        if (cred_capable(task->cred, CAP_CHOWN) && cred_capable(task->cred, CAP_FOWNER)) {
            rights |= NOTE_MAY_OWN;
        }
    }
    return rights;
}

bool notes_give_slot(struct note_table *t, unsigned slot, struct file *f, int fd, unsigned rights)
{
    struct noted_file *s = &t->files[slot];
    *s = (struct noted_file){.table = t,
                             .file = f,
                             .fd = fd,
                             .flags = f->flags,
                             .rights = rights,
                             .out = true,
                             .pos = f->pos,
                             .size = f->inode->size};
    s->base.writes = s->rights & (NOTE_MAY_WRITE | NOTE_MAY_SET | NOTE_MAY_OWN);
    file_lease_init(&s->base, &note_ops, f->inode);
    f->noted = &s->base;
    t->out++;
    return notes_reserve(s, true);
}

void notes_consider(struct task *task, struct file *f, int fd)
{
    if (!f->ops->reserve || !S_ISREG(f->inode->mode) || f->flags & (O_PATH | O_DIRECT) ||
        f->noted || task->tg->live_threads != 1 || !notes_unseen(task, f, 2)) {
        return;
    }
    struct note_table *t = notes_table(task);
    int slot = t ? free_slot(t) : -1;
    if (slot < 0) {
        return;
    }
    bool room = notes_give_slot(t, (unsigned)slot, f, fd, notes_rights(task, f));
    struct noted_file *s = &t->files[slot];
    if (!room) {
        notes_reserve(s, false);
        s->rights &= ~NOTE_MAY_WRITE;
    }
    give_stat(t, s);
    t->last = (unsigned)slot;
    t->cred = task->cred;
    t->table->closes.waiting = true;
    if (t->revoked >> slot & 1) {
        t->revoked &= ~(1UL << slot);
        notes_take(t, 0);
    }
    platform_grant_notes(task->pt, (unsigned)slot, s->rights | s->place << NOTE_PLACE_SHIFT, fd);
}
