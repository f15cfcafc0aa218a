/*
 * waitid(2): the fields of siginfo_t that it defines are stored, as zeros, when the call fails, too.
 */
#include "../compat.h"

static void check_cleared(idtype_t type, id_t id, int options, int want)
{
    siginfo_t si;
    memset(&si, 0x55, sizeof(si));
    CHECK_ERRNO(waitid(type, id, &si, options), want);
    CHECK_EQ(si.si_signo, 0);
    CHECK_EQ(si.si_errno, 0);
    CHECK_EQ(si.si_code, 0);
    CHECK_EQ(si.si_pid, 0);
    CHECK_EQ(si.si_uid, 0);
    CHECK_EQ(si.si_status, 0);
}

int main(void)
{
    check_cleared(P_ALL, 0, WEXITED, ECHILD);
    check_cleared(P_ALL, 0, 0, EINVAL);
    check_cleared((idtype_t)9, 0, WEXITED, EINVAL);
    CHECK_ERRNO(waitid(P_ALL, 0, (siginfo_t *)1, WEXITED), EFAULT);
    return 0;
}
