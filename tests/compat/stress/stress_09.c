/*
 * A file that grows large, by writes of all sizes, against a model in memory, while everything happens that may not disturb it.
 *
 * Claims: bytes written at the end, in the middle and behind a hole are the file's, also when between two writes the file
 * is truncated by another process, a child or a thread is made, another file grows in turn, the buffer ends in memory
 * that is not there, or the buffer is the program's own code; and st_blocks says that the bytes are there.
 */
#include "tests/compat/compat.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define LIMIT     (20U << 20)
#define BUF_MAX   (1U << 20)
#define CODE_SIZE (64U << 10)

#define CODE ((const char *)((uintptr_t)pwrite & ~4095UL))

static char g_code
    [CODE_SIZE]; /* as it is in its file: what memory has may have been rewritten before the program began */
static char *g_model, *g_buf, *g_read;
static size_t g_size;
static int g_fd;

static size_t length(void)
{
    static const size_t sizes[] = {1, 100, 2047, 2048, 4096, 10000, 65536, 65536, 300000, BUF_MAX};
    return sizes[(size_t)rand() % 10];
}

static void fill(size_t n)
{
    unsigned c = (unsigned)rand();
    for (size_t i = 0; i < n; i++) {
        g_buf[i] = (char)(c + i + (i >> 8));
    }
}

static void write_at(int fd, bool own, size_t pos, size_t n)
{
    fill(n);
    CHECK((own ? write(fd, g_buf, n) : pwrite(fd, g_buf, n, (off_t)pos)) == (ssize_t)n);
    memcpy(g_model + pos, g_buf, n);
    g_size = pos + n > g_size ? pos + n : g_size;
}

static void verify(const char *path)
{
    int fd = open(path, O_RDONLY);
    struct stat st;
    CHECK(fd >= 0 && fstat(fd, &st) == 0 && st.st_size == (off_t)g_size);
    CHECK(st.st_blocks * 512 <= (off_t)g_size + 4096);
    for (size_t at = 0; at < g_size;) {
        ssize_t n = read(fd, g_read, BUF_MAX);
        CHECK(n > 0 && memcmp(g_read, g_model + at, (size_t)n) == 0);
        at += (size_t)n;
    }
    close(fd);
}

static void truncate_to(size_t to, bool in_child)
{
    int status;
    pid_t pid = in_child ? fork() : 0;
    if (pid == 0) {
        CHECK(truncate("file", (off_t)to) == 0);
    }
    if (in_child && pid == 0) {
        _exit(0);
    }
    CHECK(!in_child || (waitpid(pid, &status, 0) == pid && status == 0));
    if (to < g_size) {
        memset(g_model + to, 0, g_size - to);
    }
    g_size = to;
}

/* A child with the same fd, that writes and makes a file of its own. */
static void child_writes(void)
{
    int status;
    size_t n = length();
    off_t at = lseek(g_fd, 0, SEEK_CUR);
    fill(n);
    pid_t pid = fork();
    if (pid == 0) {
        int own = open("childs", O_RDWR | O_CREAT | O_TRUNC, 0600);
        for (int i = 0; i < 20; i++) {
            CHECK(write(own, g_buf, 100000) == 100000);
        }
        CHECK(write(g_fd, g_buf, n) == (ssize_t)n);
        _exit(0);
    }
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
    memcpy(g_model + at, g_buf, n);
    g_size = (size_t)at + n > g_size ? (size_t)at + n : g_size;
}

static void *thread_writes(void *arg)
{
    size_t n = length();
    write_at(g_fd, false, g_size, n);
    return arg;
}

static void other_file(void)
{
    static char other[100000];
    int fd = open("other", O_RDWR | O_CREAT | O_TRUNC, 0600);
    for (int i = 0; i < 12; i++) {
        memset(other, 'a' + i, sizeof(other));
        CHECK(write(fd, other, sizeof(other)) == (ssize_t)sizeof(other));
    }
    for (int i = 0; i < 12; i++) {
        char byte = 0;
        CHECK(pread(fd, &byte, 1, i * 100000 + 99999) == 1 && byte == 'a' + i);
    }
    close(fd);
    CHECK(unlink("other") == 0);
}

