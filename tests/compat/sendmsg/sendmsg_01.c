/*
 * sendmsg(2) and recvmsg(2): vectors, addresses, flags.
 * Claims: vectors are gathered and scattered; the header comes back with the true address size, no control and the right flags; msg_iovlen beyond
 * IOV_MAX is EMSGSIZE; negative sizes are EINVAL; bad pointers are EFAULT, and a datagram that could not be stored is
 * lost; a partly bad vector sends nothing; unknown control messages of other levels are ignored, malformed ones EINVAL.
 */
#include "../compat.h"

#include <stddef.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>

#define OFFSET offsetof(struct sockaddr_un, sun_path)

static void vectors(int type)
{
    char a[4] = "abc", b[4] = "def", c[2], d[8] = "";
    struct iovec out[] = {{a, 3}, {NULL, 0}, {b, 3}}, in[] = {{c, 2}, {d, 8}};
    struct msghdr m = {.msg_iov = out, .msg_iovlen = 3};
    char name[32];
    int s[2];

    CHECK(socketpair(AF_UNIX, type, 0, s) == 0);
    CHECK_EQ(sendmsg(s[0], &m, 0), 6);
    m = (struct msghdr){.msg_iov = in,
                        .msg_iovlen = 2,
                        .msg_name = name,
                        .msg_namelen = sizeof(name),
                        .msg_flags = -1};
    CHECK_EQ(recvmsg(s[1], &m, 0), 6);
    CHECK(memcmp(c, "ab", 2) == 0 && memcmp(d, "cdef", 4) == 0);
    CHECK_EQ(m.msg_namelen, 0);
    CHECK_EQ(m.msg_flags, 0);
    m = (struct msghdr){.msg_iov = out, .msg_iovlen = 1025};
    CHECK_ERRNO(sendmsg(s[0], &m, 0), EMSGSIZE);
    CHECK_ERRNO(recvmsg(s[1], &m, MSG_DONTWAIT), EMSGSIZE);
    m = (struct msghdr){.msg_name = name, .msg_namelen = -1};
    CHECK_ERRNO(sendmsg(s[0], &m, 0), EINVAL);
    CHECK_ERRNO(recvmsg(s[1], &m, MSG_DONTWAIT), EINVAL);
    out[1] = (struct iovec){a, (size_t)-1};
    m = (struct msghdr){.msg_iov = out, .msg_iovlen = 2};
    CHECK_ERRNO(sendmsg(s[0], &m, 0), EINVAL);
    CHECK_ERRNO(sendmsg(s[0], (void *)16, 0), EFAULT);
    CHECK_ERRNO(recvmsg(s[1], (void *)16, 0), EFAULT);
    CHECK_ERRNO(sendmsg(s[0], &m, MSG_OOB), EINVAL);
    close(s[0]);
    close(s[1]);
}

static void faults(int type)
{
    char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
         buf[8];
    int s[2];

    CHECK(page != MAP_FAILED && munmap(page + 4096, 4096) == 0);
    CHECK(socketpair(AF_UNIX, type, 0, s) == 0);
    CHECK_ERRNO(write(s[0], page + 4094, 4), EFAULT);
    CHECK_ERRNO(recv(s[1], buf, 1, MSG_DONTWAIT), EAGAIN);
    CHECK_EQ(write(s[0], "abcd", 4), 4);
    CHECK_EQ(write(s[0], "efgh", 4), 4);
    CHECK_ERRNO(read(s[1], page + 4094, 4), EFAULT);
    if (type == SOCK_STREAM) {
        CHECK_EQ(read(s[1], buf, 8), 8); /* all of it is still there */
    } else {
        CHECK_EQ(read(s[1], buf, 8), 4);
        CHECK(memcmp(buf, "efgh", 4) == 0);
    }
    close(s[0]);
    close(s[1]);
}

static void addresses(void)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX, .sun_path = "a"},
                       b = {.sun_family = AF_UNIX, .sun_path = "b"}, got;
    struct iovec io = {"x", 1};
    struct msghdr m = {.msg_name = &b, .msg_namelen = sizeof(b), .msg_iov = &io, .msg_iovlen = 1};
    char buf[4];
    int x = socket(AF_UNIX, SOCK_DGRAM, 0), y = socket(AF_UNIX, SOCK_DGRAM, 0);

    CHECK(bind(x, (void *)&a, sizeof(a)) == 0 && bind(y, (void *)&b, sizeof(b)) == 0);
    CHECK_EQ(sendmsg(x, &m, 0), 1);
    io.iov_base = buf;
    m = (struct msghdr){
        .msg_name = &got, .msg_namelen = sizeof(got), .msg_iov = &io, .msg_iovlen = 1};
    CHECK_EQ(recvmsg(y, &m, 0), 1);
    CHECK(m.msg_namelen == OFFSET + 2 && strcmp(got.sun_path, "a") == 0);
    m = (struct msghdr){.msg_name = &b, .msg_namelen = sizeof(b)};
    CHECK_EQ(sendmsg(x, &m, 0), 0);
    m = (struct msghdr){.msg_name = &got, .msg_namelen = 3};
    CHECK_EQ(recvmsg(y, &m, 0), 0);
    CHECK(m.msg_namelen == OFFSET + 2);
    /* a stream socket takes no address */
    m = (struct msghdr){.msg_name = &b, .msg_namelen = sizeof(b), .msg_iov = &io, .msg_iovlen = 1};
    CHECK_ERRNO(sendmsg(socket(AF_UNIX, SOCK_STREAM, 0), &m, 0), EOPNOTSUPP);
}

static void control(void)
{
    union {
        struct cmsghdr h;
        char bytes[64];
    } c = {.h = {.cmsg_len = CMSG_LEN(4), .cmsg_level = 12345, .cmsg_type = 1}};
    struct iovec io = {"x", 1};
    struct msghdr m = {
        .msg_iov = &io, .msg_iovlen = 1, .msg_control = &c, .msg_controllen = CMSG_SPACE(4)};
    char buf[4];
    int s[2];

    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
    CHECK_EQ(sendmsg(s[0], &m, 0), 1);
    c.h.cmsg_len = 15;
    CHECK_ERRNO(sendmsg(s[0], &m, 0), EINVAL);
    c.h.cmsg_len = CMSG_SPACE(4) + 1;
    CHECK_ERRNO(sendmsg(s[0], &m, 0), EINVAL);
    c.h = (struct cmsghdr){.cmsg_len = CMSG_LEN(4), .cmsg_level = SOL_SOCKET, .cmsg_type = 999};
    CHECK_ERRNO(sendmsg(s[0], &m, 0), EINVAL);
    m.msg_control = (void *)16;
    CHECK_ERRNO(sendmsg(s[0], &m, 0), EFAULT);
    m.msg_controllen = 1UL << 40;
    CHECK_ERRNO(sendmsg(s[0], &m, 0), ENOBUFS);
    m = (struct msghdr){.msg_iov = &(struct iovec){buf, 4},
                        .msg_iovlen = 1,
                        .msg_control = &c,
                        .msg_controllen = sizeof(c)};
    CHECK_EQ(recvmsg(s[1], &m, MSG_CMSG_CLOEXEC), 1);
    CHECK_EQ(m.msg_controllen, 0);
    CHECK_EQ(m.msg_flags, MSG_CMSG_CLOEXEC);
}

int main(void)
{
    compat_tmpdir();
    vectors(SOCK_STREAM);
    vectors(SOCK_DGRAM);
    vectors(SOCK_SEQPACKET);
    faults(SOCK_STREAM);
    faults(SOCK_DGRAM);
    addresses();
    control();
    return 0;
}
