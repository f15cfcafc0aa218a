/*
 * SCM_RIGHTS with sockets in sockets (unix(7)): nothing is left over.
 * Claims: sockets sent through themselves, through each other, in a ring, or to a listener that never accepts, are freed once nobody can reach
 * them (the pipe they carry loses its reader at the next close of a socket); what can still be reached is kept; a long chain of sockets
 * in sockets ends with its head; files under way beyond RLIMIT_NOFILE are ETOOMANYREFS without privileges.
 */
#include "../compat.h"

#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

#define DEPTH 200

static void send_fd(int s, int fd)
{
    union {
        struct cmsghdr h;
        char bytes[CMSG_SPACE(sizeof(int))];
    } c = {.h = {.cmsg_len = CMSG_LEN(sizeof(int)),
                 .cmsg_level = SOL_SOCKET,
                 .cmsg_type = SCM_RIGHTS}};
    struct iovec io = {"x", 1};
    struct msghdr m = {
        .msg_iov = &io, .msg_iovlen = 1, .msg_control = &c, .msg_controllen = sizeof(c)};

    memcpy(CMSG_DATA(&c.h), &fd, sizeof(int));
    CHECK_EQ(sendmsg(s, &m, 0), 1);
}

static int take_fd(int s)
{
    union {
        struct cmsghdr h;
        char bytes[CMSG_SPACE(sizeof(int))];
    } c;
    char x;
    struct iovec io = {&x, 1};
    struct msghdr m = {
        .msg_iov = &io, .msg_iovlen = 1, .msg_control = &c, .msg_controllen = sizeof(c)};
    int fd;

    CHECK_EQ(recvmsg(s, &m, 0), 1);
    CHECK(m.msg_controllen > 0);
    memcpy(&fd, CMSG_DATA(&c.h), sizeof(int));
    return fd;
}

/* The reader is gone, at the latest a moment after another socket ended. */
static int gone(int writer)
{
    struct pollfd p = {.fd = writer};

    for (int i = 0; i < 100; i++) {
        close(socket(AF_UNIX, SOCK_STREAM, 0));
        CHECK(poll(&p, 1, 0) >= 0);
        if (p.revents & POLLERR) {
            return 1;
        }
        usleep(10000);
    }
    return 0;
}

static int alive(int writer)
{
    struct pollfd p = {.fd = writer};

    close(socket(AF_UNIX, SOCK_STREAM, 0));
    CHECK(poll(&p, 1, 50) >= 0);
    return !(p.revents & POLLERR);
}

/* A pipe's reader travels into s, and only the writer stays here. */
static int canary(int s)
{
    int p[2];

    CHECK(pipe(p) == 0);
    send_fd(s, p[0]);
    close(p[0]);
    return p[1];
}

static void itself(void)
{
    int s[2];

    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
    int w = canary(s[0]);
    send_fd(s[0], s[1]);
    send_fd(s[0], s[0]);
    close(s[0]);
    CHECK(alive(w));
    close(s[1]);
    CHECK(gone(w));
    close(w);
}

static void ring(void)
{
    int a[2], b[2], c[2], keep;

    CHECK(socketpair(AF_UNIX, SOCK_DGRAM, 0, a) == 0 &&
          socketpair(AF_UNIX, SOCK_STREAM, 0, b) == 0 &&
          socketpair(AF_UNIX, SOCK_SEQPACKET, 0, c) == 0);
    send_fd(a[0], b[1]);
    send_fd(b[0], c[1]);
    send_fd(c[0], a[1]);
    int w = canary(b[0]);
    keep = dup(c[1]);
    for (int i = 0; i < 2; i++) {
        close(a[i]);
        close(b[i]);
        close(c[i]);
    }
    CHECK(alive(w)); /* keep -> a[1] -> b[1] -> the pipe */
    int a1 = take_fd(keep), b1 = take_fd(a1), c1 = take_fd(b1);
    int p = take_fd(b1);
    char x;
    CHECK(write(w, "y", 1) == 1 && read(p, &x, 1) == 1);
    close(a1);
    close(b1);
    close(c1);
    close(p);
    close(keep);
    CHECK(gone(w));
    close(w);
}

static void not_accepted(void)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX, .sun_path = "l"};
    int l = socket(AF_UNIX, SOCK_STREAM, 0), c = socket(AF_UNIX, SOCK_STREAM, 0);

    CHECK(bind(l, (void *)&a, sizeof(a)) == 0 && listen(l, 1) == 0 &&
          connect(c, (void *)&a, sizeof(a)) == 0);
    int w = canary(c);
    send_fd(c, l);
    send_fd(c, c);
    close(c);
    CHECK(alive(w));
    close(l);
    CHECK(gone(w));
    close(w);
}

static void chain(void)
{
    int prev = -1, w = -1;

    for (int i = 0; i < DEPTH; i++) {
        int s[2];
        CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
        if (prev < 0) {
            w = canary(s[0]);
        } else {
            send_fd(s[0], prev);
            close(prev);
        }
        close(s[0]);
        prev = s[1];
    }
    CHECK(alive(w));
    close(prev);
    CHECK(gone(w));
    close(w);
}

static int too_many(void)
{
    struct rlimit rl = {20, 20};
    union {
        struct cmsghdr h;
        char bytes[CMSG_SPACE(sizeof(int))];
    } c = {.h = {.cmsg_len = CMSG_LEN(sizeof(int)),
                 .cmsg_level = SOL_SOCKET,
                 .cmsg_type = SCM_RIGHTS}};
    struct iovec io = {"x", 1};
    struct msghdr m = {
        .msg_iov = &io, .msg_iovlen = 1, .msg_control = &c, .msg_controllen = sizeof(c)};
    int s[2], fd = 0, sent = 0;

    CHECK(setgid(12345) == 0 && setuid(12345) == 0 && setrlimit(RLIMIT_NOFILE, &rl) == 0);
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
    memcpy(CMSG_DATA(&c.h), &fd, sizeof(int));
    while (sendmsg(s[0], &m, 0) == 1) {
        CHECK(++sent < 100);
    }
    CHECK(errno == ETOOMANYREFS);
    CHECK_EQ(sent, 21);
    return 0;
}

int main(void)
{
    compat_tmpdir();
    itself();
    ring();
    not_accepted();
    chain();
    if (geteuid() == 0) {
        CHECK_EQ(compat_child(too_many), 0);
    }
    return 0;
}