/* The buffer ends in the middle: what is there is written. */
static void bad_buffer(void)
{
    char *page = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(mprotect(page + 8192, 4096, PROT_NONE) == 0);
    memset(page, 'b', 8192);
    size_t at = g_size;
    ssize_t n = pwrite(g_fd, page, 3 * 4096, (off_t)at);
    CHECK(n >= 0 ? n <= 8192 : errno == EFAULT);
    n = n < 0 ? 0 : n;
    memset(g_model + at, 'b', (size_t)n);
    g_size += (size_t)n;
    munmap(page, 3 * 4096);
}

/* Code is what it is, however its system calls are made. */
static void own_code(void)
{
    CHECK(pwrite(g_fd, CODE, CODE_SIZE, (off_t)g_size) == (ssize_t)CODE_SIZE);
    memcpy(g_model + g_size, g_code, CODE_SIZE);
    g_size += CODE_SIZE;
}

static void rarely(int what)
{
    pthread_t t;
    switch (what) {
    case 0:
        truncate_to(g_size / 2, rand() % 2);
        break;
    case 1:
        truncate_to(0, rand() % 2);
        break;
    case 2:
        child_writes();
        break;
    case 3:
        CHECK(pthread_create(&t, NULL, thread_writes, NULL) == 0 && pthread_join(t, NULL) == 0);
        break;
    case 4:
        other_file();
        break;
    case 5:
        bad_buffer();
        break;
    case 6:
        own_code();
        break;
    case 7:
        verify("file");
        break;
    default:
        break;
    }
}

static void read_code(void)
{
    unsigned long start, end, offset;
    char line[PATH_MAX + 100], path[PATH_MAX];
    FILE *maps = fopen("/proc/self/maps", "r");
    bool found = false;
    CHECK(maps);
    while (!found && fgets(line, sizeof(line), maps)) {
        found = sscanf(line, "%lx-%lx %*s %lx %*s %*s %4095s", &start, &end, &offset, path) == 4 &&
                (uintptr_t)CODE >= start && (uintptr_t)CODE + CODE_SIZE <= end;
    }
    fclose(maps);
    int fd = found ? open(path, O_RDONLY) : -1;
    CHECK(pread(fd, g_code, CODE_SIZE, (off_t)((uintptr_t)CODE - start + offset)) ==
          (ssize_t)CODE_SIZE);
    close(fd);
}

int main(int argc, char **argv)
{
    read_code();
    compat_tmpdir();
    srand(argc > 1 ? (unsigned)atoi(argv[1]) : 5);
    g_model = calloc(1, LIMIT + (64 << 20));
    g_buf = malloc(BUF_MAX);
    g_read = malloc(BUF_MAX);
    g_fd = open("file", O_RDWR | O_CREAT, 0644);
    int append = open("file", O_WRONLY | O_APPEND);
    CHECK(g_model && g_buf && g_read && g_fd >= 0 && append >= 0);
    for (int round = 0; round < 60; round++) {
        int many = 1 + rand() % 30, how = rand() % 4;
        for (int i = 0; i < many && g_size < LIMIT; i++) {
            size_t n = length();
            if (how == 0) {
                write_at(append, true, g_size, n);
            } else if (how == 1) {
                write_at(g_fd, false, g_size ? (size_t)rand() % g_size : 0, n);
            } else {
                write_at(g_fd, true, (size_t)lseek(g_fd, rand() % 8 ? 0 : 5000, SEEK_END), n);
            }
        }
        rarely(g_size >= LIMIT ? 1 : rand() % 9);
    }
    verify("file");
    close(append);
    close(g_fd);
    return 0;
}
