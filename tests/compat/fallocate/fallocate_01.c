/*
 * fallocate(2): extends, keeps the size when asked, punches holes; errors.
 */
#include "../compat.h"

#include <linux/falloc.h>

int main(void)
{
    char buf[4];
    struct stat st;
    compat_tmpdir();
    int fd = open("f", O_RDWR | O_CREAT, 0644);
    if (fallocate(fd, 0, 0, 10) < 0 && errno == EOPNOTSUPP) {
        SKIP("no fallocate on this file system");
    }
    CHECK_EQ(fstat(fd, &st), 0);
    CHECK_EQ(st.st_size, 10);
    CHECK_EQ(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 8192), 0);
    CHECK_EQ(fstat(fd, &st), 0);
    CHECK_EQ(st.st_size, 10);
    CHECK_EQ(pwrite(fd, "abcdefgh", 8, 0), 8);
    CHECK_EQ(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 2, 2), 0);
    CHECK_EQ(pread(fd, buf, 4, 1), 4);
    CHECK(memcmp(buf, "b\0\0e", 4) == 0);
    CHECK_ERRNO(fallocate(fd, 0, -1, 10), EINVAL);
    CHECK_ERRNO(fallocate(fd, 0, 0, 0), EINVAL);
    CHECK_ERRNO(fallocate(fd, FALLOC_FL_PUNCH_HOLE, 0, 10), EOPNOTSUPP);
    CHECK_ERRNO(fallocate(fd, 0x4000, 0, 10), EOPNOTSUPP);
    CHECK_ERRNO(fallocate(fd, 0, INT64_MAX, 10), EFBIG);
    int ro = open("f", O_RDONLY), p[2];
    CHECK_ERRNO(fallocate(ro, 0, 0, 10), EBADF);
    CHECK_EQ(pipe(p), 0);
    CHECK_ERRNO(fallocate(p[1], 0, 0, 10), ESPIPE);
    CHECK_ERRNO(fallocate(999, 0, 0, 10), EBADF);
    return 0;
}
