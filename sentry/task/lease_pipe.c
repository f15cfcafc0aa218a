/*
 * Leased pipes: what the pipe holds lies in a ring that the processes at its ends share, and each of them reads and
 * writes it, sleeps and wakes the others by itself (platform/stub/pipe.c).
 *
 * All of them can write all of the ring, so they must be of one trust: with the same credentials. What they
 * can spoil is what they tell each other; for the kernel, the ring is at most RING_DATA bytes of anything.
 *
 * The two words say where writers and readers are; taking the lease back exchanges both for "nobody's". A process
 * that was in the middle of a copy then has its locked bit in the word: what it is still doing can't count
 * any more, but it may go on scribbling, so that ring is not used again.
 *
 * Anybody who waits in the kernel (poll, a read that came before the lease) keeps the lease held, and anybody who
 * stays registered with the pipe's wait queue (epoll) prevents it: the ring's readers and writers wake only each other.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "lib/host.h"
#include "sentry/fs/eventfd.h"
#include "sentry/fs/pipe.h"
#include "sentry/task/lease_internal.h"

#define WORTH_IT    4 /* transfers at one end before its pipe is leased */
#define MEMBERS_MAX 8

struct ring_member {
    struct lease_table *table;
    const struct fd_table *files;
    struct file *file; /* borrowed: its fd's closing ends the lease */
    int fd;
    unsigned index; /* among the table's rings */
};

struct ring_lease {
    struct file_lease base;
    struct inode *inode; /* borrowed from the members' files */
    struct file *
        counter; /* borrowed likewise: an eventfd, which is one file to all of them; NULL: a pipe */
    struct platform_ring *ring;
    int host_fd;       /* owned */
    struct cred *cred; /* ref: all members' */
    uint16_t generation;
    unsigned idle_holds;
    bool spoiled;
    struct ring_member members[MEMBERS_MAX];
    unsigned member_count;
};

static struct ring_lease *ring_lease(struct file_lease *base)
{
    return container_of(base, struct ring_lease, base);
}

static void wake(uint32_t *seq, const uint32_t *waiting)
{
    __atomic_fetch_add(seq, 1, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(waiting, __ATOMIC_SEQ_CST)) {
        host_futex_wake(seq, INT32_MAX);
    }
}

/* What stands in a pipe's ring becomes the pipe's. */
static void take_pipe(struct ring_lease *l, uint64_t written, uint64_t read)
{
    const struct platform_ring *r = l->ring;
    uint64_t from = read & RING_POSITION, size = (written & RING_POSITION) - from;
    l->spoiled |= ((written | read) & RING_LOCKED) != 0;
    l->idle_holds = from == 0 ? l->idle_holds + 1 : 0;
    if ((written & RING_VALID) && (read & RING_VALID) && size <= RING_DATA) {
        static char straight[RING_DATA]; /* in one piece it needs no more slots than there are */
        size_t start = from % RING_DATA, first = MIN(size, RING_DATA - start);
        memcpy(straight, r->data + start, first);
        memcpy(straight + first, r->data, size - first);
        pipe_load(l->inode, straight, size);
    }
}

static void take_counter(struct ring_lease *l, uint64_t word)
{
    uint32_t used = __atomic_exchange_n(&l->ring->counter_used, 0, __ATOMIC_SEQ_CST);
    l->idle_holds = used ? 0 : l->idle_holds + 1;
    if (word & RING_VALID) {
        eventfd_set_count(l->counter, word & RING_POSITION);
    }
}

static void take_over(struct file_lease *base)
{
    struct ring_lease *l = ring_lease(base);
    struct platform_ring *r = l->ring;
    uint64_t written = __atomic_exchange_n(&r->write_word, 0, __ATOMIC_SEQ_CST);
    uint64_t read = __atomic_exchange_n(&r->read_word, 0, __ATOMIC_SEQ_CST);
    if (l->counter) {
        take_counter(l, written);
    } else {
        take_pipe(l, written, read);
    }
    wake(&r->data_seq, &r->readers_waiting);
    wake(&r->space_seq, &r->writers_waiting);
}

