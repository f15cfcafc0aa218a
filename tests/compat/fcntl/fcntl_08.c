/*
 * Directory notification, F_NOTIFY of fcntl(2):
 * 1. Making, changing, reading, renaming and removing what is in a directory, and changing its attributes, raises SIGIO, or
 *    the signal of F_SETSIG with si_fd and POLL_MSG, for who asked for it; the owner is the caller, unless one was named.
 * 2. Once, or with DN_MULTISHOT always; more events are added; none end it, and so does close.
 * 3. ENOTDIR for what is not a directory; EBADF with O_PATH. /proc/sys/fs/dir-notify-enable says that there is such a thing.
 */
#include "../compat.h"

#include <poll.h>
#include <signal.h>

#define DN_SIGNAL (SIGRTMIN + 3)

static sigset_t g_set;
static siginfo_t g_info;

/* How many are pending: 0 or 1 of SIGIO. */
static int taken(int sig)
{
    const struct timespec none = {0};
    int got, count = 0;
    while ((got = sigtimedwait(&g_set, &g_info, &none)) > 0) {
        CHECK_EQ(got, sig);
        count++;
    }
    return count;
}

static void make(const char *name)
{
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    CHECK(fd >= 0);
    CHECK_EQ(write(fd, "x", 1), 1);
    CHECK_EQ(close(fd), 0);
}

/* One event of each kind, of which only mask's may be told. */
static void each(int dir, unsigned mask)
{
    char c;
    const struct {
        unsigned dn;
        int what;
    } step[] = {{DN_CREATE, 0}, {DN_MODIFY, 1}, {DN_ATTRIB, 2},
                {DN_ACCESS, 3}, {DN_RENAME, 4}, {DN_DELETE, 5}};
    CHECK_EQ(mkdir("d/sub", 0700), 0);
    int fd = -1;
    (void)taken(SIGIO);
    CHECK_EQ(fcntl(dir, F_NOTIFY, mask | DN_MULTISHOT), 0);
    for (size_t i = 0; i < sizeof(step) / sizeof(step[0]); i++) {
        switch (step[i].what) {
        case 0:
            fd = open("d/f", O_RDWR | O_CREAT, 0600);
            CHECK(fd >= 0);
            break;
        case 1:
            CHECK_EQ(write(fd, "x", 1), 1);
            break;
        case 2:
            CHECK_EQ(fchmod(fd, 0640), 0);
            break;
        case 3:
            CHECK_EQ(pread(fd, &c, 1, 0), 1);
            break;
        case 4:
            CHECK_EQ(rename("d/f", "d/g"), 0);
            break;
        default:
            CHECK_EQ(unlink("d/g"), 0);
        }
        if (step[i].dn == mask) {
            CHECK_EQ(taken(SIGIO), 1);
        } else if (step[i].dn != DN_RENAME && step[i].dn != DN_DELETE) {
            CHECK_EQ(taken(SIGIO), 0);
        } else {
            (void)taken(
                SIGIO); /* a rename makes and removes names; a removal changes an attribute */
        }
    }
    CHECK_EQ(close(fd) | rmdir("d/sub"), 0);
    CHECK_EQ(fcntl(dir, F_NOTIFY, 0), 0);
    (void)taken(SIGIO);
}

int main(void)
{
    compat_tmpdir();
    sigemptyset(&g_set);
    sigaddset(&g_set, SIGIO);
    sigaddset(&g_set, DN_SIGNAL);
    CHECK_EQ(sigprocmask(SIG_BLOCK, &g_set, NULL), 0);
    CHECK_EQ(mkdir("d", 0700), 0);
    make("file");
    int dir = open("d", O_RDONLY | O_DIRECTORY), file = open("file", O_RDONLY);
    int path = open("d", O_PATH);
    CHECK_ERRNO(fcntl(file, F_NOTIFY, DN_CREATE), ENOTDIR);
    CHECK_EQ(fcntl(file, F_NOTIFY, 0), 0);
    CHECK_ERRNO(fcntl(path, F_NOTIFY, DN_CREATE), EBADF);
    char c;
    CHECK_EQ(read(open("/proc/sys/fs/dir-notify-enable", O_RDONLY), &c, 1), 1);
    CHECK_EQ(c, '1');
    CHECK_EQ(fcntl(dir, F_GETOWN), 0);
    each(dir, DN_CREATE);
    each(dir, DN_MODIFY);
    each(dir, DN_ATTRIB);
    each(dir, DN_ACCESS);
    each(dir, DN_RENAME);
    each(dir, DN_DELETE);
    CHECK_EQ(fcntl(dir, F_GETOWN), getpid());

    /* Once; asked for twice, both. */
    CHECK_EQ(fcntl(dir, F_NOTIFY, DN_CREATE), 0);
    CHECK_EQ(fcntl(dir, F_NOTIFY, DN_DELETE), 0);
    make("d/a");
    CHECK_EQ(taken(SIGIO), 1);
    make("d/b");
    CHECK_EQ(taken(SIGIO), 0);
    CHECK_EQ(fcntl(dir, F_NOTIFY, DN_CREATE), 0);
    CHECK_EQ(fcntl(dir, F_NOTIFY, DN_DELETE), 0);
    CHECK_EQ(unlink("d/a"), 0);
    CHECK_EQ(taken(SIGIO), 1);
    CHECK_EQ(unlink("d/b"), 0);
    CHECK_EQ(taken(SIGIO), 0);

    CHECK_EQ(fcntl(dir, F_SETSIG, DN_SIGNAL), 0);
    CHECK_EQ(fcntl(dir, F_NOTIFY, DN_CREATE | DN_MULTISHOT), 0);
    make("d/a");
    make("d/b");
    CHECK_EQ(taken(DN_SIGNAL), 2);
    CHECK_EQ(g_info.si_signo, DN_SIGNAL);
    CHECK_EQ(g_info.si_code, POLL_MSG);
    CHECK_EQ(g_info.si_fd, dir);
    CHECK_EQ(g_info.si_band, POLLIN | POLLRDNORM | POLLMSG);
    CHECK_EQ(close(dir), 0);
    make("d/c");
    CHECK_EQ(taken(DN_SIGNAL), 0);
    return 0;
}
