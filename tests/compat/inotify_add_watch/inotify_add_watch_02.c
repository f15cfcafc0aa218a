/*
 * inotify_add_watch(2): watches on files, flags and errors.
 * Claims: a second add of the same file changes the watch and keeps its number; IN_MASK_ADD adds; IN_MASK_CREATE gives EEXIST; IN_ONESHOT
 * ends after one event; IN_ONLYDIR gives ENOTDIR; IN_DONT_FOLLOW watches the link; removal of a file gives IN_ATTRIB,
 * IN_DELETE_SELF, IN_IGNORED, a move IN_MOVE_SELF; poll and a blocking read wake; EINVAL, EBADF, ENOENT, EACCES.
 */
#include "../compat.h"

#include <poll.h>
#include <sys/inotify.h>
#include <sys/syscall.h>

#ifndef IN_MASK_CREATE
#define IN_MASK_CREATE 0x10000000
#endif

static int g_fd;

static void next(int wd, uint32_t mask)
{
    struct inotify_event e;
    CHECK_EQ(read(g_fd, &e, sizeof(e)), sizeof(e));
    CHECK_EQ(e.mask, mask);
    CHECK_EQ(e.wd, wd);
}

static void touch(const char *name)
{
    CHECK(chmod(name, 0600) == 0);
}

int main(void)
{
    struct inotify_event e;
    struct pollfd pf;
    int wd, p[2], link_wd;

    compat_tmpdir();
    compat_file("f", "x");
    compat_file("g", "x");
    CHECK(symlink("f", "l") == 0 && mkdir("closed", 0) == 0);
    g_fd = inotify_init1(IN_NONBLOCK);
    wd = inotify_add_watch(g_fd, "f", IN_ATTRIB);
    CHECK(wd > 0);
    CHECK_EQ(inotify_add_watch(g_fd, "l", IN_OPEN), wd);
    touch("f");
    CHECK_ERRNO(read(g_fd, &e, sizeof(e)), EAGAIN);
    CHECK_EQ(inotify_add_watch(g_fd, "f", IN_ATTRIB | IN_MASK_ADD), wd);
    touch("f");
    next(wd, IN_ATTRIB);
    close(open("f", O_RDONLY));
    next(wd, IN_OPEN);
    CHECK_ERRNO(inotify_add_watch(g_fd, "f", IN_OPEN | IN_MASK_CREATE), EEXIST);
    CHECK_ERRNO(inotify_add_watch(g_fd, "f", IN_OPEN | IN_MASK_CREATE | IN_MASK_ADD), EINVAL);
    CHECK_ERRNO(inotify_add_watch(g_fd, "f", IN_OPEN | IN_ONLYDIR), ENOTDIR);
    link_wd = inotify_add_watch(g_fd, "l", IN_ALL_EVENTS | IN_DONT_FOLLOW);
    CHECK(link_wd > wd);
    CHECK(unlink("l") == 0);
    next(link_wd, IN_ATTRIB);
    next(link_wd, IN_DELETE_SELF);
    next(link_wd, IN_IGNORED);

    wd = inotify_add_watch(g_fd, "g", IN_ATTRIB | IN_ONESHOT);
    touch("g");
    touch("g");
    next(wd, IN_ATTRIB);
    next(wd, IN_IGNORED);
    CHECK_ERRNO(read(g_fd, &e, sizeof(e)), EAGAIN);
    CHECK_ERRNO(inotify_rm_watch(g_fd, wd), EINVAL);

    wd = inotify_add_watch(g_fd, "g", IN_ALL_EVENTS);
    CHECK(rename("g", "h") == 0);
    next(wd, IN_MOVE_SELF);
    compat_file("i", "y");
    CHECK(rename("i", "h") == 0);
    next(wd, IN_ATTRIB);
    next(wd, IN_DELETE_SELF);
    next(wd, IN_IGNORED);

    pf = (struct pollfd){g_fd, POLLIN, 0};
    CHECK_EQ(poll(&pf, 1, 0), 0);
    CHECK(fcntl(g_fd, F_SETFL, 0) == 0);
    wd = inotify_add_watch(g_fd, ".", IN_DELETE);
    if (fork() == 0) {
        usleep(20000);
        unlink("h");
        _exit(0);
    }
    CHECK_EQ(poll(&pf, 1, 5000), 1);
    char big[64];
    CHECK_EQ(read(g_fd, big, sizeof(big)), 32);
    wait(NULL);

    CHECK(pipe(p) == 0);
    CHECK_ERRNO(inotify_add_watch(p[0], "f", IN_OPEN), EINVAL);
    CHECK_ERRNO(inotify_rm_watch(p[0], 1), EINVAL);
    CHECK_ERRNO(inotify_add_watch(99, "f", IN_OPEN), EBADF);
    CHECK_ERRNO(inotify_add_watch(g_fd, "none", IN_OPEN), ENOENT);
    CHECK_ERRNO(inotify_add_watch(g_fd, "f", 0), EINVAL);
    CHECK_ERRNO(syscall(SYS_inotify_add_watch, g_fd, 8, IN_OPEN), EFAULT);
    CHECK_ERRNO(inotify_init1(1), EINVAL);
    if (geteuid() != 0) {
        CHECK_ERRNO(inotify_add_watch(g_fd, "closed", IN_OPEN), EACCES);
    }
    return 0;
}
