/*
 * SCM_RIGHTS: open files in messages (unix(7)).
 * Claims: the receiver gets numbers for the same open files; MSG_CMSG_CLOEXEC marks them; too little room closes what did not fit and
 * sets MSG_CTRUNC; read, and recvmsg without a control buffer, close them all; MSG_PEEK gives copies; a stream read ends at the
 * message that carried files; bad numbers are EBADF, more than 253 EINVAL; O_PATH files travel; a stream without data carries none; files of
 * a closed receiver are closed.
 */
#include "../compat.h"

#include <poll.h>
#include <sys/socket.h>

#define MAX 254

union control {
    struct cmsghdr h;
    char bytes[CMSG_SPACE(MAX * sizeof(int))];
};

static ssize_t send_fds(int s, const int *fd, unsigned count, const char *text)
{
    union control c = {.h = {.cmsg_len = CMSG_LEN(count * sizeof(int)),
                             .cmsg_level = SOL_SOCKET,
                             .cmsg_type = SCM_RIGHTS}};
    struct iovec io = {(void *)text, strlen(text)};
    struct msghdr m = {.msg_iov = &io,
                       .msg_iovlen = 1,
                       .msg_control = &c,
                       .msg_controllen = CMSG_SPACE(count * sizeof(int))};

    memcpy(CMSG_DATA(&c.h), fd, count * sizeof(int));
    return sendmsg(s, &m, 0);
}

/* Numbers received; -1 when there was no SCM_RIGHTS. */
static int take_fds(int s, int *fd, size_t room, int flags, int *out_flags, ssize_t want, char *buf)
{
    union control c;
    struct iovec io = {buf, 16};
    struct msghdr m = {.msg_iov = &io, .msg_iovlen = 1, .msg_control = &c, .msg_controllen = room};

    memset(&c, 0, sizeof(c));
    CHECK_EQ(recvmsg(s, &m, flags), want);
    *out_flags = m.msg_flags;
    struct cmsghdr *h = CMSG_FIRSTHDR(&m);
    if (!h) {
        CHECK_EQ(m.msg_controllen, 0);
        return -1;
    }
    CHECK(h->cmsg_level == SOL_SOCKET && h->cmsg_type == SCM_RIGHTS);
    int n = (int)((h->cmsg_len - CMSG_LEN(0)) / sizeof(int));
    memcpy(fd, CMSG_DATA(h), (size_t)n * sizeof(int));
    return n;
}

/* The pipe's reader is gone everywhere. */
static int closed(int writer)
{
    struct pollfd p = {.fd = writer};

    CHECK(poll(&p, 1, 0) >= 0);
    return p.revents & POLLERR;
}

