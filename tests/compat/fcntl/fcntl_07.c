/*
 * Signal-driven I/O, fcntl(2) "Managing signals", ioctl_fioasync:
 * 1. With O_ASYNC and an owner, what arrives in a pipe, a socket, a terminal or an inotify raises SIGIO, without details;
 *    F_SETSIG chooses another signal, with si_fd, si_code and si_band. What is there already raises none.
 * 2. A pipe's writer learns of room, when there was none; a connection's end that the other is gone or was shut down; a
 *    listener of a client.
 * 3. Without an owner, and without O_ASYNC, nobody is told; a terminal takes the caller as its owner. F_GETOWN of an
 *    owner that is gone is 0.
 * 4. An owner may be a thread, a process or a process group; one that the setter could not signal gets nothing.
 * 5. FIOASYNC of what can't do it is ENOTTY, F_SETFL leaves the flag out.
 */
#include "../compat.h"

#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <termios.h>

#define ASYNC_SIGNAL (SIGRTMIN + 3)

static sigset_t g_set;
static siginfo_t g_info;

/* The signal that is pending, or 0. */
static int taken(void)
{
    const struct timespec none = {0};
    memset(&g_info, 0, sizeof(g_info));
    int sig = sigtimedwait(&g_set, &g_info, &none);
    return sig < 0 ? 0 : sig;
}

/* A signal that may be on its way. */
static int awaited(void)
{
    const struct timespec long_enough = {.tv_sec = 20};
    memset(&g_info, 0, sizeof(g_info));
    return sigtimedwait(&g_set, &g_info, &long_enough);
}

static void async_on(int fd, int sig)
{
    CHECK_EQ(fcntl(fd, F_SETSIG, sig), 0);
    CHECK_EQ(fcntl(fd, F_SETOWN, getpid()), 0);
    CHECK_EQ(fcntl(fd, F_SETFL, O_ASYNC | O_NONBLOCK), 0);
    CHECK_EQ(fcntl(fd, F_GETFL) & (O_ASYNC | O_NONBLOCK), O_ASYNC | O_NONBLOCK);
}

static void is_event(int fd, int code, long band)
{
    CHECK_EQ(g_info.si_signo, ASYNC_SIGNAL);
    CHECK_EQ(g_info.si_code, code);
    CHECK_EQ(g_info.si_fd, fd);
    CHECK_EQ(g_info.si_band, band);
}

static void pipes(void)
{
    char buf[4096] = {0};
    int p[2], status;
    CHECK_EQ(pipe(p), 0);
    CHECK_EQ(write(p[1], "x", 1), 1);
    async_on(p[0], 0);
    CHECK_EQ(taken(), 0);
    CHECK_EQ(write(p[1], "x", 1), 1);
    CHECK_EQ(taken(), SIGIO);
    CHECK_EQ(g_info.si_code, SI_KERNEL);
    CHECK_EQ(read(p[0], buf, sizeof(buf)), 2);
    CHECK_EQ(taken(), 0);

    CHECK_EQ(fcntl(p[0], F_SETSIG, ASYNC_SIGNAL), 0);
    for (int i = 0; i < 30; i++) { /* often enough for a process to serve itself */
        CHECK_EQ(write(p[1], "y", 1), 1);
        CHECK_EQ(taken(), ASYNC_SIGNAL);
        is_event(p[0], POLL_IN, POLLIN | POLLRDNORM);
        CHECK_EQ(read(p[0], buf, sizeof(buf)), 1);
    }
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        _exit(write(p[1], "z", 1) == 1 ? 0 : 1);
    }
    CHECK_EQ(awaited(), ASYNC_SIGNAL);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
    while (taken()) {
    }

    CHECK_EQ(fcntl(p[0], F_SETFL, O_NONBLOCK), 0);
    CHECK_EQ(write(p[1], "x", 1), 1);
    CHECK_EQ(taken(), 0);
    async_on(p[1], ASYNC_SIGNAL);
    while (write(p[1], buf, sizeof(buf)) == sizeof(buf)) {
    }
    CHECK(errno == EAGAIN);
    CHECK_EQ(taken(), 0);
    while (read(p[0], buf, sizeof(buf)) > 0) {
    }
    CHECK_EQ(taken(), ASYNC_SIGNAL);
    is_event(p[1], POLL_OUT, POLLOUT | POLLWRNORM | POLLWRBAND);
    while (taken()) {
    }
    async_on(p[0], ASYNC_SIGNAL);
    CHECK_EQ(close(p[1]), 0);
    CHECK_EQ(taken(), ASYNC_SIGNAL);
    is_event(p[0], POLL_IN, POLLIN | POLLRDNORM);
    CHECK_EQ(taken(), 0);
    CHECK_EQ(close(p[0]), 0);
}

