/*
 * pipe(2), pipe(7): data and ends.
 * Claims: bytes come out in order across page borders; a read of an empty pipe whose writer is gone
 * gives 0; a write without readers gives EPIPE and SIGPIPE; lseek and pread give ESPIPE; the wrong
 * end gives EBADF; fstat says FIFO.
 */
#include "../compat.h"

#include <signal.h>

static volatile sig_atomic_t g_pipe_signals;

static void on_sigpipe(int sig)
{
    (void)sig;
    g_pipe_signals++;
}

int main(void)
{
    static char in[3 * 4096 + 17], out[sizeof(in)];
    int p[2];
    struct stat st;

    signal(SIGPIPE, on_sigpipe);
    CHECK(pipe(p) == 0);
    for (size_t i = 0; i < sizeof(in); i++) {
        in[i] = (char)(i * 7 + i / 256);
    }
    CHECK_EQ(write(p[1], in, 10), 10);
    CHECK_EQ(write(p[1], in + 10, sizeof(in) - 10), sizeof(in) - 10);
    CHECK_EQ(read(p[0], out, 4097), 4097);
    CHECK_EQ(read(p[0], out + 4097, sizeof(out)), sizeof(in) - 4097);
    CHECK(memcmp(in, out, sizeof(in)) == 0);

    CHECK_ERRNO(lseek(p[0], 0, SEEK_CUR), ESPIPE);
    CHECK_ERRNO(pread(p[0], out, 1, 0), ESPIPE);
    CHECK_ERRNO(read(p[1], out, 1), EBADF);
    CHECK_ERRNO(write(p[0], out, 1), EBADF);
    CHECK(fstat(p[0], &st) == 0 && S_ISFIFO(st.st_mode));
    CHECK_EQ(read(p[0], out, 0), 0);

    CHECK_EQ(write(p[1], "last", 4), 4);
    close(p[1]);
    CHECK_EQ(read(p[0], out, sizeof(out)), 4);
    CHECK_EQ(read(p[0], out, sizeof(out)), 0);
    close(p[0]);

    CHECK(pipe(p) == 0);
    close(p[0]);
    CHECK_ERRNO(write(p[1], "x", 1), EPIPE);
    CHECK_EQ(g_pipe_signals, 1);
    CHECK_EQ(write(p[1], "", 0), 0);
    CHECK_ERRNO(pipe((int *)8), EFAULT);
    return 0;
}
