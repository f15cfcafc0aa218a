/*
 * readlink(2): the text without a NUL, cut to the buffer; EINVAL for other types and sizes;
 * /proc/self/fd and /proc/self/cwd.
 */
#include "../compat.h"

int main(void)
{
    char buf[PATH_MAX], top[PATH_MAX], want[PATH_MAX + 16];
    compat_tmpdir();
    CHECK(getcwd(top, sizeof(top)) != NULL);
    CHECK_EQ(symlink("some/target", "l"), 0);
    memset(buf, 'X', sizeof(buf));
    CHECK_EQ(readlink("l", buf, sizeof(buf)), 11);
    CHECK(memcmp(buf, "some/targetX", 12) == 0);
    CHECK_EQ(readlink("l", buf, 4), 4);
    compat_file("f", "");
    CHECK_ERRNO(readlink("f", buf, sizeof(buf)), EINVAL);
    CHECK_ERRNO(readlink("l", buf, 0), EINVAL);
    CHECK_ERRNO(readlink("none", buf, sizeof(buf)), ENOENT);
    CHECK_ERRNO(readlink("l/x", buf, sizeof(buf)), ENOENT);
    CHECK_ERRNO(readlink("l", (char *)8, 10), EFAULT);
    CHECK_ERRNO(symlink("", "empty"), ENOENT);
    CHECK_ERRNO(symlink("x", "f"), EEXIST);

    int fd = open("f", O_RDONLY);
    char name[64];
    snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
    ssize_t n = readlink(name, buf, sizeof(buf) - 1);
    CHECK(n > 0);
    buf[n] = 0;
    snprintf(want, sizeof(want), "%s/f", top);
    CHECK(strcmp(buf, want) == 0);
    CHECK_EQ(unlink("f"), 0);
    n = readlink(name, buf, sizeof(buf) - 1);
    CHECK(n > 0);
    buf[n] = 0;
    snprintf(want, sizeof(want), "%s/f (deleted)", top);
    CHECK(strcmp(buf, want) == 0);
    n = readlink("/proc/self/cwd", buf, sizeof(buf) - 1);
    CHECK(n == (ssize_t)strlen(top) && memcmp(buf, top, (size_t)n) == 0);
    return 0;
}
