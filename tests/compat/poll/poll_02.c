/*
 * poll(2): waiting.
 * Claims: it ends when data comes; a timeout takes at least as long as asked; it ends with EINTR after a
 * handler even with SA_RESTART; a stop and continue in between does not lengthen it (restart_syscall).
 */
#include "../compat.h"

#include <poll.h>
#include <signal.h>
#include <sys/time.h>
#include <time.h>

static void on_alarm(int sig)
{
    (void)sig;
}

static long now_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int main(void)
{
    struct sigaction sa = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
    struct itimerval it = {.it_value = {0, 30000}};
    struct pollfd fd;
    int p[2], status;
    long start;
    pid_t child;

    CHECK(pipe(p) == 0);
    fd = (struct pollfd){p[0], POLLIN, 0};
    start = now_ms();
    CHECK_EQ(poll(&fd, 1, 50), 0);
    CHECK(now_ms() - start >= 50);

    child = fork();
    if (child == 0) {
        usleep(30000);
        CHECK(write(p[1], "x", 1) == 1);
        _exit(0);
    }
    CHECK_EQ(poll(&fd, 1, 10000), 1);
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(read(p[0], &status, 1) == 1);

    CHECK(sigaction(SIGALRM, &sa, NULL) == 0);
    CHECK(setitimer(ITIMER_REAL, &it, NULL) == 0);
    CHECK_ERRNO(poll(&fd, 1, -1), EINTR);

    /* Stopped for 500 ms in the middle of 700: it is still 700 in all, or a little more on a busy machine. */
    child = fork();
    if (child == 0) {
        start = now_ms();
        int r = poll(&fd, 1, 700);
        long took = now_ms() - start;
        _exit(r == 0 && took >= 700 && took < 1250 ? 0 : 1);
    }
    usleep(100000);
    kill(child, SIGSTOP);
    usleep(500000);
    kill(child, SIGCONT);
    CHECK(waitpid(child, &status, 0) == child);
    CHECK_EQ(status, 0);
    return 0;
}
