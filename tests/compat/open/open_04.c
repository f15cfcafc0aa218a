/*
 * Claims: of a file that was just opened fstat, lseek and reads at its end give what they give later, too, and what stat gives:
 * whatever is done to its position meanwhile by this process, its threads and its children. Bad addresses
 * are refused there as elsewhere, and nothing is read of a file that is open for its path only.
 */
#include "tests/compat/compat.h"

#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <termios.h>

#define FILE_NAME "/etc/passwd"
#define KERNEL    ((void *)0xffff800000000000UL)

static void *const BAD = (void *)16;
static char g_bytes[1 << 20];
static ssize_t g_size;

static int open_file(void)
{
    int fd = open(FILE_NAME, O_RDONLY);
    CHECK(fd >= 0);
    return fd;
}

static void same_stat(int fd)
{
    struct stat a, b, c;
    CHECK_EQ(stat(FILE_NAME, &a), 0);
    CHECK_EQ(fstat(fd, &b), 0);
    CHECK_EQ(fstatat(fd, "", &c, AT_EMPTY_PATH), 0);
    a.st_atim = b.st_atim = c.st_atim; /* reading moves it */
    CHECK(memcmp(&a, &b, sizeof(a)) == 0 && memcmp(&b, &c, sizeof(b)) == 0);
    CHECK_EQ(b.st_size, g_size);
    CHECK_ERRNO(fstat(fd, BAD), EFAULT);
    CHECK_ERRNO(fstat(fd, KERNEL), EFAULT);
}

static void seeks(int fd)
{
    struct termios termios;
    CHECK_ERRNO(ioctl(fd, TCGETS, &termios), ENOTTY);
    CHECK_ERRNO(ioctl(fd, TCGETS, NULL), ENOTTY);
    CHECK_EQ(posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL), 0);
    CHECK_EQ(posix_fadvise(fd, 1, 2, POSIX_FADV_DONTNEED), 0);
    CHECK_EQ(posix_fadvise(fd, 0, -1, POSIX_FADV_NORMAL), EINVAL);
    CHECK_EQ(posix_fadvise(fd, 0, 0, 77), EINVAL);
    CHECK_EQ(lseek(fd, 0, SEEK_CUR), 0);
    CHECK_EQ(lseek(fd, 5, SEEK_CUR), 5);
    CHECK_EQ(lseek(fd, -2, SEEK_CUR), 3);
    CHECK_ERRNO(lseek(fd, -4, SEEK_CUR), EINVAL);
    CHECK_ERRNO(lseek(fd, -1, SEEK_SET), EINVAL);
    CHECK_ERRNO(lseek(fd, 0, 9), EINVAL);
    CHECK_EQ(lseek(fd, 0, SEEK_CUR), 3);
    CHECK_EQ(lseek(fd, 0, SEEK_END), g_size);
    CHECK_EQ(lseek(fd, 0, SEEK_DATA), 0);
    CHECK_EQ(lseek(fd, 0, SEEK_HOLE), g_size);
    CHECK_ERRNO(lseek(fd, g_size, SEEK_DATA), ENXIO);
    CHECK_EQ(lseek(fd, 1L << 41, SEEK_SET), 1L << 41);
    CHECK_EQ(lseek(fd, 1, SEEK_CUR), (1L << 41) + 1);
    CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
}

static void at_the_end(int fd)
{
    char c[16];
    struct iovec v[2] = {{c, 8}, {KERNEL, 8}};
    CHECK_EQ(lseek(fd, 0, SEEK_END), g_size);
    CHECK_EQ(read(fd, c, sizeof(c)), 0);
    CHECK_EQ(read(fd, c, 0), 0);
    CHECK_EQ(pread(fd, c, sizeof(c), g_size), 0);
    CHECK_EQ(pread(fd, c, sizeof(c), g_size + 100000), 0);
    CHECK_ERRNO(pread(fd, c, sizeof(c), -1), EINVAL);
    CHECK_ERRNO(read(fd, KERNEL, 8), EFAULT);
    CHECK_EQ(readv(fd, v, 1), 0);
    CHECK_ERRNO(readv(fd, v, 2), EFAULT);
    CHECK_ERRNO(readv(fd, BAD, 1), EFAULT);
    CHECK_EQ(lseek(fd, 3, SEEK_END), g_size + 3);
    CHECK_EQ(read(fd, c, sizeof(c)), 0);
    CHECK_EQ(lseek(fd, 0, SEEK_CUR), g_size + 3);
    CHECK_ERRNO(write(fd, c, 1), EBADF);
}

