/* Opening FIFOs: who opens one end waits for the other; fifo(7). */
#include "sentry/fs/pipe_internal.h"

#include "sentry/base/errno.h"
#include "sentry/fs/hostfile.h"

/* Waits until *opens changes: the other end has been opened, though it may be closed again by now. */
static int fifo_wait_partner(struct pipe *p, const unsigned *opens)
{
    unsigned before = *opens;

    return waitq_wait(&p->q, *opens != before);
}

/* The open's rules; counts are already taken. Return: 0, -ERESTARTSYS. */
static int fifo_rendezvous(struct pipe *p, struct file *f, struct pipe_end *e)
{
    waitq_wake(&p->q, 0);
    if (p->anonymous || (p->readers && p->writers)) {
        return 0;
    }
    if (file_writable(f)) {
        return fifo_wait_partner(p, &p->reader_opens);
    }
    if (f->flags & O_NONBLOCK) {
        e->ignore_hangup = true;
        e->writer_opens = p->writer_opens;
        return 0;
    }
    return fifo_wait_partner(p, &p->writer_opens);
}

/**
 * fifo_open - open a FIFO inode: join the pipe behind it, or make one, and meet the other end.
 * @f: its flags say which end; ops and private are set on success only.
 *
 * Context: may block (O_RDONLY and O_WRONLY without O_NONBLOCK wait for the other end).
 * Errors:  -ENXIO O_WRONLY|O_NONBLOCK and no reader; -ERESTARTSYS; -ENOMEM.
 * Source:  fifo(7).
 */
int fifo_open(struct inode *inode, struct file *f)
{
    struct pipe_end *e;
    struct pipe *p = inode->fifo;
    int r = 0;

    if (inode_is_host(inode)) {
        return host_inode_open(inode, f);
    }
    e = calloc(1, sizeof(*e));
    if (!e) {
        return -ENOMEM;
    }
    if (!p) {
        r = pipe_alloc(false, &p);
        if (r < 0) {
            goto fail;
        }
        inode->fifo = p;
    }
    p->files++;
    if ((f->flags & (O_ACCMODE | O_NONBLOCK)) == (O_WRONLY | O_NONBLOCK) && p->readers == 0 &&
        !p->anonymous) {
        pipe_put(inode, p);
        r = -ENXIO;
        goto fail;
    }
    pipe_count(p, f, 1);
    p->reader_opens += file_readable(f);
    p->writer_opens += file_writable(f);
    e->pipe = p;
    r = fifo_rendezvous(p, f, e);
    if (r < 0) {
        pipe_count(p, f, -1);
        waitq_wake(&p->q, EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP);
        pipe_put(inode, p);
        goto fail;
    }
    f->ops = &pipe_ops;
    f->private = e;
    return 0;
fail:
    free(e);
    return r;
}
