/* Who may look into whom: Linux's ptrace_may_access(PTRACE_MODE_*_REALCREDS). */
#pragma once

#include "sentry/task/task.h"

bool ptrace_may_access(const struct task *t, const struct task *other);
