/*
 * Arguments whose meaning depends on a command or on flags, in --strace lines: futex, clone, ioctl, fcntl.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <linux/futex.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <termios.h>

#include "sentry/mm/usercopy.h"
#include "syscalls/strace_text.h"

static void print_futex_op(struct strbuf *out, unsigned op)
{
    const char *name = decode_value(DECODE_futex, op & (unsigned)FUTEX_CMD_MASK);
    if (!name) {
        strbuf_printf(out, "%#x /* FUTEX_??? */", op);
        return;
    }
    strbuf_printf(out, "%s%s%s", name, op & FUTEX_PRIVATE_FLAG ? "_PRIVATE" : "",
                  op & FUTEX_CLOCK_REALTIME ? "|FUTEX_CLOCK_REALTIME" : "");
}

void strace_futex(struct strace_call *c)
{
    const uint64_t *a = c->args;
    int cmd = (int)a[1] & FUTEX_CMD_MASK;
    struct strbuf *out = c->out;

    strace_addr(out, a[0]);
    strbuf_adds(out, ", ");
    print_futex_op(out, (unsigned)a[1]);
    if (cmd == FUTEX_UNLOCK_PI || cmd == FUTEX_TRYLOCK_PI) {
        return;
    }
    if (cmd != FUTEX_LOCK_PI && cmd != 13) {
        strbuf_printf(out, ", %u", (unsigned)a[2]);
    }
    if (cmd == FUTEX_WAKE) {
        return;
    }
    if (cmd == FUTEX_REQUEUE || cmd == FUTEX_CMP_REQUEUE || cmd == FUTEX_WAKE_OP ||
        cmd == FUTEX_CMP_REQUEUE_PI) {
        strbuf_printf(out, ", %u, ", (unsigned)a[3]);
        strace_addr(out, a[4]);
        if (cmd == FUTEX_WAKE_OP) {
            strbuf_printf(out, ", %#x", (unsigned)a[5]);
        } else if (cmd != FUTEX_REQUEUE) {
            strbuf_printf(out, ", %u", (unsigned)a[5]);
        }
        return;
    }
    if (cmd != FUTEX_WAKE_BITSET) {
        strbuf_adds(out, ", ");
        strace_struct(c, LAYOUT_timespec, a[3], 16);
    }
    if (cmd == FUTEX_WAIT_REQUEUE_PI) {
        strbuf_adds(out, ", ");
        strace_addr(out, a[4]);
    } else if (cmd == FUTEX_WAIT_BITSET || cmd == FUTEX_WAKE_BITSET) {
        strbuf_printf(
            out, (unsigned)a[5] == FUTEX_BITSET_MATCH_ANY ? ", FUTEX_BITSET_MATCH_ANY" : ", %#x",
            (unsigned)a[5]);
    }
}

void strace_clone(struct strace_call *c)
{
    const uint64_t *a = c->args;
    uint64_t flags = a[0] & ~0xffULL;
    int sig = (int)(a[0] & 0xff);
    struct strbuf *out = c->out;

    strbuf_adds(out, "child_stack=");
    strace_addr(out, a[1]);
    strbuf_adds(out, ", flags=");
    if (flags || sig == 0) {
        strace_flags(out, DECODE_clone, flags);
    }
    if (sig) {
        strbuf_adds(out, flags ? "|" : "");
        strace_signal_name(out, sig);
    }
    if (flags & (CLONE_PARENT_SETTID | CLONE_PIDFD)) {
        strbuf_adds(out, ", parent_tid=");
        strace_addr(out, a[2]);
    }
    if (flags & CLONE_SETTLS) {
        strbuf_printf(out, ", tls=%#" PRIx64, a[4]);
    }
    if (flags & (CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID)) {
        strbuf_adds(out, ", child_tidptr=");
        strace_addr(out, a[3]);
    }
}

