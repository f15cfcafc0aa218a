/*
 * fifo(7): opening. O_RDONLY and O_WRONLY wait for each other; O_RDONLY|O_NONBLOCK opens at once,
 * O_WRONLY|O_NONBLOCK without a reader gives ENXIO; O_RDWR never waits; a reader that found no writer reads 0
 * but gets no POLLHUP until one has come and gone; a blocked open is interruptible. /proc/self/fd/N opens
 * the other end of an anonymous pipe without waiting.
 */
#include "../compat.h"

#include <poll.h>
#include <signal.h>
#include <sys/time.h>

static void on_alarm(int sig)
{
    (void)sig;
}

static int events(int fd)
{
    struct pollfd p = {fd, POLLIN | POLLOUT, 0};
    CHECK(poll(&p, 1, 0) >= 0);
    return p.revents;
}

int main(void)
{
    struct sigaction sa = {.sa_handler = on_alarm};
    struct itimerval it = {.it_value = {0, 30000}};
    char buf[16], name[64];
    int r, w, p[2], status;
    pid_t child;

    compat_tmpdir();
    CHECK(mkfifo("f", 0600) == 0);
    CHECK_ERRNO(open("f", O_WRONLY | O_NONBLOCK), ENXIO);
    r = open("f", O_RDONLY | O_NONBLOCK);
    CHECK(r >= 0);
    CHECK_EQ(read(r, buf, 1), 0);
    CHECK_EQ(events(r), 0);
    w = open("f", O_WRONLY | O_NONBLOCK);
    CHECK(w >= 0);
    CHECK_ERRNO(read(r, buf, 1), EAGAIN);
    close(w);
    CHECK_EQ(events(r), POLLHUP);
    close(r);

    child = fork();
    if (child == 0) {
        w = open("f", O_WRONLY);
        CHECK(w >= 0);
        CHECK_EQ(write(w, "hello", 5), 5);
        _exit(0);
    }
    usleep(20000);
    r = open("f", O_RDONLY);
    CHECK(r >= 0);
    CHECK_EQ(read(r, buf, sizeof(buf)), 5);
    CHECK_EQ(read(r, buf, sizeof(buf)), 0);
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    close(r);

    r = open("f", O_RDWR);
    CHECK(r >= 0);
    CHECK_EQ(write(r, "self", 4), 4);
    CHECK_EQ(read(r, buf, sizeof(buf)), 4);
    close(r);

    CHECK(sigaction(SIGALRM, &sa, NULL) == 0);
    CHECK(setitimer(ITIMER_REAL, &it, NULL) == 0);
    CHECK_ERRNO(open("f", O_RDONLY), EINTR);

    CHECK(pipe(p) == 0);
    snprintf(name, sizeof(name), "/proc/self/fd/%d", p[0]);
    w = open(name, O_WRONLY);
    CHECK(w >= 0);
    close(p[1]);
    CHECK_EQ(write(w, "again", 5), 5);
    CHECK_EQ(read(p[0], buf, sizeof(buf)), 5);
    return 0;
}
