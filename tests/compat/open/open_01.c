/*
 * open(2): the lowest free number; O_CREAT and O_EXCL; the errors of names.
 */
#include "../compat.h"

int main(void)
{
    compat_tmpdir();
    int a = open("f", O_RDWR | O_CREAT, 0640);
    CHECK(a >= 0);
    struct stat st;
    CHECK_EQ(fstat(a, &st), 0);
    CHECK(S_ISREG(st.st_mode) && (st.st_mode & 0777) == (0640 & ~022));
    int b = open("f", O_RDONLY);
    CHECK_EQ(b, a + 1);
    CHECK_EQ(close(a), 0);
    CHECK_EQ(open("f", O_RDONLY), a);

    CHECK_ERRNO(open("f", O_RDWR | O_CREAT | O_EXCL, 0644), EEXIST);
    CHECK_ERRNO(open("none", O_RDONLY), ENOENT);
    CHECK_ERRNO(open("", O_RDONLY), ENOENT);
    CHECK_ERRNO(open("none/f", O_RDWR | O_CREAT, 0644), ENOENT);
    CHECK_ERRNO(open("f/x", O_RDONLY), ENOTDIR);
    CHECK_ERRNO(open("f", O_RDONLY | O_DIRECTORY), ENOTDIR);
    CHECK_ERRNO(open(".", O_RDWR), EISDIR);
    CHECK_ERRNO(open(".", O_WRONLY), EISDIR);
    CHECK_ERRNO(open("new/", O_RDWR | O_CREAT, 0644), EISDIR);
    CHECK_ERRNO(open((const char *)1, O_RDONLY), EFAULT);
    char name[PATH_MAX + 10];
    memset(name, 'n', sizeof(name));
    name[256] = 0;
    CHECK_ERRNO(open(name, O_RDONLY), ENAMETOOLONG);
    memset(name, '/', sizeof(name));
    name[PATH_MAX] = 0;
    CHECK_ERRNO(open(name, O_RDONLY), ENAMETOOLONG);
    /* EXCL meets a dangling link, which a plain create would follow */
    CHECK_EQ(symlink("target", "link"), 0);
    CHECK_ERRNO(open("link", O_RDWR | O_CREAT | O_EXCL, 0644), EEXIST);
    CHECK_ERRNO(open("link", O_RDONLY | O_NOFOLLOW), ELOOP);
    int c = open("link", O_RDWR | O_CREAT, 0644);
    CHECK(c >= 0);
    CHECK_EQ(access("target", F_OK), 0);
    return 0;
}
