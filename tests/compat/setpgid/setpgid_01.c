/*
 * setpgid(2), getpgid(2):
 * 1. A process may become its own group's leader, and join a group of its session.
 * 2. EINVAL for a negative group, ESRCH for somebody who is no child, EPERM for a group that is not there.
 * 3. EACCES for a child that has execed; EPERM for a session leader, and for a child in another session.
 */
#include "../compat.h"

#include <signal.h>

static pid_t sleeper(int new_session)
{
    int p[2];
    char c;
    CHECK_EQ(pipe(p), 0);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        if (new_session) {
            setsid();
        }
        close(p[0]);
        close(p[1]);
        for (;;) {
            pause();
        }
    }
    close(p[1]);
    CHECK_EQ(read(p[0], &c, 1), 0);
    close(p[0]);
    return pid;
}

static void end(pid_t pid)
{
    kill(pid, SIGKILL);
    CHECK_EQ(waitpid(pid, NULL, 0), pid);
}

static int as_own_leader(void)
{
    CHECK_EQ(setpgid(0, 0), 0);
    CHECK_EQ(getpgrp(), getpid());
    CHECK_EQ(setpgid(0, getpid()), 0);
    return 0;
}

static int as_session_leader(void)
{
    CHECK_EQ(setsid(), getpid());
    CHECK_ERRNO(setpgid(0, 0), EPERM);
    CHECK_EQ(getsid(0), getpid());
    return 0;
}

int main(int argc, char **argv)
{
    if (argc > 1) {
        CHECK_EQ(write(1, "x", 1), 1);
        pause();
        return 0;
    }
    CHECK_ERRNO(setpgid(0, -1), EINVAL);
    CHECK_ERRNO(setpgid(getppid(), 0), ESRCH);
    CHECK_ERRNO(getpgid(-1), ESRCH);
    CHECK_EQ(compat_child(as_own_leader), 0);
    CHECK_EQ(compat_child(as_session_leader), 0);

    pid_t a = sleeper(0), b = sleeper(0);
    CHECK_EQ(setpgid(a, a), 0);
    CHECK_EQ(getpgid(a), a);
    CHECK_EQ(setpgid(b, a), 0);
    CHECK_EQ(getpgid(b), a);
    CHECK_ERRNO(setpgid(b, 4194000), EPERM);
    end(a);
    CHECK_EQ(getpgid(b), a); /* the group lives on without its leader */
    CHECK_EQ(setpgid(b, a), 0);
    end(b);

    pid_t s = sleeper(1);
    CHECK_ERRNO(setpgid(s, 0), EPERM);
    end(s);

    int p[2];
    char c;
    CHECK_EQ(pipe(p), 0);
    pid_t e = fork();
    if (e == 0) {
        dup2(p[1], 1);
        execl("/proc/self/exe", argv[0], "execed", NULL);
        _exit(1);
    }
    CHECK_EQ(read(p[0], &c, 1), 1);
    CHECK_ERRNO(setpgid(e, 0), EACCES);
    end(e);
    return 0;
}