static bool file_fits(const struct file *f)
{
    return file_is_eventfd(f) || !(f->flags & (O_NONBLOCK | O_DIRECT));
}

static bool files_fit(const struct ring_lease *l)
{
    for (unsigned i = 0; i < l->member_count; i++) {
        if (!file_fits(l->members[i].file)) {
            return false;
        }
    }
    return true;
}

/* f, whose ring it is or may become, can be given away now. */
static bool is_quiet(const struct file *f)
{
    return file_is_eventfd(f) ? eventfd_is_quiet(f, RING_POSITION)
                              : pipe_is_quiet(f->inode, RING_DATA);
}

static void give_counter(struct ring_lease *l, uint64_t word)
{
    const struct file *f = l->counter;
    l->ring->counter_flags = (f->flags & O_NONBLOCK ? COUNTER_NONBLOCK : 0) |
                             (eventfd_is_semaphore(f) ? COUNTER_SEMAPHORE : 0);
    __atomic_store_n(&l->ring->write_word, word | eventfd_count(f), __ATOMIC_SEQ_CST);
}

static bool give_back(struct file_lease *base)
{
    struct ring_lease *l = ring_lease(base);
    bool quiet = l->counter ? is_quiet(l->counter) : pipe_is_quiet(l->inode, RING_DATA);
    if (l->spoiled || l->idle_holds >= LEASE_TIRED_OF || !files_fit(l) || !quiet) {
        return false;
    }
    uint64_t word = RING_VALID | (uint64_t)(++l->generation % RING_GENERATIONS) << RING_SHIFT;
    if (l->counter) {
        give_counter(l, word);
        return true;
    }
    size_t size = pipe_unload(l->inode, l->ring->data, RING_DATA);
    __atomic_store_n(&l->ring->read_word, word, __ATOMIC_SEQ_CST);
    __atomic_store_n(&l->ring->write_word, word | size, __ATOMIC_SEQ_CST);
    return true;
}

static void end(struct file_lease *base)
{
    struct ring_lease *l = ring_lease(base);
    for (unsigned i = 0; i < l->member_count; i++) {
        struct ring_member *m = &l->members[i];
        __atomic_store_n(&m->table->page->lease_of[m->fd], 0, __ATOMIC_SEQ_CST);
        m->table->rings[m->index] = NULL;
        m->table->stale_rings[m->index] = true;
        m->file->lease = NULL;
        m->file->lease_heat = l->idle_holds >= LEASE_TIRED_OF ? LEASE_TIRED : 0;
    }
}

static void fd_closed(struct file_lease *base, struct file *f, const struct fd_table *t, int fd)
{
    const struct ring_lease *l = ring_lease(base);
    (void)f;
    for (unsigned i = 0; i < l->member_count; i++) {
        if (l->members[i].files == t && l->members[i].fd == fd) {
            file_lease_end(base);
            return;
        }
    }
}

static void ring_free(struct file_lease *base)
{
    struct ring_lease *l = ring_lease(base);
    if (l->ring) {
        munmap(l->ring, sizeof(*l->ring));
    }
    if (l->host_fd >= 0) {
        host_close(l->host_fd);
    }
    cred_put(l->cred);
    free(l);
}

static const struct file_lease_ops ring_ops = {.take_over = take_over,
                                               .give_back = give_back,
                                               .end = end,
                                               .fd_closed = fd_closed,
                                               .free = ring_free};

void lease_end_rings(struct lease_table *table)
{
    for (unsigned i = 0; i < RING_MAX; i++) {
        if (table->rings[i]) {
            file_lease_end(&table->rings[i]->base);
        }
    }
}

/* --- when --- */

