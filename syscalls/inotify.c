/* inotify_init(2), inotify_add_watch(2), inotify_rm_watch(2). The queue is sentry/fs/inotify.c. */
#include "sentry/fs/inotify.h"

#include <sys/inotify.h>

#include "sentry/base/errno.h"
#include "sentry/task/lease.h"
#include "syscalls/helpers.h"
#include "syscalls/syscalls.h"

#ifndef IN_MASK_CREATE
#define IN_MASK_CREATE 0x10000000
#endif
/* Bits that a mask may have; others are ignored, but one of these must be there. */
#define MASK_KNOWN                                                                                 \
    (IN_ALL_EVENTS | IN_ONLYDIR | IN_DONT_FOLLOW | IN_EXCL_UNLINK | IN_MASK_ADD | IN_MASK_CREATE | \
     IN_ISDIR | IN_ONESHOT | IN_UNMOUNT | IN_Q_OVERFLOW | IN_IGNORED)

long sys_inotify_init1(struct task *t, int flags)
{
    AUTO_PUT(file) f = NULL;
    int r;

    if (flags & ~(IN_CLOEXEC | IN_NONBLOCK)) {
        return -EINVAL;
    }
    r = inotify_new((unsigned)flags, t->cred, &f);
    if (r < 0) {
        return r;
    }
    lease_end_everywhere();
    return fd_table_install(t->files, f, 0, fd_limit(t), flags & IN_CLOEXEC);
}

long sys_inotify_init(struct task *t)
{
    return sys_inotify_init1(t, 0);
}

long sys_inotify_add_watch(struct task *t, int fd, uaddr_t pathname, unsigned mask)
{
    AUTO_PUT(file) f = NULL;
    AUTO_PATH path = {NULL, NULL};
    unsigned walk =
        (mask & IN_DONT_FOLLOW ? 0 : WALK_FOLLOW) | (mask & IN_ONLYDIR ? WALK_DIRECTORY : 0);
    int r;

    if (!(mask & MASK_KNOWN)) {
        return -EINVAL;
    }
    r = file_in(t, fd, &f);
    if (r < 0) {
        return r;
    }
    if ((mask & IN_MASK_ADD && mask & IN_MASK_CREATE) || !file_is_inotify(f)) {
        return -EINVAL;
    }
    r = path_at(t, AT_FDCWD, pathname, walk, &path);
    if (r == 0) {
        r = inode_permission(path.dentry->inode, t->cred, MAY_READ);
    }
    return r < 0 ? r : inotify_watch(f, &path, mask);
}

long sys_inotify_rm_watch(struct task *t, int fd, int wd)
{
    AUTO_PUT(file) f = NULL;
    int r = file_in(t, fd, &f);

    return r < 0 ? r : inotify_unwatch(f, wd);
}
