/*
 * capget(2), capset(2):
 * 1. An unknown version is EINVAL (0 without data), and the header then holds version 3.
 * 2. Dropping is allowed, raising permitted again is EPERM, effective beyond permitted is EPERM.
 * 3. Only oneself can be set (EPERM); ESRCH for nobody; EINVAL for a negative pid.
 */
#include "../compat.h"

#include <linux/capability.h>
#include <sys/syscall.h>

int main(void)
{
    struct __user_cap_header_struct h = {.version = 1};
    struct __user_cap_data_struct d[2];
    CHECK_ERRNO(syscall(SYS_capget, &h, d), EINVAL);
    CHECK_EQ(h.version, _LINUX_CAPABILITY_VERSION_3);
    h.version = 1;
    CHECK_EQ(syscall(SYS_capget, &h, NULL), 0);
    CHECK_EQ(h.version, _LINUX_CAPABILITY_VERSION_3);
    CHECK_ERRNO(syscall(SYS_capget, 8, d), EFAULT);
    h.pid = -1;
    CHECK_ERRNO(syscall(SYS_capget, &h, d), EINVAL);
    h.pid = 4194000;
    CHECK_ERRNO(syscall(SYS_capget, &h, d), ESRCH);
    h.pid = 0;
    CHECK_EQ(syscall(SYS_capget, &h, d), 0);
    d[0].effective = d[1].effective = 0;
    CHECK_EQ(syscall(SYS_capset, &h, d), 0);
    CHECK_EQ(syscall(SYS_capget, &h, d), 0);
    CHECK_EQ(d[0].effective | d[1].effective, 0);
    d[0].permitted &= ~(1u << CAP_NET_RAW);
    CHECK_EQ(syscall(SYS_capset, &h, d), 0);
    d[0].permitted |= 1u << CAP_NET_RAW;
    CHECK_ERRNO(syscall(SYS_capset, &h, d), EPERM);
    d[0].permitted &= ~(1u << CAP_NET_RAW);
    d[0].effective = 1u << CAP_NET_RAW;
    CHECK_ERRNO(syscall(SYS_capset, &h, d), EPERM);
    d[0].effective = 0;
    h.pid = getppid();
    CHECK_ERRNO(syscall(SYS_capset, &h, d), EPERM);
    return 0;
}
