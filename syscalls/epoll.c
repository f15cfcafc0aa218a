/*
 * epoll_create(2), epoll_ctl(2), epoll_wait(2) and their variants. The sets are sentry/fs/epoll.c.
 */
#include "sentry/fs/epoll.h"

#include "sentry/base/errno.h"
#include "syscalls/helpers.h"
#include "syscalls/poll_wait.h"
#include "syscalls/syscalls.h"

_Static_assert(sizeof(struct epoll_event) == 12, "packed, as amd64 has it");

long sys_epoll_create1(struct task *t, int flags)
{
    AUTO_PUT(file) f = NULL;
    int r;

    if (flags & ~EPOLL_CLOEXEC) {
        return -EINVAL;
    }
    r = epoll_new(t->cred, &f);
    if (r < 0) {
        return r;
    }
    return fd_table_install(t->files, f, 0, fd_limit(t), flags & EPOLL_CLOEXEC);
}

long sys_epoll_create(struct task *t, int size)
{
    return size <= 0 ? -EINVAL : sys_epoll_create1(t, 0);
}

long sys_epoll_ctl(struct task *t, int epfd, int op, int fd, uaddr_t event)
{
    AUTO_PUT(file) epf = NULL;
    AUTO_PUT(file) target = NULL;
    struct epoll_event e = {0};
    int r;

    if (op != EPOLL_CTL_DEL && get_user(t->mm, &e, event) < 0) {
        return -EFAULT;
    }
    r = file_in(t, epfd, &epf);
    if (r < 0) {
        return r;
    }
    r = file_in(t, fd, &target);
    if (r < 0) {
        return r;
    }
    return epoll_control(epf, op, target, fd, &e);
}

static long wait_until(struct task *t, int epfd, uaddr_t events, int maxevents, int64_t deadline_ns)
{
    AUTO_PUT(file) epf = NULL;
    int r;

    if (maxevents <= 0 || maxevents > INT32_MAX / (int)sizeof(struct epoll_event)) {
        return -EINVAL;
    }
    r = file_in(t, epfd, &epf);
    if (r < 0) {
        return r;
    }
    if (!file_is_epoll(epf)) {
        return -EINVAL;
    }
    return epoll_collect(epf, t->mm, events, maxevents, deadline_ns);
}

long sys_epoll_wait(struct task *t, int epfd, uaddr_t events, int maxevents, int timeout)
{
    return wait_until(t, epfd, events, maxevents, deadline_from_ms(timeout));
}

static long wait_masked(struct task *t, int epfd, uaddr_t events, int maxevents,
                        int64_t deadline_ns, uaddr_t sigmask, size_t sigsetsize)
{
    long r = signal_set_user_mask(t, sigmask, sigsetsize);

    if (r < 0) {
        return r;
    }
    r = wait_until(t, epfd, events, maxevents, deadline_ns);
    signal_restore_mask_unless(t, r == -EINTR);
    return r;
}

long sys_epoll_pwait(struct task *t, int epfd, uaddr_t events, int maxevents, int timeout,
                     uaddr_t sigmask, size_t sigsetsize)
{
    return wait_masked(t, epfd, events, maxevents, deadline_from_ms(timeout), sigmask, sigsetsize);
}

long sys_epoll_pwait2(struct task *t, int epfd, uaddr_t events, int maxevents, uaddr_t timeout,
                      uaddr_t sigmask, size_t sigsetsize)
{
    int64_t deadline_ns;
    int r = deadline_in_timespec(t, timeout, &deadline_ns);

    if (r < 0) {
        return r;
    }
    return wait_masked(t, epfd, events, maxevents, deadline_ns, sigmask, sigsetsize);
}
