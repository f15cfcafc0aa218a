/* argv and envp from guest memory: the copying half of Linux's fs/exec.c (count, copy_strings). */
#pragma once

#include "loader/stack.h"

struct mm;

/**
 * exec_args_in - copy both vectors in.
 * @execfn: counts against the limit, too.
 * @args, @env: empty; filled. Freed by the caller also on failure. An argv without strings gets an empty one.
 *
 * Context: may block.
 * Errors: -E2BIG, -EFAULT, -ENOMEM. Source: execve(2), "Limits on size of arguments and environment".
 */
MUST_CHECK int exec_args_in(struct mm *mm, uaddr_t argv, uaddr_t envp, uint64_t rlimit_stack,
                            const char *execfn, struct arg_list *args, struct arg_list *env);
