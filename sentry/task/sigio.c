/*
 * Signal-driven I/O, analogous to the fasync half of Linux's fs/fcntl.c. A file with O_ASYNC has an entry on its wait
 * queue, as an epoll item has; a wake-up that says what is ready becomes a signal to the file's owner.
 *
 * A wake-up that only says "look again" (events 0) tells nobody here, and what happened must be true still: so an
 * opener of a fifo is no news. Of a socket, room is told only to who had found none (WAITQ_FOUND_NO_ROOM).
 * DEVIATION: a pipe's writer is told when there is room again, not of each read.
 * DEVIATION: an owner is known by its number; who has that number later takes its place.
 */
#include "sentry/task/sigio.h"

#include <signal.h>

#include "sentry/fs/inotify.h"
#include "sentry/fs/tty.h"
#include "sentry/task/internal.h"

struct sigio {
    struct file_watch watch; /* on file->watches */
    struct waitq_entry wait;
    struct file *file; /* borrowed: sigio_released */
    int fd;
};
struct news {
    int code; /* POLL_IN ...; 0: none */
    long band;
};

#define URGENT (-1) /* no code of SIGIO: SIGURG instead */

static const struct news g_none, g_in = {POLL_IN, EPOLLIN | EPOLLRDNORM},
                                 g_out = {POLL_OUT, EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND},
                                 g_error = {POLL_ERR, EPOLLERR},
                                 g_hangup = {POLL_HUP, EPOLLHUP | EPOLLERR};

/* --- the owner --- */

void sigio_set_owner(const struct task *t, struct file *f, int type, int id)
{
    f->owner = id;
    f->owner_type = type;
    f->owner_uid = t->cred->uid;
    f->owner_euid = t->cred->euid;
}

int sigio_owner(const struct file *f)
{
    const struct pid *pid = f->owner ? pid_find(f->owner) : NULL;
    const bool there = pid && (f->owner_type == F_OWNER_TID   ? pid->task != NULL
                               : f->owner_type == F_OWNER_PID ? pid->tg != NULL
                                                              : !list_empty(&pid->pgrp_members));
    return there ? f->owner : 0;
}

/* Who named the owner could signal t. */
static bool owner_allows(const struct file *f, const struct task *t)
{
    const struct cred *c = t->cred;
    const uint32_t uid = f->owner_uid, euid = f->owner_euid;
    return euid == 0 || euid == c->suid || euid == c->uid || uid == c->suid || uid == c->uid;
}

static bool has_codes_of_its_own(int sig)
{
    switch (sig) {
    case SIGILL:
    case SIGFPE:
    case SIGSEGV:
    case SIGBUS:
    case SIGTRAP:
    case SIGCHLD:
    case SIGSYS:
        return true;
    default:
        return false;
    }
}

static int deliver(struct task *t, bool thread, int sig, const siginfo_t *info)
{
    return thread ? signal_send_task(t, sig, info) : signal_send_group(t->tg, sig, info);
}

/* One receiver: the thread alone, or its whole process. */
static void tell(const struct file *f, int fd, struct task *t, bool thread, struct news news)
{
    siginfo_t info = {.si_signo = f->owner_sig, .si_code = news.code};
    if (!owner_allows(f, t)) {
        return;
    }
    if (news.code == URGENT) {
        int r = deliver(t, thread, SIGURG, NULL);
        (void)r; /* without details it needs no room */
        return;
    }
    if (has_codes_of_its_own(f->owner_sig)) {
        info.si_code = SI_SIGIO;
    }
    info.si_fd = fd;
    info.si_band = news.band;
    int sig = f->owner_sig ? f->owner_sig : SIGIO;
    const siginfo_t *details = f->owner_sig ? &info : NULL;
    for (;;) {
        int r = deliver(t, thread, sig, details);
        if (r == 0 || !details) {
            return;
        }
        sig = SIGIO; /* no room for the details: it shall look everywhere */
        details = NULL;
    }
}

