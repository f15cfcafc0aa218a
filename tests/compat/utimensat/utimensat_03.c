/*
 * utimensat(2): nanoseconds that are none are EINVAL only when there is such a file; two UTIME_OMIT don't even look.
 */
#include "../compat.h"

int main(void)
{
    const struct timespec bad[2] = {{0, -1}, {0, 0}}, worse[2] = {{0, UTIME_OMIT}, {0, 1000000000}};
    const struct timespec omit[2] = {{0, UTIME_OMIT}, {0, UTIME_OMIT}};
    compat_tmpdir();
    compat_file("f", "");
    CHECK_EQ(symlink("loop", "loop"), 0);
    CHECK_ERRNO(utimensat(AT_FDCWD, "f", bad, 0), EINVAL);
    CHECK_ERRNO(utimensat(AT_FDCWD, "f", worse, 0), EINVAL);
    CHECK_ERRNO(utimensat(AT_FDCWD, "none", bad, 0), ENOENT);
    CHECK_ERRNO(utimensat(AT_FDCWD, "none", worse, 0), ENOENT);
    CHECK_ERRNO(utimensat(AT_FDCWD, "f/x", bad, 0), ENOTDIR);
    CHECK_ERRNO(utimensat(AT_FDCWD, "loop", bad, 0), ELOOP);
    CHECK_ERRNO(utimensat(99, "f", bad, 0), EBADF);
    CHECK_EQ(utimensat(AT_FDCWD, "none", omit, 0), 0);
    return 0;
}
