/*
 * readv, writev, preadv, pwritev and their successors, often enough that the process has the file or the pipe to itself: the buffers are
 * taken in order, empty ones between; the position moves or stays; what was written is what another process reads; a
 * bad buffer in the middle is EFAULT or a short count, never a gap; up to PIPE_BUF a pipe takes all or nothing.
 */
#include "../compat.h"

#include <poll.h>
#include <signal.h>
#include <sys/uio.h>

#define ROUNDS 30

static char g_a[3000], g_b[3000], g_c[3000];

static void fill(int seed)
{
    for (size_t i = 0; i < sizeof(g_a); i++) {
        g_a[i] = (char)(seed + (int)i);
        g_b[i] = (char)(seed + (int)i * 3);
    }
    memset(g_c, 0, sizeof(g_c));
}

static void files(void)
{
    int fd = open("f", O_RDWR | O_CREAT | O_TRUNC, 0600);
    char all[8192];
    for (int i = 0; i < ROUNDS; i++) {
        fill(i);
        struct iovec v[4] = {{g_a, 1000}, {g_c, 0}, {g_b, 3000}, {g_a + 2000, 500}};
        CHECK_EQ(lseek(fd, i, SEEK_SET), i);
        CHECK_EQ(writev(fd, v, 4), 4500);
        CHECK_EQ(lseek(fd, 0, SEEK_CUR), i + 4500);
        CHECK_EQ(pread(fd, all, 4500, i), 4500);
        CHECK(memcmp(all, g_a, 1000) == 0 && memcmp(all + 1000, g_b, 3000) == 0 &&
              memcmp(all + 4000, g_a + 2000, 500) == 0);
        CHECK_EQ(pwritev(fd, v + 2, 2, 100), 3500);
        CHECK_EQ(pwritev2(fd, v + 2, 1, 5000, 0), 3000);
        CHECK_EQ(lseek(fd, 0, SEEK_CUR), i + 4500);
        CHECK_EQ(lseek(fd, 0, SEEK_END), 8000);
        struct iovec to[3] = {{g_c, 1}, {all, 5000}, {g_c + 1, 2999}};
        CHECK_EQ(preadv(fd, to, 2, 5000), 3000);
        CHECK(g_c[0] == g_b[0] && memcmp(all, g_b + 1, 2999) == 0);
        CHECK_EQ(lseek(fd, 100, SEEK_SET), 100);
        CHECK_EQ(preadv2(fd, to, 1, -1, 0), 1);
        CHECK_EQ(lseek(fd, 0, SEEK_CUR), 101);
        CHECK_EQ(preadv2(fd, to, 3, -1, 0), 7899);
        CHECK_EQ(readv(fd, to, 3), 0);
        CHECK_EQ(lseek(fd, 99, SEEK_SET), 99);
        CHECK_EQ(pwritev2(fd, v, 1, -1, 0), 1000);
        CHECK_EQ(lseek(fd, 0, SEEK_CUR), 1099);
        CHECK_ERRNO(preadv(fd, to, 1, -1), EINVAL);
        CHECK_ERRNO(preadv2(fd, to, 1, -2, 0), EINVAL);
        CHECK_ERRNO(pwritev2(fd, v, 1, 0, 0x40000000), EOPNOTSUPP);
        CHECK_ERRNO(readv(fd, to, -1), EINVAL);
        CHECK_EQ(readv(fd, to, 0), 0);
        CHECK_ERRNO(readv(fd, (struct iovec *)8, 1), EFAULT);
        struct iovec bad[3] = {{g_a, 10}, {(void *)8, 10}, {g_b, 10}};
        CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
        ssize_t n = writev(fd, bad, 3);
        CHECK((n == -1 && errno == EFAULT) || n == 10);
        CHECK_EQ(lseek(fd, 0, SEEK_CUR), n < 0 ? 0 : 10);
        CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
        n = readv(fd, bad, 3);
        CHECK((n == -1 && errno == EFAULT) || n == 10);
        CHECK_EQ(lseek(fd, 0, SEEK_CUR), n < 0 ? 0 : 10);
        CHECK_EQ(ftruncate(fd, 0), 0);
    }
    close(fd);
    fd = open("log", O_WRONLY | O_CREAT | O_APPEND, 0600);
    for (int i = 0; i < ROUNDS; i++) {
        const struct iovec v[2] = {{"ab", 2}, {"cde", 3}};
        CHECK_EQ(writev(fd, v, 2), 5);
        CHECK_EQ(lseek(fd, 0, SEEK_CUR), 5 * (i + 1));
    }
    close(fd);
    fd = open("log", O_RDONLY);
    CHECK_EQ(read(fd, all, sizeof(all)), 5 * ROUNDS);
    CHECK(memcmp(all + 5 * (ROUNDS - 2), "abcdeabcde", 10) == 0);
    close(fd);
}

