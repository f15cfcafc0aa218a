/*
 * Leased regular files: mapped into the stub, which from then on reads, writes, seeks and stats them by itself
 * (platform/stub/files.c): 100 ns for 4 KiB instead of microseconds.
 *
 * The lease covers the bytes, the position and the size. While it runs, they are what the lease page says; the
 * page is the guest's to write, so each value is cut to what its process could have done with system calls: a
 * position is any number >= 0, a size at most the mapping's. The wall is what is mapped: only files that
 * the process has open with the right to read them, writable only if it has that right.
 *
 * A write's time is taken from the time stamp counter that the stub noted, between two readings of ours.
 */
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "lib/host.h"
#include "sentry/base/timer.h"
#include "sentry/task/lease_internal.h"
#include "sentry/vfs/notify.h"
#include "sentry/vfs/stamp.h"
#include "sentry/vfs/vfs.h"

/*
 * Files that are written, closed and forgotten (a journal, an object file) do not earn what their leases cost: each lease that
 * ended after fewer uses than USES_MIN doubles what the next one asks for, up to WORTH_MAX calls.
 */
#define USES_MIN  24
#define WORTH_MAX 64
#define LARGE                                                                                      \
    (256L                                                                                          \
     << 10) /* such a file is not one of them, unless it is mapped: each mmap ends its leases */
#define HEATING   (32L << 10)  /* bytes written that count as one more call: they cost as much */
#define FILL_FROM (512L << 10) /* bytes of a file that its writer may fill by itself */

_Static_assert(LEASE_FILE_MAX == LEASE_BYTES_MAX, "the file systems' limit is the platform's");

static struct regular_lease *regular(struct file_lease *base)
{
    return container_of(base, struct regular_lease, base);
}

/* --- granting and taking back --- */

static int64_t written_ns(const struct regular_lease *l, uint64_t tsc)
{
    struct clock_pair now = clock_pair_now();
    return clock_pair_ns(&l->given_at, &now, tsc);
}

/* What the process did becomes the file's. */
static void take_over(struct file_lease *base)
{
    struct regular_lease *l = regular(base);
    struct platform_lease *p = lease_page_of(l);
    struct file *f = l->file;
    uint64_t word = __atomic_exchange_n(&p->position, 0, __ATOMIC_SEQ_CST);
    uint64_t size = __atomic_exchange_n(&p->size, LEASE_NO_SIZE, __ATOMIC_SEQ_CST);
    uint64_t written = __atomic_exchange_n(&p->written_at, 0, __ATOMIC_SEQ_CST);
    lease_take_touch(base);
    bool locked = lease_locks_take(l);
    if (l->prepared) {
        lease_open_taken(l, word);
        return;
    }
    l->idle_holds = word == l->word && !written && !locked ? l->idle_holds + 1 : 0;
    bool closed = l->closable && (word & LEASE_CLOSED);
    if (closed || (word & LEASE_VALID)) {
        f->pos = (int64_t)(word & LEASE_POSITION);
    }
    if (f->ops->lease_end && !l->copied) {
        int64_t kept = size <= l->capacity ? (int64_t)size : f->inode->size;
        f->ops->lease_end(f, l->writable ? kept : f->inode->size,
                          l->writable && written ? written_ns(l, written) : 0);
    }
    if (closed) {
        lease_note_closed(l);
    }
}

static bool may_be_executed(const struct file *f)
{
    return !f->path.mnt || !(f->path.mnt->flags & MNT_NOEXEC);
}

/* Nothing is writable for the process but by mappings. */
static void stop_filling(struct lease_table *table)
{
    struct regular_lease *l = take(&table->writer);
    if (l) {
        int r = platform_writer_limit(table->space, 0);
        (void)r; /* the process is gone */
        lease_page_of(l)->flags &= ~LEASE_FILLED;
    }
}

