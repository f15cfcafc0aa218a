/*
 * Reads and writes of leased files (platform/lease_page.h): the bytes are mapped here, so a transfer is a copy. Where they are not
 * (a file that was just opened), what needs no bytes is served all the same: fstat, lseek, reads at the end, close.
 *
 * Nothing is locked. A read copies first, and then moves the position if nobody else has; a write takes its range of
 * the file first (by the position, or by the size when it appends). Should the sentry take the lease back in between,
 * either it has seen what we did, or the compare-and-swap fails and the call is the sentry's; a write that may have been
 * cut off is done again by it, at the same place. A fault, or anything unusual, is the sentry's, too.
 */
#include <asm/unistd.h>

#include "platform/stub/stub.h"

#define OWN_POSITION  UINT64_MAX /* of preadv2 and pwritev2 */
#define IOV_MAX_      8
#define KEPT_READ_MAX 0x10000UL /* whoever reads more of a file reads it often: it is mapped then */

static uint32_t lease_number(uint64_t fd)
{
    return fd < LEASE_FD_MAX ? __atomic_load_n(&lease_page()->lease_of[fd], __ATOMIC_SEQ_CST) : 0;
}

/* The valid lease of fd with all the rights asked for, and its position word. NULL: none. */
static struct platform_lease *lease_of(uint64_t fd, uint32_t rights, uint64_t *word, uint64_t *map)
{
    uint32_t index = lease_number(fd);
    if (index == 0 || index > LEASE_MAX) {
        return 0;
    }
    struct platform_lease *l = &lease_page()->leases[index - 1];
    *map = l->bytes ? LEASE_BYTES + l->bytes - 1 : lease_addr(index - 1);
    *word = word_load(&l->position);
    if (!(*word & LEASE_VALID) || lease_number(fd) != index) {
        return 0;
    }
    l->uses++;
    return (l->flags & rights) == rights ? l : 0;
}

static int is_leased(uint64_t fd)
{
    uint64_t word, map;
    return lease_of(fd, 0, &word, &map) != 0;
}

/* The same lease as when word was read, whatever the position is now. */
static int is_still(const struct platform_lease *l, uint64_t word)
{
    return (word_load(&l->position) & ~LEASE_POSITION) == (word & ~LEASE_POSITION);
}

uint64_t stub_iov_size(const struct iov *v, uint64_t count)
{
    uint64_t total = 0;
    for (uint64_t i = 0; i < count; i++) {
        if (v[i].size > TRANSFER_MAX) {
            return TRANSFER_MAX;
        }
        total += v[i].size;
    }
    return total;
}

long stub_transfer(uint64_t at, const struct iov *v, uint64_t skip, uint64_t n, int write)
{
    for (; n; v++) {
        if (skip >= v->size) {
            skip -= v->size;
            continue;
        }
        uint64_t base = v->base + skip, size = v->size - skip;
        uint64_t part = size < n ? size : n;
        long r = write ? guarded_copy((void *)at, (const void *)base, part)
                       : guarded_copy((void *)base, (const void *)at, part);
        if (r != 0) {
            return r;
        }
        if (write) {
            stub_show_original((void *)at, base, part);
        }
        skip = 0;
        at += part;
        n -= part;
    }
    return 0;
}

/* Addresses that may be a guest's: where nothing is copied, nothing else finds out. */
static int iov_plausible(const struct iov *v, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        if (v[i].base >= TASK_SIZE || v[i].size > TASK_SIZE - v[i].base) {
            return 0;
        }
    }
    return 1;
}

/*
 * Bytes of a file that is not mapped here, but which the process keeps (platform/seccomp/given.c): what it could map, it may
 * read. A C library's headers are read so at every start. Return: 0 when all n are there.
 */
static int read_kept(const struct platform_lease *l, const struct iov *v, uint64_t count,
                     uint64_t n, uint64_t pos)
{
    uint32_t number = l->kept;
    return number && count == 1 && n <= KEPT_READ_MAX &&
                   gate(__NR_pread64, number, v->base, n, pos, 0, 0) == (long)n
               ? 0
               : -1;
}

/*
 * Bytes of the copy are about to be read: the first time, that changes the access time, which everybody who asks has from here
 * or, told by the mark, from the sentry. A read that fails after all is made by the sentry, at about the same time.
 */
