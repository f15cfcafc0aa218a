/*
 * chroot(2): absolute names and ".." stop at the new root; needs a privilege.
 */
#include "../compat.h"

static int unprivileged(void)
{
    if (setresuid(12345, 12345, 12345) < 0) {
        return 77;
    }
    return chroot(".") == -1 && errno == EPERM ? 0 : 1;
}

static int inside(void)
{
    struct stat root, up;
    char buf[64];
    if (chroot("jail") < 0) {
        return 77;
    }
    /* the working directory is still outside */
    if (access("outside", F_OK) != 0 || chdir("/") != 0 || access("f", F_OK) != 0) {
        return 1;
    }
    if (stat("/", &root) != 0 || stat("/../..", &up) != 0 || root.st_ino != up.st_ino) {
        return 2;
    }
    if (getcwd(buf, sizeof(buf)) == NULL || strcmp(buf, "/") != 0 ||
        access("/outside", F_OK) == 0) {
        return 3;
    }
    return access("/link", F_OK) == 0 ? 0 : 4; /* an absolute link starts at the new root */
}

int main(void)
{
    compat_tmpdir();
    CHECK_EQ(chmod(".", 0755), 0);
    CHECK_EQ(mkdir("jail", 0755), 0);
    compat_file("jail/f", "");
    compat_file("outside", "");
    CHECK_EQ(symlink("/f", "jail/link"), 0);
    CHECK_ERRNO(chroot("none"), ENOENT);
    CHECK_ERRNO(chroot("outside"), ENOTDIR);
    if (getuid() != 0) {
        SKIP("the rest needs root");
    }
    int r = compat_child(unprivileged);
    CHECK(r == 0 || r == 77);
    r = compat_child(inside);
    CHECK(r == 0 || r == 77);
    return 0;
}
