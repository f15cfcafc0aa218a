/*
 * fcntl(2): F_SETLKW waits until the holder lets go, and a ring of waiters is EDEADLK; OFD locks
 * belong to the open file description.
 */
#include "../compat.h"

static int set(int fd, int cmd, short type, off_t start)
{
    struct flock fl = {.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = 1};
    return fcntl(fd, cmd, &fl);
}

int main(void)
{
    int ready[2];
    char c;
    compat_tmpdir();
    CHECK_EQ(pipe(ready), 0);
    int fd = open("f", O_RDWR | O_CREAT, 0644);
    CHECK(fd >= 0);
    CHECK_EQ(set(fd, F_SETLK, F_WRLCK, 0), 0);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        if (set(fd, F_SETLK, F_WRLCK, 1) != 0 || write(ready[1], "x", 1) != 1) {
            _exit(2);
        }
        _exit(set(fd, F_SETLKW, F_WRLCK, 0) == 0 ? 0 : 1); /* waits for the parent */
    }
    CHECK_EQ(read(ready[0], &c, 1), 1);
    usleep(50000);
    CHECK_ERRNO(set(fd, F_SETLKW, F_WRLCK, 1), EDEADLK);
    int status;
    CHECK_EQ(waitpid(pid, &status, WNOHANG), 0); /* still waiting */
    CHECK_EQ(set(fd, F_SETLK, F_UNLCK, 0), 0);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);

    int a = open("f", O_RDWR), b = open("f", O_RDWR), a2 = dup(a);
    CHECK_EQ(set(a, F_OFD_SETLK, F_WRLCK, 0), 0);
    CHECK_ERRNO(set(b, F_OFD_SETLK, F_WRLCK, 0), EAGAIN);
    CHECK_EQ(set(a2, F_OFD_SETLK, F_WRLCK, 0), 0);
    struct flock fl = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1};
    CHECK_EQ(fcntl(b, F_OFD_GETLK, &fl), 0);
    CHECK_EQ(fl.l_type, F_WRLCK);
    CHECK_EQ(fl.l_pid, -1);
    CHECK_EQ(close(a), 0);
    CHECK_ERRNO(set(b, F_OFD_SETLK, F_RDLCK, 0), EAGAIN);
    CHECK_EQ(close(a2), 0);
    CHECK_EQ(set(b, F_OFD_SETLK, F_RDLCK, 0), 0);
    fl.l_pid = 1;
    CHECK_ERRNO(fcntl(b, F_OFD_SETLK, &fl), EINVAL);
    return 0;
}
