/* The platform's idea of its own slice and of a break, for tests that link no platform. */
#include "platform/platform.h"

bool platform_range_reserved(uaddr_t addr, uint64_t size)
{
    return addr < PLATFORM_SLICE_END &&
           (addr >= PLATFORM_SLICE_START || size > PLATFORM_SLICE_START - addr);
}

uaddr_t platform_brk(const struct platform_space *s, uaddr_t known)
{
    (void)s;
    return known;
}
