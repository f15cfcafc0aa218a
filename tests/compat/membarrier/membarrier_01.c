/*
 * membarrier(2): every command that MEMBARRIER_CMD_QUERY names is there: it works, or wants to be registered first (EPERM);
 * what it does not name is EINVAL, as are flags.
 */
#include "../compat.h"

#include <linux/membarrier.h>
#include <sys/syscall.h>

static long membarrier(int cmd, unsigned flags)
{
    return syscall(SYS_membarrier, cmd, flags, 0);
}

int main(void)
{
    long known = membarrier(MEMBARRIER_CMD_QUERY, 0);
    if (known < 0) {
        CHECK(errno == ENOSYS);
        SKIP("no membarrier");
    }
    for (int bit = 0; bit < 31; bit++) {
        int cmd = 1 << bit;
        errno = 0;
        long r = membarrier(cmd, 0);
        if (known & cmd) {
            CHECK(r >= 0 || errno == EPERM);
        } else {
            CHECK(r == -1 && errno == EINVAL);
        }
    }
    if (known & MEMBARRIER_CMD_PRIVATE_EXPEDITED) {
        CHECK_EQ(membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0), 0);
        CHECK_EQ(membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0), 0);
    }
    CHECK_ERRNO(membarrier(MEMBARRIER_CMD_QUERY, 1), EINVAL);
    CHECK_ERRNO(membarrier(3, 0), EINVAL);
    CHECK_ERRNO(membarrier(-1, 0), EINVAL);
    return 0;
}
