/*
 * Terminals: job control that all of them share (tty.c), and the pseudo-terminals' pairs
 * (pty.c, tty_ldisc.c). The host's own terminal is hostfile.c. See tty_ioctl(4), pty(7).
 */
#pragma once

#include "sentry/vfs/file.h"

/*
 * A terminal as job control sees it. Embedded in a pty pair or a host terminal. thread_group.tty
 * points to it without a reference: before it is freed, tty_hangup takes it from its session.
 */
struct tty {
    int session; /* whose controlling terminal it is; 0: nobody's */
    int pgrp;    /* in the foreground; 0: none */
    dev_t rdev;  /* what /proc/PID/stat shows as tty_nr */
    /* For open of /dev/tty: another open file on the same terminal. Errors: -EIO hung up. */
    MUST_CHECK int (*open)(struct tty *tty, struct file *f);
};

/*
 * What job control needs to know of processes, which live above. "Caller" is the task whose kthread
 * runs. Handed down at start by sentry/task/tty_jobs.c.
 */
struct tty_task_ops {
    struct tty *(*ctty)(void); /* the caller's controlling terminal, or NULL */
    void (*set_ctty)(struct tty *tty);
    int (*session)(void);
    int (*pgrp)(void);
    bool (*is_leader)(void);
    bool (*capable)(int cap);
    bool (*is_ignored)(int sig);   /* ignored or blocked by the caller */
    bool (*is_orphaned)(void);     /* the caller's process group */
    int (*pgrp_session)(int pgrp); /* or -ESRCH */
    void (*signal_pgrp)(int pgrp, int sig);
    /* Every process of the session loses tty. hangup: its leader gets SIGHUP and SIGCONT. */
    void (*session_clear)(int session, struct tty *tty, bool hangup);
};
void tty_set_task_ops(const struct tty_task_ops *ops);

/**
 * tty_check_change - may the caller change, write to or read from tty, or is it in the background?
 * @sig: SIGTTOU or SIGTTIN, sent to its process group when it is.
 *
 * Errors: -ERESTARTSYS (after the signal), -EIO (nobody could bring it to the foreground).
 */
MUST_CHECK int tty_check_change(struct tty *tty, int sig);

#define ENOIOCTLCMD 515 /* internal: not one of ours */
/**
 * tty_job_ioctl - TIOCSCTTY TIOCNOTTY TIOCGPGRP TIOCSPGRP TIOCGSID.
 * @is_master: asked through a pty's master, whose caller need not have tty as its own.
 *
 * Errors: -ENOIOCTLCMD when cmd is none of them; Linux's.
 */
MUST_CHECK long tty_job_ioctl(struct tty *tty, struct file *f, struct mm *mm, unsigned cmd,
                              uaddr_t arg, bool is_master);
/* An open without O_NOCTTY by a session leader without a terminal makes it the session's. */
void tty_open_set_ctty(struct tty *tty, const struct file *f);
/* The line is gone: its session gets SIGHUP and loses it. */
void tty_hangup(struct tty *tty);
/*
 * The leader of tty's session gives it up (TIOCNOTTY, exit): the foreground group gets SIGHUP (and
 * SIGCONT unless exiting), and the session has no terminal any more.
 */
void tty_disassociate(struct tty *tty, bool exiting);
/* A signal to the foreground group, if there is one: SIGINT of Ctrl-C, SIGWINCH. */
void tty_signal_foreground(struct tty *tty, int sig);

/* open(2) of /dev/tty, /dev/ptmx: device_open's. Errors: -ENXIO no controlling terminal; -ENOSPC, -EIO. */
MUST_CHECK int tty_open_current(struct file *f);
MUST_CHECK int ptmx_open(struct file *f);
/* ioctl(TIOCGPTPEER): opens the slave of a master. Errors: -ENOTTY not a master, -EIO, -ENOMEM. */
MUST_CHECK int pty_open_peer(struct file *master, unsigned flags, struct file **out);
