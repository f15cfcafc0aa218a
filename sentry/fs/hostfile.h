/*
 * The host's stdin, stdout and stderr as the rest of sentry/fs sees them; host_file_new is in fs.h.
 */
#pragma once

#include "sentry/vfs/file.h"

struct tty;

bool inode_is_host(const struct inode *inode);
/* A second open, through /proc/self/fd/N or /dev/tty: never more than the host's description may. Errors: -ENXIO, -EACCES. */
MUST_CHECK int host_inode_open(struct inode *inode, struct file *f);
/* The terminal behind a file that came from the host, or NULL. */
struct tty *host_file_tty(const struct file *f);

/* --- hosttty.c --- */
bool host_tty_is(int host_fd, uint32_t mode);
/*
 * The terminal that inode's host fd shows; one for all fds on the same device. It keeps a reference to the
 * inode for ever. Errors: -ENOMEM.
 */
MUST_CHECK int host_tty_get(struct inode *inode, struct tty **out);
/*
 * /dev/console, which names the first terminal: made when it is first asked for, and given to owner. *out gets
 * references. Errors: -ENXIO tty is not the first one; vfs_mknod's where there is no /dev to make it in. May block.
 */
MUST_CHECK int host_tty_console(const struct tty *tty, const struct cred *owner, struct path *out);
/* open(2) of the node. Errors: -ENXIO the sandbox was not started on a terminal. */
MUST_CHECK int host_console_open(struct file *f);
/* May the caller write now (TOSTOP)? Errors: as tty_check_change. */
MUST_CHECK int host_tty_check_write(int host_fd, struct tty *tty);
MUST_CHECK long host_tty_ioctl(int host_fd, struct tty *tty, struct file *f, struct mm *mm,
                               unsigned cmd, uaddr_t arg);
