/*
 * The bytes of a file that lives in memory. Analogous to the page cache under Linux's mm/shmem.c.
 *
 * A file begins as pages of the sentry's own memory (mempage.c), in a radix tree with 64 pointers a node that is as high
 * as the largest page index needs; a file of one page is just that page. Holes have no page. Of a file of up to SHORT_MAX bytes
 * the page is a short one: fresh memory costs a host 2 us a page, and most files are small.
 *
 * The first time a guest maps the file, its bytes move to a memfd of their own, and stay there: a
 * mapping is then a real host mapping of that fd, and read(2) and write(2) work on the same pages.
 * Most files are never mapped, and cost no host fd.
 *
 * Pages are charged to the file system's budget. In a memfd the host knows how many there are
 * (st_blocks), so the charge is corrected after each operation that may have changed it.
 */
#include "sentry/fs/memfile.h"

#include <errno.h>
#include <linux/falloc.h>
#include <string.h>
#include <unistd.h>

#include "lib/host.h"
#include "lib/kthread.h"
#include "sentry/fs/mempage.h"
#include "sentry/mm/uio.h"
#include "sentry/vfs/file.h"

#define FANOUT_BITS    6
#define FANOUT         (1u << FANOUT_BITS)
#define BOUNCE_SIZE    (64 * 1024)
#define YIELD_SIZE     (1024 * 1024)
#define LEASE_MOVE_MAX (4096 * 1024) /* larger files are not moved to a memfd for a lease alone */
#define LEASE_ROOM     (1024 * 1024) /* into which a leased file can grow, and half its size */
#define MOVE_PAGES     64            /* by one call, from memory to a memfd */
#define HEIGHT_LIMIT   10            /* 64^9 pages are more than 2^63 bytes */
#define SHORT_MAX      2048          /* bytes */
#define SHORT_MIN      64

struct tree_node {
    void *slots[FANOUT];
};

void memfile_init(struct memfile *m, struct mem_budget *budget)
{
    *m = (struct memfile){.budget = budget, .fd = -1};
}

/* --- the budget --- */

static bool budget_allows(const struct mem_budget *b, uint64_t pages)
{
    uint64_t used = b->used_pages + b->reserved_pages;
    return b->limit_pages == 0 || (used <= b->limit_pages && pages <= b->limit_pages - used);
}

static void set_charge(struct memfile *m, uint64_t pages)
{
    m->budget->used_pages += pages - m->pages; /* wraps to a subtraction */
    m->pages = pages;
}

static void correct_charge(struct memfile *m)
{
    struct stat st;
    if (m->fd >= 0 && host_fstat(m->fd, &st) == 0) {
        set_charge(m, (uint64_t)st.st_blocks / (PAGE_SIZE / 512));
    }
}

static uint64_t pages_of(int64_t size)
{
    return ((uint64_t)size + PAGE_SIZE - 1) >> PAGE_SHIFT;
}

/* --- the tree --- */

static unsigned slot_of(uint64_t index, unsigned height)
{
    return (unsigned)(index >> ((height - 1) * FANOUT_BITS)) & (FANOUT - 1);
}

static bool covers(unsigned height, uint64_t index)
{
    return height * FANOUT_BITS >= 64 || index >> (height * FANOUT_BITS) == 0;
}

static char *find_page(const struct memfile *m, uint64_t index)
{
    if (!covers(m->height, index)) {
        return NULL;
    }
    void *p = m->tree;
    for (unsigned h = m->height; h > 0 && p; h--) {
        p = ((struct tree_node *)p)->slots[slot_of(index, h)];
    }
    return p;
}

/* Room for index: grows upward, so that what is there stays where it is. */
static int grow_tree(struct memfile *m, uint64_t index)
{
    while (!covers(m->height, index)) {
        BUG_ON(m->height >= HEIGHT_LIMIT);
        if (m->tree) {
            struct tree_node *top = calloc(1, sizeof(*top));
            if (!top) {
                return -ENOMEM;
            }
            top->slots[0] = m->tree;
            m->tree = top;
        }
        m->height++;
    }
    return 0;
}

/*
 * The only page as a short one of at least end bytes, made or made longer if need be: it is charged as a whole one. NULL: it has to
 * be a whole one.
 */
static char *short_page(struct memfile *m, uint64_t end)
{
    size_t size = SHORT_MIN;
    end = MAX(end, (uint64_t)m->size);
    if (end > SHORT_MAX || m->height > 0 || m->fd >= 0 || (m->tree && !m->short_size) ||
        (!m->tree && !budget_allows(m->budget, 1))) {
        return NULL;
    }
    if (end <= m->short_size) {
        return m->tree;
    }
    while (size < end) {
        size *= 2;
    }
    char *page = realloc(m->tree, size);
    if (page) {
        memset(page + m->short_size, 0, size - m->short_size);
        set_charge(m, 1);
        m->tree = page;
        m->short_size = (uint32_t)size;
    }
    return page;
}

