/* Shared decoding of arguments and results: see helpers.h. */
#include "syscalls/helpers.h"

#include <limits.h>
#include <string.h>

#include "sentry/base/errno.h"
#include "sentry/net/socket.h"
#include "sentry/vfs/seal.h"

int name_in(struct task *t, uaddr_t addr, bool allow_empty, char **out)
{
    char buf[PATH_MAX]; /* most names are short, and what is kept of them is so, too */
    int r = task_path_in(t, addr, buf, allow_empty);
    if (r < 0) {
        return r;
    }
    *out = strdup(buf);
    return *out ? 0 : -ENOMEM;
}

int walk_init(struct task *t, int dirfd, const char *name, unsigned flags, struct walk *w,
              struct path *start)
{
    return task_walk(t, name[0] == '/' ? AT_FDCWD : dirfd, flags, w, start);
}

int path_at(struct task *t, int dirfd, uaddr_t name, unsigned walk_flags, struct path *out)
{
    AUTO_FREE char *text = NULL;
    AUTO_PATH start = {NULL, NULL};
    struct walk w;
    int r = name_in(t, name, walk_flags & WALK_EMPTY_PATH, &text);
    if (r < 0) {
        return r;
    }
    r = walk_init(t, dirfd, text, walk_flags, &w, &start);
    if (r < 0) {
        return r;
    }
    if (!*text) {
        /* Not a walk at all: start may be a pipe or a socket, that no name leads to. */
        path_copy(out, &start);
        return 0;
    }
    return vfs_lookup(&w, text, out);
}

void name_call_end(struct name_call *c)
{
    free(c->text);
}

int path_at_kept(struct task *t, int dirfd, uaddr_t name, unsigned walk_flags, struct name_call *c,
                 struct path *out)
{
    AUTO_PATH start = {NULL, NULL};
    struct walk w;
    int r = name_in(t, name, walk_flags & WALK_EMPTY_PATH, &c->text);
    if (r < 0) {
        return r;
    }
    names_begin(&c->lookup);
    r = walk_init(t, dirfd, c->text, walk_flags, &w, &start);
    if (r < 0) {
        return r;
    }
    if (!*c->text) {
        path_copy(out, &start); /* as path_at */
        return 0;
    }
    c->lookup.text = c->text;
    c->lookup.dirfd = dirfd;
    c->lookup.follow = walk_flags & WALK_FOLLOW;
    w.trace = &c->lookup.trace;
    w.cred = c->as ? c->as : w.cred;
    return vfs_lookup(&w, c->text, out);
}

void name_call_keep(struct task *t, const struct name_call *c, int result, const struct path *p,
                    enum name_use use)
{
    if (c->lookup.text) {
        names_keep(t, &c->lookup, result, p, use);
    }
}

static unsigned walk_flag_empty(int at_flags)
{
    return at_flags & AT_EMPTY_PATH ? WALK_EMPTY_PATH : 0;
}

unsigned walk_flags_nofollow(int at_flags)
{
    return walk_flag_empty(at_flags) | (at_flags & AT_SYMLINK_NOFOLLOW ? 0 : WALK_FOLLOW);
}

unsigned walk_flags_follow(int at_flags)
{
    return walk_flag_empty(at_flags) | (at_flags & AT_SYMLINK_FOLLOW ? WALK_FOLLOW : 0);
}

int file_in(struct task *t, int fd, struct file **out)
{
    return fd_table_lookup(t->files, fd, out);
}

#define NR_OPEN_MAX 1048576 /* /proc/sys/fs/nr_open */

int fd_limit(const struct task *t)
{
    return (int)MIN(task_rlimit(t, RLIMIT_NOFILE), (uint64_t)NR_OPEN_MAX);
}

bool path_read_only(const struct path *p)
{
    return (p->mnt && (p->mnt->flags & MNT_RDONLY)) || (p->dentry->sb->flags & SB_RDONLY);
}

bool range_ok(uaddr_t addr, uint64_t size)
{
    return size <= PLATFORM_TASK_SIZE && addr <= PLATFORM_TASK_SIZE - size;
}

void signal_self(struct task *t, int sig)
{
    siginfo_t info;
    memset(&info, 0, sizeof(info));
    info.si_signo = sig;
    info.si_code = SI_USER;
    info.si_pid = task_tgid(t);
    info.si_uid = t->cred->uid;
    signal_send_task(t, sig, &info);
}

ssize_t write_result(struct task *t, const struct file *f, ssize_t n)
{
    const struct socket *s = n == -EPIPE ? file_socket(f) : NULL;
    if (n == -EPIPE && (!s || s->type == SOCK_STREAM)) {
        signal_self(t, SIGPIPE);
    }
    return n;
}

int64_t write_position(const struct file *f, int64_t pos)
{
    return f->flags & O_APPEND ? f->inode->size : pos;
}

int write_limit(struct task *t, const struct file *f, int64_t pos, size_t *size)
{
    int r = seal_check_write(f->inode, pos, size);
    if (r < 0) {
        return r;
    }
    uint64_t limit = task_rlimit(t, RLIMIT_FSIZE);
    if (limit == RLIM_INFINITY || !S_ISREG(f->inode->mode) || *size == 0) {
        return 0;
    }
    if ((uint64_t)pos >= limit) {
        signal_self(t, SIGXFSZ);
        return -EFBIG;
    }
    *size = MIN(*size, (size_t)(limit - (uint64_t)pos));
    return 0;
}
