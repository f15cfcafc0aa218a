/* Event counters, as a lease sees them (sentry/task/lease_pipe.c). See eventfd(2); fs.h makes them. */
#pragma once

#include "sentry/vfs/file.h"

bool file_is_eventfd(const struct file *f);
/* It may be leased: nobody waits for it, and it stands at most at max. */
bool eventfd_is_quiet(const struct file *f, uint64_t max);
bool eventfd_is_semaphore(const struct file *f);
uint64_t eventfd_count(const struct file *f);
/* f's lease has ended. Nobody waits: who came meanwhile held the lease. */
void eventfd_set_count(struct file *f, uint64_t count);
