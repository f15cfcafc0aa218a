/*
 * lseek(2), SEEK_DATA and SEEK_HOLE of a sparse file: reading holes, however often, does not make them data, nor blocks. Where
 * the file system says so by the page: what was written with gaps, made longer, or punched.
 */
#include "../compat.h"

#define PAGE 4096
#define SIZE (50 * PAGE)

static char g_buf[SIZE];

static void read_often(int fd)
{
    for (int i = 0; i < 200; i++) {
        CHECK_EQ(pread(fd, g_buf, sizeof(g_buf), 0), SIZE);
        CHECK_EQ(pread(fd, g_buf, 100, 20 * PAGE + 50), 100);
    }
    CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
    for (int i = 0; i < SIZE / PAGE; i++) {
        CHECK_EQ(read(fd, g_buf, PAGE), PAGE);
    }
}

static void is_data(int fd, off_t from, off_t to)
{
    struct stat st;
    CHECK_EQ(lseek(fd, 0, SEEK_DATA), from);
    CHECK_EQ(lseek(fd, from, SEEK_HOLE), to);
    CHECK_ERRNO(lseek(fd, to, SEEK_DATA), ENXIO);
    CHECK_EQ(lseek(fd, to, SEEK_HOLE), to);
    CHECK_EQ(fstat(fd, &st), 0);
    CHECK_EQ(st.st_blocks, (to - from) / 512);
}

static int fresh(const char *name)
{
    int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0600);
    CHECK(fd >= 0);
    return fd;
}

/* Calls enough that a kernel may think about making them cheap. */
static void write_often(int fd, off_t at)
{
    for (int i = 0; i < 200; i++) {
        CHECK_EQ(pwrite(fd, "x", 1, at + i), 1);
    }
}

int main(void)
{
    compat_tmpdir();
    int fd = fresh("granularity");
    CHECK_EQ(pwrite(fd, "x", 1, 0), 1);
    CHECK_EQ(ftruncate(fd, SIZE), 0);
    if (lseek(fd, 0, SEEK_HOLE) != PAGE) {
        SKIP("this file system does not tell holes by the page");
    }
    read_often(fd);
    is_data(fd, 0, PAGE);

    fd = fresh("made longer after many writes");
    write_often(fd, 0);
    CHECK_EQ(ftruncate(fd, SIZE), 0);
    read_often(fd);
    is_data(fd, 0, PAGE);
    write_often(fd, PAGE);
    read_often(fd);
    is_data(fd, 0, 2 * PAGE);

    fd = fresh("with a gap");
    write_often(fd, 0);
    CHECK_EQ(pwrite(fd, "x", 1, SIZE - 1), 1);
    read_often(fd);
    CHECK_EQ(lseek(fd, 0, SEEK_HOLE), PAGE);
    CHECK_EQ(lseek(fd, PAGE, SEEK_DATA), SIZE - PAGE);
    CHECK_EQ(lseek(fd, SIZE - 1, SEEK_HOLE), SIZE);

    fd = open("with a gap, of a writer", O_WRONLY | O_CREAT, 0600);
    write_often(fd, 0);
    CHECK_EQ(pwrite(fd, "x", 1, SIZE - 1), 1);
    CHECK_EQ(close(fd), 0);
    fd = open("with a gap, of a writer", O_RDONLY);
    read_often(fd);
    CHECK_EQ(lseek(fd, 0, SEEK_HOLE), PAGE);

    fd = fresh("only a hole, read by another description");
    CHECK_EQ(ftruncate(fd, SIZE), 0);
    int other = open("only a hole, read by another description", O_RDONLY);
    read_often(other);
    CHECK_ERRNO(lseek(fd, 0, SEEK_DATA), ENXIO);
    CHECK_EQ(lseek(other, 5, SEEK_HOLE), 5);

    fd = fresh("punched");
    memset(g_buf, 'x', sizeof(g_buf));
    CHECK_EQ(pwrite(fd, g_buf, sizeof(g_buf), 0), SIZE);
    read_often(fd);
    int r = fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, PAGE, SIZE - PAGE);
    if (r == 0) {
        read_often(fd);
        is_data(fd, 0, PAGE);
    }
    return 0;
}
