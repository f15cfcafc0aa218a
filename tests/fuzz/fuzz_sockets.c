/*
 * Random calls on local sockets, the same for the same seed, with every result printed: run it natively and
 * in the sandbox, and compare the two outputs. No call waits. What may differ between two kernels (names
 * that the kernel chose) is not printed; sizes of datagrams stay below those where Linux's accounting depends on its
 * page allocator.
 *
 *   fuzz_sockets SEED COUNT     in an empty directory that it may fill
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define FDS    10
#define OFFSET offsetof(struct sockaddr_un, sun_path)
static uint64_t g_state;
static int g_fds[FDS], g_file;
static char g_buf[200000];
static unsigned g_pipes;

static unsigned rnd(unsigned n)
{
    g_state = g_state * 6364136223846793005ULL + 1442695040888963407ULL;
    return (unsigned)(g_state >> 33) % n;
}

static int any(void)
{
    return rnd(40) == 0 ? -1 : (int)rnd(FDS);
}
static int fd_of(int i)
{
    return i < 0 ? -1 : g_fds[i];
}

static int any_type(void)
{
    static const int types[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET};
    return types[rnd(3)];
}

static size_t any_size(int fd)
{
    static const size_t sizes[] = {0, 1, 2, 10, 100, 129, 200, 705, 1000, 3777, 4096, 10000, 16000};
    int type = 0;
    socklen_t size = sizeof(type);
    getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size);
    if (type == SOCK_STREAM && rnd(8) == 0) {
        return rnd(sizeof(g_buf));
    }
    return sizes[rnd(sizeof(sizes) / sizeof(sizes[0]))];
}

static int any_flags(void)
{
    static const int flags[] = {0,           MSG_PEEK, MSG_TRUNC,       MSG_PEEK | MSG_TRUNC,
                                MSG_WAITALL, MSG_EOR,  MSG_CMSG_CLOEXEC};
    return MSG_DONTWAIT | (rnd(2) ? 0 : flags[rnd(sizeof(flags) / sizeof(flags[0]))]);
}

static socklen_t any_addr(struct sockaddr_un *a)
{
    static const char *names[] = {"a",      "b", "c", "./a",   "d/a",
                                  "none/a", "d", "l", "plain", "plain/x"};
    memset(a, 0, sizeof(*a));
    a->sun_family = rnd(15) ? AF_UNIX : rnd(2) ? AF_UNSPEC : AF_INET;
    switch (rnd(8)) {
    case 0:
        a->sun_path[1] = (char)('a' + rnd(3));
        return (socklen_t)(OFFSET + 2 + rnd(2));
    case 1:
        return (socklen_t)rnd(sizeof(*a) + 2);
    default:
        strcpy(a->sun_path, names[rnd(sizeof(names) / sizeof(names[0]))]);
        return rnd(2) ? (socklen_t)sizeof(*a) : (socklen_t)(OFFSET + strlen(a->sun_path));
    }
}

static uint32_t sum(const char *p, size_t n)
{
    uint32_t h = 1;
    for (size_t i = 0; i < n; i++) {
        h = h * 31 + (unsigned char)p[i];
    }
    return h;
}

static void result(const char *what, int i, long r)
{
    if (r < 0) {
        printf("%s(%d) = -%s", what, i, strerrorname_np(errno));
    } else {
        printf("%s(%d) = %ld", what, i, r);
    }
    printf("%s\n", g_pipes ? " SIGPIPE" : "");
    g_pipes = 0;
}

/* A new number takes a slot. */
static void keep(int i, int fd)
{
    if (fd >= 0) {
        if (g_fds[i] >= 0) {
            close(g_fds[i]);
        }
        g_fds[i] = fd;
    }
}

static void show_addr(const struct sockaddr_un *a, socklen_t size)
{
    if (size == OFFSET + 6 && a->sun_path[0] == '\0') {
        printf("  a name of the kernel's\n");
    } else {
        printf("  address %u %08x\n", size,
               sum((const char *)a, size < sizeof(*a) ? size : sizeof(*a)));
    }
}

static void create(void)
{
    int i = (int)rnd(FDS), j = (int)rnd(FDS), type = any_type() | SOCK_NONBLOCK, s[2];
    if (rnd(2) && i != j) {
        result("socketpair", i, socketpair(AF_UNIX, type, 0, s));
        keep(i, s[0]);
        keep(j, s[1]);
    } else {
        int fd = socket(AF_UNIX, type, 0);
        result("socket", i, fd < 0 ? fd : 0);
        keep(i, fd);
    }
}

