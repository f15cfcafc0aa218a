/*
 * Directories that a process has just opened: their light leases. What walks a tree opens each directory, asks fstat, copies the
 * fd, reads it to its end, and closes both: ten calls of which only the open needs the kernel.
 *
 *   fstat        attributes, as the open left them
 *   getdents64   all entries, if they are few, come with the open of who reads the directories that it opens; then their end
 *   close, dup   of fds below page->open_limit: noted in page->log, and made here before anybody looks at the fd table
 *
 * Attributes and entries are not held or taken back: they count while their stamps hold (sentry/vfs/stamp.h), as kept lookups do. Only
 * the position is the process's, at one of two places; whoever uses the position of the open file (getdents, lseek, another
 * process that shares it) takes it first (file_hold_lease).
 *
 * As with prepared opens (lease_open.c), only a process with one thread has such leases, since two would have to agree on which
 * fds are free; and a forged entry of the log gets it what close and dup2 would. Reading a directory may move its atime: where it
 * would, no entries are given.
 */
#include <string.h>

#include "sentry/task/lease_internal.h"
#include "sentry/task/names.h"
#include "sentry/vfs/dirent.h"
#include "sentry/vfs/notify.h"
#include "sentry/vfs/stamp.h"
#include "sentry/vfs/vfs.h"

#define WORTH_IT       4     /* directories that were opened */
#define LISTING_MAX    32768 /* bytes of entries; what C libraries make room for */
#define LISTINGS_MAX   16
#define LISTINGS_KNOWN 4 /* for a program whose processes read directories when they start */
#define LISTING_USE    2 /* one that is read pays for so many */
#define TRIES_MAX      16

struct directory_lease {
    struct regular_lease regular; /* what all leases in the page have */
    uint64_t fds;                 /* of its table, that lead to it; a bit each */
    uint64_t since;
    uint16_t deps[2];
    uint32_t key;  /* platform_lease.key: no other directory's, ever */
    size_t listed; /* bytes of entries behind regular.bytes; 0: none */
    int64_t end;   /* position behind them */
    bool has_stat; /* it was published */
    bool was_read; /* ... by the process itself */
};

static struct directory_lease *directory(struct file_lease *base)
{
    return container_of(base, struct directory_lease, regular.base);
}

/* --- granting and taking back --- */

static void publish(struct directory_lease *l)
{
    struct regular_lease *r = &l->regular;
    struct platform_lease *p = lease_page_of(r);
    uint64_t generation = ++r->table->generation % LEASE_GENERATIONS;
    int64_t pos = r->file->pos;
    bool good = stamps_hold(l->since, l->deps, 2), listed = good && l->listed > 0;
    p->flags = LEASE_DIRECTORY;
    p->capacity = 0;
    p->kept = 0;
    p->bytes = listed ? r->bytes : 0;
    p->stat_valid = good && l->has_stat;
    p->since = l->since;
    p->key = l->key;
    memcpy(p->deps, l->deps, sizeof(p->deps));
    __atomic_store_n(&p->size, listed ? l->listed : 0, __ATOMIC_SEQ_CST);
    r->word = LEASE_VALID | generation * LEASE_GENERATION |
              (listed && pos == 0        ? DIRECTORY_START
               : listed && pos == l->end ? DIRECTORY_END
                                         : DIRECTORY_ELSEWHERE);
    __atomic_store_n(&p->position, r->word, __ATOMIC_SEQ_CST);
}

static void take_over(struct file_lease *base)
{
    struct directory_lease *l = directory(base);
    uint64_t word = __atomic_exchange_n(&lease_page_of(&l->regular)->position, 0, __ATOMIC_SEQ_CST);
    if (l->listed > 0 && l->regular.file->pos == 0 && (word & LEASE_VALID) &&
        (word & LEASE_POSITION) == DIRECTORY_END) {
        l->regular.file->pos = l->end;
        l->was_read = true;
    }
}

static bool give_back(struct file_lease *base)
{
    publish(directory(base));
    return true;
}

/* Attributes and names have their stamps. */
static void looked_at(struct file_lease *base)
{
    (void)base;
}

/* Unless it is another's already. */
static void forget_fd(const struct regular_lease *r, unsigned fd)
{
    uint8_t number = (uint8_t)(r->index + 1);
    __atomic_compare_exchange_n(&r->table->page->lease_of[fd], &number, 0, false, __ATOMIC_SEQ_CST,
                                __ATOMIC_SEQ_CST);
}

