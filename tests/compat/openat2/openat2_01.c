/*
 * openat2(2): strict about flags, mode and size; RESOLVE_BENEATH, RESOLVE_IN_ROOT and
 * RESOLVE_NO_SYMLINKS bound the walk.
 */
#include "../compat.h"

#include <linux/openat2.h>
#include <sys/syscall.h>

static long open2(int dirfd, const char *name, uint64_t flags, uint64_t mode, uint64_t resolve)
{
    struct open_how how = {.flags = flags, .mode = mode, .resolve = resolve};
    return syscall(SYS_openat2, dirfd, name, &how, sizeof(how));
}

int main(void)
{
    compat_tmpdir();
    if (open2(AT_FDCWD, ".", O_RDONLY, 0, 0) < 0 && errno == ENOSYS) {
        SKIP("no openat2");
    }
    CHECK_EQ(mkdir("d", 0755), 0);
    compat_file("out", "out");
    compat_file("d/in", "in");
    CHECK_EQ(symlink("in", "d/link"), 0);
    CHECK_EQ(symlink("../out", "d/escape"), 0);
    CHECK_EQ(symlink("/in", "d/absolute"), 0);
    int d = open("d", O_RDONLY | O_DIRECTORY);
    CHECK(d >= 0);

    CHECK(open2(d, "in", O_RDONLY, 0, RESOLVE_BENEATH) >= 0);
    CHECK(open2(d, "link", O_RDONLY, 0, RESOLVE_BENEATH) >= 0);
    CHECK_ERRNO(open2(d, "../out", O_RDONLY, 0, RESOLVE_BENEATH), EXDEV);
    CHECK_ERRNO(open2(d, "escape", O_RDONLY, 0, RESOLVE_BENEATH), EXDEV);
    CHECK_ERRNO(open2(d, "/etc/passwd", O_RDONLY, 0, RESOLVE_BENEATH), EXDEV);
    CHECK_ERRNO(open2(d, "absolute", O_RDONLY, 0, RESOLVE_BENEATH), EXDEV);
    CHECK(open2(d, "absolute", O_RDONLY, 0, RESOLVE_IN_ROOT) >= 0);
    CHECK_ERRNO(open2(d, "../out", O_RDONLY, 0, RESOLVE_IN_ROOT), ENOENT);
    CHECK_ERRNO(open2(d, "link", O_RDONLY, 0, RESOLVE_NO_SYMLINKS), ELOOP);

    CHECK_ERRNO(open2(d, "in", 1ULL << 40, 0, 0), EINVAL);
    CHECK_ERRNO(open2(d, "in", O_RDONLY, 0644, 0), EINVAL);
    CHECK_ERRNO(open2(d, "new", O_RDWR | O_CREAT, 010000, 0), EINVAL);
    CHECK_ERRNO(open2(d, "in", O_RDONLY, 0, 1 << 20), EINVAL);
    CHECK_ERRNO(open2(d, "in", O_RDONLY, 0, RESOLVE_BENEATH | RESOLVE_IN_ROOT), EINVAL);
    CHECK_ERRNO(open2(d, "in", O_PATH | O_RDWR, 0, 0), EINVAL);
    struct {
        struct open_how how;
        uint64_t extra;
    } big = {.how = {.flags = O_RDONLY}};
    CHECK(syscall(SYS_openat2, d, "in", &big, sizeof(big)) >= 0);
    big.extra = 1;
    CHECK_ERRNO(syscall(SYS_openat2, d, "in", &big, sizeof(big)), E2BIG);
    CHECK_ERRNO(syscall(SYS_openat2, d, "in", &big, sizeof(big.how) - 1), EINVAL);
    return 0;
}