static void send_data(void)
{
    int i = any(), fd = fd_of(i), flags = any_flags() & (MSG_DONTWAIT | MSG_EOR);
    size_t size = any_size(fd);
    struct sockaddr_un a;
    for (size_t k = 0; k < size; k++) {
        g_buf[k] = (char)rnd(256);
    }
    switch (rnd(3)) {
    case 0:
        result("write", i, write(fd, g_buf, size));
        break;
    case 1:
        result("send", i, send(fd, g_buf, size, flags | (rnd(2) ? MSG_NOSIGNAL : 0)));
        break;
    default: {
        socklen_t n = any_addr(&a);
        result("sendto", i, sendto(fd, g_buf, size, flags, (void *)&a, n));
    }
    }
}

static void receive_data(void)
{
    struct sockaddr_un a = {0};
    socklen_t n = (socklen_t)(rnd(2) ? sizeof(a) : rnd(sizeof(a)));
    int i = any(), fd = fd_of(i);
    size_t size = any_size(fd);
    ssize_t r = recvfrom(fd, g_buf, size, any_flags(), (void *)&a, &n);
    result("recvfrom", i, r);
    if (r >= 0) {
        printf("  data %08x\n", sum(g_buf, (size_t)r < size ? (size_t)r : size));
        show_addr(&a, n);
    }
}

union control {
    struct cmsghdr h;
    char bytes[128];
};

static void send_files(void)
{
    union control c = {.h = {.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS}};
    int list[4], i = any(), count = (int)rnd(4), flags = any_flags() & MSG_DONTWAIT;
    size_t size = any_size(fd_of(i)) % 100;
    struct iovec io = {g_buf, size};
    struct msghdr m = {.msg_iov = &io, .msg_iovlen = 1, .msg_control = &c};
    for (int k = 0; k < count; k++) {
        list[k] =
            rnd(30) ? g_file : -1; /* no sockets: Linux frees those in circles some time later */
    }
    c.h.cmsg_len = CMSG_LEN((size_t)count * sizeof(int));
    m.msg_controllen = CMSG_SPACE((size_t)count * sizeof(int));
    memcpy(CMSG_DATA(&c.h), list, (size_t)count * sizeof(int));
    result("sendmsg", i, sendmsg(fd_of(i), &m, flags));
}

static void receive_files(void)
{
    union control c;
    struct sockaddr_un a = {0};
    int i = any(), list[32], count = 0;
    struct iovec io[2] = {{g_buf, rnd(50)}, {g_buf + 100, rnd(100)}};
    struct msghdr m = {.msg_iov = io,
                       .msg_iovlen = 2,
                       .msg_control = &c,
                       .msg_controllen = rnd(3) ? sizeof(c) : rnd(sizeof(c)),
                       .msg_name = &a,
                       .msg_namelen = sizeof(a)};
    size_t room = m.msg_controllen;
    memset(&c, 0, sizeof(c));
    ssize_t r = recvmsg(fd_of(i), &m, any_flags());
    result("recvmsg", i, r);
    if (r < 0) {
        return;
    }
    printf("  flags %x, control %zu of %zu\n", m.msg_flags, m.msg_controllen, room);
    show_addr(&a, m.msg_namelen);
    for (struct cmsghdr *h = CMSG_FIRSTHDR(&m); h; h = CMSG_NXTHDR(&m, h)) {
        printf("  cmsg %d %zu\n", h->cmsg_type, h->cmsg_len);
        if (h->cmsg_type == SCM_RIGHTS) {
            count = (int)((h->cmsg_len - CMSG_LEN(0)) / sizeof(int));
            memcpy(list, CMSG_DATA(h), (size_t)count * sizeof(int));
        } else if (h->cmsg_len == CMSG_LEN(sizeof(struct ucred))) {
            struct ucred u;
            memcpy(&u, CMSG_DATA(h), sizeof(u));
            printf("  %s %u %u\n", u.pid == getpid() ? "me" : u.pid ? "?" : "nobody", u.uid, u.gid);
        }
    }
    for (int k = 0; k < count; k++) {
        struct stat st;
        printf("  file %d\n", fstat(list[k], &st) == 0 ? (int)(st.st_mode & S_IFMT) : -1);
        close(list[k]);
    }
}

