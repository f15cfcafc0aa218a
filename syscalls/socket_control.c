/*
 * Control messages of sendmsg and recvmsg: SCM_RIGHTS and SCM_CREDENTIALS between guest memory and
 * struct scm. Analogous to Linux's net/core/scm.c. cmsg(3), unix(7).
 */
#include <string.h>

#include "sentry/base/errno.h"
#include "sentry/base/timer.h"
#include "sentry/mm/usercopy.h"
#include "syscalls/socket.h"

#ifndef SCM_PIDFD
#define SCM_PIDFD 0x04
#endif
#define CONTROL_MAX 131072 /* net.core.optmem_max */

/* --- in --- */

static int files_in(struct task *t, const int *fd, size_t count, struct scm *scm)
{
    if (count == 0) {
        return 0;
    }
    if (count > SCM_FILES_MAX) {
        return -EINVAL;
    }
    if (!scm->files) {
        int r = scm_files_new(SCM_FILES_MAX, &scm->files);
        if (r < 0) {
            return r;
        }
    }
    if (scm->files->count + count > SCM_FILES_MAX) {
        return -EINVAL;
    }
    for (size_t i = 0; i < count; i++) {
        struct file *f;
        if (fd_table_lookup_any(t->files, fd[i], &f) < 0) {
            return -EBADF;
        }
        scm->files->file[scm->files->count++] = f;
    }
    return 0;
}

/* A process may name itself, and whoever may take any identity may name any. */
static int creds_in(struct task *t, const void *data, size_t size, struct scm *scm)
{
    const struct cred *c = t->cred;
    struct ucred u;

    if (size != sizeof(u)) {
        return -EINVAL;
    }
    memcpy(&u, data, sizeof(u));
    if ((u.pid != task_tgid(t) && !cred_capable(c, CAP_SYS_ADMIN)) ||
        (u.uid != c->uid && u.uid != c->euid && u.uid != c->suid && !cred_capable(c, CAP_SETUID)) ||
        (u.gid != c->gid && u.gid != c->egid && u.gid != c->sgid && !cred_capable(c, CAP_SETGID))) {
        return -EPERM;
    }
    if (u.pid != task_tgid(t)) {
        AUTO_PUT(task) named = task_find(u.pid);
        if (!named) {
            return -ESRCH;
        }
    }
    if (u.uid == (uid_t)-1 || u.gid == (gid_t)-1) {
        return -EINVAL;
    }
    scm->creds = (struct scm_creds){.pid = u.pid, .uid = u.uid, .gid = u.gid};
    scm->has_creds = true;
    return 0;
}

static int parse(struct task *t, const struct socket *s, const char *control, size_t size,
                 struct scm *scm)
{
    size_t at = 0;
    int r = 0;

    while (r == 0 && size - at >= sizeof(struct cmsghdr)) {
        struct cmsghdr h;
        memcpy(&h, control + at, sizeof(h));
        if (h.cmsg_len < sizeof(h) || h.cmsg_len > size - at) {
            return -EINVAL;
        }
        size_t data_size = h.cmsg_len - sizeof(h);
        const char *data = control + at + sizeof(h);
        if (h.cmsg_level == SOL_SOCKET) {
            if (h.cmsg_type == SCM_RIGHTS && s->family == AF_UNIX) {
                /* The block is aligned, and so are headers in it. */
                r = files_in(t, (const int *)(const void *)data, data_size / sizeof(int), scm);
            } else if (h.cmsg_type == SCM_CREDENTIALS) {
                r = creds_in(t, data, data_size, scm);
            } else {
                r = -EINVAL;
            }
        }
        at += MIN(CMSG_ALIGN(h.cmsg_len), size - at);
    }
    return r;
}

int socket_control_in(struct task *t, const struct socket *s, uaddr_t control, size_t size,
                      struct scm *scm)
{
    if (size > CONTROL_MAX) {
        return -ENOBUFS;
    }
    if (size == 0) {
        return 0;
    }
    AUTO_FREE char *buf = malloc(size);
    if (!buf) {
        return -ENOBUFS;
    }
    int r = copy_in(t->mm, buf, control, size);
    return r < 0 ? r : parse(t, s, buf, size, scm);
}

/* --- out --- */

struct control { /* where the next header goes, and what room there is */
    struct task *t;
    uaddr_t at;
    size_t left;
    bool truncated;
};

