/*
 * chmod(2) and its relatives: all twelve bits, only for the owner; the group bit of a stranger's
 * group; sticky directories; fchmodat of links.
 */
#include "../compat.h"

#include <sys/syscall.h>

static int as_other(void)
{
    if (setresgid(12345, 12345, 12345) < 0 || setresuid(12345, 12345, 12345) < 0) {
        return 77;
    }
    if (chmod("f", 0777) != -1 || errno != EPERM || open("secret", O_RDONLY) != -1 ||
        errno != EACCES) {
        return 1;
    }
    if (unlink("sticky/f") != -1 || (errno != EPERM && errno != EACCES)) {
        return 2;
    }
    return rename("sticky/f", "sticky/g") == -1 ? 0 : 3;
}

int main(void)
{
    struct stat st;
    compat_tmpdir();
    CHECK_EQ(chmod(".", 0755), 0);
    compat_file("f", "");
    CHECK_EQ(chmod("f", 07777), 0);
    CHECK_EQ(stat("f", &st), 0);
    CHECK_EQ(st.st_mode, S_IFREG | 07777);
    int fd = open("f", O_RDONLY);
    CHECK_EQ(fchmod(fd, 0600), 0);
    CHECK_EQ(fstat(fd, &st), 0);
    CHECK_EQ(st.st_mode & 07777, 0600);
    CHECK_EQ(symlink("f", "l"), 0);
    CHECK_EQ(chmod("l", 0640), 0);
    CHECK_EQ(stat("f", &st), 0);
    CHECK_EQ(st.st_mode & 07777, 0640);
    CHECK_ERRNO(chmod("none", 0600), ENOENT);
    CHECK_ERRNO(fchmod(999, 0600), EBADF);
    CHECK_ERRNO(chmod("f/x", 0600), ENOTDIR);
    long r = syscall(452 /* fchmodat2 */, AT_FDCWD, "l", 0600, AT_SYMLINK_NOFOLLOW);
    CHECK(r == -1 && (errno == EOPNOTSUPP || errno == ENOSYS));
    if (getuid() == 0) {
        compat_file("secret", "");
        CHECK_EQ(chmod("secret", 0600), 0);
        CHECK_EQ(mkdir("sticky", 0777), 0);
        CHECK_EQ(chmod("sticky", 01777), 0);
        compat_file("sticky/f", "");
        r = compat_child(as_other);
        CHECK(r == 0 || r == 77);
    }
    return 0;
}
