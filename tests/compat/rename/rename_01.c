/*
 * rename(2), renameat2: replaces files and empty directories, refuses loops and kinds that don't
 * match; NOREPLACE and EXCHANGE.
 */
#include "../compat.h"

int main(void)
{
    struct stat st;
    compat_tmpdir();
    compat_file("a", "a");
    compat_file("b", "b");
    int fd = open("b", O_RDONLY);
    CHECK_EQ(rename("a", "b"), 0);
    CHECK(compat_file_is("b", "a"));
    CHECK_ERRNO(stat("a", &st), ENOENT);
    CHECK_EQ(fstat(fd, &st), 0);
    CHECK_EQ(st.st_nlink, 0);

    CHECK_EQ(mkdir("d", 0755), 0);
    CHECK_EQ(mkdir("d/e", 0755), 0);
    CHECK_EQ(mkdir("empty", 0755), 0);
    CHECK_ERRNO(rename("d", "d/e/x"), EINVAL);
    CHECK_ERRNO(rename("empty", "d"), ENOTEMPTY);
    CHECK_ERRNO(rename("b", "d"), EISDIR);
    CHECK_ERRNO(rename("d", "b"), ENOTDIR);
    CHECK_ERRNO(rename("none", "x"), ENOENT);
    CHECK_ERRNO(rename("b", "none/x"), ENOENT);
    CHECK_ERRNO(rename("b", "c/"), ENOTDIR);
    CHECK_ERRNO(rename(".", "x"), EBUSY);
    CHECK_ERRNO(rename("d/..", "x"), EBUSY);
    CHECK_EQ(rename("d", "empty"), 0);
    CHECK_EQ(access("empty/e", F_OK), 0);
    CHECK_EQ(rename("b", "empty/b"), 0);
    CHECK(compat_file_is("empty/b", "a"));
    /* two names of one file: nothing happens */
    CHECK_EQ(link("empty/b", "same"), 0);
    CHECK_EQ(rename("empty/b", "same"), 0);
    CHECK_EQ(access("empty/b", F_OK), 0);
    CHECK_EQ(access("same", F_OK), 0);

    compat_file("x", "x");
    compat_file("y", "y");
    if (renameat2(AT_FDCWD, "x", AT_FDCWD, "y", RENAME_EXCHANGE) == 0) {
        CHECK(compat_file_is("x", "y") && compat_file_is("y", "x"));
        CHECK_ERRNO(renameat2(AT_FDCWD, "x", AT_FDCWD, "none", RENAME_EXCHANGE), ENOENT);
    } else {
        CHECK(errno == EINVAL); /* the file system can't */
    }
    CHECK_ERRNO(renameat2(AT_FDCWD, "x", AT_FDCWD, "y", RENAME_NOREPLACE), EEXIST);
    CHECK_EQ(renameat2(AT_FDCWD, "x", AT_FDCWD, "z", RENAME_NOREPLACE), 0);
    CHECK_ERRNO(renameat2(AT_FDCWD, "z", AT_FDCWD, "y", RENAME_NOREPLACE | RENAME_EXCHANGE),
                EINVAL);
    CHECK_ERRNO(renameat2(AT_FDCWD, "z", AT_FDCWD, "y", 0x100), EINVAL);
    return 0;
}
