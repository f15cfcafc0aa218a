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

#include "lib/log.h"
#include "sentry/base/timer.h"
#include "sentry/task/notes_internal.h"
#include "sentry/vfs/namei.h"
#include "sentry/vfs/notify.h"
#include "sentry/vfs/vfs.h"

static unsigned g_closed;   /* of all processes: descriptors that are to be closed */
static unsigned g_applying; /* tables */

static struct noted_file *noted(struct file_lease *base)
{
    return container_of(base, struct noted_file, base);
}

/* Room for what may be noted. Return: there is that much. */
static bool reserve(struct noted_file *s, bool on)
{
    int64_t bytes = on ? NOTES_SIZE : -(int64_t)NOTES_SIZE;
    return !(s->rights & NOTE_MAY_WRITE) || s->file->ops->reserve(s->file, bytes) == 0;
}

/* --- applying --- */

static int apply_write(struct file *f, const uint8_t *bytes, size_t size, int64_t when)
{
    struct uio u;
    uio_init_kernel(&u, (void *)(uintptr_t)bytes, size); /* which is only read */
    if (f->flags & O_APPEND) {
        f->pos = f->inode->size;
    }
    if (f->pos > INT64_MAX - (int64_t)NOTES_SIZE) {
        return -EFBIG;
    }
    ssize_t n = f->ops->write(f, &u, &f->pos);
    if (f->noted) {
        noted(f->noted)->pos = f->pos;
    }
    f->inode->mtime_ns = when;
    return n == (ssize_t)size ? 0 : n < 0 ? (int)n : -ENOSPC;
}

static int apply_times(struct file *f, const int64_t *t, int64_t when)
{
    int64_t ns[2];
    for (int i = 0; i < 2; i++) {
        int64_t max = INT64_MAX / NSEC_PER_SEC - 1, sec = MAX(MIN(t[2 * i], max), -max);
        int64_t part = t[2 * i + 1];
        if (part != UTIME_NOW && part != UTIME_OMIT && (part < 0 || part >= NSEC_PER_SEC)) {
            return -EINVAL;
        }
        ns[i] = part == UTIME_NOW    ? when
                : part == UTIME_OMIT ? UTIME_OMIT_NS
                                     : sec * NSEC_PER_SEC + part;
    }
    return vfs_utimes(&f->path, f->cred, ns[0], ns[1]);
}

/* bytes: the guest may change them meanwhile. */
static int apply_one(const struct platform_note *n, const uint8_t *bytes, struct file *f,
                     unsigned rights, int64_t when)
{
    uint64_t words[4] = {0};
    if (n->kind == NOTE_WRITE) {
        return rights & NOTE_MAY_WRITE ? apply_write(f, bytes, n->size, when) : -EPERM;
    }
    memcpy(words, bytes, MIN(n->size, sizeof(words)));
    switch (n->kind) {
    case NOTE_MODE:
        return rights & NOTE_MAY_SET ? vfs_chmod(&f->path, f->cred, words[0] & 0777) : -EPERM;
    case NOTE_OWNER:
        return rights & NOTE_MAY_OWN
                   ? vfs_chown(&f->path, f->cred, (uint32_t)words[0], (uint32_t)words[1])
                   : -EPERM;
    case NOTE_TIMES:
        return rights & NOTE_MAY_SET ? apply_times(f, (const int64_t *)words, when) : -EPERM;
    default:
        return -EINVAL;
    }
}

/* n, of files[slot]. */
static int apply_to_slot(struct note_table *t, const struct platform_note *n, const uint8_t *bytes,
                         int64_t when)
{
    struct noted_file *s = &t->files[n->slot % NOTE_SLOTS];
    const struct made_file *m = &t->made[n->slot % NOTE_SLOTS];
    int r = -EBADF;
    if (n->slot == NOTE_LAST) {
        struct file *last = t->creates.last_made;
        r = last && n->kind == NOTE_TIMES
                ? apply_one(n, bytes, last, notes_rights(t->task, last), when)
                : -EBADF;
        if (r == 0) {
            last->inode->ctime_ns = when;
        }
    } else if (m->file && m->now) {
        r = apply_one(n, bytes, m->file, notes_rights(t->task, m->file), when);
        m->file->inode->ctime_ns = r == 0 ? when : m->file->inode->ctime_ns;
    } else if (s->out && !s->file->inode->lock.owner && !s->file->pos_lock.owner) {
        reserve(s, false);
        r = apply_one(n, bytes, s->file, s->rights, when);
        reserve(s, true);
        s->file->inode->ctime_ns = r == 0 ? when : s->file->inode->ctime_ns;
    }
    return r;
}

static void apply_log(struct note_table *t, size_t size)
{
    /* Who noted something is in no call that uses one of these files; else it is a forgery, and may not make us wait. */
    struct clock_pair now = clock_pair_now();
    struct platform_note n;
    for (size_t at = 0; at + sizeof(n) <= size; at += NOTE_NEXT(n.size)) {
        memcpy(&n, t->notes.log + at, sizeof(n));
        if (n.size > size - at - sizeof(n)) {
            break;
        }
        const uint8_t *bytes = t->notes.log + at + sizeof(n);
        int64_t when = clock_pair_ns(&t->since, &now, n.tsc);
        int r = n.kind == NOTE_CREATE  ? creates_apply(t, n.slot % NOTE_SLOTS, bytes, n.size, when)
                : n.kind == NOTE_CLOSE ? creates_apply_close(t, n.slot % NOTE_SLOTS)
                                       : apply_to_slot(t, &n, bytes, when);
        if (r < 0) {
            log_info("a noted call of kind %u failed: %d", n.kind, r);
        }
    }
}

/* s's process notes nothing more. */
static void not_out(struct noted_file *s)
{
    reserve(s, false);
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
        apply_log(t, logged);
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
    reserve(s, false);
    return reserve(s, true);
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
    bool moved = s->pos != s->file->pos;
    s->pos = s->file->pos;
    return s->flags == s->file->flags && (!moved || moves_positions(nr)) &&
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
                             .pos = f->pos};
    s->base.writes = s->rights & (NOTE_MAY_WRITE | NOTE_MAY_SET | NOTE_MAY_OWN);
    file_lease_init(&s->base, &note_ops, f->inode);
    f->noted = &s->base;
    t->out++;
    return reserve(s, true);
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
        reserve(s, false);
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
