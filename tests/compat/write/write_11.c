/*
 * Claims: RLIMIT_FSIZE holds for a file that has been written again and again before, small and large, whoever sets it; and without it
 * the file grows again.
 */
#include "tests/compat/compat.h"

#include <signal.h>
#include <sys/resource.h>

#define CALLS 64
#define LARGE (4L << 20)

static volatile sig_atomic_t g_signals;
static char g_block[65536];

static void on_signal(int sig)
{
    (void)sig;
    g_signals++;
}

static void limit(pid_t pid, rlim_t size)
{
    const struct rlimit rl = {size, RLIM_INFINITY};
    CHECK_EQ(prlimit(pid, RLIMIT_FSIZE, &rl, NULL), 0);
}

static int written(size_t block, off_t size)
{
    int fd = open("f", O_RDWR | O_CREAT | O_TRUNC, 0644);
    CHECK(fd >= 0);
    for (off_t at = 0; at < size; at += (off_t)block) {
        CHECK_EQ(write(fd, g_block, block), block);
    }
    CHECK_EQ(lseek(fd, 0, SEEK_CUR), size);
    return fd;
}

static void bounded(int fd, off_t size)
{
    g_signals = 0;
    CHECK_EQ(write(fd, g_block, 200), 100);
    CHECK_EQ(g_signals, 0);
    CHECK_ERRNO(write(fd, g_block, 1), EFBIG);
    CHECK_ERRNO(pwrite(fd, g_block, 1, size + 5000), EFBIG);
    CHECK_EQ(g_signals, 2);
    CHECK_EQ(lseek(fd, 0, SEEK_END), size + 100);
}

static void by_itself(size_t block, off_t size)
{
    int fd = written(block, size);
    limit(0, (rlim_t)size + 100);
    bounded(fd, size);
    limit(0, RLIM_INFINITY);
    for (int i = 0; i < CALLS; i++) {
        CHECK_EQ(write(fd, g_block, block), block);
    }
    limit(0, (rlim_t)size);
    CHECK_ERRNO(write(fd, g_block, 1), EFBIG);
    CHECK_EQ(g_signals, 3);
    CHECK_EQ(lseek(fd, 0, SEEK_END), size + 100 + CALLS * (off_t)block);
    limit(0, RLIM_INFINITY);
    CHECK_EQ(close(fd), 0);
}

static void by_another(size_t block, off_t size)
{
    int ready[2], go[2], status;
    char byte = 0;
    CHECK_EQ(pipe(ready), 0);
    CHECK_EQ(pipe(go), 0);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        int fd = written(block, size);
        CHECK_EQ(write(ready[1], &byte, 1), 1);
        CHECK_EQ(read(go[0], &byte, 1), 1);
        bounded(fd, size);
        _exit(0);
    }
    CHECK_EQ(read(ready[0], &byte, 1), 1);
    limit(pid, (rlim_t)size + 100);
    CHECK_EQ(write(go[1], &byte, 1), 1);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
}

int main(void)
{
    compat_tmpdir();
    CHECK(signal(SIGXFSZ, on_signal) != SIG_ERR);
    by_itself(256, CALLS * 256);
    by_itself(sizeof(g_block), LARGE);
    by_another(256, CALLS * 256);
    by_another(sizeof(g_block), LARGE);
    return 0;
}
