/*
 * pread(2), pwrite: leave the position alone; ESPIPE on pipes, EINVAL below 0.
 */
#include "../compat.h"

int main(void)
{
    char buf[8];
    compat_tmpdir();
    compat_file("f", "abcdef");
    int fd = open("f", O_RDWR);
    CHECK_EQ(pread(fd, buf, 3, 2), 3);
    CHECK(memcmp(buf, "cde", 3) == 0);
    CHECK_EQ(pwrite(fd, "ZZ", 2, 5), 2);
    CHECK_EQ(lseek(fd, 0, SEEK_CUR), 0);
    CHECK(compat_file_is("f", "abcdeZZ"));
    CHECK_EQ(pread(fd, buf, 3, 100), 0);
    CHECK_ERRNO(pread(fd, buf, 3, -1), EINVAL);
    CHECK_ERRNO(pwrite(fd, buf, 3, -1), EINVAL);
    CHECK_ERRNO(pread(999, buf, 3, 0), EBADF);
    int p[2];
    CHECK_EQ(pipe(p), 0);
    CHECK_ERRNO(pread(p[0], buf, 1, 0), ESPIPE);
    CHECK_ERRNO(pwrite(p[1], buf, 1, 0), ESPIPE);
    int w = open("f", O_WRONLY);
    CHECK_ERRNO(pread(w, buf, 1, 0), EBADF);
    return 0;
}
