/*
 * Extended attributes: set, get, list, remove; sizes asked with 0; ERANGE, ENODATA, EEXIST, E2BIG.
 */
#include "../compat.h"

#include <sys/xattr.h>

int main(void)
{
    char buf[256];
    static char big[70000];
    compat_tmpdir();
    compat_file("f", "");
    if (setxattr("f", "user.a", "value", 5, 0) < 0 && errno == EOPNOTSUPP) {
        SKIP("no user attributes on this file system");
    }
    CHECK_EQ(getxattr("f", "user.a", NULL, 0), 5);
    CHECK_EQ(getxattr("f", "user.a", buf, sizeof(buf)), 5);
    CHECK(memcmp(buf, "value", 5) == 0);
    CHECK_ERRNO(getxattr("f", "user.a", buf, 4), ERANGE);
    CHECK_ERRNO(getxattr("f", "user.none", buf, 4), ENODATA);
    CHECK_ERRNO(setxattr("f", "user.a", "x", 1, XATTR_CREATE), EEXIST);
    CHECK_ERRNO(setxattr("f", "user.b", "x", 1, XATTR_REPLACE), ENODATA);
    CHECK_EQ(setxattr("f", "user.b", "", 0, 0), 0);
    CHECK_EQ(getxattr("f", "user.b", buf, sizeof(buf)), 0);
    CHECK_EQ(setxattr("f", "user.a", "other", 5, XATTR_REPLACE), 0);
    ssize_t n = listxattr("f", buf, sizeof(buf));
    CHECK(n >= 14);
    CHECK(memmem(buf, (size_t)n, "user.a", 7) && memmem(buf, (size_t)n, "user.b", 7));
    CHECK_EQ(listxattr("f", NULL, 0), n);
    CHECK_ERRNO(listxattr("f", buf, 3), ERANGE);
    CHECK_EQ(removexattr("f", "user.a"), 0);
    CHECK_ERRNO(removexattr("f", "user.a"), ENODATA);
    CHECK_ERRNO(setxattr("f", "user.a", big, sizeof(big), 0), E2BIG);
    CHECK_ERRNO(setxattr("f", "user.a", "x", 1, 4), EINVAL);
    CHECK_ERRNO(setxattr("f", "", "x", 1, 0), ERANGE);
    CHECK_ERRNO(setxattr("f", "nosuch.a", "x", 1, 0), EOPNOTSUPP);
    char name[320];
    snprintf(name, sizeof(name), "user.%0300d", 1);
    CHECK_ERRNO(setxattr("f", name, "x", 1, 0), ERANGE);
    CHECK_ERRNO(getxattr("none", "user.a", buf, 4), ENOENT);
    CHECK_EQ(symlink("f", "l"), 0);
    CHECK_ERRNO(lsetxattr("l", "user.a", "x", 1, 0), EPERM);
    int fd = open("f", O_RDWR);
    CHECK_EQ(fsetxattr(fd, "user.c", "c", 1, 0), 0);
    CHECK_EQ(fgetxattr(fd, "user.c", buf, 1), 1);
    CHECK_EQ(fremovexattr(fd, "user.c"), 0);
    return 0;
}
