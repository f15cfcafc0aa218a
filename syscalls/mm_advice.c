/*
 * Calls about memory that is mapped already: madvise, msync, mincore, mlock in its forms. The host performs them; an allow-list says which. Analogous to Linux's mm/madvise.c, mm/mlock.c.
 */
#include <sys/mman.h>
#include <sys/syscall.h>

#include "sentry/base/errno.h"
#include "syscalls/helpers.h"
#include "syscalls/mm_call.h"
#include "syscalls/syscalls.h"

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ  22
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MLOCK_ONFAULT
#define MLOCK_ONFAULT 1
#endif

/*
 * What changes only the caller's own view of its memory. Not here: page poisoning, KSM, holes in
 * files behind the sentry's back; they answer as a kernel built without them.
 */
static bool advice_known(int advice)
{
    switch (advice) {
    case MADV_NORMAL:
    case MADV_RANDOM:
    case MADV_SEQUENTIAL:
    case MADV_WILLNEED:
    case MADV_DONTNEED:
    case MADV_FREE:
    case MADV_DONTFORK:
    case MADV_DOFORK:
    case MADV_HUGEPAGE:
    case MADV_NOHUGEPAGE:
    case MADV_DONTDUMP:
    case MADV_DODUMP:
    case MADV_WIPEONFORK:
    case MADV_KEEPONFORK:
    case MADV_COLD:
    case MADV_PAGEOUT:
    case MADV_POPULATE_READ:
    case MADV_POPULATE_WRITE:
        return true;
    default:
        return false;
    }
}

long sys_madvise(struct task *t, uaddr_t addr, size_t length, int advice)
{
    const uint64_t size = ALIGN_UP((uint64_t)length, PAGE_SIZE);
    if (!advice_known(advice) || addr & (PAGE_SIZE - 1) || size < length || addr + size < addr) {
        return -EINVAL;
    }
    if (size == 0) {
        return 0;
    }
    const struct mem_call call = {
        .nr = SYS_madvise, .args = {addr, size, (uint64_t)advice}, .host_fd = -1};
    return mem_perform(t, &call);
}

long sys_msync(struct task *t, uaddr_t addr, size_t length, int flags)
{
    const uint64_t size = ALIGN_UP((uint64_t)length, PAGE_SIZE);
    if (flags & ~(MS_ASYNC | MS_INVALIDATE | MS_SYNC) || addr & (PAGE_SIZE - 1)) {
        return -EINVAL;
    }
    if ((flags & (MS_ASYNC | MS_SYNC)) == (MS_ASYNC | MS_SYNC)) {
        return -EINVAL;
    }
    if (addr + size < addr) {
        return -ENOMEM;
    }
    if (size == 0) {
        return 0;
    }
    const struct mem_call call = {
        .nr = SYS_msync, .args = {addr, size, (uint64_t)flags}, .host_fd = -1};
    return mem_perform(t, &call);
}

long sys_mincore(struct task *t, uaddr_t addr, size_t length, uaddr_t vec)
{
    const uint64_t pages = (length >> PAGE_SHIFT) + ((length & (PAGE_SIZE - 1)) != 0);
    if (addr & (PAGE_SIZE - 1)) {
        return -EINVAL;
    }
    if (!range_ok(addr, length)) {
        return -ENOMEM;
    }
    if (!range_ok(vec, pages) || platform_range_reserved(vec, pages)) {
        return -EFAULT;
    }
    const struct mem_call call = {.nr = SYS_mincore, .args = {addr, length, vec}, .host_fd = -1};
    return mem_perform(t, &call);
}

/* mlock works on whole pages around the range; a length that wraps to 0 is 0. nr: SYS_mlock or SYS_mlock2. */
static long lock_range(struct task *t, int nr, uaddr_t addr, size_t len, uint64_t flags)
{
    const uaddr_t start = ALIGN_DOWN(addr, PAGE_SIZE);
    const uint64_t size = ALIGN_UP((uint64_t)len + (addr - start), PAGE_SIZE);
    int r = mm_limit_lock(t, size);
    if (r < 0) {
        return r;
    }
    if (start + size < start) {
        return -EINVAL;
    }
    if (size == 0) {
        return 0;
    }
    const struct mem_call call = {.nr = nr, .args = {start, size, flags}, .host_fd = -1};
    return mem_perform(t, &call);
}

long sys_mlock(struct task *t, uaddr_t addr, size_t len)
{
    return lock_range(t, SYS_mlock, addr, len, 0);
}

long sys_mlock2(struct task *t, uaddr_t addr, size_t len, int flags)
{
    if (flags & ~MLOCK_ONFAULT) {
        return -EINVAL;
    }
    return flags ? lock_range(t, SYS_mlock2, addr, len, MLOCK_ONFAULT)
                 : lock_range(t, SYS_mlock, addr, len, 0);
}

long sys_munlock(struct task *t, uaddr_t addr, size_t len)
{
    const uaddr_t start = ALIGN_DOWN(addr, PAGE_SIZE);
    const uint64_t size = ALIGN_UP((uint64_t)len + (addr - start), PAGE_SIZE);
    if (start + size < start) {
        return -EINVAL;
    }
    if (size == 0) {
        return 0;
    }
    const struct mem_call call = {.nr = SYS_munlock, .args = {start, size}, .host_fd = -1};
    return mem_perform(t, &call);
}

/*
 * The stub's part of the address space is locked with the rest; it is small, and not counted against
 * the guest's limit here, but the host has limits of its own.
 */
long sys_mlockall(struct task *t, int flags)
{
    struct mm_sizes now;
    if (flags == 0 || flags == MCL_ONFAULT || flags & ~(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT)) {
        return -EINVAL;
    }
    if (!cred_capable(t->cred, CAP_IPC_LOCK)) {
        const uint64_t limit = task_rlimit(t, RLIMIT_MEMLOCK);
        int r = limit == 0 ? -EPERM : mm_measure(t->mm, &now);
        if (r < 0) {
            return r;
        }
        if (flags & MCL_CURRENT && now.total > limit) {
            return -ENOMEM;
        }
    }
    const struct mem_call call = {.nr = SYS_mlockall, .args = {(uint64_t)flags}, .host_fd = -1};
    return mem_perform(t, &call);
}

long sys_munlockall(struct task *t)
{
    const struct mem_call call = {.nr = SYS_munlockall, .host_fd = -1};
    return mem_perform(t, &call);
}
