/*
 * readv(2), writev(2): fill in order, empty elements count for nothing; counts and lengths are checked
 * before anything moves.
 */
#include "../compat.h"

#include <sys/uio.h>

int main(void)
{
    char a[4] = {0}, b[8] = {0};
    compat_tmpdir();
    int fd = open("f", O_RDWR | O_CREAT, 0644);
    CHECK(fd >= 0);
    struct iovec out[3] = {{"0123", 4}, {NULL, 0}, {"456789", 6}};
    CHECK_EQ(writev(fd, out, 3), 10);
    CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
    struct iovec in[3] = {{a, 3}, {NULL, 0}, {b, 8}};
    CHECK_EQ(readv(fd, in, 3), 10);
    CHECK(memcmp(a, "012", 3) == 0 && memcmp(b, "3456789", 7) == 0);
    CHECK_EQ(readv(fd, in, 3), 0);
    CHECK_EQ(writev(fd, out, 0), 0);
    CHECK_ERRNO(writev(fd, out, -1), EINVAL);
    CHECK_ERRNO(writev(fd, out, 1025), EINVAL);
    CHECK_ERRNO(writev(fd, (void *)1, 1), EFAULT);
    struct iovec bad[2] = {{a, 1}, {b, (size_t)-1}};
    CHECK_ERRNO(writev(fd, bad, 2), EINVAL);
    CHECK_ERRNO(writev(999, out, 3), EBADF);
    struct iovec fault[2] = {{a, 2}, {(void *)8, 4}};
    CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
    CHECK_EQ(readv(fd, fault, 2), 2);
    CHECK_EQ(lseek(fd, 0, SEEK_CUR), 2);

    CHECK_EQ(preadv(fd, in, 3, 5), 5);
    CHECK(memcmp(a, "567", 3) == 0);
    CHECK_EQ(lseek(fd, 0, SEEK_CUR), 2);
    CHECK_EQ(pwritev(fd, out, 3, 20), 10);
    CHECK_EQ(lseek(fd, 0, SEEK_END), 30);
    CHECK_ERRNO(preadv(fd, in, 3, -1), EINVAL);
    return 0;
}
