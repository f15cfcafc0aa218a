/*
 * Credentials: made, copied to change, shared read-only. Analogous to Linux's kernel/cred.c; see
 * credentials(7) and capabilities(7). Capabilities mean something inside the sandbox only.
 */
#include "sentry/vfs/cred.h"

#include <errno.h>
#include <string.h>

static int compare_gids(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static int copy_groups(struct cred *c, const uint32_t *groups, uint32_t count)
{
    c->groups = NULL;
    c->group_count = 0;
    if (count == 0) {
        return 0;
    }
    c->groups = malloc(count * sizeof(*groups));
    if (!c->groups) {
        return -ENOMEM;
    }
    memcpy(c->groups, groups, count * sizeof(*groups));
    c->group_count = count;
    qsort(c->groups, count, sizeof(*groups), compare_gids);
    return 0;
}

int cred_new(struct cred **out, uint32_t uid, uint32_t gid, const uint32_t *groups,
             uint32_t group_count)
{
    struct cred *c = calloc(1, sizeof(*c));
    if (!c || copy_groups(c, groups, group_count) < 0) {
        free(c);
        return -ENOMEM;
    }
    refcount_init(&c->ref);
    c->uid = c->euid = c->suid = c->fsuid = uid;
    c->gid = c->egid = c->sgid = c->fsgid = gid;
    c->cap_bset = CAP_FULL_SET;
    if (uid == 0) {
        c->cap_permitted = c->cap_effective = CAP_FULL_SET;
    }
    *out = c;
    return 0;
}

int cred_copy(const struct cred *c, struct cred **out)
{
    struct cred *copy = malloc(sizeof(*copy));
    if (!copy) {
        return -ENOMEM;
    }
    *copy = *c;
    refcount_init(&copy->ref);
    if (copy_groups(copy, c->groups, c->group_count) < 0) {
        free(copy);
        return -ENOMEM;
    }
    *out = copy;
    return 0;
}

/* The argument is const because a shared cred never changes; only its count does. */
struct cred *cred_get(const struct cred *c)
{
    struct cred *shared = (struct cred *)(uintptr_t)c;
    refcount_get(&shared->ref);
    return shared;
}

void cred_put(struct cred *c)
{
    if (refcount_put(&c->ref)) {
        free(c->groups);
        free(c);
    }
}

bool cred_same(const struct cred *a, const struct cred *b)
{
    return a->uid == b->uid && a->euid == b->euid && a->suid == b->suid && a->fsuid == b->fsuid &&
           a->gid == b->gid && a->egid == b->egid && a->sgid == b->sgid && a->fsgid == b->fsgid &&
           a->group_count == b->group_count &&
           (a->group_count == 0 ||
            memcmp(a->groups, b->groups, a->group_count * sizeof(*a->groups)) == 0) &&
           a->cap_inheritable == b->cap_inheritable && a->cap_permitted == b->cap_permitted &&
           a->cap_effective == b->cap_effective && a->cap_bset == b->cap_bset &&
           a->cap_ambient == b->cap_ambient && a->securebits == b->securebits;
}

bool cred_in_group(const struct cred *c, uint32_t gid)
{
    if (gid == c->fsgid) {
        return true;
    }
    size_t low = 0, high = c->group_count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (c->groups[mid] == gid) {
            return true;
        }
        if (c->groups[mid] < gid) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return false;
}
