/*
 * Capabilities: capget, capset, and what becomes of them when user ids change. Analogous to Linux's
 * security/commoncap.c and kernel/capability.c. See capabilities(7).
 */
#include "syscalls/cred_caps.h"

#include <linux/securebits.h>

#include "sentry/base/errno.h"
#include "sentry/mm/usercopy.h"
#include "sentry/task/task.h"
#include "syscalls/syscalls.h"

#define CAP_BIT(cap) (1ULL << (cap))
/* Those that root's file system ids carry. */
#define CAP_FS_SET                                                                                 \
    (CAP_BIT(CAP_CHOWN) | CAP_BIT(CAP_MKNOD) | CAP_BIT(CAP_DAC_OVERRIDE) |                         \
     CAP_BIT(CAP_DAC_READ_SEARCH) | CAP_BIT(CAP_FOWNER) | CAP_BIT(CAP_FSETID) |                    \
     CAP_BIT(CAP_LINUX_IMMUTABLE) | CAP_BIT(CAP_MAC_OVERRIDE))

void cred_fix_caps_setuid(struct cred *new, const struct cred *old)
{
    if (old->securebits & SECBIT_NO_SETUID_FIXUP) {
        return;
    }
    bool was_root = old->uid == 0 || old->euid == 0 || old->suid == 0;
    bool is_root = new->uid == 0 || new->euid == 0 || new->suid == 0;
    if (was_root && !is_root) {
        if (!(old->securebits & SECBIT_KEEP_CAPS)) {
            new->cap_permitted = 0;
            new->cap_effective = 0;
        }
        new->cap_ambient = 0;
    }
    if (old->euid == 0 && new->euid != 0) {
        new->cap_effective = 0;
    }
    if (old->euid != 0 && new->euid == 0) {
        new->cap_effective = new->cap_permitted;
    }
}

void cred_fix_caps_setfsuid(struct cred *new, const struct cred *old)
{
    if (old->securebits & SECBIT_NO_SETUID_FIXUP) {
        return;
    }
    if (old->fsuid == 0 && new->fsuid != 0) {
        new->cap_effective &= ~CAP_FS_SET;
    }
    if (old->fsuid != 0 && new->fsuid == 0) {
        new->cap_effective |= new->cap_permitted &CAP_FS_SET;
    }
}

/* How many cap_data elements the header's version means; -EINVAL after storing the version we prefer. */
static int check_version(struct task *t, uaddr_t hdrp, struct __user_cap_header_struct *h)
{
    if (get_user(t->mm, h, hdrp) < 0) {
        return -EFAULT;
    }
    switch (h->version) {
    case _LINUX_CAPABILITY_VERSION_1:
        return 1;
    case _LINUX_CAPABILITY_VERSION_2:
    case _LINUX_CAPABILITY_VERSION_3:
        return 2;
    default: {
        uint32_t preferred = _LINUX_CAPABILITY_VERSION_3;
        return put_user(t->mm, hdrp, &preferred) < 0 ? -EFAULT : -EINVAL;
    }
    }
}

long sys_capget(struct task *t, uaddr_t hdrp, uaddr_t datap)
{
    struct __user_cap_header_struct h;
    struct __user_cap_data_struct data[2];
    int count = check_version(t, hdrp, &h);
    if (count < 0) {
        return count == -EINVAL && !datap ? 0 : count; /* a probe for the version */
    }
    if (h.pid < 0) {
        return -EINVAL;
    }
    AUTO_PUT(task) other = h.pid ? task_find(h.pid) : task_get(t);
    if (!other) {
        return -ESRCH;
    }
    if (!datap) {
        return 0;
    }
    const struct cred *c = other->cred;
    for (int i = 0; i < 2; i++) {
        data[i].effective = (uint32_t)(c->cap_effective >> (32 * i));
        data[i].permitted = (uint32_t)(c->cap_permitted >> (32 * i));
        data[i].inheritable = (uint32_t)(c->cap_inheritable >> (32 * i));
    }
    return copy_out(t->mm, datap, data, (size_t)count * sizeof(data[0]));
}

/* Linux's cap_capset. */
static int capset_allowed(const struct cred *old, uint64_t effective, uint64_t permitted,
                          uint64_t inheritable)
{
    if (!cred_capable(old, CAP_SETPCAP) &&
        (inheritable & ~(old->cap_inheritable | old->cap_permitted))) {
        return -EPERM;
    }
    if (inheritable & ~(old->cap_inheritable | old->cap_bset)) {
        return -EPERM;
    }
    if ((permitted & ~old->cap_permitted) || (effective & ~permitted)) {
        return -EPERM;
    }
    return 0;
}

long sys_capset(struct task *t, uaddr_t hdrp, uaddr_t datap)
{
    struct __user_cap_header_struct h;
    struct __user_cap_data_struct data[2] = {0};
    struct cred *new;
    int count = check_version(t, hdrp, &h);
    if (count < 0) {
        return count;
    }
    if (h.pid != 0 && h.pid != task_tid(t)) {
        return -EPERM;
    }
    if (copy_in(t->mm, data, datap, (size_t)count * sizeof(data[0])) < 0) {
        return -EFAULT;
    }
    uint64_t effective = data[0].effective | (uint64_t)data[1].effective << 32;
    uint64_t permitted = data[0].permitted | (uint64_t)data[1].permitted << 32;
    uint64_t inheritable = data[0].inheritable | (uint64_t)data[1].inheritable << 32;
    effective &= CAP_FULL_SET;
    permitted &= CAP_FULL_SET;
    inheritable &= CAP_FULL_SET;
    int r = capset_allowed(t->cred, effective, permitted, inheritable);
    if (r == 0) {
        r = cred_copy(t->cred, &new);
    }
    if (r < 0) {
        return r;
    }
    new->cap_effective = effective;
    new->cap_permitted = permitted;
    new->cap_inheritable = inheritable;
    /* Ambient capabilities are never more than the other two sets both have. */
    new->cap_ambient &= permitted &inheritable;
    task_set_cred(t, new);
    return 0;
}
