/*
 * copy_file_range(2) from one file system to another is EXDEV, before positions and lengths are looked at.
 */
#include "../compat.h"

#include <sys/mman.h>

int main(void)
{
    off_t bad = -1;
    compat_tmpdir();
    compat_file("f", "0123456789");
    int file = open("f", O_RDWR), memory = memfd_create("m", 0),
        proc = open("/proc/version", O_RDONLY);
    CHECK_EQ(write(memory, "abc", 3), 3);
    CHECK_EQ(lseek(memory, 0, SEEK_SET), 0);
    CHECK_ERRNO(copy_file_range(memory, NULL, file, NULL, 3, 0), EXDEV);
    CHECK_ERRNO(copy_file_range(memory, NULL, file, NULL, 0, 0), EXDEV);
    CHECK_ERRNO(copy_file_range(memory, &bad, file, NULL, 3, 0), EXDEV);
    CHECK_ERRNO(copy_file_range(file, NULL, memory, NULL, 3, 0), EXDEV);
    CHECK_ERRNO(copy_file_range(proc, NULL, file, NULL, 3, 0), EXDEV);
    CHECK_ERRNO(copy_file_range(memory, NULL, file, NULL, 3, 1), EINVAL);
    CHECK_EQ(copy_file_range(memory, NULL, memory, &(off_t){3}, 3, 0), 3);
    CHECK_EQ(copy_file_range(file, NULL, file, &(off_t){10}, 10, 0), 10);
    return 0;
}
