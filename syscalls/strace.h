/*
 * --strace: a line for each system call, signal and exit of the guest, in the look of strace(1).
 *
 * The caller (the system call loop) asks strace_on first: when it is false nothing here is called.
 */
#pragma once

#include <signal.h>
#include <stdbool.h>

#include "lib/macros.h"

struct task;

extern bool g_strace_on;
static inline bool strace_on(void)
{
    return __builtin_expect(g_strace_on, 0);
}

/**
 * strace_config - turn tracing on.
 * @filter: NULL or "": everything. Else names and classes by comma: "open,read", "%file", "file", a leading "!" negates all.
 *          Classes: file desc memory network process signal time ipc misc; file is every call that takes a path, desc
 *          every call that takes or makes a file descriptor.
 * @fd:     consumed; where lines go.
 * @bad:    at an error: the word that is no name of either (points into filter); may be NULL.
 *
 * Errors: -EINVAL an unknown word.
 */
MUST_CHECK int strace_config(const char *filter, int fd, const char **bad);
/* How much of strings and buffers is shown; 32 at first. */
void strace_set_string_max(size_t max);

/* Before dispatch. args: the six registers. */
void strace_enter(struct task *t, uint64_t nr, const uint64_t args[6]);
/* After the handler, with its result (-ERESTART* too). Not for a call that does not return. */
void strace_exit(struct task *t, uint64_t nr, const uint64_t args[6], long result);
/* A signal is about to be acted on: "--- SIGCHLD {...} ---". */
void strace_signal(struct task *t, const siginfo_t *info);
/* t ends, status as wait(2) has it: "+++ exited with 0 +++". */
void strace_exit_task(struct task *t, int status);
