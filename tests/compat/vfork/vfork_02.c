/*
 * vfork(2), signals:
 * 1. A parent that waits for its vfork child is ended by a fatal signal, and the child goes on.
 * 2. A handled signal waits until the child is done.
 */
#include "../compat.h"

#include <signal.h>
#include <time.h>

static volatile sig_atomic_t handled;

static void handler(int sig)
{
    (void)sig;
    handled = 1;
}

static int report[2];

int main(void)
{
    int status;
    char c;
    CHECK_EQ(pipe(report), 0);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        close(report[0]);
        if (vfork() == 0) {
            usleep(200000);
            _exit(write(report[1], "x", 1) == 1 ? 0 : 1);
        }
        _exit(5); /* not reached: killed meanwhile */
    }
    close(report[1]);
    usleep(60000);
    CHECK_EQ(kill(pid, SIGTERM), 0);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK(WIFSIGNALED(status));
    CHECK_EQ(WTERMSIG(status), SIGTERM);
    CHECK_EQ(read(report[0], &c, 1), 1);
    CHECK_EQ(read(report[0], &c, 1), 0);

    CHECK(signal(SIGUSR1, handler) != SIG_ERR);
    pid_t parent = getpid();
    pid = vfork();
    if (pid == 0) {
        kill(parent, SIGUSR1);
        usleep(50000);
        _exit(handled ? 1 : 0);
    }
    CHECK_EQ(handled, 1);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
    return 0;
}