static int touch(struct platform_lease *l)
{
    uint64_t time[2];
    if (!l->touch || l->accessed) {
        return 1;
    }
    if (stub_wall_time(time) != 0) {
        return 0;
    }
    uint32_t bit = platform_touched_bit(*(const uint64_t *)(l->stat + LEASE_STAT_INO_AT));
    uint64_t *mark = &lease_page()->names.touched[bit / 64];
    ((uint64_t *)(l->stat + LEASE_STAT_ATIME_AT))[0] = time[0];
    ((uint64_t *)(l->stat + LEASE_STAT_ATIME_AT))[1] = time[1];
    __atomic_store_n(&l->accessed, (int64_t)(time[0] * 1000000000UL + time[1]), __ATOMIC_SEQ_CST);
    __atomic_fetch_or(mark, 1UL << bit % 64, __ATOMIC_SEQ_CST);
    return 1;
}

/* own: at the file's position, and moving it. */
static long lease_read(struct area *area, uint64_t fd, const struct iov *v, uint64_t count, int own,
                       uint64_t pos)
{
    struct platform_lease *l;
    uint64_t word, map, n = stub_iov_size(v, count);
    while (n && n < TRANSFER_MAX && (l = lease_of(fd, LEASE_READ, &word, &map))) {
        uint64_t size = word_load(&l->size), capacity = l->capacity;
        pos = own ? word & LEASE_POSITION : pos;
        if (size > LEASE_BYTES_MAX || capacity > LEASE_BYTES_MAX || pos > LEASE_POSITION) {
            break;
        }
        uint64_t left = pos < size ? size - pos : 0;
        uint64_t part = n < left ? n : left;
        int mapped = size <= capacity;
        if (!mapped && part && read_kept(l, v, count, part, pos) != 0) {
            area->out_limit = left; /* all that the sentry can have for us */
            break;
        }
        if (part ? mapped && stub_transfer(map + pos, v, 0, part, 0) != 0
                 : !iov_plausible(v, count)) {
            break;
        }
        if (part && !touch(l)) {
            break;
        }
        if (own ? word_replace(&l->position, word, word + part) : is_still(l, word)) {
            return (long)part;
        }
    }
    return NOT_OURS;
}

/* Takes [*pos, *pos + n) of the file for a write. Return: 0 it is the sentry's. */
static int take_range(struct platform_lease *l, uint64_t word, int own, uint64_t n, uint64_t *pos)
{
    uint64_t capacity = l->capacity;
    if (l->flags & LEASE_APPEND) {
        uint64_t size = word_load(&l->size);
        *pos = size;
        return own && size <= capacity && n <= capacity - size &&
               word_replace(&l->size, size, size + n);
    }
    *pos = own ? word & LEASE_POSITION : *pos;
    if (l->flags & LEASE_READ && *pos / 4096 > (word_load(&l->size) + 4095) / 4096) {
        return 0; /* it leaves a hole, which a read by the mapping would fill */
    }
    return *pos <= capacity && n <= capacity - *pos &&
           (!own || word_replace(&l->position, word, word + n));
}

/* The bytes are there: the file is at least end bytes long. */
static void reach(struct platform_lease *l, uint64_t end)
{
    uint64_t size = word_load(&l->size);
    while (size < end && !word_replace(&l->size, size, end)) {
        size = word_load(&l->size);
    }
}

/* They can be read at both ends; what lies between shows when it is copied. */
static int are_there(const struct iov *v, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        if (v[i].size && (guarded_probe((const void *)v[i].base) != 0 ||
                          guarded_probe((const void *)(v[i].base + v[i].size - 1)) != 0)) {
            return 0;
        }
    }
    return 1;
}

#define FILL_MIN 2048 /* bytes of a write: a fault costs as much as two or three system calls */

/*
 * The n bytes of the buffers for the file, to position pos, mapped at `at`. fresh: they make it longer. Return: 0, or
 * -EFAULT.
 */
static long put(const struct platform_lease *l, uint64_t at, const struct iov *v, uint64_t count,
                uint64_t n, uint64_t pos, int fresh)
{
    long done = 0;
    if (fresh && count == 1 && n >= FILL_MIN && l->flags & LEASE_FILLED &&
        !stub_has_sites(v->base, n)) {
        done = gate(__NR_pwrite64, STUB_FD_WRITE, v->base, n, pos, 0, 0);
        done =
            done < 0 ? 0 : done; /* the right is gone, or the buffer ends: the copy will find out */
    }
    return stub_transfer(at + (uint64_t)done, v, (uint64_t)done, n - (uint64_t)done, 1);
}

