/*
 * fork(2) up to a limit, again and again: every fork that succeeded has a child that can be ended and waited for, and one that failed has
 * none. With FORK_FAILS set, the limit is to be met (EAGAIN); it is the machine's, not RLIMIT_NPROC.
 */
#include "../compat.h"

#include <signal.h>

#define CHILDREN 200

int main(void)
{
    for (int round = 0; round < 4; round++) {
        pid_t pids[CHILDREN];
        int count = 0, status;
        while (count < CHILDREN) {
            pid_t pid = fork();
            int error = errno;
            if (pid == 0) {
                pause();
                _exit(1);
            }
            if (pid < 0) {
                CHECK_EQ(error, EAGAIN);
                break;
            }
            pids[count++] = pid;
        }
        CHECK(count > 5);
        CHECK(!getenv("FORK_FAILS") == (count == CHILDREN));
        for (int i = 0; i < count; i++) {
            CHECK_EQ(kill(pids[i], SIGKILL), 0);
        }
        for (int i = 0; i < count; i++) {
            CHECK_EQ(waitpid(pids[i], &status, 0), pids[i]);
            CHECK_EQ(status, SIGKILL);
        }
        CHECK_ERRNO(wait(&status), ECHILD);
    }
    return 0;
}
