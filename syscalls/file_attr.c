/*
 * Changing what stat shows: modes, owners, times; and umask. Analogous to Linux's fs/open.c
 * (chmod_common, chown_common) and fs/utimes.c. chmod(2), chown(2), utimensat(2).
 */
#include <sys/time.h>
#include <utime.h>

#include "sentry/base/errno.h"
#include "sentry/task/facts.h"
#include "sentry/vfs/seal.h"
#include "syscalls/helpers.h"
#include "syscalls/syscalls.h"

#define MODE_BITS 07777u

static int chmod_path(struct task *t, const struct path *p, unsigned mode)
{
    int r = seal_check_mode(p->dentry->inode, mode);
    return r < 0 ? r : vfs_chmod(p, t->cred, mode & MODE_BITS);
}

static long chmod_at(struct task *t, int dirfd, uaddr_t name, unsigned mode, int flags)
{
    AUTO_PATH p = {NULL, NULL};
    if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) {
        return -EINVAL;
    }
    int r = path_at(t, dirfd, name, walk_flags_nofollow(flags), &p);
    return r < 0 ? r : chmod_path(t, &p, mode);
}

long sys_chmod(struct task *t, uaddr_t path, unsigned mode)
{
    return chmod_at(t, AT_FDCWD, path, mode, 0);
}

long sys_fchmodat(struct task *t, int dirfd, uaddr_t path, unsigned mode)
{
    return chmod_at(t, dirfd, path, mode, 0);
}

long sys_fchmodat2(struct task *t, int dirfd, uaddr_t path, unsigned mode, unsigned flags)
{
    return chmod_at(t, dirfd, path, mode, (int)flags);
}

long sys_fchmod(struct task *t, int fd, unsigned mode)
{
    AUTO_PUT(file) f = NULL;
    int r = file_in(t, fd, &f);
    return r < 0 ? r : chmod_path(t, &f->path, mode);
}

long sys_fchownat(struct task *t, int dirfd, uaddr_t path, unsigned owner, unsigned group,
                  int flags)
{
    AUTO_PATH p = {NULL, NULL};
    if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) {
        return -EINVAL;
    }
    int r = path_at(t, dirfd, path, walk_flags_nofollow(flags), &p);
    return r < 0 ? r : vfs_chown(&p, t->cred, owner, group);
}

long sys_chown(struct task *t, uaddr_t path, unsigned owner, unsigned group)
{
    return sys_fchownat(t, AT_FDCWD, path, owner, group, 0);
}

long sys_lchown(struct task *t, uaddr_t path, unsigned owner, unsigned group)
{
    return sys_fchownat(t, AT_FDCWD, path, owner, group, AT_SYMLINK_NOFOLLOW);
}

long sys_fchown(struct task *t, int fd, unsigned owner, unsigned group)
{
    AUTO_PUT(file) f = NULL;
    int r = file_in(t, fd, &f);
    return r < 0 ? r : vfs_chown(&f->path, t->cred, owner, group);
}

long sys_umask(struct task *t, int mask)
{
    return facts_set_umask(t, (unsigned)mask);
}

/* --- times --- */

/* What is no time: found out after the name was looked up. */
#define UTIME_INVALID_NS (INT64_MIN + 2)

/* Seconds beyond what 64 bits of nanoseconds hold are cut, as Linux cuts to a file system's range. */
static int64_t time_ns(int64_t sec, int64_t nsec)
{
    const int64_t max_sec = INT64_MAX / NSEC_PER_SEC - 1;
    return MAX(MIN(sec, max_sec), -max_sec) * NSEC_PER_SEC + nsec;
}

/* times: atime and mtime as vfs_utimes takes them. name 0: dirfd itself, when allowed by no_name. */
static long utimes_at(struct task *t, int dirfd, uaddr_t name, const int64_t times[2], int flags)
{
    AUTO_PATH p = {NULL, NULL};
    AUTO_PUT(file) f = NULL;
    int r;
    if (name == 0 && dirfd != AT_FDCWD) {
        if (flags) {
            return -EINVAL;
        }
        r = file_in(t, dirfd, &f);
        if (r < 0) {
            return r;
        }
        path_copy(&p, &f->path);
    } else {
        if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) {
            return -EINVAL;
        }
        r = path_at(t, dirfd, name, walk_flags_nofollow(flags), &p);
        if (r < 0) {
            return r;
        }
    }
    if (times[0] == UTIME_INVALID_NS || times[1] == UTIME_INVALID_NS) {
        return -EINVAL;
    }
    return vfs_utimes(&p, t->cred, times[0], times[1]);
}

static const int64_t g_times_now[2] = {UTIME_NOW_NS, UTIME_NOW_NS};

static int64_t timespec_time(const struct timespec *ts)
{
    switch (ts->tv_nsec) {
    case UTIME_NOW:
        return UTIME_NOW_NS;
    case UTIME_OMIT:
        return UTIME_OMIT_NS;
    default:
        return ts->tv_nsec < 0 || ts->tv_nsec >= NSEC_PER_SEC ? UTIME_INVALID_NS
                                                              : time_ns(ts->tv_sec, ts->tv_nsec);
    }
}

long sys_utimensat(struct task *t, int dirfd, uaddr_t path, uaddr_t times, int flags)
{
    struct timespec ts[2];
    int64_t ns[2];
    if (times == 0) {
        return utimes_at(t, dirfd, path, g_times_now, flags);
    }
    if (copy_in(t->mm, ts, times, sizeof(ts)) < 0) {
        return -EFAULT;
    }
    if (ts[0].tv_nsec == UTIME_OMIT && ts[1].tv_nsec == UTIME_OMIT) {
        return 0; /* not even the name is looked at */
    }
    for (int i = 0; i < 2; i++) {
        ns[i] = timespec_time(&ts[i]);
    }
    return utimes_at(t, dirfd, path, ns, flags);
}

long sys_futimesat(struct task *t, int dirfd, uaddr_t path, uaddr_t times)
{
    struct timeval tv[2];
    int64_t ns[2];
    if (times == 0) {
        return utimes_at(t, dirfd, path, g_times_now, 0);
    }
    if (copy_in(t->mm, tv, times, sizeof(tv)) < 0) {
        return -EFAULT;
    }
    for (int i = 0; i < 2; i++) {
        if (tv[i].tv_usec < 0 || tv[i].tv_usec >= 1000000) {
            return -EINVAL;
        }
        ns[i] = time_ns(tv[i].tv_sec, tv[i].tv_usec * NSEC_PER_USEC);
    }
    return utimes_at(t, dirfd, path, ns, 0);
}

long sys_utimes(struct task *t, uaddr_t filename, uaddr_t times)
{
    return sys_futimesat(t, AT_FDCWD, filename, times);
}

long sys_utime(struct task *t, uaddr_t filename, uaddr_t times)
{
    struct utimbuf buf;
    if (times == 0) {
        return utimes_at(t, AT_FDCWD, filename, g_times_now, 0);
    }
    if (get_user(t->mm, &buf, times) < 0) {
        return -EFAULT;
    }
    const int64_t ns[2] = {time_ns(buf.actime, 0), time_ns(buf.modtime, 0)};
    return utimes_at(t, AT_FDCWD, filename, ns, 0);
}
