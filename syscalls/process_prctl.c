/*
 * prctl(2): the options for one's own process. Capabilities and securebits first, the rest below, in
 * the manual's order. What is not here is EINVAL, as on a kernel built without it.
 */
#include <linux/prctl.h>
#include <linux/securebits.h>
#include <string.h>

#include "platform/platform.h"
#include "sentry/base/errno.h"
#include "sentry/mm/usercopy.h"
#include "sentry/task/task.h"
#include "syscalls/syscalls.h"

#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#endif
#ifndef PR_GET_AUXV
#define PR_GET_AUXV 0x41555856
#endif
#define SECBITS_OF_EXEC (1UL << 8 | 1UL << 10) /* SECBIT_EXEC_RESTRICT_FILE, _DENY_INTERACTIVE */
#define SECURE_ALL_BITS_MASK                                                                       \
    (SECBIT_NOROOT | SECBIT_NO_SETUID_FIXUP | SECBIT_KEEP_CAPS | SECBIT_NO_CAP_AMBIENT_RAISE |     \
     SECBITS_OF_EXEC)

struct prctl_args {
    unsigned long a2, a3, a4, a5;
};

/* --- capabilities --- */

static long capbset_drop(struct task *t, unsigned long cap)
{
    struct cred *new;
    if (!cred_capable(t->cred, CAP_SETPCAP)) {
        return -EPERM;
    }
    if (cap > CAP_LAST_CAP) {
        return -EINVAL;
    }
    long r = cred_copy(t->cred, &new);
    if (r == 0) {
        new->cap_bset &= ~(1ULL << cap);
        task_set_cred(t, new);
    }
    return r;
}

static long cap_ambient(struct task *t, const struct prctl_args *a)
{
    struct cred *new;
    const struct cred *old = t->cred;
    uint64_t bit = 1ULL << (a->a3 & 63);
    if (a->a2 == PR_CAP_AMBIENT_CLEAR_ALL) {
        if (a->a3 | a->a4 | a->a5) {
            return -EINVAL;
        }
    } else if ((a->a4 | a->a5) || a->a3 > CAP_LAST_CAP) {
        return -EINVAL;
    }
    switch (a->a2) {
    case PR_CAP_AMBIENT_IS_SET:
        return !!(old->cap_ambient & bit);
    case PR_CAP_AMBIENT_RAISE:
        if (!(old->cap_permitted & old->cap_inheritable & bit) ||
            (old->securebits & SECBIT_NO_CAP_AMBIENT_RAISE)) {
            return -EPERM;
        }
        break;
    case PR_CAP_AMBIENT_LOWER:
    case PR_CAP_AMBIENT_CLEAR_ALL:
        break;
    default:
        return -EINVAL;
    }
    long r = cred_copy(t->cred, &new);
    if (r < 0) {
        return r;
    }
    if (a->a2 == PR_CAP_AMBIENT_RAISE) {
        new->cap_ambient |= bit;
    } else if (a->a2 == PR_CAP_AMBIENT_LOWER) {
        new->cap_ambient &= ~bit;
    } else {
        new->cap_ambient = 0;
    }
    task_set_cred(t, new);
    return 0;
}

/* What interpreters are asked to do about files that may not be executed, everybody may say of oneself. */
static bool may_change_securebits(const struct task *t, unsigned long changed)
{
    return cred_capable(t->cred, CAP_SETPCAP) ||
           (changed && !(changed & ~(SECBITS_OF_EXEC | SECBITS_OF_EXEC << 1)));
}

