/*
 * dup(2), dup2, dup3: share position and status flags but not close-on-exec; dup2 onto itself is a
 * no-op, dup3 refuses it; RLIMIT_NOFILE bounds the numbers.
 */
#include "../compat.h"

#include <sys/resource.h>

int main(void)
{
    char buf[4];
    compat_tmpdir();
    compat_file("f", "abcdef");
    int a = open("f", O_RDONLY | O_CLOEXEC);
    CHECK(a >= 0);
    int b = dup(a);
    CHECK(b == a + 1);
    CHECK_EQ(fcntl(a, F_GETFD), FD_CLOEXEC);
    CHECK_EQ(fcntl(b, F_GETFD), 0);
    CHECK_EQ(read(a, buf, 2), 2);
    CHECK_EQ(lseek(b, 0, SEEK_CUR), 2);
    CHECK_EQ(fcntl(b, F_SETFL, O_NONBLOCK), 0);
    CHECK(fcntl(a, F_GETFL) & O_NONBLOCK);

    CHECK_EQ(dup2(a, 100), 100);
    CHECK_EQ(fcntl(100, F_GETFD), 0);
    CHECK_EQ(dup2(a, a), a);
    CHECK_EQ(fcntl(a, F_GETFD), FD_CLOEXEC);
    CHECK_EQ(dup3(a, 101, O_CLOEXEC), 101);
    CHECK_EQ(fcntl(101, F_GETFD), FD_CLOEXEC);
    CHECK_ERRNO(dup3(a, a, 0), EINVAL);
    CHECK_ERRNO(dup3(a, 102, O_APPEND), EINVAL);
    CHECK_ERRNO(dup2(55, 56), EBADF);
    CHECK_ERRNO(dup2(55, 55), EBADF);
    CHECK_ERRNO(dup2(a, -1), EBADF);
    CHECK_ERRNO(dup(77), EBADF);

    struct rlimit rl;
    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &rl), 0);
    rl.rlim_cur = 64;
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &rl), 0);
    CHECK_ERRNO(dup2(a, 64), EBADF);
    CHECK_EQ(dup2(a, 63), 63);
    CHECK_ERRNO(fcntl(a, F_DUPFD, 64), EINVAL);
    CHECK_ERRNO(fcntl(a, F_DUPFD, 63), EMFILE);
    while (dup(a) >= 0) {
    }
    CHECK(errno == EMFILE);
    CHECK_ERRNO(open("f", O_RDONLY), EMFILE);
    CHECK_EQ(close(101), 0); /* numbers above the limit stay open */
    return 0;
}
