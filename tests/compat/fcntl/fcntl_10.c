/*
 * Claims: close-on-exec is kept when other flags of a descriptor change: of files and directories that were opened, made and copied one after
 * another, in a process that often asks for such flags.
 */
#include "tests/compat/compat.h"

#include <dirent.h>
#include <stdbool.h>

#define ROUNDS 30

static void keeps(int fd, bool cloexec)
{
    int flags = fcntl(fd, F_GETFL);
    CHECK(fd >= 0);
    CHECK_EQ(fcntl(fd, F_SETFL, flags | O_NONBLOCK), 0);
    CHECK_EQ(fcntl(fd, F_GETFD), cloexec ? FD_CLOEXEC : 0);
    CHECK_EQ(fcntl(fd, F_SETFL, flags), 0);
    CHECK_EQ(fcntl(fd, F_GETFD), cloexec ? FD_CLOEXEC : 0);
}

static void opened(const char *dir, bool each)
{
    DIR *d = opendir(dir);
    CHECK(d != NULL);
    for (struct dirent *e; (e = readdir(d));) {
        if (e->d_type == DT_REG) {
            int fd = openat(dirfd(d), each ? e->d_name : "errno.h", O_RDONLY | O_CLOEXEC);
            char byte;
            if (fd >= 0) {
                CHECK(read(fd, &byte, 1) >= 0);
                keeps(fd, true);
                CHECK_EQ(close(fd), 0);
            }
        }
    }
    CHECK_EQ(closedir(d), 0);
}

static void copied(void)
{
    for (int i = 0; i < ROUNDS; i++) {
        int fd = open("/usr", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        int copy = fcntl(fd, F_DUPFD_CLOEXEC, 10);
        keeps(copy, true);
        CHECK_EQ(close(fd), 0);
        CHECK_EQ(close(copy), 0);
    }
}

static void made(void)
{
    char name[20];
    for (int i = 0; i < ROUNDS; i++) {
        (void)snprintf(name, sizeof(name), "file-%d", i);
        int flags = i % 3 ? O_CLOEXEC : 0,
            fd = open(name, O_WRONLY | O_CREAT | O_EXCL | flags, 0644);
        CHECK(write(fd, "x", 1) == 1);
        keeps(fd, flags);
        CHECK_EQ(close(fd), 0);
    }
}

int main(void)
{
    compat_tmpdir();
    for (int i = 0; i < ROUNDS; i++) { /* so it will ask again */
        CHECK_EQ(fcntl(0, F_GETFD), 0);
    }
    for (int i = 0; i < 3; i++) {
        opened("/usr/include", true);
        opened("/usr/include", false);
    }
    copied();
    made();
    return 0;
}
