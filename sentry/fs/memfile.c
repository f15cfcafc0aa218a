/*
 * The bytes of a file that lives in memory. Analogous to the page cache under Linux's mm/shmem.c.
 *
 * A file begins as pages of the sentry's own memory (memfile_tree.c). The first time a guest maps it, its bytes move to a memfd of their
 * own (memfile_fd.c), and stay there. Most files are never mapped, and cost no host fd.
 *
 * Pages are charged to the file system's budget. In a memfd the host knows how many there are
 * (st_blocks), so the charge is corrected after each operation that may have changed it.
 */
#include "sentry/fs/memfile_tree.h"

#include <errno.h>
#include <linux/falloc.h>
#include <string.h>
#include <unistd.h>

#include "lib/host.h"
#include "lib/kthread.h"
#include "sentry/mm/uio.h"
#include "sentry/vfs/file.h"

#define BOUNCE_SIZE (64 * 1024)
#define YIELD_SIZE  (1024 * 1024)

void memfile_init(struct memfile *m, struct mem_budget *budget)
{
    *m = (struct memfile){.budget = budget, .fd = -1};
}

void memfile_free(struct memfile *m)
{
    memfile_drop_pages(m, 0, UINT64_MAX);
    /* A former lessee may have it open still: that keeps no memory. A mapping does, and outlives the file. */
    if (m->leased && !m->mapped) {
        int r = host_ftruncate(m->fd, 0);
        (void)r;
    }
    host_close(m->fd);
    m->fd = -1;
    memfile_set_charge(m, 0);
}

/* --- transfer --- */

/* Long copies let others run. The caller re-reads the file's state afterwards. */
static void yield_sometimes(size_t before, size_t after)
{
    if (before / YIELD_SIZE != after / YIELD_SIZE && kthread_current()) {
        kthread_yield();
    }
}

static ssize_t read_page(struct memfile *m, struct uio *dst, int64_t pos, size_t size)
{
    size_t offset = (size_t)pos & (PAGE_SIZE - 1);
    size_t n = MIN(size, PAGE_SIZE - offset);
    const char *page = memfile_page(m, (uint64_t)pos >> PAGE_SHIFT);
    return page ? uio_copy_to(dst, page + offset, n) : uio_zero(dst, n);
}

/* Several pages by one copy to the guest: a guest copy costs more than a copy here. */
static ssize_t read_bounced(struct memfile *m, struct uio *dst, int64_t pos, size_t size,
                            char *bounce)
{
    size = MIN(size, (size_t)BOUNCE_SIZE);
    if (m->fd >= 0) {
        ssize_t n = host_pread(m->fd, bounce, size, pos);
        return n <= 0 ? n : uio_copy_to(dst, bounce, (size_t)n);
    }
    for (size_t done = 0; done < size;) {
        size_t offset = ((size_t)pos + done) & (PAGE_SIZE - 1);
        size_t n = MIN(size - done, PAGE_SIZE - offset);
        const char *page = memfile_page(m, ((uint64_t)pos + done) >> PAGE_SHIFT);
        if (page) {
            memcpy(bounce + done, page + offset, n);
        } else {
            memset(bounce + done, 0, n);
        }
        done += n;
    }
    return uio_copy_to(dst, bounce, size);
}

static bool wants_bounce(const struct memfile *m, const struct uio *u, int64_t pos, size_t size)
{
    bool one_page = ((size_t)pos & (PAGE_SIZE - 1)) + size <= PAGE_SIZE;
    return m->fd >= 0 || (u->mm && !one_page);
}

ssize_t memfile_read(struct memfile *m, struct uio *dst, int64_t pos)
{
    AUTO_FREE char *bounce = NULL;
    size_t done = 0;
    for (;;) {
        if (pos >= m->size || uio_size(dst) == 0) {
            return (ssize_t)done;
        }
        size_t size = (size_t)MIN((uint64_t)uio_size(dst), (uint64_t)(m->size - pos));
        if (!bounce && wants_bounce(m, dst, pos, size)) {
            bounce = malloc(MIN(size, (size_t)BOUNCE_SIZE));
            if (!bounce) {
                return done ? (ssize_t)done : -ENOMEM;
            }
        }
        size_t want = MIN(size, (size_t)BOUNCE_SIZE);
        ssize_t n = bounce ? read_bounced(m, dst, pos, want, bounce) : read_page(m, dst, pos, want);
        if (n <= 0) {
            return done ? (ssize_t)done : n;
        }
        yield_sometimes(done, done + (size_t)n);
        done += (size_t)n;
        pos += n;
    }
}