/* vector: where v comes from, for a call with more than one; else 0. */
static long lease_write(struct area *area, uint64_t fd, const struct iov *v, uint64_t count,
                        uint64_t vector, int own, uint64_t pos)
{
    uint64_t word, map, n = stub_iov_size(v, count);
    struct platform_lease *l = lease_of(fd, LEASE_WRITE, &word, &map);
    uint64_t size = l ? word_load(&l->size) : 0;
    if (!l || !n || n > LEASE_BYTES_MAX || l->capacity > LEASE_BYTES_MAX || !are_there(v, count) ||
        !take_range(l, word, own, n, &pos)) {
        return NOT_OURS;
    }
    l->stat_valid = 0;
    l->written_at = timestamp();
    long r = put(l, map + pos, v, count, n, pos, pos + n > size);
    if (l->flags & LEASE_APPEND) {
        /* The size already says so; only the position is still to follow. */
        while (is_still(l, word)) {
            uint64_t now = word_load(&l->position);
            if (word_replace(&l->position, now, (now & ~LEASE_POSITION) | (pos + n))) {
                break;
            }
        }
        return r == 0 ? (long)n : r;
    }
    if (r == 0) {
        reach(l, pos + n);
    }
    if (r == 0 && is_still(l, word)) {
        return (long)n;
    }
    /* Taken back meanwhile, or a buffer with a hole: the position stands, the rest is the sentry's, in the same place. */
    return vector ? stub_ask(area, __NR_pwritev, fd, vector, count, pos)
                  : stub_ask(area, __NR_pwrite64, fd, v->base, n, pos);
}

static long lease_seek(uint64_t fd, uint64_t offset, uint32_t whence)
{
    uint64_t word, map;
    struct platform_lease *l;
    while ((l = lease_of(fd, 0, &word, &map))) {
        uint64_t size = word_load(&l->size);
        uint64_t base = whence == 0 ? 0 : whence == 1 ? word & LEASE_POSITION : size;
        uint64_t pos = base + offset;
        if (size > LEASE_BYTES_MAX || whence > 2 || pos > LEASE_POSITION) {
            break;
        }
        if (word_replace(&l->position, word, (word & ~LEASE_POSITION) | pos)) {
            return (long)pos;
        }
    }
    return NOT_OURS;
}

/* Linux's struct flock. */
struct lock_request {
    int16_t type, whence;
    int64_t start, size;
    int32_t pid;
};

long stub_lock(uint64_t fd, uint64_t request)
{
    static const uint8_t needs[] = {LEASE_READ, LEASE_WRITE, 0}; /* F_RDLCK, F_WRLCK, F_UNLCK */
    struct platform_lease_page *page = lease_page();
    struct lock_request r;
    uint64_t word, map, logged = word_load(&page->lock_word), count = logged & LOG_COUNT;
    if (!(logged & LOG_GRANTED) || page->lock_lease != lease_number(fd) || count >= LOCKS_MAX ||
        !stub_single_threaded() || guarded_copy(&r, (const void *)request, sizeof(r)) != 0) {
        return NOT_OURS;
    }
    if (r.type < 0 || (uint64_t)r.type >= sizeof(needs) || r.whence != 0 || r.start < 0 ||
        r.size < 0 || r.size > INT64_MAX - r.start || !lease_of(fd, needs[r.type], &word, &map)) {
        return NOT_OURS;
    }
    page->locks[count] = (struct platform_lock){.start = r.start,
                                                .end = r.size ? r.start + r.size - 1 : INT64_MAX,
                                                .type = (uint32_t)r.type};
    return word_replace(&page->lock_word, logged, logged + 1) ? 0 : NOT_OURS;
}

static long lease_stat(uint64_t fd, uint64_t out)
{
    uint64_t word, map;
    struct platform_lease *l = lease_of(fd, 0, &word, &map);
    if (!l || !l->stat_valid || guarded_copy((void *)out, l->stat, sizeof(l->stat)) != 0) {
        return NOT_OURS;
    }
    return is_still(l, word) ? 0 : NOT_OURS;
}

