/* What the parts of memory files share: memfile.c, memfile_tree.c (pages), memfile_fd.c (memfds). */
#pragma once

#include "sentry/fs/memfile.h"
#include "sentry/mm/mm.h"

static inline uint64_t memfile_pages_of(int64_t size)
{
    return ((uint64_t)size + PAGE_SIZE - 1) >> PAGE_SHIFT;
}

/* --- memfile_tree.c: the budget, and pages --- */

void memfile_set_charge(struct memfile *m, uint64_t pages);
/* By what the host says of the memfd. */
void memfile_correct_charge(struct memfile *m);
/* NULL: a hole. */
char *memfile_page(const struct memfile *m, uint64_t index);
/* The first page >= index that is there; UINT64_MAX: none. */
uint64_t memfile_next_page(const struct memfile *m, uint64_t index);
/*
 * The only page as a short one of at least end bytes, made or made longer if need be: it is charged as a whole one. NULL: it has to
 * be a whole one.
 */
char *memfile_short_page(struct memfile *m, uint64_t end);
/* A short page becomes a whole one. Errors: -ENOMEM. */
MUST_CHECK int memfile_lengthen(struct memfile *m);
/* The page at index, made if need be; zeroed unless the caller is going to fill all of it. Errors: -ENOMEM, -ENOSPC. */
MUST_CHECK int memfile_make_page(struct memfile *m, uint64_t index, bool fill_all, char **out);
void memfile_drop_pages(struct memfile *m, uint64_t first, uint64_t last);

/* --- memfile_fd.c --- */

/* The memfd, if there is one, becomes so long. Errors: of ftruncate. */
MUST_CHECK int memfile_settle(struct memfile *m, int64_t size);
