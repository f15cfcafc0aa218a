/* A kept listing, between gofer_listing.c (what it tells) and gofer_listing_fetch.c (what is asked for). Nobody else includes it. */
#pragma once

#include "sentry/fs/gofer_fs.h"

#define CREDIT_MAX 1024 /* entries whose attributes may come without being used */
#define CREDIT_USE 4    /* what is used pays for so much that is not */
#define AHEAD_MAX  65536
#define AROUND_MAX 8

struct gofer_listing {
    struct list lru;
    struct gofer_inode *dir; /* ref */
    uint8_t *entries;        /* owned: struct gofer_dirent with what follows each, as in a reply */
    size_t size, capacity;
    uint32_t count;
    uint32_t want;     /* the GOFER_LIST_* it was asked for with */
    uint64_t next;     /* cookie of what is not here yet */
    bool complete;     /* nothing is */
    bool around;       /* was fetched for lookups */
    bool ahead;        /* came unasked, and was not used yet */
    uint64_t serial;   /* no other has the same */
    int64_t when_ns;   /* of its first part */
    uint64_t asked;    /* the same: struct gofer_attr's */
    uint32_t *slots;   /* owned: offset + 1 of entries by hash of name; NULL: to be built */
    size_t slot_count; /* a power of two */
};

/* dir's, unless it is too old. NULL: there is none. */
struct gofer_listing *gofer_listing_valid(struct gofer_inode *dir);
/* Keeps what was asked for with cookie and want, if it begins a listing or continues the one there is. */
void gofer_listing_append(struct gofer_inode *dir, uint64_t cookie, uint32_t want,
                          const struct gofer_listed *d, uint64_t asked);
/* name's entry. NULL: there is none, or no memory to look. */
const struct gofer_dirent *gofer_listing_entry(struct gofer_listing *l, const struct name *name);
static inline bool gofer_listing_is_enough(const struct gofer_listing *l, uint32_t want)
{
    return l && l->complete && (l->want & want) == want;
}