static void end(struct file_lease *base)
{
    struct directory_lease *l = directory(base);
    struct lease_table *table = l->regular.table;
    for (unsigned fd = 0; fd < LEASE_OPEN_FDS; fd++) { /* copies that are not known yet, too */
        forget_fd(&l->regular, fd);
    }
    if (l->was_read) {
        table->listings = MIN(table->listings + LISTING_USE, LISTINGS_MAX);
    }
    table->regular[l->regular.index] = NULL;
    l->regular.file->lease = NULL;
}

static void fd_closed(struct file_lease *base, struct file *f, const struct fd_table *t, int fd)
{
    struct directory_lease *l = directory(base);
    if (f->lease_files == t && fd < (int)LEASE_OPEN_FDS && l->fds >> fd & 1) {
        if (!l->regular.table
                 ->replaying) { /* else it has forgotten it, and perhaps copied another there */
            forget_fd(&l->regular, (unsigned)fd);
        }
        l->fds &= ~(1UL << fd);
        if (l->fds == 0) {
            file_lease_end(base);
        }
    }
}

static void lease_free(struct file_lease *base)
{
    free(directory(base));
}

static const struct file_lease_ops directory_ops = {.take_over = take_over,
                                                    .looked_at = looked_at,
                                                    .give_back = give_back,
                                                    .end = end,
                                                    .fd_closed = fd_closed,
                                                    .free = lease_free};

/* --- what the process did by itself --- */

/* Only what it may do to directories: closing anything else might block. */
static void replay(struct lease_table *table, uint32_t entry)
{
    struct fd_table *t = table->closes.table;
    int fd = (int)(entry & (LEASE_OPEN_FDS - 1)), to = (int)(entry >> 8 & (LEASE_OPEN_FDS - 1));
    struct file *f = fd_table_at(t, fd);
    if (!f || !S_ISDIR(f->inode->mode)) {
        return;
    }
    if (entry & LOG_CLOSE) {
        fd_table_drop(t, fd, f);
    } else if (fd_table_adopt(t, to, f, entry & LOG_CLOEXEC) && f->lease &&
               f->lease->ops == &directory_ops && f->lease_files == t) {
        directory(f->lease)->fds |= 1UL << to;
    }
}

/* What was logged is made; keep: LOG_GRANTED, it may go on. */
static void take_log(struct lease_table *table, uint64_t keep)
{
    struct platform_lease_page *page = table->page;
    uint32_t log[LOG_MAX];
    uint64_t n, word = __atomic_load_n(&page->logged, __ATOMIC_SEQ_CST);
    if (word == (word & keep)) {
        return; /* nothing to take: the process has the line */
    }
    for (int tries = 0;; tries++) { /* entries stay as they are while they count */
        n = MIN(word & LOG_COUNT, (uint64_t)LOG_MAX);
        for (uint64_t i = 0; i < n; i++) {
            log[i] = __atomic_load_n(&page->log[i], __ATOMIC_SEQ_CST);
        }
        if (tries == TRIES_MAX) { /* no honest process is so quick */
            __atomic_store_n(&page->logged, 0, __ATOMIC_SEQ_CST);
            break;
        }
        if (__atomic_compare_exchange_n(&page->logged, &word, word & keep, false, __ATOMIC_SEQ_CST,
                                        __ATOMIC_SEQ_CST)) {
            break;
        }
    }
    table->replaying = true;
    for (uint64_t i = 0; i < n && table->closes.table; i++) {
        replay(table, log[i]);
    }
    table->replaying = false;
}

void lease_directory_settle(struct lease_table *table)
{
    take_log(table, LOG_GRANTED);
}

void lease_directory_offer(struct lease_table *table)
{
    __atomic_store_n(&table->page->logged, LOG_GRANTED, __ATOMIC_SEQ_CST);
}

void lease_end_directories(struct lease_table *table)
{
    lease_settle(table); /* the log stands between what else was closed and opened */
    take_log(table, 0);
    for (unsigned i = 0; i < LEASE_MAX; i++) {
        struct regular_lease *l = table->regular[i];
        if (l && l->base.ops == &directory_ops) {
            file_lease_end(&l->base);
        }
    }
}

/* --- when --- */

/* All entries of f, if they are few. Return: their bytes, owned; NULL: not. Context: may block. */
static char *read_all(struct file *f, size_t *out_size, int64_t *out_end)
{
    AUTO_FREE char *buf = malloc(LISTING_MAX);
    struct dirent_sink s = {.context.emit = dirent_emit, .buf = buf, .room = LISTING_MAX};
    int64_t before;
    int r;
    if (!buf || !f->ops->readdir || file_access_counts(f)) {
        return NULL;
    }
    do {
        before = s.context.pos;
        r = f->ops->readdir(f, &s.context);
    } while (r == 0 && !s.full && s.context.pos != before);
    if (r < 0 || s.full || s.used == 0 || f->inode->i_flags & INODE_DEAD) {
        return NULL;
    }
    *out_size = s.used;
    *out_end = s.context.pos;
    return take(&buf);
}

