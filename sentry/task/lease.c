/*
 * Leased files. A file that a process reads, writes or seeks several times is mapped into its stub, which from then on
 * serves these calls by itself (platform/stub/files.c): 100 ns for 4 KiB instead of microseconds.
 *
 * The lease covers the bytes, the position and the size. While it runs, they are what the lease page says; the
 * page is the guest's to write, so each value is cut to what its process could have done with system calls: a
 * position is any number >= 0, a size at most the mapping's. The wall is what is mapped: only files that
 * the process has open with the right to read them, writable only if it has that right.
 *
 *      granted     lease page valid; the sentry's f->pos and inode->size are old
 *         | hold: somebody in the kernel looked the file up (vfs/lease.h)
 *      held        values taken over; the process has to ask
 *         | the last system call that held it is done
 *      granted     or ended: fd closed, bytes moved, a mapping of the file, address space gone
 *
 * An epoll set with nothing ready gets the simplest of leases: it says so, until something becomes ready.
 *
 * A write's time is taken from the time stamp counter that the stub noted, between two readings of ours.
 */
#include "sentry/task/lease.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <x86intrin.h>

#include "lib/host.h"
#include "platform/platform.h"
#include "sentry/base/timer.h"
#include "sentry/fs/epoll.h"
#include "sentry/vfs/fdtable.h"
#include "sentry/vfs/lease.h"
#include "sentry/vfs/notify.h"
#include "sentry/vfs/vfs.h"

#define WORTH_IT     4                   /* calls on one file before it is leased: granting costs as much */
#define PINNED_BYTES (8UL * 1024 * 1024) /* of ended leases that a process may keep mapped */

_Static_assert(LEASE_FILE_MAX == LEASE_BYTES_MAX, "the file systems' limit is the platform's");

struct lease {
    struct file_lease base;
    struct list idle_link; /* idle ones: on lease_table.idle */
    struct refcount ref; /* the table, and tasks that hold it */
    struct lease_table *table; /* NULL: ended */
    unsigned index;
    unsigned holders; /* tasks in whose system call it is used */
    uint64_t mapped;  /* bytes that the stub can reach */
    bool writable;
    bool idle;           /* an epoll set with nothing ready: that is all the process knows */
    uint64_t tsc;        /* when it was granted: both clocks */
    int64_t realtime_ns;
};

struct lease_table {
    struct platform_lease_page *page; /* the platform's; lives as long as the space */
    struct lease *leases[LEASE_MAX];  /* NULL: free */
    uint64_t pinned[LEASE_MAX];       /* bytes still mapped writable for a lease that ended */
    uint64_t pinned_bytes;
    struct list idle;
    uint16_t generation;
};

static void lease_put(struct lease *l)
{
    if (refcount_put(&l->ref)) {
        free(l);
    }
}

static struct platform_lease *page_of(const struct lease *l)
{
    return &l->table->page->leases[l->index];
}

/* --- granting and taking back --- */

static int64_t written_ns(const struct lease *l, uint64_t tsc)
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
static void take_over(struct lease *l)
{
    struct platform_lease *p = page_of(l);
    struct file *f = l->base.file;
    uint64_t word = __atomic_exchange_n(&p->position, 0, __ATOMIC_SEQ_CST);
    uint64_t size = __atomic_exchange_n(&p->size, LEASE_NO_SIZE, __ATOMIC_SEQ_CST);
    uint64_t written = __atomic_exchange_n(&p->written_at, 0, __ATOMIC_SEQ_CST);
    if (word & LEASE_VALID) {
        f->pos = (int64_t)(word & LEASE_POSITION);
    }
    if (f->ops->lease_end) {
        int64_t kept = size <= l->mapped ? (int64_t)size : f->inode->size;
        f->ops->lease_end(f, l->writable ? kept : f->inode->size,
                          l->writable && written ? written_ns(l, written) : 0);
    }
}

static void publish(struct lease *l, const struct lease_terms *terms)
{
    struct platform_lease *p = page_of(l);
    const struct file *f = l->base.file;
    uint16_t generation = ++l->table->generation;
    p->flags = LEASE_READ * file_readable(f) | LEASE_WRITE * l->writable |
               (f->flags & O_APPEND ? LEASE_APPEND : 0);
    p->capacity = MIN(terms->capacity, l->mapped);
    p->stat_valid = 0;
    l->tsc = __rdtsc();
    l->realtime_ns = ktime_realtime_ns();
    __atomic_store_n(&p->size, (uint64_t)terms->size, __ATOMIC_SEQ_CST);
    __atomic_store_n(&p->position,
                     LEASE_VALID | (uint64_t)generation << 47 | (uint64_t)f->pos, __ATOMIC_SEQ_CST);
}

