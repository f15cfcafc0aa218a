/*
 * membarrier(2): memory barriers on the other threads of the process. Only the host can interrupt
 * them, so the guest's own host thread makes the call; commands about restartable sequences, which
 * guests don't have, are unknown here, and those which interrupt all of the machine.
 */
#include <linux/membarrier.h>
#include <sys/syscall.h>

#include "sentry/base/errno.h"
#include "syscalls/mm_call.h"
#include "syscalls/syscalls.h"

#define MEMBARRIER_KNOWN                                                                           \
    (MEMBARRIER_CMD_PRIVATE_EXPEDITED | MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED |                \
     MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE |                                                  \
     MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE)

long sys_membarrier(struct task *t, int cmd, unsigned flags, int cpu_id)
{
    const struct mem_call call = {.nr = SYS_membarrier, .args = {(uint64_t)cmd}, .host_fd = -1};
    (void)cpu_id;
    if (flags) {
        return -EINVAL;
    }
    if (cmd == MEMBARRIER_CMD_QUERY) {
        long known = platform_mem(t->pt, &call);
        return known < 0 ? known : known & MEMBARRIER_KNOWN;
    }
    if (cmd < 0 || cmd & (cmd - 1) || !(cmd & MEMBARRIER_KNOWN)) {
        return -EINVAL;
    }
    return mem_perform(t, &call);
}
