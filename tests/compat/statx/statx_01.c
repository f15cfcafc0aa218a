/*
 * statx(2): agrees with stat; checks flags and mask; AT_EMPTY_PATH.
 */
#include "../compat.h"

int main(void)
{
    struct statx x;
    struct stat st;
    compat_tmpdir();
    compat_file("f", "hello");
    CHECK_EQ(symlink("f", "l"), 0);
    CHECK_EQ(stat("f", &st), 0);
    memset(&x, 0xff, sizeof(x));
    CHECK_EQ(statx(AT_FDCWD, "f", 0, STATX_BASIC_STATS | STATX_BTIME, &x), 0);
    CHECK((x.stx_mask & STATX_BASIC_STATS) == STATX_BASIC_STATS);
    CHECK(x.stx_ino == st.st_ino && x.stx_size == 5 && x.stx_mode == st.st_mode &&
          x.stx_nlink == 1);
    CHECK(x.stx_uid == st.st_uid && x.stx_mtime.tv_sec == st.st_mtime);
    CHECK(x.stx_mtime.tv_nsec == (uint32_t)st.st_mtim.tv_nsec);
    CHECK_EQ(statx(AT_FDCWD, "l", AT_SYMLINK_NOFOLLOW, STATX_TYPE, &x), 0);
    CHECK(S_ISLNK(x.stx_mode));
    int fd = open("f", O_RDONLY);
    CHECK_EQ(statx(fd, "", AT_EMPTY_PATH, STATX_SIZE, &x), 0);
    CHECK_EQ(x.stx_size, 5);
    CHECK_ERRNO(statx(AT_FDCWD, "f", 0, 0x80000000U, &x), EINVAL);
    CHECK_ERRNO(statx(AT_FDCWD, "f", 0x40000000, 0, &x), EINVAL);
    CHECK_ERRNO(statx(AT_FDCWD, "f", AT_STATX_SYNC_TYPE, 0, &x), EINVAL);
    CHECK_ERRNO(statx(AT_FDCWD, "none", 0, 0, &x), ENOENT);
    CHECK_ERRNO(statx(999, "f", 0, 0, &x), EBADF);
    CHECK_ERRNO(statx(AT_FDCWD, "f", 0, 0, (struct statx *)8), EFAULT);
    return 0;
}