static void lease_end(struct file_lease *base)
{
    struct lease *l = container_of(base, struct lease, base);
    struct lease_table *table = l->table;
    if (!table) {
        return;
    }
    struct file *f = base->file;
    __atomic_store_n(&table->page->lease_of[f->lease_fd], 0, __ATOMIC_SEQ_CST);
    if (!l->holders && !l->idle) {
        take_over(l);
    }
    if (l->writable) {
        table->pinned[l->index] = l->mapped;
        table->pinned_bytes += l->mapped;
    }
    if (l->idle) {
        list_del(&l->idle_link);
    } else {
        table->leases[l->index] = NULL;
    }
    l->table = NULL;
    f->lease = NULL;
    f->lease_heat = 0;
    base->file = NULL;
    list_del(&base->inode_link);
    lease_put(l);
}

static void lease_hold(struct file_lease *base)
{
    struct lease *l = container_of(base, struct lease, base);
    struct task *t = task_current();
    if (l->idle) {
        return; /* it ends when something becomes ready, whoever uses the set */
    }
    if (!t || t->lease_count == TASK_LEASES_MAX) {
        lease_end(base);
        return;
    }
    for (unsigned i = 0; i < t->lease_count; i++) {
        if (t->leases[i] == l) {
            return;
        }
    }
    refcount_get(&l->ref);
    t->leases[t->lease_count++] = l;
    if (l->holders++ == 0) {
        take_over(l);
    }
}

static bool terms_fit(const struct lease *l, const struct lease_terms *terms)
{
    return (uint64_t)terms->size <= l->mapped && terms->size <= (int64_t)terms->capacity &&
           l->base.file->pos >= 0 && (uint64_t)l->base.file->pos <= LEASE_POSITION;
}

/* Nobody in the kernel uses it any more. */
static void lease_give_back(struct lease *l)
{
    struct lease_terms terms;
    if (!l->table || --l->holders > 0) {
        return;
    }
    struct file *f = l->base.file;
    int r = f->ops->lease(f, &terms);
    if (r == 0 && terms_fit(l, &terms)) {
        publish(l, &terms);
        return;
    }
    l->holders++; /* nothing is granted: there is nothing to take over */
    if (r == 0 && f->ops->lease_end) {
        f->ops->lease_end(f, terms.size, 0);
    }
    lease_end(&l->base);
}

void lease_end_all(struct mm *mm)
{
    struct lease_table *table = take(&mm->leases);
    if (!table) {
        return;
    }
    for (unsigned i = 0; i < LEASE_MAX; i++) {
        if (table->leases[i]) {
            lease_end(&table->leases[i]->base);
        }
    }
    struct lease *l, *next;
    list_for_each_entry_safe (l, next, &table->idle, idle_link) {
        lease_end(&l->base);
    }
    free(table);
}

/* --- when --- */

static struct lease_table *table_of(struct mm *mm)
{
    struct platform_lease_page *page;
    if (!mm->leases && (page = platform_lease_page(mm->space))) {
        mm->leases = calloc(1, sizeof(*mm->leases));
        if (mm->leases) {
            mm->leases->page = page;
            list_init(&mm->leases->idle);
        }
    }
    return mm->leases;
}

/* Ended leases keep their files' bytes alive until they are unmapped. Context: may block. */
static void unpin(struct task *t, struct lease_table *table)
{
    unsigned indices[LEASE_MAX];
    size_t count = 0;
    for (unsigned i = 0; i < LEASE_MAX; i++) {
        if (table->pinned[i] && !table->leases[i]) {
            indices[count++] = i;
        }
        table->pinned[i] = 0;
    }
    table->pinned_bytes = 0;
    platform_lease_unmap(t->pt, indices, count);
}

static int free_index(const struct lease_table *table)
{
    for (int i = 0; i < LEASE_MAX; i++) {
        if (!table->leases[i]) {
            return i;
        }
    }
    return -1;
}

/* The lease page goes by fd: the address space and the fd table must have the same users. */
static bool may_have_leases(const struct task *t)
{
    return !t->tg->vm_borrowed && fd_table_users(t->files) == (unsigned)t->tg->live_threads;
}

/* Writing may grow the file; a limit on its size is checked where calls are served one by one. */
static bool may_lease(const struct task *t, const struct file *f)
{
    if (!f->ops->lease || !S_ISREG(f->inode->mode) || f->flags & (O_PATH | O_DIRECT) ||
        g_vfs_notify) {
        return false;
    }
    return !file_writable(f) ||
           (t->tg->limits[RLIMIT_FSIZE].rlim_cur == RLIM_INFINITY && !f->inode->seals &&
            !(f->inode->mode & (S_ISUID | S_ISGID)) &&
            inode_permission(f->inode, f->cred, MAY_READ) == 0);
}

