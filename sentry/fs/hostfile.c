/*
 * Files inherited from the host: the sandbox's stdin, stdout and stderr, whatever they are.
 *
 * They are shared with whoever started the sandbox, so nothing here changes the open file description:
 * not O_NONBLOCK, not O_APPEND, not its owner. Yet the kernel must not sleep in the host. So:
 *  - pipes and sockets: RWF_NOWAIT, which is per call;
 *  - terminals, FIFOs and other devices, which can't do that: only what poll(2) says is ready, and
 *    writes so small that "ready" means they fit;
 *  - regular files (and /dev/null): plain calls, at the description's own offset, so that what the
 *    guest writes lands where its neighbours on that file expect it; O_APPEND is the host's to honour.
 * Waiting is on a queue that an edge-triggered event source wakes.
 *
 * All state is in a host_inode, that open files refer to: opening /dev/stdout again, through
 * /proc/self/fd, is another file on the same host fd. DEVIATION: for a regular file Linux would give that one an offset of its own.
 *
 * What is particular to terminals is hosttty.c.
 */
#include "sentry/fs/hostfile.h"

#include <string.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "lib/host.h"
#include "lib/log.h"
#include "sentry/base/errno.h"
#include "sentry/base/events.h"
#include "sentry/fs/fs.h"
#include "sentry/fs/tty.h"
#include "sentry/mm/usercopy.h"

#define CHUNK_MAX 65536
/* What a file that is "ready for writing" takes without waiting: a pipe PIPE_BUF, a terminal less. */
#define WRITE_CHUNK_PIPE 4096
#define WRITE_CHUNK_TTY  256

struct host_inode {
    struct inode inode;
    int fd;          /* owned */
    unsigned access; /* flags of the host's description */
    bool can_wait;   /* source is registered; else always ready */
    bool no_nowait;  /* RWF_NOWAIT is not for this file */
    struct event_source source;
    struct waitq q;
    struct tty *tty; /* borrowed: host terminals stay for ever; NULL: not a terminal */
};

static const struct file_ops host_file_ops;

static struct host_inode *host_inode(const struct file *f)
{
    return f->private;
}
static bool is_regular(const struct host_inode *h)
{
    return S_ISREG(h->inode.mode);
}

struct tty *host_file_tty(const struct file *f)
{
    return f->ops == &host_file_ops ? host_inode(f)->tty : NULL;
}

static void host_ready(struct event_source *s, uint32_t events)
{
    waitq_wake(&container_of(s, struct host_inode, source)->q, events);
}

static uint32_t ready_now(const struct host_inode *h, uint32_t wanted)
{
    int r;

    if (!h->can_wait) {
        return wanted & (EPOLLIN | EPOLLRDNORM | EPOLLOUT | EPOLLWRNORM);
    }
    r = host_poll_now(h->fd, (short)wanted);
    return r < 0 ? EPOLLERR : (uint32_t)r;
}

/* Before a transfer that could wait. Return: 0 go on; -EAGAIN, -ERESTARTSYS. Context: may block. */
static int wait_ready(struct file *f, uint32_t wanted)
{
    struct host_inode *h = host_inode(f);

    if (ready_now(h, wanted)) {
        return 0;
    }
    if (f->flags & O_NONBLOCK) {
        return -EAGAIN;
    }
    return waitq_wait(&h->q, ready_now(h, wanted));
}

/* One transfer that does not wait: -EAGAIN when nothing can be moved. */
static ssize_t read_some(struct host_inode *h, void *buf, size_t size)
{
    if (!h->can_wait) {
        return host_read(h->fd, buf, size);
    }
    if (!h->no_nowait) {
        ssize_t n = host_read_nowait(h->fd, buf, size);
        if (n != -EOPNOTSUPP) {
            return n;
        }
        h->no_nowait = true;
    }
    if (!ready_now(h, EPOLLIN)) {
        return -EAGAIN;
    }
    return host_read(h->fd, buf, size);
}

