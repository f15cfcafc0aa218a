/*
 * fcntl: duplicates, flags, owners, pipe sizes, seals; the lock commands are in fd_lock.c. Analogous
 * to Linux's fs/fcntl.c. fcntl(2).
 */
#include <linux/magic.h>

#include "sentry/base/errno.h"
#include "sentry/fs/fs.h"
#include "sentry/fs/pipe.h"
#include "sentry/task/dnotify.h"
#include "sentry/task/sigio.h"
#include "syscalls/fd_lock.h"
#include "syscalls/fd_owner.h"
#include "syscalls/fd_seal.h"
#include "syscalls/helpers.h"
#include "syscalls/syscalls.h"

#ifndef F_DUPFD_QUERY
#define F_DUPFD_QUERY 1027
#endif
#ifndef F_CREATED_QUERY
#define F_CREATED_QUERY 1028
#endif
#define F_GETOWNER_UIDS 17
#define RW_HINT_MAX     5u /* RWH_WRITE_LIFE_EXTREME */
/* What F_SETFL changes. */
#define SETFL_MASK ((unsigned)(O_APPEND | O_NONBLOCK | O_DIRECT | O_NOATIME)) /* and O_ASYNC */

static long dup_from(struct task *t, struct file *f, unsigned long min, bool cloexec)
{
    if (min >= (unsigned long)fd_limit(t)) {
        return -EINVAL;
    }
    return fd_table_install(t->files, f, (int)min, fd_limit(t), cloexec);
}

/* To a pipe it means packets. A memfd and files that the kernel writes as they are read pass nothing by. */
static bool can_be_direct(const struct file *f)
{
    return S_ISFIFO(f->inode->mode) ||
           (S_ISREG(f->inode->mode) && f->path.mnt && f->inode->sb->magic != PROC_SUPER_MAGIC);
}

static long set_flags(struct task *t, struct file *f, int fd, unsigned long arg)
{
    const unsigned flags = (unsigned)arg & SETFL_MASK;
    if (flags & ~f->flags & (unsigned)O_NOATIME && !inode_owner_or_capable(f->inode, t->cred)) {
        return -EPERM;
    }
    if (arg & O_DIRECT && !can_be_direct(f)) {
        return -EINVAL;
    }
    if (((unsigned)arg ^ f->flags) & (unsigned)O_ASYNC && sigio_possible(f)) {
        int r = sigio_set(t, f, fd, arg & (unsigned long)O_ASYNC);
        if (r < 0) {
            return r;
        }
    }
    f->flags = (f->flags & ~SETFL_MASK) | flags;
    fd_tables_flags_changed(f);
    return 0;
}

/* --- who gets SIGIO --- */

/* A process group is stored with its own type, never as a negative number. */
static long set_owner(const struct task *t, struct file *f, int type, int id)
{
    if (id < 0) {
        return -EINVAL;
    }
    if (id > 0) {
        const struct pid *pid = pid_find(id);
        const bool known = pid && (type == F_OWNER_TID   ? pid->task != NULL
                                   : type == F_OWNER_PID ? pid->tg != NULL
                                                         : !list_empty(&pid->pgrp_members));
        if (!known) {
            return -ESRCH;
        }
    }
    sigio_set_owner(t, f, type, id);
    return 0;
}

long fcntl_set_owner(struct task *t, struct file *f, int arg)
{
    if (arg == INT32_MIN) {
        return -EINVAL;
    }
    return arg < 0 ? set_owner(t, f, F_OWNER_PGRP, -arg) : set_owner(t, f, F_OWNER_PID, arg);
}

static long set_owner_ex(struct task *t, struct file *f, uaddr_t arg)
{
    struct f_owner_ex ex;
    int r = get_user(t->mm, &ex, arg);
    if (r < 0) {
        return r;
    }
    switch (ex.type) {
    case F_OWNER_TID:
    case F_OWNER_PID:
    case F_OWNER_PGRP:
        return set_owner(t, f, ex.type, ex.pid);
    default:
        return -EINVAL;
    }
}

static long get_owner_ex(struct task *t, const struct file *f, uaddr_t arg)
{
    const struct f_owner_ex ex = {.type = f->owner ? f->owner_type : F_OWNER_TID,
                                  .pid = sigio_owner(f)};
    return put_user(t->mm, arg, &ex);
}

static long set_signal(struct file *f, unsigned long arg)
{
    if (arg > KSIG_MAX) {
        return -EINVAL;
    }
    f->owner_sig = (int)arg;
    return 0;
}

static long get_owner_uids(struct task *t, const struct file *f, uaddr_t arg)
{
    const uint32_t uids[2] = {f->owner ? f->owner_uid : 0, f->owner ? f->owner_euid : 0};
    return put_user(t->mm, arg, &uids);
}