/* A mapping is kept from children by a host call of its own, and another thread may fork before that. */
void lease_before_clone(struct task *t, uint64_t flags, struct task *child)
{
    if (!(flags & CLONE_VM)) {
        t->mm->forking++;
        child->mm->inherited_leases |= t->mm->leases && t->mm->leases->busy;
    }
    if (t->mm->leases) {
        stop_filling(t->mm->leases);
        notes_end_all(t->mm->leases);
        if (flags & (CLONE_VM | CLONE_FILES)) {
            notes_new_thread(t->mm->leases);
            lease_open_withdraw(t->mm->leases); /* two can't be told which fds are free */
        }
    }
}

void lease_after_clone(struct task *t, uint64_t flags)
{
    t->mm->forking -= !(flags & CLONE_VM);
}

void lease_limits_changed(struct thread_group *tg)
{
    const struct task *t;
    list_for_each_entry (t, &tg->threads, group_link) {
        if (t->mm && t->mm->leases) {
            lease_open_withdraw(t->mm->leases);
        }
    }
}

static void publish(struct regular_lease *l, const struct lease_terms *terms)
{
    struct platform_lease *p = lease_page_of(l);
    const struct file *f = l->file;
    uint64_t generation = ++l->table->generation % LEASE_GENERATIONS;
    uint64_t capacity = l->bytes ? (uint64_t)terms->size : MIN(terms->capacity, l->mapped);
    if (l->table->writer == l && capacity != l->capacity &&
        platform_writer_limit(l->table->space, capacity) < 0) {
        stop_filling(l->table);
    }
    l->capacity = p->capacity = capacity;
    l->closable = lease_is_closable(l);
    p->flags = LEASE_READ * (file_readable(f) && !terms->sparse) | LEASE_WRITE * l->writable |
               LEASE_CLOSABLE * l->closable | LEASE_EXEC * may_be_executed(f) |
               (f->flags & O_APPEND ? LEASE_APPEND : 0) |
               LEASE_COPIES * (l->copied && f->inode->writers == 0) |
               (l->table->writer == l ? LEASE_FILLED : 0);
    p->bytes = l->bytes;
    p->touch = l->base.touches;
    p->accessed = 0;
    p->kept = l->kept;
    l->stat_given = l->frozen && l->stat_given && inode_mark_holds(&l->stat_of, f->inode);
    p->stat_valid = l->stat_given;
    if (l->writable) {
        l->given_at = clock_pair_now();
    }
    lease_locks_give(l);
    __atomic_store_n(&p->size, (uint64_t)terms->size, __ATOMIC_SEQ_CST);
    l->word = l->prepared ? LEASE_READY : LEASE_VALID | (uint64_t)f->pos;
    l->word |= generation * LEASE_GENERATION;
    __atomic_store_n(&p->position, l->word, __ATOMIC_SEQ_CST);
}

static bool terms_fit(const struct regular_lease *l, const struct lease_terms *terms)
{
    bool room = !l->writable || (uint64_t)terms->size + PAGE_SIZE <= l->mapped;
    bool fits = l->mapped
                    ? room && (uint64_t)terms->size <= l->mapped
                    : terms->frozen && (uint64_t)terms->size <= LEASE_BYTES_MAX && terms->size > 0;
    return fits && l->file->pos >= 0 && (uint64_t)l->file->pos <= LEASE_POSITION;
}

/* A write takes them away from who is not privileged. */
static bool has_set_id(const struct inode *inode)
{
    return inode->mode & (S_ISUID | S_ISGID);
}

/* A lessee that has filled its mapping gets a larger one with its next lease, at once. */
static bool give_back(struct file_lease *base)
{
    struct regular_lease *l = regular(base);
    struct file *f = l->file;
    struct lease_terms terms;
    if (l->claimed || !list_empty(&l->closed_link) || l->idle_holds >= LEASE_TIRED_OF ||
        (l->writable && has_set_id(f->inode)) ||
        (l->copied ? !lease_copy_holds(l, &terms) : f->ops->lease(f, &terms) < 0)) {
        return false;
    }
    if (terms_fit(l, &terms)) {
        publish(l, &terms);
        return true;
    }
    if (f->ops->lease_end && !l->copied) {
        f->ops->lease_end(f, f->inode->size, 0);
    }
    l->outgrown = true;
    return false;
}

