/*
 * mkdir(2), rmdir(2): umask, link counts of parents, trailing slashes, the errors of both.
 */
#include "../compat.h"

int main(void)
{
    struct stat st;
    compat_tmpdir();
    umask(027);
    CHECK_EQ(mkdir("d", 0777), 0);
    CHECK_EQ(stat("d", &st), 0);
    CHECK_EQ(st.st_mode & 07777, 0750);
    CHECK_EQ(mkdir("d/e/", 0755), 0);
    CHECK_ERRNO(mkdir("d", 0755), EEXIST);
    CHECK_ERRNO(mkdir(".", 0755), EEXIST);
    CHECK_ERRNO(mkdir("/", 0755), EEXIST);
    CHECK_ERRNO(mkdir("none/x", 0755), ENOENT);
    compat_file("f", "");
    CHECK_ERRNO(mkdir("f/x", 0755), ENOTDIR);
    CHECK_ERRNO(mkdir("f", 0755), EEXIST);
    CHECK_EQ(symlink("nowhere", "l"), 0);
    CHECK_ERRNO(mkdir("l", 0755), EEXIST);

    CHECK_ERRNO(rmdir("d"), ENOTEMPTY);
    CHECK_ERRNO(rmdir("f"), ENOTDIR);
    CHECK_ERRNO(rmdir("none"), ENOENT);
    CHECK_ERRNO(rmdir("d/."), EINVAL);
    CHECK_ERRNO(rmdir("d/e/.."), ENOTEMPTY);
    CHECK_ERRNO(rmdir("/"), EBUSY);
    CHECK_ERRNO(unlink("d"), EISDIR);
    CHECK_EQ(rmdir("d/e/"), 0);
    CHECK_EQ(rmdir("d"), 0);
    CHECK_ERRNO(stat("d", &st), ENOENT);
    return 0;
}
