/* pipe(2) and pipe2(2). The pipe itself is sentry/fs/pipe.c. */
#include "sentry/base/errno.h"
#include "sentry/fs/fs.h"
#include "syscalls/helpers.h"
#include "syscalls/syscalls.h"

long sys_pipe2(struct task *t, uaddr_t fildes, int flags)
{
    struct file *ends[2];
    int fds[2] = {-1, -1}, r;
    bool cloexec = flags & O_CLOEXEC;

    if (flags & ~(O_CLOEXEC | O_NONBLOCK | O_DIRECT)) {
        return -EINVAL;
    }
    r = pipe_new((unsigned)flags, t->cred, ends);
    if (r < 0) {
        return r;
    }
    for (int i = 0; i < 2 && r >= 0; i++) {
        r = fds[i] = fd_table_install(t->files, ends[i], 0, fd_limit(t), cloexec);
    }
    if (r >= 0) {
        r = copy_out(t->mm, fildes, fds, sizeof(fds));
    }
    for (int i = 0; i < 2; i++) {
        if (r < 0 && fds[i] >= 0) {
            (void)!fd_table_close(t->files, fds[i]);
        }
        file_put(ends[i]);
    }
    return r;
}

long sys_pipe(struct task *t, uaddr_t fildes)
{
    return sys_pipe2(t, fildes, 0);
}