static void connecting(void)
{
    struct sockaddr_un a;
    int i = any(), fd = fd_of(i), how = (int)rnd(5) - 1, backlog = (int)rnd(4) - 1;
    socklen_t n = any_addr(&a);
    switch (rnd(6)) {
    case 0:
        result("bind", i, bind(fd, (void *)&a, n));
        break;
    case 1:
        result("listen", i, listen(fd, backlog));
        break;
    case 2:
    case 3:
        result("connect", i, connect(fd, (void *)&a, n));
        break;
    case 4: {
        int made = accept4(fd, NULL, NULL, SOCK_NONBLOCK);
        result("accept4", i, made < 0 ? -1 : 0);
        keep((int)rnd(FDS), made);
        break;
    }
    default:
        if (rnd(3) == 0) {
            result("shutdown", i, shutdown(fd, how));
        }
    }
}

static void options(void)
{
    static const int names[] = {
        SO_TYPE,     SO_ERROR,    SO_ACCEPTCONN, SO_SNDBUF,   SO_RCVBUF,
        SO_PASSCRED, SO_DOMAIN,   SO_LINGER,     SO_PEERCRED, SO_RCVLOWAT,
        SO_SNDTIMEO, SO_PROTOCOL, SO_PEEK_OFF,   SO_PEEK_OFF, 83 /* SO_PASSRIGHTS */,
        SO_OOBINLINE};
    int i = any(), name = names[rnd(sizeof(names) / sizeof(names[0]))];
    int values[4] = {rnd(3) ? (int)rnd(2) : (int)rnd(100000), 0, 0, 0};
    socklen_t n = rnd(20);
    if (rnd(2)) {
        result("setsockopt", i, setsockopt(fd_of(i), SOL_SOCKET, name, values, n));
        return;
    }
    memset(values, 0, sizeof(values));
    n = n > sizeof(values) ? sizeof(values) : n;
    result("getsockopt", i, getsockopt(fd_of(i), SOL_SOCKET, name, values, &n));
    if (name == SO_PEERCRED) {
        values[0] = n >= sizeof(int) && values[0] == getpid();
    }
    printf("  %d: %u %d %d %d\n", name, n, values[0], values[1], values[2]);
}

static void names(void)
{
    struct sockaddr_un a = {0};
    socklen_t n = (socklen_t)(rnd(2) ? sizeof(a) : rnd(sizeof(a)));
    int i = any();
    long r = rnd(2) ? getsockname(fd_of(i), (void *)&a, &n) : getpeername(fd_of(i), (void *)&a, &n);
    result("name", i, r);
    if (r == 0) {
        show_addr(&a, n);
    }
}

static void remove_something(void)
{
    int i = (int)rnd(FDS);
    if (rnd(3)) {
        result("close", i, close(g_fds[i]));
        g_fds[i] = -1;
    } else {
        char name[2] = {(char)('a' + rnd(3))};
        result("unlink", name[0], unlink(name));
    }
}

/* What every socket looks like. */
static void show_state(void)
{
    for (int i = 0; i < FDS; i++) {
        struct pollfd p = {.fd = g_fds[i], .events = POLLIN | POLLOUT | POLLRDHUP | POLLPRI};
        int in = -1, out = -1;
        if (g_fds[i] >= 0) {
            poll(&p, 1, 0);
            ioctl(g_fds[i], SIOCINQ, &in);
            ioctl(g_fds[i], SIOCOUTQ, &out);
            printf("  [%d] %x in %d out %d\n", i, p.revents, in, out);
        }
    }
}

static void on_pipe(int sig)
{
    (void)sig;
    g_pipes++;
}

int main(int argc, char **argv)
{
    static void (*const steps[])(void) = {create,       send_data,  send_data,     receive_data,
                                          receive_data, send_files, receive_files, connecting,
                                          connecting,   connecting, options,       names};
    int count = argc > 2 ? atoi(argv[2]) : 1000;
    g_state = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
    struct sigaction sa = {.sa_handler = on_pipe};
    sigaction(SIGPIPE, &sa, NULL);
    umask(022);
    mkdir("d", 0755);
    symlink("a", "l");
    g_file = open("plain", O_CREAT | O_WRONLY, 0644);
    for (int i = 0; i < FDS; i++) {
        g_fds[i] = -1;
    }
    for (int i = 0; i < count; i++) {
        printf("%d ", i);
        if (rnd(15) == 0) {
            remove_something();
        } else {
            steps[rnd(sizeof(steps) / sizeof(steps[0]))]();
        }
        if (rnd(4) == 0) {
            show_state();
        }
    }
    return 0;
}
