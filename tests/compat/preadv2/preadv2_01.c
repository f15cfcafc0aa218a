/*
 * preadv2(2), pwritev2: offset -1 is the file's own position; RWF_APPEND and RWF_DSYNC work; unknown
 * flags are EOPNOTSUPP.
 */
#include "../compat.h"

#include <sys/uio.h>

int main(void)
{
    char buf[8] = {0};
    compat_tmpdir();
    compat_file("f", "abcdef");
    int fd = open("f", O_RDWR);
    struct iovec in = {buf, 2}, out = {"XY", 2};
    CHECK_EQ(preadv2(fd, &in, 1, -1, 0), 2);
    CHECK_EQ(preadv2(fd, &in, 1, -1, 0), 2);
    CHECK(memcmp(buf, "cd", 2) == 0);
    CHECK_EQ(preadv2(fd, &in, 1, 0, 0), 2);
    CHECK(memcmp(buf, "ab", 2) == 0);
    CHECK_EQ(lseek(fd, 0, SEEK_CUR), 4);
    CHECK_EQ(pwritev2(fd, &out, 1, 0, RWF_DSYNC), 2);
    CHECK_EQ(pwritev2(fd, &out, 1, 0, RWF_APPEND), 2);
    CHECK(compat_file_is("f", "XYcdefXY"));
    CHECK_ERRNO(preadv2(fd, &in, 1, 0, 0x4000), EOPNOTSUPP);
    CHECK_ERRNO(preadv2(fd, &in, 1, -2, 0), EINVAL);
    int p[2];
    CHECK_EQ(pipe(p), 0);
    CHECK_ERRNO(preadv2(p[0], &in, 1, 0, 0), ESPIPE);
    CHECK_EQ(pwritev2(p[1], &out, 1, -1, 0), 2);
    CHECK_EQ(preadv2(p[0], &in, 1, -1, 0), 2);
    return 0;
}
