/*
 * Claims: whoever goes through the files of a directory that somebody has just written, as tar and git status do, reads what is in
 * each, whatever was done to it up to then: written, cut, made longer, mapped, replaced, removed, by itself or by another process, with
 * a descriptor from before or a new one. The first read moves the access time, which is at once what everybody is
 * told by name, by another name, by descriptor, and in another process; opening alone does not; and O_NOATIME, and times that
 * are newer than the file, leave it.
 */
#include "../compat.h"

#include <dirent.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>

#define FILES 28
#define AT    12 /* the one that something happens to, when those before were read */

static struct {
    char name[32];
    char bytes[64];
} g_files[FILES];
static int g_dir, g_kept; /* g_kept: AT, open for writing from before */
static int g_other;       /* a process that does what it is told */

static void fill(const char *name, const char *bytes, size_t size)
{
    int fd = openat(g_dir, name, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    CHECK(fd >= 0 && write(fd, bytes, size) == (ssize_t)size && close(fd) == 0);
}

static void write_at(int fd, const char *bytes)
{
    CHECK(pwrite(fd, bytes, strlen(bytes), 0) == (ssize_t)strlen(bytes));
}

enum change { NONE, WRITE, KEPT, CUT, LONGER, MAPPED, REPLACED, RENAMED, CHANGES };

static void change(enum change what, char *expected)
{
    const char *name = g_files[AT].name;
    int fd = openat(g_dir, name, O_RDWR);
    CHECK(fd >= 0);
    switch (what) {
    case WRITE:
        write_at(fd, "WRITTEN");
        break;
    case KEPT:
        write_at(g_kept, "WRITTEN");
        break;
    case CUT:
        CHECK(ftruncate(fd, 7) == 0 && pwrite(fd, "WRITTEN", 7, 0) == 7);
        break;
    case LONGER: {
        struct stat st;
        CHECK(fstat(fd, &st) == 0 && pwrite(fd, "more", 4, st.st_size) == 4);
        break;
    }
    case MAPPED: {
        char *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        CHECK(p != MAP_FAILED);
        memcpy(p, "WRITTEN", 7);
        CHECK(munmap(p, 4096) == 0);
        break;
    }
    case REPLACED:
        CHECK(unlinkat(g_dir, name, 0) == 0);
        fill(name, "WRITTEN", 7);
        break;
    case RENAMED:
        fill("fresh", "WRITTEN", 7);
        CHECK(renameat(g_dir, "fresh", g_dir, name) == 0);
        break;
    default:
        break;
    }
    close(fd);
    if (what == CUT || what == REPLACED || what == RENAMED) {
        strcpy(expected, "WRITTEN");
    } else if (what == LONGER) {
        strcat(expected, "more");
    } else if (what != NONE) {
        memcpy(expected, "WRITTEN", 7);
    }
}

struct order {
    int what; /* a change; < 0: stat */
    char name[32];
    struct timespec atime; /* the answer to stat */
    char expected[64];
};

static void serve(int fd)
{
    struct order o;
    while (read(fd, &o, sizeof(o)) == sizeof(o)) {
        if (o.what >= 0) {
            change((enum change)o.what, o.expected);
        } else {
            struct stat st;
            CHECK(fstatat(g_dir, o.name, &st, 0) == 0);
            o.atime = st.st_atim;
        }
        CHECK(write(fd, &o, sizeof(o)) == sizeof(o));
    }
    exit(0);
}

static void tell(struct order *o)
{
    CHECK(write(g_other, o, sizeof(*o)) == sizeof(*o));
    CHECK(read(g_other, o, sizeof(*o)) == sizeof(*o));
}

static bool same(struct timespec a, struct timespec b)
{
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

static bool before(struct timespec a, struct timespec b)
{
    return a.tv_sec < b.tv_sec || (a.tv_sec == b.tv_sec && a.tv_nsec < b.tv_nsec);
}

/* In the directory's order, since that is the order in which they are read. */
static void make_files(void)
{
    CHECK((g_dir = open(".", O_RDONLY | O_DIRECTORY)) >= 0);
    for (int i = 0; i < FILES; i++) {
        char name[32];
        snprintf(name, sizeof(name), "file%d", i);
        fill(name, "x", 1);
    }
    DIR *d = opendir(".");
    struct dirent *e;
    int n = 0;
    while ((e = readdir(d))) {
        if (strncmp(e->d_name, "file", 4) == 0) {
            memccpy(g_files[n].name, e->d_name, 0, sizeof(g_files[n].name));
            snprintf(g_files[n].bytes, sizeof(g_files[n].bytes), "what is in %.20s", e->d_name);
            fill(e->d_name, g_files[n].bytes, strlen(g_files[n].bytes));
            n++;
        }
    }
    CHECK(closedir(d) == 0 && n == FILES);
    CHECK((g_kept = openat(g_dir, g_files[AT].name, O_WRONLY)) >= 0);
}

static int g_pair[2];

static void start_other(void)
{
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, g_pair) == 0);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        close(g_pair[0]);
        serve(g_pair[1]);
    }
    close(g_pair[1]);
    g_other = g_pair[0];
}