static void tell_owner(const struct file *f, int fd, struct news news)
{
    struct pid *pid = f->owner ? pid_find(f->owner) : NULL;
    struct thread_group *tg, *next;
    if (!pid) {
        return;
    }
    switch (f->owner_type) {
    case F_OWNER_TID:
        if (pid->task) {
            tell(f, fd, pid->task, true, news);
        }
        break;
    case F_OWNER_PID:
        if (pid->tg && pid->tg->leader) {
            tell(f, fd, pid->tg->leader, false, news);
        }
        break;
    default:
        list_for_each_entry_safe (tg, next, &pid->pgrp_members, pgrp_link) {
            if (tg->leader) {
                tell(f, fd, tg->leader, false, news);
            }
        }
    }
}

void sigio_tell(const struct file *f, int fd, int code, long band)
{
    tell_owner(f, fd, (struct news){code, band});
}

void sigio_tell_urgent(const struct file *f)
{
    tell_owner(f, -1, (struct news){URGENT, 0});
}

/* --- the news --- */

static struct news socket_news(struct file *f, uint32_t events)
{
    const uint32_t now = file_poll(f, NULL);
    if (events & EPOLLHUP) { /* the other end is gone, or was shut down */
        return now & EPOLLHUP ? g_hangup : now & EPOLLRDHUP ? g_in : g_none;
    }
    if (events & EPOLLIN) {
        return g_in;
    }
    if (events & WAITQ_FOUND_NO_ROOM) {
        return g_out;
    }
    return events & EPOLLERR ? g_error : g_none;
}

static void sigio_wake(struct waitq_entry *e, uint32_t events)
{
    struct sigio *s = container_of(e, struct sigio, wait);
    struct file *f = s->file;
    if (S_ISSOCK(f->inode->mode)) {
        struct news news = socket_news(f, events);
        if (news.code) {
            tell_owner(f, s->fd, news);
        }
        return;
    }
    const bool in = events & EPOLLIN && file_readable(f),
               out = events & EPOLLOUT && file_writable(f) && S_ISFIFO(f->inode->mode);
    const uint32_t now = in || out ? file_poll(f, NULL) : 0;
    if (in && now & (EPOLLIN | EPOLLHUP)) {
        tell_owner(f, s->fd, g_in);
    }
    if (out && now & (EPOLLOUT | EPOLLERR)) {
        tell_owner(f, s->fd, g_out);
    }
}

/* --- on and off --- */

static void sigio_free(struct sigio *s)
{
    list_del(&s->watch.link);
    waitq_remove(&s->wait);
    free(s);
}

static void sigio_released(struct file_watch *w)
{
    sigio_free(container_of(w, struct sigio, watch));
}

static struct sigio *sigio_of(const struct file *f)
{
    struct file_watch *w;
    list_for_each_entry (w, &f->watches, link) {
        if (w->released == sigio_released) {
            return container_of(w, struct sigio, watch);
        }
    }
    return NULL;
}

static bool is_terminal(const struct file *f)
{
    return S_ISCHR(f->inode->mode) && f->ops->poll;
}

bool sigio_possible(const struct file *f)
{
    return (f->ops->poll && (S_ISFIFO(f->inode->mode) || S_ISSOCK(f->inode->mode))) ||
           is_terminal(f) || file_is_inotify(f);
}

int sigio_set(struct task *t, struct file *f, int fd, bool on)
{
    struct sigio *s = sigio_of(f);
    struct waitq *q = NULL;
    if (!on) {
        f->flags &= ~(unsigned)O_ASYNC;
        if (s) {
            sigio_free(s);
        }
        return 0;
    }
    if (!s) {
        s = calloc(1, sizeof(*s));
        if (!s) {
            return -ENOMEM;
        }
        *s = (struct sigio){
            .watch.released = sigio_released, .wait.wake = sigio_wake, .file = f, .fd = fd};
        list_init(&s->wait.link);
        list_add_tail(&s->watch.link, &f->watches);
        (void)file_poll(f, &q);
        if (q) {
            waitq_add(q, &s->wait);
        }
    }
    s->fd = fd;
    f->flags |= (unsigned)O_ASYNC;
    if (is_terminal(f) && !f->owner) {
        const struct tty *tty = t->tg->tty;
        const int pgrp = tty && tty->rdev == f->inode->rdev ? tty->pgrp : 0;
        sigio_set_owner(t, f, pgrp ? F_OWNER_PGRP : F_OWNER_PID, pgrp ? pgrp : task_tgid(t));
    }
    return 0;
}
