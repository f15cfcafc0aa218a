/*
 * splice(2): file to pipe, pipe to pipe, pipe to file; offsets; EAGAIN, EINVAL, ESPIPE.
 */
#include "../compat.h"

int main(void)
{
    char buf[64];
    int a[2], b[2];
    compat_tmpdir();
    compat_file("in", "0123456789");
    int in = open("in", O_RDONLY), out = open("out", O_RDWR | O_CREAT, 0644);
    CHECK_EQ(pipe(a), 0);
    CHECK_EQ(pipe(b), 0);
    CHECK_EQ(splice(in, NULL, a[1], NULL, 4, 0), 4);
    CHECK_EQ(lseek(in, 0, SEEK_CUR), 4);
    off_t off = 7;
    CHECK_EQ(splice(in, &off, a[1], NULL, 100, 0), 3);
    CHECK_EQ(off, 10);
    CHECK_EQ(splice(a[0], NULL, b[1], NULL, 5, 0), 5);
    off = 2;
    CHECK_EQ(splice(b[0], NULL, out, &off, 100, 0), 5);
    CHECK_EQ(off, 7);
    CHECK_EQ(pread(out, buf, sizeof(buf), 0), 7);
    CHECK(memcmp(buf,
                 "\0\0"
                 "01237",
                 7) == 0);
    CHECK_EQ(read(a[0], buf, sizeof(buf)), 2);
    CHECK(memcmp(buf, "89", 2) == 0);

    CHECK_ERRNO(splice(a[0], NULL, out, NULL, 1, SPLICE_F_NONBLOCK), EAGAIN);
    CHECK_ERRNO(splice(in, NULL, out, NULL, 1, 0), EINVAL);
    CHECK_ERRNO(splice(a[0], &off, out, NULL, 1, 0), ESPIPE);
    CHECK_ERRNO(splice(a[0], NULL, a[1], NULL, 1, 0), EINVAL);
    CHECK_ERRNO(splice(a[0], NULL, out, NULL, 1, 0x100), EINVAL);
    CHECK_ERRNO(splice(a[1], NULL, out, NULL, 1, 0), EBADF);
    CHECK_EQ(splice(a[0], NULL, 999, NULL, 0, 0), 0);
    CHECK_EQ(close(a[1]), 0);
    CHECK_EQ(splice(a[0], NULL, out, NULL, 1, 0), 0);
    return 0;
}
