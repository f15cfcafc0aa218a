/*
 * Memory files whose bytes are in a memfd: those that a guest has mapped, which is then a real host mapping of that fd, with read(2) and
 * write(2) working on the same pages; and those that are leased (sentry/vfs/lease.h).
 */
#include "sentry/fs/memfile_tree.h"

#include <errno.h>
#include <sys/uio.h>
#include <unistd.h>

#include "lib/host.h"
#include "sentry/vfs/file.h"

#define LEASE_MOVE_MAX (4096 * 1024) /* larger files are not moved to a memfd for a lease alone */
#define LEASE_ROOM     (1024 * 1024) /* into which a leased file can grow, and half its size */
#define MOVE_PAGES     64            /* by one call, from memory to a memfd */

int memfile_settle(struct memfile *m, int64_t size)
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

/* --- mapping --- */

/* Pages from i on that follow one another, as far as the file and iov go. Return: how many. */
static int gather(const struct memfile *m, uint64_t i, struct iovec *iov, size_t *out_size)
{
    int count = 0;
    char *page;
    *out_size = 0;
    while (count < MOVE_PAGES && i < memfile_pages_of(m->size) && (page = memfile_page(m, i))) {
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
    uint64_t limit = memfile_pages_of(m->size);
    int64_t end = 0;
    for (uint64_t i = 0; i < limit;) {
        i = memfile_next_page(m, i);
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
        memfile_drop_pages(m, 0, UINT64_MAX);
        m->fd = take_fd(&fd);
        m->fd_size = m->size;
        memfile_correct_charge(m);
    }
    return 0;
}

int memfile_map(struct memfile *m, struct file_map *out)
{
    int r = move_to_fd(m);
    r = r < 0 ? r : memfile_settle(m, m->size);
    if (r < 0) {
        return r;
    }
    m->mapped = true;
    *out = (struct file_map){.host_fd = m->fd, .host_offset = 0};
    return 0;
}

/* --- leases --- */

bool memfile_has_holes(struct memfile *m)
{
    if (m->sparse && m->pages >= memfile_pages_of(m->size)) {
        m->sparse = m->size > 0 && memfile_seek(m, 0, SEEK_HOLE) < m->size;
    }
    return m->sparse;
}

int memfile_lease(struct memfile *m, bool write, uint64_t limit, int *out_fd,
                  uint64_t *out_capacity)
{
    uint64_t capacity = (uint64_t)m->size;
    if (write && m->mapped && m->size == 0) {
        return -EBUSY;
    }
    if (m->fd < 0 && m->size > LEASE_MOVE_MAX) {
        return -EFBIG;
    }
    if (!write && memfile_has_holes(m)) {
        return -EPERM;
    }
    if (write) {
        if (!m->mapped) { /* whoever maps it sees where the memfd ends */
            capacity = ALIGN_UP(capacity + capacity / 2 + LEASE_ROOM, PAGE_SIZE);
        }
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
        uint64_t reserve = memfile_pages_of((int64_t)capacity) -
                           MIN(m->pages, memfile_pages_of((int64_t)capacity));
        if (!memfile_affords(m->budget, reserve)) {
            return -ENOSPC;
        }
        if (m->fd_size < (int64_t)capacity) {
            r = memfile_settle(m, (int64_t)capacity);
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
        memfile_correct_charge(m);
        m->sparse |= m->pages < memfile_pages_of(size);
    }
}

int memfile_reserve(struct memfile *m, int64_t bytes)
{
    uint64_t pages = memfile_pages_of(bytes < 0 ? -bytes : bytes) + 1;
    m->budget->reserved_pages += bytes < 0 ? -pages : pages;
    return memfile_affords(m->budget, 0) ? 0 : -ENOSPC;
}
