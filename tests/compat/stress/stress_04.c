/*
 * Claims: threads that each read and write files of their own, opened and closed over and over, see their own bytes
 * and nobody else's; what they wrote is there when the file is opened again. A memory file that was written
 * many times can be sealed, and then stays as it is.
 */
#include "tests/compat/compat.h"

#include <pthread.h>
#include <sys/mman.h>

#define THREADS 4
#define ROUNDS  300
#define BLOCK   4096

static void *work(void *arg)
{
    long id = (long)(intptr_t)arg;
    char path[64], block[BLOCK], got[BLOCK];
    memset(block, 'a' + (int)id, sizeof(block));
    for (int round = 0; round < ROUNDS; round++) {
        snprintf(path, sizeof(path), "thread-%ld-%d", id, round % 4);
        int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
        CHECK(fd >= 0);
        for (int i = 0; i < 12; i++) {
            off_t at = i % 3 * BLOCK;
            CHECK_EQ(pwrite(fd, block, BLOCK, at), BLOCK);
            CHECK_EQ(pread(fd, got, BLOCK, at), BLOCK);
            CHECK(memcmp(got, block, BLOCK) == 0);
        }
        CHECK(close(fd) == 0);
        fd = open(path, O_RDONLY);
        for (int i = 0; i < 6; i++) {
            CHECK_EQ(pread(fd, got, BLOCK, i % 3 * BLOCK), BLOCK);
            CHECK(memcmp(got, block, BLOCK) == 0);
        }
        CHECK(close(fd) == 0);
    }
    return NULL;
}

static void files_of_threads(void)
{
    pthread_t t[THREADS];
    for (long i = 0; i < THREADS; i++) {
        CHECK_EQ(pthread_create(&t[i], NULL, work, (void *)(intptr_t)i), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        CHECK_EQ(pthread_join(t[i], NULL), 0);
    }
}

static void seal_after_writes(void)
{
    char block[BLOCK] = "before", got[BLOCK];
    int fd = memfd_create("sealed", MFD_ALLOW_SEALING);
    CHECK(fd >= 0);
    for (int i = 0; i < 20; i++) {
        CHECK_EQ(pwrite(fd, block, BLOCK, 0), BLOCK);
        CHECK_EQ(pread(fd, got, BLOCK, 0), BLOCK);
    }
    CHECK_EQ(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK), 0);
    CHECK_ERRNO(pwrite(fd, "after", 5, 0), EPERM);
    CHECK_EQ(pread(fd, got, BLOCK, 0), BLOCK);
    CHECK(memcmp(got, block, BLOCK) == 0);
}

int main(void)
{
    compat_tmpdir();
    files_of_threads();
    seal_after_writes();
    return 0;
}
