/*
 * stat(2), lstat, fstat, fstatat: types, link counts, sizes, times, identity; AT_EMPTY_PATH; errors.
 */
#include "../compat.h"

#include <time.h>

int main(void)
{
    struct stat a, b;
    compat_tmpdir();
    time_t before = time(NULL);
    compat_file("f", "hello");
    CHECK_EQ(link("f", "g"), 0);
    CHECK_EQ(symlink("f", "l"), 0);
    CHECK_EQ(mkdir("d", 0700), 0);
    CHECK_EQ(mkdir("d/e", 0700), 0);
    CHECK_EQ(stat("f", &a), 0);
    CHECK_EQ(stat("g", &b), 0);
    CHECK(a.st_dev == b.st_dev && a.st_ino == b.st_ino && a.st_nlink == 2 && a.st_size == 5);
    CHECK(S_ISREG(a.st_mode) && a.st_uid == getuid() && a.st_gid == getgid());
    CHECK(a.st_mtime >= before - 1 && a.st_mtime <= time(NULL) + 1 && a.st_blksize > 0);
    CHECK_EQ(stat("l", &b), 0);
    CHECK(b.st_ino == a.st_ino);
    CHECK_EQ(lstat("l", &b), 0);
    CHECK(S_ISLNK(b.st_mode) && b.st_size == 1 && b.st_ino != a.st_ino &&
          (b.st_mode & 0777) == 0777);
    CHECK_EQ(stat("d", &b), 0);
    CHECK(S_ISDIR(b.st_mode) && (b.st_mode & 0777) == 0700);
    CHECK_EQ(stat("d/e/..", &a), 0);
    CHECK(a.st_ino == b.st_ino);
    CHECK_EQ(stat("d/", &a), 0);
    CHECK_ERRNO(stat("f/", &a), ENOTDIR);
    CHECK_ERRNO(stat("f/.", &a), ENOTDIR);
    CHECK_ERRNO(stat("none", &a), ENOENT);
    CHECK_ERRNO(stat("", &a), ENOENT);
    CHECK_ERRNO(stat("f", (struct stat *)8), EFAULT);
    CHECK_ERRNO(fstat(999, &a), EBADF);

    int fd = open("f", O_RDONLY), p[2];
    CHECK_EQ(fstatat(fd, "", &a, AT_EMPTY_PATH), 0);
    CHECK(a.st_size == 5);
    CHECK_ERRNO(fstatat(fd, "", &a, 0), ENOENT);
    CHECK_ERRNO(fstatat(fd, "x", &a, 0), ENOTDIR);
    CHECK_ERRNO(fstatat(AT_FDCWD, "f", &a, 0x40000000), EINVAL);
    CHECK_EQ(fstatat(AT_FDCWD, "l", &a, AT_SYMLINK_NOFOLLOW), 0);
    CHECK(S_ISLNK(a.st_mode));
    CHECK_EQ(pipe(p), 0);
    CHECK_EQ(fstatat(p[0], "", &a, AT_EMPTY_PATH), 0);
    CHECK(S_ISFIFO(a.st_mode));
    CHECK_EQ(fstat(p[1], &b), 0);
    CHECK(a.st_ino == b.st_ino);
    CHECK_EQ(unlink("g"), 0);
    CHECK_EQ(unlink("f"), 0);
    CHECK_EQ(fstat(fd, &a), 0);
    CHECK_EQ(a.st_nlink, 0);
    return 0;
}
