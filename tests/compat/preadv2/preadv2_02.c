/*
 * What is wrong with the file comes before what is wrong with the buffer: files without positions are ESPIPE even if nothing is
 * read (readv(2), pread(2)), files that can't be read or written are EINVAL even if nothing is written. An offset whose end is
 * none is EINVAL. RWF_NOWAIT, RWF_NOAPPEND and RWF_NOSIGNAL of preadv2(2) work where there is something for them.
 */
#include "../compat.h"

#include <signal.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/uio.h>

#define NOAPPEND 0x20
#define NOSIGNAL 0x100
#define BAD      ((void *)8)

static void no_positions(int fd, int want)
{
    char buf[8];
    struct iovec v = {buf, 8}, none = {buf, 0};
    CHECK_ERRNO(pread(fd, BAD, 8, 0), want);
    CHECK_ERRNO(pwrite(fd, BAD, 8, 0), want);
    CHECK_ERRNO(preadv(fd, &none, 1, 0), want);
    CHECK_ERRNO(preadv(fd, BAD, 1, 0), want);
    CHECK_ERRNO(pwritev(fd, &v, 0, 0), want);
    CHECK_ERRNO(pwritev(fd, &v, -1, 0), want);
    CHECK_ERRNO(preadv2(fd, &v, 1, 0, 0x4000), want);
    CHECK_ERRNO(pwritev2(fd, &none, 1, 0, RWF_APPEND), want);
}

static void no_data(int fd, bool read_too)
{
    struct iovec none = {BAD, 0};
    CHECK_ERRNO(writev(fd, &none, 1), EINVAL);
    CHECK_ERRNO(writev(fd, BAD, 1), EINVAL);
    CHECK_ERRNO(syscall(SYS_write, fd, -4096L, 8), EINVAL);
    CHECK_ERRNO(pwritev2(fd, &none, 1, -1, 0x4000), EINVAL);
    if (read_too) {
        CHECK_ERRNO(readv(fd, &none, 1), EINVAL);
        CHECK_ERRNO(syscall(SYS_read, fd, -4096L, 8), EINVAL);
    }
}

static void positions(int fd, bool append)
{
    char buf[8] = "";
    struct iovec v = {buf, 8};
    CHECK_ERRNO(pread(fd, buf, 8, INT64_MAX), EINVAL);
    CHECK_ERRNO(pread(fd, buf, 8, INT64_MAX - 7), EINVAL);
    CHECK_ERRNO(preadv(fd, &v, 1, INT64_MAX), EINVAL);
    CHECK_ERRNO(pwrite(fd, buf, 8, INT64_MAX), EINVAL);
    CHECK_ERRNO(pwritev(fd, &v, 1, INT64_MAX), EINVAL);
    if (append) {
        CHECK_EQ(pwritev2(fd, &v, 1, 0, NOAPPEND), 8);
        CHECK_EQ(lseek(fd, 2, SEEK_SET), 2);
        CHECK_EQ(pwritev2(fd, &v, 1, -1, NOAPPEND), 8);
        CHECK_EQ(lseek(fd, 0, SEEK_CUR), 10);
        CHECK_EQ(preadv2(fd, &v, 1, 0, NOAPPEND), 8);
        CHECK_EQ(lseek(fd, 0, SEEK_END), 10);
        CHECK_EQ(pwritev2(fd, &v, 1, -1, 0), 8);
        CHECK_EQ(lseek(fd, 0, SEEK_END), 18);
        CHECK(fcntl(fd, F_GETFL) & O_APPEND);
    }
}

