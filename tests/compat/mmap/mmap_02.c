/*
 * mmap(2) refuses: bad lengths, offsets and flags, and rights that the open file doesn't have.
 */
#include "../compat.h"

#include <sys/mman.h>

static long map(void *addr, size_t len, int prot, int flags, int fd, off_t off)
{
    void *p = mmap(addr, len, prot, flags, fd, off);
    return p == MAP_FAILED ? -1 : 0;
}

int main(void)
{
    const int rw = PROT_READ | PROT_WRITE, anon = MAP_PRIVATE | MAP_ANONYMOUS;
    compat_tmpdir();
    compat_file("f", "x");
    int ro = open("f", O_RDONLY), wo = open("f", O_WRONLY), dir = open(".", O_RDONLY), p[2];
    CHECK_EQ(pipe(p), 0);
    CHECK_ERRNO(map(NULL, 0, rw, anon, -1, 0), EINVAL);
    CHECK_ERRNO(map(NULL, (size_t)-1, rw, anon, -1, 0), ENOMEM);
    CHECK_ERRNO(map(NULL, 1UL << 47, rw, anon, -1, 0), ENOMEM);
    CHECK_ERRNO(map(NULL, 4096, rw, MAP_ANONYMOUS, -1, 0), EINVAL);
    CHECK_ERRNO(map((void *)0x10001, 4096, rw, anon | MAP_FIXED, -1, 0), EINVAL);
    CHECK_ERRNO(map((void *)-4096L, 4096, rw, anon | MAP_FIXED, -1, 0), ENOMEM);
    CHECK_ERRNO(map(NULL, 4096, PROT_READ, MAP_PRIVATE, ro, 1), EINVAL);
    CHECK_ERRNO(map(NULL, 4096, PROT_READ, MAP_PRIVATE, 999, 0), EBADF);
    CHECK_ERRNO(map(NULL, 4096, rw, MAP_SHARED, ro, 0), EACCES);
    CHECK_ERRNO(map(NULL, 4096, PROT_READ, MAP_PRIVATE, wo, 0), EACCES);
    CHECK_ERRNO(map(NULL, 4096, PROT_WRITE, MAP_SHARED, wo, 0), EACCES);
    CHECK_ERRNO(map(NULL, 4096, PROT_READ, MAP_PRIVATE, dir, 0), ENODEV);
    CHECK_ERRNO(map(NULL, 4096, PROT_READ, MAP_PRIVATE, p[0], 0), ENODEV);
    CHECK_EQ(map(NULL, 4096, rw, MAP_PRIVATE, ro, 0), 0);
    CHECK_EQ(map(NULL, 4096, PROT_READ, MAP_SHARED, ro, 0), 0);
    CHECK_EQ(map(NULL, 4096, PROT_READ, MAP_SHARED_VALIDATE, ro, 0), 0);
    CHECK_ERRNO(map(NULL, 4096, PROT_READ, MAP_SHARED_VALIDATE | 0x2000000, ro, 0), EOPNOTSUPP);
    CHECK_EQ(map(NULL, 4096, rw, anon | MAP_GROWSDOWN | MAP_STACK | MAP_NORESERVE, -1, 0), 0);

    char *a = mmap(NULL, 12288, rw, anon, -1, 0);
    CHECK(a != MAP_FAILED);
    a[0] = a[8192] = 'k';
    CHECK_ERRNO(map(a + 4096, 4096, rw, anon | MAP_FIXED_NOREPLACE, -1, 0), EEXIST);
    CHECK_EQ(map(a + 4096, 4096, rw, anon | MAP_FIXED, -1, 0), 0);
    CHECK(a[0] == 'k' && a[4096] == 0 && a[8192] == 'k');
    void *shared = mmap(NULL, 4096, PROT_READ, MAP_SHARED, ro, 0);
    CHECK_ERRNO(mprotect(shared, 4096, rw), EACCES);
    return 0;
}
