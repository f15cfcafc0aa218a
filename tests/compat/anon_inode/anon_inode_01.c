/*
 * Mode, owner and times of pipes and sockets can be changed; those of eventfds, epolls, timerfds,
 * signalfds, inotify and pidfds can't: Linux keeps one inode for all of them (since 6.16 it says so).
 */
#include "../compat.h"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/utsname.h>
#include <time.h>

static const struct timespec g_times[2] = {{1, 0}, {2, 0}};

static void check_fixed(int fd)
{
    struct stat before, after;
    CHECK(fd >= 0);
    CHECK_EQ(fstat(fd, &before), 0);
    CHECK_ERRNO(fchmod(fd, 0640), EOPNOTSUPP);
    CHECK_ERRNO(fchown(fd, getuid(), getgid()), EOPNOTSUPP);
    CHECK_ERRNO(futimens(fd, g_times), EOPNOTSUPP);
    CHECK_EQ(fstat(fd, &after), 0);
    CHECK_EQ(after.st_mode, before.st_mode);
    CHECK_EQ(after.st_mtime, before.st_mtime);
    CHECK_EQ(close(fd), 0);
}

static void check_free(int fd)
{
    struct stat st;
    CHECK_EQ(fchmod(fd, 0640), 0);
    CHECK_EQ(fchown(fd, getuid(), getgid()), 0);
    CHECK_EQ(futimens(fd, g_times), 0);
    CHECK_EQ(fstat(fd, &st), 0);
    CHECK_EQ(st.st_mode & 07777, 0640);
    CHECK_EQ(st.st_mtime, 2);
}

int main(void)
{
    int pair[2], major = 0, minor = 0;
    CHECK_EQ(pipe(pair), 0);
    check_free(pair[0]);
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    check_free(pair[0]);

    struct utsname name;
    CHECK_EQ(uname(&name), 0);
    CHECK_EQ(sscanf(name.release, "%d.%d", &major, &minor), 2);
    int probe = eventfd(0, 0);
    if (geteuid() != 0 || ((major < 6 || (major == 6 && minor < 16)) && fchmod(probe, 0600) == 0)) {
        return 0; /* the inode is root's, or of an older kernel */
    }
    sigset_t set;
    sigemptyset(&set);
    check_fixed(eventfd(0, 0));
    check_fixed(epoll_create1(0));
    check_fixed(timerfd_create(CLOCK_MONOTONIC, 0));
    check_fixed(signalfd(-1, &set, 0));
    check_fixed(inotify_init1(0));
    check_fixed((int)syscall(SYS_pidfd_open, getpid(), 0));
    return 0;
}
