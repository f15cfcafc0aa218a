/*
 * struct uio: scattered memory that is filled or drained in order. Analogous to Linux's
 * lib/iov_iter.c. A fault in the middle is a short transfer; only a fault on the first byte is -EFAULT.
 */
#include "sentry/mm/uio.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "platform/platform.h"
#include "sentry/mm/usercopy.h"

struct guest_iovec {
    uaddr_t base;
    uint64_t size;
};

static void init_single(struct uio *u, struct mm *mm, uaddr_t base, size_t size)
{
    *u = (struct uio){.mm = mm, .range_count = 1, .left = size, .single = {base, size}};
    u->ranges = &u->single;
}

void uio_init(struct uio *u, struct mm *mm, uaddr_t base, size_t size)
{
    init_single(u, mm, base, MIN(size, MAX_RW_COUNT));
}

void uio_init_kernel(struct uio *u, void *base, size_t size)
{
    init_single(u, NULL, (uaddr_t)(uintptr_t)base, MIN(size, MAX_RW_COUNT));
}

/* Checks the guest's vector and cuts it where the sum reaches MAX_RW_COUNT. */
static int check_vector(struct uio_range *ranges, size_t count, size_t *out_total)
{
    size_t total = 0;
    for (size_t i = 0; i < count; i++) {
        if (ranges[i].size > SSIZE_MAX) {
            return -EINVAL;
        }
        if (ranges[i].size > PLATFORM_TASK_SIZE ||
            ranges[i].base > PLATFORM_TASK_SIZE - ranges[i].size) {
            return -EFAULT;
        }
        ranges[i].size = MIN(ranges[i].size, MAX_RW_COUNT - total);
        total += ranges[i].size;
    }
    *out_total = total;
    return 0;
}

int uio_init_iovec(struct uio *u, struct mm *mm, uaddr_t iov, size_t count)
{
    _Static_assert(sizeof(struct guest_iovec) == sizeof(struct uio_range), "copied as is");
    init_single(u, mm, 0, 0);
    if (count > UIO_MAXIOV) {
        return -EINVAL;
    }
    if (count == 0) {
        return 0;
    }
    struct uio_range *ranges = &u->single;
    if (count > 1) {
        ranges = u->owned = malloc(count * sizeof(*ranges));
        if (!ranges) {
            return -ENOMEM;
        }
    }
    int r = copy_in(mm, ranges, iov, count * sizeof(*ranges));
    size_t total = 0;
    if (r == 0) {
        r = check_vector(ranges, count, &total);
    }
    if (r < 0) {
        uio_free(u);
        return r;
    }
    u->ranges = ranges;
    u->range_count = count;
    u->left = total;
    return 0;
}

void uio_free(struct uio *u)
{
    free(u->owned);
    u->owned = NULL;
    u->ranges = &u->single;
    u->range_count = 0;
    u->left = 0;
}

void uio_advance(struct uio *u, size_t size)
{
    size = MIN(size, u->left);
    u->left -= size;
    while (size > 0) {
        size_t here = MIN(size, u->ranges->size - u->offset);
        u->offset += here;
        size -= here;
        if (u->offset == u->ranges->size && u->range_count > 1) {
            u->ranges++;
            u->range_count--;
            u->offset = 0;
        }
    }
}

void uio_truncate(struct uio *u, size_t size)
{
    u->left = MIN(u->left, size);
}

/* The contiguous piece at the front. Return: its size, 0 at the end. */
static size_t front_piece(struct uio *u, uaddr_t *out_addr)
{
    if (u->left == 0) {
        return 0;
    }
    while (u->offset == u->ranges->size) { /* empty ranges */
        u->ranges++;
        u->range_count--;
        u->offset = 0;
    }
    *out_addr = u->ranges->base + u->offset;
    return MIN(u->ranges->size - u->offset, u->left);
}

enum direction { TO_USER, FROM_USER, ZERO_USER };

static size_t copy_piece(struct uio *u, uaddr_t addr, void *buf, size_t size, enum direction dir)
{
    if (!u->mm) {
        void *kernel = (void *)(uintptr_t)addr;
        if (dir == TO_USER) {
            memcpy(kernel, buf, size);
        } else if (dir == FROM_USER) {
            memcpy(buf, kernel, size);
        } else {
            memset(kernel, 0, size);
        }
        return size;
    }
    if (dir == TO_USER) {
        return copy_out_partial(u->mm, addr, buf, size);
    }
    if (dir == FROM_USER) {
        return copy_in_partial(u->mm, buf, addr, size);
    }
    static const char zeros[PAGE_SIZE];
    size_t done = 0;
    while (done < size) {
        size_t n = MIN(size - done, sizeof(zeros));
        size_t got = copy_out_partial(u->mm, addr + done, zeros, n);
        done += got;
        if (got < n) {
            break;
        }
    }
    return done;
}

static ssize_t transfer(struct uio *u, char *buf, size_t size, enum direction dir)
{
    size = MIN(size, u->left);
    size_t done = 0;
    while (done < size) {
        uaddr_t addr = 0;
        size_t n = MIN(front_piece(u, &addr), size - done);
        size_t got = copy_piece(u, addr, buf ? buf + done : NULL, n, dir);
        uio_advance(u, got);
        done += got;
        if (got < n) {
            break;
        }
    }
    return done == 0 && size > 0 ? -EFAULT : (ssize_t)done;
}

void *uio_window(struct uio *u, size_t *size)
{
    uaddr_t addr = 0;
    size_t n = front_piece(u, &addr);
    *size = MIN(*size, n);
    if (n == 0 || !u->mm) {
        return n ? (void *)(uintptr_t)addr : NULL;
    }
    return copy_out_window(u->mm, addr, size);
}

void uio_placed(struct uio *u, size_t size)
{
    uaddr_t addr = 0;
    if (front_piece(u, &addr) > 0 && u->mm) {
        copy_out_placed(u->mm, addr, size);
    }
    uio_advance(u, size);
}

ssize_t uio_copy_to(struct uio *u, const void *src, size_t size)
{
    return transfer(u, (char *)(uintptr_t)src, size, TO_USER);
}

ssize_t uio_copy_from(struct uio *u, void *dst, size_t size)
{
    return transfer(u, dst, size, FROM_USER);
}

ssize_t uio_zero(struct uio *u, size_t size)
{
    return transfer(u, NULL, size, ZERO_USER);
}
