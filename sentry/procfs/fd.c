/*
 * /proc/PID/fd and /proc/PID/fdinfo. The links lead to the open file's own path, also when it has no
 * name any more: opening one opens the same inode anew. Analogous to Linux's fs/proc/fd.c.
 */
#include "sentry/procfs/proc.h"

#include <errno.h>

#include "sentry/vfs/lease.h"

static int file_of(const struct proc_inode *pi, long fd, struct file **out)
{
    const struct task *t = proc_task(pi);
    if (!t || t->exited || !t->files || fd > INT32_MAX) {
        return -ENOENT;
    }
    return fd_table_lookup_any(t->files, (int)fd, out) < 0 ? -ENOENT : 0;
}

static int find_fd(struct proc_inode *dir, long number, struct proc_inode *inode)
{
    (void)inode;
    AUTO_PUT(file) f = NULL;
    return file_of(dir, number, &f);
}

static long next_fd(struct proc_inode *dir, long from)
{
    const struct task *t = proc_task(dir);
    if (!t || t->exited || !t->files || from > INT32_MAX) {
        return -1;
    }
    return fd_table_next(t->files, (int)from);
}

static uint32_t link_mode(struct proc_inode *pi)
{
    AUTO_PUT(file) f = NULL;
    if (file_of(pi, pi->number, &f) < 0) {
        return 0;
    }
    return (file_readable(f) ? 0500 : 0) | (file_writable(f) ? 0300 : 0);
}

static int link_fd(struct proc_inode *pi, struct strbuf *out)
{
    AUTO_PUT(file) f = NULL;
    int err = file_of(pi, pi->number, &f);
    if (err < 0) {
        return err;
    }
    const struct task *caller = proc_current();
    return path_name(&f->path, caller && caller->fs ? &caller->fs->root : NULL, out);
}

static int jump_fd(struct proc_inode *pi, struct path *out)
{
    AUTO_PUT(file) f = NULL;
    int err = file_of(pi, pi->number, &f);
    if (err == 0) {
        path_copy(out, &f->path);
    }
    return err;
}

static int show_fdinfo(struct proc_inode *pi, struct strbuf *out)
{
    AUTO_PUT(file) f = NULL;
    int err = file_of(pi, pi->number, &f);
    if (err < 0) {
        return err;
    }
    unsigned flags = f->flags;
    if (fd_table_cloexec(proc_task(pi)->files, (int)pi->number) == 1) {
        flags |= O_CLOEXEC;
    }
    file_hold_lease(f);
    strbuf_printf(out, "pos:\t%lld\nflags:\t0%o\nmnt_id:\t%d\nino:\t%lu\n", (long long)f->pos,
                  flags, f->path.mnt ? f->path.mnt->id : 0, (unsigned long)f->inode->ino);
    if (f->ops->show_fdinfo) {
        f->ops->show_fdinfo(f, out);
    }
    return 0;
}

static const struct proc_entry fd_entry = {
    .name = "",
    .mode = S_IFLNK | 0700,
    .flags = PROC_PTRACE,
    .link = link_fd,
    .jump = jump_fd,
};
static const struct proc_entry fdinfo_entry = PROC_SECRET("", 0400, show_fdinfo);

const struct proc_numbers proc_fd_numbers = {
    .entry = &fd_entry,
    .find = find_fd,
    .next = next_fd,
    .mode = link_mode,
};
const struct proc_numbers proc_fdinfo_numbers = {
    .entry = &fdinfo_entry,
    .find = find_fd,
    .next = next_fd,
};
