/*
 * brk(2): grows with zeroed memory, shrinks, returns the old end when it can't; RLIMIT_DATA.
 */
#include "../compat.h"

#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>

static uintptr_t raw_brk(uintptr_t p)
{
    return (uintptr_t)syscall(SYS_brk, p);
}

int main(void)
{
    uintptr_t start = raw_brk(0);
    CHECK(start != 0);
    CHECK(raw_brk(start + 100000) == start + 100000);
    volatile char *p = (volatile char *)start;
    for (size_t i = 0; i < 100000; i += 4096) {
        CHECK(p[i] == 0 || i == 0);
        p[i] = 1;
    }
    CHECK(raw_brk(start + 4096) == start + 4096);
    CHECK(raw_brk(start + 100000) == start + 100000);
    CHECK(p[8192] == 0); /* fresh again */
    CHECK(raw_brk(start - (1UL << 40)) == start + 100000);
    CHECK(raw_brk(1UL << 62) == start + 100000);
    struct rlimit rl;
    CHECK_EQ(getrlimit(RLIMIT_DATA, &rl), 0);
    rl.rlim_cur = 4UL << 20;
    CHECK_EQ(setrlimit(RLIMIT_DATA, &rl), 0);
    CHECK(raw_brk(start + (16UL << 20)) == start + 100000);
    CHECK(mmap(NULL, 16UL << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
              MAP_FAILED &&
          errno == ENOMEM);
    CHECK(mmap(NULL, 16UL << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED);
    return 0;
}
