/*
 * read(2) and the access time (relatime):
 * 1. The first read after a change is seen at once in st_atime, by name and by descriptor, however often that was asked before.
 * 2. A second one changes nothing.
 */
#include "../compat.h"

static struct timespec atime_of(int fd, const char *name)
{
    struct stat by_fd, by_name;
    CHECK(fstat(fd, &by_fd) == 0 && stat(name, &by_name) == 0);
    CHECK_EQ(by_fd.st_atim.tv_sec, by_name.st_atim.tv_sec);
    CHECK_EQ(by_fd.st_atim.tv_nsec, by_name.st_atim.tv_nsec);
    return by_fd.st_atim;
}

int main(void)
{
    compat_tmpdir();
    const struct timespec old[2] = {{1000000000, 5}, {1000000000, 5}};
    for (int i = 0; i < 50; i++) {
        char name[16], byte;
        snprintf(name, sizeof(name), "f%d", i);
        int fd = open(name, O_RDWR | O_CREAT, 0600);
        CHECK(fd >= 0);
        CHECK_EQ(write(fd, "abc", 3), 3);
        CHECK_EQ(futimens(fd, old), 0);
        CHECK_EQ(atime_of(fd, name).tv_sec, old[0].tv_sec);
        CHECK_EQ(i % 2 ? pread(fd, &byte, 1, 0) : lseek(fd, 0, SEEK_SET) + read(fd, &byte, 1), 1);
        struct timespec now = atime_of(fd, name);
        if (i == 0 && now.tv_sec == old[0].tv_sec) {
            SKIP("the file system keeps no access times");
        }
        CHECK(now.tv_sec > old[0].tv_sec);
        CHECK_EQ(pread(fd, &byte, 1, 0), 1);
        struct timespec again = atime_of(fd, name);
        CHECK(again.tv_sec == now.tv_sec && again.tv_nsec == now.tv_nsec);
        CHECK_EQ(close(fd), 0);
    }
    return 0;
}