/* What an unknown ioctl number says about itself. */
void strace_ioctl_request(struct strbuf *out, unsigned request)
{
    static const char *const directions[] = {"_IOC_NONE", "_IOC_WRITE", "_IOC_READ",
                                             "_IOC_READ|_IOC_WRITE"};
    const char *name = decode_value(DECODE_ioctl, request);
    if (name) {
        strbuf_adds(out, name);
    } else {
        strbuf_printf(out, "_IOC(%s, %#x, %#x, %#x)", directions[request >> 30],
                      request >> 8 & 0xff, request & 0xff, request >> 16 & 0x3fff);
    }
}

static void print_termios(struct strace_call *c, uaddr_t addr)
{
    unsigned flags[4]; /* c_iflag, c_oflag, c_cflag, c_lflag */
    if (copy_in(c->mm, flags, addr, sizeof(flags)) < 0) {
        strace_addr(c->out, addr);
        return;
    }
    strbuf_printf(c->out, "{c_iflag=%#x, c_oflag=%#x, c_cflag=%#x, c_lflag=%#x, ...}", flags[0],
                  flags[1], flags[2], flags[3]);
}

void strace_ioctl_arg(struct strace_call *c, uint64_t arg)
{
    unsigned request = (unsigned)c->args[1];
    unsigned short ws[4];
    switch (request) {
    case TCGETS:
        if (strace_wrote(c)) {
            print_termios(c, arg);
            return;
        }
        break;
    case TCSETS:
    case TCSETSW:
    case TCSETSF:
        print_termios(c, arg);
        return;
    case TIOCGWINSZ:
    case TIOCSWINSZ:
        if ((request == TIOCSWINSZ || strace_wrote(c)) &&
            copy_in(c->mm, ws, arg, sizeof(ws)) == 0) {
            strbuf_printf(c->out, "{ws_row=%u, ws_col=%u, ws_xpixel=%u, ws_ypixel=%u}", ws[0],
                          ws[1], ws[2], ws[3]);
            return;
        }
        break;
    case FIONREAD:
    case TIOCOUTQ:
    case TIOCGPGRP:
    case TIOCGSID:
    case TIOCGPTN:
        if (strace_wrote(c)) {
            strace_struct(c, LAYOUT_int, arg, sizeof(int));
            return;
        }
        break;
    case FIONBIO:
    case FIOASYNC:
    case TIOCSPGRP:
    case TIOCSPTLCK:
        strace_struct(c, LAYOUT_int, arg, sizeof(int));
        return;
    case TIOCSCTTY:
    case TCFLSH:
    case TCXONC:
    case TCSBRK:
    case FICLONE:
        strbuf_printf(c->out, "%d", (int)arg);
        return;
    default:
        break;
    }
    strbuf_printf(c->out, "%#" PRIx64, arg);
}

void strace_fcntl_arg(struct strace_call *c, uint64_t arg)
{
    switch ((unsigned)c->args[1]) {
    case F_SETFD:
        strace_flags(c->out, DECODE_fd_flags, (unsigned)arg);
        break;
    case F_SETFL:
        strace_flags(c->out, DECODE_open, (unsigned)arg);
        break;
    case F_DUPFD:
    case F_DUPFD_CLOEXEC:
    case F_SETPIPE_SZ:
    case F_SETOWN:
        strbuf_printf(c->out, "%d", (int)arg);
        break;
    case F_SETLK:
    case F_SETLKW:
    case F_OFD_SETLK:
    case F_OFD_SETLKW: {
        struct strace_call entering = *c;
        entering.exiting = false; /* what was asked, not an owner */
        strace_flock(&entering, arg);
        break;
    }
    case F_GETLK:
    case F_OFD_GETLK:
        strace_flock(c, arg);
        break;
    case F_SETSIG:
        strace_signal_name(c->out, (int)arg);
        break;
    case F_ADD_SEALS:
        strace_flags(c->out, DECODE_seals, (unsigned)arg);
        break;
    default:
        strbuf_printf(c->out, "%#" PRIx64, arg);
    }
}
