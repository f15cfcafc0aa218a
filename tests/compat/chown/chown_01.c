/*
 * chown(2): -1 leaves a field alone; set-id bits go when an executable changes hands; only the
 * privileged may give away.
 */
#include "../compat.h"

static int as_owner(void)
{
    if (setresgid(12345, 12345, 12345) < 0 || setresuid(12345, 12345, 12345) < 0) {
        return 77;
    }
    return chown("g", 0, -1) == -1 && errno == EPERM && chown("g", -1, 54321) == -1 &&
                   errno == EPERM && chown("g", 12345, 12345) == 0 && chown("g", -1, -1) == 0
               ? 0
               : 1;
}

int main(void)
{
    struct stat st;
    if (getuid() != 0) {
        SKIP("needs root");
    }
    compat_tmpdir();
    CHECK_EQ(chmod(".", 0755), 0);
    compat_file("f", "");
    if (chown("f", 12345, 54321) < 0 && errno == EINVAL) {
        SKIP("ids that don't exist in this user namespace");
    }
    CHECK_EQ(stat("f", &st), 0);
    CHECK(st.st_uid == 12345 && st.st_gid == 54321);
    CHECK_EQ(chown("f", -1, 7), 0);
    CHECK_EQ(stat("f", &st), 0);
    CHECK(st.st_uid == 12345 && st.st_gid == 7);
    CHECK_EQ(symlink("f", "l"), 0);
    CHECK_EQ(lchown("l", 99, 99), 0);
    CHECK_EQ(stat("f", &st), 0);
    CHECK_EQ(st.st_uid, 12345);
    CHECK_EQ(lstat("l", &st), 0);
    CHECK_EQ(st.st_uid, 99);
    CHECK_EQ(chmod("f", 06755), 0);
    CHECK_EQ(chown("f", 0, 0), 0);
    CHECK_EQ(stat("f", &st), 0);
    CHECK_EQ(st.st_mode & 07777, 0755);
    compat_file("g", "");
    CHECK_EQ(chown("g", 12345, 12345), 0);
    int r = compat_child(as_owner);
    CHECK(r == 0 || r == 77);
    CHECK_ERRNO(fchown(999, 0, 0), EBADF);
    CHECK_ERRNO(fchownat(AT_FDCWD, "f", 0, 0, 0x4000), EINVAL);
    return 0;
}
