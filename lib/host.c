#include "lib/host.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/bug.h"

/*
 * The C library's wrappers of calls that can wait are cancellation points, which cost a program with threads as much as
 * a short call does. Nothing is cancelled here, so frequent ones go by syscall().
 */
long host_result(long r)
{
    return r == -1 ? -errno : r;
}

void auto_close_(const int *fd)
{
    if (*fd >= 0) {
        close(*fd);
    }
}

void host_close(int fd)
{
    if (fd >= 0) {
        syscall(SYS_close, fd);
    }
}

ssize_t host_read(int fd, void *buf, size_t size)
{
    return host_result(read(fd, buf, size));
}

ssize_t host_write(int fd, const void *buf, size_t size)
{
    return host_result(write(fd, buf, size));
}

ssize_t host_pread(int fd, void *buf, size_t size, off_t offset)
{
    return host_result(pread(fd, buf, size, offset));
}

ssize_t host_pwrite(int fd, const void *buf, size_t size, off_t offset)
{
    return host_result(pwrite(fd, buf, size, offset));
}

ssize_t host_pwrite_append(int fd, const void *buf, size_t size)
{
    struct iovec iov = {(void *)(uintptr_t)buf, size};
    return host_result(pwritev2(fd, &iov, 1, 0, RWF_APPEND));
}

ssize_t host_pread_nowait(int fd, void *buf, size_t size, off_t offset)
{
    struct iovec iov = {buf, size};
    return host_result(syscall(SYS_preadv2, fd, &iov, 1, offset, 0, RWF_NOWAIT));
}

ssize_t host_read_nowait(int fd, void *buf, size_t size)
{
    struct iovec iov = {buf, size};
    return host_result(syscall(SYS_preadv2, fd, &iov, 1, -1L, 0, RWF_NOWAIT));
}

ssize_t host_write_nowait(int fd, const void *buf, size_t size)
{
    struct iovec iov = {(void *)buf, size};
    return host_result(syscall(SYS_pwritev2, fd, &iov, 1, -1L, 0, RWF_NOWAIT));
}

int host_poll_now(int fd, short events)
{
    struct pollfd p = {.fd = fd, .events = events};
    int r = (int)host_result(poll(&p, 1, 0));
    return r < 0 ? r : p.revents;
}

int host_ftruncate(int fd, off_t size)
{
    return (int)host_result(ftruncate(fd, size));
}

int host_fsync(int fd)
{
    return (int)host_result(fsync(fd));
}

int host_fstat(int fd, struct stat *out)
{
    return (int)host_result(fstat(fd, out));
}

off_t host_lseek(int fd, off_t offset, int whence)
{
    return host_result(lseek(fd, offset, whence));
}

void *host_mmap_anon(size_t size)
{
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

void host_munmap(void *p, size_t size)
{
    munmap(p, size);
}

void host_populate(void *p, size_t size)
{
#ifdef MADV_POPULATE_WRITE
    madvise(p, size, MADV_POPULATE_WRITE);
#else
    (void)p, (void)size;
#endif
}

void host_prefer_huge(void *p, size_t size)
{
    madvise(p, size, MADV_HUGEPAGE);
}

int host_fallocate(int fd, int mode, off_t offset, off_t size)
{
    return (int)host_result(fallocate(fd, mode, offset, size));
}

int host_memfd_create(const char *name, unsigned flags)
{
    return (int)host_result(memfd_create(name, flags));
}

ssize_t host_sendmsg(int fd, const struct msghdr *msg, int flags)
{
    return host_result(syscall(SYS_sendmsg, fd, msg, flags));
}

ssize_t host_recvmsg(int fd, struct msghdr *msg, int flags)
{
    return host_result(syscall(SYS_recvmsg, fd, msg, flags));
}

union fds_message {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(HOST_FDS_MAX * sizeof(int))];
};

ssize_t host_send_fds(int sock, const void *buf, size_t size, const int *fds, size_t count)
{
    struct iovec iov = {(void *)(uintptr_t)buf, size};
    union fds_message control;
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    BUG_ON(count > HOST_FDS_MAX);
    if (count > 0) {
        memset(&control, 0, sizeof(control));
        msg.msg_control = control.bytes;
        msg.msg_controllen = CMSG_SPACE(count * sizeof(int));
        struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(count * sizeof(int));
        memcpy(CMSG_DATA(c), fds, count * sizeof(int));
    }
    return host_sendmsg(sock, &msg, MSG_NOSIGNAL);
}