static ssize_t write_some(struct host_inode *h, const void *buf, size_t size)
{
    if (!h->can_wait) {
        return host_write(h->fd, buf, size);
    }
    if (!h->no_nowait) {
        ssize_t n = host_write_nowait(h->fd, buf, size);
        if (n != -EOPNOTSUPP) {
            return n;
        }
        h->no_nowait = true;
    }
    if (!ready_now(h, EPOLLOUT)) {
        return -EAGAIN;
    }
    return host_write(h->fd, buf, MIN(size, (size_t)(h->tty ? WRITE_CHUNK_TTY : WRITE_CHUNK_PIPE)));
}

static ssize_t host_file_read(struct file *f, struct uio *dst, int64_t *pos)
{
    struct host_inode *h = host_inode(f);
    size_t size = MIN(uio_size(dst), (size_t)CHUNK_MAX);
    AUTO_FREE void *buf = NULL;
    ssize_t n;
    int r = 0;

    if (size == 0) {
        return 0;
    }
    buf = malloc(size);
    if (!buf) {
        return -ENOMEM;
    }
    for (;;) {
        if (h->tty) {
            r = tty_check_change(h->tty, SIGTTIN);
        }
        if (r < 0) {
            return r;
        }
        n = pos != &f->pos && is_regular(h) ? host_pread(h->fd, buf, size, *pos)
                                            : read_some(h, buf, size);
        if (n != -EAGAIN && n != -EINTR) {
            break;
        }
        r = wait_ready(f, EPOLLIN);
    }
    if (n <= 0) {
        return n;
    }
    if (is_regular(h)) {
        *pos = pos == &f->pos ? host_lseek(h->fd, 0, SEEK_CUR) : *pos + n;
    }
    return uio_copy_to(dst, buf, (size_t)n);
}

/* Writes all of buf, waiting as the file's flags allow. Return: bytes; -errno when there were none. */
static ssize_t write_all(struct file *f, const char *buf, size_t size, int64_t *pos)
{
    struct host_inode *h = host_inode(f);
    size_t done = 0;

    while (done < size) {
        ssize_t n;

        if (pos != &f->pos && is_regular(h)) {
            n = host_pwrite(h->fd, buf + done, size - done, *pos);
        } else {
            n = write_some(h, buf + done, size - done);
        }
        if (n == -EAGAIN || n == -EINTR) {
            n = wait_ready(f, EPOLLOUT);
        }
        if (n < 0) {
            return done ? (ssize_t)done : n;
        }
        done += (size_t)n;
        if (is_regular(h)) {
            *pos = pos == &f->pos ? host_lseek(h->fd, 0, SEEK_CUR) : *pos + n;
        }
    }
    return (ssize_t)done;
}

static ssize_t host_file_write(struct file *f, struct uio *src, int64_t *pos)
{
    struct host_inode *h = host_inode(f);
    AUTO_FREE char *buf = NULL;
    ssize_t done = 0;

    if (uio_size(src) == 0) {
        return 0;
    }
    buf = malloc(MIN(uio_size(src), (size_t)CHUNK_MAX));
    if (!buf) {
        return -ENOMEM;
    }
    if (h->tty) {
        int r = host_tty_check_write(h->fd, h->tty);
        if (r < 0) {
            return r;
        }
    }
    while (uio_size(src) > 0) {
        ssize_t size = uio_copy_from(src, buf, MIN(uio_size(src), (size_t)CHUNK_MAX));
        ssize_t n = size > 0 ? write_all(f, buf, (size_t)size, pos) : size;

        if (n <= 0) {
            return done ? done : n;
        }
        done += n;
        if (n < size) {
            break;
        }
    }
    return done;
}

static uint32_t host_file_poll(struct file *f, struct waitq **out_q)
{
    struct host_inode *h = host_inode(f);

    if (out_q) {
        *out_q = &h->q;
    }
    return ready_now(h, EPOLLIN | EPOLLOUT | EPOLLPRI | EPOLLRDNORM | EPOLLWRNORM | EPOLLRDHUP);
}

static int64_t host_file_llseek(struct file *f, int64_t offset, int whence)
{
    int64_t pos = host_lseek(host_inode(f)->fd, offset, whence);

    if (pos >= 0) {
        f->pos =
            pos; /* only what /proc shows and FIONREAD counts from: the host's is the true one */
    }
    return pos;
}

