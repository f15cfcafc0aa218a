/*
 * The ioctls of pseudo-terminals, analogous to Linux's tty_ioctl.c, tty_io.c and pty.c; tty_ioctl(4).
 * Asked through the master, the line settings are the slave's.
 */
#include "sentry/fs/pty.h"

#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>

#include "sentry/base/errno.h"
#include "sentry/mm/usercopy.h"

_Static_assert(offsetof(struct termios, c_cc) == offsetof(struct termios2, c_cc),
               "one is the other's head");

static long get_termios(struct pty *p, struct mm *mm, unsigned cmd, uaddr_t arg)
{
    struct termio old = {0};
    const struct termios2 *tio = &p->ldisc.tio;

    switch (cmd) {
    case TCGETS:
        return copy_out(mm, arg, tio, sizeof(struct termios));
    case TCGETS2:
        return put_user(mm, arg, tio);
    default:
        old.c_iflag = (uint16_t)tio->c_iflag;
        old.c_oflag = (uint16_t)tio->c_oflag;
        old.c_cflag = (uint16_t)tio->c_cflag;
        old.c_lflag = (uint16_t)tio->c_lflag;
        memcpy(old.c_cc, tio->c_cc, NCC);
        return put_user(mm, arg, &old);
    }
}

static int termio_in(struct mm *mm, uaddr_t arg, struct termios2 *tio)
{
    struct termio old;
    int r = get_user(mm, &old, arg);

    if (r < 0) {
        return r;
    }
    tio->c_iflag = (tio->c_iflag & 0xffff0000) | old.c_iflag;
    tio->c_oflag = (tio->c_oflag & 0xffff0000) | old.c_oflag;
    tio->c_cflag = (tio->c_cflag & 0xffff0000) | old.c_cflag;
    tio->c_lflag = (tio->c_lflag & 0xffff0000) | old.c_lflag;
    memcpy(tio->c_cc, old.c_cc, NCC);
    return 0;
}

/* The variants that wait for output to drain need not: what is written is with the master at once. */
static long set_termios(struct pty *p, struct mm *mm, unsigned cmd, uaddr_t arg)
{
    struct termios2 tio;
    int r = tty_check_change(&p->tty, SIGTTOU);

    if (r < 0) {
        return r;
    }
    tio = p->ldisc.tio;
    switch (cmd) {
    case TCSETA:
    case TCSETAW:
    case TCSETAF:
        r = termio_in(mm, arg, &tio);
        break;
    case TCSETS:
    case TCSETSW:
    case TCSETSF:
        r = copy_in(mm, &tio, arg, sizeof(struct termios));
        break;
    default:
        r = get_user(mm, &tio, arg);
        break;
    }
    if (r < 0) {
        return r;
    }
    if (cmd == TCSETAF || cmd == TCSETSF || cmd == TCSETSF2) {
        ldisc_flush_input(&p->ldisc);
        waitq_wake(&p->master_q, EPOLLOUT | EPOLLWRNORM);
    }
    tio.c_cflag = (tio.c_cflag & ~(unsigned)(CSIZE | PARENB)) | CS8 | CREAD;
    ldisc_set_termios(&p->ldisc, &tio);
    if (ldisc_readable(&p->ldisc, 1)) {
        waitq_wake(&p->slave_q, EPOLLIN | EPOLLRDNORM);
    }
    return 0;
}

static long set_size(struct pty *p, struct mm *mm, uaddr_t arg)
{
    struct winsize size;
    int r = get_user(mm, &size, arg);

    if (r < 0) {
        return r;
    }
    if (memcmp(&size, &p->size, sizeof(size)) != 0) {
        p->size = size;
        tty_signal_foreground(&p->tty, SIGWINCH);
    }
    return 0;
}

static long flush(struct pty *p, uaddr_t arg, bool is_master)
{
    bool in = arg == TCIFLUSH || arg == TCIOFLUSH, out = arg == TCOFLUSH || arg == TCIOFLUSH;
    int r = tty_check_change(&p->tty, SIGTTOU);

    if (r < 0) {
        return r;
    }
    if (!in && !out) {
        return -EINVAL;
    }
    /* The master's input is the slave's output. */
    if (is_master ? out : in) {
        ldisc_flush_input(&p->ldisc);
        waitq_wake(&p->master_q, EPOLLOUT | EPOLLWRNORM);
    }
    if (is_master && in) {
        p->out_head = p->out_tail = 0;
    }
    if (is_master ? in : out) {
        pty_flush_out(p, TIOCPKT_FLUSHWRITE);
    }
    return 0;
}

static long flow(struct pty *p, uaddr_t arg)
{
    struct ldisc *l = &p->ldisc;
    int r = tty_check_change(&p->tty, SIGTTOU);

    if (r < 0) {
        return r;
    }
    switch (arg) {
    case TCOOFF:
    case TCOON:
        if (l->stopped != (arg == TCOOFF)) {
            l->stopped = arg == TCOOFF;
            l->ops->flow(l, l->stopped);
        }
        return 0;
    case TCIOFF:
        l->ops->output(l, &l->tio.c_cc[VSTOP], l->tio.c_cc[VSTOP] != 0);
        return 0;
    case TCION:
        l->ops->output(l, &l->tio.c_cc[VSTART], l->tio.c_cc[VSTART] != 0);
        return 0;
    default:
        return -EINVAL;
    }
}

