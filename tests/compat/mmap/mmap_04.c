/* A file that was mapped for reading can still be mapped for writing by another description, in the same process. */
#include "tests/compat/compat.h"

#include <sys/mman.h>

int main(void)
{
    compat_tmpdir();
    compat_file("f", "0123456789");
    CHECK(chmod("f", 0644) == 0);
    int ro = open("f", O_RDONLY), rw = open("f", O_RDWR);
    for (int i = 0; i < 4; i++) {
        char *a = mmap(NULL, 4096, PROT_READ, MAP_SHARED, ro, 0);
        char *b = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, rw, 0);
        CHECK(a != MAP_FAILED && b != MAP_FAILED);
        b[i] = 'x';
        CHECK(a[i] == 'x');
        CHECK_ERRNO(mprotect(a, 4096, PROT_READ | PROT_WRITE), EACCES);
    }
    return 0;
}