static void sockets(int type)
{
    char buf[4096] = {0};
    int s[2];
    CHECK_EQ(socketpair(AF_UNIX, type, 0, s), 0);
    async_on(s[0], ASYNC_SIGNAL);
    CHECK_EQ(write(s[1], "x", 1), 1);
    CHECK_EQ(taken(), ASYNC_SIGNAL);
    is_event(s[0], POLL_IN, POLLIN | POLLRDNORM);
    CHECK_EQ(read(s[0], buf, sizeof(buf)), 1);
    CHECK_EQ(write(s[0], "x", 1), 1);
    CHECK_EQ(read(s[1], buf, sizeof(buf)), 1);
    CHECK_EQ(taken(), 0); /* there always was room */
    if (type == SOCK_STREAM) {
        while (write(s[0], buf, sizeof(buf)) > 0) {
        }
        CHECK(errno == EAGAIN);
        CHECK_EQ(fcntl(s[1], F_SETFL, O_NONBLOCK), 0);
        while (read(s[1], buf, sizeof(buf)) > 0) {
        }
        CHECK_EQ(taken(), ASYNC_SIGNAL);
        is_event(s[0], POLL_OUT, POLLOUT | POLLWRNORM | POLLWRBAND);
        CHECK_EQ(taken(), 0);
        CHECK_EQ(shutdown(s[1], SHUT_WR), 0);
        CHECK_EQ(taken(), ASYNC_SIGNAL);
        is_event(s[0], POLL_IN, POLLIN | POLLRDNORM);
        CHECK_EQ(shutdown(s[0], SHUT_WR), 0);
        CHECK_EQ(taken(), 0);
        CHECK_EQ(close(s[1]), 0);
        CHECK_EQ(taken(), ASYNC_SIGNAL);
        is_event(s[0], POLL_HUP, POLLHUP | POLLERR);
    }
    while (taken()) {
    }
    CHECK_EQ(close(s[0]), 0);
}

static void listener(void)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    socklen_t size = sizeof(name);
    int s = socket(AF_UNIX, SOCK_STREAM, 0), c = socket(AF_UNIX, SOCK_STREAM, 0);
    CHECK_EQ(bind(s, (struct sockaddr *)&name, sizeof(sa_family_t)), 0);
    CHECK_EQ(listen(s, 1), 0);
    CHECK_EQ(getsockname(s, (struct sockaddr *)&name, &size), 0);
    async_on(s, ASYNC_SIGNAL);
    CHECK_EQ(connect(c, (struct sockaddr *)&name, size), 0);
    CHECK_EQ(taken(), ASYNC_SIGNAL);
    is_event(s, POLL_IN, POLLIN | POLLRDNORM);
    int a = accept(s, NULL, NULL);
    CHECK(a >= 0);
    CHECK_EQ(fcntl(a, F_GETFL) & O_ASYNC, 0);
    CHECK_EQ(write(c, "x", 1), 1);
    CHECK_EQ(taken(), 0);
    CHECK_EQ(close(s) | close(a) | close(c), 0);
}

