/*
 * copy_file_range(2): offsets and positions, the end of the input, overlap and mode errors.
 */
#include "../compat.h"

int main(void)
{
    compat_tmpdir();
    compat_file("in", "0123456789");
    int in = open("in", O_RDWR), out = open("out", O_RDWR | O_CREAT, 0644);
    CHECK_EQ(copy_file_range(in, NULL, out, NULL, 4, 0), 4);
    CHECK_EQ(lseek(in, 0, SEEK_CUR), 4);
    CHECK_EQ(lseek(out, 0, SEEK_CUR), 4);
    off_t from = 8, to = 4;
    CHECK_EQ(copy_file_range(in, &from, out, &to, 100, 0), 2);
    CHECK(from == 10 && to == 6);
    CHECK_EQ(lseek(in, 0, SEEK_CUR), 4);
    CHECK(compat_file_is("out", "012389"));
    CHECK_EQ(copy_file_range(in, &from, out, &to, 100, 0), 0);
    from = 0;
    to = 20;
    CHECK_EQ(copy_file_range(in, &from, in, &to, 5, 0), 5);
    from = 0;
    to = 2;
    CHECK_ERRNO(copy_file_range(in, &from, in, &to, 5, 0), EINVAL);
    CHECK_ERRNO(copy_file_range(in, &from, out, &to, 5, 1), EINVAL);
    CHECK_ERRNO(copy_file_range(999, NULL, out, NULL, 5, 0), EBADF);
    int ro = open("out", O_RDONLY), append = open("out", O_RDWR | O_APPEND),
        dir = open(".", O_RDONLY);
    CHECK_ERRNO(copy_file_range(in, NULL, ro, NULL, 5, 0), EBADF);
    CHECK_ERRNO(copy_file_range(in, NULL, append, NULL, 5, 0), EBADF);
    CHECK_ERRNO(copy_file_range(dir, NULL, out, NULL, 5, 0), EISDIR);
    return 0;
}
