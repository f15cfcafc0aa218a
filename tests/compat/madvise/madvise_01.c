/*
 * madvise(2): DONTNEED zeros private memory; WIPEONFORK; unknown advice and bad ranges; mincore(2) of
 * what is there.
 */
#include "../compat.h"

#include <sys/mman.h>

int main(void)
{
    unsigned char vec[2];
    char *p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(p != MAP_FAILED);
    p[0] = p[4096] = 'x';
    CHECK_EQ(mincore(p, 8192, vec), 0);
    CHECK((vec[0] & 1) && (vec[1] & 1));
    CHECK_EQ(madvise(p, 4096, MADV_DONTNEED), 0);
    CHECK(p[0] == 0 && p[4096] == 'x');
    CHECK_EQ(madvise(p, 8192, MADV_NORMAL), 0);
    CHECK_EQ(madvise(p, 8192, MADV_WILLNEED), 0);
    CHECK_EQ(madvise(p, 8192, MADV_DONTDUMP), 0);
    CHECK_EQ(madvise(p, 0, MADV_DONTNEED), 0);
    CHECK_ERRNO(madvise(p, 4096, 12345), EINVAL);
    CHECK_ERRNO(madvise(p + 1, 4096, MADV_DONTNEED), EINVAL);
    p[0] = 'w';
    CHECK_EQ(madvise(p, 4096, MADV_WIPEONFORK), 0);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        _exit(p[0] == 0 && p[4096] == 'x' ? 0 : 1);
    }
    int status;
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    CHECK_ERRNO(mincore(p + 1, 4096, vec), EINVAL);
    CHECK_EQ(munmap(p, 8192), 0);
    CHECK_ERRNO(mincore(p, 8192, vec), ENOMEM);
    CHECK_ERRNO(madvise(p, 8192, MADV_WILLNEED), ENOMEM);
    return 0;
}
