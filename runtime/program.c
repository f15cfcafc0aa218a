#include "runtime/program.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "lib/log.h"
#include "runtime/environ.h"
#include "runtime/error.h"
#include "sentry/fs/fs.h"
#include "sentry/fs/hostfile.h"
#include "sentry/fs/tty.h"
#include "sentry/task/task.h"
#include "sentry/task/tty_jobs.h"
#include "syscalls/entry.h"
#include "syscalls/exec.h"

static struct program *g_program;
static struct thread_group *g_first; /* ref */
static struct tty *g_tty;            /* the caller's terminal, if its stdio shows one */

/* --- loading --- */

NORETURN static void exec_failed(const char *name, int error)
{
    switch (error) {
    case ENOENT:
    case ENOTDIR:
        fail(EXIT_NOT_FOUND,
             strchr(name, '/')
                 ? "%s: no such program, or its interpreter is missing: is it visible "
                   "inside? (see --host, --ro)"
                 : "%s: no such program: it is on no folder of PATH inside",
             name);
    case EACCES:
        fail(EXIT_CANNOT_RUN,
             "%s: permission denied: it must be a file that you may read and execute", name);
    case ENOEXEC:
        fail(EXIT_CANNOT_RUN,
             "%s: not a program: give an ELF program for this machine, or a script that "
             "begins with #!",
             name);
    case E2BIG:
        fail(EXIT_CANNOT_RUN, "%s: arguments and environment are too long: shorten them", name);
    default:
        fail(EXIT_CANNOT_RUN, "%s: can't be executed: %s", name, strerror(error));
    }
}

/* As execvp(3): a folder of PATH without the program, or that keeps it to itself, is not the end. */
static void load(struct task *t, const struct program *p)
{
    const struct config *c = p->config;
    const char *name = c->argv[0], *path = environ_get(c, "PATH");
    int error = -ENOENT;
    bool denied = false;
    if (strchr(name, '/')) {
        error = exec_first(t, &p->boot, name, c->argv, c->envp);
        if (error < 0) {
            exec_failed(name, -error);
        }
        return;
    }
    AUTO_FREE char *file = malloc(PATH_MAX);
    for (const char *dir = path ? path : ""; file && *dir;) {
        int size = (int)MIN(strcspn(dir, ":"), (size_t)PATH_MAX);
        if (snprintf(file, PATH_MAX, "%.*s/%s", size ? size : 1, size ? dir : ".", name) <
            PATH_MAX) {
            error = exec_first(t, &p->boot, file, c->argv, c->envp);
            if (error == 0) {
                return;
            }
            denied |= error == -EACCES;
            if (error != -ENOENT && error != -ENOTDIR && error != -EACCES) {
                break;
            }
        }
        dir += strcspn(dir, ":");
        dir += *dir == ':';
    }
    exec_failed(name, denied ? EACCES : -error);
}

/* The body of every task's kthread; the first one has yet to load its program. */
static void run_task(void *arg)
{
    struct task *t = arg;
    static bool loaded;
    if (!loaded) {
        loaded = true;
        load(t, g_program);
    }
    task_entry(t);
}

/* --- what it inherits --- */

