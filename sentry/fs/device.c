/*
 * Character devices by number: null zero full random urandom, and the doors to terminals. Analogous
 * to Linux's drivers/char/mem.c and random.c; null(4), zero(4), full(4), random(4), tty(4).
 *
 * A device node may stand on any file system, so the number decides, not the name.
 */
#include <linux/random.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "lib/host.h"
#include "sentry/base/errno.h"
#include "sentry/fs/fs.h"
#include "sentry/fs/hostfile.h"
#include "sentry/fs/pty.h"
#include "sentry/mm/usercopy.h"

#define DEV(major, minor) ((major) << 8 | (minor)) /* makedev, as a constant, for small numbers */
#define YIELD_BYTES       (1u << 20)
#define RANDOM_CHUNK      65536

/* Between the pieces of a long transfer: let others run. Return: whether a signal wants in. */
static bool long_transfer_pause(size_t done)
{
    struct kthread *k = kthread_current();

    if (done == 0 || done % YIELD_BYTES != 0) {
        return false;
    }
    kthread_yield();
    return k && (k->interrupt || k->killed);
}

static ssize_t null_read(struct file *f, struct uio *dst, int64_t *pos)
{
    (void)f;
    (void)dst;
    (void)pos;
    return 0;
}

static ssize_t null_write(struct file *f, struct uio *src, int64_t *pos)
{
    size_t size = uio_size(src);

    (void)f;
    (void)pos;
    uio_advance(src, size);
    return (ssize_t)size;
}

static ssize_t zero_read(struct file *f, struct uio *dst, int64_t *pos)
{
    size_t done = 0;

    (void)f;
    (void)pos;
    while (uio_size(dst) > 0 && !long_transfer_pause(done)) {
        size_t size = MIN(uio_size(dst), (size_t)YIELD_BYTES);
        ssize_t n = uio_zero(dst, size);

        if (n < 0) {
            return done ? (ssize_t)done : n;
        }
        done += (size_t)n;
        if ((size_t)n < size) {
            break;
        }
    }
    return (ssize_t)done;
}

static ssize_t full_write(struct file *f, struct uio *src, int64_t *pos)
{
    (void)f;
    (void)pos;
    (void)src;
    return -ENOSPC; /* even if there is nothing to write */
}

static ssize_t random_read(struct file *f, struct uio *dst, int64_t *pos)
{
    size_t capacity = MIN(uio_size(dst), (size_t)RANDOM_CHUNK), done = 0;
    AUTO_FREE uint8_t *buf = NULL;
    ssize_t n = 0;

    (void)f;
    (void)pos;
    if (capacity == 0) {
        return 0;
    }
    buf = malloc(capacity);
    if (!buf) {
        return -ENOMEM;
    }
    while (uio_size(dst) > 0 && !long_transfer_pause(done)) {
        size_t size = MIN(uio_size(dst), capacity);

        host_random(buf, size);
        n = uio_copy_to(dst, buf, size);
        if (n < 0) {
            break;
        }
        done += (size_t)n;
        if ((size_t)n < size) {
            break;
        }
    }
    explicit_bzero(buf, capacity);
    return done ? (ssize_t)done : n;
}

/* What is written is not mixed in, but it has to be there. */
static ssize_t random_write(struct file *f, struct uio *src, int64_t *pos)
{
    char buf[256];
    size_t done = 0;

    (void)f;
    (void)pos;
    while (uio_size(src) > 0 && !long_transfer_pause(done)) {
        ssize_t n = uio_copy_from(src, buf, MIN(uio_size(src), sizeof(buf)));

        if (n < 0) {
            return done ? (ssize_t)done : n;
        }
        done += (size_t)n;
    }
    return (ssize_t)done;
}

static uint32_t random_poll(struct file *f, struct waitq **out_q)
{
    (void)f;
    (void)out_q; /* never changes */
    return EPOLLIN | EPOLLRDNORM | EPOLLOUT | EPOLLWRNORM;
}

/* The host's pool needs nothing of ours, and credits it nothing either. */
static long random_ioctl(struct file *f, struct mm *mm, unsigned cmd, uaddr_t arg)
{
    int bits = 256;

    switch (cmd) {
    case RNDGETENTCNT:
        return put_user(mm, arg, &bits);
    case RNDADDTOENTCNT:
    case RNDADDENTROPY:
    case RNDCLEARPOOL:
    case RNDZAPENTCNT:
    case RNDRESEEDCRNG:
        return -EPERM;
    default:
        (void)f;
        return -EINVAL;
    }
}

static int64_t null_llseek(struct file *f, int64_t offset, int whence)
{
    (void)offset;
    (void)whence;
    return f->pos = 0;
}

static int64_t random_llseek(struct file *f, int64_t offset, int whence)
{
    (void)offset;
    (void)whence;
    return f->pos;
}

/* A mapping of /dev/zero is anonymous memory: host_fd -1 says so. */
static int zero_mmap(struct file *f, int prot, int flags, struct file_map *out)
{
    (void)f;
    (void)prot;
    (void)flags;
    *out = (struct file_map){.host_fd = -1};
    return 0;
}

static const struct file_ops null_ops = {
    .traits = FILE_NOWAIT | FILE_NO_SPLICE_READ,
    .read = null_read,
    .write = null_write,
    .llseek = null_llseek,
};
static const struct file_ops zero_ops = {
    .traits = FILE_NOWAIT,
    .read = zero_read,
    .write = null_write,
    .llseek = null_llseek,
    .mmap = zero_mmap,
};
static const struct file_ops full_ops = {
    .traits = FILE_NO_SPLICE_WRITE | FILE_NO_RWF_WRITE,
    .read = zero_read,
    .write = full_write,
    .llseek = null_llseek,
};
static const struct file_ops random_ops = {
    .traits = FILE_NOWAIT,
    .read = random_read,
    .write = random_write,
    .poll = random_poll,
    .llseek = random_llseek,
    .ioctl = random_ioctl,
};
static const struct file_ops urandom_ops = {
    .traits = FILE_NOWAIT,
    .read = random_read,
    .write = random_write,
    .llseek = random_llseek,
    .ioctl = random_ioctl,
};

int device_open(struct inode *inode, struct file *f)
{
    if (!S_ISCHR(inode->mode)) {
        return -ENXIO;
    }
    if (inode_is_host(inode)) {
        return host_inode_open(inode, f);
    }
    switch (inode->rdev) {
    case DEV(1, 3):
        f->ops = &null_ops;
        return 0;
    case DEV(1, 5):
        f->ops = &zero_ops;
        return 0;
    case DEV(1, 7):
        f->ops = &full_ops;
        return 0;
    case DEV(1, 8):
        f->ops = &random_ops;
        return 0;
    case DEV(1, 9):
        f->ops = &urandom_ops;
        return 0;
    case DEV(5, 0):
        return tty_open_current(f);
    case DEV(5, 1):
        return host_console_open(f);
    case DEV(5, 2):
        return ptmx_open(f);
    default:
        break;
    }
    if (major(inode->rdev) == PTY_SLAVE_MAJOR) {
        struct pty *pty;
        int r = devpts_pty(inode, &pty);
        return r < 0 ? r : pty_slave_open(pty, f);
    }
    return -ENXIO;
}