static ssize_t write_page(struct memfile *m, struct uio *src, int64_t pos)
{
    size_t offset = (size_t)pos & (PAGE_SIZE - 1);
    size_t size = MIN(uio_size(src), PAGE_SIZE - offset);
    uint64_t index = (uint64_t)pos >> PAGE_SHIFT;
    char *page = index == 0 ? memfile_short_page(m, offset + size) : NULL;
    if (page) {
        return uio_copy_from(src, page + offset, size);
    }
    bool fresh = !memfile_page(m, index), fill_all = size == PAGE_SIZE;
    int r = memfile_make_page(m, index, fill_all, &page);
    if (r < 0) {
        return r;
    }
    ssize_t n = uio_copy_from(src, page + offset, size);
    if (fresh && fill_all && n < (ssize_t)size) {
        size_t good = n > 0 ? (size_t)n : 0;
        memset(page + good, 0, PAGE_SIZE - good);
    }
    return n;
}

static ssize_t write_some(struct memfile *m, const char *from, size_t size, int64_t pos)
{
    ssize_t n = host_pwrite(m->fd, from, size, pos);
    m->fd_size = n > 0 ? MAX(m->fd_size, pos + n) : m->fd_size;
    memfile_correct_charge(m);
    return n;
}

/* To the memfd. Where the budget is nearly used up, it counts which pages there are already. */
static ssize_t write_fd(struct memfile *m, const char *from, size_t size, int64_t pos)
{
    uint64_t first = (uint64_t)pos >> PAGE_SHIFT;
    if (memfile_affords(m->budget, memfile_pages_of(pos + (int64_t)size) - first)) {
        return write_some(m, from, size, pos);
    }
    for (size_t done = 0; done < size;) {
        int64_t at = pos + (int64_t)done, page = at & ~(int64_t)(PAGE_SIZE - 1);
        int64_t data = host_lseek(m->fd, page, SEEK_DATA);
        size_t part = MIN(size - done, (size_t)(page + (int64_t)PAGE_SIZE - at));
        bool there = data >= 0 && data < page + (int64_t)PAGE_SIZE;
        ssize_t n =
            there || memfile_affords(m->budget, 1) ? write_some(m, from + done, part, at) : -ENOSPC;
        if (n != (ssize_t)part) {
            return done ? (ssize_t)done : n;
        }
        done += part;
    }
    return (ssize_t)size;
}

/* From the guest into bounce, then to its place. */
static ssize_t write_bounced(struct memfile *m, struct uio *src, int64_t pos, char *bounce)
{
    ssize_t got = uio_copy_from(src, bounce, MIN(uio_size(src), (size_t)BOUNCE_SIZE));
    if (got <= 0) {
        return got;
    }
    if (m->fd >= 0) {
        return write_fd(m, bounce, (size_t)got, pos);
    }
    struct uio u;
    uio_init_kernel(&u, bounce, (size_t)got);
    ssize_t done = 0;
    while (done < got) {
        ssize_t n = write_page(m, &u, pos + done);
        if (n < 0) {
            return done ? done : n;
        }
        done += n;
    }
    return done;
}

ssize_t memfile_write(struct memfile *m, struct uio *src, int64_t pos)
{
    AUTO_FREE char *bounce = NULL;
    size_t done = 0;
    while (uio_size(src) > 0) {
        if (!bounce && wants_bounce(m, src, pos, uio_size(src))) {
            bounce = malloc(MIN(uio_size(src), (size_t)BOUNCE_SIZE));
            if (!bounce) {
                return done ? (ssize_t)done : -ENOMEM;
            }
        }
        size_t want = MIN(uio_size(src), (size_t)BOUNCE_SIZE);
        ssize_t n = bounce ? write_bounced(m, src, pos, bounce) : write_page(m, src, pos);
        if (n <= 0) {
            return done ? (ssize_t)done : n;
        }
        m->sparse |= (uint64_t)pos >> PAGE_SHIFT > memfile_pages_of(m->size);
        pos += n;
        m->size = MAX(m->size, pos);
        if (bounce && n < (ssize_t)want) {
            return (ssize_t)done + n; /* what else was taken from src has no place */
        }
        yield_sometimes(done, done + (size_t)n);
        done += (size_t)n;
    }
    return (ssize_t)done;
}

/* --- size and allocation --- */

/* Bytes of the page that holds pos, from pos to its end (at most end), become zero. */
static void zero_in_page(struct memfile *m, int64_t pos, int64_t end)
{
    char *page = memfile_page(m, (uint64_t)pos >> PAGE_SHIFT);
    size_t offset = (size_t)pos & (PAGE_SIZE - 1),
           there = m->short_size ? m->short_size : PAGE_SIZE;
    if (page && offset < there) {
        memset(page + offset, 0, (size_t)MIN((uint64_t)(end - pos), there - offset));
    }
}

int memfile_truncate(struct memfile *m, int64_t size)
{
    if (m->fd >= 0) {
        int r =
            memfile_settle(m, MIN(size, m->size)); /* what a lease left behind the end is no data */
        r = r < 0 ? r : memfile_settle(m, size);
        if (r < 0) {
            return r;
        }
        memfile_correct_charge(m);
    } else if (size < m->size) {
        memfile_drop_pages(m, memfile_pages_of(size), UINT64_MAX);
        if (size & (int64_t)(PAGE_SIZE - 1)) {
            zero_in_page(m, size, INT64_MAX); /* the file may grow again: no old bytes then */
        }
    } else if (m->short_size && size > (int64_t)m->short_size) {
        int r = memfile_lengthen(m);
        if (r < 0) {
            return r;
        }
    }
    m->sparse |= memfile_pages_of(size) > memfile_pages_of(m->size);
    m->size = size;
    return 0;
}

