/*
 * mremap(2): grows, shrinks, moves with the content; MREMAP_FIXED; errors.
 */
#include "../compat.h"

#include <sys/mman.h>

int main(void)
{
    const int rw = PROT_READ | PROT_WRITE, anon = MAP_PRIVATE | MAP_ANONYMOUS;
    char *p = mmap(NULL, 3 * 4096, rw, anon, -1, 0);
    CHECK(p != MAP_FAILED);
    p[0] = 'a';
    p[4096] = 'b';
    CHECK(mremap(p, 3 * 4096, 2 * 4096, 0) == p);
    char *blocker = mmap(p + 8192, 4096, rw, anon | MAP_FIXED, -1, 0);
    CHECK(blocker == p + 8192);
    CHECK(mremap(p, 8192, 3 * 4096, 0) == MAP_FAILED && errno == ENOMEM);
    char *q = mremap(p, 8192, 1 << 20, MREMAP_MAYMOVE);
    CHECK(q != MAP_FAILED && q != p);
    CHECK(q[0] == 'a' && q[4096] == 'b' && q[(1 << 20) - 1] == 0);
    char *room = mmap(NULL, 1 << 20, PROT_NONE, anon, -1, 0);
    CHECK(room != MAP_FAILED);
    CHECK(mremap(q, 1 << 20, 8192, MREMAP_MAYMOVE | MREMAP_FIXED, room) == room);
    CHECK(room[0] == 'a' && room[4096] == 'b');
    CHECK(mremap(room, 8192, 8192, MREMAP_FIXED, q) == MAP_FAILED && errno == EINVAL);
    CHECK(mremap(room + 1, 4096, 8192, MREMAP_MAYMOVE) == MAP_FAILED && errno == EINVAL);
    CHECK(mremap(room, 4096, 0, MREMAP_MAYMOVE) == MAP_FAILED && errno == EINVAL);
    CHECK(mremap(room, 4096, 4096, 0x100) == MAP_FAILED && errno == EINVAL);
    CHECK_EQ(munmap(room, 1 << 20), 0);
    CHECK(mremap(room, 4096, 8192, MREMAP_MAYMOVE) == MAP_FAILED && errno == EFAULT);
    return 0;
}