/* --- how long what is written will live --- */

static long get_write_hint(struct task *t, const struct inode *inode, uaddr_t arg)
{
    const uint64_t hint = inode->write_hint;
    return put_user(t->mm, arg, &hint);
}

static long set_write_hint(struct task *t, struct inode *inode, uaddr_t arg)
{
    uint64_t hint;
    if (!inode_owner_or_capable(inode, t->cred)) {
        return -EPERM;
    }
    int r = get_user(t->mm, &hint, arg);
    if (r == 0 && hint > RW_HINT_MAX) {
        r = -EINVAL;
    }
    if (r == 0) {
        inode->write_hint = (uint8_t)hint;
    }
    return r;
}

/* --- the call --- */

static bool allowed_for_path(unsigned cmd)
{
    switch (cmd) {
    case F_DUPFD:
    case F_DUPFD_CLOEXEC:
    case F_DUPFD_QUERY:
    case F_GETFD:
    case F_SETFD:
    case F_CREATED_QUERY:
    case F_GETFL:
        return true;
    default:
        return false;
    }
}

static long dup_query(struct task *t, const struct file *f, unsigned long arg)
{
    AUTO_PUT(file) other = NULL;
    int r = fd_table_lookup_any(t->files, (int)arg, &other);
    return r < 0 ? r : other == f;
}

/* None can be taken; so there is none that could be given back, either. */
static long set_lease(struct task *t, const struct file *f, int type)
{
    if (f->inode->uid != t->cred->fsuid && !cred_capable(t->cred, CAP_LEASE)) {
        return -EACCES;
    }
    return S_ISREG(f->inode->mode) && type == F_UNLCK ? -EAGAIN : -EINVAL;
}

/* Commands about the number or the description that need no more than a line. */
static long fcntl_basic(struct task *t, int fd, struct file *f, unsigned cmd, unsigned long arg)
{
    switch (cmd) {
    case F_DUPFD:
        return dup_from(t, f, arg, false);
    case F_DUPFD_CLOEXEC:
        return dup_from(t, f, arg, true);
    case F_DUPFD_QUERY:
        return dup_query(t, f, arg);
    case F_GETFD:
        return fd_table_cloexec(t->files, fd);
    case F_SETFD:
        return fd_table_set_cloexec(t->files, fd, arg & FD_CLOEXEC);
    case F_GETFL:
        return (long)(f->flags & ~FD_HIDDEN_FLAGS);
    case F_SETFL:
        return set_flags(t, f, fd, arg);
    case F_SETOWN:
        return fcntl_set_owner(t, f, (int)arg);
    case F_GETOWN:
        return f->owner_type == F_OWNER_PGRP ? -sigio_owner(f) : sigio_owner(f);
    case F_SETOWN_EX:
        return set_owner_ex(t, f, arg);
    case F_GETOWN_EX:
        return get_owner_ex(t, f, arg);
    case F_GETOWNER_UIDS:
        return get_owner_uids(t, f, arg);
    case F_GET_RW_HINT:
        return get_write_hint(t, f->inode, arg);
    case F_SET_RW_HINT:
        return set_write_hint(t, f->inode, arg);
    case F_CREATED_QUERY:
        return f->created;
    case F_SETSIG:
        return set_signal(f, arg);
    case F_GETSIG:
        return f->owner_sig;
    case F_GETPIPE_SZ:
        return pipe_get_size(f);
    case F_SETPIPE_SZ:
        return arg > UINT32_MAX ? -EINVAL : pipe_set_size(f, (unsigned)arg, t->cred);
    case F_GET_SEALS:
        return fcntl_get_seals(f);
    case F_ADD_SEALS:
        return arg > UINT32_MAX ? -EINVAL : fcntl_add_seals(f, (unsigned)arg);
    case F_GETLEASE:
        return F_UNLCK; /* F_SETLEASE is refused, so there is none */
    case F_SETLEASE:
        return set_lease(t, f, (int)arg);
    case F_NOTIFY:
        return dnotify_set(t, f, fd, (unsigned)arg);
    default:
        return -EINVAL;
    }
}

long sys_fcntl(struct task *t, int fd, unsigned cmd, unsigned long arg)
{
    AUTO_PUT(file) f = NULL;
    int r = fd_table_lookup_any(t->files, fd, &f);
    if (r < 0) {
        return r;
    }
    if (f->flags & O_PATH && !allowed_for_path(cmd)) {
        return -EBADF;
    }
    switch (cmd) {
    case F_GETLK:
    case F_SETLK:
    case F_SETLKW:
    case F_OFD_GETLK:
    case F_OFD_SETLK:
    case F_OFD_SETLKW:
        return fcntl_lock(t, fd, f, cmd, arg);
    default:
        return fcntl_basic(t, fd, f, cmd, arg);
    }
}
