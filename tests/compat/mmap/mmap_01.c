/*
 * mmap(2) of files: private copies, shared coherence with read and write, the zero tail of the last
 * page, survival of close and unlink.
 */
#include "../compat.h"

#include <sys/mman.h>

int main(void)
{
    char buf[8];
    compat_tmpdir();
    compat_file("f", "abcdefgh");
    int fd = open("f", O_RDWR);
    char *priv = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    char *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(priv != MAP_FAILED && shared != MAP_FAILED);
    CHECK(memcmp(priv, "abcdefgh\0\0", 10) == 0);
    priv[0] = 'X';
    CHECK_EQ(pread(fd, buf, 1, 0), 1);
    CHECK(buf[0] == 'a' && shared[0] == 'a');
    shared[1] = 'S';
    CHECK_EQ(pread(fd, buf, 2, 0), 2);
    CHECK(memcmp(buf, "aS", 2) == 0);
    CHECK_EQ(pwrite(fd, "W", 1, 2), 1);
    CHECK(shared[2] == 'W');
    CHECK_EQ(pwrite(fd, "tail", 4, 4096), 4);
    char *second = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 4096);
    CHECK(second != MAP_FAILED);
    CHECK(memcmp(second, "tail\0", 5) == 0);
    CHECK_EQ(close(fd), 0);
    CHECK_EQ(unlink("f"), 0);
    CHECK(shared[7] == 'h' && priv[0] == 'X');
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        shared[3] = 'C';
        priv[3] = 'C';
        _exit(0);
    }
    int status;
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK(shared[3] == 'C' && priv[3] == 'd');
    CHECK_EQ(msync(shared, 4096, MS_SYNC), 0);
    CHECK_EQ(munmap(shared, 4096), 0);
    return 0;
}
