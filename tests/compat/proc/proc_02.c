/*
 * proc_pid_fd(5), proc_pid_fdinfo(5): links name what is open; opening one opens the file anew, with
 * an offset of its own, also a pipe and a file without a name; modes show the access mode.
 */
#include "../compat.h"

#include <dirent.h>

static const char *link_of(int fd)
{
    static char text[PATH_MAX];
    char name[64];
    snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
    ssize_t n = readlink(name, text, sizeof(text) - 1);
    CHECK(n > 0);
    text[n] = 0;
    return text;
}

static int reopen(int fd, int flags)
{
    char name[64];
    snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
    return open(name, flags);
}

static int mode_of(int fd)
{
    char name[64];
    struct stat st;
    snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
    CHECK_EQ(lstat(name, &st), 0);
    CHECK(S_ISLNK(st.st_mode));
    return st.st_mode & 0777;
}

static void files(const char *dir)
{
    char want[PATH_MAX + 64], buf[16] = "";
    compat_file("f", "content");
    int fd = open("f", O_RDONLY), writable = open("f", O_RDWR);
    snprintf(want, sizeof(want), "%s/f", dir);
    CHECK(strcmp(link_of(fd), want) == 0);
    CHECK_EQ(mode_of(fd), 0500);
    CHECK_EQ(mode_of(writable), 0700);
    CHECK(read(fd, buf, 3) == 3);
    int again = reopen(fd, O_RDONLY);
    CHECK(again >= 0);
    CHECK(read(again, buf, sizeof(buf)) == 7); /* from the start */
    CHECK_EQ(rename("f", "g"), 0);
    snprintf(want, sizeof(want), "%s/g", dir);
    CHECK(strcmp(link_of(fd), want) == 0);
    CHECK_EQ(unlink("g"), 0);
    snprintf(want, sizeof(want), "%s/g (deleted)", dir);
    CHECK(strcmp(link_of(fd), want) == 0);
    int deleted = reopen(fd, O_RDWR);
    CHECK(deleted >= 0);
    CHECK(write(deleted, "X", 1) == 1);
    CHECK(pread(fd, buf, 7, 0) == 7 && memcmp(buf, "Xontent", 7) == 0);
    struct stat a, b;
    char name[64];
    snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
    CHECK_EQ(fstat(fd, &a), 0);
    CHECK_EQ(stat(name, &b), 0);
    CHECK(a.st_ino == b.st_ino && a.st_dev == b.st_dev);
    CHECK_EQ(close(again), 0);
    CHECK_ERRNO(reopen(again, O_RDONLY), ENOENT);
    close(fd);
    close(writable);
    close(deleted);
}

static void pipes(void)
{
    int p[2];
    char want[64], byte;
    struct stat st;
    CHECK_EQ(pipe(p), 0);
    CHECK_EQ(fstat(p[0], &st), 0);
    snprintf(want, sizeof(want), "pipe:[%lu]", (unsigned long)st.st_ino);
    CHECK(strcmp(link_of(p[0]), want) == 0);
    CHECK(strcmp(link_of(p[1]), want) == 0);
    CHECK_EQ(mode_of(p[1]), 0300);
    int w = reopen(p[0], O_WRONLY); /* the other end of the same pipe */
    CHECK(w >= 0);
    CHECK(write(w, "x", 1) == 1);
    CHECK(read(p[0], &byte, 1) == 1 && byte == 'x');
    close(w);
    close(p[0]);
    close(p[1]);
}

static void info(void)
{
    compat_file("f", "0123456789");
    int fd = open("f", O_RDWR | O_APPEND | O_CLOEXEC);
    CHECK_EQ(lseek(fd, 7, SEEK_SET), 7);
    char name[64], text[512];
    snprintf(name, sizeof(name), "/proc/self/fdinfo/%d", fd);
    int f = open(name, O_RDONLY);
    ssize_t n = read(f, text, sizeof(text) - 1);
    CHECK(n > 0);
    text[n] = 0;
    long pos;
    unsigned flags;
    CHECK_EQ(sscanf(text, "pos: %ld flags: %o mnt_id: ", &pos, &flags), 2);
    CHECK_EQ(pos, 7);
    CHECK_EQ(flags & ~0100000u, O_RDWR | O_APPEND | O_CLOEXEC);
    CHECK(strstr(text, "mnt_id:\t") && strstr(text, "ino:\t"));
    close(f);
    close(fd);
}

static void listing(void)
{
    int fd = open("/dev/null", O_RDONLY), count = 0, seen = 0;
    CHECK(fd >= 0);
    DIR *d = opendir("/proc/self/fd");
    CHECK(d != NULL);
    for (struct dirent *e; (e = readdir(d));) {
        if (e->d_name[0] != '.') {
            CHECK(e->d_type == DT_LNK);
            CHECK(fcntl(atoi(e->d_name), F_GETFD) >= 0);
            count++;
            seen |= atoi(e->d_name) == fd;
        }
    }
    closedir(d);
    CHECK(seen && count >= 4);
    close(fd);
}

int main(void)
{
    char dir[PATH_MAX];
    compat_tmpdir();
    CHECK(getcwd(dir, sizeof(dir)) != NULL);
    files(dir);
    pipes();
    info();
    listing();
    CHECK_EQ(access("/dev/fd/0", F_OK), 0);
    return 0;
}
