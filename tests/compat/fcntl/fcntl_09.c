/*
 * fcntl(2): F_SETFL takes O_DIRECT for files and pipes; with directories, devices, sockets and descriptors without a file it
 * is EINVAL, and changes nothing.
 */
#include "../compat.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

static void refuses(int fd)
{
    CHECK(fd >= 0);
    int flags = fcntl(fd, F_GETFL);
    CHECK_ERRNO(fcntl(fd, F_SETFL, flags | O_DIRECT | O_NONBLOCK), EINVAL);
    CHECK_EQ(fcntl(fd, F_GETFL), flags);
    CHECK_EQ(close(fd), 0);
}

int main(void)
{
    compat_tmpdir();
    int p[2];
    CHECK_EQ(pipe(p), 0);
    CHECK_EQ(fcntl(p[1], F_SETFL, O_DIRECT), 0);
    CHECK(fcntl(p[1], F_GETFL) & O_DIRECT);
    CHECK_EQ(fcntl(p[1], F_SETFL, 0), 0);
    CHECK(!(fcntl(p[1], F_GETFL) & O_DIRECT));

    refuses(open(".", O_RDONLY | O_DIRECTORY));
    refuses(open("/dev/null", O_RDWR));
    refuses(open("/dev/zero", O_RDONLY));
    refuses(socket(AF_UNIX, SOCK_STREAM, 0));
    refuses(eventfd(0, 0));
    refuses(epoll_create1(0));
    return 0;
}
