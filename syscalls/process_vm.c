/*
 * process_vm_readv, process_vm_writev: bytes between the caller's memory and another process's. Analogous to Linux's
 * mm/process_vm_access.c.
 *
 * The other's ranges are taken in their order, each from its start; the first byte that can't be had, at either end, ends the call. What
 * was moved before counts. Nothing is forced: the pages' protection holds, unlike through /proc/PID/mem.
 */
#include <limits.h>

#include "lib/kthread.h"
#include "sentry/base/errno.h"
#include "sentry/mm/uio.h"
#include "syscalls/helpers.h"
#include "syscalls/ptrace_access.h"
#include "syscalls/syscalls.h"

#define CHUNK      (16 * PAGE_SIZE)
#define YIELD_SIZE (16 * CHUNK)

struct transfer {
    struct task *t;
    struct mm *mm;     /* the other's */
    struct uio *local; /* the caller's */
    char *buf;         /* of CHUNK bytes */
    size_t done, since_yield;
    bool write; /* to the other */
};

/* Long transfers let others run; the other's memory is there as long as a thread lives in it. Return: false when there is nothing more to do. */
static bool yield_sometimes(struct transfer *x, size_t moved)
{
    x->since_yield += moved;
    if (x->since_yield < YIELD_SIZE) {
        return true;
    }
    x->since_yield = 0;
    kthread_yield();
    return !x->t->must_exit && mm_is_inhabited(x->mm);
}

/* n bytes, at most CHUNK, at the other's addr. Doesn't block. Return: how many were moved; 0 or an error: none. */
static ssize_t move_chunk(struct transfer *x, uaddr_t addr, size_t n)
{
    if (!x->write) {
        size_t got = copy_in_partial(x->mm, x->buf, addr, n);
        return got ? uio_copy_to(x->local, x->buf, got) : 0;
    }
    ssize_t got = uio_copy_from(x->local, x->buf, n);
    return got > 0 ? (ssize_t)copy_out_partial(x->mm, addr, x->buf, (size_t)got) : got;
}

/* Return: all of the range was moved, or as much of it as the caller has room or bytes for. */
static bool move_range(struct transfer *x, struct uio_range range)
{
    for (size_t at = 0; at < range.size && uio_size(x->local) > 0;) {
        size_t n = MIN(MIN(range.size - at, uio_size(x->local)), (size_t)CHUNK);
        ssize_t moved = move_chunk(x, range.base + at, n);
        if (moved <= 0) {
            return false;
        }
        x->done += (size_t)moved;
        at += (size_t)moved;
        if ((size_t)moved < n || !yield_sometimes(x, (size_t)moved)) {
            return false;
        }
    }
    return true;
}

/* The other's ranges: what they name is found out on the way. Errors: -EINVAL, -EFAULT, -ENOMEM. */
static int ranges_in(struct task *t, uaddr_t iov, size_t count, struct uio_range **out)
{
    if (count > UIO_MAXIOV) {
        return -EINVAL;
    }
    struct uio_range *ranges = malloc(MAX(count, (size_t)1) * sizeof(*ranges));
    if (!ranges) {
        return -ENOMEM;
    }
    int r = count ? copy_in(t->mm, ranges, iov, count * sizeof(*ranges)) : 0;
    for (size_t i = 0; r == 0 && i < count; i++) {
        r = ranges[i].size > SSIZE_MAX ? -EINVAL : 0;
    }
    if (r < 0) {
        free(ranges);
        return r;
    }
    *out = ranges;
    return 0;
}

static bool all_empty(const struct uio_range *ranges, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (ranges[i].size) {
            return false;
        }
    }
    return true;
}

/* The memory of the thread with that number, with a reference. Errors: -ESRCH there is none; -EPERM. */
static int mm_of(struct task *t, int pid, struct mm **out)
{
    AUTO_PUT(task) other = pid > 0 ? task_find(pid) : NULL;
    if (!other || other->exited || !other->mm || !other->mm->space) {
        return -ESRCH;
    }
    if (other->mm != t->mm && !ptrace_may_access(t, other)) {
        return -EPERM;
    }
    *out = mm_get(other->mm);
    return 0;
}

static long move(struct task *t, int pid, struct uio *local, const struct uio_range *ranges,
                 size_t count, bool write)
{
    AUTO_PUT(mm) mm = NULL;
    AUTO_FREE char *buf = malloc(CHUNK);
    if (!buf) {
        return -ENOMEM;
    }
    int r = mm_of(t, pid, &mm);
    if (r < 0) {
        return r;
    }
    struct transfer x = {.t = t, .mm = mm, .local = local, .buf = buf, .write = write};
    size_t i = 0;
    while (i < count && move_range(&x, ranges[i])) {
        i++;
    }
    return i < count && x.done == 0 ? -EFAULT : (long)x.done;
}

/*
 * Context: may block. Return: bytes moved. Errors: -EINVAL flags, too many ranges, a negative size; -EFAULT the ranges themselves, or their
 * first byte; -ESRCH; -EPERM; -ENOMEM. Source: process_vm_readv(2).
 */
static long process_vm(struct task *t, int pid, uaddr_t local_iov, unsigned long liovcnt,
                       uaddr_t remote_iov, unsigned long riovcnt, unsigned long flags, bool write)
{
    struct uio local;
    AUTO_FREE struct uio_range *ranges = NULL;
    if (flags) {
        return -EINVAL;
    }
    int r = uio_init_iovec(&local, t->mm, local_iov, (unsigned)liovcnt); /* Linux cuts it, too */
    if (r < 0) {
        return r;
    }
    if (uio_size(&local) > 0) {
        r = ranges_in(t, remote_iov, riovcnt, &ranges);
    }
    long n = r;
    if (ranges && !all_empty(ranges, riovcnt)) {
        n = move(t, pid, &local, ranges, riovcnt, write);
    }
    uio_free(&local);
    return n;
}

long sys_process_vm_readv(struct task *t, int pid, uaddr_t local_iov, unsigned long liovcnt,
                          uaddr_t remote_iov, unsigned long riovcnt, unsigned long flags)
{
    return process_vm(t, pid, local_iov, liovcnt, remote_iov, riovcnt, flags, false);
}

long sys_process_vm_writev(struct task *t, int pid, uaddr_t local_iov, unsigned long liovcnt,
                           uaddr_t remote_iov, unsigned long riovcnt, unsigned long flags)
{
    return process_vm(t, pid, local_iov, liovcnt, remote_iov, riovcnt, flags, true);
}
