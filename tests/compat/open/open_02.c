/*
 * open(2): O_TRUNC empties, O_APPEND writes at the end whatever the position, O_PATH gives a handle
 * that does no I/O; F_GETFL shows what was asked for.
 */
#include "../compat.h"

int main(void)
{
    char buf[16];
    compat_tmpdir();
    compat_file("f", "hello");
    int fd = open("f", O_RDWR | O_APPEND);
    CHECK(fd >= 0);
    CHECK_EQ(fcntl(fd, F_GETFL) & (O_ACCMODE | O_APPEND), O_RDWR | O_APPEND);
    CHECK_EQ(fcntl(fd, F_GETFL) & 0100000, 0100000);
    CHECK_EQ(fcntl(fd, F_GETFL) & (O_CREAT | O_TRUNC | O_CLOEXEC), 0);
    CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
    CHECK_EQ(write(fd, "+1", 2), 2);
    CHECK_EQ(lseek(fd, 0, SEEK_CUR), 7);
    CHECK(compat_file_is("f", "hello+1"));
    /* pwrite on an O_APPEND file appends, too: a documented bug of Linux */
    CHECK_EQ(pwrite(fd, "+2", 2, 0), 2);
    CHECK(compat_file_is("f", "hello+1+2"));
    CHECK_EQ(close(fd), 0);

    fd = open("f", O_WRONLY | O_TRUNC);
    CHECK(fd >= 0);
    struct stat st;
    CHECK_EQ(fstat(fd, &st), 0);
    CHECK_EQ(st.st_size, 0);
    CHECK_ERRNO(read(fd, buf, 1), EBADF);
    CHECK_EQ(close(fd), 0);

    fd = open("f", O_RDONLY);
    CHECK_ERRNO(write(fd, buf, 1), EBADF);
    CHECK_EQ(close(fd), 0);

    fd = open("f", O_PATH | O_RDWR);
    CHECK(fd >= 0);
    CHECK_EQ(fcntl(fd, F_GETFL) & O_PATH, O_PATH);
    CHECK_EQ(fstat(fd, &st), 0);
    CHECK_ERRNO(read(fd, buf, 1), EBADF);
    CHECK_ERRNO(fchmod(fd, 0600), EBADF);
    CHECK_ERRNO(fcntl(fd, F_SETFL, 0), EBADF);
    CHECK_EQ(close(fd), 0);
    CHECK_EQ(symlink("f", "l"), 0);
    fd = open("l", O_PATH | O_NOFOLLOW);
    CHECK(fd >= 0);
    CHECK_EQ(fstat(fd, &st), 0);
    CHECK(S_ISLNK(st.st_mode));
    CHECK_EQ(readlinkat(fd, "", buf, sizeof(buf)), 1);
    return 0;
}
