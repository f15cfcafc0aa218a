/* full(4): there is no room even for nothing, but there is in no pieces at all. */
#include "../compat.h"

#include <sys/uio.h>

int main(void)
{
    int full = open("/dev/full", O_RDWR);
    struct iovec nothing = {"", 0};
    CHECK(full >= 0);
    CHECK_ERRNO(write(full, "x", 1), ENOSPC);
    CHECK_ERRNO(write(full, "", 0), ENOSPC);
    CHECK_ERRNO(pwrite(full, "", 0, 0), ENOSPC);
    CHECK_EQ(writev(full, &nothing, 0), 0);
    CHECK_EQ(writev(full, &nothing, 1), 0);
    return 0;
}
