/*
 * Claims: small files hold what was written, and zeroes where nothing was, after any sequence of writes, truncations, holes
 * and mappings that lets them grow and shrink around the sizes at which a kernel may change how it keeps them.
 */
#include "tests/compat/compat.h"

#include <sys/mman.h>

#define SIZE_MAX_ 9000
#define ROUNDS    60
#define STEPS     60

static unsigned char g_model[SIZE_MAX_], g_buf[SIZE_MAX_ + 1];
static size_t g_size;
static uint32_t g_seed = 12345;

static size_t below(size_t limit)
{
    g_seed = g_seed * 1664525 + 1013904223;
    return (g_seed >> 8) % limit;
}

/* Most are small. */
static size_t some_size(void)
{
    static const size_t limits[] = {16, 70, 600, 2100, 4200, SIZE_MAX_};
    return below(limits[below(sizeof(limits) / sizeof(limits[0]))]);
}

static void check(int fd)
{
    struct stat st;
    CHECK_EQ(fstat(fd, &st), 0);
    CHECK_EQ(st.st_size, g_size);
    CHECK_EQ(pread(fd, g_buf, sizeof(g_buf), 0), g_size);
    CHECK(memcmp(g_buf, g_model, g_size) == 0);
    if (g_size > 10) {
        size_t at = below(g_size);
        CHECK_EQ(pread(fd, g_buf, 10, (off_t)at), g_size - at < 10 ? g_size - at : 10);
        CHECK(memcmp(g_buf, g_model + at, g_size - at < 10 ? g_size - at : 10) == 0);
    }
}

static void resize(size_t size)
{
    if (size > g_size) {
        memset(g_model + g_size, 0, size - g_size);
    }
    g_size = size;
}

static void write_some(int fd)
{
    size_t at = below(3) ? below(g_size + 1) : some_size(), size = some_size();
    size = size > SIZE_MAX_ - at ? SIZE_MAX_ - at : size;
    for (size_t i = 0; i < size; i++) {
        g_buf[i] = (unsigned char)below(256);
    }
    CHECK_EQ(pwrite(fd, g_buf, size, (off_t)at), size);
    if (size) {
        if (at + size > g_size) {
            resize(at + size);
        }
        memcpy(g_model + at, g_buf, size);
    }
}

static void punch(int fd)
{
    size_t at = some_size(), size = some_size() + 1;
    if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)at, (off_t)size) == 0) {
        for (size_t i = at; i < at + size && i < g_size; i++) {
            g_model[i] = 0;
        }
    }
}

static void reserve(int fd)
{
    size_t size = some_size() + 1;
    if (fallocate(fd, 0, 0, (off_t)size) == 0 && size > g_size) {
        resize(size);
    }
}

static void map(int fd)
{
    if (g_size) {
        unsigned char *p = mmap(NULL, g_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        CHECK(p != MAP_FAILED);
        CHECK(memcmp(p, g_model, g_size) == 0);
        p[g_size / 2] = g_model[g_size / 2] = 'm';
        CHECK_EQ(munmap(p, g_size), 0);
    }
}

int main(void)
{
    compat_tmpdir();
    for (int round = 0; round < ROUNDS; round++) {
        g_size = 0;
        int fd = open("f", O_RDWR | O_CREAT | O_EXCL, 0600);
        CHECK(fd >= 0);
        for (int step = 0; step < STEPS; step++) {
            size_t size;
            switch (below(round % 4 ? 12 : 13)) {
            case 0:
                size = some_size();
                CHECK_EQ(ftruncate(fd, (off_t)size), 0);
                resize(size);
                break;
            case 1:
                punch(fd);
                break;
            case 2:
                reserve(fd);
                break;
            case 12:
                map(fd);
                break;
            default:
                write_some(fd);
            }
            check(fd);
        }
        CHECK_EQ(close(fd), 0);
        CHECK_EQ(unlink("f"), 0);
    }
    return 0;
}