static void in_pieces(int fd, size_t piece)
{
    static char got[sizeof(g_bytes)];
    ssize_t n, total = 0;
    CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
    while ((n = read(fd, got + total, piece)) > 0) {
        total += n;
        CHECK_EQ(lseek(fd, 0, SEEK_CUR), total);
    }
    CHECK_EQ(n, 0);
    CHECK_EQ(total, g_size);
    CHECK(memcmp(got, g_bytes, (size_t)total) == 0);
    CHECK_ERRNO(pread(fd, BAD, piece, 0), EFAULT);
}

static void *seeker(void *arg)
{
    CHECK_EQ(lseek((int)(intptr_t)arg, 9, SEEK_SET), 9);
    return NULL;
}

static void shared_position(void)
{
    pthread_t t;
    int status, fd = open_file(), twin = dup(fd);
    CHECK_EQ(pthread_create(&t, NULL, seeker, (void *)(intptr_t)fd), 0);
    CHECK_EQ(pthread_join(t, NULL), 0);
    CHECK_EQ(lseek(fd, 0, SEEK_CUR), 9);
    CHECK_EQ(lseek(twin, 1, SEEK_CUR), 10);
    CHECK_EQ(lseek(fd, 1, SEEK_CUR), 11);
    pid_t pid = fork();
    if (pid == 0) {
        CHECK_EQ(lseek(fd, 0, SEEK_CUR), 11);
        CHECK_EQ(lseek(twin, 20, SEEK_SET), 20);
        CHECK_EQ(close(fd), 0);
        exit(0);
    }
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
    CHECK_EQ(lseek(fd, 0, SEEK_CUR), 20);
    CHECK_EQ(close(fd), 0);
    CHECK_EQ(lseek(twin, 0, SEEK_CUR), 20);
    CHECK_EQ(close(twin), 0);
}

static void path_only(void)
{
    char c;
    struct stat st;
    int fd = open(FILE_NAME, O_PATH);
    CHECK(fd >= 0);
    CHECK_EQ(fstat(fd, &st), 0);
    CHECK_EQ(st.st_size, g_size);
    CHECK_ERRNO(read(fd, &c, 1), EBADF);
    CHECK_ERRNO(lseek(fd, 0, SEEK_END), EBADF);
    CHECK_EQ(close(fd), 0);
}

/* More at a time than can be served specially. */
static void many(void)
{
    int fd[150];
    for (int i = 0; i < 150; i++) {
        fd[i] = open_file();
        CHECK_EQ(lseek(fd[i], i, SEEK_SET), i);
    }
    for (int i = 0; i < 150; i++) {
        CHECK_EQ(lseek(fd[i], 0, SEEK_CUR), i);
        CHECK_EQ(close(fd[i]), 0);
    }
}

int main(void)
{
    int fd = open_file();
    g_size = read(fd, g_bytes, sizeof(g_bytes));
    CHECK(g_size > 64 && g_size < (ssize_t)sizeof(g_bytes));
    CHECK_EQ(close(fd), 0);
    for (int i = 0; i < 30; i++) {
        fd = open_file();
        same_stat(fd);
        seeks(fd);
        at_the_end(fd);
        same_stat(fd);
        in_pieces(fd, i % 2 ? 100 : 65536);
        at_the_end(fd);
        same_stat(fd);
        CHECK_EQ(close(fd), 0);
        shared_position();
        path_only();
    }
    many();
    return 0;
}
