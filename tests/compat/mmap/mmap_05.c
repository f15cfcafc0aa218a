/* Small files, mapped private to be read: contents, offsets, the rest of the last page, protection, what becomes of a writer's changes. */
#include "tests/compat/compat.h"

#include <setjmp.h>
#include <sys/mman.h>

#define SIZE 10000

static sigjmp_buf g_back;

static void on_fault(int sig)
{
    (void)sig;
    siglongjmp(g_back, 1);
}

static int faults(volatile char *p, int write)
{
    if (sigsetjmp(g_back, 1)) {
        return 1;
    }
    if (write) {
        *p = 1;
    } else {
        (void)*p;
    }
    return 0;
}

static char at(int i)
{
    return (char)('a' + i % 23);
}

static void check_map(int fd, int offset)
{
    int size = SIZE - offset;
    char *p = mmap(NULL, (size_t)size, PROT_READ, MAP_PRIVATE, fd, offset);
    CHECK(p != MAP_FAILED && ((unsigned long)p & 4095) == 0);
    for (int i = 0; i < size; i++) {
        CHECK(p[i] == at(offset + i));
    }
    for (int i = size; i & 4095; i++) {
        CHECK(p[i] == 0);
    }
    CHECK(faults(p, 1));
    CHECK(mprotect(p, (size_t)size, PROT_READ | PROT_WRITE) == 0);
    p[1] = '#';
    CHECK(!faults(p, 1) && p[1] == '#' && p[2] == at(offset + 2));
    char c;
    CHECK(pread(fd, &c, 1, offset + 1) == 1 && c == at(offset + 1));
    CHECK(munmap(p, (size_t)size) == 0);
    CHECK(faults(p, 0));
}

int main(void)
{
    char text[SIZE], other[4] = "1234";
    compat_tmpdir();
    for (int i = 0; i < SIZE; i++) {
        text[i] = at(i);
    }
    int rw = open("f", O_CREAT | O_RDWR, 0644);
    CHECK(write(rw, text, SIZE) == SIZE && close(rw) == 0);
    CHECK(signal(SIGSEGV, on_fault) != SIG_ERR && signal(SIGBUS, on_fault) != SIG_ERR);
    int fd = open("f", O_RDONLY);
    for (int i = 0; i < 20; i++) {
        check_map(fd, i % 3 * 4096);
    }
    CHECK_ERRNO((long)mmap(NULL, 100, PROT_READ, MAP_PRIVATE, fd, 1), EINVAL);
    /* Behind the last page there is nothing. */
    char *p = mmap(NULL, 5 * 4096, PROT_READ, MAP_PRIVATE, fd, 0);
    CHECK(p != MAP_FAILED && !faults(p + 8192, 0) && faults(p + 3 * 4096, 0));
    /* Descriptor, name and parent may go. */
    p = mmap(NULL, SIZE, PROT_READ, MAP_PRIVATE, fd, 0);
    CHECK(close(fd) == 0 && memcmp(p, text, SIZE) == 0);
    pid_t pid = fork();
    if (pid == 0) {
        _exit(memcmp(p, text, SIZE) == 0 ? 0 : 1);
    }
    int status;
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
    /* A shared mapping, and one made while a writer is there, follow the file. */
    rw = open("f", O_RDWR);
    fd = open("f", O_RDONLY);
    char *shared = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, fd, 0);
    char *private = mmap(NULL, SIZE, PROT_READ, MAP_PRIVATE, fd, 0);
    CHECK(shared != MAP_FAILED && private != MAP_FAILED);
    CHECK(pwrite(rw, other, 4, 50) == 4);
    CHECK(memcmp(shared + 50, other, 4) == 0 && memcmp(private + 50, other, 4) == 0);
    CHECK(unlink("f") == 0 && memcmp(private + 50, other, 4) == 0);
    return 0;
}
