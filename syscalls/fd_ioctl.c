/*
 * ioctl: the commands that every file has; all others are the file's own. Analogous to Linux's
 * fs/ioctl.c (do_vfs_ioctl). ioctl(2).
 */
#include <linux/fs.h>
#include <linux/magic.h>
#include <sys/ioctl.h>

#include "sentry/base/errno.h"
#include "sentry/fs/tty.h"
#include "sentry/task/sigio.h"
#include "syscalls/helpers.h"
#include "syscalls/socket.h"
#include "syscalls/syscalls.h"

/* FIONBIO: a status flag by an int. */
static long set_flag(struct task *t, struct file *f, unsigned flag, uaddr_t arg)
{
    int on;
    int r = get_user(t->mm, &on, arg);
    if (r < 0) {
        return r;
    }
    f->flags = on ? f->flags | flag : f->flags & ~flag;
    fd_tables_flags_changed(f);
    return 0;
}

static long set_async(struct task *t, struct file *f, int fd, uaddr_t arg)
{
    int on;
    int r = get_user(t->mm, &on, arg);
    if (r < 0 || !on == !(f->flags & (unsigned)O_ASYNC)) {
        return r;
    }
    r = sigio_possible(f) ? sigio_set(t, f, fd, on) : -ENOTTY;
    fd_tables_flags_changed(f);
    return r;
}

static long bytes_left(struct task *t, struct file *f, uaddr_t arg)
{
    const int64_t left = f->inode->size - f->pos;
    const int count = (int)MIN(left, (int64_t)INT32_MAX);
    return put_user(t->mm, arg, &count);
}

static long own_ioctl(struct task *t, struct file *f, unsigned cmd, uaddr_t arg)
{
    if (file_socket(f)) {
        return socket_ioctl(t, f, cmd, arg);
    }
    return f->ops->ioctl ? f->ops->ioctl(f, t->mm, cmd, arg) : -ENOTTY;
}

/* lsattr: files of a tmpfs have none. Elsewhere what they are is not known. */
static long get_flags(struct task *t, const struct file *f, uaddr_t arg)
{
    const int flags = 0;
    return f->inode->sb->magic == TMPFS_MAGIC && f->ops->read ? put_user(t->mm, arg, &flags)
                                                              : -ENOTTY;
}

/* No file system here shares blocks between files: what is wrong with the files comes first. */
static long clone_file(struct task *t, const struct file *to, int from_fd)
{
    AUTO_PUT(file) from = NULL;
    int r = file_in(t, from_fd, &from);
    if (r < 0) {
        return r;
    }
    if (from->inode->sb != to->inode->sb) {
        return -EXDEV;
    }
    if (S_ISDIR(from->inode->mode) || S_ISDIR(to->inode->mode)) {
        return -EISDIR;
    }
    if (!S_ISREG(from->inode->mode) || !S_ISREG(to->inode->mode)) {
        return -EINVAL;
    }
    return file_readable(from) && file_writable(to) ? -EOPNOTSUPP : -EBADF;
}

static long clone_range(struct task *t, const struct file *to, uaddr_t arg)
{
    struct file_clone_range range;
    int r = get_user(t->mm, &range, arg);
    return r < 0 ? r : clone_file(t, to, (int)range.src_fd);
}

/* A pseudo-terminal's other end, by its master. */
static long open_peer(struct task *t, struct file *master, unsigned flags)
{
    AUTO_PUT(file) peer = NULL;
    int r = pty_open_peer(master, flags, &peer);
    if (r < 0) {
        return r;
    }
    return fd_table_install(t->files, peer, 0, fd_limit(t), flags & O_CLOEXEC);
}

long sys_ioctl(struct task *t, int fd, unsigned cmd, unsigned long arg)
{
    AUTO_PUT(file) f = NULL;
    const int block_size = (int)PAGE_SIZE;
    int r = file_in(t, fd, &f);
    if (r < 0) {
        return r;
    }
    switch (cmd) {
    case FIOCLEX:
        return fd_table_set_cloexec(t->files, fd, true);
    case FIONCLEX:
        return fd_table_set_cloexec(t->files, fd, false);
    case FIONBIO:
        return set_flag(t, f, O_NONBLOCK, arg);
    case FIOASYNC:
        return set_async(t, f, fd, arg);
    case FIONREAD:
        return S_ISREG(f->inode->mode) && f->ops->read ? bytes_left(t, f, arg)
                                                       : own_ioctl(t, f, cmd, arg);
    case FIGETBSZ:
        return put_user(t->mm, arg, &block_size);
    case FIOQSIZE:
        if ((S_ISREG(f->inode->mode) && f->ops->read) || S_ISDIR(f->inode->mode) ||
            S_ISLNK(f->inode->mode)) {
            const int64_t size = f->inode->size;
            return put_user(t->mm, arg, &size);
        }
        return -ENOTTY;
    case FS_IOC_GETFLAGS:
        return S_ISREG(f->inode->mode) || S_ISDIR(f->inode->mode) ? get_flags(t, f, arg)
                                                                  : own_ioctl(t, f, cmd, arg);
    case FICLONE:
        return clone_file(t, f, (int)arg);
    case FICLONERANGE:
        return clone_range(t, f, arg);
    case TIOCGPTPEER:
        return open_peer(t, f, (unsigned)arg);
    default:
        return own_ioctl(t, f, cmd, arg);
    }
}
