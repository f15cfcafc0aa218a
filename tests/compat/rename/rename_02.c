/*
 * rename(2) into a directory that was removed is ENOENT before it matters what kind of file the
 * trailing slashes ask for.
 */
#include "../compat.h"

int main(void)
{
    compat_tmpdir();
    compat_file("file", "x");
    CHECK_EQ(mkdir("gone", 0755), 0);
    int gone = open("gone", O_RDONLY | O_DIRECTORY);
    CHECK(gone >= 0);
    CHECK_ERRNO(renameat(AT_FDCWD, "file/", gone, "x/"), ENOTDIR);
    CHECK_EQ(rmdir("gone"), 0);
    CHECK_ERRNO(renameat(AT_FDCWD, "file", gone, "x"), ENOENT);
    CHECK_ERRNO(renameat(AT_FDCWD, "file/", gone, "x"), ENOENT);
    CHECK_ERRNO(renameat(AT_FDCWD, "file", gone, "x/"), ENOENT);
    CHECK_ERRNO(renameat(AT_FDCWD, "none", gone, "x/"), ENOENT);
    CHECK_ERRNO(renameat(gone, "x/", AT_FDCWD, "file/"), ENOENT);
    CHECK_EQ(access("file", F_OK), 0);
    return 0;
}
