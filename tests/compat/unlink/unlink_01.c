/*
 * unlink(2), unlinkat: the open file lives on; only the name goes; symbolic links are not followed.
 */
#include "../compat.h"

int main(void)
{
    char buf[8];
    compat_tmpdir();
    compat_file("f", "data");
    CHECK_EQ(symlink("f", "l"), 0);
    int fd = open("f", O_RDWR);
    CHECK_EQ(unlink("l"), 0);
    CHECK_EQ(access("f", F_OK), 0);
    CHECK_EQ(unlink("f"), 0);
    CHECK_ERRNO(access("f", F_OK), ENOENT);
    CHECK_EQ(read(fd, buf, 8), 4);
    CHECK_EQ(pwrite(fd, "more", 4, 4), 4);
    compat_file("f", "new");
    CHECK_EQ(pread(fd, buf, 8, 0), 8);
    CHECK(memcmp(buf, "datamore", 8) == 0 && compat_file_is("f", "new"));
    CHECK_ERRNO(unlink("none"), ENOENT);
    CHECK_ERRNO(unlink("f/"), ENOTDIR);
    CHECK_ERRNO(unlink("f/x"), ENOTDIR);
    CHECK_EQ(mkdir("d", 0755), 0);
    CHECK_ERRNO(unlinkat(AT_FDCWD, "d", 0), EISDIR);
    CHECK_ERRNO(unlinkat(AT_FDCWD, "f", AT_REMOVEDIR), ENOTDIR);
    CHECK_ERRNO(unlinkat(AT_FDCWD, "f", 1), EINVAL);
    CHECK_EQ(unlinkat(AT_FDCWD, "d", AT_REMOVEDIR), 0);
    int dir = open(".", O_RDONLY);
    CHECK_EQ(unlinkat(dir, "f", 0), 0);
    return 0;
}
