/*
 * pipe(7): blocking. A reader sleeps until there is data; a writer sleeps until there is room, and a
 * write that was blocked goes on when the reader has made room; a blocked write ends when the reader
 * goes: with what it wrote. A blocked read ends with EINTR when a handler without SA_RESTART runs, and
 * goes on when SA_RESTART is set.
 */
#include "../compat.h"

#include <signal.h>
#include <sys/time.h>

static void on_alarm(int sig)
{
    (void)sig;
}

static void set_handler(int flags)
{
    struct sigaction sa = {.sa_handler = on_alarm, .sa_flags = flags};
    CHECK(sigaction(SIGALRM, &sa, NULL) == 0);
}

static void alarm_in_ms(int ms)
{
    struct itimerval it = {.it_value = {ms / 1000, ms % 1000 * 1000}};
    CHECK(setitimer(ITIMER_REAL, &it, NULL) == 0);
}

int main(void)
{
    static char big[200000], buf[200000];
    int p[2], status;
    size_t got = 0;
    pid_t child;

    CHECK(pipe(p) == 0);
    memset(big, 'b', sizeof(big));
    child = fork();
    if (child == 0) {
        close(p[0]);
        usleep(20000);
        CHECK_EQ(write(p[1], big, sizeof(big)), sizeof(big));
        _exit(0);
    }
    close(p[1]);
    for (;;) {
        ssize_t n = read(p[0], buf + got, 3000);
        CHECK(n >= 0);
        if (n == 0) {
            break;
        }
        got += (size_t)n;
    }
    CHECK_EQ(got, sizeof(big));
    CHECK(memcmp(buf, big, sizeof(big)) == 0);
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    close(p[0]);

    /* The reader goes while a write is blocked. */
    signal(SIGPIPE, SIG_IGN);
    CHECK(pipe(p) == 0);
    child = fork();
    if (child == 0) {
        close(p[1]);
        usleep(30000);
        _exit(0);
    }
    close(p[0]);
    CHECK_EQ(write(p[1], big, sizeof(big)), 65536);
    CHECK_ERRNO(write(p[1], big, 1), EPIPE);
    CHECK(waitpid(child, &status, 0) == child);
    close(p[1]);

    CHECK(pipe(p) == 0);
    set_handler(0);
    alarm_in_ms(20);
    CHECK_ERRNO(read(p[0], buf, 1), EINTR);
    set_handler(SA_RESTART);
    child = fork();
    if (child == 0) {
        usleep(80000);
        CHECK_EQ(write(p[1], "x", 1), 1);
        _exit(0);
    }
    alarm_in_ms(20);
    CHECK_EQ(read(p[0], buf, 1), 1);
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    return 0;
}
