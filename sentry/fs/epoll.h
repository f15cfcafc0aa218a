/*
 * epoll(7): sets of watched files. The system calls are in syscalls/epoll.c.
 */
#pragma once

#include "sentry/vfs/file.h"

struct mm;

MUST_CHECK int epoll_new(const struct cred *cred, struct file **out);
/* Nothing on f's ready list. When that ends, f's lease does (sentry/task/lease.c). */
bool epoll_is_idle(const struct file *f);
bool file_is_epoll(const struct file *f);
/**
 * epoll_control - epoll_ctl(2) on files already looked up.
 * @fd: the number under which target is watched; (target, fd) is the key, as in Linux.
 *
 * Errors: -EINVAL, -EEXIST, -ENOENT, -EPERM, -ELOOP, -ENOMEM.
 */
MUST_CHECK int epoll_control(struct file *epf, int op, struct file *target, int fd,
                             const struct epoll_event *event);
/**
 * epoll_collect - wait for events, and copy at most max of them to the guest.
 * @deadline_ns: CLOCK_MONOTONIC; WAIT_FOREVER; 0 or less: don't wait.
 *
 * Context: may block. Return: how many; 0 when the deadline has passed.
 * Errors: -EINTR, -EFAULT.
 */
MUST_CHECK int epoll_collect(struct file *epf, struct mm *mm, uaddr_t events, int max,
                             int64_t deadline_ns);
