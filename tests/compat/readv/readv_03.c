/*
 * readv(2), writev(2): a descriptor that is not open for it is EBADF, however bad the vector is.
 */
#include "../compat.h"

#include <sys/uio.h>

int main(void)
{
    struct iovec iov = {.iov_base = &iov, .iov_len = (size_t)-1};
    int p[2];
    CHECK_EQ(pipe(p), 0);
    CHECK_ERRNO(readv(p[1], &iov, -1), EBADF);
    CHECK_ERRNO(readv(p[1], &iov, IOV_MAX + 1), EBADF);
    CHECK_ERRNO(readv(p[1], NULL, 1), EBADF);
    CHECK_ERRNO(readv(p[1], &iov, 1), EBADF);
    CHECK_ERRNO(writev(p[0], &iov, -1), EBADF);
    CHECK_ERRNO(writev(p[0], NULL, 1), EBADF);
    CHECK_ERRNO(writev(p[0], NULL, 0), EBADF);
    CHECK_ERRNO(readv(p[0], &iov, -1), EINVAL);
    CHECK_ERRNO(writev(p[1], NULL, 1), EFAULT);
    int fd = open("/", O_RDONLY | O_DIRECTORY);
    CHECK_ERRNO(writev(fd, NULL, 1), EBADF);
    CHECK_ERRNO(pwritev2(fd, NULL, 1, 0, 0), EBADF);
    return 0;
}