static long set_bool(struct mm *mm, uaddr_t arg, bool *out)
{
    int value, r = get_user(mm, &value, arg);

    if (r == 0) {
        *out = value != 0;
    }
    return r;
}
static long get_int(struct mm *mm, uaddr_t arg, int value)
{
    return put_user(mm, arg, &value);
}

static long master_only(struct pty *p, struct mm *mm, unsigned cmd, uaddr_t arg)
{
    bool on;
    long r;

    switch (cmd) {
    case TIOCGPTN:
        return put_user(mm, arg, &p->index);
    case TIOCSPTLCK:
        return set_bool(mm, arg, &p->locked);
    case TIOCGPTLCK:
        return get_int(mm, arg, p->locked);
    case TIOCGPKT:
        return get_int(mm, arg, p->packet);
    case TIOCPKT:
        r = set_bool(mm, arg, &on);
        if (r == 0) {
            p->packet_status = 0;
            p->packet = on;
        }
        return r;
    case TIOCSIG:
        if (arg < 1 || arg > 64) {
            return -EINVAL;
        }
        tty_signal_foreground(&p->tty, (int)arg);
        return 0;
    default:
        return -ENOTTY;
    }
}

/*
 * Types a byte as if it came from the master.
 * DEVIATION: only into the caller's own terminal by one who may; Linux's older default asks no capability.
 */
static long fake_input(struct pty *p, struct file *f, struct mm *mm, uaddr_t arg)
{
    uint8_t c;
    int r;

    if (!cred_capable(f->cred, CAP_SYS_ADMIN)) {
        return -EIO;
    }
    r = get_user(mm, &c, arg);
    if (r == 0) {
        (void)ldisc_receive(&p->ldisc, &c, 1);
        waitq_wake(&p->slave_q, EPOLLIN | EPOLLRDNORM);
    }
    return r;
}

/* What modems, and programs of their time, needed. */
static long line_ioctl(struct pty *p, struct mm *mm, unsigned cmd, uaddr_t arg)
{
    static const struct termios none_locked;
    struct termios2 tio = p->ldisc.tio;
    int on, r;

    switch (cmd) {
    case TIOCGSOFTCAR:
        return get_int(mm, arg, (tio.c_cflag & CLOCAL) != 0);
    case TIOCSSOFTCAR:
        r = get_user(mm, &on, arg);
        if (r < 0) {
            return r;
        }
        tio.c_cflag = on ? tio.c_cflag | CLOCAL : tio.c_cflag & ~(tcflag_t)CLOCAL;
        ldisc_set_termios(&p->ldisc, &tio);
        return 0;
    case TIOCGLCKTRMIOS:
        return put_user(mm, arg, &none_locked);
    case TIOCSLCKTRMIOS: /* not even root of a container may */
    case TIOCVHANGUP:
        return -EPERM;
    default:
        return -ENOIOCTLCMD;
    }
}

static long queue_ioctl(struct pty *p, struct mm *mm, unsigned cmd, uaddr_t arg, bool is_master)
{
    size_t count = is_master ? p->out_head - p->out_tail : ldisc_count(&p->ldisc);
    int line = 0, r;

    switch (cmd) {
    case FIONREAD:
        return get_int(mm, arg, (int)count);
    case TIOCOUTQ:
        return get_int(mm, arg, 0);
    case TCFLSH:
        return flush(p, arg, is_master);
    case TCXONC:
        return flow(p, arg);
    case TCSBRK:
    case TCSBRKP:
        return tty_check_change(&p->tty, SIGTTOU); /* nothing to wait for, and no line to break */
    case TIOCGETD:
        return get_int(mm, arg, 0); /* N_TTY, the only one */
    case TIOCSETD:
        r = get_user(mm, &line, arg);
        return r < 0 || line == 0 ? r : -EINVAL;
    default:
        return -ENOIOCTLCMD;
    }
}

long pty_ioctl(struct pty *p, struct file *f, struct mm *mm, unsigned cmd, uaddr_t arg,
               bool is_master)
{
    long r = tty_job_ioctl(&p->tty, f, mm, cmd, arg, is_master);

    if (r == -ENOIOCTLCMD) {
        r = queue_ioctl(p, mm, cmd, arg, is_master);
    }
    if (r == -ENOIOCTLCMD) {
        r = line_ioctl(p, mm, cmd, arg);
    }
    if (r != -ENOIOCTLCMD) {
        return r;
    }
    switch (cmd) {
    case TCGETS:
    case TCGETS2:
    case TCGETA:
        return get_termios(p, mm, cmd, arg);
    case TCSETS:
    case TCSETSW:
    case TCSETSF:
    case TCSETS2:
    case TCSETSW2:
    case TCSETSF2:
    case TCSETA:
    case TCSETAW:
    case TCSETAF:
        return set_termios(p, mm, cmd, arg);
    case TIOCGWINSZ:
        return put_user(mm, arg, &p->size);
    case TIOCSWINSZ:
        return set_size(p, mm, arg);
    case TIOCEXCL:
        p->exclusive = true;
        return 0;
    case TIOCNXCL:
        p->exclusive = false;
        return 0;
    case TIOCGEXCL:
        return get_int(mm, arg, p->exclusive);
    case TIOCSTI:
        return fake_input(p, f, mm, arg);
    default:
        return is_master ? master_only(p, mm, cmd, arg) : -ENOTTY;
    }
}