static void stop_other(void)
{
    int status;
    close(g_other);
    CHECK(wait(&status) > 0 && status == 0);
}

static struct timespec atime_of(int fd)
{
    struct stat st;
    CHECK(fstat(fd, &st) == 0);
    return st.st_atim;
}

static struct timespec atime_by_name(const char *name)
{
    struct stat st;
    CHECK(fstatat(g_dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0);
    return st.st_atim;
}

static struct timespec atime_elsewhere(const char *name)
{
    struct order o = {.what = -1};
    strcpy(o.name, name);
    tell(&o);
    return o.atime;
}

static void check_bytes(int fd, int i)
{
    char buf[128];
    size_t size = strlen(g_files[i].bytes);
    CHECK_EQ(read(fd, buf, sizeof(buf)), size);
    CHECK(memcmp(buf, g_files[i].bytes, size) == 0);
    CHECK_EQ(read(fd, buf, sizeof(buf)), 0);
    struct stat st;
    CHECK(fstat(fd, &st) == 0 && st.st_size == (off_t)size);
}

static void go_through(enum change what, bool elsewhere)
{
    make_files();
    start_other();
    for (int i = 0; i < FILES; i++) {
        struct stat st;
        if (i == AT && elsewhere) {
            struct order o = {.what = (int)what};
            strcpy(o.expected, g_files[i].bytes);
            tell(&o);
            strcpy(g_files[i].bytes, o.expected);
        } else if (i == AT) {
            change(what, g_files[i].bytes);
        }
        CHECK(fstatat(g_dir, g_files[i].name, &st, AT_SYMLINK_NOFOLLOW) == 0);
        CHECK_EQ(st.st_size, strlen(g_files[i].bytes));
        int fd = openat(g_dir, g_files[i].name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
        CHECK(fd >= 0);
        check_bytes(fd, i);
        if (i == AT + 3) { /* it changes while it is open, too */
            int other = openat(g_dir, g_files[i].name, O_WRONLY);
            write_at(other, "WRITTEN");
            CHECK(close(other) == 0 && lseek(fd, 0, SEEK_SET) == 0);
            memcpy(g_files[i].bytes, "WRITTEN", 7);
            check_bytes(fd, i);
        }
        CHECK(close(fd) == 0);
    }
    stop_other();
    CHECK(close(g_kept) == 0 && close(g_dir) == 0);
}

/* after: no file is read before that. */
static void check_touch(int i, struct timespec after)
{
    const char *name = g_files[i].name;
    struct timespec old = atime_by_name(name), now;
    int fd = openat(g_dir, name, O_RDONLY);
    CHECK(fd >= 0 && same(atime_of(fd), old));
    if (i % 5 == 0) {
        CHECK(same(atime_elsewhere(name), old));
    }
    char c;
    CHECK(i % 2 ? read(fd, &c, 1) == 1 : pread(fd, &c, 1, 3) == 1);
    now = i % 3 == 0 ? atime_by_name(name) : i % 3 == 1 ? atime_elsewhere(name) : atime_of(fd);
    CHECK(before(old, now) && !before(now, after)); /* read long after it was written */
    CHECK(same(atime_by_name(name), now) && same(atime_of(fd), now));
    CHECK(same(atime_elsewhere(name), now));
    CHECK(read(fd, &c, 1) == 1 && same(atime_of(fd), now)); /* once */
    if (i < 8) {
        CHECK(close(fd) == 0 && same(atime_by_name(name), now));
        return; /* other names would make everybody ask again */
    }
    char link[40];
    snprintf(link, sizeof(link), "link-%d", i);
    CHECK(linkat(g_dir, name, g_dir, link, 0) == 0 && same(atime_by_name(link), now));
    CHECK(unlinkat(g_dir, link, 0) == 0 && close(fd) == 0);
    CHECK(same(atime_by_name(name), now));
}

static void check_times(void)
{
    make_files();
    start_other();
    struct timespec after;
    usleep(20000); /* files' times may go by a clock that ticks */
    clock_gettime(CLOCK_REALTIME_COARSE, &after);
    for (int i = 0; i < 3 * FILES; i++) {
        atime_elsewhere(g_files[i % FILES].name); /* it may know them by heart */
    }
    for (int i = 0; i < AT; i++) {
        check_touch(i, after);
    }
    const struct timespec newer[2] = {{after.tv_sec + 1000, 0}, {after.tv_sec - 1000, 0}};
    for (int i = AT; i < FILES; i++) {
        bool is_newer = i % 2;
        if (is_newer) {
            CHECK(utimensat(g_dir, g_files[i].name, newer, 0) == 0);
        }
        struct timespec old = atime_by_name(g_files[i].name);
        int fd = openat(g_dir, g_files[i].name, O_RDONLY | (is_newer ? 0 : O_NOATIME));
        CHECK(fd >= 0);
        check_bytes(fd, i);
        CHECK(same(atime_of(fd), old) && close(fd) == 0);
        CHECK(same(atime_by_name(g_files[i].name), old) &&
              same(atime_elsewhere(g_files[i].name), old));
    }
    stop_other();
}

/* Children have what was opened, and what was not read yet. */
static void check_children(void)
{
    make_files();
    int fds[FILES];
    for (int i = 0; i < FILES; i++) {
        CHECK((fds[i] = openat(g_dir, g_files[i].name, O_RDONLY)) >= 0);
    }
    for (int i = 0; i < FILES; i++) {
        CHECK(i == 0 || fds[i] > fds[i - 1]);
    }
    char c;
    CHECK(read(fds[5], &c, 1) == 1 && read(fds[6], &c, 1) == 1);
    pid_t pid = fork();
    if (pid == 0) {
        CHECK(read(fds[5], &c, 1) == 1 && c == g_files[5].bytes[1]);
        for (int i = 8; i < FILES; i++) {
            check_bytes(fds[i], i);
        }
        exit(0);
    }
    int status;
    CHECK(wait(&status) == pid && status == 0);
    CHECK(read(fds[5], &c, 1) == 1 && c == g_files[5].bytes[2]);
    CHECK(read(fds[6], &c, 1) == 1 && c == g_files[6].bytes[1]);
    CHECK_EQ(read(fds[9], &c, 1), 0); /* the position is the child's, too */
}

int main(void)
{
    compat_tmpdir();
    for (int what = NONE; what < CHANGES; what++) {
        go_through((enum change)what, false);
        go_through((enum change)what, true);
    }
    check_times();
    check_children();
    return 0;
}
