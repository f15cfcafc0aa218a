/*
 * The host's terminal as the guest's: job control is emulated among guest processes (struct tty), line
 * settings and window size pass through by an allow-list. What types into the terminal or addresses the
 * console (TIOCSTI, TIOCLINUX) never does. Transfers are hostfile.c. See tty_ioctl(4).
 */
#include "sentry/fs/hostfile.h"

#include <asm/termbits.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>

#include "lib/host.h"
#include "sentry/base/errno.h"
#include "sentry/base/kernel.h"
#include "sentry/fs/tty.h"
#include "sentry/mm/usercopy.h"
#include "sentry/vfs/vfs.h"

#define TTY_GID 5 /* every distribution's group tty */

/*
 * One terminal of the host, however many of the inherited fds show it: job control compares
 * terminals by address. Kept as long as the sandbox, for a session may keep it while all fds are closed.
 */
struct host_tty {
    struct tty tty;
    struct inode *inode; /* ref: of the first fd that showed it */
    dev_t host_rdev;
    struct path console; /* refs: its name inside, once it has one */
    struct host_tty *next;
};
static struct host_tty *g_host_ttys; /* in the order in which they were found */

bool host_tty_is(int host_fd, uint32_t mode)
{
    struct termios tio;

    return S_ISCHR(mode) && host_ioctl(host_fd, TCGETS, &tio) == 0;
}

static int host_tty_open(struct tty *tty, struct file *f)
{
    return host_inode_open(container_of(tty, struct host_tty, tty)->inode, f);
}

int host_tty_get(struct inode *inode, struct tty **out)
{
    struct host_tty **end = &g_host_ttys, *t;

    while (*end && (*end)->host_rdev != inode->rdev) {
        end = &(*end)->next;
    }
    t = *end;
    if (!t) {
        t = calloc(1, sizeof(*t));
        if (!t) {
            return -ENOMEM;
        }
        t->host_rdev = inode->rdev;
        t->tty.rdev = end == &g_host_ttys ? makedev(5, 1) : inode->rdev;
        t->tty.open = host_tty_open;
        t->inode = inode_get(inode);
        *end = t;
    }
    *out = &t->tty;
    return 0;
}

static int console_make(const struct cred *owner, struct path *out)
{
    AUTO_PUT(cred) root_cred = NULL;
    const struct mount_ns *ns = g_kernel->mounts;
    int r = ns && ns->root ? cred_new(&root_cred, 0, 0, NULL, 0) : -ENXIO;

    if (r < 0) {
        return r;
    }
    const struct path root = {ns->root, ns->root->root};
    const struct walk w = {.cred = root_cred, .root = &root, .start = &root};
    r = vfs_mknod(&w, "/dev/console", S_IFCHR | 0620, makedev(5, 1));
    if (r == 0) {
        r = vfs_lookup(&w, "/dev/console", out);
    }
    if (r == 0) {
        (void)!vfs_chown(out, root_cred, owner->fsuid, TTY_GID);
    }
    return r;
}

int host_tty_console(const struct tty *tty, const struct cred *owner, struct path *out)
{
    struct host_tty *t = g_host_ttys;

    if (!t || &t->tty != tty) {
        return -ENXIO;
    }
    if (!t->console.dentry) {
        int r = console_make(owner, &t->console);
        if (r < 0) {
            return r;
        }
    }
    path_copy(out, &t->console);
    return 0;
}

int host_console_open(struct file *f)
{
    return g_host_ttys ? host_inode_open(g_host_ttys->inode, f) : -ENXIO;
}

int host_tty_check_write(int host_fd, struct tty *tty)
{
    struct termios tio;

    if (host_ioctl(host_fd, TCGETS, &tio) == 0 && (tio.c_lflag & TOSTOP)) {
        return tty_check_change(tty, SIGTTOU);
    }
    return 0;
}

/* struct termios and its like: in or out, by size. */
static long pass_in(int host_fd, struct mm *mm, unsigned cmd, uaddr_t arg, size_t size)
{
    uint8_t buf[64];
    int r;

    BUG_ON(size > sizeof(buf));
    r = copy_in(mm, buf, arg, size);
    return r < 0 ? r : host_ioctl(host_fd, cmd, buf);
}
static long pass_out(int host_fd, struct mm *mm, unsigned cmd, uaddr_t arg, size_t size)
{
    uint8_t buf[64] = {0};
    int r;

    BUG_ON(size > sizeof(buf));
    r = host_ioctl(host_fd, cmd, buf);
    return r < 0 ? r : copy_out(mm, arg, buf, size);
}

/* The variants that first wait for output or drop input come as their parts: the host must not wait. */
static long set_termios(int host_fd, struct mm *mm, unsigned cmd, uaddr_t arg)
{
    bool second = cmd == TCSETS2 || cmd == TCSETSW2 || cmd == TCSETSF2;

    if (cmd == TCSETSF || cmd == TCSETSF2) {
        int r = host_ioctl(host_fd, TCFLSH, (void *)TCIFLUSH);
        if (r < 0) {
            return r;
        }
    }
    return second ? pass_in(host_fd, mm, TCSETS2, arg, sizeof(struct termios2))
                  : pass_in(host_fd, mm, TCSETS, arg, sizeof(struct termios));
}

/* What changes the terminal, and is for the foreground only. */
static long change_ioctl(int host_fd, struct tty *tty, struct mm *mm, unsigned cmd, uaddr_t arg)
{
    int r = tty_check_change(tty, SIGTTOU);

    if (r < 0) {
        return r;
    }
    switch (cmd) {
    case TCFLSH:
        return host_ioctl(host_fd, cmd, (void *)MIN(arg, (uaddr_t)INT32_MAX));
    case TCSBRK:
    case TCSBRKP:
        /* DEVIATION: tcdrain does not wait once the host has the bytes; a break is not sent. */
        return arg || cmd == TCSBRKP ? 0 : -EPERM;
    default:
        return set_termios(host_fd, mm, cmd, arg);
    }
}

long host_tty_ioctl(int host_fd, struct tty *tty, struct file *f, struct mm *mm, unsigned cmd,
                    uaddr_t arg)
{
    long r = tty_job_ioctl(tty, f, mm, cmd, arg, false);

    if (r != -ENOIOCTLCMD) {
        return r;
    }
    switch (cmd) {
    case TCGETS:
        return pass_out(host_fd, mm, cmd, arg, sizeof(struct termios));
    case TCGETS2:
        return pass_out(host_fd, mm, cmd, arg, sizeof(struct termios2));
    case TCGETA:
        return pass_out(host_fd, mm, cmd, arg, sizeof(struct termio));
    case TIOCGWINSZ:
        return pass_out(host_fd, mm, cmd, arg, sizeof(struct winsize));
    case TIOCOUTQ:
    case TIOCGETD:
        return pass_out(host_fd, mm, cmd, arg, sizeof(int));
    case TCSETS:
    case TCSETSW:
    case TCSETSF:
    case TCSETS2:
    case TCSETSW2:
    case TCSETSF2:
    case TCFLSH:
    case TCSBRK:
    case TCSBRKP:
        return change_ioctl(host_fd, tty, mm, cmd, arg);
    case TIOCSWINSZ:
        /* DEVIATION: the window belongs to the invoker; Linux would resize it. */
        return -EPERM;
    default:
        return -ENOTTY;
    }
}