/* Readers may share a file; one that writes has it alone. */
static bool has_rival(const struct file *f)
{
    const struct file_lease *l;
    list_for_each_entry (l, &f->inode->leases, inode_link) {
        if (file_writable(f) || file_writable(l->file)) {
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

static void lease_init(struct lease *l, struct task *t, struct file *f, int fd)
{
    refcount_init(&l->ref);
    l->base.hold = lease_hold;
    l->base.end = lease_end;
    l->base.file = f;
    l->table = t->mm->leases;
    f->lease = &l->base;
    f->lease_files = t->files;
    f->lease_fd = fd;
    list_add_tail(&l->base.inode_link, &f->inode->leases);
}

static void grant_idle(struct task *t, struct file *f, int fd)
{
    struct lease_table *table = table_of(t->mm);
    struct lease *l = table ? calloc(1, sizeof(*l)) : NULL;
    if (l) {
        lease_init(l, t, f, fd);
        l->idle = true;
        list_add_tail(&l->idle_link, &table->idle);
        __atomic_store_n(&table->page->lease_of[fd], LEASE_IDLE, __ATOMIC_SEQ_CST);
    }
}

/* Context: may block. */
static void lease_grant(struct task *t, struct file *f, int fd)
{
    struct lease_terms terms;
    struct lease_table *table = table_of(t->mm);
    int index = table ? free_index(table) : -1;
    AUTO_FREE struct lease *l = index < 0 ? NULL : calloc(1, sizeof(*l));
    if (!l || f->ops->lease(f, &terms) < 0) {
        return;
    }
    int r = terms.capacity <= LEASE_BYTES_MAX ? map_lease(t, (unsigned)index, &terms) : -EFBIG;
    /* The world may have changed while the stub mapped it. */
    if (r == 0 && !t->must_exit && t->mm && t->mm->leases == table && !table->leases[index] &&
        !f->lease && may_have_leases(t) && may_lease(t, f) && !has_rival(f) && terms.size == f->inode->size &&
        f->pos >= 0 && (uint64_t)f->pos <= LEASE_POSITION) {
        lease_init(l, t, f, fd);
        l->index = (unsigned)index;
        l->mapped = ALIGN_UP(MAX(terms.capacity, (uint64_t)1), PAGE_SIZE);
        l->writable = terms.writable;
        struct lease *granted = take(&l);
        table->leases[index] = granted;
        publish(granted, &terms);
        table->page->lease_of[fd] = (uint8_t)(index + 1);
        return;
    }
    f->lease_heat = 0;
    if (f->ops->lease_end) {
        f->ops->lease_end(f, terms.size, 0);
    }
}

static bool is_poll(const struct task *t, long nr)
{
    return (nr == SYS_epoll_wait || nr == SYS_epoll_pwait) && (int)t->syscall_args[3] == 0;
}

static bool is_transfer(long nr)
{
    return nr == SYS_read || nr == SYS_write || nr == SYS_pread64 || nr == SYS_pwrite64 ||
           nr == SYS_lseek || nr == SYS_fstat || nr == SYS_readv;
}

/* fstat's answer, for the next time. */
static void publish_stat(struct file *f)
{
    struct lease *l = container_of(f->lease, struct lease, base);
    struct stat st;
    if (l->holders || vfs_stat_leased(&f->path, &st) < 0 || f->lease != &l->base || l->holders) {
        return;
    }
    struct platform_lease *p = page_of(l);
    _Static_assert(sizeof(st) == sizeof(p->stat), "Linux's struct stat");
    memcpy(p->stat, &st, sizeof(st));
    __atomic_store_n(&p->stat_valid, 1, __ATOMIC_RELEASE);
}

static void consider(struct task *t, long nr, int fd)
{
    AUTO_PUT(file) f = NULL;
    if (fd < 0 || fd >= LEASE_FD_MAX || fd_table_peek(t->files, fd, &f) < 0) {
        return;
    }
    if (f->lease) {
        if (f->lease_files == t->files && f->lease_fd == fd && nr == SYS_fstat &&
            S_ISREG(f->inode->mode)) {
            publish_stat(f);
        }
    } else if (!may_have_leases(t)) {
        return;
    } else if (file_is_epoll(f)) {
        if (epoll_is_idle(f)) {
            grant_idle(t, f, fd);
        }
    } else if (may_lease(t, f) && ++f->lease_heat >= WORTH_IT && !has_rival(f)) {
        lease_grant(t, f, fd);
    }
}

void lease_call_done(struct task *t, long nr, long result)
{
    while (t->lease_count > 0) {
        struct lease *l = t->leases[--t->lease_count];
        lease_give_back(l);
        lease_put(l);
    }
    if (t->must_exit || t->exec_started || !t->pt) {
        return;
    }
    bool is_fstat = nr == SYS_newfstatat && ((int)t->syscall_args[3] & AT_EMPTY_PATH);
    if (result >= 0 && (is_fstat || is_transfer(nr) || (result == 0 && is_poll(t, nr)))) {
        consider(t, is_fstat ? SYS_fstat : nr, (int)t->syscall_args[0]);
    }
    if (t->mm && t->mm->leases && t->mm->leases->pinned_bytes > PINNED_BYTES) {
        unpin(t, t->mm->leases);
    }
}
