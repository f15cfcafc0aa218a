/*
 * Claims: small files that are opened one after the other, in no order, again and again, have their bytes when they are read, and when
 * they are mapped to be read; their descriptors are the lowest free ones, with the flags that were asked for; and who opens or maps a
 * file next sees what was done to it since, by the process itself or by another: written, cut, replaced, removed, forbidden.
 */
#include "tests/compat/compat.h"

#include <sys/mman.h>
#include <sys/wait.h>

#define FILES 120
#define ROUND 7 /* files in between: no order that could be told ahead */

static const char *name_of(int i)
{
    static char name[32];
    snprintf(name, sizeof(name), "f%d", i * ROUND % FILES);
    return name;
}

static void text_of(int i, int version, char *text, size_t size)
{
    snprintf(text, size, "file %d, version %d, %s", i * ROUND % FILES, version,
             version % 2 ? "and longer than it was before" : "short");
}

static void write_file(int i, int version)
{
    char text[128];
    text_of(i, version, text, sizeof(text));
    int fd = open(name_of(i), O_WRONLY | O_CREAT | O_TRUNC, 0644);
    CHECK(fd >= 0);
    CHECK_EQ(write(fd, text, strlen(text)), strlen(text));
    CHECK_EQ(close(fd), 0);
}

static void check_read(int i, const char *text)
{
    char got[256];
    struct stat st;
    int fd = open(name_of(i), O_RDONLY | O_CLOEXEC);
    CHECK(fd >= 0);
    CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
    CHECK_EQ(fstat(fd, &st), 0);
    CHECK_EQ(st.st_size, strlen(text));
    CHECK_EQ(read(fd, got, sizeof(got)), strlen(text));
    CHECK(memcmp(got, text, strlen(text)) == 0);
    CHECK_EQ(read(fd, got, sizeof(got)), 0);
    CHECK_EQ(close(fd), 0);
}

static void check_map(int i, const char *text)
{
    int fd = open(name_of(i), O_RDONLY);
    CHECK(fd >= 0);
    size_t size = strlen(text);
    char *map = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
    CHECK(map != MAP_FAILED);
    CHECK_EQ(close(fd), 0);
    CHECK(memcmp(map, text, size) == 0);
    CHECK(map[size] == 0 && map[4095] == 0);
    CHECK_EQ(munmap(map, size), 0);
    CHECK_ERRNO(read(fd, map, 1), EBADF);
}

static void check_all(int version)
{
    char text[128];
    for (int i = 0; i < FILES; i++) {
        text_of(i, version, text, sizeof(text));
        check_map(i, text);
        check_read(i, text);
        check_map(i, text);
    }
}

static int g_version;

static int change_all(void)
{
    for (int i = 0; i < FILES; i++) {
        write_file(i, g_version);
    }
    return 0;
}

/* Right after it was looked at, so that whatever is kept of it is there. */
static void each_change(void)
{
    char text[128];
    struct stat st;
    for (int i = 0; i < FILES; i++) {
        const char *name = name_of(i);
        text_of(i, 2, text, sizeof(text));
        check_map(i, text);
        switch (i % 5) {
        case 0:
            CHECK_EQ(truncate(name, 5), 0);
            text[5] = 0;
            check_map(i, text);
            check_read(i, text);
            break;
        case 1:
            CHECK_EQ(unlink(name), 0);
            CHECK_ERRNO(open(name, O_RDONLY), ENOENT);
            write_file(i, 2);
            check_read(i, text);
            break;
        case 2:
            compat_file("other", "another file");
            CHECK_EQ(rename("other", name), 0);
            check_read(i, "another file");
            check_map(i, "another file");
            break;
        case 3:
            CHECK_EQ(chmod(name, 0), 0);
            if (geteuid() != 0) {
                CHECK_ERRNO(open(name, O_RDONLY), EACCES);
            }
            CHECK_EQ(stat(name, &st), 0);
            CHECK_EQ(st.st_mode & 0777, 0);
            break;
        default:
            write_file(i, 4);
            text_of(i, 4, text, sizeof(text));
            check_map(i, text);
            check_read(i, text);
        }
    }
}

static void descriptors(void)
{
    int fds[FILES], first = open("f1", O_RDONLY);
    for (int i = 0; i < FILES; i++) {
        fds[i] = open(name_of(i), O_RDONLY);
        CHECK_EQ(fds[i], first + 1 + i);
    }
    for (int i = 0; i < FILES; i += 3) {
        CHECK_EQ(close(fds[i]), 0);
    }
    for (int i = 0; i < FILES; i += 3) {
        CHECK_EQ(open(name_of(i), O_RDONLY), fds[i]);
    }
    for (int i = 0; i < FILES; i++) {
        char c;
        CHECK_EQ(read(fds[i], &c, 1), 1);
        CHECK_EQ(c, 'f');
        CHECK_EQ(close(fds[i]), 0);
    }
    CHECK_EQ(close(first), 0);
}

/* What is not a plain mapping of what is there. */
static void odd_mappings(void)
{
    char text[128];
    for (int i = 0; i < FILES; i++) {
        text_of(i, 2, text, sizeof(text));
        int fd = open(name_of(i), O_RDONLY);
        CHECK(fd >= 0);
        CHECK(mmap(NULL, 10, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED &&
              errno == EACCES);
        CHECK(mmap(NULL, 0, PROT_READ, MAP_PRIVATE, fd, 0) == MAP_FAILED && errno == EINVAL);
        CHECK(mmap(NULL, 10, PROT_READ, MAP_PRIVATE, fd, 1) == MAP_FAILED && errno == EINVAL);
        char *behind = mmap(NULL, 10, PROT_READ, MAP_PRIVATE, fd, 4096);
        char *own = mmap(NULL, 10, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
        CHECK(behind != MAP_FAILED && own != MAP_FAILED);
        own[0] = 'X';
        CHECK(memcmp(own + 1, text + 1, strlen(text) - 1) == 0);
        char *place = mmap(behind, 10, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, 0);
        CHECK(place == behind && memcmp(place, text, strlen(text)) == 0);
        CHECK_EQ(munmap(own, 10), 0);
        CHECK_EQ(munmap(place, 10), 0);
        CHECK_EQ(close(fd), 0);
    }
}

int main(void)
{
    CHECK_EQ(chdir(compat_tmpdir()), 0);
    for (int fd = 3; fd < 1024; fd++) {
        close(fd);
    }
    change_all();
    for (int round = 0; round < 3; round++) {
        check_all(0);
    }
    g_version = 1;
    CHECK_EQ(compat_child(change_all), 0);
    check_all(1);
    g_version = 2;
    change_all();
    check_all(2);
    odd_mappings();
    descriptors();
    each_change();
    return 0;
}
