/*
 * User and group ids: get*id, set*id, getgroups, setgroups. See credentials(7), setresuid(2).
 *
 * Credentials are a task's own (the C library spreads a change to all threads), immutable once shared:
 * each change makes a copy. What an id change does to capabilities is in cred_caps.c.
 */
#include "sentry/base/errno.h"

#include <sys/syscall.h>

#include "platform/platform.h"
#include "sentry/mm/usercopy.h"
#include "sentry/task/task.h"
#include "syscalls/cred_caps.h"
#include "syscalls/syscalls.h"

#define ID_UNCHANGED       UINT32_MAX
#define NGROUPS_MAX_KERNEL 65536

long sys_getuid(struct task *t)
{
    return t->cred->uid;
}

long sys_geteuid(struct task *t)
{
    return t->cred->euid;
}

long sys_getgid(struct task *t)
{
    return t->cred->gid;
}

long sys_getegid(struct task *t)
{
    return t->cred->egid;
}

static long store_three(struct task *t, const uaddr_t to[3], const uint32_t id[3])
{
    for (int i = 0; i < 3; i++) {
        if (put_user(t->mm, to[i], &id[i]) < 0) {
            return -EFAULT;
        }
    }
    return 0;
}

long sys_getresuid(struct task *t, uaddr_t ruid, uaddr_t euid, uaddr_t suid)
{
    const struct cred *c = t->cred;
    platform_keep_answer(t->pt, SYS_getuid, c->uid);
    platform_keep_answer(t->pt, SYS_geteuid, c->euid);
    platform_keep_answer(t->pt, PLATFORM_ANSWER_SUID, c->suid);
    return store_three(t, (uaddr_t[]){ruid, euid, suid}, (uint32_t[]){c->uid, c->euid, c->suid});
}

long sys_getresgid(struct task *t, uaddr_t rgid, uaddr_t egid, uaddr_t sgid)
{
    const struct cred *c = t->cred;
    platform_keep_answer(t->pt, SYS_getgid, c->gid);
    platform_keep_answer(t->pt, SYS_getegid, c->egid);
    platform_keep_answer(t->pt, PLATFORM_ANSWER_SGID, c->sgid);
    return store_three(t, (uaddr_t[]){rgid, egid, sgid}, (uint32_t[]){c->gid, c->egid, c->sgid});
}

/* Makes new t's credentials, with what the change of uids does to capabilities. new: consumed. */
static long commit_uids(struct task *t, struct cred *new)
{
    cred_fix_caps_setuid(new, t->cred);
    task_set_cred(t, new);
    return 0;
}

long sys_setuid(struct task *t, unsigned uid)
{
    struct cred *new;
    if (uid == ID_UNCHANGED) {
        return -EINVAL;
    }
    int r = cred_copy(t->cred, &new);
    if (r < 0) {
        return r;
    }
    if (cred_capable(t->cred, CAP_SETUID)) {
        new->uid = new->suid = uid;
    } else if (uid != t->cred->uid && uid != t->cred->suid) {
        cred_put(new);
        return -EPERM;
    }
    new->euid = new->fsuid = uid;
    return commit_uids(t, new);
}

long sys_setgid(struct task *t, unsigned gid)
{
    struct cred *new;
    if (gid == ID_UNCHANGED) {
        return -EINVAL;
    }
    int r = cred_copy(t->cred, &new);
    if (r < 0) {
        return r;
    }
    if (cred_capable(t->cred, CAP_SETGID)) {
        new->gid = new->sgid = gid;
    } else if (gid != t->cred->gid && gid != t->cred->sgid) {
        cred_put(new);
        return -EPERM;
    }
    new->egid = new->fsgid = gid;
    task_set_cred(t, new);
    return 0;
}

static bool one_of(uint32_t id, uint32_t a, uint32_t b, uint32_t c)
{
    return id == ID_UNCHANGED || id == a || id == b || id == c;
}

long sys_setreuid(struct task *t, unsigned ruid, unsigned euid)
{
    const struct cred *old = t->cred;
    struct cred *new;
    /* The saved id is no source for the real one. */
    if (!cred_capable(old, CAP_SETUID) && (!one_of(ruid, old->uid, old->euid, old->uid) ||
                                           !one_of(euid, old->uid, old->euid, old->suid))) {
        return -EPERM;
    }
    int r = cred_copy(old, &new);
    if (r < 0) {
        return r;
    }
    new->uid = ruid != ID_UNCHANGED ? ruid : old->uid;
    new->euid = euid != ID_UNCHANGED ? euid : old->euid;
    if (ruid != ID_UNCHANGED || (euid != ID_UNCHANGED && euid != old->uid)) {
        new->suid = new->euid;
    }
    new->fsuid = new->euid;
    return commit_uids(t, new);
}

