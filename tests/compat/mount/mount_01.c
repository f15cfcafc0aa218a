/*
 * mount(2) by the privileged: a fresh tmpfs covers a directory and goes away again; read-only remount;
 * bind mounts show the same files; errors, and EPERM for everybody else.
 */
#include "../compat.h"

#include <sched.h>
#include <sys/mount.h>

static int unprivileged(void)
{
    if (setresuid(12345, 12345, 12345) < 0) {
        return 77;
    }
    return mount("none", "m", "tmpfs", 0, NULL) == -1 && errno == EPERM ? 0 : 1;
}

int main(void)
{
    if (getuid() != 0) {
        SKIP("needs root");
    }
    if (unshare(CLONE_NEWNS) == 0) {
        mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL);
    } else if (errno != ENOSYS && errno != EPERM && errno != EINVAL) {
        CHECK(!"unshare");
    }
    compat_tmpdir();
    CHECK_EQ(chmod(".", 0755), 0);
    CHECK_EQ(mkdir("m", 0755), 0);
    compat_file("m/below", "below");
    int before = open("m", O_RDONLY | O_DIRECTORY);
    if (mount("none", "m", "tmpfs", MS_NOSUID, "size=1m,mode=0700") < 0 && errno == EPERM) {
        SKIP("not privileged enough to mount");
    }
    struct stat st, top;
    CHECK_EQ(stat("m", &st), 0);
    CHECK_EQ(stat(".", &top), 0);
    CHECK((st.st_mode & 07777) == 0700 && st.st_dev != top.st_dev);
    CHECK_ERRNO(access("m/below", F_OK), ENOENT);
    CHECK_EQ(faccessat(before, "below", F_OK, 0), 0);
    compat_file("m/above", "above");
    CHECK_EQ(stat("m/..", &st), 0);
    CHECK(st.st_ino == top.st_ino && st.st_dev == top.st_dev);
    CHECK_ERRNO(rmdir("m"), EBUSY);
    CHECK_ERRNO(rename("m/above", "elsewhere"), EXDEV);
    CHECK_ERRNO(link("m/above", "elsewhere"), EXDEV);

    CHECK_EQ(mkdir("b", 0755), 0);
    CHECK_EQ(mount("m", "b", NULL, MS_BIND, NULL), 0);
    CHECK(compat_file_is("b/above", "above"));
    CHECK_EQ(mount("none", "b", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL), 0);
    CHECK_ERRNO(open("b/above", O_WRONLY), EROFS);
    CHECK_ERRNO(mkdir("b/d", 0755), EROFS);
    CHECK_EQ(mkdir("m/d", 0755), 0);
    CHECK_EQ(umount("b"), 0);

    int busy = open("m/above", O_RDONLY);
    CHECK_ERRNO(umount("m"), EBUSY);
    CHECK_EQ(umount2("m", MNT_DETACH), 0);
    CHECK(compat_file_is("m/below", "below"));
    char c;
    CHECK_EQ(read(busy, &c, 1), 1);

    CHECK_ERRNO(umount("m"), EINVAL);
    CHECK_ERRNO(mount("none", "m", "nosuchfs", 0, NULL), ENODEV);
    CHECK_ERRNO(mount("none", "missing", "tmpfs", 0, NULL), ENOENT);
    CHECK_ERRNO(mount("none", "m/below", "tmpfs", 0, NULL), ENOTDIR);
    CHECK_ERRNO(mount("none", "m", "tmpfs", 0, "nonsense=1"), EINVAL);
    CHECK_ERRNO(umount2("m", 0x100), EINVAL);
    int r = compat_child(unprivileged);
    CHECK(r == 0 || r == 77);
    return 0;
}
