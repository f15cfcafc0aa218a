/*
 * Children nobody waits for:
 * 1. With SIGCHLD ignored children vanish; wait blocks until all are gone, then ECHILD.
 * 2. SA_NOCLDWAIT: the same, but the signal is delivered.
 * 3. Orphans get a new parent, and their zombies don't stay.
 */
#include "../compat.h"

#include <signal.h>

static volatile sig_atomic_t count;

static void on_chld(int sig)
{
    (void)sig;
    count++;
}

int main(void)
{
    int status, p[2];
    signal(SIGCHLD, SIG_IGN);
    for (int i = 0; i < 3; i++) {
        if (fork() == 0) {
            usleep(10000);
            _exit(i);
        }
    }
    CHECK_ERRNO(wait(&status), ECHILD);

    struct sigaction sa = {.sa_handler = on_chld, .sa_flags = SA_NOCLDWAIT | SA_RESTART};
    CHECK_EQ(sigaction(SIGCHLD, &sa, NULL), 0);
    if (fork() == 0) {
        _exit(0);
    }
    CHECK_ERRNO(wait(&status), ECHILD);
    CHECK_EQ(count, 1);

    signal(SIGCHLD, SIG_DFL);
    CHECK_EQ(pipe(p), 0);
    pid_t pid = fork();
    if (pid == 0) {
        pid_t me = getpid(), inner = fork();
        if (inner == 0) {
            while (getppid() == me) {
                usleep(1000);
            }
            pid_t parent = getppid();
            CHECK_EQ(write(p[1], &parent, sizeof(parent)), sizeof(parent));
            _exit(0);
        }
        _exit(0);
    }
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    pid_t parent = -1;
    CHECK_EQ(read(p[0], &parent, sizeof(parent)), sizeof(parent));
    CHECK(parent >= 0 && parent != pid && parent != getpid());
    CHECK_ERRNO(wait(&status), ECHILD);
    return 0;
}
