/*
 * sendfile(2) into a pipe: as much as there is room for, and no waiting for more; from a socket, too. Without room nothing is found
 * out about what is read.
 */
#include "../compat.h"

#include <sys/sendfile.h>
#include <sys/socket.h>

#define CAPACITY 65536

static char g_buf[4 * CAPACITY];

int main(void)
{
    int p[2], q[2], s[2];
    off_t off = 100;
    compat_tmpdir();
    memset(g_buf, 'x', sizeof(g_buf));
    int in = open("in", O_RDWR | O_CREAT, 0600), dir = open(".", O_RDONLY | O_DIRECTORY);
    CHECK_EQ(write(in, g_buf, sizeof(g_buf)), sizeof(g_buf));
    CHECK_EQ(lseek(in, 0, SEEK_SET), 0);
    CHECK_EQ(pipe(p), 0);
    CHECK_EQ(sendfile(p[1], in, NULL, sizeof(g_buf)), CAPACITY);
    CHECK_EQ(lseek(in, 0, SEEK_CUR), CAPACITY);
    CHECK_EQ(fcntl(p[1], F_SETFL, O_NONBLOCK), 0);
    CHECK_ERRNO(sendfile(p[1], in, NULL, 1), EAGAIN);
    CHECK_ERRNO(sendfile(p[1], in, &off, 1), EAGAIN);
    CHECK_EQ(off, 100);
    CHECK_EQ(lseek(in, 0, SEEK_CUR), CAPACITY);
    CHECK_ERRNO(sendfile(p[1], in, NULL, 0), EAGAIN);
    CHECK_ERRNO(sendfile(p[1], dir, NULL, 0), EAGAIN);

    CHECK_EQ(pipe(q), 0);
    CHECK_ERRNO(sendfile(p[1], q[0], NULL, 0), EAGAIN);
    CHECK_EQ(sendfile(q[1], p[0], NULL, 0), 0);
    CHECK_EQ(sendfile(q[1], dir, NULL, 0), 0);
    CHECK_ERRNO(sendfile(q[1], p[0], NULL, 1), EINVAL);
    CHECK_ERRNO(sendfile(q[1], dir, NULL, 1), EINVAL);
    CHECK_ERRNO(sendfile(in, p[0], NULL, 0), EINVAL);

    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
    CHECK_EQ(write(s[0], "hello", 5), 5);
    CHECK_EQ(sendfile(q[1], s[1], NULL, 0), 0);
    CHECK_EQ(sendfile(q[1], s[1], NULL, 100), 5);
    CHECK_EQ(read(q[0], g_buf, 100), 5);
    CHECK(memcmp(g_buf, "hello", 5) == 0);
    CHECK_ERRNO(sendfile(in, s[1], NULL, 1), EINVAL);
    return 0;
}