static void punch(struct memfile *m, int64_t offset, int64_t end)
{
    int64_t first = ALIGN_UP(offset, (int64_t)PAGE_SIZE),
            last = ALIGN_DOWN(end, (int64_t)PAGE_SIZE);
    if (offset < first) {
        zero_in_page(m, offset, MIN(first, end));
    }
    if (last >= first && last < end) {
        zero_in_page(m, last, end);
    }
    if (last > first) {
        memfile_drop_pages(m, (uint64_t)first >> PAGE_SHIFT, ((uint64_t)last >> PAGE_SHIFT) - 1);
    }
}

static int allocate(struct memfile *m, int64_t offset, int64_t end)
{
    uint64_t last = memfile_pages_of(end);
    if (!memfile_affords(m->budget, last - ((uint64_t)offset >> PAGE_SHIFT))) {
        return -ENOSPC;
    }
    for (uint64_t i = (uint64_t)offset >> PAGE_SHIFT; i < last; i++) {
        char *page;
        int r = memfile_make_page(m, i, false, &page);
        if (r < 0) {
            return r;
        }
        yield_sometimes((i - 1) << PAGE_SHIFT, i << PAGE_SHIFT);
        if (m->fd >= 0) { /* mapped meanwhile: the rest is the host's to do */
            off_t from = (off_t)(i << PAGE_SHIFT);
            return host_fallocate(m->fd, FALLOC_FL_KEEP_SIZE, from, end - from);
        }
    }
    return 0;
}

/**
 * memfile_fallocate - reserve, or give back, a range.
 * @offset, @size: checked by the caller: not negative, size > 0, no overflow.
 *
 * DEVIATION: FALLOC_FL_ZERO_RANGE works, which Linux's tmpfs refuses: the same code serves files whose
 * native file system has it. What was reserved, but not written, is data to SEEK_DATA until the file is mapped or leased.
 */
int memfile_fallocate(struct memfile *m, int mode, int64_t offset, int64_t size)
{
    int64_t end = offset + size;
    int kind = mode & ~FALLOC_FL_KEEP_SIZE;
    bool keep_size = mode & FALLOC_FL_KEEP_SIZE;
    if (kind != 0 && kind != FALLOC_FL_ZERO_RANGE && !(kind == FALLOC_FL_PUNCH_HOLE && keep_size)) {
        return -EOPNOTSUPP;
    }
    int r = memfile_settle(m, m->size);
    if (r < 0) {
        return r;
    }
    m->sparse = true; /* what is reserved is no data */
    if (m->fd >= 0) {
        if (kind != FALLOC_FL_PUNCH_HOLE &&
            !memfile_affords(m->budget, memfile_pages_of(end) - ((uint64_t)offset >> PAGE_SHIFT))) {
            return -ENOSPC;
        }
        /* The host's memfd has no ZERO_RANGE: a hole and then pages again is the same. */
        if (kind != 0) {
            r = host_fallocate(m->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, size);
        }
        if (r == 0 && kind != FALLOC_FL_PUNCH_HOLE) {
            r = host_fallocate(m->fd, FALLOC_FL_KEEP_SIZE, offset, size);
        }
    } else {
        if (kind != 0) {
            punch(m, offset, end);
        }
        if (kind != FALLOC_FL_PUNCH_HOLE) {
            r = allocate(m, offset, end);
        }
    }
    if (r == 0 && !keep_size && end > m->size) {
        m->size = end;
        r = memfile_settle(m, end);
    }
    memfile_correct_charge(m);
    return r;
}

int64_t memfile_seek(struct memfile *m, int64_t offset, int whence)
{
    if (offset < 0 || offset >= m->size) {
        return -ENXIO;
    }
    if (m->fd >= 0) {
        int r = memfile_settle(m, m->size);
        return r < 0 ? r : host_lseek(m->fd, offset, whence);
    }
    uint64_t index = (uint64_t)offset >> PAGE_SHIFT;
    if (whence == SEEK_DATA) {
        uint64_t found = memfile_next_page(m, index);
        if (found >= memfile_pages_of(m->size)) {
            return -ENXIO;
        }
        return MAX(offset, (int64_t)(found << PAGE_SHIFT));
    }
    while (index < memfile_pages_of(m->size) && memfile_page(m, index)) {
        index++;
    }
    return MIN(m->size, MAX(offset, (int64_t)(index << PAGE_SHIFT)));
}

uint64_t memfile_blocks(struct memfile *m)
{
    memfile_correct_charge(m); /* a mapping may have filled holes */
    return m->pages * (PAGE_SIZE / 512);
}
