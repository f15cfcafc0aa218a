/*
 * inotify(7): a watched directory.
 * Claims: creating, opening, writing, closing, reading, changing and removing a file in it, directories in it, and renames, with their names,
 * IN_ISDIR and equal cookies; several events in one read; the padding; a buffer too small gives EINVAL; identical events in a
 * row are one; FIONREAD; removal of the watch gives IN_IGNORED.
 */
#include "../compat.h"

#include <sys/inotify.h>
#include <sys/ioctl.h>

static int g_fd, g_wd;
static char g_buf[4096] __attribute__((aligned(8)));
static size_t g_have, g_at;
static uint32_t g_cookie;

/* The next event is this. */
static void next(uint32_t mask, const char *name)
{
    if (g_at == g_have) {
        ssize_t n = read(g_fd, g_buf, sizeof(g_buf));
        if (n <= 0) {
            fprintf(stderr, "no event; want %x %s\n", mask, name);
        }
        CHECK(n > 0);
        g_have = (size_t)n;
        g_at = 0;
    }
    const struct inotify_event *e = (const void *)(g_buf + g_at);
    if (e->mask != mask || strcmp(e->len ? e->name : "", name) != 0) {
        fprintf(stderr, "got %x %s, want %x %s\n", e->mask, e->len ? e->name : "", mask, name);
        exit(1);
    }
    CHECK_EQ(e->wd, g_wd);
    CHECK_EQ(e->len % 16, 0);
    CHECK(*name ? e->len > strlen(name) : e->len == 0);
    g_cookie = e->cookie;
    g_at += sizeof(*e) + e->len;
}

static void nothing(void)
{
    CHECK_EQ(g_at, g_have);
    CHECK_ERRNO(read(g_fd, g_buf, sizeof(g_buf)), EAGAIN);
}

int main(void)
{
    char buf[8];
    uint32_t cookie;
    int fd, n;

    compat_tmpdir();
    CHECK(mkdir("d", 0700) == 0);
    g_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    CHECK(g_fd >= 0);
    g_wd = inotify_add_watch(g_fd, "d", IN_ALL_EVENTS);
    CHECK_EQ(g_wd, 1);
    nothing();

    fd = open("d/file", O_RDWR | O_CREAT, 0600);
    CHECK(fd >= 0);
    next(IN_CREATE, "file");
    next(IN_OPEN, "file");
    CHECK(write(fd, "abc", 3) == 3);
    CHECK(write(fd, "abc", 3) == 3);
    CHECK(pread(fd, buf, 1, 0) == 1);
    next(IN_MODIFY, "file");
    next(IN_ACCESS, "file");
    CHECK(ftruncate(fd, 1) == 0);
    next(IN_MODIFY, "file");
    CHECK(fchmod(fd, 0640) == 0);
    next(IN_ATTRIB, "file");
    close(fd);
    next(IN_CLOSE_WRITE, "file");
    close(open("d/file", O_RDONLY));
    next(IN_OPEN, "file");
    next(IN_CLOSE_NOWRITE, "file");
    nothing();

    CHECK(rename("d/file", "d/longer_name_than_16") == 0);
    next(IN_MOVED_FROM, "file");
    cookie = g_cookie;
    next(IN_MOVED_TO, "longer_name_than_16");
    CHECK(cookie != 0 && cookie == g_cookie);
    CHECK(rename("d/longer_name_than_16", "out") == 0);
    next(IN_MOVED_FROM, "longer_name_than_16");
    CHECK(rename("out", "d/in") == 0);
    next(IN_MOVED_TO, "in");
    CHECK(unlink("d/in") == 0);
    next(IN_DELETE, "in");
    CHECK(mkdir("d/sub", 0700) == 0);
    next(IN_CREATE | IN_ISDIR, "sub");
    CHECK(rmdir("d/sub") == 0);
    next(IN_DELETE | IN_ISDIR, "sub");
    CHECK(symlink("x", "d/link") == 0);
    next(IN_CREATE, "link");
    CHECK(unlink("d/link") == 0);
    next(IN_DELETE, "link");
    nothing();

    CHECK(mkdir("d/x", 0700) == 0);
    CHECK(ioctl(g_fd, FIONREAD, &n) == 0);
    CHECK_EQ(n, sizeof(struct inotify_event) + 16);
    CHECK_ERRNO(read(g_fd, g_buf, 20), EINVAL);
    next(IN_CREATE | IN_ISDIR, "x");
    CHECK_ERRNO(inotify_rm_watch(g_fd, 77), EINVAL);
    CHECK(inotify_rm_watch(g_fd, g_wd) == 0);
    next(IN_IGNORED, "");
    CHECK_ERRNO(inotify_rm_watch(g_fd, g_wd), EINVAL);
    CHECK(rmdir("d/x") == 0);
    nothing();
    return 0;
}
