/*
 * kcmp(2): do two tasks share something? Analogous to Linux's kernel/kcmp.c. Addresses are the sentry's, so what is
 * compared is made of them with secret numbers: an order that means nothing.
 */
#include <linux/kcmp.h>

#include "lib/host.h"
#include "sentry/base/errno.h"
#include "sentry/task/task.h"
#include "syscalls/ptrace_access.h"
#include "syscalls/syscalls.h"

static uint64_t disguise(const void *object, int type)
{
    static uint64_t secret[KCMP_TYPES][2];
    if (!secret[type][1]) {
        host_random(secret[type], sizeof(secret[type]));
        secret[type][1] |= 1; /* odd: no two become one */
    }
    return ((uint64_t)(uintptr_t)object ^ secret[type][0]) * secret[type][1];
}

/* 0: the same; 1: less; 2: greater. */
static int order(const void *one, const void *other, int type)
{
    uint64_t a = disguise(one, type), b = disguise(other, type);
    return a == b ? 0 : a < b ? 1 : 2;
}

static int order_files(const struct task *one, unsigned long fd1, const struct task *other,
                       unsigned long fd2)
{
    AUTO_PUT(file) a = NULL;
    AUTO_PUT(file) b = NULL;
    if (!one->files || !other->files || fd1 > INT32_MAX || fd2 > INT32_MAX ||
        fd_table_lookup_any(one->files, (int)fd1, &a) < 0 ||
        fd_table_lookup_any(other->files, (int)fd2, &b) < 0) {
        return -EBADF;
    }
    return order(a, b, KCMP_FILE);
}

/* vfork's child is in its parent's memory, which each knows by a struct mm of its own. */
static const void *memory_of(const struct task *t)
{
    return t->mm ? t->mm->space : NULL;
}

long sys_kcmp(struct task *t, int pid1, int pid2, int type, unsigned long idx1, unsigned long idx2)
{
    AUTO_PUT(task) one = task_find(pid1);
    AUTO_PUT(task) other = task_find(pid2);
    if (!one || !other) {
        return -ESRCH;
    }
    if (!ptrace_may_access(t, one) || !ptrace_may_access(t, other)) {
        return -EPERM;
    }
    switch (type) {
    case KCMP_FILE:
        return order_files(one, idx1, other, idx2);
    case KCMP_VM:
        return order(memory_of(one), memory_of(other), type);
    case KCMP_FILES:
        return order(one->files, other->files, type);
    case KCMP_FS:
        return order(one->fs, other->fs, type);
    case KCMP_SIGHAND:
        return order(one->tg->sighand, other->tg->sighand, type);
    case KCMP_IO:
    case KCMP_SYSVSEM:
        return 0; /* nobody has one */
    case KCMP_EPOLL_TFD:
        return -EOPNOTSUPP;
    default:
        return -EINVAL;
    }
}
