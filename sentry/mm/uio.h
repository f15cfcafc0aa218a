/*
 * Where a read puts bytes and a write takes them from: one or more guest ranges, or kernel memory.
 * Analogous to Linux's iov_iter. Advanced by what was copied.
 */
#pragma once

#include <sys/types.h>
#include <sys/uio.h> /* UIO_MAXIOV */

#include "lib/macros.h"

struct mm;
#define MAX_RW_COUNT 0x7ffff000UL

struct uio_range {
    uaddr_t base;
    size_t size;
};
struct uio {
    struct mm *mm;            /* borrowed; NULL: kernel memory, base is a pointer */
    struct uio_range *ranges; /* borrowed or &single */
    size_t range_count;
    size_t offset; /* into ranges[0] */
    size_t left;   /* bytes in all */
    struct uio_range single;
    struct uio_range *owned; /* freed by uio_free */
};

void uio_init(struct uio *u, struct mm *mm, uaddr_t base,
              size_t size); /* size is clamped to MAX_RW_COUNT */
void uio_init_kernel(struct uio *u, void *base, size_t size);
/* From a guest's struct iovec array. Errors: -EINVAL (count, negative sizes), -EFAULT, -ENOMEM. */
MUST_CHECK int uio_init_iovec(struct uio *u, struct mm *mm, uaddr_t iov, size_t count);
void uio_free(struct uio *u);
static inline size_t uio_size(const struct uio *u)
{
    return u->left;
}
/* Copies at most size bytes; returns the bytes copied, or -EFAULT when not even one could be. */
MUST_CHECK ssize_t uio_copy_to(struct uio *u, const void *src, size_t size);
MUST_CHECK ssize_t uio_copy_from(struct uio *u, void *dst, size_t size);
MUST_CHECK ssize_t uio_zero(struct uio *u, size_t size);
/*
 * Memory that takes what comes next for the reader; *size: at most so much, then how much. The guest may see it. Valid until the
 * caller sleeps; uio_placed says what has been put there. NULL: only uio_copy_to will do.
 */
void *uio_window(struct uio *u, size_t *size);
void uio_placed(struct uio *u, size_t size);
/* Skips bytes that were placed by other means. */
void uio_advance(struct uio *u, size_t size);
/* Cuts what is left to at most size bytes. */
void uio_truncate(struct uio *u, size_t size);
