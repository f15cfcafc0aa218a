/*
 * tee(2) duplicates without consuming; vmsplice(2) puts user memory into a pipe.
 */
#include "../compat.h"

#include <sys/uio.h>

int main(void)
{
    char buf[64];
    int a[2], b[2];
    CHECK_EQ(pipe(a), 0);
    CHECK_EQ(pipe(b), 0);
    CHECK_EQ(write(a[1], "hello world", 11), 11);
    CHECK_EQ(tee(a[0], b[1], 5, 0), 5);
    CHECK_EQ(read(b[0], buf, sizeof(buf)), 5);
    CHECK(memcmp(buf, "hello", 5) == 0);
    CHECK_EQ(tee(a[0], b[1], 100, 0), 11);
    CHECK_EQ(read(a[0], buf, sizeof(buf)), 11);
    CHECK(memcmp(buf, "hello world", 11) == 0);
    CHECK_EQ(read(b[0], buf, sizeof(buf)), 11);
    CHECK_ERRNO(tee(a[0], b[1], 5, SPLICE_F_NONBLOCK), EAGAIN);
    CHECK_ERRNO(tee(a[0], a[1], 5, 0), EINVAL);
    int null = open("/dev/null", O_RDWR);
    CHECK_ERRNO(tee(a[0], null, 5, 0), EINVAL);
    CHECK_ERRNO(tee(a[0], 999, 5, 0), EBADF);
    CHECK_EQ(close(a[1]), 0);
    CHECK_EQ(tee(a[0], b[1], 5, 0), 0);

    struct iovec iov[2] = {{"abc", 3}, {"defg", 4}};
    CHECK_EQ(vmsplice(b[1], iov, 2, 0), 7);
    CHECK_EQ(read(b[0], buf, sizeof(buf)), 7);
    CHECK(memcmp(buf, "abcdefg", 7) == 0);
    CHECK_ERRNO(vmsplice(null, iov, 2, 0), EBADF);
    return 0;
}