ssize_t host_send_fd(int sock, const void *buf, size_t size, int fd)
{
    return host_send_fds(sock, buf, size, &fd, fd >= 0);
}

ssize_t host_recv_fds(int sock, void *buf, size_t size, int *fds, size_t *out_count, int flags)
{
    struct iovec iov = {buf, size};
    union fds_message control;
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control.bytes,
                         .msg_controllen = sizeof(control.bytes)};
    *out_count = 0;
    ssize_t n = host_recvmsg(sock, &msg, MSG_CMSG_CLOEXEC | flags);
    struct cmsghdr *c = n >= 0 ? CMSG_FIRSTHDR(&msg) : NULL;
    if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
        *out_count = MIN((c->cmsg_len - CMSG_LEN(0)) / sizeof(int), (size_t)HOST_FDS_MAX);
        memcpy(fds, CMSG_DATA(c), *out_count * sizeof(int));
    }
    return n;
}

static ssize_t recv_fd(int sock, void *buf, size_t size, int *out_fd, int flags)
{
    int fds[HOST_FDS_MAX];
    size_t count;
    ssize_t n = host_recv_fds(sock, buf, size, fds, &count, flags);
    *out_fd = count > 0 ? fds[0] : -1;
    for (size_t i = 1; i < count; i++) {
        host_close(fds[i]);
    }
    return n;
}

ssize_t host_recv_fd(int sock, void *buf, size_t size, int *out_fd)
{
    return recv_fd(sock, buf, size, out_fd, 0);
}

ssize_t host_recv_fd_nowait(int sock, void *buf, size_t size, int *out_fd)
{
    return recv_fd(sock, buf, size, out_fd, MSG_DONTWAIT);
}

ssize_t host_process_vm_read(int pid, void *dst, uaddr_t src, size_t size)
{
    struct iovec local = {dst, size}, remote = {(void *)(uintptr_t)src, size};
    return host_result(process_vm_readv(pid, &local, 1, &remote, 1, 0));
}

ssize_t host_process_vm_write(int pid, uaddr_t dst, const void *src, size_t size)
{
    struct iovec local = {(void *)(uintptr_t)src, size}, remote = {(void *)(uintptr_t)dst, size};
    return host_result(process_vm_writev(pid, &local, 1, &remote, 1, 0));
}

int host_kill(int pid, int sig)
{
    return (int)host_result(kill(pid, sig));
}

int host_tgkill(int tgid, int tid, int sig)
{
    return (int)host_result(syscall(SYS_tgkill, tgid, tid, sig));
}

ssize_t host_pwritev(int fd, const struct iovec *iov, int count, off_t offset)
{
    return host_result(pwritev2(fd, iov, count, offset, 0));
}

int host_set_file_limit(int pid, uint64_t size)
{
    static struct rlimit limit; /* rlim_max is ours, and so the other's; 0: not known yet */
    if (!limit.rlim_max && getrlimit(RLIMIT_FSIZE, &limit) < 0) {
        return -errno;
    }
    if (size > limit.rlim_max) {
        return -EPERM;
    }
    limit.rlim_cur =
        size; /* only the soft one: to raise the hard one again would need a privilege */
    return (int)host_result(prlimit(pid, RLIMIT_FSIZE, &limit, NULL));
}

int host_fcntl(int fd, int cmd, long arg)
{
    return (int)host_result(fcntl(fd, cmd, arg));
}

int host_ioctl(int fd, unsigned long request, void *arg)
{
    return (int)host_result(ioctl(fd, request, arg));
}

void host_yield(void)
{
    sched_yield();
}

int host_futex_wait(const void *word, uint32_t expected, const struct timespec *timeout)
{
    return (int)host_result(syscall(SYS_futex, word, FUTEX_WAIT, expected, timeout, NULL, 0));
}

void host_futex_wake(const void *word, int count)
{
    syscall(SYS_futex, word, FUTEX_WAKE, count, NULL, NULL, 0);
}

int64_t host_clock_ns(clockid_t clock)
{
    struct timespec ts = {0}; /* stays 0 when the clock is gone (another process's CPU time) */
    clock_gettime(clock, &ts);
    return ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

void host_random(void *buf, size_t size)
{
    char *p = buf;
    while (size) {
        ssize_t n = getrandom(p, size, 0);
        BUG_ON(n <= 0 && errno != EINTR);
        if (n > 0) {
            p += n;
            size -= (size_t)n;
        }
    }
}