static long set_securebits(struct task *t, unsigned long bits)
{
    struct cred *new;
    unsigned long old = t->cred->securebits, changed = old ^ bits;
    unsigned long locks = old & (SECURE_ALL_BITS_MASK << 1);
    /* A locked bit stays, locks stay, and no unknown bits. */
    if (((locks >> 1) & changed) || (locks & ~bits) ||
        (bits & ~(SECURE_ALL_BITS_MASK | SECURE_ALL_BITS_MASK << 1)) ||
        !may_change_securebits(t, changed)) {
        return -EPERM;
    }
    long r = cred_copy(t->cred, &new);
    if (r == 0) {
        new->securebits = (uint32_t)bits;
        task_set_cred(t, new);
    }
    return r;
}

static long set_keepcaps(struct task *t, unsigned long on)
{
    struct cred *new;
    if (on > 1) {
        return -EINVAL;
    }
    if (t->cred->securebits & SECBIT_KEEP_CAPS_LOCKED) {
        return -EPERM;
    }
    long r = cred_copy(t->cred, &new);
    if (r < 0) {
        return r;
    }
    new->securebits &= ~(uint32_t)SECBIT_KEEP_CAPS;
    if (on) {
        new->securebits |= SECBIT_KEEP_CAPS;
    }
    task_set_cred(t, new);
    return 0;
}

static long prctl_cap(struct task *t, int option, const struct prctl_args *a)
{
    switch (option) {
    case PR_CAPBSET_READ:
        return a->a2 > CAP_LAST_CAP ? -EINVAL : (long)(t->cred->cap_bset >> a->a2 & 1);
    case PR_CAPBSET_DROP:
        return capbset_drop(t, a->a2);
    case PR_CAP_AMBIENT:
        return cap_ambient(t, a);
    case PR_SET_SECUREBITS:
        return set_securebits(t, a->a2);
    case PR_GET_SECUREBITS:
        return t->cred->securebits;
    case PR_SET_KEEPCAPS:
        return set_keepcaps(t, a->a2);
    case PR_GET_KEEPCAPS:
        return !!(t->cred->securebits & SECBIT_KEEP_CAPS);
    default:
        return -EINVAL;
    }
}

/* --- the rest --- */

static long set_name(struct task *t, uaddr_t name)
{
    char comm[sizeof(t->comm)] = {0};
    /* At most 15 bytes are looked at; the string may be longer. */
    ssize_t r = copy_in_str(t->mm, comm, name, sizeof(comm) - 1);
    if (r < 0 && r != -ENAMETOOLONG) {
        return r;
    }
    comm[sizeof(comm) - 1] = '\0';
    memset(t->comm, 0, sizeof(t->comm));
    memcpy(t->comm, comm, strlen(comm));
    return 0;
}

static long put_int(struct task *t, uaddr_t to, int value)
{
    return put_user(t->mm, to, &value);
}

static long set_no_new_privs(struct task *t, const struct prctl_args *a)
{
    if (a->a2 != 1 || a->a3 || a->a4 || a->a5) {
        return -EINVAL;
    }
    t->tg->no_new_privs = true; /* DEVIATION: of the process; Linux keeps it for each thread */
    return 0;
}

/* PR_SET_VMA_ANON_NAME: names are shown nowhere, so a kernel without CONFIG_ANON_VMA_NAME is the honest answer. */
static long prctl_process(struct task *t, int option, const struct prctl_args *a)
{
    struct thread_group *tg = t->tg;
    switch (option) {
    case PR_SET_PDEATHSIG:
        if (a->a2 > KSIG_MAX) {
            return -EINVAL;
        }
        tg->pdeath_signal =
            (int)a->a2; /* DEVIATION: sent when the parent's process ends, not its thread */
        return 0;
    case PR_GET_PDEATHSIG:
        return put_int(t, a->a2, tg->pdeath_signal);
    case PR_GET_DUMPABLE:
        return tg->dumpable;
    case PR_SET_DUMPABLE:
        if (a->a2 > 1) {
            return -EINVAL;
        }
        tg->dumpable = a->a2;
        return 0;
    case PR_SET_CHILD_SUBREAPER:
        tg->child_subreaper = a->a2 != 0;
        return 0;
    case PR_GET_CHILD_SUBREAPER:
        return put_int(t, a->a2, tg->child_subreaper);
    case PR_SET_NO_NEW_PRIVS:
        return set_no_new_privs(t, a);
    case PR_GET_NO_NEW_PRIVS:
        return a->a2 || a->a3 || a->a4 || a->a5 ? -EINVAL : tg->no_new_privs;
    case PR_SET_THP_DISABLE:
        if (a->a3 || a->a4 || a->a5) {
            return -EINVAL;
        }
        tg->thp_disable = a->a2 != 0; /* DEVIATION: remembered; the host decides on huge pages */
        return 0;
    case PR_GET_THP_DISABLE:
        return a->a2 || a->a3 || a->a4 || a->a5 ? -EINVAL : tg->thp_disable;
    default:
        return -EINVAL;
    }
}

