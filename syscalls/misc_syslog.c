/*
 * syslog(2): the kernel's message buffer. Ours never gets a message (the sandbox's own log is for
 * whoever runs it, --log), so a guest finds an empty buffer. Analogous to Linux's kernel/printk/printk.c.
 */
#include "sentry/base/errno.h"
#include "sentry/task/task.h"
#include "syscalls/syscalls.h"

#define LOG_BUFFER_SIZE (1 << 18)

enum action {
    ACTION_CLOSE,
    ACTION_OPEN,
    ACTION_READ,
    ACTION_READ_ALL,
    ACTION_READ_CLEAR,
    ACTION_CLEAR,
    ACTION_CONSOLE_OFF,
    ACTION_CONSOLE_ON,
    ACTION_CONSOLE_LEVEL,
    ACTION_SIZE_UNREAD,
    ACTION_SIZE_BUFFER,
};

/**
 * sys_syslog - read the kernel log.
 *
 * Context: may block (ACTION_READ waits for a message, for ever).
 * Errors:  -EPERM without CAP_SYSLOG, but for ACTION_READ_ALL and ACTION_SIZE_BUFFER; -EINVAL.
 * Source:  syslog(2).
 */
long sys_syslog(struct task *t, int type, uaddr_t bufp, int len)
{
    if (type != ACTION_READ_ALL && type != ACTION_SIZE_BUFFER &&
        !cred_capable(t->cred, CAP_SYSLOG)) {
        return -EPERM;
    }
    switch (type) {
    case ACTION_READ:
    case ACTION_READ_ALL:
    case ACTION_READ_CLEAR:
        if (!bufp || len < 0) {
            return -EINVAL;
        }
        if (len == 0 || type != ACTION_READ) {
            return 0;
        }
        for (;;) {
            int r = waitq_sleep(WAIT_INTERRUPTIBLE, WAIT_FOREVER);
            if (r < 0) {
                return r;
            }
        }
    case ACTION_CONSOLE_LEVEL:
        return len < 1 || len > 8 ? -EINVAL : 0;
    case ACTION_SIZE_BUFFER:
        return LOG_BUFFER_SIZE;
    case ACTION_CLOSE:
    case ACTION_OPEN:
    case ACTION_CLEAR:
    case ACTION_CONSOLE_OFF:
    case ACTION_CONSOLE_ON:
    case ACTION_SIZE_UNREAD:
        return 0;
    default:
        return -EINVAL;
    }
}
