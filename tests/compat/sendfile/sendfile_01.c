/*
 * sendfile(2): from a file to a pipe and a file, with and without an offset variable; which position
 * moves; errors.
 */
#include "../compat.h"

#include <sys/sendfile.h>

int main(void)
{
    char buf[32];
    compat_tmpdir();
    compat_file("in", "0123456789");
    int in = open("in", O_RDONLY), out = open("out", O_RDWR | O_CREAT, 0644), p[2];
    CHECK(in >= 0 && out >= 0);
    CHECK_EQ(pipe(p), 0);
    CHECK_EQ(sendfile(out, in, NULL, 4), 4);
    CHECK_EQ(lseek(in, 0, SEEK_CUR), 4);
    off_t off = 8;
    CHECK_EQ(sendfile(out, in, &off, 100), 2);
    CHECK_EQ(off, 10);
    CHECK_EQ(lseek(in, 0, SEEK_CUR), 4);
    CHECK_EQ(sendfile(out, in, &off, 100), 0);
    CHECK(compat_file_is("out", "012389"));
    CHECK_EQ(lseek(out, 0, SEEK_CUR), 6);
    CHECK_EQ(sendfile(p[1], in, NULL, 100), 6);
    CHECK_EQ(read(p[0], buf, sizeof(buf)), 6);
    CHECK(memcmp(buf, "456789", 6) == 0);

    CHECK_ERRNO(sendfile(in, in, NULL, 1), EBADF);
    CHECK_ERRNO(sendfile(out, 999, NULL, 1), EBADF);
    CHECK_ERRNO(sendfile(999, in, NULL, 1), EBADF);
    off = -1;
    CHECK_ERRNO(sendfile(out, in, &off, 1), EINVAL);
    off = 0;
    CHECK_ERRNO(sendfile(out, p[0], &off, 1), ESPIPE);
    CHECK_ERRNO(sendfile(out, in, (off_t *)8, 1), EFAULT);
    int append = open("out", O_WRONLY | O_APPEND);
    CHECK_ERRNO(sendfile(append, in, &off, 1), EINVAL);
    int dir = open(".", O_RDONLY | O_DIRECTORY);
    CHECK_ERRNO(sendfile(out, dir, NULL, 1), EINVAL);
    CHECK_EQ(sendfile(out, dir, NULL, 0), 0); /* it is only found out by reading */
    CHECK_ERRNO(sendfile(append, dir, NULL, 0), EINVAL);
    close(dir);
    CHECK(mkfifo("fifo", 0600) == 0);
    int fifo = open("fifo", O_RDWR | O_APPEND); /* a pipe always appends */
    CHECK(sendfile(fifo, in, &off, 1) == 1 && sendfile(fifo, in, &off, 0) == 0);
    return 0;
}
