/*
 * RLIMIT_FSIZE: a write up to the limit is short; beyond it EFBIG with SIGXFSZ; truncation, too.
 */
#include "../compat.h"

#include <signal.h>
#include <sys/resource.h>

static volatile sig_atomic_t g_signals;
static void on_signal(int sig)
{
    (void)sig;
    g_signals++;
}

int main(void)
{
    char buf[200] = {0};
    compat_tmpdir();
    int fd = open("f", O_RDWR | O_CREAT, 0644);
    CHECK(fd >= 0);
    CHECK(signal(SIGXFSZ, on_signal) != SIG_ERR);
    struct rlimit rl;
    CHECK_EQ(getrlimit(RLIMIT_FSIZE, &rl), 0);
    rl.rlim_cur = 100;
    CHECK_EQ(setrlimit(RLIMIT_FSIZE, &rl), 0);
    CHECK_EQ(write(fd, buf, 200), 100);
    CHECK(g_signals == 0);
    CHECK_ERRNO(write(fd, buf, 1), EFBIG);
    CHECK(g_signals == 1);
    CHECK_EQ(pwrite(fd, buf, 10, 95), 5);
    CHECK_ERRNO(pwrite(fd, buf, 10, 100), EFBIG);
    CHECK(g_signals == 2);
    CHECK_ERRNO(ftruncate(fd, 101), EFBIG);
    CHECK(g_signals == 3);
    CHECK_EQ(ftruncate(fd, 100), 0);
    CHECK_ERRNO(truncate("f", 101), EFBIG);
    CHECK(g_signals == 4);
    int p[2];
    CHECK_EQ(pipe(p), 0);
    CHECK_EQ(write(p[1], buf, 200), 200); /* not a file */
    return 0;
}
