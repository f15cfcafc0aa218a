/* Credentials of a task, analogous to Linux's struct cred: immutable once shared, copied to change. */
#pragma once

#include <linux/capability.h>
#include <stdbool.h>

#include "lib/macros.h"
#include "lib/refcount.h"

struct cred {
    struct refcount ref;
    uint32_t uid, euid, suid, fsuid;
    uint32_t gid, egid, sgid, fsgid;
    uint32_t group_count;
    uint32_t *groups; /* owned, sorted */
    uint64_t cap_inheritable, cap_permitted, cap_effective, cap_bset, cap_ambient;
    uint32_t securebits;
};

#define CAP_FULL_SET ((1ULL << (CAP_LAST_CAP + 1)) - 1)

/* uid 0 starts with all capabilities (they mean something inside the sandbox only). Errors: -ENOMEM. */
MUST_CHECK int cred_new(struct cred **out, uint32_t uid, uint32_t gid, const uint32_t *groups,
                        uint32_t group_count);
MUST_CHECK int cred_copy(const struct cred *c, struct cred **out);
struct cred *cred_get(const struct cred *c);
void cred_put(struct cred *c);
bool cred_same(const struct cred *a, const struct cred *b); /* the same rights in every way */
DEFINE_AUTO_PUT(cred)
bool cred_in_group(const struct cred *c, uint32_t gid); /* fsgid or supplementary */
static inline bool cred_capable(const struct cred *c, int cap)
{
    return c->cap_effective >> cap & 1;
}