/* --- other operations --- */

static long host_file_ioctl(struct file *f, struct mm *mm, unsigned cmd, uaddr_t arg)
{
    struct host_inode *h = host_inode(f);

    if (cmd == FIONREAD) {
        int count = 0;
        int r = host_ioctl(h->fd, FIONREAD, &count);
        return r < 0 ? r : put_user(mm, arg, &count);
    }
    return h->tty ? host_tty_ioctl(h->fd, h->tty, f, mm, cmd, arg) : -ENOTTY;
}

static int host_file_mmap(struct file *f, int prot, int flags, struct file_map *out)
{
    (void)prot;
    (void)flags;
    if (!is_regular(host_inode(f))) {
        return -ENODEV;
    }
    *out = (struct file_map){.host_fd = host_inode(f)->fd};
    return 0;
}

/* Waits for the disk: it happens when a program asks for just that, on a file that is its stdout. */
static int host_file_fsync(struct file *f, bool data_only)
{
    (void)data_only;
    return is_regular(host_inode(f)) ? host_fsync(host_inode(f)->fd) : -EINVAL;
}

static void host_file_release(struct file *f);

static const struct file_ops host_file_ops = {
    .read = host_file_read,
    .write = host_file_write,
    .poll = host_file_poll,
    .llseek = no_llseek,
    .ioctl = host_file_ioctl,
    .mmap = host_file_mmap,
    .fsync = host_file_fsync,
    .release = host_file_release,
};
/* Regular files and /dev/null: what epoll refuses, and poll(2) finds always ready. */
static const struct file_ops host_plain_ops = {
    .read = host_file_read,
    .write = host_file_write,
    .llseek = host_file_llseek,
    .ioctl = host_file_ioctl,
    .mmap = host_file_mmap,
    .fsync = host_file_fsync,
    .release = host_file_release,
};

/* --- the inode --- */

static int host_inode_getattr(struct inode *inode)
{
    struct stat st;
    int r = host_fstat(container_of(inode, struct host_inode, inode)->fd, &st);

    if (r < 0) {
        return r;
    }
    inode->mode = st.st_mode;
    inode->ino = st.st_ino;
    inode->dev = st.st_dev;
    inode->rdev = st.st_rdev;
    inode->nlink = (uint32_t)st.st_nlink;
    inode->size = st.st_size;
    inode->blocks = (uint64_t)st.st_blocks;
    inode->blksize = (uint32_t)st.st_blksize;
    inode->atime_ns = st.st_atim.tv_sec * NSEC_PER_SEC + st.st_atim.tv_nsec;
    inode->mtime_ns = st.st_mtim.tv_sec * NSEC_PER_SEC + st.st_mtim.tv_nsec;
    inode->ctime_ns = st.st_ctim.tv_sec * NSEC_PER_SEC + st.st_ctim.tv_nsec;
    return 0;
}

/* ftruncate of a regular stdout. Owner, mode and times are the host's own affair. */
static int host_inode_setattr(struct inode *inode, const struct inode_attr *attr)
{
    struct host_inode *h = container_of(inode, struct host_inode, inode);
    int r;

    if (!(attr->valid & ATTR_SIZE)) {
        return -EPERM;
    }
    if (!is_regular(h) || (h->access & O_ACCMODE) == O_RDONLY) {
        return -EINVAL;
    }
    r = host_ftruncate(h->fd, attr->size);
    return r < 0 ? r : host_inode_getattr(inode);
}

int host_inode_open(struct inode *inode, struct file *f)
{
    struct host_inode *h = container_of(inode, struct host_inode, inode);
    unsigned have = h->access & O_ACCMODE;

    if (S_ISSOCK(inode->mode)) {
        return -ENXIO;
    }
    if (have != O_RDWR && have != (f->flags & O_ACCMODE)) {
        return -EACCES;
    }
    inode_get(inode);
    f->private = h;
    f->ops = h->can_wait ? &host_file_ops : &host_plain_ops;
    return 0;
}

static void host_file_release(struct file *f)
{
    inode_put(&host_inode(f)->inode);
}