static long get_auxv(struct task *t, const struct prctl_args *a)
{
    if (a->a4 || a->a5) {
        return -EINVAL;
    }
    size_t size = sizeof(t->mm->auxv);
    if (copy_out(t->mm, a->a2, t->mm->auxv, MIN(a->a3, size)) < 0) {
        return -EFAULT;
    }
    return (long)size;
}

/* Memory that fails is the host's to tell of; the policy is only kept. */
static long mce_kill(struct task *t, const struct prctl_args *a)
{
    if (a->a4 || a->a5) {
        return -EINVAL;
    }
    if (a->a2 == PR_MCE_KILL_CLEAR) {
        if (a->a3) {
            return -EINVAL;
        }
        t->mce_kill = PR_MCE_KILL_DEFAULT;
        return 0;
    }
    if (a->a2 != PR_MCE_KILL_SET || a->a3 > PR_MCE_KILL_DEFAULT) {
        return -EINVAL;
    }
    t->mce_kill = (int)a->a3;
    return 0;
}

long sys_prctl(struct task *t, int option, unsigned long arg2, unsigned long arg3,
               unsigned long arg4, unsigned long arg5)
{
    const struct prctl_args a = {arg2, arg3, arg4, arg5};
    switch (option) {
    case PR_SET_NAME:
        return set_name(t, arg2);
    case PR_GET_NAME:
        return copy_out(t->mm, arg2, t->comm, sizeof(t->comm));
    case PR_SET_TIMERSLACK:
        t->timer_slack_ns = (long)arg2 <= 0 ? t->default_timer_slack_ns : arg2;
        return 0;
    case PR_GET_TIMERSLACK:
        return (long)t->timer_slack_ns;
    case PR_GET_TIMING:
        return PR_TIMING_STATISTICAL;
    case PR_SET_TIMING:
        return arg2 == PR_TIMING_STATISTICAL ? 0 : -EINVAL;
    case PR_GET_TSC:
        return put_int(t, arg2, PR_TSC_ENABLE);
    case PR_SET_TSC:
        return arg2 == PR_TSC_ENABLE ? 0 : -EINVAL;
    case PR_GET_SECCOMP:
        return 0; /* no filter of the guest's own */
    case PR_GET_TID_ADDRESS:
        return put_user(t->mm, arg2, &(uaddr_t){platform_tid_address(t->pt, t->clear_child_tid)});
    case PR_MCE_KILL:
        return mce_kill(t, &a);
    case PR_MCE_KILL_GET:
        return arg2 || arg3 || arg4 || arg5 ? -EINVAL : t->mce_kill;
    case PR_GET_AUXV:
        return get_auxv(t, &a);
    case PR_CAPBSET_READ:
    case PR_CAPBSET_DROP:
    case PR_CAP_AMBIENT:
    case PR_SET_SECUREBITS:
    case PR_GET_SECUREBITS:
    case PR_SET_KEEPCAPS:
    case PR_GET_KEEPCAPS:
        return prctl_cap(t, option, &a);
    default:
        return prctl_process(t, option, &a);
    }
}
