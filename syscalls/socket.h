/* Shared by the socket system calls. Analogous to the static helpers of Linux's net/socket.c. */
#pragma once

#include "sentry/net/socket.h"
#include "syscalls/helpers.h"

/* Registers the address families, and tells them who runs. Once, at start. */
void sockets_init(void);

/* The socket at fd, borrowed from *out_file, which gets a reference. Errors: -EBADF, -ENOTSOCK. */
MUST_CHECK int socket_in(struct task *t, int fd, struct file **out_file, struct socket **out);

/* Who calls. c->walk is left empty: only addresses need it. */
void socket_caller_init(struct task *t, struct socket_caller *c);
/* The same with a walk from the working directory. start: AUTO_PATH at the caller. */
MUST_CHECK int socket_caller_walk(struct task *t, struct socket_caller *c, struct walk *w,
                                  struct path *start);

/* An address from the guest. Errors: -EINVAL (size), -EFAULT. */
MUST_CHECK int socket_addr_in(struct task *t, uaddr_t addr, int size, struct socket_addr *out);
/* An address to the guest, cut to the room the int at size_addr says, which then gets the true size. */
MUST_CHECK int socket_addr_out(struct task *t, const struct socket_addr *a, uaddr_t addr,
                               uaddr_t size_addr);

/* --- control messages: socket_control.c --- */

/* Guest cmsghdrs of size bytes -> m->scm (on failure, too, scm_put it). */
MUST_CHECK int socket_control_in(struct task *t, const struct socket *s, uaddr_t control,
                                 size_t size, struct scm *scm);
/*
 * m->scm -> cmsghdrs in at most size bytes at control (0: none wanted); installs files. Sets MSG_CTRUNC in
 * m->out_flags when something was lost. Return: bytes used.
 */
size_t socket_control_out(struct task *t, const struct socket *s, uaddr_t control, size_t size,
                          struct socket_msg *m);

/* A pidfd of that process, close-on-exec, in t's table: socket_option.c. Errors: -ESRCH, -EMFILE ... */
long socket_pidfd(struct task *t, int pid);
/* socket_ioctl.c: what no command of every file is. f: a socket's. May block. */
MUST_CHECK long socket_ioctl(struct task *t, struct file *f, unsigned cmd, uaddr_t arg);