static int ring_memory(struct ring_lease *l)
{
    l->host_fd = host_memfd_create("ring", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (l->host_fd < 0) {
        return l->host_fd;
    }
    int r = host_ftruncate(l->host_fd, sizeof(*l->ring));
    r = r < 0 ? r : host_fcntl(l->host_fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
    if (r < 0) {
        return r;
    }
    void *map = mmap(NULL, sizeof(*l->ring), PROT_READ | PROT_WRITE, MAP_SHARED, l->host_fd, 0);
    if (map == MAP_FAILED) {
        return -ENOMEM;
    }
    l->ring = map;
    return 0;
}

static struct ring_lease *ring_new(const struct task *t, struct file *f)
{
    struct ring_lease *l = calloc(1, sizeof(*l));
    if (!l) {
        return NULL;
    }
    l->host_fd = -1;
    l->cred = cred_get(t->cred);
    l->inode = f->inode;
    l->counter = file_is_eventfd(f) ? f : NULL;
    if (ring_memory(l) < 0) {
        ring_free(&l->base);
        return NULL;
    }
    return l;
}

/* The index by which t's table knows l already, or a free one; -1: none. */
static int index_for(const struct lease_table *table, const struct ring_lease *l)
{
    int free = -1;
    for (int i = RING_MAX - 1; i >= 0; i--) {
        if (table->rings[i] == l) {
            return i;
        }
        free = table->rings[i] ? free : i;
    }
    return free;
}

/* t gets to use l through fd. Context: may block. */
static void join(struct task *t, struct file *f, int fd, struct ring_lease *l)
{
    struct lease_table *table = lease_table_of(t);
    int index = table ? index_for(table, l) : -1;
    if (index < 0 || table->busy || t->mm->forking || l->member_count == MEMBERS_MAX ||
        !cred_same(l->cred, t->cred) || !file_fits(f)) {
        return;
    }
    refcount_get(&l->base.ref);
    if (!table->rings[index]) {
        table->rings[index] = l; /* the place is taken while the stub maps it */
        table->busy = true;
        int r = platform_ring_map(t->pt, (unsigned)index, l->host_fd);
        bool there = lease_owns_table(t, table);
        bool fits = r == 0 && lease_has_table(t, table) && !l->base.ended &&
                    l->member_count < MEMBERS_MAX && lease_allowed(t) && lease_leads_to(t, fd, f) &&
                    (!f->lease || f->lease == &l->base) && cred_same(l->cred, t->cred);
        if (there) {
            table->rings[index] = fits ? l : NULL;
            table->stale_rings[index] = !fits;
        }
        if (!there && r == 0) {
            lease_unmap_lost(t, LEASE_MAX + (unsigned)index);
        }
        if (!fits) {
            lease_table_unlock(t, table);
            file_lease_put(&l->base);
            return;
        }
        table->busy = false; /* what was wanted meanwhile is done with the next call */
    }
    l->members[l->member_count++] = (struct ring_member){
        .table = table, .files = t->files, .file = f, .fd = fd, .index = (unsigned)index};
    f->lease = &l->base;
    int name =
        l->counter ? LEASE_COUNTER + index : LEASE_RING + 2 * index + (file_writable(f) ? 1 : 0);
    __atomic_store_n(&table->page->lease_of[fd], (uint8_t)name, __ATOMIC_SEQ_CST);
    file_lease_put(&l->base);
}

static bool is_member(const struct ring_lease *l, const struct task *t, int fd)
{
    for (unsigned i = 0; i < l->member_count; i++) {
        if (l->members[i].files == t->files && l->members[i].fd == fd) {
            return true;
        }
    }
    return false;
}

void lease_consider_pipe(struct task *t, struct file *f, int fd)
{
    struct file_lease *there = list_first_entry(&f->inode->leases, struct file_lease, inode_link);
    if (++f->lease_heat < WORTH_IT) {
        return;
    }
    if (there) {
        if (!there->holders && !is_member(ring_lease(there), t, fd)) {
            join(t, f, fd, ring_lease(there));
        }
        return;
    }
    if (!file_fits(f) || !is_quiet(f)) {
        return;
    }
    struct ring_lease *l = ring_new(t, f);
    if (!l) {
        return;
    }
    file_lease_init(&l->base, &ring_ops, f->inode);
    give_back(&l->base);
    refcount_get(&l->base.ref); /* it may end while the stub maps the ring */
    join(t, f, fd, l);
    if (l->member_count == 0 && !l->base.ended) {
        file_lease_end(&l->base);
    }
    file_lease_put(&l->base);
}
