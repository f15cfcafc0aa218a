/*
 * pty(7), credentials(7), tcsetpgrp(3): controlling terminals and job control.
 * Claims: a session leader's open of a terminal makes it the controlling one, with O_NOCTTY it does not; /dev/tty opens it, and gives
 * ENXIO without; Ctrl-C interrupts the foreground group only, Ctrl-Z stops it; a background read gets SIGTTIN; a change of window
 * size sends SIGWINCH; closing the master sends SIGHUP to the session leader; TIOCNOTTY.
 */
#include "../compat.h"

#include <signal.h>
#include <sys/ioctl.h>
#include <termios.h>

static volatile sig_atomic_t g_signals[65];

static void count(int sig)
{
    g_signals[sig]++;
}

static void session(int m, const char *name)
{
    struct winsize ws = {10, 20, 0, 0};
    char buf[16];
    int s, tty, status, pgrp, p[2];
    pid_t child;

    CHECK(setsid() == getpid());
    CHECK_ERRNO(open("/dev/tty", O_RDWR), ENXIO);
    s = open(name, O_RDWR | O_NOCTTY);
    CHECK(s >= 0);
    CHECK_ERRNO(open("/dev/tty", O_RDWR), ENXIO);
    CHECK_ERRNO(tcgetpgrp(s), ENOTTY);
    close(s);
    s = open(name, O_RDWR);
    CHECK(s >= 0);
    CHECK_EQ(tcgetpgrp(s), getpid());
    CHECK_EQ(tcgetsid(s), getpid());
    tty = open("/dev/tty", O_RDWR);
    CHECK(tty >= 0);
    CHECK_EQ(write(tty, "hi", 2), 2);
    CHECK_EQ(read(m, buf, sizeof(buf)), 2);

    signal(SIGINT, count);
    signal(SIGWINCH, count);
    signal(SIGHUP, count);
    signal(SIGTTOU, SIG_IGN);
    CHECK_EQ(write(m, "\003", 1), 1);
    usleep(20000);
    CHECK_EQ(g_signals[SIGINT], 1);
    CHECK(ioctl(m, TIOCSWINSZ, &ws) == 0);
    usleep(20000);
    CHECK_EQ(g_signals[SIGWINCH], 1);
    CHECK_EQ(read(m, buf, sizeof(buf)), 2);
    CHECK(memcmp(buf, "^C", 2) == 0);

    /* A background child that reads is stopped; in the foreground it reads. */
    CHECK(pipe(p) == 0);
    child = fork();
    if (child == 0) {
        CHECK(setpgid(0, 0) == 0);
        signal(SIGINT, SIG_DFL);
        CHECK_EQ(write(p[1], "r", 1), 1);
        CHECK_EQ(read(s, buf, sizeof(buf)), 5);
        CHECK_EQ(write(p[1], "g", 1), 1);
        for (;;) {
            pause();
        }
    }
    CHECK_EQ(read(p[0], buf, 1), 1);
    CHECK(waitpid(child, &status, WUNTRACED) == child);
    CHECK(WIFSTOPPED(status) && WSTOPSIG(status) == SIGTTIN);
    CHECK(tcsetpgrp(s, child) == 0);
    CHECK_EQ(tcgetpgrp(tty), child);
    CHECK(kill(child, SIGCONT) == 0);
    CHECK_EQ(write(m, "line\n", 5), 5);
    CHECK_EQ(read(p[0], buf, 1), 1);
    CHECK_EQ(write(m, "\032", 1), 1);
    CHECK(waitpid(child, &status, WUNTRACED) == child);
    CHECK(WIFSTOPPED(status) && WSTOPSIG(status) == SIGTSTP);
    CHECK(kill(child, SIGCONT) == 0);
    CHECK_EQ(write(m, "\003", 1), 1);
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGINT);
    CHECK_EQ(g_signals[SIGINT], 1);

    pgrp = 99999;
    CHECK_ERRNO(ioctl(s, TIOCSPGRP, &pgrp), ESRCH);
    CHECK(tcsetpgrp(s, getpid()) == 0);
    close(m);
    usleep(20000);
    CHECK_EQ(g_signals[SIGHUP], 1);
    CHECK_EQ(read(s, buf, sizeof(buf)), 0);
    CHECK_ERRNO(open("/dev/tty", O_RDWR), ENXIO);
}

int main(void)
{
    int status, m = posix_openpt(O_RDWR | O_NOCTTY), m2;
    char name[64];
    pid_t child;

    if (m < 0) {
        SKIP("no ptys: %s", strerror(errno));
    }
    CHECK(grantpt(m) == 0 && unlockpt(m) == 0);
    snprintf(name, sizeof(name), "%s", ptsname(m));
    child = fork();
    if (child == 0) {
        session(m, name);
        m2 = posix_openpt(O_RDWR | O_NOCTTY);
        CHECK(m2 >= 0 && grantpt(m2) == 0 && unlockpt(m2) == 0);
        int s = open(ptsname(m2), O_RDWR | O_NOCTTY);
        CHECK(ioctl(s, TIOCSCTTY, 0) == 0);
        CHECK_EQ(tcgetsid(s), getpid());
        CHECK(ioctl(s, TIOCNOTTY) == 0);
        CHECK_ERRNO(tcgetsid(s), ENOTTY);
        _exit(0);
    }
    close(m);
    CHECK(waitpid(child, &status, 0) == child);
    CHECK_EQ(status, 0);
    return 0;
}
