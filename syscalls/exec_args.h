/* argv and envp from guest memory: the copying half of Linux's fs/exec.c (count, copy_strings). */
#pragma once

#include "loader/stack.h"

struct mm;
struct platform_thread;

/* A vector, and as which argument of the system call it came. */
struct exec_vector {
    uaddr_t addr;
    int arg;
};

/**
 * exec_args_in - copy both vectors in.
 * @pt: whose call it is.
 * @execfn: counts against the limit, too.
 * @args, @env: empty; filled. Freed by the caller also on failure. An argv without strings gets an empty one.
 *
 * Context: may block.
 * Errors: -E2BIG, -EFAULT, -ENOMEM. Source: execve(2), "Limits on size of arguments and environment".
 */
MUST_CHECK int exec_args_in(struct mm *mm, const struct platform_thread *pt,
                            struct exec_vector argv, struct exec_vector envp, uint64_t rlimit_stack,
                            const char *execfn, struct arg_list *args, struct arg_list *env);