static void advance(struct control *c, size_t data_size)
{
    size_t space = MIN(CMSG_SPACE(data_size), c->left);

    c->at += space;
    c->left -= space;
}

static bool header_out(struct control *c, int type, size_t data_size)
{
    struct cmsghdr h = {
        .cmsg_len = CMSG_LEN(data_size), .cmsg_level = SOL_SOCKET, .cmsg_type = type};

    return copy_out(c->t->mm, c->at, &h, sizeof(h)) == 0;
}

/* Linux's put_cmsg: what there is no room for is cut. */
static void put(struct control *c, int type, const void *data, size_t size)
{
    if (c->left < sizeof(struct cmsghdr)) {
        c->truncated = true;
        return;
    }
    if (c->left < CMSG_LEN(size)) {
        c->truncated = true;
        size = c->left - sizeof(struct cmsghdr);
    }
    if (header_out(c, type, size) &&
        copy_out(c->t->mm, c->at + sizeof(struct cmsghdr), data, size) == 0) {
        advance(c, size);
    }
}

/* The cmsg's type is the option's number. */
static void stamp_out(struct control *c, int option, int64_t stamp_ns)
{
    const struct timespec ts = {.tv_sec = stamp_ns / NSEC_PER_SEC,
                                .tv_nsec = stamp_ns % NSEC_PER_SEC};
    const struct timeval tv = {.tv_sec = ts.tv_sec, .tv_usec = ts.tv_nsec / NSEC_PER_USEC};
    if (option == SO_TIMESTAMP || option == SO_TIMESTAMP_NEW) {
        put(c, option, &tv, sizeof(tv));
    } else {
        put(c, option, &ts, sizeof(ts));
    }
}

static void creds_out(struct control *c, const struct scm *scm)
{
    const struct ucred u = {.pid = scm->creds.pid, .uid = scm->creds.uid, .gid = scm->creds.gid};
    put(c, SCM_CREDENTIALS, &u, sizeof(u));
}

/* A pidfd of who sent it; if there can't be one, why not. */
static void pidfd_out(struct control *c, const struct scm *scm)
{
    if (scm->creds.pid == 0) {
        return;
    }
    if (c->left < CMSG_LEN(sizeof(int))) {
        c->truncated = true;
        return;
    }
    const int fd = (int)socket_pidfd(c->t, scm->creds.pid);
    put(c, SCM_PIDFD, &fd, sizeof(fd));
}

/* As many files as there is room, and numbers, for. */
static void files_out(struct control *c, const struct scm_files *files, bool cloexec)
{
    struct task *t = c->t;
    size_t room =
        c->left <= sizeof(struct cmsghdr) ? 0 : (c->left - sizeof(struct cmsghdr)) / sizeof(int);
    size_t done = 0;

    while (done < MIN(room, files->count)) {
        int fd = fd_table_install(t->files, files->file[done], 0, fd_limit(t), cloexec);
        if (fd < 0) {
            break;
        }
        uaddr_t at = c->at + sizeof(struct cmsghdr) + done * sizeof(fd);
        if (put_user(t->mm, at, &fd) < 0) {
            int closed = fd_table_close(t->files, fd);
            (void)closed; /* another thread was faster */
            break;
        }
        done++;
    }
    if (done > 0 && header_out(c, SCM_RIGHTS, done * sizeof(int))) {
        advance(c, done * sizeof(int));
    }
    c->truncated |= done < files->count;
}

size_t socket_control_out(struct task *t, const struct socket *s, uaddr_t control, size_t size,
                          struct socket_msg *m)
{
    struct control c = {.t = t, .at = control, .left = control ? size : 0};

    if (m->stamp_ns) {
        stamp_out(&c, s->timestamp, m->stamp_ns);
    }
    if (s->pass_cred && m->scm.has_creds) {
        creds_out(&c, &m->scm);
    }
    if (s->pass_pidfd && m->scm.has_creds) {
        pidfd_out(&c, &m->scm);
    }
    if (m->scm.files) {
        files_out(&c, m->scm.files, m->flags & MSG_CMSG_CLOEXEC);
        scm_put(&m->scm);
    }
    if (c.truncated) {
        m->out_flags |= MSG_CTRUNC;
    }
    return c.at - control;
}
