/*
 * Pseudo-terminal pairs (pty.c) and the file system that names them (devpts.c). See pty(7).
 */
#pragma once

#include <sys/ioctl.h>

#include "sentry/fs/tty.h"
#include "sentry/fs/tty_ldisc.h"

#define PTY_MAX         4096 /* Linux's default for /proc/sys/kernel/pty/max */
#define PTY_SLAVE_MAJOR 136
#define PTY_OUT_SOFT    16384 /* what the slave may write ahead of the master's reads */
#define PTY_OUT_SIZE    32768 /* with echoes */

/*
 * Lives while the master or any slave file is open. The slave's half is a terminal with a line
 * discipline; what it sends lies in out until the master reads it.
 */
struct pty {
    struct tty tty;
    struct ldisc ldisc;
    unsigned index;              /* N of /dev/pts/N */
    struct inode *inode;         /* ref: the node in devpts */
    uint8_t *out;                /* owned: ring of PTY_OUT_SIZE */
    unsigned out_head, out_tail; /* free-running */
    struct waitq master_q, slave_q;
    struct winsize size;
    unsigned slaves; /* open slave files */
    bool master_open;
    bool slave_gone;       /* there was a slave file, and now there is none: the master gets EIO */
    bool locked;           /* TIOCSPTLCK */
    bool exclusive;        /* TIOCEXCL */
    bool packet;           /* TIOCPKT */
    uint8_t packet_status; /* TIOCPKT_* to tell the master */
};

/* open of /dev/pts/N. Errors: -EIO locked or its master is gone; -EBUSY TIOCEXCL. */
MUST_CHECK int pty_slave_open(struct pty *pty, struct file *f);

long pty_ioctl(struct pty *pty, struct file *f, struct mm *mm, unsigned cmd, uaddr_t arg,
               bool is_master);
/* Drops what the slave has written, and tells a packet-mode master. */
void pty_flush_out(struct pty *pty, uint8_t packet_status);

/* --- devpts.c --- */
/* Gives pty an index and a node. Errors: -ENXIO no devpts; -ENOSPC, -ENOMEM. */
MUST_CHECK int devpts_add(struct pty *pty, const struct cred *cred);
/* The name goes (master closed); the index is taken until devpts_release. */
void devpts_unlink(struct pty *pty);
/* pty is going. */
void devpts_release(struct pty *pty);
/* The pair behind a node of devpts. Errors: -EIO it is gone; -ENXIO not such a node. */
MUST_CHECK int devpts_pty(struct inode *inode, struct pty **out);
