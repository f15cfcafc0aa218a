/*
 * ioctl(2): owners of sockets; questions about network devices that are not there; FIGETBSZ of everything, FICLONE's errors, and what an
 * epoll set says to commands that it does not know. An eventfd is ready with POLLIN and POLLOUT alone.
 */
#include "../compat.h"

#include <linux/fs.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>

static void owners(int s)
{
    int id = getpid();
    CHECK_EQ(ioctl(s, FIOSETOWN, &id), 0);
    CHECK_EQ(fcntl(s, F_GETOWN), getpid());
    id = -getpgrp();
    CHECK_EQ(ioctl(s, SIOCSPGRP, &id), 0);
    id = 0;
    CHECK_EQ(ioctl(s, FIOGETOWN, &id), 0);
    CHECK_EQ(id, -getpgrp());
    CHECK_EQ(ioctl(s, SIOCGPGRP, &id), 0);
    CHECK_EQ(id, -getpgrp());
    id = 0x7ffffff;
    CHECK_ERRNO(ioctl(s, FIOSETOWN, &id), ESRCH);
    CHECK_ERRNO(ioctl(s, FIOSETOWN, 8), EFAULT);
    CHECK_ERRNO(ioctl(s, SIOCGPGRP, 8), EFAULT);
}

static void devices(int s)
{
    static const unsigned long asks[] = {SIOCGIFFLAGS,  SIOCGIFMTU,  SIOCGIFINDEX, SIOCGIFHWADDR,
                                         SIOCGIFTXQLEN, SIOCGIFNAME, SIOCGIFMAP,   SIOCGIFMETRIC};
    struct ifreq req = {.ifr_name = "nonesuch"};
    struct ifconf list = {.ifc_len = 0};
    for (size_t i = 0; i < sizeof(asks) / sizeof(asks[0]); i++) {
        CHECK_ERRNO(ioctl(s, asks[i], &req), ENODEV);
        CHECK_ERRNO(ioctl(s, asks[i], 8), EFAULT);
    }
    CHECK_EQ(if_nametoindex("nonesuch"), 0);
    CHECK_ERRNO(ioctl(s, SIOCGIFADDR, &req), ENOTTY);
    CHECK_EQ(ioctl(s, SIOCGIFCONF, &list), 0);
    CHECK_ERRNO(ioctl(s, SIOCGIFCONF, 8), EFAULT);
}

static int ready(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM};
    CHECK(poll(&p, 1, 0) >= 0);
    return p.revents;
}

int main(void)
{
    int s[2], size = 0;
    compat_tmpdir();
    compat_file("f", "0123456789");
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
    owners(s[0]);
    devices(s[0]);

    int f = open("f", O_RDWR), dir = open(".", O_RDONLY), event = eventfd(0, 0),
        memory = memfd_create("m", 0);
    CHECK_EQ(ioctl(s[0], FIGETBSZ, &size), 0);
    CHECK(size > 0);
    CHECK_EQ(ioctl(event, FIGETBSZ, &size), 0);
    CHECK_ERRNO(ioctl(f, FIGETBSZ, 8), EFAULT);
    CHECK_ERRNO(ioctl(f, FICLONE, 999), EBADF);
    CHECK_ERRNO(ioctl(f, FICLONE, memory), EXDEV);
    CHECK_ERRNO(ioctl(f, FICLONE, dir), EISDIR);
    CHECK_ERRNO(ioctl(f, FICLONERANGE, 8), EFAULT);
    CHECK_ERRNO(ioctl(epoll_create1(0), 0x5401, &size), compat_linux(6, 9) ? EINVAL : ENOTTY);
    CHECK_ERRNO(ioctl((int)syscall(SYS_pidfd_open, getpid(), 0), FIONREAD, &size), ENOTTY);

    for (int i = 0; i < 40; i++) { /* often, so that the guest's side answers, too */
        CHECK_EQ(ready(event), POLLOUT);
        CHECK_EQ(eventfd_write(event, 1), 0);
        CHECK_EQ(ready(event), POLLIN | POLLOUT);
        CHECK_EQ(eventfd_read(event, &(eventfd_t){0}), 0);
    }
    return 0;
}
