/*
 * Guest memory, byte by byte: the sentry's copy_from_user and copy_to_user. The platform does the
 * copying; here are the rules (which addresses a guest may name at all, what a short copy means).
 */
#include "sentry/mm/usercopy.h"

#include <errno.h>
#include <string.h>

#include "platform/platform.h"
#include "sentry/mm/mm.h"

/* What came with the request (syscalls/copy_plan.c) crosses to this CPU by the cache line: most names are in the first. */
#define FIRST_STRING_CHUNK 64
#define SENT_STRING_CHUNK  256
#define COPY_CHUNK         PAGE_SIZE

/* How much of [addr, addr + size) lies where guests have memory: access_ok, cut instead of refused. */
static size_t clamp_range(uaddr_t addr, size_t size)
{
    if (addr >= PLATFORM_TASK_SIZE) {
        return 0;
    }
    size = MIN(size, PLATFORM_TASK_SIZE - addr);
    if (unlikely(platform_range_reserved(addr, size))) {
        /* The stub's own slice reads as unmapped. */
        return addr < PLATFORM_SLICE_START ? MIN(size, PLATFORM_SLICE_START - addr) : 0;
    }
    return size;
}

size_t copy_in_partial(struct mm *mm, void *dst, uaddr_t src, size_t size)
{
    size = clamp_range(src, size);
    return size ? platform_copy_in(mm->space, dst, src, size) : 0;
}

size_t copy_out_partial(struct mm *mm, uaddr_t dst, const void *src, size_t size)
{
    size = clamp_range(dst, size);
    return size ? platform_copy_out(mm->space, dst, src, size) : 0;
}

void *copy_out_window(struct mm *mm, uaddr_t dst, size_t *size)
{
    *size = clamp_range(dst, *size);
    return *size ? platform_window(mm->space, dst, size) : NULL;
}

void copy_out_placed(struct mm *mm, uaddr_t dst, size_t size)
{
    platform_window_filled(mm->space, dst, size);
}

int copy_in(struct mm *mm, void *dst, uaddr_t src, size_t size)
{
    return copy_in_partial(mm, dst, src, size) == size ? 0 : -EFAULT;
}

int copy_out(struct mm *mm, uaddr_t dst, const void *src, size_t size)
{
    return copy_out_partial(mm, dst, src, size) == size ? 0 : -EFAULT;
}

/**
 * copy_in_str - copy a NUL-terminated string of at most size bytes, NUL included.
 *
 * Reads never cross into a page before all of the previous one was searched, so a string that ends
 * just below unmapped memory is fine. The first read is small: most names are.
 *
 * Return: its length. Errors: -EFAULT; -ENAMETOOLONG when there is no NUL in size bytes.
 */
ssize_t copy_in_str(struct mm *mm, char *dst, uaddr_t src, size_t size)
{
    size_t chunk = FIRST_STRING_CHUNK;
    for (size_t done = 0; done < size;) {
        size_t to_page_end = PAGE_SIZE - ((src + done) & (PAGE_SIZE - 1));
        size_t want = MIN(MIN(size - done, to_page_end), chunk);
        size_t there = clamp_range(src + done, want);
        size_t got = there ? platform_copy_in_str(mm->space, dst + done, src + done, there) : 0;
        const char *end = memchr(dst + done, '\0', got);
        if (end) {
            return end - dst;
        }
        if (got < want) {
            return -EFAULT;
        }
        done += got;
        chunk = done < SENT_STRING_CHUNK ? SENT_STRING_CHUNK - done : COPY_CHUNK;
    }
    return -ENAMETOOLONG;
}

/* Bytes that this kernel does not know must be zero, or the caller wants something we lack. */
static int check_zeroed(struct mm *mm, uaddr_t src, size_t size)
{
    char buf[256];
    while (size > 0) {
        size_t n = MIN(size, sizeof(buf));
        int r = copy_in(mm, buf, src, n);
        if (r < 0) {
            return r;
        }
        for (size_t i = 0; i < n; i++) {
            if (buf[i]) {
                return -E2BIG;
            }
        }
        src += n;
        size -= n;
    }
    return 0;
}

int copy_in_extensible(struct mm *mm, void *dst, size_t dst_size, uaddr_t src, size_t src_size)
{
    if (src_size > PAGE_SIZE) {
        return -E2BIG;
    }
    size_t common = MIN(dst_size, src_size);
    if (src_size > dst_size) {
        int r = check_zeroed(mm, src + dst_size, src_size - dst_size);
        if (r < 0) {
            return r;
        }
    }
    memset((char *)dst + common, 0, dst_size - common);
    return copy_in(mm, dst, src, common);
}

int clear_user(struct mm *mm, uaddr_t dst, size_t size)
{
    static const char zeros[COPY_CHUNK];
    while (size > 0) {
        size_t n = MIN(size, sizeof(zeros));
        int r = copy_out(mm, dst, zeros, n);
        if (r < 0) {
            return r;
        }
        dst += n;
        size -= n;
    }
    return 0;
}
