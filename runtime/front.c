/*
 * The process that the user started. It stays outside of the wall, does nothing for the guest but
 * pass signals on, and believes nothing that comes from inside: a message is text to print or a
 * status to return.
 */
#include "runtime/front.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/host.h"
#include "runtime/cgroup.h"
#include "runtime/control.h"
#include "runtime/error.h"
#include "runtime/wall.h"
#include "syscalls/strace.h"

#define KILL_GRACE_NS (2 * NSEC_PER_SEC)
/*
 * The sentry counts as hung when a signal is unread at so many looks in a row. Who looks much later than it wanted to was stopped, or
 * frozen, and so was the sentry, as a rule: such a look does not count.
 */
#define ANSWER_LOOK_NS  (NSEC_PER_SEC / 2)
#define ANSWER_LOOKS    10
#define ANSWER_LATER_NS (NSEC_PER_SEC / 4)

struct front {
    const struct config *config;
    struct wall wall;
    struct cgroup cgroup;
    int signal_fd;
    int64_t deadline_ns; /* of --timeout; INT64_MAX: none */
    int64_t answer_ns;   /* when to look whether the last signal was read; INT64_MAX: not at all */
    int unanswered;      /* looks */
    bool timed_out;
    bool sentry_gone, gofer_gone;
    bool inside_gone;                /* the control socket has no other end any more */
    int sentry_status, gofer_status; /* wait(2) statuses */
    int setup_status;
    bool done;
    int exit_status;
    char message[sizeof(((struct control_msg *)0)->text)]; /* "" : none */
};

static const int forwarded[] = {SIGINT,  SIGTERM,  SIGHUP,  SIGQUIT, SIGUSR1,
                                SIGUSR2, SIGWINCH, SIGCONT, SIGTSTP};

void front_inherit(struct config *c)
{
    sigemptyset(&c->ignored_signals);
    for (int sig = 1; sig < NSIG; sig++) {
        struct sigaction action;
        if (sigaction(sig, NULL, &action) == 0 && action.sa_handler == SIG_IGN) {
            sigaddset(&c->ignored_signals, sig);
        }
    }
    sigprocmask(SIG_SETMASK, NULL, &c->blocked_signals);
    for (int i = 0; i < RLIM_NLIMITS; i++) {
        getrlimit((__rlimit_resource_t)i, &c->limits[i]);
    }
    c->umask = umask(022);
    umask(c->umask);
    /* The sandbox's own fds must not land on a number that the program expects to be closed. */
    for (int fd = 0; fd < 3; fd++) {
        c->stdio_open[fd] = fcntl(fd, F_GETFD) >= 0;
        if (!c->stdio_open[fd] && open("/dev/null", O_RDWR) != fd) {
            fail(EXIT_SANDBOX, "/dev/null: %s: the host needs one", strerror(errno));
        }
    }
}

static int open_output(const char *option, const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0644);
    if (fd < 0) {
        fail(EXIT_SANDBOX, "--%s %s: %s: give a file that can be written", option, path,
             strerror(errno));
    }
    return fd;
}

static void open_outputs(struct config *c)
{
    c->log_fd = c->log_file ? open_output("log", c->log_file) : -1;
    if (c->log_fd >= 0) {
        log_open(c->log_fd, c->log_level, "front");
        log_debug("start");
    }
    c->strace_fd = -1;
    if (!c->strace) {
        return;
    }
    const char *bad = "";
    c->strace_fd = c->strace_file ? open_output("strace-file", c->strace_file)
                                  : fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
    /* The sentry inherits the configuration, like everything. */
    if (strace_config(c->strace_filter, c->strace_fd, &bad) < 0) {
        fail(EXIT_SANDBOX, "--strace: '%s' is no system call: see `sandbox syscalls`", bad);
    }
}

static void limit_memory(struct front *f, struct config *c)
{
    f->cgroup = (struct cgroup){.procs_fd = -1, .janitor = -1};
    if (c->memory && cgroup_make(&f->cgroup, c->memory) < 0) {
        c->rlimit_memory = true;
        warn("--memory: no memory cgroup can be made here: the limit holds for the data of each "
             "process "
             "by itself");
    }
}

