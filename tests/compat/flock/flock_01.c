/*
 * flock(2): locks belong to the open file description, survive dup and fork, conflict between
 * two opens, and go with the last close.
 */
#include "../compat.h"

#include <sys/file.h>

int main(void)
{
    compat_tmpdir();
    int a = open("f", O_RDWR | O_CREAT, 0644), b = open("f", O_RDONLY);
    CHECK(a >= 0 && b >= 0);
    CHECK_EQ(flock(a, LOCK_SH), 0);
    CHECK_EQ(flock(b, LOCK_SH | LOCK_NB), 0);
    CHECK_ERRNO(flock(a, LOCK_EX | LOCK_NB), EWOULDBLOCK);
    CHECK_EQ(flock(b, LOCK_UN), 0);
    CHECK_EQ(flock(a, LOCK_EX | LOCK_NB), 0);
    CHECK_ERRNO(flock(b, LOCK_SH | LOCK_NB), EWOULDBLOCK);
    int c = dup(a);
    CHECK_EQ(close(a), 0);
    CHECK_ERRNO(flock(b, LOCK_SH | LOCK_NB), EWOULDBLOCK);
    CHECK_EQ(close(c), 0);
    CHECK_EQ(flock(b, LOCK_EX | LOCK_NB), 0);
    CHECK_ERRNO(flock(b, 0), EINVAL);
    CHECK_ERRNO(flock(b, LOCK_SH | LOCK_EX), EINVAL);
    CHECK_ERRNO(flock(999, LOCK_SH), EBADF);

    a = open("f", O_RDWR);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        close(b); /* the parent's copy keeps the lock */
        _exit(flock(a, LOCK_EX) == 0 ? 0 : 1);
    }
    usleep(50000);
    int status;
    CHECK_EQ(waitpid(pid, &status, WNOHANG), 0);
    CHECK_EQ(close(b), 0);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    return 0;
}
