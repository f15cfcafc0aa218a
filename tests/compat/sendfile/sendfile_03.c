/*
 * sendfile(2) into a pipe asks for room, and for readers, before it finds out whether what is read can be.
 */
#include "../compat.h"

#include <sys/sendfile.h>

static volatile sig_atomic_t g_signals;

static void count_signal(int sig)
{
    (void)sig;
    g_signals++;
}

static void broken(int out, int in, size_t count)
{
    int before = g_signals;
    CHECK_ERRNO(sendfile(out, in, NULL, count), EPIPE);
    CHECK_EQ(g_signals, before + 1);
}

int main(void)
{
    int p[2], q[2];
    char buf[4096] = "";
    compat_tmpdir();
    compat_file("f", "0123456789");
    CHECK(signal(SIGPIPE, count_signal) != SIG_ERR);
    int file = open("f", O_RDONLY), dir = open(".", O_RDONLY | O_DIRECTORY);
    CHECK_EQ(pipe(q), 0);

    CHECK_EQ(pipe(p), 0);
    CHECK_ERRNO(sendfile(p[1], dir, NULL, 1), EINVAL);
    CHECK_ERRNO(sendfile(p[1], q[0], NULL, 1), EINVAL);
    CHECK_EQ(fcntl(p[1], F_SETFL, O_NONBLOCK), 0);
    while (write(p[1], buf, sizeof(buf)) > 0) {
    }
    CHECK_ERRNO(sendfile(p[1], dir, NULL, 1), EAGAIN);
    CHECK_ERRNO(sendfile(p[1], q[0], NULL, 1), EAGAIN);

    CHECK_EQ(close(p[0]), 0);
    CHECK_EQ(g_signals, 0);
    broken(p[1], dir, 1);
    broken(p[1], dir, 0);
    broken(p[1], q[0], 1);
    broken(p[1], file, 0);
    broken(p[1], file, 1);
    CHECK_EQ(lseek(file, 0, SEEK_CUR), 0);
    CHECK_EQ(lseek(file, 0, SEEK_END), 10);
    broken(p[1], file, 1); /* at its end, too */
    return 0;
}
