/*
 * exit(2) of threads:
 * 1. A thread's exit(2) leaves the process running.
 * 2. When the leader exits first, the process lives on; its status is that of the thread that exits last.
 * 3. A leader that is gone can't be waited for until the last thread is.
 */
#include "../compat.h"

#include <pthread.h>
#include <sys/syscall.h>

static int go[2];

static void *late(void *arg)
{
    char c;
    (void)arg;
    if (read(go[0], &c, 1) == 1) {
        syscall(SYS_exit, 9);
    }
    return NULL;
}

static void *early(void *arg)
{
    (void)arg;
    return NULL;
}

int main(void)
{
    int status;
    pthread_t p;
    CHECK_EQ(pthread_create(&p, NULL, early, NULL), 0);
    CHECK_EQ(pthread_join(p, NULL), 0);

    CHECK_EQ(pipe(go), 0);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        CHECK_EQ(pthread_create(&p, NULL, late, NULL), 0);
        syscall(SYS_exit, 3);
    }
    usleep(30000);
    CHECK_EQ(waitpid(pid, &status, WNOHANG), 0);
    CHECK_EQ(write(go[1], "x", 1), 1);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK(WIFEXITED(status));
    CHECK_EQ(WEXITSTATUS(status), 9);
    return 0;
}
