/*
 * SCM_CREDENTIALS and SO_PASSCRED, SO_PEERCRED, SO_PEERGROUPS (unix(7)).
 * Claims: with SO_PASSCRED each message tells its sender's pid, uid and gid; explicit credentials must be true without
 * privileges (EPERM), of the right size (EINVAL), of a process that exists (ESRCH); a stream never glues what different processes wrote; a
 * message from before SO_PASSCRED says nobody (or its sender, on newer kernels); SO_PASSCRED binds the sender to a name; a short buffer gives MSG_CTRUNC;
 * SO_PEERCRED tells who connected, who listened, and who made a pair, and nobody before that.
 */
#include "../compat.h"

#include <grp.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

static const int g_on = 1;

union control {
    struct cmsghdr h;
    char bytes[CMSG_SPACE(sizeof(struct ucred))];
};

static ssize_t send_cred(int s, struct ucred u, size_t size)
{
    union control c = {
        .h = {.cmsg_len = CMSG_LEN(size), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_CREDENTIALS}};
    struct iovec io = {"c", 1};
    struct msghdr m = {
        .msg_iov = &io, .msg_iovlen = 1, .msg_control = &c, .msg_controllen = sizeof(c)};

    memcpy(CMSG_DATA(&c.h), &u, sizeof(u));
    return sendmsg(s, &m, 0);
}

static struct ucred receive(int s, ssize_t want)
{
    union control c;
    char buf[16];
    struct iovec io = {buf, sizeof(buf)};
    struct msghdr m = {
        .msg_iov = &io, .msg_iovlen = 1, .msg_control = &c, .msg_controllen = sizeof(c)};
    struct ucred u;

    CHECK_EQ(recvmsg(s, &m, 0), want);
    CHECK_EQ(m.msg_flags, 0);
    CHECK(m.msg_controllen == sizeof(c) && c.h.cmsg_type == SCM_CREDENTIALS &&
          c.h.cmsg_len == CMSG_LEN(sizeof(u)));
    memcpy(&u, CMSG_DATA(&c.h), sizeof(u));
    return u;
}

static int is_me(struct ucred u)
{
    return u.pid == getpid() && u.uid == getuid() && u.gid == getgid();
}

static void pass(int type)
{
    int s[2], status;
    char buf[4], small[20];
    struct iovec io = {buf, sizeof(buf)};
    struct msghdr m = {
        .msg_iov = &io, .msg_iovlen = 1, .msg_control = small, .msg_controllen = sizeof(small)};

    CHECK(socketpair(AF_UNIX, type, 0, s) == 0);
    CHECK(setsockopt(s[1], SOL_SOCKET, SO_PASSCRED, &g_on, sizeof(g_on)) == 0);
    CHECK(write(s[0], "x", 1) == 1);
    CHECK(is_me(receive(s[1], 1)));
    CHECK_EQ(send_cred(s[0], (struct ucred){getpid(), getuid(), getgid()}, sizeof(struct ucred)),
             1);
    CHECK(is_me(receive(s[1], 1)));
    CHECK_ERRNO(send_cred(s[0], (struct ucred){getpid(), getuid(), getgid()}, 8), EINVAL);
    CHECK(write(s[0], "a", 1) == 1);
    pid_t pid = fork();
    if (pid == 0) {
        CHECK(write(s[0], "b", 1) == 1);
        _exit(0);
    }
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
    CHECK(write(s[0], "c", 1) == 1);
    CHECK(is_me(receive(s[1], 1)));
    CHECK_EQ(receive(s[1], 1).pid, pid);
    CHECK(is_me(receive(s[1], 1)));
    CHECK(write(s[0], "x", 1) == 1);
    CHECK_EQ(recvmsg(s[1], &m, 0), 1);
    CHECK(m.msg_flags == MSG_CTRUNC && m.msg_controllen == sizeof(small));
    CHECK_EQ(((struct cmsghdr *)small)->cmsg_len, sizeof(small));
    CHECK(write(s[0], "x", 1) == 1);
    m = (struct msghdr){.msg_iov = &io, .msg_iovlen = 1};
    CHECK_EQ(recvmsg(s[1], &m, 0), 1);
    CHECK_EQ(m.msg_flags, MSG_CTRUNC);
    CHECK(write(s[0], "x", 1) == 1 && read(s[1], buf, 1) == 1);
    close(s[0]);
    close(s[1]);
}

