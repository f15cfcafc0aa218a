/*
 * Reference counts that trap on 0 -> 1 and below 0 in every build. Not atomic: everything counted
 * belongs to the cooperative kernel, and is touched only under the baton.
 */
#pragma once

#include <stdbool.h>

#include "lib/bug.h"

struct refcount {
    uint32_t n;
};

static inline void refcount_init(struct refcount *r)
{
    r->n = 1;
}
static inline void refcount_get(struct refcount *r)
{
    BUG_ON(r->n == 0 || r->n == UINT32_MAX);
    r->n++;
}
/* Return: true when this was the last one, and the object is to be freed. */
static inline bool refcount_put(struct refcount *r)
{
    BUG_ON(r->n == 0);
    return --r->n == 0;
}