/* What the sentry does with a small file that is mapped to be read: may_copy in syscalls/mm_map.c. */
static long map_copy(struct platform_lease *l, uint64_t word, uint64_t map, const uint64_t *a)
{
    uint64_t file = word_load(&l->size), capacity = l->capacity, at = a[5],
             n = (a[1] + 4095) & ~4095UL;
    if (file > capacity || capacity > LEASE_ROOM || at & 4095 || at >= file || n > LEASE_ROOM ||
        at + n > ((file + 4095) & ~4095UL)) {
        return NOT_OURS;
    }
    uint64_t size = file - at < n ? file - at : n;
    long r = stub_map_bytes(a, map + at, size);
    if (r < 0 && r >= -4095) {
        return r; /* or NOT_OURS */
    }
    if (touch(l) && is_still(l, word)) {
        return r;
    }
    gate(__NR_munmap, (uint64_t)r, n, 0, 0, 0, 0);
    return NOT_OURS;
}

long stub_file_map(const uint64_t *a)
{
    uint64_t word, map;
    struct platform_lease *l = lease_of((uint32_t)a[4], LEASE_READ, &word, &map);
    if (!l) {
        return NOT_OURS;
    }
    uint32_t kept = l->kept;
    if (kept) {
        return stub_map_kept(a, kept, l->flags);
    }
    return l->flags & LEASE_COPIES ? map_copy(l, word, map, a) : NOT_OURS;
}

uint64_t stub_free_fd(void)
{
    const struct platform_lease_page *page = lease_page();
    uint32_t limit = *(const volatile uint32_t *)&page->open_limit;
    uint64_t all = limit ? word_load(&page->free_fds) : 0;
    uint64_t fd = all ? (uint64_t)__builtin_ctzll(all) : LEASE_OPEN_FDS;
    return fd < limit ? fd : LEASE_OPEN_FDS;
}

void stub_fd_is_free(uint64_t fd)
{
    struct platform_lease_page *page = lease_page();
    if (fd < *(volatile uint32_t *)&page->open_limit) {
        __atomic_fetch_or(&page->free_fds, 1UL << fd, __ATOMIC_SEQ_CST);
    }
}

/*
 * The sentry sees it before anybody asks it for an fd; what this process opens by itself may have the number at once. What it has
 * opened so, and the sentry has not seen, it may open again.
 */
static long lease_close(uint64_t fd)
{
    struct platform_lease_page *page = lease_page();
    uint64_t word, map;
    struct platform_lease *l = lease_of(fd, LEASE_CLOSABLE, &word, &map);
    if (!l) {
        return NOT_OURS;
    }
    uint64_t closed = word & LEASE_OPENED ? LEASE_READY | lease_next(word)
                                          : LEASE_CLOSED | (word & LEASE_POSITION);
    if (!word_replace(&l->position, word, closed)) {
        return NOT_OURS;
    }
    if (closed & LEASE_READY) {
        __atomic_store_n(&page->lease_of[fd], 0, __ATOMIC_SEQ_CST);
    } else {
        __atomic_fetch_or(&page->closes, 1UL << (l - page->leases), __ATOMIC_SEQ_CST);
    }
    stub_fd_is_free(fd);
    return 0;
}

static long device(uint64_t nr, uint32_t lease, uint64_t buf, uint64_t n)
{
    if (n > TRANSFER_MAX || buf + n >= 1UL << 47) {
        return NOT_OURS;
    }
    if (nr == __NR_write && lease & LEASE_WRITE) {
        return (long)n;
    }
    if (nr != __NR_read || !(lease & LEASE_READ)) {
        return NOT_OURS;
    }
    return lease < LEASE_ZERO ? 0 : guarded_zero((void *)buf, n) == 0 ? (long)n : NOT_OURS;
}

/* A look at an epoll set that has nothing. */
static long idle_wait(uint64_t fd, uint64_t max, uint64_t timeout)
{
    int idle = lease_number(fd) == LEASE_IDLE;
    return idle && (uint32_t)timeout == 0 && (uint32_t)max - 1 < 1000 ? 0 : NOT_OURS;
}

