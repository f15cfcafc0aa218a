/*
 * Host system calls as the rest of the project wants them: each returns a value or -errno, and
 * is the only place that reads errno. One thin line each; no policy. Add what you need, sorted by
 * man page; every call made here must stand in lib/host_syscalls.def for the process that makes it.
 */
#pragma once

#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>

#include "lib/macros.h"

/* Turns the C library's -1/errno into -errno. */
long host_result(long r);

void host_close(int fd); /* never retried, errors ignored: close(2) on Linux always frees the fd */
MUST_CHECK ssize_t host_read(int fd, void *buf, size_t size);
MUST_CHECK ssize_t host_write(int fd, const void *buf, size_t size);
MUST_CHECK ssize_t host_pread(int fd, void *buf, size_t size, off_t offset);
MUST_CHECK ssize_t host_pwrite(int fd, const void *buf, size_t size, off_t offset);
MUST_CHECK ssize_t host_pwritev(int fd, const struct iovec *iov, int count, off_t offset);
/* pwritev2 with RWF_APPEND: at the end of the file, whatever else writes there. */
MUST_CHECK ssize_t host_pwrite_append(int fd, const void *buf, size_t size);
/* preadv2 with RWF_NOWAIT: -EAGAIN when it would have to wait for the disk. */
MUST_CHECK ssize_t host_pread_nowait(int fd, void *buf, size_t size, off_t offset);
/* At the description's own position, for pipes and sockets: -EAGAIN when it would wait; -EOPNOTSUPP when this kind of
 * file can't promise not to. */
MUST_CHECK ssize_t host_read_nowait(int fd, void *buf, size_t size);
MUST_CHECK ssize_t host_write_nowait(int fd, const void *buf, size_t size);
/* poll(2) without waiting. Return: events that are ready. */
MUST_CHECK int host_poll_now(int fd, short events);
MUST_CHECK int host_ftruncate(int fd, off_t size);
MUST_CHECK int host_fsync(int fd);
MUST_CHECK int host_fstat(int fd, struct stat *out);
MUST_CHECK off_t host_lseek(int fd, off_t offset, int whence);
/* Private anonymous memory, or NULL. */
MUST_CHECK void *host_mmap_anon(size_t size);
void host_munmap(void *p, size_t size);
/* Faults memory in for writing, if the host knows how (MADV_POPULATE_WRITE). */
void host_populate(void *p, size_t size);
/* Huge pages there, where the host has them: it may take no notice. */
void host_prefer_huge(void *p, size_t size);
MUST_CHECK int host_fallocate(int fd, int mode, off_t offset, off_t size);
MUST_CHECK int host_memfd_create(const char *name, unsigned flags);
MUST_CHECK ssize_t host_sendmsg(int fd, const struct msghdr *msg, int flags);
MUST_CHECK ssize_t host_recvmsg(int fd, struct msghdr *msg, int flags);
/* One byte string and up to HOST_FDS_MAX fds over a socket. */
#define HOST_FDS_MAX 64u /* even: a control message of so many has no room for one more */
MUST_CHECK ssize_t host_send_fds(int sock, const void *buf, size_t size, const int *fds,
                                 size_t count);
/* fds: room for HOST_FDS_MAX; owned by the caller. *out_count: 0 when none came, or on an error. */
MUST_CHECK ssize_t host_recv_fds(int sock, void *buf, size_t size, int *fds, size_t *out_count,
                                 int flags);
/* The same with at most one. fd -1: none. */
MUST_CHECK ssize_t host_send_fd(int sock, const void *buf, size_t size, int fd);
/* out_fd: -1 when none came. */
MUST_CHECK ssize_t host_recv_fd(int sock, void *buf, size_t size, int *out_fd);
MUST_CHECK ssize_t host_recv_fd_nowait(int sock, void *buf, size_t size, int *out_fd);
MUST_CHECK ssize_t host_process_vm_read(int pid, void *dst, uaddr_t src, size_t size);
MUST_CHECK ssize_t host_process_vm_write(int pid, uaddr_t dst, const void *src, size_t size);
MUST_CHECK int host_kill(int pid, int sig);
MUST_CHECK int host_tgkill(int tgid, int tid, int sig);
/* How far another process of the same user can write files: RLIMIT_FSIZE. */
MUST_CHECK int host_set_file_limit(int pid, uint64_t size);
MUST_CHECK int host_fcntl(int fd, int cmd, long arg);
MUST_CHECK int host_ioctl(int fd, unsigned long request, void *arg);
void host_yield(void); /* the CPU to another thread that is ready */
MUST_CHECK int host_futex_wait(const void *word, uint32_t expected, const struct timespec *timeout);
void host_futex_wake(const void *word, int count);
int64_t host_clock_ns(clockid_t clock);   /* vDSO: no host call */
void host_random(void *buf, size_t size); /* never fails short: BUG otherwise */
