/*
 * futex(2), as far as it comes here. Waiting and waking is done by the guest's own host thread in its own
 * memory (platform/stub/call.c), where it costs what it costs natively; the stub sends on what its
 * host filter does not allow: priority inheritance, and whatever has no meaning.
 */
#include <linux/futex.h>

#include "sentry/base/errno.h"
#include "syscalls/syscalls.h"

/**
 * sys_futex - refuse an operation.
 * Errors: -ENOSYS, as a Linux without CONFIG_FUTEX_PI gives: pthread_mutexattr_setprotocol then fails
 *         with ENOTSUP, and nothing else in a C library depends on these.
 * Source: futex(2).
 */
long sys_futex(struct task *t, uaddr_t uaddr, int op, unsigned val, uaddr_t timeout, uaddr_t uaddr2,
               unsigned val3)
{
    (void)t;
    (void)uaddr;
    (void)op;
    (void)val;
    (void)timeout;
    (void)uaddr2;
    (void)val3;
    return -ENOSYS;
}
