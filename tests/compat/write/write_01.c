/*
 * write(2): extends with holes of zeros, EBADF and EFAULT, EPIPE with SIGPIPE.
 */
#include "../compat.h"

#include <signal.h>

static volatile sig_atomic_t g_pipes;
static void on_pipe(int sig, siginfo_t *info, void *context)
{
    (void)context;
    if (sig == SIGPIPE && info->si_code == SI_USER && info->si_pid == getpid()) {
        g_pipes++;
    }
}

static int child_dies(void)
{
    int p[2];
    if (pipe(p) < 0 || close(p[0]) < 0) {
        return 1;
    }
    signal(SIGPIPE, SIG_DFL);
    return write(p[1], "x", 1) == 1 ? 2 : 3;
}

int main(void)
{
    char buf[16];
    compat_tmpdir();
    int fd = open("f", O_RDWR | O_CREAT, 0644);
    CHECK(fd >= 0);
    CHECK_EQ(write(fd, "abc", 3), 3);
    CHECK_EQ(lseek(fd, 5000, SEEK_SET), 5000);
    CHECK_EQ(write(fd, "xyz", 3), 3);
    struct stat st;
    CHECK_EQ(fstat(fd, &st), 0);
    CHECK_EQ(st.st_size, 5003);
    CHECK_EQ(pread(fd, buf, 4, 2), 4);
    CHECK(memcmp(buf, "c\0\0\0", 4) == 0);
    CHECK_EQ(pread(fd, buf, 16, 4998), 5);
    CHECK(memcmp(buf, "\0\0xyz", 5) == 0);
    CHECK_EQ(write(fd, buf, 0), 0);
    CHECK_ERRNO(write(fd, (void *)8, 4), EFAULT);
    CHECK_ERRNO(write(999, buf, 1), EBADF);

    struct sigaction sa = {.sa_sigaction = on_pipe, .sa_flags = SA_SIGINFO};
    CHECK_EQ(sigaction(SIGPIPE, &sa, NULL), 0);
    int p[2];
    CHECK_EQ(pipe(p), 0);
    CHECK_EQ(close(p[0]), 0);
    CHECK_ERRNO(write(p[1], "x", 1), EPIPE);
    CHECK(g_pipes == 1);
    CHECK_EQ(write(p[1], "x", 0), 0);
    CHECK(g_pipes == 1);
    signal(SIGPIPE, SIG_IGN);
    CHECK_ERRNO(write(p[1], "x", 1), EPIPE);
    CHECK_EQ(compat_child(child_dies), 128 + SIGPIPE);
    return 0;
}
