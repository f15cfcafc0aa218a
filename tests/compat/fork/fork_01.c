/*
 * fork(2):
 * 1. The child has the parent's memory as it was, and changes are private.
 * 2. pid differs, getppid is the parent, getpgid and getsid are inherited.
 * 3. Open file descriptions are shared (the offset), fd numbers are not.
 * 4. Pending signals and timers are not inherited; masks and handlers are.
 * 5. A tree of 30 processes all gives its status back.
 */
#include "../compat.h"

#include <signal.h>
#include <sys/time.h>

static void handler(int sig)
{
    (void)sig;
}

int main(void)
{
    compat_tmpdir();
    static int global = 1;
    int status;
    int fd = open("f", O_RDWR | O_CREAT, 0600);
    CHECK(fd >= 0);
    CHECK_EQ(write(fd, "abcdef", 6), 6);
    CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
    sigset_t set, old;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGUSR1, handler);
    raise(SIGUSR1);
    struct itimerval it = {.it_value = {.tv_sec = 1000}};
    CHECK_EQ(setitimer(ITIMER_REAL, &it, NULL), 0);
    pid_t parent = getpid(), pgrp = getpgrp(), sid = getsid(0);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        char c;
        struct sigaction sa;
        CHECK(getpid() != parent);
        CHECK_EQ(getppid(), parent);
        CHECK_EQ(getpgrp(), pgrp);
        CHECK_EQ(getsid(0), sid);
        CHECK_EQ(global, 1);
        global = 2;
        CHECK_EQ(read(fd, &c, 1), 1);
        close(fd);
        sigpending(&set);
        CHECK_EQ(sigismember(&set, SIGUSR1), 0);
        sigprocmask(SIG_BLOCK, NULL, &old);
        CHECK_EQ(sigismember(&old, SIGUSR1), 1);
        sigaction(SIGUSR1, NULL, &sa);
        CHECK(sa.sa_handler == handler);
        CHECK_EQ(getitimer(ITIMER_REAL, &it), 0);
        CHECK_EQ(it.it_value.tv_sec + it.it_value.tv_usec, 0);
        _exit(0);
    }
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
    CHECK_EQ(global, 1);
    CHECK_EQ(lseek(fd, 0, SEEK_CUR), 1);

    int count = 0;
    for (int i = 0; i < 30; i++) {
        pid = fork();
        CHECK(pid >= 0);
        if (pid == 0) {
            _exit(i);
        }
    }
    int sum = 0;
    while (wait(&status) > 0) {
        CHECK(WIFEXITED(status));
        sum += WEXITSTATUS(status);
        count++;
    }
    CHECK_EQ(count, 30);
    CHECK_EQ(sum, 435);
    CHECK_ERRNO(wait(&status), ECHILD);
    return 0;
}
