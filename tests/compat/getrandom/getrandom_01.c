/*
 * getrandom(2): as many bytes as asked for, different each time; 0 bytes is 0; unknown flags and GRND_RANDOM with
 * GRND_INSECURE are EINVAL; a bad pointer is EFAULT; what lies behind the buffer is not touched.
 */
#include "../compat.h"

#include <sys/mman.h>
#include <sys/random.h>
#include <sys/syscall.h>

int main(void)
{
    static unsigned char a[70000], b[70000];
    CHECK_EQ(getrandom(a, 32, 0), 32);
    CHECK_EQ(getrandom(b, 32, GRND_NONBLOCK), 32);
    CHECK(memcmp(a, b, 32) != 0);
    CHECK_EQ(a[32], 0);
    CHECK_EQ(getrandom(a, 33, GRND_RANDOM), 33);
    CHECK_EQ(getrandom(a, sizeof(a), 0), sizeof(a));
    int ones = 0;
    for (size_t i = 0; i < sizeof(a); i++) {
        ones += __builtin_popcount(a[i]);
    }
    CHECK(ones > 270000 && ones < 290000);
    CHECK_EQ(getrandom(a, 0, 0), 0);
    CHECK_EQ(getrandom(a, 16, 4), 16); /* GRND_INSECURE */
    CHECK_ERRNO(getrandom(a, 16, 8), EINVAL);
    CHECK_ERRNO(getrandom(a, 16, 4 | GRND_RANDOM), EINVAL);
    CHECK_ERRNO(syscall(SYS_getrandom, 8, 16, 0), EFAULT);
    char *p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(p != MAP_FAILED);
    CHECK_EQ(mprotect(p + 4096, 4096, PROT_NONE), 0);
    CHECK_EQ(getrandom(p + 4096 - 10, 10, 0), 10);
    CHECK_EQ(getrandom(p + 4096 - 10, 5000, 0), 10);
    CHECK_ERRNO(getrandom(p + 4096, 10, 0), EFAULT);
    return 0;
}