/* A short page becomes a whole one. */
static int lengthen(struct memfile *m)
{
    if (m->short_size) {
        char *page = mempage_alloc(false);
        if (!page) {
            return -ENOMEM;
        }
        memcpy(page, m->tree, m->short_size);
        memset(page + m->short_size, 0, PAGE_SIZE - m->short_size);
        free(m->tree);
        m->tree = page;
        m->short_size = 0;
    }
    return 0;
}

/* The page at index, made if need be; zeroed unless the caller is going to fill all of it. */
static int make_page(struct memfile *m, uint64_t index, bool fill_all, char **out)
{
    int r = lengthen(m);
    r = r < 0 ? r : grow_tree(m, index);
    if (r < 0) {
        return r;
    }
    void **slot = &m->tree;
    for (unsigned h = m->height; h > 0; h--) {
        if (!*slot) {
            *slot = calloc(1, sizeof(struct tree_node));
            if (!*slot) {
                return -ENOMEM;
            }
        }
        slot = &((struct tree_node *)*slot)->slots[slot_of(index, h)];
    }
    if (!*slot) {
        if (!budget_allows(m->budget, 1)) {
            return -ENOSPC;
        }
        *slot = mempage_alloc(!fill_all);
        if (!*slot) {
            return -ENOMEM;
        }
        set_charge(m, m->pages + 1);
    }
    *out = *slot;
    return 0;
}

/* Frees the pages first..last (of this subtree). Return: true when nothing is left, and p was freed. */
static bool drop_subtree(struct memfile *m, void *p, unsigned height, uint64_t first, uint64_t last)
{
    if (!p) {
        return true;
    }
    if (height == 0) {
        mempage_free(p);
        set_charge(m, m->pages - 1);
        return true;
    }
    struct tree_node *node = p;
    unsigned shift = (height - 1) * FANOUT_BITS;
    uint64_t low_mask = (1ULL << shift) - 1;
    bool empty = true;
    for (unsigned i = 0; i < FANOUT; i++) {
        uint64_t begin = (uint64_t)i << shift;
        if (node->slots[i] && begin <= last && begin + low_mask >= first) {
            uint64_t sub_first = first > begin ? first - begin : 0;
            uint64_t sub_last = MIN(last - begin, low_mask);
            if (drop_subtree(m, node->slots[i], height - 1, sub_first, sub_last)) {
                node->slots[i] = NULL;
            }
        }
        empty &= node->slots[i] == NULL;
    }
    if (empty) {
        free(node);
    }
    return empty;
}

static void drop_pages(struct memfile *m, uint64_t first, uint64_t last)
{
    uint64_t max =
        m->height * FANOUT_BITS >= 64 ? UINT64_MAX : (1ULL << (m->height * FANOUT_BITS)) - 1;
    if (first > last || first > max || !m->tree) {
        return;
    }
    if (m->short_size) {
        free(take(&m->tree));
        m->short_size = 0;
        set_charge(m, 0);
    } else if (drop_subtree(m, m->tree, m->height, first, MIN(last, max))) {
        m->tree = NULL;
        m->height = 0;
    }
}

void memfile_free(struct memfile *m)
{
    drop_pages(m, 0, UINT64_MAX);
    if (m->leased) { /* a former lessee may have it open still: that keeps no memory */
        int r = host_ftruncate(m->fd, 0);
        (void)r;
    }
    host_close(m->fd);
    m->fd = -1;
    set_charge(m, 0);
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
    const char *page = find_page(m, (uint64_t)pos >> PAGE_SHIFT);
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
        const char *page = find_page(m, ((uint64_t)pos + done) >> PAGE_SHIFT);
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
    char *page = index == 0 ? short_page(m, offset + size) : NULL;
    if (page) {
        return uio_copy_from(src, page + offset, size);
    }
    bool fresh = !find_page(m, index), fill_all = size == PAGE_SIZE;
    int r = make_page(m, index, fill_all, &page);
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
    correct_charge(m);
    return n;
}

