/*
 * symlink(2) and the walk through links: relative to their own directory, chains, loops (ELOOP), 40 deep at most.
 */
#include "../compat.h"

int main(void)
{
    char from[16], to[16];
    compat_tmpdir();
    CHECK_EQ(mkdir("d", 0755), 0);
    compat_file("d/f", "in d");
    compat_file("f", "top");
    CHECK_EQ(symlink("f", "d/l"), 0);
    CHECK(compat_file_is("d/l", "in d"));
    CHECK_EQ(symlink("../f", "d/up"), 0);
    CHECK(compat_file_is("d/up", "top"));
    CHECK_EQ(symlink("d", "dir"), 0);
    CHECK(compat_file_is("dir/l", "in d"));
    CHECK(compat_file_is("dir/../f", "top"));
    CHECK_EQ(symlink("b", "a"), 0);
    CHECK_EQ(symlink("a", "b"), 0);
    CHECK_ERRNO(open("a", O_RDONLY), ELOOP);
    CHECK_ERRNO(open("a/x", O_RDONLY), ELOOP);
    CHECK_EQ(symlink("f", "c0"), 0);
    for (int i = 1; i <= 40; i++) {
        snprintf(to, sizeof(to), "c%d", i - 1);
        snprintf(from, sizeof(from), "c%d", i);
        CHECK_EQ(symlink(to, from), 0);
    }
    CHECK(open("c39", O_RDONLY) >= 0); /* 40 links */
    CHECK_ERRNO(open("c40", O_RDONLY), ELOOP);
    CHECK_ERRNO(symlink("x", "none/y"), ENOENT);
    CHECK_ERRNO(symlink("x", "d"), EEXIST);
    struct stat st;
    CHECK_EQ(lstat("dir/", &st), 0);
    CHECK(S_ISDIR(st.st_mode));
    return 0;
}
