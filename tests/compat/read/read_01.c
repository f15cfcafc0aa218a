/*
 * read(2): short at the end, 0 beyond it, EISDIR, EBADF, EFAULT; a fault in the middle of the
 * buffer gives what fitted before it.
 */
#include "../compat.h"

#include <sys/mman.h>

int main(void)
{
    char buf[16];
    compat_tmpdir();
    compat_file("f", "0123456789");
    int fd = open("f", O_RDONLY);
    CHECK(fd >= 0);
    CHECK_EQ(read(fd, buf, 4), 4);
    CHECK(memcmp(buf, "0123", 4) == 0);
    CHECK_EQ(read(fd, buf, 0), 0);
    CHECK_EQ(read(fd, buf, 16), 6);
    CHECK_EQ(read(fd, buf, 16), 0);
    CHECK_EQ(lseek(fd, 100, SEEK_SET), 100);
    CHECK_EQ(read(fd, buf, 16), 0);

    CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
    CHECK_ERRNO(read(fd, (void *)8, 4), EFAULT);
    CHECK_ERRNO(read(fd, buf, (size_t)-1), EFAULT);
    CHECK_EQ(lseek(fd, 0, SEEK_CUR), 0);
    char *p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(p != MAP_FAILED);
    CHECK_EQ(munmap(p + 4096, 4096), 0);
    CHECK_EQ(read(fd, p + 4096 - 4, 10), 4);
    CHECK(memcmp(p + 4092, "0123", 4) == 0);

    int dir = open(".", O_RDONLY);
    CHECK_ERRNO(read(dir, buf, 1), EISDIR);
    CHECK_ERRNO(read(999, buf, 1), EBADF);
    CHECK_ERRNO(read(-1, buf, 1), EBADF);
    return 0;
}
