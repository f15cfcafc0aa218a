/*
 * signalfd, analogous to Linux's fs/signalfd.c; signalfd(2).
 *
 * The file is only a set of signals: whose signals they are is decided by who reads or polls it, so
 * a child that inherits it reads its own.
 */
#include "sentry/task/signalfd.h"

#include <sys/signalfd.h>

#include "lib/strbuf.h"
#include "sentry/task/internal.h"

struct signalfd {
    ksigset_t mask;
};

static const struct file_ops signalfd_ops;

static void fill_by_code(const siginfo_t *in, struct signalfd_siginfo *out)
{
    switch (in->si_code) {
    case SI_TIMER:
        out->ssi_tid = (uint32_t)in->si_timerid;
        out->ssi_overrun = (uint32_t)in->si_overrun;
        break;
    case SI_USER:
    case SI_TKILL:
        out->ssi_pid = (uint32_t)in->si_pid;
        out->ssi_uid = in->si_uid;
        return;
    default: /* SI_QUEUE, SI_MESGQ, SI_ASYNCIO ... */
        out->ssi_pid = (uint32_t)in->si_pid;
        out->ssi_uid = in->si_uid;
        break;
    }
    out->ssi_ptr = (uint64_t)(uintptr_t)in->si_value.sival_ptr;
    out->ssi_int = in->si_value.sival_int;
}

static void siginfo_convert(int sig, const siginfo_t *in, struct signalfd_siginfo *out)
{
    *out = (struct signalfd_siginfo){
        .ssi_signo = (uint32_t)sig, .ssi_errno = in->si_errno, .ssi_code = in->si_code};
    if (in->si_code <= 0) {
        fill_by_code(in, out);
        return;
    }
    switch (sig) {
    case SIGCHLD:
        out->ssi_pid = (uint32_t)in->si_pid;
        out->ssi_uid = in->si_uid;
        out->ssi_status = in->si_status;
        out->ssi_utime = (uint64_t)in->si_utime;
        out->ssi_stime = (uint64_t)in->si_stime;
        break;
    case SIGPOLL:
        out->ssi_band = (uint32_t)in->si_band;
        out->ssi_fd = in->si_fd;
        break;
    case SIGSEGV:
    case SIGBUS:
    case SIGILL:
    case SIGFPE:
    case SIGTRAP:
        out->ssi_addr = (uint64_t)(uintptr_t)in->si_addr;
        break;
    case SIGSYS:
        out->ssi_call_addr = (uint64_t)(uintptr_t)in->si_call_addr;
        out->ssi_syscall = in->si_syscall;
        out->ssi_arch = in->si_arch;
        break;
    default: /* SI_KERNEL */
        out->ssi_pid = (uint32_t)in->si_pid;
        out->ssi_uid = in->si_uid;
        break;
    }
}

static bool has_signal(const struct task *t, const struct signalfd *s)
{
    return (t->pending.set | t->tg->pending.set) & s->mask;
}

/* Takes one. Return: bytes copied; 0 when none is pending. */
static ssize_t read_one(struct task *t, const struct signalfd *s, struct uio *dst)
{
    struct signalfd_siginfo out;
    siginfo_t info;
    int sig = signal_dequeue(t, ~s->mask, &info);

    if (!sig) {
        return 0;
    }
    signal_recalc(t);
    siginfo_convert(sig, &info, &out);
    return uio_copy_to(dst, &out, sizeof(out)) == (ssize_t)sizeof(out) ? (ssize_t)sizeof(out)
                                                                       : -EFAULT;
}

static ssize_t signalfd_read(struct file *f, struct uio *dst, int64_t *pos)
{
    struct signalfd *s = f->private;
    struct task *t = task_current();
    ssize_t done = 0, n = 0;

    (void)pos;
    if (!t || uio_size(dst) < sizeof(struct signalfd_siginfo)) {
        return -EINVAL;
    }
    while (uio_size(dst) >= sizeof(struct signalfd_siginfo)) {
        n = read_one(t, s, dst);
        if (n == 0 && done == 0) {
            if (f->flags & O_NONBLOCK) {
                return -EAGAIN;
            }
            n = waitq_wait(&t->tg->sighand->signalfd_wait, has_signal(t, s));
            if (n == 0) {
                continue; /* another thread may still be first */
            }
        }
        if (n <= 0) {
            break;
        }
        done += n;
    }
    return done ? done : n;
}

static uint32_t signalfd_poll(struct file *f, struct waitq **out_q)
{
    struct task *t = task_current();

    if (!t || !t->tg->sighand) {
        return 0;
    }
    if (out_q) {
        *out_q = &t->tg->sighand->signalfd_wait;
    }
    return has_signal(t, f->private) ? EPOLLIN | EPOLLRDNORM : 0;
}

static void signalfd_release(struct file *f)
{
    free(f->private);
}

static void signalfd_show_fdinfo(struct file *f, struct strbuf *out)
{
    struct signalfd *s = f->private;

    strbuf_printf(out, "sigmask:\t%016llx\n", (unsigned long long)s->mask);
}

static const struct file_ops signalfd_ops = {
    .traits = FILE_NOWAIT,
    .read = signalfd_read,
    .poll = signalfd_poll,
    .llseek = noop_llseek,
    .release = signalfd_release,
    .show_fdinfo = signalfd_show_fdinfo,
};

int signalfd_new(ksigset_t mask, unsigned flags, const struct cred *cred, struct file **out)
{
    struct signalfd *s = calloc(1, sizeof(*s));
    struct inode *inode;
    int r;

    if (!s) {
        return -ENOMEM;
    }
    s->mask = mask & ~KSIG_UNBLOCKABLE;
    r = inode_new_anon(0600, cred, &inode);
    if (r == 0) {
        r = file_new_anon(&signalfd_ops, "anon_inode:[signalfd]", inode,
                          O_RDWR | (flags & SFD_NONBLOCK), cred, s, out);
    }
    if (r < 0) {
        free(s);
    }
    return r;
}

int signalfd_set_mask(struct file *f, ksigset_t mask)
{
    struct task *t = task_current();
    struct signalfd *s = f->private;

    if (f->ops != &signalfd_ops) {
        return -EINVAL;
    }
    s->mask = mask & ~KSIG_UNBLOCKABLE;
    if (t) {
        waitq_wake(&t->tg->sighand->signalfd_wait, EPOLLIN);
    }
    return 0;
}
