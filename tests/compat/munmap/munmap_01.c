/*
 * munmap(2), mprotect(2): partial ranges, alignment, holes.
 */
#include "../compat.h"

#include <sys/mman.h>

int main(void)
{
    char *p = mmap(NULL, 5 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int fd = open("/dev/zero", O_RDONLY);
    CHECK(p != MAP_FAILED && fd >= 0);
    CHECK_ERRNO(munmap(p + 1, 4096), EINVAL);
    CHECK_ERRNO(munmap(p, 0), EINVAL);
    CHECK_ERRNO(munmap((void *)-4096L, 4096), EINVAL);
    CHECK_EQ(munmap(p + 4096, 1), 0);    /* whole pages */
    CHECK_EQ(munmap(p + 4096, 4096), 0); /* nothing there: fine */
    CHECK_ERRNO(read(fd, p + 4096, 1), EFAULT);
    CHECK_EQ(read(fd, p, 1), 1);
    CHECK_EQ(read(fd, p + 8192, 1), 1);

    CHECK_EQ(mprotect(p + 8192, 4096, PROT_READ), 0);
    CHECK_ERRNO(read(fd, p + 8192, 1), EFAULT);
    CHECK_EQ(mprotect(p + 8192, 4096, PROT_READ | PROT_WRITE), 0);
    CHECK_EQ(read(fd, p + 8192, 1), 1);
    int pipe_fds[2];
    CHECK_EQ(pipe(pipe_fds), 0);
    CHECK_EQ(mprotect(p + 8192, 4096, PROT_WRITE), 0); /* reading comes with it on this CPU */
    CHECK_EQ(write(pipe_fds[1], p + 8192, 1), 1);
    CHECK_EQ(p[8192], 0);
    CHECK_ERRNO(mprotect(p, 3 * 4096, PROT_READ), ENOMEM); /* a hole */
    CHECK_ERRNO(mprotect(p + 1, 4096, PROT_READ), EINVAL);
    CHECK_ERRNO(mprotect(p, 4096, 0x100), EINVAL);
    CHECK_EQ(mprotect(p, 0, PROT_READ), 0);
    CHECK_ERRNO(mprotect(p, (size_t)-4096, PROT_READ), ENOMEM);
    return 0;
}