static const struct inode_ops host_inode_ops = {
    .getattr = host_inode_getattr,
    .setattr = host_inode_setattr,
    .open = host_inode_open,
};

static void host_inode_free(struct inode *inode)
{
    struct host_inode *h = container_of(inode, struct host_inode, inode);

    if (h->can_wait) {
        event_source_remove(&h->source);
    }
    host_close(h->fd);
    free(h);
}

static int host_statfs(struct inode *root, struct statfs *out)
{
    (void)root;
    (void)out;
    return -ENOSYS;
}

static const struct super_ops host_super_ops = {
    .free_inode = host_inode_free,
    .statfs = host_statfs,
};

bool inode_is_host(const struct inode *inode)
{
    return inode->sb->ops == &host_super_ops;
}

static int host_inode_new(int host_fd, const struct cred *cred, struct host_inode **out)
{
    struct host_inode *h = calloc(1, sizeof(*h));
    struct super_block *sb;
    int r = -ENOMEM;

    if (!h) {
        host_close(host_fd);
        return r;
    }
    r = super_new(&sb, &host_super_ops, "hostfs", 0x00c0ffee);
    if (r < 0) {
        host_close(host_fd);
        free(h);
        return r;
    }
    inode_init(&h->inode, sb, &host_inode_ops, 0, cred->fsuid, cred->fsgid);
    super_put(sb);
    h->fd = host_fd;
    waitq_init(&h->q);
    *out = h;
    return 0;
}

/* What kind of file it is, and how it can be waited for. */
static int host_inode_probe(struct host_inode *h)
{
    int r = host_inode_getattr(&h->inode);

    if (r < 0) {
        return r;
    }
    r = host_fcntl(h->fd, F_GETFL, 0);
    if (r < 0) {
        return r;
    }
    h->access = (unsigned)r & (O_ACCMODE | O_APPEND | O_NONBLOCK);
    if (host_tty_is(h->fd, h->inode.mode)) {
        r = host_tty_get(&h->inode, &h->tty);
        if (r < 0) {
            return r;
        }
    }
    r = event_source_add(&h->source, h->fd, EPOLLIN | EPOLLOUT | EPOLLPRI | EPOLLRDHUP | EPOLLET,
                         host_ready);
    h->can_wait = r == 0;
    return r == -EPERM ? 0 : r;
}

static const char *file_name(const struct host_inode *h)
{
    if (S_ISFIFO(h->inode.mode)) {
        return "pipe:";
    }
    if (S_ISSOCK(h->inode.mode)) {
        return "socket:";
    }
    if (S_ISCHR(h->inode.mode) && h->inode.rdev == makedev(1, 3)) {
        return "/dev/null";
    }
    return h->tty ? "/dev/tty" : "host:";
}

/* h's reference is consumed: the file has it. */
static int host_file_make(struct host_inode *h, const struct cred *cred, struct file **out)
{
    AUTO_PATH console = {NULL, NULL};
    struct inode *inode = &h->inode;
    struct file *f;
    int r;

    /* The first terminal has a name inside, so that ttyname(3) finds it: the node is then what fstat shows. */
    if (h->tty && host_tty_console(h->tty, cred, &console) == 0) {
        inode = console.dentry->inode;
    }
    inode_get(inode);
    r = file_new_anon(h->can_wait ? &host_file_ops : &host_plain_ops, file_name(h), inode,
                      h->access, cred, h, &f);
    if (r < 0) {
        inode_put(&h->inode);
        return r;
    }
    if (console.dentry) {
        path_put(&f->path);
        path_copy(&f->path, &console);
    }
    *out = f;
    return 0;
}

/**
 * host_file_new - make an open file of the guest from an fd inherited from the host.
 * @host_fd: consumed, also on failure.
 *
 * Errors: -ENOMEM, -ENOSPC, or what the host says of a bad fd.
 */
int host_file_new(int host_fd, const struct cred *cred, struct file **out)
{
    struct host_inode *h;
    int r = host_inode_new(host_fd, cred, &h);

    if (r < 0) {
        return r;
    }
    r = host_inode_probe(h);
    if (r < 0) {
        inode_put(&h->inode);
        return r;
    }
    return host_file_make(h, cred, out);
}
