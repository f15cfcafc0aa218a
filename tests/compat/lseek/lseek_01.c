/*
 * lseek(2): all origins, positions beyond the end, SEEK_DATA and SEEK_HOLE, errors.
 */
#include "../compat.h"

int main(void)
{
    compat_tmpdir();
    compat_file("f", "0123456789");
    int fd = open("f", O_RDWR);
    CHECK_EQ(lseek(fd, 3, SEEK_SET), 3);
    CHECK_EQ(lseek(fd, 3, SEEK_CUR), 6);
    CHECK_EQ(lseek(fd, -1, SEEK_END), 9);
    CHECK_EQ(lseek(fd, 100, SEEK_END), 110);
    CHECK_EQ(lseek(fd, 0, SEEK_CUR), 110);
    CHECK_ERRNO(lseek(fd, -1, SEEK_SET), EINVAL);
    CHECK_ERRNO(lseek(fd, -111, SEEK_CUR), EINVAL);
    CHECK_EQ(lseek(fd, 0, SEEK_CUR), 110);
    CHECK_ERRNO(lseek(fd, 0, 77), EINVAL);
    CHECK_ERRNO(lseek(999, 0, SEEK_SET), EBADF);
    int p[2];
    CHECK_EQ(pipe(p), 0);
    CHECK_ERRNO(lseek(p[0], 0, SEEK_CUR), ESPIPE);

    CHECK_EQ(lseek(fd, 0, SEEK_DATA), 0);
    off_t hole = lseek(fd, 0, SEEK_HOLE);
    CHECK(hole == 10); /* the end is a hole */
    CHECK_ERRNO(lseek(fd, 10, SEEK_DATA), ENXIO);
    CHECK_ERRNO(lseek(fd, 10, SEEK_HOLE), ENXIO);
    CHECK_EQ(lseek(fd, 4, SEEK_DATA), 4);
    return 0;
}
