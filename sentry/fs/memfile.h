/*
 * The bytes of a file that lives in memory. See memfile.c.
 */
#pragma once

#include <stdbool.h>

#include "lib/macros.h"

struct file_map;
struct uio;

/* What one file system may use; shared by its files. */
struct mem_budget {
    uint64_t limit_pages; /* 0: no limit */
    uint64_t used_pages;
    uint64_t reserved_pages; /* kept free for writes that are still to be made known */
};

struct memfile {
    struct mem_budget *budget; /* borrowed: outlived by the file system */
    int64_t size;
    uint64_t pages;  /* charged to budget */
    void *tree;      /* owned radix tree of pages; NULL when empty, or when fd >= 0 */
    unsigned height; /* of the tree: it covers 64^height pages */
    uint32_t
        short_size; /* the only page is malloc'ed, and so long: all of the file; 0: it is a whole one */
    int fd;         /* owned memfd, once the file has been mapped or leased; else -1 */
    int64_t fd_size;   /* of the memfd: >= size; what is behind size is there to grow into */
    uint64_t reserved; /* pages of the budget that a lease may yet fill */
    bool mapped;       /* guests have it mapped: they see where fd ends */
    bool leased;       /* for writing, at some time */
    bool sparse;       /* it may have holes, as it may not when this is not set */
};

/* So many more pages, beside what is kept for others. */
bool memfile_affords(const struct mem_budget *b, uint64_t pages);
void memfile_init(struct memfile *m, struct mem_budget *budget);
void memfile_free(struct memfile *m);
/* Bytes, 0 at end of file. Errors: -EFAULT, -ENOMEM. */
MUST_CHECK ssize_t memfile_read(struct memfile *m, struct uio *dst, int64_t pos);
/* Writes and grows. Errors: -EFAULT, -ENOMEM, -ENOSPC; only when nothing was written. */
MUST_CHECK ssize_t memfile_write(struct memfile *m, struct uio *src, int64_t pos);
MUST_CHECK int memfile_truncate(struct memfile *m, int64_t size);
/* mode: FALLOC_FL_*. Errors: -EOPNOTSUPP, -ENOSPC, -ENOMEM. */
MUST_CHECK int memfile_fallocate(struct memfile *m, int mode, int64_t offset, int64_t size);
/* SEEK_DATA and SEEK_HOLE. Errors: -ENXIO. */
MUST_CHECK int64_t memfile_seek(struct memfile *m, int64_t offset, int whence);
/* A host fd that shows the bytes; from now on it holds them. Errors: what memfd_create gives, -ENOMEM. */
MUST_CHECK int memfile_map(struct memfile *m, struct file_map *out);
/* Who reads it by a mapping would make pages of them. */
bool memfile_has_holes(struct memfile *m);
/*
 * A host fd for a lease, and up to where it may be written. limit: the most that is wanted. Errors: -EBUSY others see
 * where the file ends; -EFBIG too large to move now; -EPERM to be read only, but it has holes; -ENOSPC; as memfile_map.
 */
MUST_CHECK int memfile_lease(struct memfile *m, bool write, uint64_t limit, int *out_fd,
                             uint64_t *out_capacity);
/* The lease is over: size bytes of it are the file's. written: its pages have changed. */
void memfile_lease_end(struct memfile *m, int64_t size, bool written);
/* Keeps room for so many more bytes that follow one another; < 0: no longer. Errors: -ENOSPC: it is counted, but there is less. */
MUST_CHECK int memfile_reserve(struct memfile *m, int64_t bytes);
/* 512-byte blocks in use, for st_blocks. */
uint64_t memfile_blocks(struct memfile *m);
