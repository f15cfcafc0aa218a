/*
 * Advisory locks. Analogous to Linux's fs/locks.c.
 *
 * All locks of an inode are on inode->locks. Two families that ignore each other: record locks
 * (POSIX and OFD: byte ranges; they differ only in who the owner is) and flock locks (whole file, owned
 * by the description). Locks of one owner never overlap, and touching ones of one type are merged.
 *
 * Each lock also remembers the file it was last set through: when that description goes, the lock
 * goes, so that no lock outlives the last open file of its inode.
 */
#include "sentry/vfs/locks.h"

#include <errno.h>
#include <sys/file.h>

#include "sentry/vfs/lease.h"

enum lock_family { LOCK_RECORD, LOCK_FLOCK };

struct file_lock {
    struct list link;
    enum lock_family family;
    const void *owner;
    const struct file *file; /* borrowed: see above */
    struct lock_range range;
};

/* A POSIX F_SETLKW that sleeps; for deadlock detection. On the sleeper's stack. */
struct lock_waiter {
    struct list link;
    const void *owner;
    struct inode *inode;
    const struct lock_range *range;
};
static struct list g_lock_waiters = LIST_INIT(g_lock_waiters);
#define MAX_DEADLOCK_STEPS 10 /* as Linux: a longer chain is taken for innocent */

int lock_range_init(struct lock_range *r, struct file *f, short type, short whence, int64_t start,
                    int64_t size)
{
    int64_t base = 0;
    if (type != F_RDLCK && type != F_WRLCK && type != F_UNLCK) {
        return -EINVAL;
    }
    if (whence == SEEK_CUR) {
        base = f->pos;
    } else if (whence == SEEK_END) {
        base = f->inode->size;
    } else if (whence != SEEK_SET) {
        return -EINVAL;
    }
    if (__builtin_add_overflow(base, start, &start)) {
        return -EOVERFLOW;
    }
    if (start < 0) {
        return -EINVAL;
    }
    int64_t end = INT64_MAX;
    if (size > 0) {
        if (size - 1 > INT64_MAX - start) {
            return -EOVERFLOW;
        }
        end = start + (size - 1);
    } else if (size < 0) { /* the bytes before start */
        if (start + size < 0) {
            return -EINVAL;
        }
        end = start - 1;
        start += size;
    }
    *r = (struct lock_range){.start = start, .end = end, .type = type};
    return 0;
}

static bool overlap(const struct lock_range *a, const struct lock_range *b)
{
    return a->start <= b->end && b->start <= a->end;
}

/* Overlapping, or side by side without a gap. */
static bool touch(const struct lock_range *a, const struct lock_range *b)
{
    return (a->end == INT64_MAX || b->start <= a->end + 1) &&
           (b->end == INT64_MAX || a->start <= b->end + 1);
}

static struct file_lock *find_conflict(struct inode *inode, enum lock_family family,
                                       const void *owner, const struct lock_range *r)
{
    struct file_lock *l;
    list_for_each_entry (l, &inode->locks, link) {
        if (l->family == family && l->owner != owner && overlap(&l->range, r) &&
            (l->range.type == F_WRLCK || r->type == F_WRLCK)) {
            return l;
        }
    }
    return NULL;
}

static void lock_free(struct file_lock *l)
{
    list_del(&l->link);
    free(l);
}

/* Would owner, by waiting for blocker, close a circle of processes that wait for each other? */
static bool would_deadlock(const void *owner, const void *blocker)
{
    for (int steps = 0; steps < MAX_DEADLOCK_STEPS; steps++) {
        struct lock_waiter *w;
        const void *next = NULL;
        list_for_each_entry (w, &g_lock_waiters, link) {
            if (w->owner == blocker) {
                struct file_lock *l = find_conflict(w->inode, LOCK_RECORD, w->owner, w->range);
                next = l ? l->owner : NULL;
                break;
            }
        }
        if (!next) {
            return false;
        }
        if (next == owner) {
            return true;
        }
        blocker = next;
    }
    return false;
}