/* To the memfd. Where the budget is nearly used up, it counts which pages there are already. */
static ssize_t write_fd(struct memfile *m, const char *from, size_t size, int64_t pos)
{
    uint64_t first = (uint64_t)pos >> PAGE_SHIFT;
    if (budget_allows(m->budget, pages_of(pos + (int64_t)size) - first)) {
        return write_some(m, from, size, pos);
    }
    for (size_t done = 0; done < size;) {
        int64_t at = pos + (int64_t)done, page = at & ~(int64_t)(PAGE_SIZE - 1);
        int64_t data = host_lseek(m->fd, page, SEEK_DATA);
        size_t part = MIN(size - done, (size_t)(page + (int64_t)PAGE_SIZE - at));
        bool there = data >= 0 && data < page + (int64_t)PAGE_SIZE;
        ssize_t n =
            there || budget_allows(m->budget, 1) ? write_some(m, from + done, part, at) : -ENOSPC;
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
    char *page = find_page(m, (uint64_t)pos >> PAGE_SHIFT);
    size_t offset = (size_t)pos & (PAGE_SIZE - 1),
           there = m->short_size ? m->short_size : PAGE_SIZE;
    if (page && offset < there) {
        memset(page + offset, 0, (size_t)MIN((uint64_t)(end - pos), there - offset));
    }
}

/* The memfd becomes as long as the file. */
static int settle(struct memfile *m, int64_t size)
{
    if (m->fd >= 0 && m->fd_size != size) {
        int r = host_ftruncate(m->fd, size);
        if (r < 0) {
            return r;
        }
        m->fd_size = size;
    }
    return 0;
}

int memfile_truncate(struct memfile *m, int64_t size)
{
    if (m->fd >= 0) {
        int r = settle(m, MIN(size, m->size)); /* what a lease left behind the end is no data */
        r = r < 0 ? r : settle(m, size);
        if (r < 0) {
            return r;
        }
        correct_charge(m);
    } else if (size < m->size) {
        drop_pages(m, pages_of(size), UINT64_MAX);
        if (size & (int64_t)(PAGE_SIZE - 1)) {
            zero_in_page(m, size, INT64_MAX); /* the file may grow again: no old bytes then */
        }
    } else if (m->short_size && size > (int64_t)m->short_size) {
        int r = lengthen(m);
        if (r < 0) {
            return r;
        }
    }
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
        drop_pages(m, (uint64_t)first >> PAGE_SHIFT, ((uint64_t)last >> PAGE_SHIFT) - 1);
    }
}