static bool may_end_soon(const struct file *f)
{
    return f->inode->size < LARGE || (f->ops->steady && !f->ops->steady(f));
}

static void end(struct file_lease *base)
{
    struct regular_lease *l = regular(base);
    struct lease_table *table = l->table;
    struct file *f = l->file;
    uint8_t number =
        (uint8_t)(l->index +
                  1); /* unless it is another's already, that the process has opened there */
    if (f->lease_fd >= 0) {
        __atomic_compare_exchange_n(&table->page->lease_of[f->lease_fd], &number, 0, false,
                                    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    }
    if (table->writer == l) {
        stop_filling(table);
    }
    if (l->writable && may_end_soon(f)) {
        table->worth =
            lease_page_of(l)->uses < USES_MIN ? MIN(2 * table->worth, WORTH_MAX) : LEASE_WORTH_IT;
    }
    if (l->mapped) {
        lease_set_stale(table, l->index, l->mapped, MIN((uint64_t)f->inode->size, l->mapped));
    }
    table->regular[l->index] = NULL;
    f->lease = NULL;
    f->lease_heat = l->idle_holds >= LEASE_TIRED_OF ? LEASE_TIRED : l->outgrown ? WORTH_MAX : 0;
}

static void fd_closed(struct file_lease *base, struct file *f, const struct fd_table *t, int fd)
{
    if (f->lease_files == t && f->lease_fd == fd) {
        regular(base)->closable = false; /* somebody else is closing it */
        file_lease_end(base);
    }
}

static void lease_free(struct file_lease *base)
{
    lease_open_disown(regular(base));
    free(regular(base));
}

static const struct file_lease_ops regular_ops = {.take_over = take_over,
                                                  .give_back = give_back,
                                                  .end = end,
                                                  .fd_closed = fd_closed,
                                                  .free = lease_free};

void lease_end_kept(struct lease_table *table)
{
    for (unsigned i = 0; i < LEASE_MAX; i++) {
        if (table->regular[i] && table->regular[i]->kept) {
            file_lease_end(&table->regular[i]->base);
        }
    }
}

void lease_end_regular(struct lease_table *table)
{
    for (unsigned i = 0; i < LEASE_MAX; i++) {
        if (table->regular[i]) {
            file_lease_end(&table->regular[i]->base);
        }
    }
}

void lease_end_growing(struct task *t)
{
    struct lease_table *table = t->mm ? t->mm->leases : NULL;
    for (unsigned i = 0; table && i < LEASE_MAX; i++) {
        if (table->regular[i] && table->regular[i]->writable) {
            file_lease_end(&table->regular[i]->base);
        }
    }
    notes_end(t);
}

/* --- when --- */

static int first_index(uint64_t size)
{
    return size > LEASE_SMALL ? LEASE_SMALL_MAX : 0;
}

int lease_free_index(const struct lease_table *table, uint64_t size)
{
    for (int i = first_index(size); i < LEASE_MAX; i++) {
        if (!table->regular[i]) {
            return i;
        }
    }
    return -1;
}

/* The same; a light lease makes room if it must. */
static int make_room(const struct lease_table *table, uint64_t size)
{
    int index = lease_free_index(table, size);
    for (int i = first_index(size); index < 0 && i < LEASE_MAX; i++) {
        if (!table->regular[i]->mapped) {
            file_lease_end(&table->regular[i]->base);
            index = i;
        }
    }
    return index;
}

/* Then its mapping would be in the way of the seal, or the other way round. */
static bool may_be_sealed(const struct inode *inode)
{
    return (inode->i_flags & INODE_SEALABLE) && inode->seals != F_SEAL_SEAL;
}

/* Writing may grow the file; a limit on its size is checked where calls are served one by one. */
bool lease_may_have(const struct task *t, const struct file *f)
{
    if (!f->ops->lease || !S_ISREG(f->inode->mode) || f->flags & (O_PATH | O_DIRECT) ||
        g_vfs_notify) {
        return false;
    }
    return !file_writable(f) ||
           (t->tg->limits[RLIMIT_FSIZE].rlim_cur == RLIM_INFINITY && !may_be_sealed(f->inode) &&
            !has_set_id(f->inode) && inode_permission(f->inode, f->cred, MAY_READ) == 0);
}

/* Readers may share a file; one that writes has it alone. */
bool lease_has_rival(const struct file *f)
{
    const struct file_lease *l;
    list_for_each_entry (l, &f->inode->leases, inode_link) {
        if (l->writes || (file_writable(f) && !lease_is_note(l))) {
            return true;
        }
    }
    return false;
}

/* Of address space: a file that grows needs no other place for it until it has outgrown this one. */
static uint64_t map_size(unsigned index, const struct lease_terms *terms)
{
    return terms->writable ? lease_room(index)
                           : ALIGN_UP(MAX(terms->capacity, (uint64_t)1), PAGE_SIZE);
}

/* Maps it into t's stub. Context: may block. */
static int map_lease(struct task *t, unsigned index, const struct lease_terms *terms)
{
    AUTO_FD read_only = -1;
    int fd = terms->host_fd;
    uint64_t size = map_size(index, terms);
    int flags = host_fcntl(fd, F_GETFL, 0);
    if (!terms->writable && (flags < 0 || (flags & O_ACCMODE) != O_RDONLY)) {
        fd = read_only = platform_reopen_read_only(fd);
    }
    return fd < 0 ? fd : platform_lease_map(t->pt, index, fd, size, terms->writable);
}

void lease_install(struct task *t, struct file *f, int fd, struct regular_lease *l,
                   const struct lease_terms *terms)
{
    struct lease_table *table = t->mm->leases;
    l->table = table;
    l->file = f;
    l->writable = terms->writable;
    l->frozen = terms->frozen;
    list_init(&l->closed_link);
    l->base.writes = terms->writable;
    file_lease_init(&l->base, &regular_ops, f->inode);
    if (l->writable) {
        inode_changed(f->inode); /* what was kept of it does not see them write */
    }
    table->regular[l->index] = l;
    f->lease = &l->base;
    f->lease_files = t->files;
    f->lease_fd = fd;
    lease_page_of(l)->uses = 0;
    publish(l, terms);
    if (fd >= 0) {
        __atomic_store_n(&table->page->lease_of[fd], (uint8_t)(l->index + 1), __ATOMIC_SEQ_CST);
    }
}

/* Maps f at index and makes it a lease, if the world is still as it was then. Return: it is one. */
static bool lease_make(struct task *t, struct file *f, int fd, unsigned index,
                       const struct lease_terms *terms)
{
    struct lease_table *table = t->mm->leases;
    AUTO_FREE struct regular_lease *l = calloc(1, sizeof(*l));
    uint64_t size = map_size(index, terms);
    if (!l || terms->capacity > LEASE_BYTES_MAX) {
        return false;
    }
    if (table->stale[index] > size) {
        lease_unmap_stale(t, table, (int)index); /* the new mapping would not cover it */
    }
    int r = lease_has_table(t, table) ? map_lease(t, index, terms) : -ESRCH;
    if (!lease_has_table(t, table)) {
        lease_unmap_lost(t, index);
        return false;
    }
    lease_set_stale(table, index, MAX(size, table->stale[index]), MIN(size, terms->capacity));
    if (r < 0 || f->lease || !lease_leads_to(t, fd, f) || !lease_allowed(t) ||
        !lease_may_have(t, f) || lease_has_rival(f) || terms->size != f->inode->size ||
        f->pos < 0 || (uint64_t)f->pos > LEASE_POSITION) {
        return false;
    }
    lease_set_stale(table, index, 0, 0);
    l->index = index;
    l->mapped = size;
    lease_install(t, f, fd, take(&l), terms);
    return true;
}

/* Context: may block; meanwhile neither the table nor the inode gets another lease. */
static void lease_grant(struct task *t, struct file *f, int fd)
{
    struct lease_terms terms;
    struct lease_table *table = lease_table_of(t);
    if (!table || table->busy || t->mm->forking || f->inode->lease_pending ||
        f->ops->lease(f, &terms) < 0) {
        return;
    }
    int index = terms.capacity <= LEASE_BYTES_MAX ? make_room(table, terms.capacity) : -1;
    table->busy = f->inode->lease_pending = true;
    bool granted = index >= 0 && lease_make(t, f, fd, (unsigned)index, &terms);
    f->inode->lease_pending = false;
    if (!granted) {
        f->lease_heat = 0;
        if (f->ops->lease_end) {
            f->ops->lease_end(f, f->inode->size, 0);
        }
    }
    lease_table_unlock(t, table);
}

static int calls_wanted(const struct task *t, const struct file *f)
{
    const struct lease_table *table = t->mm->leases;
    return table && file_writable(f) && may_end_soon(f) ? table->worth : LEASE_WORTH_IT;
}

void lease_publish_stat(struct regular_lease *l)
{
    struct file *f = l->file;
    struct stat st;
    if (l->base.holders || vfs_stat_leased(&f->path, &st) < 0 || f->lease != &l->base ||
        l->base.holders) {
        return;
    }
    struct platform_lease *p = lease_page_of(l);
    _Static_assert(sizeof(st) == sizeof(p->stat), "Linux's struct stat");
    memcpy(p->stat, &st, sizeof(st));
    __atomic_store_n(&p->stat_valid, 1, __ATOMIC_RELEASE);
    l->stat_given = true;
    l->stat_of = inode_mark(f->inode);
}

/*
 * A file that grows large: its writer gets the right to write it by itself, up to what it may reach by the mapping, too. Only
 * a process's only thread: then nobody is about to use the right to another file, which this one replaces.
 * Context: may block.
 */
static void let_fill(struct task *t, struct file *f)
{
    struct regular_lease *l = regular(f->lease);
    struct lease_table *table = l->table;
    struct lease_terms terms;
    if (table->writer == l || !l->writable || f->inode->size < FILL_FROM || table->busy ||
        t->tg->live_threads != 1 || l->base.holders || table != t->mm->leases) {
        return;
    }
    file_lease_acquire(&l->base); /* a reference; and it is published anew below */
    table->busy = true;
    stop_filling(table);
    if (f->ops->lease(f, &terms) == 0) {
        uint64_t capacity = MIN(terms.capacity, l->mapped);
        int r = platform_writer_give(t->pt, terms.host_fd, capacity);
        if (f->ops->lease_end) {
            f->ops->lease_end(f, f->inode->size, 0);
        }
        if (r == 0 && lease_has_table(t, table) && !l->base.ended) {
            l->capacity = capacity;
            table->writer = l;
        } else {
            r = lease_has_table(t, table) ? platform_writer_limit(table->space, 0) : 0;
            (void)r;
        }
    }
    file_lease_release(&l->base);
    if (lease_has_table(t, table)) {
        lease_table_unlock(t, table);
    }
}

static void heat(struct task *t, struct file *f, int fd, bool wrote, long result)
{
    f->lease_heat += 1 + (wrote ? (int)(result / HEATING) : 0);
    if (f->lease_heat < calls_wanted(t, f)) {
        return;
    }
    if (f->lease) {
        file_lease_end(f->lease); /* a light one gives way to a real one */
    }
    if (f->noted) {
        file_lease_end(f->noted);
    }
    if (!lease_has_rival(f)) {
        lease_grant(t, f, fd);
    }
}

void lease_consider_regular(struct task *t, struct file *f, int fd, long nr, long result)
{
    struct regular_lease *l = f->lease ? regular(f->lease) : NULL;
    bool wrote = nr == SYS_write || nr == SYS_pwrite64;
    if (l && (f->lease_files != t->files || f->lease_fd != fd)) {
        return;
    }
    if (l && nr == SYS_fstat) {
        lease_publish_stat(l);
    } else if ((!l || !l->mapped) && lease_may_have(t, f)) {
        heat(t, f, fd, wrote, result);
    }
    if (wrote && f->lease) {
        let_fill(t, f);
    }
}
