/* The two ends of a copy inside the kernel: shared by fd_copy.c and fd_splice.c. */
#pragma once

#include "sentry/task/task.h"

#define COPY_BUFFER_SIZE (64UL * 1024)

struct copy_end {
    struct file *file; /* ref */
    uaddr_t pos_addr;  /* the guest's position variable; 0: the file's own position */
    int64_t pos;
};
/* Takes the file. Errors: -EBADF. */
MUST_CHECK int copy_end_init(struct task *t, struct copy_end *e, int fd, uaddr_t pos_addr);
/* Fetches the position, which may be negative. Errors: -EFAULT. */
MUST_CHECK int copy_end_position(struct task *t, struct copy_end *e);
/* Stores it back to where it came from. Errors: -EFAULT. */
MUST_CHECK int copy_end_finish(struct task *t, struct copy_end *e);
void copy_end_put(struct copy_end *e);
#define AUTO_COPY_END __attribute__((cleanup(copy_end_put))) struct copy_end

/* Does Linux splice out of f, into f? Anonymous files have no way. */
bool splice_reads(const struct file *f);
bool splice_writes(const struct file *f);

/*
 * Anything's data into a pipe while there is room, for which it waits once (fd_splice.c). Return: bytes. Context: may block.
 * Errors: -EAGAIN no room, and nonblock; -EINVAL it can't be spliced out of; of reading and writing.
 */
MUST_CHECK ssize_t splice_to_pipe(struct task *t, struct copy_end *in, struct copy_end *out,
                                  size_t len, bool nonblock);
/* Writes kernel memory to out at its position, with RLIMIT_FSIZE and SIGPIPE. Return: bytes. Context: may block. */
MUST_CHECK ssize_t copy_write(struct task *t, struct copy_end *out, void *buf, size_t size);
