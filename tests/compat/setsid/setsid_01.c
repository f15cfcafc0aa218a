/*
 * setsid(2), getsid(2):
 * 1. A process that leads no group gets a session and group of its own number.
 * 2. A group leader gets EPERM, even when other processes only use its number as their group.
 * 3. Children inherit session and group.
 */
#include "../compat.h"

static int leader(void)
{
    CHECK_EQ(setpgid(0, 0), 0);
    CHECK_ERRNO(setsid(), EPERM);
    return 0;
}

static int fresh(void)
{
    CHECK_EQ(setsid(), getpid());
    CHECK_EQ(getsid(0), getpid());
    CHECK_EQ(getpgrp(), getpid());
    CHECK_ERRNO(setsid(), EPERM);
    pid_t sid = getsid(0);
    pid_t pid = fork();
    if (pid == 0) {
        _exit(getsid(0) == sid && getpgrp() == sid ? 0 : 1);
    }
    int status;
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    return status;
}

int main(void)
{
    CHECK_EQ(compat_child(leader), 0);
    CHECK_EQ(compat_child(fresh), 0);
    CHECK_ERRNO(getsid(-5), ESRCH);
    return 0;
}