int stub_is_empty_string(uint64_t addr)
{
    uint8_t byte = 1;
    return addr && guarded_copy(&byte, (const void *)addr, 1) == 0 && byte == 0;
}

static int has_vector(uint64_t nr)
{
    switch (nr) {
    case __NR_readv:
    case __NR_writev:
    case __NR_preadv:
    case __NR_pwritev:
    case __NR_preadv2:
    case __NR_pwritev2:
        return 1;
    default:
        return 0;
    }
}

/* The call's buffers. Return: how many; 0: it is the sentry's. */
static uint64_t buffers(uint64_t nr, const uint64_t *a, struct iov *v)
{
    if (!has_vector(nr)) {
        *v = (struct iov){a[1], a[2]};
        return 1;
    }
    return a[2] <= IOV_MAX_ && guarded_copy(v, (const void *)a[1], a[2] * sizeof(*v)) == 0 ? a[2]
                                                                                           : 0;
}

static long regular(struct area *area, uint64_t nr, uint64_t fd, const struct iov *v,
                    uint64_t count)
{
    const uint64_t *a = area->args;
    uint64_t vector = has_vector(nr) ? a[1] : 0;
    switch (nr) {
    case __NR_read:
    case __NR_readv:
        return lease_read(area, fd, v, count, 1, 0);
    case __NR_pread64:
    case __NR_preadv:
        return lease_read(area, fd, v, count, 0, a[3]);
    case __NR_preadv2:
        return (uint32_t)a[5] ? NOT_OURS
                              : lease_read(area, fd, v, count, a[3] == OWN_POSITION, a[3]);
    case __NR_write:
    case __NR_writev:
        return lease_write(area, fd, v, count, vector, 1, 0);
    case __NR_pwrite64:
    case __NR_pwritev:
        return lease_write(area, fd, v, count, vector, 0, a[3]);
    case __NR_pwritev2:
        return (uint32_t)a[5] ? NOT_OURS
                              : lease_write(area, fd, v, count, vector, a[3] == OWN_POSITION, a[3]);
    case __NR_lseek:
        return lease_seek(fd, a[1], (uint32_t)a[2]);
    case __NR_fstat:
        return lease_stat(fd, a[1]);
    case __NR_close:
        return lease_close(fd);
    case __NR_fadvise64: /* changes nothing */
        return (uint32_t)a[3] <= 5 && (int64_t)a[2] >= 0 && is_leased(fd) ? 0 : NOT_OURS;
    case __NR_ioctl: /* is it a terminal? */
        return (uint32_t)a[1] == TCGETS_ && is_leased(fd) ? -ENOTTY_ : NOT_OURS;
    case __NR_newfstatat:
        return (uint32_t)a[3] == AT_EMPTY_PATH_ && stub_is_empty_string(a[1]) ? lease_stat(fd, a[2])
                                                                              : NOT_OURS;
    default:
        return NOT_OURS;
    }
}

long stub_file(struct area *area, uint64_t nr)
{
    const uint64_t *a = area->args;
    uint64_t fd = (uint32_t)a[0];
    uint32_t lease = lease_number(fd);
    struct iov v[IOV_MAX_];
    if (lease == 0) {
        return area->noted ? stub_note(area, nr) : NOT_OURS;
    }
    if (lease == LEASE_IDLE) {
        return nr == __NR_epoll_wait || (nr == __NR_epoll_pwait && !a[4])
                   ? idle_wait(fd, a[2], a[3])
                   : NOT_OURS;
    }
    if (LEASE_DEVICE(lease)) {
        return device(nr, lease, a[1], a[2]);
    }
    if (stub_is_directory(fd)) {
        return stub_directory(nr, a);
    }
    uint64_t count = buffers(nr, a, v);
    if (!count) {
        return NOT_OURS;
    }
    if (lease < LEASE_RING) {
        return regular(area, nr, fd, v, count);
    }
    if (lease >= LEASE_COUNTER) {
        return nr == __NR_read || nr == __NR_write ? stub_counter(area, fd, v, nr == __NR_write)
                                                   : NOT_OURS;
    }
    switch (nr) {
    case __NR_read:
    case __NR_readv:
        return stub_pipe(area, fd, v, count, 0);
    case __NR_write:
    case __NR_writev:
        return stub_pipe(area, fd, v, count, 1);
    default:
        return NOT_OURS;
    }
}
