/* The robust futex list: what a thread that dies held. See get_robust_list(2). */
#pragma once

#include "sentry/task/task.h"

/* Walks t's list and marks what it holds. The memory must still exist. */
void robust_list_exit(struct task *t);
