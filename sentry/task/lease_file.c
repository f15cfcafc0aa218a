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
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <x86intrin.h>

#include "lib/host.h"
#include "sentry/base/timer.h"
#include "sentry/task/lease_internal.h"
#include "sentry/vfs/notify.h"
#include "sentry/vfs/stamp.h"
#include "sentry/vfs/vfs.h"

#define WORTH_IT                                                                                   \
    8 /* calls on one file before it is leased: granting costs as much; a loader makes 4 or 5 on each library */

_Static_assert(LEASE_FILE_MAX == LEASE_BYTES_MAX, "the file systems' limit is the platform's");

static struct regular_lease *regular(struct file_lease *base)
{
    return container_of(base, struct regular_lease, base);
}

/* --- granting and taking back --- */

static int64_t written_ns(const struct regular_lease *l, uint64_t tsc)
{
    uint64_t now_tsc = __rdtsc();
    int64_t now = ktime_realtime_ns();
    if (tsc <= l->tsc || tsc >= now_tsc || now <= l->realtime_ns) {
        return now;
    }
    double part = (double)(tsc - l->tsc) / (double)(now_tsc - l->tsc);
    return l->realtime_ns + (int64_t)(part * (double)(now - l->realtime_ns));
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
    l->idle_holds = word == l->word && !written ? l->idle_holds + 1 : 0;
    bool closed = l->closable && (word & LEASE_CLOSED);
    if (closed || (word & LEASE_VALID)) {
        f->pos = (int64_t)(word & LEASE_POSITION);
    }
    if (f->ops->lease_end) {
        int64_t kept = size <= l->mapped ? (int64_t)size : f->inode->size;
        f->ops->lease_end(f, l->writable ? kept : f->inode->size,
                          l->writable && written ? written_ns(l, written) : 0);
    }
    if (closed) {
        lease_note_closed(l);
    }
}

static bool stat_is_true(const struct regular_lease *l)
{
    const struct inode *i = l->file->inode;
    return l->stat_given && i->nlink == l->stat_nlink && i->size == l->stat_size &&
           i->atime_ns == l->stat_atime_ns && i->mtime_ns == l->stat_mtime_ns &&
           i->ctime_ns == l->stat_ctime_ns;
}

static bool may_be_executed(const struct file *f)
{
    return !f->path.mnt || !(f->path.mnt->flags & MNT_NOEXEC);
}

static void publish(struct regular_lease *l, const struct lease_terms *terms)
{
    struct platform_lease *p = lease_page_of(l);
    const struct file *f = l->file;
    uint64_t generation = ++l->table->generation % LEASE_GENERATIONS;
    l->closable = lease_is_closable(l);
    p->flags = LEASE_READ * file_readable(f) | LEASE_WRITE * l->writable |
               LEASE_CLOSABLE * l->closable | LEASE_EXEC * may_be_executed(f) |
               (f->flags & O_APPEND ? LEASE_APPEND : 0);
    p->capacity = MIN(terms->capacity, l->mapped);
    p->kept = l->kept;
    l->stat_given = l->frozen && stat_is_true(l);
    p->stat_valid = l->stat_given;
    if (l->writable) {
        l->tsc = __rdtsc();
        l->realtime_ns = ktime_realtime_ns();
    }
    __atomic_store_n(&p->size, (uint64_t)terms->size, __ATOMIC_SEQ_CST);
    l->word = LEASE_VALID | generation * LEASE_GENERATION | (uint64_t)f->pos;
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

/* A lessee that has filled its mapping gets a larger one with its next lease. */
static bool give_back(struct file_lease *base)
{
    struct regular_lease *l = regular(base);
    struct file *f = l->file;
    struct lease_terms terms;
    if (!list_empty(&l->closed_link) || l->idle_holds >= LEASE_TIRED_OF ||
        f->ops->lease(f, &terms) < 0) {
        return false;
    }
    if (terms_fit(l, &terms)) {
        publish(l, &terms);
        return true;
    }
    if (f->ops->lease_end) {
        f->ops->lease_end(f, f->inode->size, 0);
    }
    return false;
}

static void end(struct file_lease *base)
{
    struct regular_lease *l = regular(base);
    struct lease_table *table = l->table;
    struct file *f = l->file;
    __atomic_store_n(&table->page->lease_of[f->lease_fd], 0, __ATOMIC_SEQ_CST);
    if (l->mapped) {
        lease_set_stale(table, l->index, l->mapped);
    }
    table->regular[l->index] = NULL;
    f->lease = NULL;
    f->lease_heat = l->idle_holds >= LEASE_TIRED_OF ? LEASE_NEVER : 0;
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
            !(f->inode->mode & (S_ISUID | S_ISGID)) &&
            inode_permission(f->inode, f->cred, MAY_READ) == 0);
}

