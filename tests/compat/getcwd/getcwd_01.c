/*
 * getcwd(2), chdir(2), fchdir(2): names follow renames; ERANGE, ENOENT once deleted, ENOTDIR.
 */
#include "../compat.h"

#include <sys/syscall.h>

static long cwd(char *buf, size_t size)
{
    return syscall(SYS_getcwd, buf, size);
}

int main(void)
{
    char buf[PATH_MAX], top[PATH_MAX], want[PATH_MAX + 16];
    compat_tmpdir();
    CHECK(getcwd(top, sizeof(top)) != NULL);
    CHECK_EQ(mkdir("d", 0755), 0);
    CHECK_EQ(chdir("d"), 0);
    snprintf(want, sizeof(want), "%s/d", top);
    CHECK_EQ(cwd(buf, sizeof(buf)), strlen(want) + 1);
    CHECK(strcmp(buf, want) == 0);
    CHECK_EQ(rename("../d", "../e"), 0);
    snprintf(want, sizeof(want), "%s/e", top);
    CHECK_EQ(cwd(buf, strlen(want) + 1), strlen(want) + 1);
    CHECK(strcmp(buf, want) == 0);
    CHECK_ERRNO(cwd(buf, strlen(want)), ERANGE);
    CHECK_ERRNO(cwd((char *)8, 4096), EFAULT);
    int here = open(".", O_PATH);
    CHECK_EQ(rmdir("../e"), 0);
    CHECK_ERRNO(cwd(buf, sizeof(buf)), ENOENT);
    CHECK_ERRNO(open("new", O_CREAT | O_WRONLY, 0644), ENOENT);
    CHECK_EQ(chdir("."), 0);
    CHECK_EQ(fchdir(here), 0);
    CHECK_EQ(chdir(top), 0);
    compat_file("f", "");
    CHECK_ERRNO(chdir("f"), ENOTDIR);
    CHECK_ERRNO(chdir("none"), ENOENT);
    int f = open("f", O_RDONLY);
    CHECK_ERRNO(fchdir(f), ENOTDIR);
    CHECK_ERRNO(fchdir(999), EBADF);
    return 0;
}