static void named(void)
{
    struct sockaddr_un a;
    socklen_t size = sizeof(a);
    int s[2];

    CHECK(socketpair(AF_UNIX, SOCK_DGRAM, 0, s) == 0);
    CHECK(setsockopt(s[0], SOL_SOCKET, SO_PASSCRED, &g_on, sizeof(g_on)) == 0);
    CHECK(write(s[0], "x", 1) == 1);
    CHECK(getsockname(s[0], (void *)&a, &size) == 0 &&
          size == offsetof(struct sockaddr_un, sun_path) + 6);
    close(s[0]);
    close(s[1]);
}

static int forged(void)
{
    int s[2];
    struct ucred me = {getpid(), 1000, 1000}, u = me;

    CHECK(setgid(1000) == 0 && setuid(1000) == 0);
    CHECK(socketpair(AF_UNIX, SOCK_DGRAM, 0, s) == 0);
    CHECK_EQ(send_cred(s[0], me, sizeof(me)), 1);
    u.uid = 0;
    CHECK_ERRNO(send_cred(s[0], u, sizeof(u)), EPERM);
    u = me;
    u.gid = 0;
    CHECK_ERRNO(send_cred(s[0], u, sizeof(u)), EPERM);
    u = me;
    u.pid = 1;
    CHECK_ERRNO(send_cred(s[0], u, sizeof(u)), EPERM);
    return 0;
}

static struct ucred peer(int fd)
{
    struct ucred u;
    socklen_t size = sizeof(u);

    CHECK(getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &u, &size) == 0 && size == sizeof(u));
    return u;
}

static void peers(void)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX, .sun_path = "l"};
    gid_t groups[64], mine[64];
    int s[2], l = socket(AF_UNIX, SOCK_STREAM, 0), status, n;
    socklen_t size = 0;

    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
    CHECK(is_me(peer(s[0])) && is_me(peer(s[1])));
    CHECK(peer(l).pid == 0 && peer(l).uid == (uid_t)-1 && peer(l).gid == (gid_t)-1);
    CHECK_ERRNO(getsockopt(l, SOL_SOCKET, SO_PEERGROUPS, groups, &size), ENODATA);
    size = sizeof(groups);
    n = getgroups(64, mine);
    CHECK(getsockopt(s[0], SOL_SOCKET, SO_PEERGROUPS, groups, &size) == 0 &&
          size == (socklen_t)n * sizeof(gid_t));
    CHECK(memcmp(groups, mine, size) == 0);
    CHECK(bind(l, (void *)&a, sizeof(a)) == 0 && listen(l, 1) == 0);
    CHECK(is_me(peer(l)));
    pid_t parent = getpid(), pid = fork();
    if (pid == 0) {
        int c = socket(AF_UNIX, SOCK_STREAM, 0);
        CHECK(connect(c, (void *)&a, sizeof(a)) == 0);
        CHECK_EQ(peer(c).pid, parent);
        _exit(0);
    }
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
    CHECK_EQ(peer(accept(l, NULL, NULL)).pid, pid);
}

int main(void)
{
    compat_tmpdir();
    pass(SOCK_STREAM);
    pass(SOCK_DGRAM);
    pass(SOCK_SEQPACKET);
    named();
    peers();
    if (geteuid() == 0) {
        int s[2];
        CHECK(socketpair(AF_UNIX, SOCK_DGRAM, 0, s) == 0);
        CHECK_ERRNO(send_cred(s[0], (struct ucred){.pid = 4194303}, sizeof(struct ucred)), ESRCH);
        CHECK_EQ(compat_child(forged), 0);
    }
    return 0;
}
