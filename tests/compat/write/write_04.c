/* Writing nothing to a file that is open to append: its position stays where it is; writing something takes it to the end. */
#include "tests/compat/compat.h"

int main(void)
{
    compat_tmpdir();
    compat_file("f", "0123456789");
    int fd = open("f", O_RDWR | O_APPEND);
    CHECK(fd >= 0 && lseek(fd, 3, SEEK_SET) == 3);
    CHECK_EQ(write(fd, "", 0), 0);
    CHECK_EQ(lseek(fd, 0, SEEK_CUR), 3);
    CHECK_EQ(write(fd, "ab", 2), 2);
    CHECK_EQ(lseek(fd, 0, SEEK_CUR), 12);
    return 0;
}