/* The entries go where the process has them without asking. Return: platform_lease.bytes. */
static uint32_t put_bytes(struct task *t, unsigned place, const char *bytes, size_t count)
{
    size_t size, at = place * LEASE_ROOM;
    uint8_t *memory = platform_lease_bytes(t->mm->space, &size);
    if (!bytes || !memory || place >= LEASE_ROOMS || at + LEASE_ROOM > size) {
        return 0;
    }
    struct lease_table *table = t->mm->leases;
    table->copied[place] = MAX(table->copied[place], (uint32_t)count);
    memcpy(memory + at, bytes, count);
    return (uint32_t)at + 1;
}

static void install(struct task *t, struct file *f, int fd, struct directory_lease *l)
{
    struct lease_table *table = t->mm->leases;
    struct regular_lease *r = &l->regular;
    struct stat st;
    r->table = table;
    r->file = f;
    l->fds = 1UL << fd;
    list_init(&r->closed_link);
    table->regular[r->index] = r;
    f->lease = &r->base;
    f->lease_files = t->files;
    f->lease_fd = fd;
    file_lease_init(&r->base, &directory_ops, f->inode);
    if (vfs_stat_leased(&f->path, &st) == 0) {
        _Static_assert(sizeof(st) == sizeof(lease_page_of(r)->stat), "Linux's struct stat");
        memcpy(lease_page_of(r)->stat, &st, sizeof(st));
        l->has_stat = true;
    }
    publish(l);
    lease_open_offer(t);
    __atomic_store_n(&table->page->lease_of[fd], (uint8_t)(r->index + 1), __ATOMIC_SEQ_CST);
}

static bool may_have(const struct file *f, int fd)
{
    return !f->lease && fd < (int)LEASE_OPEN_FDS && !(f->flags & O_PATH) &&
           f->inode->sb->flags & SB_STEADY && list_empty(&f->inode->locks) && !g_vfs_notify;
}

void lease_consider_directory(struct task *t, struct file *f, int fd)
{
    struct lease_table *table = may_have(f, fd) ? lease_open_table(t) : NULL;
    struct platform_stamps *stamps = platform_stamps();
    if (!table || !stamps || ++table->directories < WORTH_IT) {
        return;
    }
    stamps_start((struct stamps *)stamps);
    notes_give_way(f->inode);
    AUTO_FREE struct directory_lease *l = calloc(1, sizeof(*l));
    if (!l) {
        return;
    }
    l->since = g_last_stamp;
    l->key = ++t->mm->directory_keys & (NAME_KEY - 1);
    l->deps[0] = stamp_of_inode(f->inode);
    l->deps[1] = stamp_of_names(f->inode);
    AUTO_FREE char *bytes = NULL;
    if (table->listings > 0) {
        table->listings--;
        bytes = read_all(f, &l->listed, &l->end);
        if (!lease_has_table(t, table) || !lease_leads_to(t, fd, f) || !may_have(f, fd) ||
            lease_open_table(t) != table) {
            return;
        }
    }
    int index = lease_free_index(table, 0);
    if (index >= 0) {
        l->regular.index = (unsigned)index;
        l->regular.bytes = put_bytes(t, l->regular.index, bytes, l->listed);
        l->listed = l->regular.bytes ? l->listed : 0;
        uint32_t key = NAME_KEY | l->key;
        uint64_t since = l->since;
        const struct dirents entries = {bytes, l->listed};
        install(t, f, fd, take(&l));
        if (entries.size > 0) {
            names_list(t, &f->path, key, since, &entries);
        }
    }
}

void lease_expect_directories(struct task *t)
{
    struct lease_table *table = lease_open_table(t);
    if (table) {
        table->directories = WORTH_IT;
        table->listings = MAX(table->listings, LISTINGS_KNOWN);
    }
}

uint32_t lease_directory_key(const struct task *t, int fd)
{
    const struct file *f = fd >= 0 && fd < (int)LEASE_OPEN_FDS ? fd_table_at(t->files, fd) : NULL;
    bool leased = f && f->lease && f->lease->ops == &directory_ops && f->lease_files == t->files &&
                  directory(f->lease)->fds >> fd & 1;
    return leased ? NAME_KEY | directory(f->lease)->key : (uint32_t)fd;
}

void lease_directory_read(struct task *t)
{
    struct lease_table *table = t->mm->leases;
    if (table) {
        table->listings = MIN(table->listings + LISTING_USE, LISTINGS_MAX);
    }
}
