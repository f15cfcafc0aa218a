/*
 * prctl(2), families:
 * 1. PR_SET_PDEATHSIG: the child gets the signal when its parent ends; fork clears it.
 * 2. PR_SET_CHILD_SUBREAPER: orphans below become its children, and can be waited for.
 */
#include "../compat.h"

#include <signal.h>
#include <sys/prctl.h>

static int inherits_no_pdeathsig(void)
{
    int v = -1;
    CHECK_EQ(prctl(PR_GET_PDEATHSIG, &v), 0);
    return v;
}

int main(void)
{
    int p[2], go_on[2], status;
    char byte;
    CHECK_EQ(pipe(p), 0);
    CHECK_EQ(pipe(go_on), 0);
    CHECK_EQ(prctl(PR_SET_PDEATHSIG, SIGUSR1), 0);
    CHECK_EQ(compat_child(inherits_no_pdeathsig), 0);
    CHECK_EQ(prctl(PR_SET_PDEATHSIG, 0), 0);
    CHECK_EQ(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);

    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        pid_t inner = fork();
        if (inner == 0) {
            prctl(PR_SET_PDEATHSIG, SIGUSR2);
            pid_t self = getpid();
            CHECK_EQ(write(p[1], &self, sizeof(self)), sizeof(self));
            for (;;) {
                pause();
            }
        }
        CHECK_EQ(read(go_on[0], &byte, 1), 1);
        _exit(0);
    }
    pid_t orphan;
    CHECK_EQ(read(p[0], &orphan, sizeof(orphan)), sizeof(orphan));
    CHECK_EQ(write(go_on[1], "x", 1), 1);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(waitpid(orphan, &status, 0), orphan);
    CHECK(WIFSIGNALED(status));
    CHECK_EQ(WTERMSIG(status), SIGUSR2);
    CHECK_ERRNO(wait(NULL), ECHILD);
    return 0;
}
