/*
 * Sockets: making, naming, connecting. The sockets themselves are sentry/net. Analogous to Linux's
 * net/socket.c. socket(2), socketpair(2), bind(2), listen(2), accept(2), connect(2), getsockname(2),
 * getpeername(2), shutdown(2).
 */
#include "syscalls/socket.h"

#include "sentry/base/errno.h"
#include "sentry/net/unix.h"
#include "sentry/task/sigio.h"
#include "syscalls/syscalls.h"

#define TYPE_MASK 0xf

void socket_caller_init(struct task *t, struct socket_caller *c)
{
    *c = (struct socket_caller){
        .cred = t->cred, .pid = task_tgid(t), .max_files = task_rlimit(t, RLIMIT_NOFILE)};
}

int socket_caller_walk(struct task *t, struct socket_caller *c, struct walk *w, struct path *start)
{
    int r = task_walk(t, AT_FDCWD, 0, w, start);

    socket_caller_init(t, c);
    c->walk = w;
    return r;
}

static void current_caller(struct socket_caller *out)
{
    socket_caller_init(task_current(), out);
}

void sockets_init(void)
{
    socket_set_caller(current_caller);
    socket_set_urgent(sigio_tell_urgent);
    unix_init();
}

int socket_in(struct task *t, int fd, struct file **out_file, struct socket **out)
{
    int r = file_in(t, fd, out_file);

    if (r < 0) {
        return r;
    }
    *out = file_socket(*out_file);
    return *out ? 0 : -ENOTSOCK;
}

int socket_addr_in(struct task *t, uaddr_t addr, int size, struct socket_addr *out)
{
    *out = (struct socket_addr){0};
    if (size < 0 || (size_t)size > sizeof(out->bytes)) {
        return -EINVAL;
    }
    out->size = (uint32_t)size;
    return size ? copy_in(t->mm, out->bytes, addr, (size_t)size) : 0;
}

int socket_addr_out(struct task *t, const struct socket_addr *a, uaddr_t addr, uaddr_t size_addr)
{
    const int size = (int)a->size;
    int room;
    int r = get_user(t->mm, &room, size_addr);

    if (r < 0) {
        return r;
    }
    if (room < 0) {
        return -EINVAL;
    }
    room = MIN(room, size);
    if (room > 0) {
        r = copy_out(t->mm, addr, a->bytes, (size_t)room);
    }
    return r < 0 ? r : put_user(t->mm, size_addr, &size);
}

/* --- making --- */

static int check_type(int *type, int *flags)
{
    *flags = *type & ~TYPE_MASK;
    *type &= TYPE_MASK;
    return *flags & ~(SOCK_CLOEXEC | SOCK_NONBLOCK) ? -EINVAL : 0;
}

static int new_file(const struct socket_caller *c, int domain, int type, int protocol, int flags,
                    struct file **out)
{
    struct socket *s;
    int r = socket_create(c, domain, type, protocol, &s);

    return r < 0 ? r : socket_file(s, c->cred, (unsigned)flags & O_NONBLOCK, out);
}

long sys_socket(struct task *t, int domain, int type, int protocol)
{
    struct socket_caller c;
    AUTO_PUT(file) f = NULL;
    int flags;
    int r = check_type(&type, &flags);

    _Static_assert(SOCK_NONBLOCK == O_NONBLOCK && SOCK_CLOEXEC == O_CLOEXEC, "passed on as is");
    if (r < 0) {
        return r;
    }
    socket_caller_init(t, &c);
    r = new_file(&c, domain, type, protocol, flags, &f);
    return r < 0 ? r : fd_table_install(t->files, f, 0, fd_limit(t), flags & SOCK_CLOEXEC);
}

/* Both get numbers, or none does. */
static int install_pair(struct task *t, struct file *const f[2], bool cloexec, uaddr_t sv)
{
    int fd[2];

    fd[0] = fd_table_install(t->files, f[0], 0, fd_limit(t), cloexec);
    if (fd[0] < 0) {
        return fd[0];
    }
    fd[1] = fd_table_install(t->files, f[1], 0, fd_limit(t), cloexec);
    int r = fd[1] < 0 ? fd[1] : put_user(t->mm, sv, &fd);
    if (r < 0) {
        for (int i = 0; i < 2 && fd[i] >= 0; i++) {
            int closed = fd_table_close(t->files, fd[i]);
            (void)closed; /* another thread was faster */
        }
    }
    return r;
}

long sys_socketpair(struct task *t, int domain, int type, int protocol, uaddr_t sv)
{
    struct socket_caller c;
    AUTO_PUT(file) a = NULL;
    AUTO_PUT(file) b = NULL;
    int flags;
    int r = check_type(&type, &flags);

    if (r < 0) {
        return r;
    }
    socket_caller_init(t, &c);
    r = new_file(&c, domain, type, protocol, flags, &a);
    if (r == 0) {
        r = new_file(&c, domain, type, protocol, flags, &b);
    }
    if (r == 0) {
        r = socket_connect_pair(&c, file_socket(a), file_socket(b));
    }
    struct file *const files[2] = {a, b};
    return r < 0 ? r : install_pair(t, files, flags & SOCK_CLOEXEC, sv);
}

