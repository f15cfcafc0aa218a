/*
 * splice(2), sendfile(2) and vmsplice(2) with files that know nothing of it: EINVAL, by sendfile after the position was refused with ESPIPE.
 * An offset whose end is none is EINVAL.
 */
#include "../compat.h"

#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/sendfile.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/uio.h>

static int g_pipe[2], g_file;

static void from(int fd, bool has_positions)
{
    off_t at = 1;
    CHECK_EQ(lseek(g_file, 0, SEEK_SET), 0);
    CHECK_ERRNO(splice(fd, NULL, g_pipe[1], NULL, 4, 0), EINVAL);
    CHECK_ERRNO(splice(fd, &at, g_pipe[1], NULL, 4, 0), EINVAL);
    CHECK_ERRNO(sendfile(g_pipe[1], fd, NULL, 4), EINVAL);
    CHECK_EQ(sendfile(g_pipe[1], fd, NULL, 0), 0);
    CHECK_ERRNO(sendfile(g_file, fd, NULL, 4), EINVAL);
    CHECK_EQ(sendfile(g_file, fd, NULL, 0), 0);
    CHECK_ERRNO(sendfile(g_file, fd, &at, 4), has_positions ? EINVAL : ESPIPE);
    if (!has_positions) {
        CHECK_ERRNO(sendfile(g_file, fd, &at, 0), ESPIPE);
    }
}

static void into(int fd)
{
    char c;
    CHECK_ERRNO(splice(g_pipe[0], NULL, fd, NULL, 8, SPLICE_F_NONBLOCK), EINVAL);
    CHECK_EQ(write(g_pipe[1], "x", 1), 1);
    CHECK_ERRNO(splice(g_pipe[0], NULL, fd, NULL, 8, 0), EINVAL);
    CHECK_EQ(read(g_pipe[0], &c, 1), 1);
    CHECK_EQ(lseek(g_file, 0, SEEK_SET), 0);
    CHECK_ERRNO(sendfile(fd, g_file, NULL, 8), EINVAL);
    CHECK_EQ(sendfile(fd, g_file, NULL, 0), 0);
    CHECK_EQ(lseek(g_file, 0, SEEK_CUR), 0);
    CHECK_EQ(lseek(g_file, 0, SEEK_END), 10);
    CHECK_EQ(sendfile(fd, g_file, NULL, 8), 0);
}

static void no_vmsplice(int fd)
{
    char c = 'x';
    struct iovec one = {&c, 1}, none = {&c, 0};
    CHECK_ERRNO(vmsplice(fd, &one, 1, 0), EBADF);
    CHECK_ERRNO(vmsplice(fd, (void *)8, 1, 0), EFAULT);
    CHECK_ERRNO(vmsplice(fd, &one, 5000, 0), EINVAL);
    CHECK_EQ(vmsplice(fd, &none, 1, 0), 0);
}

int main(void)
{
    int s[2];
    sigset_t none;
    sigemptyset(&none);
    compat_tmpdir();
    compat_file("f", "0123456789");
    g_file = open("f", O_RDWR);
    CHECK_EQ(pipe(g_pipe), 0);

    const int anonymous[] = {epoll_create1(0), timerfd_create(CLOCK_MONOTONIC, 0),
                             signalfd(-1, &none, 0), eventfd(0, 0)};
    for (unsigned i = 0; i < 4; i++) {
        from(anonymous[i], false);
        into(anonymous[i]);
        no_vmsplice(anonymous[i]);
    }
    from(open("/dev/null", O_RDWR), true);
    from(open("/proc/self/mem", O_RDWR), true);
    into(open("/dev/full", O_RDWR));
    into(open("/proc/self/mem", O_RDWR));
    no_vmsplice(g_file);

    off_t end = INT64_MAX - 3;
    CHECK_ERRNO(splice(g_file, &end, g_pipe[1], NULL, 4, 0), EINVAL);
    CHECK_ERRNO(splice(g_pipe[0], NULL, g_file, &end, 4, SPLICE_F_NONBLOCK), EINVAL);
    CHECK_ERRNO(sendfile(g_pipe[1], g_file, &end, 4), EINVAL);
    CHECK_ERRNO(splice(g_file, NULL, g_pipe[1], NULL, (size_t)-1, 0), EINVAL);
    CHECK_ERRNO(sendfile(g_pipe[1], g_file, NULL, (size_t)-1), EINVAL);

    /* /dev/null swallows, and sockets take and give. */
    int null = open("/dev/null", O_RDWR);
    CHECK_EQ(lseek(g_file, 0, SEEK_SET), 0);
    CHECK_EQ(sendfile(null, g_file, NULL, 4), 4);
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
    CHECK_EQ(sendfile(s[0], g_file, NULL, 4), 4);
    CHECK_EQ(sendfile(g_pipe[1], s[1], NULL, 4), 4);
    CHECK_EQ(splice(g_pipe[0], NULL, s[0], NULL, 4, 0), 4);
    return 0;
}
