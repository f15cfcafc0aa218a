/*
 * Other memory mapped over code whose system calls were made often: whoever reads it by a system call gets what lies there now.
 */
#include "../compat.h"

#include <sys/mman.h>

#define CALLS 40

static const unsigned char code[] = {0xb8, 39,   0,    0,
                                     0,    0x0f, 0x05, 0xc3}; /* mov $getpid, %eax; syscall; ret */

static void check_bytes(const unsigned char *at, const unsigned char *want, size_t size)
{
    unsigned char got[4096];
    int p[2];
    CHECK(pipe(p) == 0);
    CHECK(write(p[1], at, size) == (ssize_t)size && read(p[0], got, size) == (ssize_t)size);
    CHECK(memcmp(got, want, size) == 0);
    close(p[0]);
    close(p[1]);
}

static unsigned char *call_often(int file, int flags)
{
    unsigned char *page = mmap(NULL, 4096, PROT_READ | PROT_EXEC, flags, file, 0);
    CHECK(page != MAP_FAILED);
    for (int i = 0; i < CALLS; i++) {
        CHECK(((int (*)(void))(void *)page)() == getpid());
    }
    check_bytes(page, code, sizeof(code));
    return page;
}

int main(void)
{
    unsigned char full[4096];
    compat_tmpdir();
    int file = open("code", O_RDWR | O_CREAT, 0600);
    CHECK(write(file, code, sizeof(code)) == sizeof(code) && ftruncate(file, 4096) == 0);
    memset(full, 0xe9, sizeof(full));

    unsigned char *page = call_often(file, MAP_PRIVATE);
    CHECK(mmap(page, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
               0) == page);
    memset(page, 0xe9, 4096);
    check_bytes(page, full, 4096);

    page = call_often(file, MAP_PRIVATE);
    int other = open("other", O_RDWR | O_CREAT, 0600);
    CHECK(write(other, full, sizeof(full)) == sizeof(full));
    CHECK(mmap(page, 4096, PROT_READ, MAP_PRIVATE | MAP_FIXED, other, 0) == page);
    check_bytes(page, full, 4096);
    CHECK(mmap(page, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, other, 0) == page);
    memset(page, 0xe9, 4096);
    check_bytes(page, full, 4096);
    return 0;
}