static void block_signals(struct front *f)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    for (size_t i = 0; i < ARRAY_COUNT(forwarded); i++) {
        sigaddset(&set, forwarded[i]);
    }
    /* An ignored SIGCHLD would hide how our own processes end. */
    signal(SIGCHLD, SIG_DFL);
    signal(SIGPIPE, SIG_IGN);
    if (sigprocmask(SIG_BLOCK, &set, NULL) < 0) {
        fail(EXIT_SANDBOX, "signals: %s", strerror(errno));
    }
    f->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (f->signal_fd < 0) {
        fail(EXIT_SANDBOX, "signalfd: %s: raise the limit of open files", strerror(errno));
    }
}

/* What the guest closes must be closed for good, so the front keeps nothing of it but stderr. */
static void let_go_of_stdio(void)
{
    AUTO_FD null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null >= 0) {
        dup2(null, 0);
        dup2(null, 1);
    }
}

static void send_signal(struct front *f, int sig)
{
    if (f->answer_ns == INT64_MAX) {
        f->answer_ns = host_clock_ns(CLOCK_MONOTONIC) + ANSWER_LOOK_NS;
        f->unanswered = 0;
    }
    struct control_msg msg = {.kind = CONTROL_SIGNAL, .value = sig};
    ssize_t n = send(f->wall.control_front, &msg, sizeof(msg), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && errno != EPIPE && errno != ECONNRESET) {
        log_warn("signal %d was not passed on: %s", sig, strerror(errno));
    }
}

static void finish(struct front *f, int exit_status)
{
    if (!f->done) {
        f->done = true;
        f->exit_status = exit_status;
    }
}

static void read_control(struct front *f)
{
    struct control_msg msg;
    while (!f->done) {
        ssize_t n = recv(f->wall.control_front, &msg, sizeof(msg), MSG_DONTWAIT);
        if (n != (ssize_t)sizeof(msg)) {
            return; /* nothing, or the other side is gone: SIGCHLD tells how */
        }
        msg.text[sizeof(msg.text) - 1] = 0;
        switch (msg.kind) {
        case CONTROL_FAILED:
            memcpy(f->message, msg.text, sizeof(f->message));
            finish(f, msg.value >= EXIT_SANDBOX && msg.value <= EXIT_NOT_FOUND ? msg.value
                                                                               : EXIT_SANDBOX);
            break;
        case CONTROL_EXITED:
            finish(f, WIFSIGNALED(msg.value) ? 128 + WTERMSIG(msg.value) : WEXITSTATUS(msg.value));
            break;
        case CONTROL_STOPPED:
            kill(getpid(),
                 SIGSTOP); /* the shell shall see its job stop; SIGCONT is passed on later */
            break;
        default:
            snprintf(f->message, sizeof(f->message), "the sentry sent nonsense");
            finish(f, EXIT_SANDBOX);
        }
    }
}

static void reap(struct front *f)
{
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        if (pid == f->wall.setup) {
            f->setup_status = status;
            f->wall.setup = -1;
        } else if (pid == f->wall.pids->sentry) {
            f->sentry_gone = true;
            f->sentry_status = status;
        } else if (pid == f->wall.pids->gofer) {
            f->gofer_gone = true;
            f->gofer_status = status;
        }
    }
}

static void describe_death(struct front *f, const char *who, int status)
{
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS) {
        snprintf(f->message, sizeof(f->message),
                 "%s made a host system call that it may not make: killed: please report this",
                 who);
    } else if (WIFSIGNALED(status)) {
        snprintf(
            f->message, sizeof(f->message), "%s was killed by signal %d: %s", who, WTERMSIG(status),
            WTERMSIG(status) == SIGKILL ? "by you, or is memory short?" : "please report this");
    } else {
        snprintf(f->message, sizeof(f->message), "%s ended with status %d: please report this", who,
                 WEXITSTATUS(status));
    }
    finish(f, EXIT_SANDBOX);
}

static void check_children(struct front *f)
{
    reap(f);
    read_control(f); /* a message that explains it was sent before the death */
    if (f->done) {
        return;
    }
    if (f->sentry_gone) {
        describe_death(f, "the sentry", f->sentry_status);
    } else if (f->gofer_gone && f->gofer_status) { /* 0: the sentry went first */
        describe_death(f, "the gofer", f->gofer_status);
    } else if (f->setup_status) {
        describe_death(f, "the setup process", f->setup_status);
    }
}

