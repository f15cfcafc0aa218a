/* signalfd(2). The file is sentry/task/signalfd.c. */
#include "sentry/task/signalfd.h"

#include <sys/signalfd.h>

#include "sentry/base/errno.h"
#include "syscalls/helpers.h"
#include "syscalls/syscalls.h"

long sys_signalfd4(struct task *t, int fd, uaddr_t mask, size_t sizemask, int flags)
{
    AUTO_PUT(file) f = NULL;
    ksigset_t set;
    int r;

    if (sizemask != sizeof(set)) {
        return -EINVAL;
    }
    r = get_user(t->mm, &set, mask);
    if (r < 0) {
        return r;
    }
    if (flags & ~(SFD_CLOEXEC | SFD_NONBLOCK)) {
        return -EINVAL;
    }
    if (fd != -1) {
        r = file_in(t, fd, &f);
        if (r == 0) {
            r = signalfd_set_mask(f, set);
        }
        return r < 0 ? r : fd;
    }
    r = signalfd_new(set, (unsigned)flags, t->cred, &f);
    if (r < 0) {
        return r;
    }
    return fd_table_install(t->files, f, 0, fd_limit(t), flags & SFD_CLOEXEC);
}

long sys_signalfd(struct task *t, int fd, uaddr_t mask, size_t sizemask)
{
    return sys_signalfd4(t, fd, mask, sizemask, 0);
}