static void nowait(void)
{
    char buf[8] = "";
    int p[2], s[2];
    struct iovec v = {buf, 4};
    CHECK_EQ(pipe(p), 0);
    CHECK_ERRNO(preadv2(p[0], &v, 1, -1, RWF_NOWAIT), EAGAIN);
    CHECK_EQ(pwritev2(p[1], &v, 1, -1, RWF_NOWAIT), 4);
    CHECK_EQ(preadv2(p[0], &v, 1, -1, RWF_NOWAIT), 4);
    CHECK_EQ(fcntl(p[0], F_GETFL), O_RDONLY);
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
    CHECK_ERRNO(preadv2(s[0], &v, 1, -1, RWF_NOWAIT), EAGAIN);
    CHECK_EQ(pwritev2(s[1], &v, 1, -1, RWF_NOWAIT), 4);
    int zero = open("/dev/zero", O_RDWR);
    CHECK_EQ(preadv2(zero, &v, 1, 0, RWF_NOWAIT), 4);
    CHECK_EQ(pwritev2(zero, &v, 1, -1, RWF_NOWAIT), 4);
    int full = open("/dev/full", O_RDWR);
    CHECK_ERRNO(preadv2(full, &v, 1, 0, RWF_NOWAIT), EOPNOTSUPP);
    CHECK_EQ(preadv2(full, &v, 1, 0, RWF_DSYNC), 4);
    CHECK_ERRNO(pwritev2(full, &v, 1, 0, RWF_DSYNC), EOPNOTSUPP);
    CHECK_ERRNO(pwritev2(full, &v, 1, 0, 0), ENOSPC);
    int dir = open(".", O_RDONLY);
    CHECK_ERRNO(preadv2(dir, &v, 1, 0, RWF_DSYNC), EOPNOTSUPP);
    CHECK_ERRNO(preadv2(dir, &v, 1, 0, 0), EISDIR);
    CHECK_ERRNO(pread(dir, buf, 8, INT64_MAX), EINVAL);
}

static volatile sig_atomic_t g_signals;

static void count_signal(int sig)
{
    (void)sig;
    g_signals++;
}

static void nosignal(void)
{
    struct iovec v = {"abcd", 4};
    int p[2];
    CHECK(signal(SIGPIPE, count_signal) != SIG_ERR);
    CHECK_EQ(pipe(p), 0);
    CHECK_EQ(close(p[0]), 0);
    CHECK_ERRNO(pwritev2(p[1], &v, 1, -1, NOSIGNAL), EPIPE);
    CHECK_EQ(g_signals, 0);
    CHECK_ERRNO(pwritev2(p[1], &v, 1, -1, 0), EPIPE);
    CHECK_EQ(g_signals, 1);
    int fd = open("f", O_RDWR);
    CHECK_EQ(pwritev2(fd, &v, 1, 0, NOSIGNAL), 4);
}

int main(void)
{
    int p[2];
    sigset_t none;
    sigemptyset(&none);
    compat_tmpdir();
    compat_file("f", "");

    int epoll = epoll_create1(0), timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK),
        signals = signalfd(-1, &none, SFD_NONBLOCK), event = eventfd(1, EFD_NONBLOCK);
    no_positions(epoll, ESPIPE);
    no_positions(timer, ESPIPE);
    no_positions(signals, ESPIPE);
    no_positions(event, ESPIPE);
    no_positions(inotify_init1(IN_NONBLOCK), ESPIPE);
    CHECK_EQ(pipe(p), 0);
    no_positions(p[0], ESPIPE);
    no_positions(p[1], ESPIPE);
    no_data(epoll, true);
    no_data(timer, false);
    no_data(signals, false);
    uint64_t one = 1;
    struct iovec count = {&one, sizeof(one)};
    CHECK_EQ(preadv2(event, &count, 1, -1, RWF_NOWAIT), 8);
    CHECK_ERRNO(pwritev2(event, &count, 1, -1, RWF_DSYNC), EOPNOTSUPP);

    positions(open("f", O_RDWR), false);
    positions(open("/dev/zero", O_RDWR), false);
    int random = open("/dev/urandom", O_RDWR);
    positions(random, false);
    CHECK_ERRNO(write(random, BAD, 8), EFAULT);
    if (compat_linux(6, 9)) {
        positions(open("f", O_RDWR | O_APPEND), true);
    }
    nowait();
    if (compat_linux(6, 18)) {
        nosignal();
    }
    return 0;
}
