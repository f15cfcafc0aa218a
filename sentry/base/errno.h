/* Error codes that never reach a guest, with Linux's numbers (include/linux/errno.h). */
#pragma once

#include <errno.h>
#include <stdbool.h>

#define ERESTARTSYS           512 /* restart if SA_RESTART or no handler; else EINTR */
#define ERESTARTNOINTR        513 /* always restart */
#define ERESTARTNOHAND        514 /* restart if no handler; else EINTR */
#define ERESTART_RESTARTBLOCK 516 /* as NOHAND, but restart through restart_syscall */

static inline bool is_restart(long result)
{
    return result == -ERESTARTSYS || result == -ERESTARTNOINTR || result == -ERESTARTNOHAND ||
           result == -ERESTART_RESTARTBLOCK;
}