static void pipes(void)
{
    int p[2];
    char all[5000];
    CHECK_EQ(pipe(p), 0);
    for (int i = 0; i < ROUNDS; i++) {
        fill(i);
        const struct iovec v[4] = {{g_a, 7}, {NULL, 0}, {g_b, 1900}, {g_a + 100, 1000}};
        const struct iovec to[2] = {{all, 8}, {all + 8, sizeof(all) - 8}};
        CHECK_EQ(writev(p[1], v, 4), 2907);
        CHECK_EQ(readv(p[0], to, 2), 2907);
        CHECK(memcmp(all, g_a, 7) == 0 && memcmp(all + 7, g_b, 1900) == 0 &&
              memcmp(all + 1907, g_a + 100, 1000) == 0);
        CHECK_ERRNO(pwritev(p[1], v, 1, 0), ESPIPE);
        CHECK_ERRNO(preadv(p[0], to, 1, 0), ESPIPE);
        const struct iovec big[3] = {{g_a, 3000}, {g_b, 3000}, {g_a, 3000}};
        CHECK_EQ(writev(p[1], big, 3), 9000);
        CHECK_EQ(read(p[0], all, 4000), 4000);
        CHECK(memcmp(all + 3000, g_b, 1000) == 0);
        CHECK_EQ(readv(p[0], to, 2), 5000);
    }
    close(p[0]);
    const struct iovec v[2] = {{g_a, 7}, {g_b, 1900}};
    signal(SIGPIPE, SIG_IGN);
    CHECK_ERRNO(writev(p[1], v, 2), EPIPE);
    close(p[1]);
}

/* Records of two buffers by two writers: whole, whoever reads. */
struct record {
    int writer, number;
    char rest[1000];
};
static int writer(int fd, int which)
{
    for (int i = 0; i < 3000; i++) {
        struct record r = {.writer = which, .number = i};
        memset(r.rest, which * 16 + i % 16, sizeof(r.rest));
        const struct iovec v[2] = {{&r, 8}, {r.rest, sizeof(r.rest)}};
        if (writev(fd, v, 2) != sizeof(r)) {
            return 1;
        }
    }
    return 0;
}
static void records(void)
{
    int p[2], next[2] = {0, 0}, status;
    CHECK_EQ(pipe(p), 0);
    for (int i = 0; i < 2; i++) {
        if (fork() == 0) {
            close(p[0]);
            _exit(writer(p[1], i));
        }
    }
    close(p[1]);
    for (;;) {
        struct record r;
        size_t got = 0;
        while (got < sizeof(r)) {
            char *at = (char *)&r + got;
            size_t left = sizeof(r) - got, first = left < 100 ? left : 100;
            const struct iovec v[2] = {{at, first}, {at + first, left - first}};
            ssize_t n = readv(p[0], v, 2);
            CHECK(n >= 0);
            if (n == 0) {
                break;
            }
            got += (size_t)n;
        }
        if (got == 0) {
            break;
        }
        CHECK_EQ(got, sizeof(r));
        CHECK(r.writer == 0 || r.writer == 1);
        CHECK_EQ(r.number, next[r.writer]++);
        for (size_t i = 0; i < sizeof(r.rest); i++) {
            CHECK(r.rest[i] == (char)(r.writer * 16 + r.number % 16));
        }
    }
    CHECK_EQ(next[0], 3000);
    CHECK_EQ(next[1], 3000);
    for (int i = 0; i < 2; i++) {
        CHECK(wait(&status) > 0);
        CHECK_EQ(status, 0);
    }
}

int main(void)
{
    compat_tmpdir();
    files();
    pipes();
    records();
    return 0;
}
