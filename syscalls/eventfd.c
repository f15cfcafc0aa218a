/* eventfd(2). The counter itself is sentry/fs/eventfd.c. */
#include <sys/eventfd.h>

#include "sentry/base/errno.h"
#include "sentry/fs/fs.h"
#include "syscalls/helpers.h"
#include "syscalls/syscalls.h"

long sys_eventfd2(struct task *t, unsigned count, int flags)
{
    AUTO_PUT(file) f = NULL;
    int r;

    if (flags & ~(EFD_SEMAPHORE | EFD_CLOEXEC | EFD_NONBLOCK)) {
        return -EINVAL;
    }
    r = eventfd_new(count, (unsigned)flags, t->cred, &f);
    if (r < 0) {
        return r;
    }
    return fd_table_install(t->files, f, 0, fd_limit(t), flags & EFD_CLOEXEC);
}

long sys_eventfd(struct task *t, unsigned count)
{
    return sys_eventfd2(t, count, 0);
}
