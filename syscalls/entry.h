/* The body of every task's kthread: handed to sentry/task by task_set_main. */
#pragma once

void task_entry(void *task);
