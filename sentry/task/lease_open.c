/*
 * Prepared opens: files that are opened for a process before it asks, so that its open needs no trip. When it goes through a
 * directory of a tree that nobody changes and opens file after file (names.c sees that), the next ones are opened here, with its
 * credentials and all checks of open(2), each with a light lease (lease_close.c) that no fd leads to yet. Its kept
 * lookup of the name says which lease that is.
 *
 *      the process                                      here
 *                                                       position word: READY
 *      finds the name, its stamps hold
 *      takes the lowest of page->free_fds
 *      position word: READY -> VALID | OPENED
 *      the lease's bit into page->closes
 *      reads, fstats ... as with any light lease
 *                                                       anybody looks at the fd table: the fd leads to the file, and
 *                                                       OPENED is cleared
 *      closes it: VALID | OPENED -> READY,
 *      and it may be opened again;
 *      without OPENED: as any light lease
 *
 * Which fds are free, only the process's single thread and the kernel on its behalf change: with a second thread, or another process
 * that shares the table, nothing is prepared. A forged claim gets the process what it could have had by open: what is prepared
 * ends when its credentials or root change, and what others do to the file's name or rights since
 * is as if it had been quicker. It goes where the process had an fd free, or nowhere.
 */
#include <errno.h>
#include <string.h>

#include "lib/host.h"
#include "sentry/task/lease_internal.h"
#include "sentry/vfs/notify.h"
#include "sentry/vfs/vfs.h"

/* Places for prepared ones; what is below and above is left to other leases. */
#define PLACE_FIRST 16u
#define PLACE_COUNT 32u
#define TRIES_MAX   16
/* Each holds a file open in the host: in all processes. */
#define PREPARED_MAX 512u

static unsigned g_prepared;

void lease_open_disown(struct regular_lease *l)
{
    if (l->owned) {
        l->owned = false;
        g_prepared--;
        file_put(l->file);
    }
}

/* --- what the process has opened --- */

/* fd leads to the file. The lease goes on, if it has not ended. */
static void adopt(struct regular_lease *l, uint32_t opened)
{
    struct lease_table *table = l->table;
    struct file *f = l->file;
    int fd = (int)(opened & LEASE_OPENED_FD);
    if (!table->closes.table || !fd_table_adopt(table->closes.table, fd, f, opened & O_CLOEXEC)) {
        file_lease_end(&l->base); /* no stub of ours did that */
        return;
    }
    f->flags |= opened & (O_NONBLOCK | O_NOFOLLOW);
    l->prepared = l->claimed = false;
    if (l->base.ended) {
        __atomic_store_n(&table->page->lease_of[fd], 0, __ATOMIC_SEQ_CST);
    } else {
        f->lease_fd = fd;
    }
    lease_open_disown(l);
}

void lease_open_taken(struct regular_lease *l, uint64_t word)
{
    const uint64_t opened = LEASE_VALID | LEASE_OPENED;
    if ((word & opened) == opened && !l->claimed) {
        l->claimed = true;
        l->opened = __atomic_load_n(&lease_page_of(l)->opened, __ATOMIC_SEQ_CST);
        l->file->pos = (int64_t)(word & LEASE_POSITION);
        refcount_get(&l->base.ref);
        list_add_tail(&l->closed_link, &l->table->claimed);
        l->table->closes.waiting = true;
    }
}

