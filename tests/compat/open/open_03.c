/*
 * open(2) O_TMPFILE: a file without a name, that linkat can name unless O_EXCL was given.
 */
#include "../compat.h"

int main(void)
{
    compat_tmpdir();
    int fd = open(".", O_TMPFILE | O_RDWR, 0600);
    if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR)) {
        SKIP("no O_TMPFILE on this file system");
    }
    CHECK(fd >= 0);
    struct stat st;
    CHECK_EQ(fstat(fd, &st), 0);
    CHECK_EQ(st.st_nlink, 0);
    CHECK_EQ(write(fd, "data", 4), 4);
    char proc[64];
    snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
    CHECK_EQ(linkat(AT_FDCWD, proc, AT_FDCWD, "named", AT_SYMLINK_FOLLOW), 0);
    CHECK(compat_file_is("named", "data"));
    CHECK_EQ(fstat(fd, &st), 0);
    CHECK_EQ(st.st_nlink, 1);
    CHECK_EQ(close(fd), 0);

    fd = open(".", O_TMPFILE | O_RDWR | O_EXCL, 0600);
    CHECK(fd >= 0);
    snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
    CHECK_ERRNO(linkat(AT_FDCWD, proc, AT_FDCWD, "never", AT_SYMLINK_FOLLOW), ENOENT);
    CHECK_EQ(close(fd), 0);
    CHECK_ERRNO(open(".", O_TMPFILE | O_RDONLY, 0600), EINVAL);
    return 0;
}
