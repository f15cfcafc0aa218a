/*
 * Record locks (fcntl(2), F_SETLK) that a process sets and drops by itself: sqlite does so nine times in each transaction. On a file that it may
 * write, and has a lease of, while nobody else has a lock on it: then no lock can be refused. (Who waits for one holds the lease.)
 *
 * They go to a log in the lease page (struct platform_lock), which is taken over with the lease: whoever locks the file, asks
 * about its locks or closes it looks the inode up, and so finds them. One file at a time, since one log is enough for it.
 * What stands in the log is only what the process could have done by system calls.
 */
#include <fcntl.h>

#include "sentry/task/lease_internal.h"
#include "sentry/vfs/locks.h"

#define LOCKS_WORTH_IT 8

static void apply(struct regular_lease *l, const volatile struct platform_lock *lock)
{
    const struct lock_range range = {.start = lock->start,
                                     .end = lock->end,
                                     .type = (short)lock->type,
                                     .pid = l->table->locker_pid};
    if (range.start < 0 || range.end < range.start ||
        (range.type != F_RDLCK && range.type != F_WRLCK && range.type != F_UNLCK)) {
        return;
    }
    int err = file_lock_set(l->file, l->table->files, &range, false);
    (void)err; /* only of what the stub would not have logged */
}

bool lease_locks_take(struct regular_lease *l)
{
    struct platform_lease_page *page = l->table->page;
    if (l->table->locker != l) {
        return false;
    }
    uint64_t word = __atomic_exchange_n(&page->lock_word, 0, __ATOMIC_SEQ_CST);
    size_t count = word & LOG_GRANTED ? MIN(word & LOG_COUNT, (uint64_t)LOCKS_MAX) : 0;
    l->table->locker = NULL;
    l->base.locks = false;
    for (size_t i = 0; i < count; i++) {
        apply(l, &page->locks[i]);
    }
    return count > 0;
}

void lease_locks_give(struct regular_lease *l)
{
    struct lease_table *table = l->table;
    if (l->locked < LOCKS_WORTH_IT || !l->writable || l->prepared || table->locker ||
        locks_have_rival(l->file->inode, table->files)) {
        return;
    }
    table->locker = l;
    l->base.locks = true;
    table->page->lock_lease = l->index + 1;
    __atomic_store_n(&table->page->lock_word, LOG_GRANTED, __ATOMIC_SEQ_CST);
}

void lease_locks_called(struct task *t, int fd)
{
    struct lease_table *table = t->mm->leases;
    for (unsigned i = 0; table && i < LEASE_MAX; i++) {
        struct regular_lease *l = table->regular[i];
        if (l && l->file->lease_fd == fd && l->writable && l->base.holders == 0) {
            l->locked++;
            table->locker_pid = task_tgid(t);
            lease_locks_give(l);
            return;
        }
    }
}
