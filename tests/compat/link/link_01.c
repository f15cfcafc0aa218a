/*
 * link(2), linkat: a second name of the same file; directories can't have one; AT_SYMLINK_FOLLOW.
 */
#include "../compat.h"

int main(void)
{
    struct stat a, b;
    compat_tmpdir();
    compat_file("f", "x");
    CHECK_EQ(link("f", "g"), 0);
    CHECK_EQ(stat("f", &a), 0);
    CHECK_EQ(stat("g", &b), 0);
    CHECK(a.st_ino == b.st_ino && a.st_nlink == 2);
    CHECK_EQ(unlink("f"), 0);
    CHECK(compat_file_is("g", "x"));
    CHECK_ERRNO(link("f", "h"), ENOENT);
    CHECK_ERRNO(link("g", "g"), EEXIST);
    CHECK_EQ(mkdir("d", 0755), 0);
    CHECK_ERRNO(link("d", "e"), EPERM);
    CHECK_ERRNO(link("g", "none/h"), ENOENT);
    CHECK_EQ(symlink("g", "l"), 0);
    CHECK_EQ(link("l", "l2"), 0); /* the link itself */
    CHECK_EQ(lstat("l2", &a), 0);
    CHECK(S_ISLNK(a.st_mode));
    CHECK_EQ(linkat(AT_FDCWD, "l", AT_FDCWD, "g2", AT_SYMLINK_FOLLOW), 0);
    CHECK_EQ(lstat("g2", &a), 0);
    CHECK(S_ISREG(a.st_mode) && a.st_ino == b.st_ino);
    CHECK_ERRNO(linkat(AT_FDCWD, "g", AT_FDCWD, "h", 0x4000), EINVAL);
    return 0;
}
