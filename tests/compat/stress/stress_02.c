/*
 * One file under every call that moves its bytes, size or position, in random order, against a model in memory.
 *
 * Claims: what read, write, their p-, v- and append forms, lseek, ftruncate, fstat, stat by name, dup, a child that
 * shares the description, a second description, a mapping and copy_file_range do to one file adds up, whichever of them
 * comes when. Long runs of the same call are in it, because an implementation may serve those in another way.
 */
#include "tests/compat/compat.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>

#define ROUNDS 3000
#define LIMIT  200000

static char g_model[LIMIT + 70000];
static size_t g_size;
static off_t g_pos;
static char g_buf[70000];
static int g_fd, g_dup, g_append, g_other;

static size_t length(void)
{
    static const size_t sizes[] = {1, 7, 100, 512, 4096, 5000, 65536};
    return sizes[(size_t)rand() % 7];
}

static void fill(size_t n)
{
    char c = (char)rand();
    for (size_t i = 0; i < n; i++) {
        g_buf[i] = (char)(c + (char)i);
    }
}

static void model_write(off_t pos, size_t n)
{
    memcpy(g_model + pos, g_buf, n);
    if ((size_t)pos + n > g_size) {
        g_size = (size_t)pos + n;
    }
}

static size_t model_left(off_t pos, size_t n)
{
    size_t left = (size_t)pos < g_size ? g_size - (size_t)pos : 0;
    return n < left ? n : left;
}

static void do_read(int fd, bool own, off_t pos)
{
    size_t n = length(), want;
    pos = own ? g_pos : pos;
    want = model_left(pos, n);
    memset(g_buf, 0x5a, n);
    struct iovec v[2] = {{g_buf, n / 2}, {g_buf + n / 2, n - n / 2}};
    ssize_t got = !own         ? pread(fd, g_buf, n, pos)
                  : rand() % 4 ? read(fd, g_buf, n)
                               : readv(fd, v, 2);
    CHECK(got == (ssize_t)want);
    CHECK(memcmp(g_buf, g_model + pos, want) == 0);
    CHECK(want == n || g_buf[want] == 0x5a);
    if (own) {
        g_pos += got;
    }
}

static void do_write(int fd, bool own, off_t pos)
{
    size_t n = length();
    pos = own ? g_pos : pos;
    if ((size_t)pos > LIMIT) {
        return;
    }
    fill(n);
    CHECK((own ? write(fd, g_buf, n) : pwrite(fd, g_buf, n, pos)) == (ssize_t)n);
    model_write(pos, n);
    if (own) {
        g_pos += (off_t)n;
    }
}

static void do_append(void)
{
    size_t n = length();
    if (g_size < LIMIT) {
        fill(n);
        CHECK(write(g_append, g_buf, n) == (ssize_t)n);
        model_write((off_t)g_size, n);
        CHECK(lseek(g_append, 0, SEEK_CUR) == (off_t)g_size);
    }
}

static void do_seek(int fd)
{
    off_t to = rand() % LIMIT;
    switch (rand() % 3) {
    case 0:
        CHECK(lseek(fd, to, SEEK_SET) == to);
        g_pos = to;
        break;
    case 1:
        CHECK(lseek(fd, 0, SEEK_CUR) == g_pos);
        break;
    default:
        CHECK(lseek(fd, 0, SEEK_END) == (off_t)g_size);
        g_pos = (off_t)g_size;
        break;
    }
    CHECK(lseek(fd, -1 - g_pos, SEEK_CUR) == -1 && errno == EINVAL);
}

static void do_truncate(void)
{
    size_t to = (size_t)rand() % LIMIT;
    CHECK(rand() % 2 ? ftruncate(g_fd, (off_t)to) == 0 : truncate("file", (off_t)to) == 0);
    if (to < g_size) {
        memset(g_model + to, 0, sizeof(g_model) - to);
    }
    g_size = to;
}

static void do_stat(void)
{
    struct stat a, b;
    CHECK(fstat(g_fd, &a) == 0 && stat("file", &b) == 0);
    CHECK(a.st_size == (off_t)g_size && b.st_size == (off_t)g_size);
    CHECK(a.st_mtim.tv_sec == b.st_mtim.tv_sec && a.st_mtim.tv_nsec == b.st_mtim.tv_nsec);
}

