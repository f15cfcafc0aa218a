/*
 * mmap(2) of what has no file system: with PROT_EXEC it is EPERM, before ENODEV; /dev/zero can be mapped with MAP_SHARED_VALIDATE. fstatfs(2) says
 * what pipes and sockets are of; F_SETFL takes no O_DIRECT for a memfd or what procfs makes.
 */
#include "../compat.h"

#include <linux/magic.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/vfs.h>

static void cannot_map(int fd)
{
    CHECK_ERRNO(mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0), EPERM);
    CHECK_ERRNO(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0), ENODEV);
}

static long type_of(int fd)
{
    struct statfs s;
    CHECK_EQ(fstatfs(fd, &s), 0);
    return s.f_type;
}

int main(void)
{
    int p[2], s[2];
    CHECK_EQ(pipe(p), 0);
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
    int event = eventfd(0, 0), memory = memfd_create("m", 0);
    cannot_map(p[0]);
    cannot_map(s[0]);
    cannot_map(event);
    cannot_map(epoll_create1(0));
    CHECK_EQ(type_of(p[1]), PIPEFS_MAGIC);
    CHECK_EQ(type_of(s[1]), SOCKFS_MAGIC);
    CHECK_EQ(type_of(event), ANON_INODE_FS_MAGIC);

    int zero = open("/dev/zero", O_RDWR);
    char *at = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED_VALIDATE, zero, 0);
    CHECK(at != MAP_FAILED);
    *at = 1;

    CHECK_ERRNO(fcntl(memory, F_SETFL, O_DIRECT), EINVAL);
    CHECK_ERRNO(fcntl(open("/proc/version", O_RDONLY), F_SETFL, O_DIRECT), EINVAL);
    CHECK_EQ(fcntl(p[1], F_SETFL, O_DIRECT), 0);
    return 0;
}
