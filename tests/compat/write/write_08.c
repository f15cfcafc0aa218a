/* A mapped file that is written again and again: both see each other's bytes, and the mapping ends where the file does. */
#include "tests/compat/compat.h"

#include <setjmp.h>
#include <sys/mman.h>

#define SIZE   6000
#define MAPPED (4 * 4096)
#define OFTEN  200

static sigjmp_buf g_back;

static void on_fault(int sig)
{
    (void)sig;
    siglongjmp(g_back, 1);
}

static int faults(const volatile char *p)
{
    if (sigsetjmp(g_back, 1)) {
        return 1;
    }
    (void)*p;
    return 0;
}

static off_t size_of(int fd)
{
    struct stat st;
    CHECK(fstat(fd, &st) == 0);
    return st.st_size;
}

/* Often enough that the bytes may be anywhere that is faster. */
static void write_often(int fd, volatile char *shared)
{
    for (int i = 0; i < OFTEN; i++) {
        char c = (char)('a' + i % 26), seen;
        CHECK(pwrite(fd, &c, 1, i) == 1 && shared[i] == c);
        shared[i] = '#';
        CHECK(pread(fd, &seen, 1, i) == 1 && seen == '#');
    }
}

int main(void)
{
    char text[SIZE];
    compat_tmpdir();
    memset(text, 'x', SIZE);
    CHECK(signal(SIGBUS, on_fault) != SIG_ERR);
    int fd = open("file", O_RDWR | O_CREAT, 0600);
    CHECK(write(fd, text, SIZE) == SIZE);
    char *shared = mmap(NULL, MAPPED, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(shared != MAP_FAILED);
    write_often(fd, shared);
    CHECK(!faults(shared + SIZE) && faults(shared + 2 * 4096));
    CHECK(size_of(fd) == SIZE);

    CHECK(lseek(fd, 0, SEEK_END) == SIZE);
    for (int i = 0; i < OFTEN; i++) { /* it grows, and so does what can be reached */
        CHECK(write(fd, "0123456789", 10) == 10);
        CHECK(size_of(fd) == SIZE + 10 * (i + 1));
        int last = SIZE + 10 * i + 9;
        CHECK(!faults(shared + last) && shared[last] == '9');
        CHECK(faults(shared + 2 * 4096) == (last < 2 * 4096));
        CHECK(faults(shared + 3 * 4096));
    }
    CHECK(pwrite(fd, "end", 3, 3 * 4096) == 3 && memcmp(shared + 3 * 4096, "end", 3) == 0);
    CHECK(shared[3 * 4096 - 1] == 0);

    CHECK(ftruncate(fd, 4096) == 0);
    CHECK(!faults(shared + 4095) && faults(shared + 4096));
    write_often(fd, shared);
    CHECK(faults(shared + 4096));
    CHECK(ftruncate(fd, 2 * 4096) == 0);
    CHECK(!faults(shared + 4096) && shared[4096] == 0 && shared[2 * 4096 - 1] == 0);

    char *private = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    CHECK(private != MAP_FAILED);
    private[0] = 'p';
    write_often(fd, shared);
    CHECK(private[0] == 'p');
    CHECK(munmap(shared, MAPPED) == 0 && munmap(private, 4096) == 0);
    for (int i = 0; i < OFTEN; i++) {
        CHECK(write(fd, text, 100) == 100);
    }
    return 0;
}
