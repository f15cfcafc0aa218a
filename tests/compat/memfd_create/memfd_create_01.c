/*
 * memfd_create(2): a file without a name that reads, writes, maps and grows; seals.
 */
#include "../compat.h"

#include <sys/mman.h>

int main(void)
{
    char buf[64];
    int fd = memfd_create("thing", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    CHECK(fd >= 0);
    CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
    struct stat st;
    CHECK_EQ(fstat(fd, &st), 0);
    CHECK(S_ISREG(st.st_mode) && st.st_size == 0 && (st.st_mode & 0777) == 0777);
    char name[64];
    snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
    ssize_t n = readlink(name, buf, sizeof(buf));
    CHECK(n == 22 && memcmp(buf, "/memfd:thing (deleted)", 22) == 0);
    CHECK_EQ(write(fd, "hello", 5), 5);
    CHECK_EQ(ftruncate(fd, 8192), 0);
    char *p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(p != MAP_FAILED);
    CHECK(memcmp(p, "hello", 5) == 0);
    p[5] = '!';
    CHECK_EQ(pread(fd, buf, 8, 0), 8);
    CHECK(memcmp(buf, "hello!\0\0", 8) == 0);
    int again = open(name, O_RDWR);
    CHECK(again >= 0);
    CHECK_EQ(pread(again, buf, 6, 0), 6);

    CHECK_EQ(fcntl(fd, F_GET_SEALS), 0);
    CHECK_EQ(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
    CHECK_ERRNO(ftruncate(fd, 4096), EPERM);
    CHECK_EQ(ftruncate(fd, 12288), 0);
    CHECK_EQ(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW), 0);
    CHECK_ERRNO(ftruncate(fd, 16384), EPERM);
    CHECK_ERRNO(pwrite(fd, "x", 1, 12288), EPERM);
    CHECK_EQ(pwrite(fd, "x", 1, 12287), 1);
    CHECK_ERRNO(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), EBUSY);
    CHECK_EQ(munmap(p, 8192), 0);
    CHECK_EQ(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SEAL), 0);
    CHECK_ERRNO(write(fd, "x", 1), EPERM);
    CHECK_EQ(fcntl(fd, F_GET_SEALS), F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
    CHECK_ERRNO(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW), EPERM);
    CHECK(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED &&
          errno == EPERM);
    CHECK(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0) != MAP_FAILED);

    int plain = memfd_create("", 0);
    CHECK(plain >= 0);
    CHECK_EQ(fcntl(plain, F_GET_SEALS), F_SEAL_SEAL);
    CHECK_ERRNO(fcntl(plain, F_ADD_SEALS, F_SEAL_GROW), EPERM);
    CHECK_ERRNO(memfd_create("x", 0x100), EINVAL);
    memset(buf, 0, sizeof(buf));
    char big[300];
    memset(big, 'n', sizeof(big));
    big[250] = 0;
    CHECK_ERRNO(memfd_create(big, 0), EINVAL);
    big[249] = 0;
    CHECK(memfd_create(big, 0) >= 0);
    int p2[2];
    CHECK_EQ(pipe(p2), 0);
    CHECK_ERRNO(fcntl(p2[0], F_GET_SEALS), EINVAL);
    return 0;
}
