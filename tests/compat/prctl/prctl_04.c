/*
 * prctl(2): PR_MCE_KILL is remembered, inherited and checked; the securebits of SECBIT_EXEC_* (Linux 6.14) may be changed
 * without privileges, and be locked.
 */
#include "../compat.h"

#include <sys/prctl.h>

#define EXEC_RESTRICT_FILE        (1UL << 8)
#define EXEC_RESTRICT_FILE_LOCKED (1UL << 9)
#define EXEC_DENY_INTERACTIVE     (1UL << 10)

static int mce_inherited(void)
{
    CHECK_EQ(prctl(PR_MCE_KILL_GET, 0, 0, 0, 0), PR_MCE_KILL_EARLY);
    return 0;
}

static int unprivileged_bits(void)
{
    if (geteuid() == 0) {
        CHECK_EQ(setresuid(12345, 12345, 12345), 0);
    }
    long old = prctl(PR_GET_SECUREBITS);
    CHECK(old >= 0);
    CHECK_ERRNO(prctl(PR_SET_SECUREBITS, old), EPERM); /* no change at all is refused */
    if (prctl(PR_SET_SECUREBITS, (unsigned long)old | EXEC_RESTRICT_FILE) < 0) {
        CHECK(errno == EPERM);
        return 77;
    }
    CHECK_EQ(prctl(PR_GET_SECUREBITS), (unsigned long)old | EXEC_RESTRICT_FILE);
    CHECK_ERRNO(prctl(PR_SET_SECUREBITS, (unsigned long)old | EXEC_RESTRICT_FILE | 1), EPERM);
    unsigned long locked = (unsigned long)old | EXEC_RESTRICT_FILE | EXEC_RESTRICT_FILE_LOCKED;
    CHECK_EQ(prctl(PR_SET_SECUREBITS, locked), 0);
    CHECK_ERRNO(prctl(PR_SET_SECUREBITS, locked & ~EXEC_RESTRICT_FILE), EPERM);
    CHECK_ERRNO(prctl(PR_SET_SECUREBITS, locked & ~EXEC_RESTRICT_FILE_LOCKED), EPERM);
    CHECK_EQ(prctl(PR_SET_SECUREBITS, locked | EXEC_DENY_INTERACTIVE), 0);
    CHECK_ERRNO(prctl(PR_SET_SECUREBITS, locked | 1UL << 12), EPERM);
    return 0;
}

int main(void)
{
    CHECK_EQ(prctl(PR_MCE_KILL_GET, 0, 0, 0, 0), PR_MCE_KILL_DEFAULT);
    CHECK_EQ(prctl(PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_EARLY, 0, 0), 0);
    CHECK_EQ(prctl(PR_MCE_KILL_GET, 0, 0, 0, 0), PR_MCE_KILL_EARLY);
    CHECK_EQ(compat_child(mce_inherited), 0);
    CHECK_EQ(prctl(PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_LATE, 0, 0), 0);
    CHECK_EQ(prctl(PR_MCE_KILL_GET, 0, 0, 0, 0), PR_MCE_KILL_LATE);
    CHECK_ERRNO(prctl(PR_MCE_KILL, PR_MCE_KILL_SET, 3, 0, 0), EINVAL);
    CHECK_ERRNO(prctl(PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_LATE, 1, 0), EINVAL);
    CHECK_ERRNO(prctl(PR_MCE_KILL, PR_MCE_KILL_CLEAR, 1, 0, 0), EINVAL);
    CHECK_ERRNO(prctl(PR_MCE_KILL, 2, 0, 0, 0), EINVAL);
    CHECK_EQ(prctl(PR_MCE_KILL, PR_MCE_KILL_CLEAR, 0, 0, 0), 0);
    CHECK_EQ(prctl(PR_MCE_KILL_GET, 0, 0, 0, 0), PR_MCE_KILL_DEFAULT);

    int r = compat_child(unprivileged_bits);
    CHECK(r == 0 || r == 77);
    return 0;
}
