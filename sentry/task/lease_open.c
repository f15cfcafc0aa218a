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
 * A memory file comes with a copy of its bytes, or not at all. Whatever changes it holds the lease (vfs/lease.h), and the copy is given again only if
 * the inode is as it was. Reading changes the inode, too: the process notes when it first did in platform_lease.accessed, and we
 * take that with the lease, or with the next call that names a descriptor.
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
#include "sentry/vfs/stamp.h"
#include "sentry/vfs/vfs.h"

/* Places for prepared ones; what is below and above is left to other leases. */
#define PLACE_FIRST 16u
#define PLACE_COUNT 32u
#define TRIES_MAX   16
/* Bytes of a memory file that are copied for a process of which is not known yet whether it reads. */
#define COPY_MIN 4096
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

void lease_take_touch(struct file_lease *base)
{
    struct regular_lease *l = container_of(base, struct regular_lease, base);
    struct platform_lease *p = lease_page_of(l);
    if (!base->touches || !__atomic_load_n(&p->accessed, __ATOMIC_SEQ_CST)) {
        return;
    }
    int64_t told = __atomic_exchange_n(&p->accessed, 0, __ATOMIC_SEQ_CST);
    int64_t when = MIN(MAX(told, l->given_at.ns), ktime_realtime_ns());
    base->touches = false;
    p->touch = 0;
    if (when != told) {
        p->stat_valid = 0;
        l->stat_given = false;
    }
    l->stat_of.atime_ns = l->file->inode->atime_ns = when;
    inode_changed(l->file->inode);
}

/* One process at a time knows of the access time. */
static void end_touches(struct inode *inode)
{
    struct file_lease *l, *next;
    list_for_each_entry_safe (l, next, &inode->leases, inode_link) {
        if (l->touches) {
            file_lease_end(l);
        }
    }
}

bool lease_touches_elsewhere(const struct lease_table *table, const struct inode *inode)
{
    const struct file_lease *l;
    list_for_each_entry (l, &inode->leases, inode_link) {
        if (l->touches && container_of(l, const struct regular_lease, base)->table != table) {
            return true;
        }
    }
    return false;
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

/* The marks go first: one that comes meanwhile makes the process ask once more than it must. */
static void take_touches(struct lease_table *table)
{
    uint64_t *marks = table->page->names.touched, any = 0;
    for (unsigned i = 0; i < NAME_TOUCHED_WORDS; i++) {
        any |= __atomic_load_n(&marks[i], __ATOMIC_SEQ_CST)
                   ? __atomic_exchange_n(&marks[i], 0, __ATOMIC_SEQ_CST)
                   : 0;
    }
    for (unsigned i = PLACE_FIRST; any && i < PLACE_FIRST + PLACE_COUNT; i++) {
        if (table->regular[i]) {
            lease_take_touch(&table->regular[i]->base);
        }
    }
}

void lease_open_settle(struct lease_table *table, uint64_t bits)
{
    struct regular_lease *l;
    take_touches(table);
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
    notes_end_creates(table);
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

/* What terms say of it. Return: size, if that many could be read. */
static ssize_t copy_from(struct file *f, const struct lease_terms *terms, void *to, size_t size)
{
    if (terms->host_fd >= 0) {
        return host_pread_nowait(terms->host_fd, to, size, 0);
    }
    struct uio u;
    int64_t pos = 0;
    uio_init_kernel(&u, to, size);
    return f->ops->read(f, &u, &pos);
}

uint32_t lease_copy_bytes(struct task *t, unsigned place, struct file *f,
                          const struct lease_terms *terms)
{
    size_t size, at = place * LEASE_ROOM, want = (size_t)terms->size;
    struct lease_table *table = t->mm->leases;
    uint8_t *memory = platform_lease_bytes(t->mm->space, &size);
    if (!memory || place >= LEASE_ROOMS || at + LEASE_ROOM > size || want > LEASE_ROOM) {
        return 0;
    }
    table->copied[place] = MAX(table->copied[place], (uint32_t)want);
    return copy_from(f, terms, memory + at, want) == (ssize_t)want ? (uint32_t)at + 1 : 0;
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

/* On what terms f may be prepared. */
static bool terms_of(struct file *f, struct lease_terms *terms)
{
    if (!(f->inode->i_flags & INODE_FROZEN)) {
        *terms = (struct lease_terms){.host_fd = -1, .size = f->inode->size, .frozen = true};
        return f->ops->steady && f->ops->steady(f) && !(f->inode->i_flags & INODE_UNSTEADY);
    }
    return f->ops->lease(f, terms) == 0 && terms->frozen;
}

bool lease_copy_holds(const struct regular_lease *l, struct lease_terms *terms)
{
    return l->stat_given && inode_mark_holds(&l->stat_of, l->file->inode) &&
           terms_of(l->file, terms) && !lease_has_rival(l->file);
}

/*
 * Of a memory file the process gets a copy, or nothing: it can be mapped by who has it open alone. What changes the file looks the
 * inode up, and ends this.
 */
static struct regular_lease *prepare(struct task *t, struct file *f, unsigned place, uint32_t hash,
                                     size_t copy_max)
{
    struct lease_terms terms;
    if (!lease_may_have(t, f) || f->inode->lease_pending || lease_has_rival(f) ||
        !list_empty(&f->inode->locks) || !terms_of(f, &terms) || terms.size <= 0 ||
        terms.size > (int64_t)LEASE_FILE_MAX) {
        return NULL;
    }
    bool memory = terms.host_fd < 0;
    uint32_t kept = memory ? 0 : lease_kept_number(t, f, &terms);
    bool copies = !kept && (size_t)terms.size <= copy_max;
    uint32_t bytes = copies ? lease_copy_bytes(t, place, f, &terms) : 0;
    struct regular_lease *l = bytes || !memory ? calloc(1, sizeof(*l)) : NULL;
    if (l) {
        l->index = place;
        l->prepared = l->owned = true;
        l->name_hash = hash;
        l->bytes = bytes;
        l->kept = kept;
        l->copied = memory;
        g_prepared++;
        l->given_at.ns = memory ? ktime_realtime_ns() : 0;
        if (memory && file_access_counts(f)) {
            end_touches(f->inode);
            inode_changed(f->inode); /* what others kept of it does not see the process read */
            l->base.touches = true;
        }
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
    copy_max = inode->i_flags & INODE_FROZEN ? copy_max : MAX(copy_max, (size_t)COPY_MIN);
    if (!S_ISREG(inode->mode) || !inode->ops->opens_at_once || !inode->ops->opens_at_once(inode) ||
        (!(inode->i_flags & INODE_FROZEN) && inode->size > (int64_t)copy_max) ||
        !(table = lease_open_table(t))) {
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

void lease_open_retract(struct task *t)
{
    if (t->mm->leases && t->mm->leases->page->open_limit && !notes_may_create(t->mm->leases)) {
        lease_open_withdraw(t->mm->leases);
        fd_table_offer(t->files, 0);
    }
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
