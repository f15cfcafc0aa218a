/* Shared by the scheduling calls. */
#pragma once

#include "sentry/task/task.h"

/* Linux's check_same_owner: t's effective id is other's effective or real one. */
bool sched_same_owner(const struct task *t, const struct task *other);
