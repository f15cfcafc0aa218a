/*
 * null(4), zero(4), full(4), random(4), and the names in /dev.
 * Claims: what each reads and takes; their numbers; /dev/zero maps as anonymous memory, private and shared, /dev/null not at
 * all; epoll refuses /dev/null, /dev/zero, /dev/full; seeks succeed; a large read of zeroes is whole; a bad buffer
 * gives EFAULT.
 */
#include "../compat.h"

#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>

#define BIG (3 << 20)

static int open_dev(const char *name, unsigned minor_number)
{
    struct stat st;
    int fd = open(name, O_RDWR);
    CHECK(fd >= 0);
    CHECK(fstat(fd, &st) == 0 && S_ISCHR(st.st_mode));
    CHECK_EQ(major(st.st_rdev), 1);
    CHECK_EQ(minor(st.st_rdev), minor_number);
    return fd;
}

int main(void)
{
    int null = open_dev("/dev/null", 3), zero = open_dev("/dev/zero", 5);
    int full = open_dev("/dev/full", 7), urandom = open_dev("/dev/urandom", 9);
    struct epoll_event e = {.events = EPOLLIN};
    int ep = epoll_create1(0);
    char a[64], b[64], *big = malloc(BIG), *m;

    CHECK_EQ(read(null, a, sizeof(a)), 0);
    CHECK_EQ(write(null, a, sizeof(a)), sizeof(a));
    CHECK_EQ(lseek(null, 5, SEEK_SET), 0);
    memset(big, 'x', BIG);
    CHECK_EQ(read(zero, big, BIG), BIG);
    for (size_t i = 0; i < BIG; i++) {
        CHECK(big[i] == 0);
    }
    CHECK_EQ(write(zero, big, BIG), BIG);
    CHECK_ERRNO(write(full, a, 1), ENOSPC);
    CHECK_EQ(read(full, a, sizeof(a)), sizeof(a));
    CHECK_EQ(read(urandom, a, sizeof(a)), sizeof(a));
    CHECK_EQ(read(urandom, b, sizeof(b)), sizeof(b));
    CHECK(memcmp(a, b, sizeof(a)) != 0);
    CHECK_EQ(read(urandom, big, BIG), BIG);
    CHECK_ERRNO(read(zero, (void *)8, 10), EFAULT);
    CHECK_ERRNO(read(urandom, (void *)8, 10), EFAULT);

    CHECK_ERRNO(epoll_ctl(ep, EPOLL_CTL_ADD, null, &e), EPERM);
    CHECK_ERRNO(epoll_ctl(ep, EPOLL_CTL_ADD, zero, &e), EPERM);
    m = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE, zero, 0);
    CHECK(m != MAP_FAILED && m[5000] == 0);
    m[5000] = 1;
    CHECK(munmap(m, 8192) == 0);
    m = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, zero, 0);
    CHECK(m != MAP_FAILED && m[5000] == 0);
    if (fork() == 0) {
        m[0] = 7;
        _exit(0);
    }
    wait(NULL);
    CHECK_EQ(m[0], 7);
    CHECK(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, null, 0) == MAP_FAILED && errno == ENODEV);
    CHECK(access("/dev/random", R_OK) == 0 && access("/dev/tty", F_OK) == 0);
    CHECK(readlink("/dev/fd", a, sizeof(a)) == 13 && memcmp(a, "/proc/self/fd", 13) == 0);
    return 0;
}
