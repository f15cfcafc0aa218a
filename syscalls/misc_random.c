/* getrandom(2). Analogous to Linux's drivers/char/random.c; the bytes are the host's. */
#include <linux/random.h>
#include <string.h>

#include "lib/host.h"
#include "sentry/base/errno.h"
#include "sentry/mm/uio.h"
#include "sentry/mm/usercopy.h"
#include "sentry/task/task.h"
#include "syscalls/syscalls.h"

#ifndef GRND_INSECURE
#define GRND_INSECURE 4
#endif

#define CHUNK_SIZE 4096
#define YIELD_SIZE (1UL << 20)

/**
 * sys_getrandom - the host's pool is ready before any sandbox starts, so no flag makes a difference.
 *
 * Context: may block (yields between chunks).
 * Errors:  -EINVAL an unknown flag, or GRND_RANDOM with GRND_INSECURE; -EFAULT.
 * Source:  getrandom(2). A signal ends a long request early, with what there is, between pages.
 */
long sys_getrandom(struct task *t, uaddr_t buf, size_t buflen, unsigned flags)
{
    unsigned char chunk[CHUNK_SIZE];
    size_t done = 0;

    if (flags & ~(unsigned)(GRND_NONBLOCK | GRND_RANDOM | GRND_INSECURE) ||
        (flags & (GRND_RANDOM | GRND_INSECURE)) == (GRND_RANDOM | GRND_INSECURE)) {
        return -EINVAL;
    }
    buflen = MIN(buflen, MAX_RW_COUNT);
    while (done < buflen) {
        size_t size = MIN(buflen - done, sizeof(chunk));
        host_random(chunk, size);
        size_t copied = copy_out_partial(t->mm, buf + done, chunk, size);
        done += copied;
        if (copied < size) {
            break;
        }
        if (done % YIELD_SIZE == 0) {
            kthread_yield();
        }
        if (done < buflen && (signal_pending(t) || t->must_exit)) {
            break;
        }
    }
    explicit_bzero(chunk, sizeof(chunk));
    return done || buflen == 0 ? (long)done : -EFAULT;
}