static void read_signals(struct front *f)
{
    struct signalfd_siginfo info;
    while (host_read(f->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        int sig = (int)info.ssi_signo;
        if (sig == SIGCHLD) {
            check_children(f);
            continue;
        }
        send_signal(f, sig); /* SIGTSTP: when the program stops, CONTROL_STOPPED comes back */
    }
}

/* A sentry that hangs could not be interrupted with Ctrl-C, so it must not hang for long. */
static void check_answer(struct front *f, int64_t now)
{
    int unread = 0;
    if (now < f->answer_ns) {
        return;
    }
    f->unanswered += now - f->answer_ns < ANSWER_LATER_NS;
    f->answer_ns = now + ANSWER_LOOK_NS;
    if (host_ioctl(f->wall.control_front, SIOCOUTQ, &unread) < 0 || unread == 0) {
        f->answer_ns = INT64_MAX;
    } else if (f->unanswered >= ANSWER_LOOKS) {
        snprintf(f->message, sizeof(f->message),
                 "the sentry does not answer: killed: please report this");
        finish(f, EXIT_SANDBOX);
    }
}

static void check_timeout(struct front *f, int64_t now)
{
    if (now < f->deadline_ns) {
        return;
    }
    if (f->timed_out) {
        finish(f, EXIT_TIMEOUT);
        return;
    }
    f->timed_out = true;
    f->deadline_ns += KILL_GRACE_NS;
    send_signal(f, SIGTERM);
    send_signal(f, SIGCONT); /* a stopped program can't act on SIGTERM */
}

static void wait_for_end(struct front *f)
{
    while (!f->done) {
        struct pollfd fds[] = {{.fd = f->signal_fd, .events = POLLIN},
                               {.fd = f->wall.control_front, .events = POLLIN}};
        struct timespec timeout, *wait = NULL;
        int64_t next = MIN(f->deadline_ns, f->answer_ns);
        if (next != INT64_MAX) {
            int64_t left = MAX(next - host_clock_ns(CLOCK_MONOTONIC), 0);
            timeout = (struct timespec){left / NSEC_PER_SEC, left % NSEC_PER_SEC};
            wait = &timeout;
        }
        /* Once nobody is at the other end of the socket, only SIGCHLD is left to wait for. */
        if (ppoll(fds, f->inside_gone ? 1 : 2, wait, NULL) < 0 && errno != EINTR) {
            fail(EXIT_SANDBOX, "waiting: %s", strerror(errno));
        }
        read_control(f);
        f->inside_gone = f->inside_gone || (fds[1].revents & (POLLHUP | POLLERR));
        read_signals(f);
        int64_t now = host_clock_ns(CLOCK_MONOTONIC);
        check_answer(f, now);
        check_timeout(f, now);
    }
}

/* Both are first in their PID namespaces: waiting for them waits for all that is inside. */
static void end_all(struct front *f)
{
    pid_t pids[] = {f->wall.setup, f->wall.pids->sentry, f->wall.pids->gofer};
    bool gone[] = {f->wall.setup < 0, f->sentry_gone, f->gofer_gone};
    for (size_t i = 0; i < ARRAY_COUNT(pids); i++) {
        if (pids[i] > 0 && !gone[i]) {
            kill(pids[i], SIGKILL);
        }
    }
    for (size_t i = 0; i < ARRAY_COUNT(pids); i++) {
        while (pids[i] > 0 && !gone[i] && waitpid(pids[i], NULL, 0) < 0 && errno == EINTR) {
        }
    }
    cgroup_remove(&f->cgroup);
}

int front_run(struct config *c)
{
    static struct front f;
    f.config = c;
    f.deadline_ns = f.answer_ns = INT64_MAX;
    open_outputs(c);
    block_signals(&f);
    limit_memory(&f, c);
    f.wall.config = c;
    wall_start(&f.wall, f.cgroup.procs_fd);
    host_close(f.cgroup.procs_fd);
    let_go_of_stdio();
    if (c->timeout_ns) {
        f.deadline_ns = host_clock_ns(CLOCK_MONOTONIC) + c->timeout_ns;
    }
    log_debug("started");
    wait_for_end(&f);
    log_debug("the program has ended");
    end_all(&f);
    log_debug("everything is gone");
    if (f.message[0]) {
        fail(f.exit_status, "%s", f.message);
    }
    return f.timed_out ? EXIT_TIMEOUT : f.exit_status;
}