/* F_GETLK tells of the first: owner after owner, each one's by where they start. Return: the link before which such a lock belongs. */
static struct list *place_for(struct inode *inode, const void *owner, int64_t start)
{
    struct list *place = &inode->locks;
    struct file_lock *l;
    list_for_each_entry (l, &inode->locks, link) {
        if (l->family == LOCK_RECORD && l->owner == owner) {
            if (l->range.start > start) {
                return &l->link;
            }
            place = l->link.next;
        }
    }
    return place;
}

/*
 * Makes r what owner has on its range: merges equal neighbours, cuts what differs.
 * spare[0] becomes the new lock, spare[1] the right half of a lock that is cut in two.
 */
static void apply_range(struct file *f, const void *owner, const struct lock_range *r,
                        struct file_lock *spare[2])
{
    struct inode *inode = f->inode;
    struct lock_range merged = *r;
    struct file_lock *l, *tmp;
    list_for_each_entry_safe (l, tmp, &inode->locks, link) {
        if (l->family != LOCK_RECORD || l->owner != owner) {
            continue;
        }
        if (l->range.type == r->type) {
            if (touch(&l->range, &merged)) {
                merged.start = MIN(merged.start, l->range.start);
                merged.end = MAX(merged.end, l->range.end);
                lock_free(l);
            }
            continue;
        }
        if (!overlap(&l->range, r)) {
            continue;
        }
        bool left = l->range.start<r->start, right = l->range.end> r->end;
        if (left && right) {
            struct file_lock *half = take(&spare[1]);
            *half = *l;
            half->range.start = r->end + 1;
            list_add(&half->link, &l->link);
            l->range.end = r->start - 1;
        } else if (left) {
            l->range.end = r->start - 1;
        } else if (right) {
            l->range.start = r->end + 1;
        } else {
            lock_free(l);
        }
    }
    if (r->type != F_UNLCK) {
        struct file_lock *fresh = take(&spare[0]);
        *fresh =
            (struct file_lock){.family = LOCK_RECORD, .owner = owner, .file = f, .range = merged};
        list_add_tail(&fresh->link, place_for(inode, owner, merged.start));
    }
    waitq_wake(&inode->lock_wait, 0);
}

static int wait_for_record(struct file *f, const void *owner, const struct lock_range *r)
{
    struct inode *inode = f->inode;
    struct file_lock *conflict = find_conflict(inode, LOCK_RECORD, owner, r);
    while (conflict) {
        bool posix = owner != f;
        if (posix && would_deadlock(owner, conflict->owner)) {
            return -EDEADLK;
        }
        struct lock_waiter w = {.owner = owner, .inode = inode, .range = r};
        list_init(&w.link);
        if (posix) {
            list_add_tail(&w.link, &g_lock_waiters);
        }
        int err = waitq_wait(&inode->lock_wait, !find_conflict(inode, LOCK_RECORD, owner, r));
        list_del(&w.link);
        if (err < 0) {
            return err;
        }
        conflict = find_conflict(inode, LOCK_RECORD, owner, r);
    }
    return 0;
}

/* Closing it is something that others see. */
static void end_leases(struct file *f)
{
    if (S_ISDIR(f->inode->mode)) {
        inode_end_leases(f->inode);
    }
}

int file_lock_set(struct file *f, const void *owner, const struct lock_range *r, bool wait)
{
    if ((r->type == F_RDLCK && !file_readable(f)) || (r->type == F_WRLCK && !file_writable(f))) {
        return -EBADF;
    }
    end_leases(f);
    struct file_lock *spare[2] = {malloc(sizeof(*spare[0])), malloc(sizeof(*spare[1]))};
    int err = spare[0] && spare[1] ? 0 : -ENOMEM;
    if (err == 0 && r->type != F_UNLCK) {
        if (wait) {
            err = wait_for_record(f, owner, r);
        } else if (find_conflict(f->inode, LOCK_RECORD, owner, r)) {
            err = -EAGAIN;
        }
    }
    if (err == 0) {
        apply_range(f, owner, r, spare);
    }
    free(spare[0]);
    free(spare[1]);
    return err;
}

