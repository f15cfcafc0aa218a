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
