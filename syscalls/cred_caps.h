/* How capabilities follow user ids: Linux's cap_task_fix_setuid. new is private still. */
#pragma once

#include "sentry/vfs/cred.h"

/* After a change of uid, euid or suid. */
void cred_fix_caps_setuid(struct cred *new, const struct cred *old);
/* After a change of fsuid alone. */
void cred_fix_caps_setfsuid(struct cred *new, const struct cred *old);