/* For F_UNLCK: one of the owner's own. */
static const struct file_lock *find_own(const struct inode *inode, const void *owner,
                                        const struct lock_range *r)
{
    const struct file_lock *l;
    list_for_each_entry (l, &inode->locks, link) {
        if (l->family == LOCK_RECORD && l->owner == owner && l->range.start <= r->end &&
            r->start <= l->range.end) {
            return l;
        }
    }
    return NULL;
}

void file_lock_test(struct file *f, const void *owner, struct lock_range *r)
{
    const struct file_lock *l = r->type == F_UNLCK ? find_own(f->inode, owner, r)
                                                   : find_conflict(f->inode, LOCK_RECORD, owner, r);
    if (l) {
        *r = l->range;
    } else {
        r->type = F_UNLCK;
    }
}

bool locks_have_rival(const struct inode *inode, const void *owner)
{
    const struct file_lock *l;
    list_for_each_entry (l, &inode->locks, link) {
        if (l->family == LOCK_RECORD && l->owner != owner) {
            return true;
        }
    }
    return false;
}

/* What processes have locked by themselves is among the inode's locks then. */
static void take_leased(struct inode *inode)
{
    struct file_lease *l, *next;
    list_for_each_entry_safe (l, next, &inode->leases, inode_link) {
        if (l->locks && g_file_lease_hold) {
            g_file_lease_hold(l);
        }
    }
}

/* Return: whether anything was dropped. */
static bool drop_flock(struct file *f)
{
    struct file_lock *l, *tmp;
    list_for_each_entry_safe (l, tmp, &f->inode->locks, link) {
        if (l->family == LOCK_FLOCK && l->owner == f) {
            lock_free(l);
            waitq_wake(&f->inode->lock_wait, 0);
            return true;
        }
    }
    return false;
}

static bool has_flock(const struct file *f, short type)
{
    const struct file_lock *l;
    list_for_each_entry (l, &f->inode->locks, link) {
        if (l->family == LOCK_FLOCK && l->owner == f && l->range.type == type) {
            return true;
        }
    }
    return false;
}

int file_flock(struct file *f, int op, bool wait)
{
    struct inode *inode = f->inode;
    const struct lock_range all = {
        .start = 0, .end = INT64_MAX, .type = (short)(op == LOCK_EX ? F_WRLCK : F_RDLCK)};
    if (op == LOCK_UN) {
        drop_flock(f);
        return 0;
    }
    if (op != LOCK_SH && op != LOCK_EX) {
        return -EINVAL;
    }
    end_leases(f);
    if (has_flock(f, all.type)) {
        return 0;
    }
    drop_flock(f); /* flock(2): a conversion drops the old lock first, also when it then fails */
    while (find_conflict(inode, LOCK_FLOCK, f, &all)) {
        if (!wait) {
            return -EAGAIN;
        }
        int err = waitq_wait(&inode->lock_wait, !find_conflict(inode, LOCK_FLOCK, f, &all));
        if (err < 0) {
            return err;
        }
    }
    drop_flock(f); /* another thread may have taken one through f while this one slept */
    struct file_lock *l = malloc(sizeof(*l));
    if (!l) {
        return -ENOMEM;
    }
    *l = (struct file_lock){.family = LOCK_FLOCK, .owner = f, .file = f, .range = all};
    list_add_tail(&l->link, &inode->locks);
    return 0;
}

void locks_remove_posix(struct file *f, const void *owner)
{
    struct file_lock *l, *tmp;
    bool dropped = false;
    take_leased(f->inode);
    list_for_each_entry_safe (l, tmp, &f->inode->locks, link) {
        if (l->family == LOCK_RECORD && l->owner == owner) {
            lock_free(l);
            dropped = true;
        }
    }
    if (dropped) {
        waitq_wake(&f->inode->lock_wait, 0);
    }
}

void locks_remove_file(struct file *f)
{
    struct file_lock *l, *tmp;
    bool dropped = false;
    list_for_each_entry_safe (l, tmp, &f->inode->locks, link) {
        if (l->file == f) {
            lock_free(l);
            dropped = true;
        }
    }
    if (dropped) {
        waitq_wake(&f->inode->lock_wait, 0);
    }
}