static int allocate(struct memfile *m, int64_t offset, int64_t end)
{
    uint64_t last = pages_of(end);
    if (!budget_allows(m->budget, last - ((uint64_t)offset >> PAGE_SHIFT))) {
        return -ENOSPC;
    }
    for (uint64_t i = (uint64_t)offset >> PAGE_SHIFT; i < last; i++) {
        char *page;
        int r = make_page(m, i, false, &page);
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
 * native file system has it.
 */
int memfile_fallocate(struct memfile *m, int mode, int64_t offset, int64_t size)
{
    int64_t end = offset + size;
    int kind = mode & ~FALLOC_FL_KEEP_SIZE;
    bool keep_size = mode & FALLOC_FL_KEEP_SIZE;
    if (kind != 0 && kind != FALLOC_FL_ZERO_RANGE && !(kind == FALLOC_FL_PUNCH_HOLE && keep_size)) {
        return -EOPNOTSUPP;
    }
    int r = settle(m, m->size);
    if (r < 0) {
        return r;
    }
    if (m->fd >= 0) {
        if (kind != FALLOC_FL_PUNCH_HOLE &&
            !budget_allows(m->budget, pages_of(end) - ((uint64_t)offset >> PAGE_SHIFT))) {
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
        r = settle(m, end);
    }
    correct_charge(m);
    return r;
}

/* The first page >= index that is there; UINT64_MAX: none. */
static uint64_t next_data(const void *p, unsigned height, uint64_t index)
{
    if (!p) {
        return UINT64_MAX;
    }
    if (height == 0) {
        return index == 0 ? 0 : UINT64_MAX;
    }
    const struct tree_node *node = p;
    unsigned shift = (height - 1) * FANOUT_BITS;
    for (uint64_t i = index >> shift; i < FANOUT; i++) {
        uint64_t below = i == index >> shift ? index & ((1ULL << shift) - 1) : 0;
        uint64_t found = next_data(node->slots[i], height - 1, below);
        if (found != UINT64_MAX) {
            return (i << shift) + found;
        }
    }
    return UINT64_MAX;
}

int64_t memfile_seek(struct memfile *m, int64_t offset, int whence)
{
    if (offset < 0 || offset >= m->size) {
        return -ENXIO;
    }
    if (m->fd >= 0) {
        int r = settle(m, m->size);
        return r < 0 ? r : host_lseek(m->fd, offset, whence);
    }
    uint64_t index = (uint64_t)offset >> PAGE_SHIFT;
    if (whence == SEEK_DATA) {
        uint64_t found =
            covers(m->height, index) ? next_data(m->tree, m->height, index) : UINT64_MAX;
        if (found >= pages_of(m->size)) {
            return -ENXIO;
        }
        return MAX(offset, (int64_t)(found << PAGE_SHIFT));
    }
    while (index < pages_of(m->size) && find_page(m, index)) {
        index++;
    }
    return MIN(m->size, MAX(offset, (int64_t)(index << PAGE_SHIFT)));
}

/* --- mapping --- */

/* Pages from i on that follow one another, as far as the file and iov go. Return: how many. */
static int gather(const struct memfile *m, uint64_t i, struct iovec *iov, size_t *out_size)
{
    int count = 0;
    char *page;
    *out_size = 0;
    while (count < MOVE_PAGES && i < pages_of(m->size) && (page = find_page(m, i))) {
        size_t size = (size_t)MIN((uint64_t)m->size - (i << PAGE_SHIFT), PAGE_SIZE);
        iov[count++] = (struct iovec){page, size};
        *out_size += size;
        i++;
    }
    return count;
}

/* Writes all pages to fd, which is empty. */
static int copy_to_fd(const struct memfile *m, int fd)
{
    struct iovec iov[MOVE_PAGES];
    uint64_t limit = pages_of(m->size);
    int64_t end = 0;
    for (uint64_t i = 0; i < limit;) {
        i = covers(m->height, i) ? next_data(m->tree, m->height, i) : UINT64_MAX;
        if (i >= limit) {
            break;
        }
        size_t size;
        int count = gather(m, i, iov, &size);
        ssize_t n = host_pwritev(fd, iov, count, (off_t)(i << PAGE_SHIFT));
        if (n != (ssize_t)size) {
            return n < 0 ? (int)n : -ENOMEM;
        }
        end = (int64_t)(i << PAGE_SHIFT) + n;
        i += (uint64_t)count;
    }
    return end < m->size ? host_ftruncate(fd, m->size) : 0;
}

/* From now on the bytes are in a memfd. */
static int move_to_fd(struct memfile *m)
{
    if (m->fd < 0) {
        AUTO_FD fd = host_memfd_create("file", MFD_CLOEXEC);
        if (fd < 0) {
            return fd;
        }
        int r = copy_to_fd(m, fd);
        if (r < 0) {
            return r;
        }
        drop_pages(m, 0, UINT64_MAX);
        m->fd = take_fd(&fd);
        m->fd_size = m->size;
        correct_charge(m);
    }
    return 0;
}

int memfile_map(struct memfile *m, struct file_map *out)
{
    int r = move_to_fd(m);
    r = r < 0 ? r : settle(m, m->size);
    if (r < 0) {
        return r;
    }
    m->mapped = true;
    *out = (struct file_map){.host_fd = m->fd, .host_offset = 0};
    return 0;
}

/* --- leases --- */

int memfile_lease(struct memfile *m, bool write, uint64_t limit, int *out_fd,
                  uint64_t *out_capacity)
{
    uint64_t capacity = (uint64_t)m->size;
    if (write && m->mapped) {
        return -EBUSY;
    }
    if (m->fd < 0 && m->size > LEASE_MOVE_MAX) {
        return -EFBIG;
    }
    if (write) {
        capacity = ALIGN_UP(capacity + capacity / 2 + LEASE_ROOM, PAGE_SIZE);
        capacity = MIN(capacity, limit);
    }
    if (capacity < (uint64_t)m->size) {
        return -EFBIG;
    }
    int r = move_to_fd(m);
    if (r < 0) {
        return r;
    }
    if (write) {
        uint64_t reserve = pages_of((int64_t)capacity) - MIN(m->pages, pages_of((int64_t)capacity));
        if (!budget_allows(m->budget, reserve)) {
            return -ENOSPC;
        }
        if (m->fd_size < (int64_t)capacity) {
            r = settle(m, (int64_t)capacity);
            if (r < 0) {
                return r;
            }
        }
        m->leased = true;
        m->reserved = reserve;
        m->budget->used_pages += reserve;
    }
    *out_fd = m->fd;
    *out_capacity = capacity;
    return 0;
}

void memfile_lease_end(struct memfile *m, int64_t size, bool written)
{
    m->budget->used_pages -= m->reserved;
    m->reserved = 0;
    m->size = size;
    if (written) {
        correct_charge(m);
    }
}

int memfile_reserve(struct memfile *m, int64_t bytes)
{
    uint64_t pages = pages_of(bytes < 0 ? -bytes : bytes) + 1;
    m->budget->reserved_pages += bytes < 0 ? -pages : pages;
    return budget_allows(m->budget, 0) ? 0 : -ENOSPC;
}

uint64_t memfile_blocks(struct memfile *m)
{
    correct_charge(m); /* a mapping may have filled holes */
    return m->pages * (PAGE_SIZE / 512);
}
