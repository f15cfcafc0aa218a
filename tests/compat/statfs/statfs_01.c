/*
 * statfs(2), fstatfs: proc and the temporary directory tell what they are; both calls agree.
 */
#include "../compat.h"

#include <linux/magic.h>
#include <sys/vfs.h>

int main(void)
{
    struct statfs a, b;
    compat_tmpdir();
    CHECK_EQ(statfs(".", &a), 0);
    int fd = open(".", O_RDONLY);
    CHECK_EQ(fstatfs(fd, &b), 0);
    CHECK(a.f_type == b.f_type && a.f_bsize == b.f_bsize && a.f_blocks == b.f_blocks);
    CHECK(a.f_namelen == 255 && a.f_bsize > 0);
    CHECK_EQ(statfs("/proc", &a), 0);
    CHECK(a.f_type == PROC_SUPER_MAGIC);
    CHECK_ERRNO(statfs("none", &a), ENOENT);
    CHECK_ERRNO(fstatfs(999, &a), EBADF);
    CHECK_ERRNO(statfs(".", (struct statfs *)8), EFAULT);
    return 0;
}
