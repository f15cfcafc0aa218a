/*
 * msync(2) and mincore(2), called again and again:
 * 1. mincore tells which pages are there, a byte each; a page that nobody has touched is not, and one that was given back.
 * 2. A hole is ENOMEM; an address within a page, or flags that don't go together, EINVAL; a vector that can't be written, EFAULT.
 * 3. Nothing of length 0 is wrong.
 */
#include "../compat.h"

#include <sys/mman.h>

#define PAGES 4L

int main(void)
{
    unsigned char there[PAGES];
    char *p = mmap(NULL, PAGES * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(p != MAP_FAILED);
    CHECK_EQ(madvise(p, PAGES * 4096, MADV_NOHUGEPAGE), 0);
    p[0] = p[2 * 4096] = 1;
    for (int round = 0; round < 20; round++) {
        memset(there, 0xff, sizeof(there));
        CHECK_EQ(mincore(p, PAGES * 4096 - 5, there), 0);
        CHECK(there[0] & 1 && !(there[1] & 1) && there[2] & 1 && !(there[3] & 1));
        CHECK_EQ(msync(p, PAGES * 4096, MS_ASYNC), 0);
        CHECK_EQ(msync(p, 1, MS_SYNC | MS_INVALIDATE), 0);
        CHECK_EQ(msync(p, 0, MS_SYNC), 0);
        CHECK_EQ(mincore(p, 0, there), 0);
        CHECK_ERRNO(msync(p, 4096, MS_SYNC | MS_ASYNC), EINVAL);
        CHECK_ERRNO(msync(p, 4096, 8), EINVAL);
        CHECK_ERRNO(msync(p + 1, 4096, MS_SYNC), EINVAL);
        CHECK_ERRNO(mincore(p + 1, 4096, there), EINVAL);
        CHECK_ERRNO(mincore(p, 4096, (void *)8), EFAULT);
        CHECK_ERRNO(mincore(p, 4096, (void *)0xffffffffff600000), EFAULT);
        CHECK_ERRNO(mincore(p, ~0UL - 4096, there), ENOMEM);
    }
    CHECK_EQ(madvise(p + 2 * 4096, 4096, MADV_DONTNEED), 0);
    CHECK_EQ(mincore(p, PAGES * 4096, there), 0);
    CHECK(there[0] & 1 && !(there[2] & 1));
    CHECK_EQ(munmap(p + 4096, 4096), 0);
    for (int round = 0; round < 20; round++) {
        CHECK_ERRNO(mincore(p, PAGES * 4096, there), ENOMEM);
        CHECK_ERRNO(msync(p, PAGES * 4096, MS_ASYNC), ENOMEM);
    }
    return 0;
}
