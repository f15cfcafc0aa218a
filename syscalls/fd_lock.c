/*
 * Advisory locks: flock(2) and fcntl(2)'s record locks, by process (F_SETLK) or by open file
 * description (F_OFD_SETLK). Decoding only; analogous to the outer functions of Linux's fs/locks.c.
 */
#include "syscalls/fd_lock.h"

#include <sys/file.h>

#include "sentry/base/errno.h"
#include "sentry/vfs/locks.h"
#include "syscalls/helpers.h"
#include "syscalls/syscalls.h"

static bool is_ofd(unsigned cmd)
{
    return cmd == F_OFD_GETLK || cmd == F_OFD_SETLK || cmd == F_OFD_SETLKW;
}

static long lock_test(struct task *t, struct file *f, const void *owner, struct flock *fl, bool ofd,
                      uaddr_t arg)
{
    struct lock_range range;
    bool known = fl->l_type == F_RDLCK || fl->l_type == F_WRLCK || (ofd && fl->l_type == F_UNLCK);
    int r = known ? 0 : -EINVAL;
    if (r == 0) {
        r = lock_range_init(&range, f, fl->l_type, fl->l_whence, fl->l_start, fl->l_len);
    }
    if (r < 0) {
        return r;
    }
    file_lock_test(f, owner, &range);
    fl->l_type = range.type;
    if (range.type != F_UNLCK) {
        fl->l_whence = SEEK_SET;
        fl->l_start = range.start;
        fl->l_len = range.end == INT64_MAX ? 0 : range.end - range.start + 1;
        fl->l_pid = range.pid;
    }
    return put_user(t->mm, arg, fl);
}

/* Which access a lock needs: Linux checks it before anything can conflict. */
static int lock_mode_check(const struct file *f, short type)
{
    switch (type) {
    case F_RDLCK:
        return file_readable(f) ? 0 : -EBADF;
    case F_WRLCK:
        return file_writable(f) ? 0 : -EBADF;
    case F_UNLCK:
        return 0;
    default:
        return -EINVAL;
    }
}

/*
 * A record lock that was taken while another thread closed the fd would outlive the close that
 * should have dropped it: look again, and undo.
 */
static void undo_if_closed(struct task *t, int fd, struct file *f, const struct lock_range *range)
{
    AUTO_PUT(file) now = NULL;
    if (fd_table_lookup(t->files, fd, &now) == 0 && now == f) {
        return;
    }
    struct lock_range undo = *range;
    undo.type = F_UNLCK;
    if (file_lock_set(f, t->files, &undo, false) < 0) {
        locks_remove_posix(f, t->files);
    }
}

long fcntl_lock(struct task *t, int fd, struct file *f, unsigned cmd, uaddr_t arg)
{
    struct flock fl;
    struct lock_range range;
    const bool ofd = is_ofd(cmd);
    const void *owner = ofd ? (const void *)f : (const void *)t->files;
    int r = get_user(t->mm, &fl, arg);
    if (r < 0) {
        return r;
    }
    if (ofd && fl.l_pid != 0) {
        return -EINVAL;
    }
    if (cmd == F_GETLK || cmd == F_OFD_GETLK) {
        return lock_test(t, f, owner, &fl, ofd, arg);
    }
    r = lock_range_init(&range, f, fl.l_type, fl.l_whence, fl.l_start, fl.l_len);
    if (r == 0) {
        r = lock_mode_check(f, fl.l_type);
    }
    if (r < 0) {
        return r;
    }
    range.pid = ofd ? -1 : task_tgid(t);
    r = file_lock_set(f, owner, &range, cmd == F_SETLKW || cmd == F_OFD_SETLKW);
    if (r == 0 && !ofd && range.type != F_UNLCK) {
        undo_if_closed(t, fd, f, &range);
    }
    return r;
}

long sys_flock(struct task *t, int fd, unsigned operation)
{
    AUTO_PUT(file) f = NULL;
    const unsigned op = operation & ~(unsigned)LOCK_NB;
    if (operation & LOCK_MAND) {
        return 0; /* as Linux, which ignores them since 5.16, whatever the descriptor */
    }
    if (op != LOCK_SH && op != LOCK_EX && op != LOCK_UN) {
        return -EINVAL;
    }
    int r = file_in(t, fd, &f);
    if (r < 0) {
        return r;
    }
    /* Neither reading nor writing is needed, but one of them: not O_PATH, which file_in refused. */
    return file_flock(f, (int)op, !(operation & LOCK_NB));
}