static void others(void)
{
    int master, slave, on = 1;
    CHECK_EQ(openpty(&master, &slave, NULL, NULL, NULL), 0);
    CHECK_EQ(fcntl(slave, F_SETSIG, ASYNC_SIGNAL), 0);
    CHECK_EQ(fcntl(slave, F_SETFL, O_ASYNC), 0);
    CHECK_EQ(fcntl(slave, F_GETOWN), getpid());
    CHECK_EQ(write(master, "ab", 2), 2);
    CHECK_EQ(write(master, "\n", 1), 1);
    CHECK_EQ(awaited(), ASYNC_SIGNAL);
    is_event(slave, POLL_IN, POLLIN | POLLRDNORM);
    CHECK_EQ(close(slave) | close(master), 0);

    int in = inotify_init1(IN_NONBLOCK);
    CHECK(inotify_add_watch(in, ".", IN_CREATE) > 0);
    async_on(in, ASYNC_SIGNAL);
    int fd = open("file", O_RDWR | O_CREAT, 0600);
    CHECK_EQ(taken(), ASYNC_SIGNAL);
    is_event(in, POLL_IN, POLLIN | POLLRDNORM);
    CHECK_EQ(close(in), 0);

    CHECK_ERRNO(ioctl(fd, FIOASYNC, &on), ENOTTY);
    CHECK_EQ(fcntl(fd, F_SETFL, O_ASYNC), 0);
    CHECK_EQ(fcntl(fd, F_GETFL) & O_ASYNC, 0);
    on = 0;
    CHECK_EQ(ioctl(fd, FIOASYNC, &on), 0); /* no change */
    CHECK_EQ(close(fd), 0);
}

static void owners(void)
{
    int p[2], status, on = 1;
    CHECK_EQ(pipe(p), 0);
    CHECK_EQ(fcntl(p[0], F_GETOWN), 0);
    CHECK_EQ(ioctl(p[0], FIOASYNC, &on), 0);
    CHECK_EQ(fcntl(p[0], F_GETFL) & O_ASYNC, O_ASYNC);
    CHECK_EQ(write(p[1], "x", 1), 1);
    CHECK_EQ(taken(), 0);
    CHECK_EQ(fcntl(p[0], F_SETOWN, -getpgrp()), 0);
    CHECK_EQ(write(p[1], "x", 1), 1);
    CHECK_EQ(taken(), SIGIO);
    struct f_owner_ex ex = {.type = F_OWNER_TID, .pid = (pid_t)syscall(SYS_gettid)};
    CHECK_EQ(fcntl(p[0], F_SETOWN_EX, &ex), 0);
    CHECK_EQ(write(p[1], "x", 1), 1);
    CHECK_EQ(taken(), SIGIO);
    on = 0;
    CHECK_EQ(ioctl(p[0], FIOASYNC, &on), 0);
    CHECK_EQ(write(p[1], "x", 1), 1);
    CHECK_EQ(taken(), 0);

    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        pause();
        _exit(0);
    }
    CHECK_EQ(fcntl(p[0], F_SETOWN, pid), 0);
    CHECK_EQ(fcntl(p[0], F_GETOWN), pid);
    CHECK_EQ(kill(pid, SIGKILL), 0);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(fcntl(p[0], F_GETOWN), 0);
    CHECK_EQ(close(p[0]) | close(p[1]), 0);
}

/* The owner was named by somebody who could not signal it. */
static void strangers(void)
{
    int p[2], status;
    if (geteuid() != 0) {
        return;
    }
    CHECK_EQ(pipe(p), 0);
    CHECK_EQ(fcntl(p[0], F_SETFL, O_ASYNC), 0);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        if (setresuid(65534, 65534, 65534) < 0) {
            _exit(77);
        }
        _exit(fcntl(p[0], F_SETOWN, getppid()) == 0 && write(p[1], "x", 1) == 1 ? 0 : 1);
    }
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    if (status != 77 << 8) {
        CHECK_EQ(status, 0);
        CHECK_EQ(fcntl(p[0], F_GETOWN), getpid());
        CHECK_EQ(taken(), 0);
    }
    CHECK_EQ(close(p[0]) | close(p[1]), 0);
}

int main(void)
{
    compat_tmpdir();
    CHECK_EQ(setpgid(0, 0), 0);
    sigemptyset(&g_set);
    sigaddset(&g_set, SIGIO);
    sigaddset(&g_set, ASYNC_SIGNAL);
    CHECK_EQ(sigprocmask(SIG_BLOCK, &g_set, NULL), 0);
    pipes();
    sockets(SOCK_STREAM);
    sockets(SOCK_DGRAM);
    listener();
    others();
    owners();
    strangers();
    return 0;
}
