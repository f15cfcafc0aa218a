/*
 * fcntl(2) record locks: they belong to the process, conflict with another's, split and merge, and go
 * when any fd of the file is closed.
 */
#include "../compat.h"

static int g_fd;

static int lock(short type, off_t start, off_t len)
{
    struct flock fl = {.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len};
    return fcntl(g_fd, F_SETLK, &fl);
}

/* What F_GETLK of a write lock says about the byte: 0 free, else the holder's pid. */
static int holder(off_t at)
{
    struct flock fl = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = at, .l_len = 1};
    CHECK_EQ(fcntl(g_fd, F_GETLK, &fl), 0);
    return fl.l_type == F_UNLCK ? 0 : fl.l_pid;
}

static int child_sees_split(void)
{
    return holder(0) == getppid() && holder(49) == getppid() && holder(50) == 0 &&
                   holder(59) == 0 && holder(60) == getppid() && holder(99) == getppid() &&
                   holder(100) == 0
               ? 0
               : 1;
}
static int child_conflicts(void)
{
    return lock(F_WRLCK, 0, 10) == -1 && (errno == EAGAIN || errno == EACCES) &&
                   lock(F_RDLCK, 0, 10) == -1 && lock(F_WRLCK, 50, 10) == 0
               ? 0
               : 1;
}
static int child_sees_free(void)
{
    return holder(0) == 0 && lock(F_WRLCK, 0, 0) == 0 ? 0 : 1;
}

int main(void)
{
    compat_tmpdir();
    g_fd = open("f", O_RDWR | O_CREAT, 0644);
    CHECK(g_fd >= 0);
    CHECK_EQ(lock(F_WRLCK, 0, 100), 0);
    CHECK_EQ(holder(0), 0); /* one's own lock is no conflict */
    CHECK_EQ(lock(F_UNLCK, 50, 10), 0);
    CHECK_EQ(compat_child(child_sees_split), 0);
    CHECK_EQ(compat_child(child_conflicts), 0);

    int other = open("f", O_RDONLY);
    CHECK(other >= 0);
    CHECK_EQ(close(other), 0);
    CHECK_EQ(compat_child(child_sees_free), 0);

    struct flock bad = {.l_type = 77, .l_whence = SEEK_SET};
    CHECK_ERRNO(fcntl(g_fd, F_SETLK, &bad), EINVAL);
    bad.l_type = F_RDLCK;
    bad.l_start = -1;
    CHECK_ERRNO(fcntl(g_fd, F_SETLK, &bad), EINVAL);
    int ro = open("f", O_RDONLY);
    struct flock w = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    CHECK_ERRNO(fcntl(ro, F_SETLK, &w), EBADF);
    CHECK_ERRNO(fcntl(ro, F_SETLK, (void *)1), EFAULT);
    return 0;
}
