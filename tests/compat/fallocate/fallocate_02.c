/*
 * fallocate(2) with FALLOC_FL_WRITE_ZEROES (0x80): what is wrong with the file comes before that no disk is there to do it.
 * readahead(2) of what is no file of a file system is EINVAL.
 */
#include "../compat.h"

#include <linux/falloc.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>

#define WRITE_ZEROES 0x80

int main(void)
{
    int p[2];
    if (!compat_linux(6, 17)) {
        SKIP("older than FALLOC_FL_WRITE_ZEROES");
    }
    compat_tmpdir();
    compat_file("f", "0123456789");
    CHECK_EQ(pipe(p), 0);
    int fd = open("f", O_RDWR);
    CHECK_ERRNO(fallocate(open("f", O_RDONLY), WRITE_ZEROES, 0, 4), EBADF);
    CHECK_ERRNO(fallocate(open(".", O_RDONLY), WRITE_ZEROES, 0, 4), EBADF);
    CHECK_ERRNO(fallocate(p[1], WRITE_ZEROES, 0, 4), ESPIPE);
    CHECK_ERRNO(fallocate(eventfd(0, 0), WRITE_ZEROES, 0, 4), ENODEV);
    CHECK_ERRNO(fallocate(fd, WRITE_ZEROES, 0, 0), EINVAL);
    CHECK_ERRNO(fallocate(fd, WRITE_ZEROES, INT64_MAX, 4), EFBIG);
    CHECK_ERRNO(fallocate(fd, WRITE_ZEROES | FALLOC_FL_KEEP_SIZE, 0, 4), EOPNOTSUPP);
    CHECK_ERRNO(fallocate(fd, WRITE_ZEROES | FALLOC_FL_ZERO_RANGE, 0, 4), EOPNOTSUPP);
    CHECK(compat_file_is("f", "0123456789"));
    CHECK_ERRNO(readahead((int)syscall(SYS_pidfd_open, getpid(), 0), 0, 10), EINVAL);
    CHECK_EQ(readahead(fd, -1, 10), 0);
    return 0;
}
