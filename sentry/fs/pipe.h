/*
 * Pipes and FIFOs beyond what fs.h lists: fcntl(F_SETPIPE_SZ) and friends. See pipe(7).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "lib/macros.h"

struct cred;
struct file;

#define PIPE_DEFAULT_SIZE 65536u
#define PIPE_MAX_SIZE     1048576u /* /proc/sys/fs/pipe-max-size */

bool file_is_pipe(const struct file *f);
/* fcntl(F_GETPIPE_SZ): bytes. Errors: -EBADF not a pipe. */
MUST_CHECK long pipe_get_size(const struct file *f);
/* fcntl(F_SETPIPE_SZ): the size that was chosen. Errors: -EBADF, -EPERM, -EBUSY, -EINVAL, -ENOMEM. */
MUST_CHECK long pipe_set_size(struct file *f, unsigned size, const struct cred *cred);

struct inode;
/*
 * A pipe that may be leased (sentry/task/lease_pipe.c): it has both ends, nobody waits for it, and it holds no more than size
 * bytes in plain slots. pipe_unload takes them all out; pipe_load puts bytes in, for which there must be room but for memory.
 */
bool pipe_is_quiet(const struct inode *inode, size_t size);
size_t pipe_unload(struct inode *inode, void *buf, size_t size);
void pipe_load(struct inode *inode, const void *buf, size_t size);

/* For splice and tee. Copies up to size of the bytes that lie skip behind the front, and leaves them. Does not sleep. */
size_t pipe_peek(const struct file *f, size_t skip, void *buf, size_t size);
/* Drops up to size bytes from the front, as a read does. Does not sleep. */
void pipe_discard(struct file *f, size_t size);