static void basic(int type)
{
    char buf[16], c;
    int s[2], p[2], got[4], flags;

    CHECK(socketpair(AF_UNIX, type, 0, s) == 0 && pipe(p) == 0);
    CHECK_EQ(send_fds(s[0], p, 2, "hi"), 2);
    CHECK_EQ(take_fds(s[1], got, 64, MSG_CMSG_CLOEXEC, &flags, 2, buf), 2);
    CHECK_EQ(flags, MSG_CMSG_CLOEXEC);
    CHECK(fcntl(got[0], F_GETFD) == FD_CLOEXEC && fcntl(got[1], F_GETFD) == FD_CLOEXEC);
    CHECK(write(p[1], "z", 1) == 1 && read(got[0], &c, 1) == 1 && c == 'z');
    CHECK(fcntl(got[0], F_SETFL, O_NONBLOCK) == 0);
    CHECK(fcntl(p[0], F_GETFL) & O_NONBLOCK); /* one open file */
    close(got[0]);
    close(got[1]);
    /* not enough room: one fits */
    CHECK_EQ(send_fds(s[0], p, 2, "hi"), 2);
    CHECK_EQ(take_fds(s[1], got, CMSG_LEN(sizeof(int)), 0, &flags, 2, buf), 1);
    CHECK_EQ(flags, MSG_CTRUNC);
    CHECK_EQ(fcntl(got[0], F_GETFD), 0);
    close(got[0]);
    CHECK_EQ(send_fds(s[0], p, 2, "hi"), 2);
    CHECK_EQ(take_fds(s[1], got, 0, 0, &flags, 2, buf), -1);
    CHECK_EQ(flags, MSG_CTRUNC);
    /* peek copies */
    CHECK_EQ(send_fds(s[0], p, 1, "hi"), 2);
    CHECK_EQ(take_fds(s[1], got, 64, MSG_PEEK, &flags, 2, buf), 1);
    CHECK_EQ(take_fds(s[1], got + 1, 64, 0, &flags, 2, buf), 1);
    close(p[0]);
    close(got[0]);
    CHECK(!closed(p[1]));
    close(got[1]);
    CHECK(closed(p[1]));
    close(p[1]);
    /* read closes them */
    CHECK(pipe(p) == 0);
    CHECK_EQ(send_fds(s[0], p, 1, "hi"), 2);
    close(p[0]);
    CHECK(!closed(p[1]));
    CHECK_EQ(read(s[1], buf, 16), 2);
    CHECK(closed(p[1]));
    close(p[1]);
    /* and so does the end of the receiver */
    CHECK(pipe(p) == 0);
    CHECK_EQ(send_fds(s[0], p, 1, "hi"), 2);
    close(p[0]);
    close(s[1]);
    CHECK(closed(p[1]));
    close(p[1]);
    close(s[0]);
}

static void stream(void)
{
    char buf[16];
    int s[2], got[4], flags, fd = open("/dev/null", O_RDONLY);

    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
    CHECK(write(s[0], "ab", 2) == 2);
    CHECK_EQ(send_fds(s[0], &fd, 1, "cd"), 2);
    CHECK(write(s[0], "ef", 2) == 2);
    CHECK_EQ(take_fds(s[1], got, 64, 0, &flags, 4, buf), 1); /* ends with "cd" */
    CHECK_EQ(take_fds(s[1], got, 64, 0, &flags, 2, buf), -1);
    close(got[0]);
    CHECK_EQ(send_fds(s[0], &fd, 1, ""), 0); /* no data: nothing was sent */
    CHECK_ERRNO(recv(s[1], buf, 1, MSG_DONTWAIT), EAGAIN);
    close(s[0]);
    close(s[1]);
}

static void errors(void)
{
    static int many[MAX];
    char buf[16];
    int s[2], got[MAX], flags, bad = 999, path = open("/", O_PATH);

    CHECK(socketpair(AF_UNIX, SOCK_DGRAM, 0, s) == 0);
    CHECK_ERRNO(send_fds(s[0], &bad, 1, "x"), EBADF);
    bad = -1;
    CHECK_ERRNO(send_fds(s[0], &bad, 1, "x"), EBADF);
    CHECK_EQ(send_fds(s[0], NULL, 0, "x"), 1); /* an empty list is none */
    CHECK_EQ(take_fds(s[1], got, 64, 0, &flags, 1, buf), -1);
    CHECK_ERRNO(send_fds(s[0], many, MAX, "x"), EINVAL);
    CHECK_EQ(send_fds(s[0], many, MAX - 1, "x"), 1);
    CHECK_EQ(take_fds(s[1], got, sizeof(union control), 0, &flags, 1, buf), MAX - 1);
    for (int i = 0; i < MAX - 1; i++) {
        CHECK(close(got[i]) == 0);
    }
    CHECK_EQ(send_fds(s[0], &path, 1, "x"), 1);
    CHECK_EQ(take_fds(s[1], got, 64, 0, &flags, 1, buf), 1);
    CHECK(fcntl(got[0], F_GETFL) & O_PATH);
}

int main(void)
{
    basic(SOCK_STREAM);
    basic(SOCK_DGRAM);
    basic(SOCK_SEQPACKET);
    stream();
    errors();
    return 0;
}
