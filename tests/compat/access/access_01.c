/*
 * access(2), faccessat: answers for the real user, by owner, group and others; the superuser may all
 * but execute what nobody may.
 */
#include "../compat.h"

#include <sys/syscall.h>

static int as_other(void)
{
    if (setresgid(12345, 12345, 12345) < 0 || setresuid(12345, 12345, 12345) < 0) {
        return 77;
    }
    return access("f", R_OK) == 0 && access("f", W_OK) == -1 && errno == EACCES &&
                   access("f", X_OK) == -1 && access("private/f", F_OK) == -1 && errno == EACCES &&
                   access("private", F_OK) == 0
               ? 0
               : 1;
}

static int as_real_other(void)
{
    if (setresuid(12345, 0, 0) < 0) {
        return 77;
    }
    return access("f", W_OK) == -1 && errno == EACCES &&
                   faccessat(AT_FDCWD, "f", W_OK, AT_EACCESS) == 0
               ? 0
               : 1;
}

int main(void)
{
    compat_tmpdir();
    compat_file("f", "");
    CHECK_EQ(chmod("f", 0644), 0);
    CHECK_EQ(chmod(".", 0755), 0);
    CHECK_EQ(mkdir("private", 0700), 0);
    compat_file("private/f", "");
    CHECK_EQ(access("f", F_OK), 0);
    CHECK_EQ(access("f", R_OK | W_OK), 0);
    CHECK_ERRNO(access("f", X_OK), EACCES);
    CHECK_EQ(access("private", X_OK), 0);
    CHECK_ERRNO(access("none", F_OK), ENOENT);
    CHECK_ERRNO(access("f/x", F_OK), ENOTDIR);
    CHECK_ERRNO(access("f", 8), EINVAL);
    CHECK_ERRNO(access((char *)8, F_OK), EFAULT);
    CHECK_EQ(symlink("none", "dangling"), 0);
    CHECK_ERRNO(access("dangling", F_OK), ENOENT);
    CHECK_EQ(syscall(SYS_faccessat2, AT_FDCWD, "dangling", F_OK, AT_SYMLINK_NOFOLLOW), 0);
    CHECK_ERRNO(syscall(SYS_faccessat2, AT_FDCWD, "f", F_OK, 0x40000000), EINVAL);
    if (getuid() == 0) {
        int r = compat_child(as_other);
        CHECK(r == 0 || r == 77);
        r = compat_child(as_real_other);
        CHECK(r == 0 || r == 77);
    }
    return 0;
}
