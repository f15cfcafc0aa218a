/*
 * What seals forbid. Analogous to the seal checks of Linux's mm/shmem.c and fs/attr.c.
 */
#include "sentry/vfs/seal.h"

#include <errno.h>
#include <fcntl.h>

#ifndef F_SEAL_EXEC
#define F_SEAL_EXEC 0x20
#endif
#define SEALS_WRITE ((uint32_t)(F_SEAL_WRITE | F_SEAL_FUTURE_WRITE))

int seal_check_size(const struct inode *inode, int64_t size)
{
    if (inode->seals & F_SEAL_SHRINK && size < inode->size) {
        return -EPERM;
    }
    return inode->seals & F_SEAL_GROW && size > inode->size ? -EPERM : 0;
}

/* As Linux goes page by page: whole pages before the one that would grow the file are still written. */
int seal_check_write(const struct inode *inode, int64_t pos, size_t *size)
{
    if (likely(!inode->seals) || *size == 0) {
        return 0;
    }
    if (inode->seals & SEALS_WRITE) {
        return -EPERM;
    }
    if (inode->seals & F_SEAL_GROW && (uint64_t)pos + *size > (uint64_t)inode->size) {
        const int64_t end = ALIGN_DOWN(inode->size, (int64_t)PAGE_SIZE);
        if (end <= pos) {
            return -EPERM;
        }
        *size = (size_t)(end - pos);
    }
    return 0;
}

int seal_check_mode(const struct inode *inode, uint32_t mode)
{
    return inode->seals & F_SEAL_EXEC && (mode ^ inode->mode) & 0111 ? -EPERM : 0;
}

bool seal_denies_mapping(const struct inode *inode)
{
    return inode->seals & SEALS_WRITE;
}
