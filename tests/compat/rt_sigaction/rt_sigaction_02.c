/*
 * Interrupted system calls (signal(7)):
 * 1. A blocking read gives EINTR without SA_RESTART, and goes on with it.
 * 2. pause gives EINTR whatever SA_RESTART says.
 * 3. An ignored signal, and SIGSTOP with SIGCONT, don't show in a read.
 * 4. wait is restarted with SA_RESTART.
 */
#include "../compat.h"

#include <signal.h>

static int p[2];
static volatile sig_atomic_t count;

static void handler(int sig)
{
    (void)sig;
    count++;
}

static void arrange(int flags)
{
    struct sigaction sa = {.sa_handler = handler, .sa_flags = flags};
    count = 0;
    CHECK_EQ(sigaction(SIGUSR1, &sa, NULL), 0);
}

/* A child that sends sig after a moment, then writes a byte. */
static pid_t sender(int sig, int sig2)
{
    pid_t parent = getpid(), pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        usleep(30000);
        kill(parent, sig);
        if (sig2) {
            usleep(30000);
            kill(parent, sig2);
        }
        usleep(30000);
        CHECK_EQ(write(p[1], "x", 1), 1);
        _exit(0);
    }
    return pid;
}

static void reap(pid_t pid)
{
    int status;
    while (waitpid(pid, &status, 0) != pid) {
    }
    CHECK_EQ(status, 0);
}

int main(void)
{
    char c;
    int status;
    CHECK_EQ(pipe(p), 0);
    arrange(0);
    pid_t pid = sender(SIGUSR1, 0);
    CHECK_ERRNO(read(p[0], &c, 1), EINTR);
    CHECK_EQ(count, 1);
    CHECK_EQ(read(p[0], &c, 1), 1);
    reap(pid);

    arrange(SA_RESTART);
    pid = sender(SIGUSR1, 0);
    CHECK_EQ(read(p[0], &c, 1), 1);
    CHECK_EQ(count, 1);
    reap(pid);

    pid = sender(SIGUSR1, 0);
    CHECK_ERRNO(pause(), EINTR);
    CHECK_EQ(read(p[0], &c, 1), 1);
    reap(pid);

    signal(SIGUSR1, SIG_IGN);
    pid = sender(SIGUSR1, 0);
    CHECK_EQ(read(p[0], &c, 1), 1);
    reap(pid);

    pid = sender(SIGSTOP, SIGCONT);
    CHECK_EQ(read(p[0], &c, 1), 1);
    reap(pid);

    arrange(SA_RESTART);
    pid = sender(SIGUSR1, 0);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(count, 1);
    return 0;
}