long sys_setregid(struct task *t, unsigned rgid, unsigned egid)
{
    const struct cred *old = t->cred;
    struct cred *new;
    if (!cred_capable(old, CAP_SETGID) && (!one_of(rgid, old->gid, old->egid, old->gid) ||
                                           !one_of(egid, old->gid, old->egid, old->sgid))) {
        return -EPERM;
    }
    int r = cred_copy(old, &new);
    if (r < 0) {
        return r;
    }
    new->gid = rgid != ID_UNCHANGED ? rgid : old->gid;
    new->egid = egid != ID_UNCHANGED ? egid : old->egid;
    if (rgid != ID_UNCHANGED || (egid != ID_UNCHANGED && egid != old->gid)) {
        new->sgid = new->egid;
    }
    new->fsgid = new->egid;
    task_set_cred(t, new);
    return 0;
}

long sys_setresuid(struct task *t, unsigned ruid, unsigned euid, unsigned suid)
{
    const struct cred *old = t->cred;
    struct cred *new;
    if (!cred_capable(old, CAP_SETUID) && (!one_of(ruid, old->uid, old->euid, old->suid) ||
                                           !one_of(euid, old->uid, old->euid, old->suid) ||
                                           !one_of(suid, old->uid, old->euid, old->suid))) {
        return -EPERM;
    }
    int r = cred_copy(old, &new);
    if (r < 0) {
        return r;
    }
    new->uid = ruid != ID_UNCHANGED ? ruid : old->uid;
    new->euid = euid != ID_UNCHANGED ? euid : old->euid;
    new->suid = suid != ID_UNCHANGED ? suid : old->suid;
    new->fsuid = new->euid;
    return commit_uids(t, new);
}

long sys_setresgid(struct task *t, unsigned rgid, unsigned egid, unsigned sgid)
{
    const struct cred *old = t->cred;
    struct cred *new;
    if (!cred_capable(old, CAP_SETGID) && (!one_of(rgid, old->gid, old->egid, old->sgid) ||
                                           !one_of(egid, old->gid, old->egid, old->sgid) ||
                                           !one_of(sgid, old->gid, old->egid, old->sgid))) {
        return -EPERM;
    }
    int r = cred_copy(old, &new);
    if (r < 0) {
        return r;
    }
    new->gid = rgid != ID_UNCHANGED ? rgid : old->gid;
    new->egid = egid != ID_UNCHANGED ? egid : old->egid;
    new->sgid = sgid != ID_UNCHANGED ? sgid : old->sgid;
    new->fsgid = new->egid;
    task_set_cred(t, new);
    return 0;
}

/* setfsuid and setfsgid always return the old id; whether they did anything the caller finds out by asking again. */
long sys_setfsuid(struct task *t, unsigned fsuid)
{
    const struct cred *old = t->cred;
    uint32_t was = old->fsuid;
    struct cred *new;
    bool may = fsuid == old->uid || fsuid == old->euid || fsuid == old->suid ||
               fsuid == old->fsuid || cred_capable(old, CAP_SETUID);
    if (fsuid == ID_UNCHANGED || fsuid == was || !may || cred_copy(old, &new) < 0) {
        return was;
    }
    new->fsuid = fsuid;
    cred_fix_caps_setfsuid(new, old);
    task_set_cred(t, new);
    return was;
}

long sys_setfsgid(struct task *t, unsigned fsgid)
{
    const struct cred *old = t->cred;
    uint32_t was = old->fsgid;
    struct cred *new;
    bool may = fsgid == old->gid || fsgid == old->egid || fsgid == old->sgid ||
               fsgid == old->fsgid || cred_capable(old, CAP_SETGID);
    if (fsgid == ID_UNCHANGED || fsgid == was || !may || cred_copy(old, &new) < 0) {
        return was;
    }
    new->fsgid = fsgid;
    task_set_cred(t, new);
    return was;
}

long sys_getgroups(struct task *t, int size, uaddr_t list)
{
    const struct cred *c = t->cred;
    if (size < 0) {
        return -EINVAL;
    }
    if (size == 0) {
        return c->group_count;
    }
    if (c->group_count > (uint32_t)size) {
        return -EINVAL;
    }
    if (c->group_count &&
        copy_out(t->mm, list, c->groups, c->group_count * sizeof(*c->groups)) < 0) {
        return -EFAULT;
    }
    return c->group_count;
}

static int compare_ids(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

long sys_setgroups(struct task *t, int size, uaddr_t list)
{
    AUTO_FREE uint32_t *groups = NULL;
    struct cred *new;
    if (!cred_capable(t->cred, CAP_SETGID)) {
        return -EPERM;
    }
    if ((unsigned)size > NGROUPS_MAX_KERNEL) {
        return -EINVAL;
    }
    if (size) {
        groups = calloc((size_t)size, sizeof(*groups));
        if (!groups) {
            return -ENOMEM;
        }
        if (copy_in(t->mm, groups, list, (size_t)size * sizeof(*groups)) < 0) {
            return -EFAULT;
        }
    }
    for (int i = 0; i < size; i++) {
        if (groups[i] == ID_UNCHANGED) {
            return -EINVAL;
        }
    }
    int r = cred_copy(t->cred, &new);
    if (r < 0) {
        return r;
    }
    if (size) {
        qsort(groups, (size_t)size, sizeof(*groups), compare_ids);
    }
    free(new->groups);
    new->groups = take(&groups);
    new->group_count = (uint32_t)size;
    task_set_cred(t, new);
    return 0;
}
