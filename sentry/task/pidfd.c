/*
 * pidfds, analogous to Linux's fs/pidfs.c: an anonymous file that holds a process (its group) and
 * the thread it was made for. It becomes readable when the process, or with PIDFD_THREAD the thread,
 * is gone; it keeps no number taken.
 */
#include "sentry/task/pidfd.h"

#include "lib/strbuf.h"
#include "sentry/task/internal.h"

struct pidfd {
    struct thread_group *tg; /* ref */
    struct task *task;       /* ref */
    bool thread;
    int nr;
};

static bool pidfd_gone(const struct pidfd *p)
{
    return p->thread ? p->task->exited : !p->tg->parent && !thread_group_is_init(p->tg);
}

static uint32_t pidfd_poll(struct file *f, struct waitq **out_q)
{
    struct pidfd *p = f->private;
    if (out_q) {
        *out_q = &p->tg->exit_wait;
    }
    uint32_t events = 0;
    if (p->thread ? p->task->exited : p->tg->zombie) {
        events |= EPOLLIN | EPOLLRDNORM;
    }
    return pidfd_gone(p) ? events | EPOLLHUP : events;
}

static void pidfd_release(struct file *f)
{
    struct pidfd *p = f->private;
    task_put(p->task);
    thread_group_put(p->tg);
    free(p);
}

static void pidfd_show_fdinfo(struct file *f, struct strbuf *out)
{
    const struct pidfd *p = f->private;
    int nr = pidfd_gone(p) ? -1 : p->nr;
    strbuf_printf(out, "Pid:\t%d\nNSpid:\t%d\n", nr, nr);
}

static const struct file_ops pidfd_ops = {
    .traits = FILE_PREAD,
    .poll = pidfd_poll,
    .llseek = no_llseek,
    .release = pidfd_release,
    .show_fdinfo = pidfd_show_fdinfo,
};

int pidfd_new(struct task *t, unsigned flags, const struct cred *cred, struct file **out)
{
    AUTO_FREE struct pidfd *p = calloc(1, sizeof(*p));
    struct inode *inode;
    if (!p) {
        return -ENOMEM;
    }
    int r = inode_new_anon(S_IFREG | 0700, cred, &inode);
    if (r < 0) {
        return r;
    }
    unsigned file_flags = O_RDWR | (flags & (PIDFD_NONBLOCK | PIDFD_THREAD));
    r = file_new_anon(&pidfd_ops, "anon_inode:[pidfd]", inode, file_flags, cred, p, out);
    if (r < 0) {
        return r;
    }
    p->tg = thread_group_get(t->tg);
    p->task = task_get(t);
    p->thread = flags & PIDFD_THREAD;
    p->nr = task_tid(t);
    take(&p);
    return 0;
}

bool file_is_pidfd(const struct file *f)
{
    return f->ops == &pidfd_ops;
}

int pidfd_group(const struct file *f, struct thread_group **out)
{
    if (!file_is_pidfd(f)) {
        return -EBADF;
    }
    const struct pidfd *p = f->private;
    *out = p->tg;
    return 0;
}

int pidfd_task(const struct file *f, struct task **out)
{
    if (!file_is_pidfd(f)) {
        return -EBADF;
    }
    const struct pidfd *p = f->private;
    if (pidfd_gone(p)) {
        return -ESRCH;
    }
    /* After an exec by another thread the process's leader is not the task it was opened on. */
    *out = task_get(p->thread ? p->task : p->tg->leader);
    return 0;
}
