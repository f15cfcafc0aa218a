/*
 * The seccomp filters of the sandbox's own processes, built from lib/host_syscalls.def. Whatever
 * the table does not list kills the process. The filter of the stubs is another matter (by
 * instruction pointer): platform/seccomp.
 */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include "lib/macros.h"

enum host_process { HOST_SENTRY, HOST_GOFER };

struct hostfilter_params {
    int proc_fd; /* the sentry's procfs directory: the only place where it may open files; or -1 */
    bool ptrace; /* the engine traces its stubs */
};

/**
 * hostfilter_install - confine the calling thread, and every thread that it will make.
 *
 * Needs no_new_privs. There is no way back.
 * Errors: -ENOMEM; -EINVAL the host has no seccomp filters.
 */
MUST_CHECK int hostfilter_install(enum host_process process,
                                  const struct hostfilter_params *params);
/* docs/HOST_SYSCALLS.md: the same table, for readers. */
void hostfilter_print(FILE *out);