static int install_stdio(struct program *p, struct fd_table *files, const struct cred *cred)
{
    for (int fd = 0; fd < 3; fd++) {
        struct file *f;
        if (p->stdio[fd] < 0) {
            continue;
        }
        int r = host_file_new(p->stdio[fd], cred, &f);
        if (r < 0) {
            return r;
        }
        if (!g_tty) {
            g_tty = host_file_tty(f);
        }
        r = fd_table_install_at(files, f, fd, 3, false);
        file_put(f);
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

static int find_directory(const struct config *c, const struct cred *cred, struct path *out)
{
    struct path root = {g_kernel->mounts->root, g_kernel->mounts->root->root};
    struct walk w = {
        .cred = cred, .root = &root, .start = &root, .flags = WALK_FOLLOW | WALK_DIRECTORY};
    int r = vfs_lookup(&w, c->guest_cwd, out);
    if (r < 0 && c->workdir) {
        fail(EXIT_SANDBOX,
             "--workdir %s: inside: %s: give a directory that is visible there (see --ro, --rw)",
             c->workdir, strerror(-r));
    }
    if (r < 0) {
        log_warn("the current directory %s is not visible inside (%s): starting in /", c->guest_cwd,
                 strerror(-r));
        r = vfs_lookup(&w, "/", out);
    }
    return r;
}

static int make_fs_context(const struct config *c, const struct cred *cred, struct fs_context **out)
{
    struct path root = {g_kernel->mounts->root, g_kernel->mounts->root->root};
    struct path cwd;
    int r = find_directory(c, cred, &cwd);
    if (r < 0) {
        return r;
    }
    r = fs_context_new(&root, &cwd, c->umask, out);
    path_put(&cwd);
    return r;
}

static void inherit(struct task *t, const struct config *c)
{
    struct thread_group *tg = t->tg;
    memcpy(&t->blocked, &c->blocked_signals, sizeof(t->blocked));
    t->blocked &= ~KSIG_UNBLOCKABLE;
    for (int sig = 1; sig <= KSIG_MAX; sig++) {
        if (sigismember(&c->ignored_signals, sig) == 1) {
            tg->sighand->action[sig].handler = 1; /* SIG_IGN */
        }
    }
    memcpy(tg->limits, c->limits, sizeof(tg->limits));
    /*
     * As if started by a shell: a process group of its own in a session that somebody else
     * leads, here PID 1. So it may call setsid(2), and Ctrl-Z stops it: its group is no orphan.
     */
    thread_group_set_session(tg, g_kernel->init->pid);
    tg->from_outside = true;
    if (g_tty) {
        tty_jobs_adopt(tg, g_tty);
    }
}

/* PID 1's children changed: did the program stop? Then so does the front, for its shell to see. */
static void on_init_wake(struct waitq_entry *e, uint32_t events)
{
    static bool stopped;
    (void)e, (void)events;
    if (g_first->stopped != stopped) {
        stopped = g_first->stopped;
        /* SIGSTOP comes from inside, and so will its SIGCONT: a stopped front would never hear of that. */
        if (stopped && g_first->stop_signal != SIGSTOP && g_program->on_stop) {
            g_program->on_stop();
        }
    }
}

static void watch_stops(void)
{
    static struct waitq_entry watch;
    list_init(&watch.link);
    watch.wake = on_init_wake;
    waitq_add(&g_kernel->init->wait_children, &watch);
}

void program_start(struct program *p)
{
    const struct config *c = p->config;
    struct cred *cred;
    struct fd_table *files;
    struct fs_context *fs;
    struct task *t;
    int r = cred_new(&cred, c->uid, c->gid, c->groups, (uint32_t)c->group_count);
    if (r == 0) {
        r = fd_table_new(&files);
    }
    if (r == 0) {
        r = install_stdio(p, files, cred);
    }
    if (r == 0) {
        r = make_fs_context(c, cred, &fs);
    }
    if (r == 0) {
        g_program = p;
        task_set_main(run_task);
        r = task_new_first(p->thread, fs, files, cred, &t);
    }
    if (r < 0) {
        fail(EXIT_SANDBOX, "making the first process: %s", strerror(-r));
    }
    inherit(t, c); /* its kthread has not run yet: this one holds the baton */
    g_first = thread_group_get(t->tg);
    watch_stops();
}

void program_signal(int sig)
{
    bool of_terminal = sig == SIGINT || sig == SIGQUIT || sig == SIGTSTP || sig == SIGWINCH;
    if (of_terminal && g_tty && g_tty->pgrp) {
        tty_signal_foreground(g_tty, sig);
    } else if (g_first && sig == SIGCONT) {
        signal_send_pgrp(g_first->pgrp->nr, sig, NULL); /* as a shell's fg does */
    } else if (g_first) {
        signal_send_group(g_first, sig, NULL);
    }
}
