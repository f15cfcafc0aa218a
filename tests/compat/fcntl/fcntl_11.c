/*
 * What is not there has its own errors: F_SETLEASE F_UNLCK without a lease is EAGAIN for a regular
 * file and EINVAL for others; files of a tmpfs with a name are sealed against sealing, those of
 * pipes have no seals; flock ignores LOCK_MAND.
 */
#include "../compat.h"

#include <sys/file.h>
#include <sys/vfs.h>

int main(void)
{
    struct statfs fs;
    int p[2];
    compat_tmpdir();
    compat_file("file", "x");
    int f = open("file", O_RDWR), d = open(".", O_RDONLY | O_DIRECTORY);
    CHECK(f >= 0 && d >= 0);
    CHECK_EQ(pipe(p), 0);
    CHECK_ERRNO(fcntl(f, F_SETLEASE, F_UNLCK), EAGAIN);
    CHECK_ERRNO(fcntl(f, F_SETLEASE, 77), EINVAL);
    CHECK_ERRNO(fcntl(d, F_SETLEASE, 77), EINVAL);
    CHECK_ERRNO(fcntl(p[0], F_SETLEASE, F_UNLCK), EINVAL);
    CHECK_EQ(fcntl(f, F_GETLEASE), F_UNLCK);

    CHECK_EQ(fstatfs(f, &fs), 0);
    if (fs.f_type == 0x01021994) { /* TMPFS_MAGIC */
        int r = open("file", O_RDONLY);
        CHECK_EQ(fcntl(f, F_GET_SEALS), F_SEAL_SEAL);
        CHECK_ERRNO(fcntl(f, F_ADD_SEALS, F_SEAL_WRITE), EPERM);
        CHECK_ERRNO(fcntl(f, F_ADD_SEALS, 0), EPERM);
        CHECK_ERRNO(fcntl(f, F_ADD_SEALS, 0x1000), EINVAL);
        CHECK_ERRNO(fcntl(r, F_ADD_SEALS, 0x1000), EPERM);
        CHECK_EQ(write(f, "y", 1), 1);
        CHECK_ERRNO(lseek(d, 0, SEEK_END), EINVAL);
        CHECK_ERRNO(lseek(d, 0, SEEK_DATA), EINVAL);
        CHECK_EQ(lseek(d, 0, SEEK_SET), 0);
    }
    CHECK_ERRNO(fcntl(p[1], F_GET_SEALS), EINVAL);
    CHECK_ERRNO(fcntl(p[1], F_ADD_SEALS, 0), EINVAL);
    CHECK_ERRNO(fcntl(d, F_GET_SEALS), EINVAL);

    CHECK_EQ(flock(f, LOCK_MAND | LOCK_READ), 0);
    CHECK_EQ(flock(-1, LOCK_MAND), 0);
    CHECK_ERRNO(flock(f, LOCK_SH | LOCK_EX), EINVAL);
    CHECK_ERRNO(flock(-1, LOCK_SH), EBADF);
    return 0;
}
