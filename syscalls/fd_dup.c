/*
 * fd numbers: close, close_range, dup, dup2, dup3. Analogous to Linux's fs/file.c. What closing does
 * to the file (locks, flush) is the fd table's matter. close(2), close_range(2), dup(2).
 */
#include <linux/close_range.h>

#include "sentry/task/lease.h"
#include "sentry/base/errno.h"
#include "syscalls/helpers.h"
#include "syscalls/syscalls.h"

long sys_close(struct task *t, int fd)
{
    int r = fd_table_close(t->files, fd);
    /* The fd is gone whatever a flush said: a restarted close could hit another file. */
    switch (r) {
    case -ERESTARTSYS:
    case -ERESTARTNOINTR:
    case -ERESTARTNOHAND:
    case -ERESTART_RESTARTBLOCK:
        return -EINTR;
    default:
        return r;
    }
}

long sys_close_range(struct task *t, unsigned first, unsigned last, unsigned flags)
{
    if (flags & ~(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC) || first > last) {
        return -EINVAL;
    }
    if (flags & CLOSE_RANGE_UNSHARE && fd_table_shared(t->files)) {
        struct fd_table *copy;
        lease_leave(t);
        int r = fd_table_copy(t->files, &copy);
        if (r < 0) {
            return r;
        }
        fd_table_put(t->files);
        t->files = copy;
    }
    if (flags & CLOSE_RANGE_CLOEXEC) {
        fd_table_set_cloexec_range(t->files, first, last);
    } else {
        fd_table_close_range(t->files, first, last);
    }
    return 0;
}

long sys_dup(struct task *t, int oldfd)
{
    AUTO_PUT(file) f = NULL;
    int r = fd_table_lookup_any(t->files, oldfd, &f);
    if (r < 0) {
        return r;
    }
    return fd_table_install(t->files, f, 0, fd_limit(t), false);
}

static long dup_to(struct task *t, int oldfd, int newfd, bool cloexec)
{
    AUTO_PUT(file) f = NULL;
    if (newfd < 0 || newfd >= fd_limit(t)) {
        return -EBADF;
    }
    int r = fd_table_lookup_any(t->files, oldfd, &f);
    if (r < 0) {
        return r;
    }
    r = fd_table_install_at(t->files, f, newfd, fd_limit(t), cloexec);
    return r < 0 ? r : newfd;
}

long sys_dup2(struct task *t, int oldfd, int newfd)
{
    if (oldfd == newfd) {
        AUTO_PUT(file) f = NULL;
        int r = fd_table_lookup_any(t->files, oldfd, &f);
        return r < 0 ? r : newfd;
    }
    return dup_to(t, oldfd, newfd, false);
}

long sys_dup3(struct task *t, int oldfd, int newfd, int flags)
{
    if (flags & ~O_CLOEXEC || oldfd == newfd) {
        return -EINVAL;
    }
    return dup_to(t, oldfd, newfd, flags & O_CLOEXEC);
}