/* A child moves the position that it shares, and writes. */
static void do_child(void)
{
    int status;
    size_t n = length();
    if ((size_t)g_pos > LIMIT) {
        return;
    }
    fill(n);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        _exit(write(g_fd, g_buf, n) == (ssize_t)n ? 0 : 1);
    }
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
    model_write(g_pos, n);
    g_pos += (off_t)n;
}

static void do_mapping(void)
{
    if (g_size == 0) {
        return;
    }
    char *m = mmap(NULL, g_size, PROT_READ, rand() % 2 ? MAP_SHARED : MAP_PRIVATE, g_fd, 0);
    CHECK(m != MAP_FAILED);
    CHECK(memcmp(m, g_model, g_size) == 0);
    munmap(m, g_size);
}

static void do_one(int what)
{
    int fd = rand() % 8 ? g_fd : g_dup;
    switch (what) {
    case 0:
    case 1:
        do_read(fd, true, 0);
        break;
    case 2:
        do_read(fd, false, rand() % LIMIT);
        break;
    case 3:
        do_read(g_other, false, rand() % LIMIT);
        break;
    case 4:
    case 5:
        do_write(fd, true, 0);
        break;
    case 6:
        do_write(fd, false, rand() % LIMIT);
        break;
    case 7:
        do_seek(fd);
        break;
    case 8:
        do_append();
        break;
    case 9:
        do_stat();
        break;
    default:
        break;
    }
}

/* with_mapping: once mapped, a file may never again be served as before. */
static void run(bool with_mapping)
{
    g_size = 0;
    g_pos = 0;
    memset(g_model, 0, sizeof(g_model));
    g_fd = open("file", O_RDWR | O_CREAT | O_TRUNC, 0644);
    g_dup = dup(g_fd);
    g_append = open("file", O_WRONLY | O_APPEND);
    g_other = open("file", O_RDONLY);
    CHECK(g_fd >= 0 && g_dup >= 0 && g_append >= 0 && g_other >= 0);
    for (int i = 0; i < ROUNDS; i++) {
        int what = rand() % 10, count = rand() % 3 ? 1 : 12;
        for (int k = 0; k < count; k++) {
            do_one(what);
        }
        int rare = rand() % 200;
        if (rare < 3) {
            do_truncate();
        } else if (rare == 3) {
            do_child();
        } else if (rare == 4 && with_mapping) {
            do_mapping();
        } else if (rare == 5) {
            close(g_other); /* and the same number again, another file */
            g_other = open("/etc/passwd", O_RDONLY);
            for (int k = 0; k < 8; k++) {
                CHECK(pread(g_other, g_buf, 64, 0) > 0);
            }
            close(g_other);
            g_other = open("file", O_RDONLY);
            CHECK(pread(g_other, g_buf, 64, 0) == (ssize_t)model_left(0, 64));
            CHECK(memcmp(g_buf, g_model, model_left(0, 64)) == 0);
        }
    }
    do_stat();
    close(g_fd);
    close(g_dup);
    close(g_append);
    close(g_other);
    int fd = open("file", O_RDONLY);
    for (size_t at = 0; at < g_size; at += 5000) {
        size_t want = model_left((off_t)at, 5000);
        CHECK(read(fd, g_buf, 5000) == (ssize_t)want && memcmp(g_buf, g_model + at, want) == 0);
    }
    close(fd);
    CHECK(unlink("file") == 0);
}

int main(int argc, char **argv)
{
    compat_tmpdir();
    srand(argc > 1 ? (unsigned)atoi(argv[1]) : 20);
    run(false);
    run(true);
    /* A bad buffer in the middle of a run. */
    int fd = open("bad", O_RDWR | O_CREAT, 0644);
    char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(mprotect(page + 4096, 4096, PROT_NONE) == 0);
    for (int i = 0; i < 20; i++) {
        CHECK(write(fd, page, 4096) == 4096);
        CHECK(write(fd, page + 4096, 10) == -1 && errno == EFAULT);
        CHECK(pread(fd, page + 4096, 10, 0) == -1 && errno == EFAULT);
        CHECK(lseek(fd, 0, SEEK_CUR) == (i + 1) * 4096L);
        lseek(fd, (i + 1) * 4096L, SEEK_SET);
    }
    return 0;
}
