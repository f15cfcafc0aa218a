/*
 * fcntl(2): F_GET_RW_HINT and F_SET_RW_HINT keep a hint for each file, whoever has it open; F_CREATED_QUERY says whether this open made
 * the file; F_GETOWNER_UIDS who named the owner; F_OFD_GETLK with F_UNLCK finds the description's own locks.
 */
#include "../compat.h"

#include <sys/mman.h>

#ifndef F_CREATED_QUERY
#define F_CREATED_QUERY 1028
#endif
#define GETOWNER_UIDS 17

static long get_hint(int fd)
{
    uint64_t hint = 99;
    CHECK_EQ(fcntl(fd, F_GET_RW_HINT, &hint), 0);
    return (long)hint;
}

static int set_hint(int fd, uint64_t hint)
{
    return fcntl(fd, F_SET_RW_HINT, &hint);
}

static void hints(void)
{
    int p[2], fd = open("f", O_RDWR), other = open("f", O_RDONLY), path = open("f", O_PATH);
    CHECK_EQ(get_hint(fd), RWH_WRITE_LIFE_NOT_SET);
    CHECK_EQ(set_hint(fd, RWH_WRITE_LIFE_MEDIUM), 0);
    CHECK_EQ(get_hint(other), RWH_WRITE_LIFE_MEDIUM);
    CHECK_EQ(set_hint(other, RWH_WRITE_LIFE_EXTREME), 0);
    CHECK_EQ(get_hint(fd), RWH_WRITE_LIFE_EXTREME);
    CHECK_ERRNO(set_hint(fd, RWH_WRITE_LIFE_EXTREME + 1), EINVAL);
    CHECK_ERRNO(set_hint(fd, 1ULL << 32), EINVAL);
    CHECK_ERRNO(fcntl(fd, F_GET_RW_HINT, 8), EFAULT);
    CHECK_ERRNO(fcntl(fd, F_SET_RW_HINT, 8), EFAULT);
    CHECK_ERRNO(fcntl(path, F_GET_RW_HINT, 8), EBADF);
    CHECK_ERRNO(fcntl(fd, F_GET_FILE_RW_HINT, 8), EINVAL);
    CHECK_ERRNO(fcntl(fd, F_SET_FILE_RW_HINT, 8), EINVAL);
    CHECK_EQ(pipe(p), 0);
    CHECK_EQ(set_hint(p[1], RWH_WRITE_LIFE_SHORT), 0);
    CHECK_EQ(get_hint(p[0]), RWH_WRITE_LIFE_SHORT);
    if (geteuid() == 0) {
        pid_t pid = fork();
        if (pid == 0) {
            CHECK_EQ(setuid(12345), 0);
            CHECK_ERRNO(fcntl(fd, F_SET_RW_HINT, 8), EPERM);
            CHECK_EQ(get_hint(fd), RWH_WRITE_LIFE_EXTREME);
            _exit(0);
        }
        int status;
        CHECK_EQ(waitpid(pid, &status, 0), pid);
        CHECK_EQ(status, 0);
    }
}

static void created(void)
{
    char name[16];
    for (int i = 0; i < 20; i++) {
        snprintf(name, sizeof(name), "new%d", i);
        int fd = open(name, O_RDWR | O_CREAT, 0600), again = open(name, O_RDWR | O_CREAT, 0600);
        CHECK_EQ(fcntl(fd, F_CREATED_QUERY), 1);
        CHECK_EQ(fcntl(again, F_CREATED_QUERY), 0);
        CHECK_EQ(fcntl(fd, F_CREATED_QUERY), 1);
        close(fd);
        close(again);
    }
    CHECK_EQ(fcntl(open("new0", O_PATH), F_CREATED_QUERY), 0);
    CHECK_EQ(fcntl(memfd_create("m", 0), F_CREATED_QUERY), 0);
}

static void locks(void)
{
    int fd = open("f", O_RDWR), other = open("f", O_RDWR);
    struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 2, .l_len = 3};
    CHECK_EQ(fcntl(fd, F_OFD_SETLK, &l), 0);
    l = (struct flock){.l_type = F_UNLCK, .l_whence = SEEK_SET};
    CHECK_EQ(fcntl(fd, F_OFD_GETLK, &l), 0);
    CHECK(l.l_type == F_WRLCK && l.l_start == 2 && l.l_len == 3 && l.l_pid == -1);
    l = (struct flock){.l_type = F_UNLCK, .l_whence = SEEK_SET, .l_start = 5};
    CHECK_EQ(fcntl(fd, F_OFD_GETLK, &l), 0);
    CHECK_EQ(l.l_type, F_UNLCK);
    l = (struct flock){.l_type = F_UNLCK, .l_whence = SEEK_SET};
    CHECK_EQ(fcntl(other, F_OFD_GETLK, &l), 0);
    CHECK_EQ(l.l_type, F_UNLCK);
    CHECK_ERRNO(fcntl(fd, F_GETLK, &l), EINVAL);
}

int main(void)
{
    uint32_t uids[2] = {99, 99};
    compat_tmpdir();
    compat_file("f", "0123456789");
    hints();
    int fd = open("f", O_RDWR);
    CHECK_EQ(fcntl(fd, F_SETOWN, getpid()), 0);
    CHECK_EQ(fcntl(fd, GETOWNER_UIDS, uids), 0);
    CHECK_EQ(uids[0], getuid());
    CHECK_EQ(uids[1], geteuid());
    CHECK_ERRNO(fcntl(fd, GETOWNER_UIDS, 8), EFAULT);
    if (compat_linux(6, 12)) {
        created();
    }
    if (compat_linux(6, 6)) {
        locks();
    }
    return 0;
}