static void settle_one(struct regular_lease *l)
{
    struct platform_lease *p = lease_page_of(l);
    const uint64_t opened = LEASE_VALID | LEASE_OPENED;
    uint64_t word = __atomic_load_n(&p->position, __ATOMIC_SEQ_CST);
    for (int tries = 0; (word & opened) == opened; tries++) {
        if (tries == TRIES_MAX) {
            file_lease_end(&l->base); /* no honest process is so quick */
            return;
        }
        /* Should it be closed and opened again in between, the word has another generation. */
        uint32_t how = __atomic_load_n(&p->opened, __ATOMIC_SEQ_CST);
        if (__atomic_compare_exchange_n(&p->position, &word, word & ~LEASE_OPENED, false,
                                        __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
            adopt(l, how);
            return;
        }
    }
}

void lease_open_settle(struct lease_table *table, uint64_t bits)
{
    struct regular_lease *l;
    while ((l = list_first_entry(&table->claimed, struct regular_lease, closed_link))) {
        list_del(&l->closed_link);
        adopt(l, l->opened);
        file_lease_put(&l->base);
    }
    for (; bits; bits &= bits - 1) {
        l = table->regular[__builtin_ctzll(bits)];
        if (l && l->prepared && !l->claimed) {
            settle_one(l);
        }
    }
}

void lease_open_withdraw(struct lease_table *table)
{
    __atomic_store_n(&table->page->open_limit, 0, __ATOMIC_SEQ_CST);
    lease_settle(table);
    for (unsigned i = PLACE_FIRST; i < PLACE_FIRST + PLACE_COUNT; i++) {
        if (table->regular[i] && table->regular[i]->prepared) {
            file_lease_end(&table->regular[i]->base);
        }
    }
    lease_end_directories(table);
    lease_settle(table); /* what it opened meanwhile */
    table->closes.open_limit = 0;
}

/* --- what it may open --- */

bool lease_open_can_have(uint64_t flags)
{
    _Static_assert(LEASE_OPEN_FLAGS ==
                       (O_CLOEXEC | O_NOCTTY | O_NONBLOCK | O_NOFOLLOW | 0100000 /* O_LARGEFILE */),
                   "Linux's numbers");
    return !(flags & ~(uint64_t)LEASE_OPEN_FLAGS);
}

/* A place for one more; what was prepared longest ago makes room. -1: there is none. */
static int find_place(struct lease_table *table)
{
    for (unsigned tries = 0; tries < PLACE_COUNT; tries++) {
        unsigned i = PLACE_FIRST + table->next_prepared++ % PLACE_COUNT;
        struct regular_lease *l = table->regular[i];
        if (l && l->prepared && !l->claimed) {
            file_lease_end(&l->base);
        }
        if (!table->regular[i] && !table->stale[i]) {
            return (int)i;
        }
    }
    return -1;
}

struct lease_table *lease_open_table(struct task *t)
{
    if (t->tg->live_threads != 1 || !lease_allowed(t) || g_vfs_notify) {
        return NULL;
    }
    struct lease_table *table = lease_table_of(t);
    return table && table->closes.table == t->files ? table : NULL;
}

uint32_t lease_copy_bytes(struct task *t, unsigned place, const struct lease_terms *terms)
{
    size_t size, at = place * LEASE_ROOM, want = (size_t)terms->size;
    struct lease_table *table = t->mm->leases;
    uint8_t *memory = platform_lease_bytes(t->mm->space, &size);
    if (!memory || place >= LEASE_ROOMS || at + LEASE_ROOM > size || want > LEASE_ROOM) {
        return 0;
    }
    table->copied[place] = MAX(table->copied[place], (uint32_t)want);
    return host_pread_nowait(terms->host_fd, memory + at, want, 0) == (ssize_t)want
               ? (uint32_t)at + 1
               : 0;
}

void lease_forget_copies(struct lease_table *table)
{
    size_t size;
    uint8_t *memory = platform_lease_bytes(table->space, &size);
    for (unsigned i = 0; memory && i < LEASE_ROOMS; i++) {
        if (table->copied[i] > 0) {
            if (table->regular[i] && table->regular[i]->bytes) {
                file_lease_end(&table->regular[i]->base);
            }
            memset(memory + i * LEASE_ROOM, 0, table->copied[i]);
            table->copied[i] = 0;
        }
    }
}

static struct regular_lease *prepare(struct task *t, struct file *f, unsigned place, uint32_t hash,
                                     size_t copy_max)
{
    struct lease_terms terms;
    if (!lease_may_have(t, f) || f->inode->lease_pending || lease_has_rival(f) ||
        !list_empty(&f->inode->locks) || f->ops->lease(f, &terms) < 0 || !terms.frozen ||
        terms.size <= 0 || terms.size > (int64_t)LEASE_FILE_MAX) {
        return NULL;
    }
    struct regular_lease *l = calloc(1, sizeof(*l));
    if (l) {
        l->index = place;
        l->prepared = l->owned = true;
        l->name_hash = hash;
        g_prepared++;
        l->bytes = (size_t)terms.size <= copy_max ? lease_copy_bytes(t, place, &terms) : 0;
        lease_install(t, file_get(f), -1, l, &terms);
        lease_page_of(l)->name_hash = hash;
        lease_publish_stat(l);
    }
    return l;
}

unsigned lease_open_prepare(struct task *t, const struct path *p, uint32_t hash, size_t copy_max)
{
    struct inode *inode = p->dentry->inode;
    struct lease_table *table;
    AUTO_PUT(file) f = NULL;
    if (!S_ISREG(inode->mode) || !(inode->i_flags & INODE_FROZEN) || !inode->ops->opens_at_once ||
        !inode->ops->opens_at_once(inode) || !(table = lease_open_table(t))) {
        return 0;
    }
    if (g_prepared >= PREPARED_MAX) {
        lease_settle_everywhere();
    }
    int place = find_place(table);
    if (place < 0 || vfs_open_path(p, O_RDONLY, t->cred, &f) < 0) {
        return 0;
    }
    return prepare(t, f, (unsigned)place, hash, copy_max) ? (unsigned)place + 1 : 0;
}

unsigned lease_open_known(const struct task *t, const struct inode *inode, uint32_t hash)
{
    const struct file_lease *base;
    if (!S_ISREG(inode->mode) || !t->mm->leases) {
        return 0;
    }
    list_for_each_entry (base, &inode->leases, inode_link) {
        const struct regular_lease *l = container_of(base, const struct regular_lease, base);
        if (!lease_is_note(base) && l->table == t->mm->leases && l->prepared &&
            l->name_hash == hash) {
            return l->index + 1;
        }
    }
    return 0;
}

void lease_open_offer(struct task *t)
{
    struct lease_table *table = lease_open_table(t);
    if (table) {
        rlim_t limit = MIN(task_rlimit(t, RLIMIT_NOFILE), (rlim_t)LEASE_OPEN_FDS);
        fd_table_offer(t->files, (int)limit);
        lease_directory_offer(table);
        __atomic_store_n(&table->page->open_limit, (uint32_t)limit, __ATOMIC_SEQ_CST);
    }
}
