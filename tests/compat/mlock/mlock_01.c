/*
 * mlock(2): RLIMIT_MEMLOCK for the unprivileged; msync(2): flags and holes.
 */
#include "../compat.h"

#include <sys/mman.h>
#include <sys/resource.h>

static int limited(void)
{
    struct rlimit rl = {8192, 8192};
    if (setrlimit(RLIMIT_MEMLOCK, &rl) < 0 ||
        (getuid() == 0 && setresuid(12345, 12345, 12345) < 0)) {
        return 77;
    }
    char *p = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mlock(p, 4096) != 0 || mlock(p, 65536) != -1 || errno != ENOMEM || munlock(p, 4096) != 0) {
        return 1;
    }
    rl = (struct rlimit){0, 0};
    return setrlimit(RLIMIT_MEMLOCK, &rl) == 0 && mlock(p, 4096) == -1 && errno == EPERM ? 0 : 2;
}

int main(void)
{
    char *p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(p != MAP_FAILED);
    CHECK_EQ(mlock(p, 4096), 0);
    CHECK_EQ(munlock(p, 8192), 0);
    CHECK_ERRNO(mlockall(0), EINVAL);
    CHECK_ERRNO(mlockall(0x100), EINVAL);
    CHECK_EQ(munlockall(), 0);
    CHECK_EQ(msync(p, 8192, MS_ASYNC), 0);
    CHECK_ERRNO(msync(p, 8192, MS_ASYNC | MS_SYNC), EINVAL);
    CHECK_ERRNO(msync(p + 1, 4096, MS_SYNC), EINVAL);
    CHECK_ERRNO(msync(p, 4096, 0x100), EINVAL);
    int r = compat_child(limited);
    CHECK(r == 0 || r == 77);
    CHECK_EQ(munmap(p, 4096), 0);
    CHECK_ERRNO(msync(p, 8192, MS_SYNC), ENOMEM);
    CHECK_ERRNO(mlock(p, 8192), ENOMEM);
    return 0;
}
