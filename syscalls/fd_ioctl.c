/*
 * ioctl: the commands that every file has; all others are the file's own. Analogous to Linux's
 * fs/ioctl.c (do_vfs_ioctl). ioctl(2).
 */
#include <linux/fs.h>
#include <sys/ioctl.h>

#include "sentry/base/errno.h"
#include "sentry/fs/tty.h"
#include "sentry/task/sigio.h"
#include "syscalls/helpers.h"
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
    return f->ops->ioctl ? f->ops->ioctl(f, t->mm, cmd, arg) : -ENOTTY;
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
        return S_ISREG(f->inode->mode) ? bytes_left(t, f, arg) : own_ioctl(t, f, cmd, arg);
    case FIGETBSZ:
        return S_ISREG(f->inode->mode) || S_ISDIR(f->inode->mode)
                   ? put_user(t->mm, arg, &block_size)
                   : own_ioctl(t, f, cmd, arg);
    case FIOQSIZE:
        if (S_ISREG(f->inode->mode) || S_ISDIR(f->inode->mode) || S_ISLNK(f->inode->mode)) {
            const int64_t size = f->inode->size;
            return put_user(t->mm, arg, &size);
        }
        return -ENOTTY;
    case TIOCGPTPEER:
        return open_peer(t, f, (unsigned)arg);
    default:
        return own_ioctl(t, f, cmd, arg);
    }
}
