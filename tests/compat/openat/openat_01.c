/*
 * openat(2): relative to a directory fd; an absolute name makes dirfd meaningless.
 */
#include "../compat.h"

int main(void)
{
    compat_tmpdir();
    CHECK_EQ(mkdir("d", 0755), 0);
    int d = open("d", O_RDONLY | O_DIRECTORY);
    CHECK(d >= 0);
    int f = openat(d, "f", O_RDWR | O_CREAT, 0644);
    CHECK(f >= 0);
    CHECK_EQ(access("d/f", F_OK), 0);
    CHECK_ERRNO(openat(f, "x", O_RDONLY), ENOTDIR);
    CHECK_ERRNO(openat(-5, "x", O_RDONLY), EBADF);
    CHECK_ERRNO(openat(999, "x", O_RDONLY), EBADF);
    int n = openat(999, "/dev/null", O_RDONLY);
    CHECK(n >= 0);
    CHECK_EQ(openat(AT_FDCWD, "d/../d/./f", O_RDONLY), n + 1);
    /* the directory moves: the fd follows it */
    CHECK_EQ(rename("d", "e"), 0);
    CHECK(openat(d, "f", O_RDONLY) >= 0);
    CHECK(openat(d, "../e/f", O_RDONLY) >= 0);
    CHECK_ERRNO(openat(d, "../d/f", O_RDONLY), ENOENT);
    return 0;
}
