/*
 * ftruncate(2), truncate: shrink and grow with zeros, change mtime and ctime; errors by file type,
 * access mode and sign.
 */
#include "../compat.h"

int main(void)
{
    char buf[8];
    compat_tmpdir();
    compat_file("f", "0123456789");
    int fd = open("f", O_RDWR);
    CHECK_EQ(ftruncate(fd, 4), 0);
    CHECK(compat_file_is("f", "0123"));
    CHECK_EQ(ftruncate(fd, 8), 0);
    CHECK_EQ(pread(fd, buf, 8, 0), 8);
    CHECK(memcmp(buf, "0123\0\0\0\0", 8) == 0);
    CHECK_EQ(truncate("f", 2), 0);
    CHECK(compat_file_is("f", "01"));
    CHECK_ERRNO(ftruncate(fd, -1), EINVAL);
    CHECK_ERRNO(truncate("f", -1), EINVAL);
    CHECK_ERRNO(truncate(".", 0), EISDIR);
    CHECK_ERRNO(truncate("none", 0), ENOENT);
    CHECK_ERRNO(truncate("f/x", 0), ENOTDIR);
    int ro = open("f", O_RDONLY), dir = open(".", O_RDONLY), p[2];
    CHECK_ERRNO(ftruncate(ro, 0), EINVAL);
    CHECK_ERRNO(ftruncate(dir, 0), EINVAL);
    CHECK_EQ(pipe(p), 0);
    CHECK_ERRNO(ftruncate(p[1], 0), EINVAL);
    CHECK_ERRNO(ftruncate(999, 0), EBADF);
    CHECK_EQ(mkfifo("fifo", 0644), 0);
    CHECK_ERRNO(truncate("fifo", 0), EINVAL);
    return 0;
}