/* Readers may share a file; one that writes has it alone. */
bool lease_has_rival(const struct file *f)
{
    const struct file_lease *l;
    list_for_each_entry (l, &f->inode->leases, inode_link) {
        if (file_writable(f) || file_writable(container_of(l, struct regular_lease, base)->file)) {
            return true;
        }
    }
    return false;
}

/* Maps it into t's stub. Context: may block. */
static int map_lease(struct task *t, unsigned index, const struct lease_terms *terms)
{
    AUTO_FD read_only = -1;
    int fd = terms->host_fd;
    uint64_t size = ALIGN_UP(MAX(terms->capacity, (uint64_t)1), PAGE_SIZE);
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
    inode_changed(f->inode); /* what was kept of it does not see them write */
    table->regular[l->index] = l;
    f->lease = &l->base;
    f->lease_files = t->files;
    f->lease_fd = fd;
    publish(l, terms);
    __atomic_store_n(&table->page->lease_of[fd], (uint8_t)(l->index + 1), __ATOMIC_SEQ_CST);
}

/* Maps f at index and makes it a lease, if the world is still as it was then. Return: it is one. */
static bool lease_make(struct task *t, struct file *f, int fd, unsigned index,
                       const struct lease_terms *terms)
{
    struct lease_table *table = t->mm->leases;
    AUTO_FREE struct regular_lease *l = calloc(1, sizeof(*l));
    uint64_t size = ALIGN_UP(MAX(terms->capacity, (uint64_t)1), PAGE_SIZE);
    if (!l || terms->capacity > LEASE_BYTES_MAX) {
        return false;
    }
    if (table->stale[index] > size) {
        lease_unmap_stale(t, table, (int)index); /* the new mapping would not cover it */
    }
    int r = lease_has_table(t, table) ? map_lease(t, index, terms) : -ESRCH;
    if (!lease_has_table(t, table)) {
        return false;
    }
    lease_set_stale(table, index, MAX(size, table->stale[index]));
    if (r < 0 || f->lease || !lease_leads_to(t, fd, f) || !lease_allowed(t) ||
        !lease_may_have(t, f) || lease_has_rival(f) || terms->size != f->inode->size ||
        f->pos < 0 || (uint64_t)f->pos > LEASE_POSITION) {
        return false;
    }
    lease_set_stale(table, index, 0);
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
    if (!table || table->busy || f->inode->lease_pending || f->ops->lease(f, &terms) < 0) {
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

void lease_publish_stat(struct regular_lease *l)
{
    struct file *f = l->file;
    const struct inode *i = f->inode;
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
    l->stat_nlink = i->nlink;
    l->stat_size = i->size;
    l->stat_atime_ns = i->atime_ns;
    l->stat_mtime_ns = i->mtime_ns;
    l->stat_ctime_ns = i->ctime_ns;
}

void lease_consider_regular(struct task *t, struct file *f, int fd, long nr)
{
    struct regular_lease *l = f->lease ? regular(f->lease) : NULL;
    if (l && (f->lease_files != t->files || f->lease_fd != fd)) {
        return;
    }
    if (l && nr == SYS_fstat) {
        lease_publish_stat(l);
    } else if ((!l || !l->mapped) && lease_may_have(t, f) && ++f->lease_heat >= WORTH_IT) {
        if (l) {
            file_lease_end(f->lease); /* it gives way to a real one */
        }
        if (!lease_has_rival(f)) {
            lease_grant(t, f, fd);
        }
    }
}
