/*
 * utimensat(2), utimes, utime, futimens: exact nanoseconds, UTIME_NOW and UTIME_OMIT, links, ctime.
 */
#include "../compat.h"

#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <utime.h>

int main(void)
{
    struct stat st;
    compat_tmpdir();
    compat_file("f", "");
    struct timespec ts[2] = {{1000000000, 123456789}, {2000000000, 987654321}};
    CHECK_EQ(utimensat(AT_FDCWD, "f", ts, 0), 0);
    CHECK_EQ(stat("f", &st), 0);
    CHECK(st.st_atim.tv_sec == 1000000000 && st.st_atim.tv_nsec == 123456789);
    CHECK(st.st_mtim.tv_sec == 2000000000 && st.st_mtim.tv_nsec == 987654321);
    CHECK(st.st_ctime >= time(NULL) - 5);
    ts[0].tv_nsec = UTIME_OMIT;
    ts[1].tv_nsec = UTIME_NOW;
    CHECK_EQ(utimensat(AT_FDCWD, "f", ts, 0), 0);
    CHECK_EQ(stat("f", &st), 0);
    CHECK(st.st_atime == 1000000000 && st.st_mtime >= time(NULL) - 5);
    struct timespec omit[2] = {{0, UTIME_OMIT}, {0, UTIME_OMIT}};
    CHECK_EQ(utimensat(AT_FDCWD, "none", omit, 0), 0);
    ts[0] = (struct timespec){5, 0};
    ts[1] = (struct timespec){-5, 500};
    int fd = open("f", O_RDONLY);
    CHECK_EQ(futimens(fd, ts), 0);
    CHECK_EQ(stat("f", &st), 0);
    CHECK(st.st_mtim.tv_sec == -5 && st.st_mtim.tv_nsec == 500);
    CHECK_EQ(symlink("f", "l"), 0);
    ts[1] = (struct timespec){77, 0};
    CHECK_EQ(utimensat(AT_FDCWD, "l", ts, AT_SYMLINK_NOFOLLOW), 0);
    CHECK_EQ(lstat("l", &st), 0);
    CHECK_EQ(st.st_mtime, 77);
    CHECK_EQ(stat("f", &st), 0);
    CHECK_EQ(st.st_mtime, -5);
    struct timeval tv[2] = {{10, 20}, {30, 40}};
    CHECK_EQ(utimes("f", tv), 0);
    CHECK_EQ(stat("f", &st), 0);
    CHECK(st.st_atim.tv_nsec == 20000 && st.st_mtim.tv_sec == 30 && st.st_mtim.tv_nsec == 40000);
    struct utimbuf ub = {50, 60};
    CHECK_EQ(utime("f", &ub), 0);
    CHECK_EQ(stat("f", &st), 0);
    CHECK(st.st_atime == 50 && st.st_mtime == 60 && st.st_mtim.tv_nsec == 0);
    CHECK_EQ(utime("f", NULL), 0);
    ts[0].tv_nsec = 1000000000;
    CHECK_ERRNO(utimensat(AT_FDCWD, "f", ts, 0), EINVAL);
    tv[0].tv_usec = 1000000;
    CHECK_ERRNO(syscall(SYS_utimes, "f", tv), EINVAL);
    CHECK_ERRNO(utimensat(AT_FDCWD, "none", NULL, 0), ENOENT);
    CHECK_ERRNO(utimensat(AT_FDCWD, "f", NULL, 0x4000), EINVAL);
    CHECK_ERRNO(syscall(SYS_utimensat, AT_FDCWD, NULL, NULL, 0), EFAULT);
    return 0;
}
