/* Job control's view of processes, handed down to the terminals of sentry/fs. */
#pragma once

#include "sentry/task/task.h"

struct tty;

/* Called once at start. */
void tty_jobs_init(void);
/* tg, a session leader, gets tty (borrowed) as its controlling terminal, with itself in the foreground. */
void tty_jobs_adopt(struct thread_group *tg, struct tty *tty);