/* --- naming and connecting --- */

long sys_bind(struct task *t, int sockfd, uaddr_t addr, int addrlen)
{
    AUTO_PUT(file) f = NULL;
    AUTO_PATH start = {NULL, NULL};
    struct socket *s;
    struct socket_addr a;
    struct socket_caller c;
    struct walk w;
    int r = socket_in(t, sockfd, &f, &s);

    if (r == 0) {
        r = socket_addr_in(t, addr, addrlen, &a);
    }
    if (r == 0) {
        r = socket_caller_walk(t, &c, &w, &start);
    }
    return r < 0 ? r : s->ops->bind(s, &c, &a);
}

long sys_connect(struct task *t, int sockfd, uaddr_t addr, int addrlen)
{
    AUTO_PUT(file) f = NULL;
    AUTO_PATH start = {NULL, NULL};
    struct socket *s;
    struct socket_addr a;
    struct socket_caller c;
    struct walk w;
    int r = file_in(t, sockfd, &f);

    if (r == 0) {
        r = socket_addr_in(t, addr, addrlen, &a);
    }
    if (r < 0) {
        return r;
    }
    s = file_socket(f);
    if (!s) {
        return -ENOTSOCK;
    }
    r = socket_caller_walk(t, &c, &w, &start);
    return r < 0 ? r : s->ops->connect(s, &c, &a, f->flags);
}

long sys_listen(struct task *t, int sockfd, int backlog)
{
    AUTO_PUT(file) f = NULL;
    struct socket *s;
    struct socket_caller c;
    int r = socket_in(t, sockfd, &f, &s);

    if (r < 0) {
        return r;
    }
    if (backlog < 0 || backlog > SOCKET_SOMAXCONN) {
        backlog = SOCKET_SOMAXCONN;
    }
    socket_caller_init(t, &c);
    return s->ops->listen(s, &c, backlog);
}

static long do_accept(struct task *t, int sockfd, uaddr_t addr, uaddr_t addrlen, int flags)
{
    AUTO_PUT(file) f = NULL;
    AUTO_PUT(file) made = NULL;
    struct socket *s, *end;
    struct socket_addr a;

    int r = file_in(t, sockfd, &f);
    if (r < 0) {
        return r;
    }
    if (flags & ~(SOCK_CLOEXEC | SOCK_NONBLOCK)) {
        return -EINVAL;
    }
    if (fd_table_full(t->files, fd_limit(t))) {
        return -EMFILE;
    }
    s = file_socket(f);
    if (!s) {
        return -ENOTSOCK;
    }
    r = s->ops->accept(s, f->flags, &end);
    if (r == 0) {
        r = socket_file(end, t->cred, (unsigned)flags & O_NONBLOCK, &made);
    }
    if (r == 0 && addr) {
        r = end->ops->name(end, true, &a) < 0 ? -ECONNABORTED
                                              : socket_addr_out(t, &a, addr, addrlen);
    }
    return r < 0 ? r : fd_table_install(t->files, made, 0, fd_limit(t), flags & SOCK_CLOEXEC);
}

long sys_accept(struct task *t, int sockfd, uaddr_t addr, uaddr_t addrlen)
{
    return do_accept(t, sockfd, addr, addrlen, 0);
}

long sys_accept4(struct task *t, int sockfd, uaddr_t addr, uaddr_t addrlen, int flags)
{
    return do_accept(t, sockfd, addr, addrlen, flags);
}

static long get_name(struct task *t, int sockfd, uaddr_t addr, uaddr_t addrlen, bool peer)
{
    AUTO_PUT(file) f = NULL;
    struct socket *s;
    struct socket_addr a;
    int r = socket_in(t, sockfd, &f, &s);

    if (r == 0) {
        r = s->ops->name(s, peer, &a);
    }
    return r < 0 ? r : socket_addr_out(t, &a, addr, addrlen);
}

long sys_getsockname(struct task *t, int sockfd, uaddr_t addr, uaddr_t addrlen)
{
    return get_name(t, sockfd, addr, addrlen, false);
}

long sys_getpeername(struct task *t, int sockfd, uaddr_t addr, uaddr_t addrlen)
{
    return get_name(t, sockfd, addr, addrlen, true);
}

long sys_shutdown(struct task *t, int sockfd, int how)
{
    AUTO_PUT(file) f = NULL;
    struct socket *s;
    int r = socket_in(t, sockfd, &f, &s);

    if (r < 0) {
        return r;
    }
    if (how < SHUT_RD || how > SHUT_RDWR) {
        return -EINVAL;
    }
    return s->ops->shutdown(s, (unsigned)how + 1);
}
