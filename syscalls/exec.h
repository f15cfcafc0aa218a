/*
 * Program execution as the rest of the sandbox sees it: the first program, which no guest asked for.
 */
#pragma once

#include "platform/platform.h"
#include "sentry/task/task.h"

/**
 * exec_first - load the sandbox's program into t's fresh guest thread.
 * @boot: what platform_start said of the thread's address space.
 * @path: absolute, or relative to t's working directory; also AT_EXECFN.
 * @argv, @envp: NULL-terminated.
 *
 * Context: t's kthread; may block.
 * Return: 0, and t->pt is ready for platform_switch. Errors: execve(2)'s.
 */
MUST_CHECK int exec_first(struct task *t, const struct platform_boot *boot, const char *path,
                          char *const argv[], char *const envp[]);
