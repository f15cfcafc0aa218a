/*
 * Claims: whoever opens file after file of a directory and reads them, as grep -r and cp -r do, reads what is in each: at once or in
 * pieces, from any place, into several buffers, to its end and beyond; files that stay open read the same after
 * many others have been opened; so do children, and threads that read what another one has opened.
 *
 * The files are the system's own, of many sizes: their bytes may have come before they are asked for.
 */
#include "../compat.h"

#include <dirent.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/uio.h>

#define FILES_MAX 160
#define FILES_MIN 12
#define SIZE_MAX_ (400 << 10)
#define KEEP      9

static struct {
    char name[64];
    const char *bytes; /* as a mapping shows them */
    size_t size;
} g_files[FILES_MAX];
static int g_dir, g_count;
static char g_buf[SIZE_MAX_ + 64];

static void map_file(const char *name, off_t size)
{
    int fd = openat(g_dir, name, O_RDONLY);
    void *bytes = mmap(NULL, (size_t)size, PROT_READ, MAP_PRIVATE, fd, 0);
    CHECK(fd >= 0 && bytes != MAP_FAILED && close(fd) == 0);
    strcpy(g_files[g_count].name, name);
    g_files[g_count].bytes = bytes;
    g_files[g_count++].size = (size_t)size;
}

/* In the directory's order. Return: whether there are enough. */
static bool list_files(const char *where)
{
    DIR *d = opendir(where);
    struct dirent *e;
    g_count = 0;
    g_dir = open(where, O_RDONLY | O_DIRECTORY);
    while (d && g_count < FILES_MAX && (e = readdir(d))) {
        struct stat st;
        if (strlen(e->d_name) < sizeof(g_files[0].name) &&
            fstatat(g_dir, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
            st.st_size > 0 && st.st_size < SIZE_MAX_ && (st.st_mode & 0444) == 0444) {
            map_file(e->d_name, st.st_size);
        }
    }
    if (d) {
        closedir(d);
    }
    if (g_count < FILES_MIN) {
        close(g_dir);
    }
    return g_count >= FILES_MIN;
}

static int open_file(int i)
{
    int fd = openat(g_dir, g_files[i].name, O_RDONLY);
    CHECK(fd >= 0);
    return fd;
}

/* Room behind the end must stay as it is. */
static void read_all(int fd, int i)
{
    size_t size = g_files[i].size;
    memset(g_buf, 0x5a, size + 64);
    CHECK(read(fd, g_buf, size + 64) == (ssize_t)size);
    CHECK(memcmp(g_buf, g_files[i].bytes, size) == 0);
    for (int k = 0; k < 64; k++) {
        CHECK(g_buf[size + (size_t)k] == 0x5a);
    }
    CHECK(read(fd, g_buf, 64) == 0 && g_buf[0] == g_files[i].bytes[0]);
    CHECK(lseek(fd, 0, SEEK_CUR) == (off_t)size);
}

static void read_pieces(int fd, int i)
{
    size_t size = g_files[i].size, at = 0, piece = size / 7 + 1;
    ssize_t n;
    while ((n = read(fd, g_buf, piece)) > 0) {
        CHECK(memcmp(g_buf, g_files[i].bytes + at, (size_t)n) == 0);
        at += (size_t)n;
    }
    CHECK(n == 0 && at == size);
}

static void read_places(int fd, int i)
{
    size_t size = g_files[i].size;
    for (size_t at = 1; at < size; at = at * 3 + 1) {
        size_t left = size - at, want = left < 4096 ? left : 4096;
        CHECK(pread(fd, g_buf, 4096, (off_t)at) == (ssize_t)want);
        CHECK(memcmp(g_buf, g_files[i].bytes + at, want) == 0);
    }
    CHECK(pread(fd, g_buf, 1, (off_t)size) == 0 && pread(fd, g_buf, 1, (off_t)size + 5000) == 0);
    CHECK(lseek(fd, 0, SEEK_CUR) == 0);
}

static void read_vector(int fd, int i)
{
    size_t size = g_files[i].size, half = size / 2;
    struct iovec v[3] = {{g_buf, half}, {g_buf + half, 0}, {g_buf + half, size - half}};
    CHECK(readv(fd, v, 3) == (ssize_t)size && memcmp(g_buf, g_files[i].bytes, size) == 0);
    CHECK(lseek(fd, -(off_t)(size - half), SEEK_END) == (off_t)half);
    CHECK(read(fd, g_buf, size) == (ssize_t)(size - half));
    CHECK(memcmp(g_buf, g_files[i].bytes + half, size - half) == 0);
}

static void read_it(int how, int i)
{
    int fd = open_file(i);
    switch (how % 4) {
    case 0:
        read_all(fd, i);
        break;
    case 1:
        read_pieces(fd, i);
        break;
    case 2:
        read_places(fd, i);
        break;
    default:
        read_vector(fd, i);
    }
    CHECK(close(fd) == 0);
}

static void check_reads(void)
{
    for (int how = 0; how < 6; how++) {
        for (int i = 0; i < g_count; i++) {
            read_it(how < 4 ? how : i + how, i);
        }
    }
}

/* Some stay open, while others take the places that are free. */
static void check_kept(void)
{
    int fds[KEEP], files[KEEP], kept = 0;
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < g_count; i++) {
            if (i % 11 == round && kept < KEEP) {
                files[kept] = i;
                fds[kept++] = open_file(i);
            } else {
                read_it(i, i);
            }
        }
    }
    for (int k = 0; k < kept; k++) {
        read_places(fds[k], files[k]);
        read_all(fds[k], files[k]);
        CHECK(close(fds[k]) == 0);
    }
}

static void check_children(void)
{
    for (int i = 0; i + 1 < g_count; i += 5) {
        int fd = open_file(i), status;
        pid_t pid = fork();
        if (pid == 0) {
            read_all(fd, i);
            read_it(i, i + 1);
            _exit(0);
        }
        CHECK(pid > 0 && waitpid(pid, &status, 0) == pid && status == 0);
        CHECK(lseek(fd, 0, SEEK_CUR) == (off_t)g_files[i].size);
        CHECK(lseek(fd, 0, SEEK_SET) == 0);
        read_all(fd, i);
        CHECK(close(fd) == 0);
    }
}

static struct {
    int fd, file;
} g_job;

static void *reader(void *arg)
{
    read_all(g_job.fd, g_job.file);
    return arg;
}

static void check_threads(void)
{
    for (int i = 0; i < g_count; i += 7) {
        pthread_t thread;
        for (int k = i; k < i + 6 && k < g_count; k++) {
            read_it(k, k);
        }
        g_job.file = i;
        g_job.fd = open_file(i);
        CHECK(pthread_create(&thread, NULL, reader, NULL) == 0);
        CHECK(pthread_join(thread, NULL) == 0);
        CHECK(close(g_job.fd) == 0);
    }
}

int main(void)
{
    static const char *const places[] = {"/usr/include", "/usr/include/linux",
                                         "/usr/lib/python3.11", "/usr/bin",
                                         "/usr/share/common-licenses"};
    int found = 0;
    for (size_t p = 0; p < sizeof(places) / sizeof(places[0]); p++) {
        if (list_files(places[p])) {
            found++;
            check_reads();
            check_kept();
            check_children();
            check_threads();
            close(g_dir);
        }
    }
    return found ? 0 : 77;
}
