/*
 * syslog(2): an unknown action, a NULL buffer, a negative length are EINVAL; reading 0 bytes reads nothing; the
 * buffer has a size; without privileges only reading all and asking for the size may be allowed.
 */
#include "../compat.h"

#include <sys/klog.h>

static int unprivileged(void)
{
    char buf[16];
    if (setresuid(12345, 12345, 12345) < 0) {
        return 77;
    }
    return klogctl(5, NULL, 0) == -1 && errno == EPERM && klogctl(2, buf, 16) == -1 &&
                   errno == EPERM
               ? 0
               : 1;
}

int main(void)
{
    char buf[64];
    if (klogctl(10, NULL, 0) == -1 && errno == EPERM) {
        SKIP("the kernel log is forbidden here");
    }
    CHECK(klogctl(10, NULL, 0) >= 4096);
    CHECK_ERRNO(klogctl(3, NULL, 16), EINVAL);
    CHECK_ERRNO(klogctl(3, buf, -1), EINVAL);
    CHECK_EQ(klogctl(3, buf, 0), 0);
    CHECK(klogctl(3, buf, sizeof(buf)) >= 0);
    if (geteuid() == 0) {
        CHECK_ERRNO(klogctl(99, NULL, 0), EINVAL);
        CHECK_ERRNO(klogctl(8, NULL, 9), EINVAL);
        int r = compat_child(unprivileged);
        CHECK(r == 0 || r == 77);
    }
    return 0;
}
