/*
 * The sentry process: gets its host resources, gives up its privileges, and becomes the guest's
 * kernel. The order matters: what needs the host's tree comes before the root is emptied, the first
 * stub before the host filter (stubs must not inherit it), what a guest can influence after both.
 */
#include "runtime/sentry_main.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "lib/host.h"
#include "lib/hostfilter.h"
#include "lib/log.h"
#include "lib/panic.h"
#include "platform/platform.h"
#include "runtime/control.h"
#include "runtime/error.h"
#include "runtime/guest_hosts.h"
#include "runtime/guest_mounts.h"
#include "runtime/program.h"
#include "sentry/base/events.h"
#include "sentry/base/kernel.h"
#include "sentry/base/timer.h"
#include "sentry/fs/fs.h"
#include "sentry/task/task.h"
#include "sentry/task/tty_jobs.h"
#include "syscalls/copy_plan.h"
#include "syscalls/crash.h"
#include "syscalls/recent.h"
#include "syscalls/socket.h"

/* What uname(2) says: the Linux whose system calls we serve, and a name of our own. */
#define KERNEL_RELEASE "6.18.0-sandbox"

/* Numbers above those that a person would take for stdio in a report. */
#define STDIO_MIN_FD 10

static struct {
    struct wall *wall;
    struct program program;
    struct event_source control, children;
    struct ktimer children_pause;
    int child_fd;
} g_sentry;

NORETURN static void start_failed(const char *what, int error)
{
    fail(EXIT_SANDBOX, "starting the sentry: %s: %s", what, strerror(error));
}

/* The program's stdin, stdout and stderr move up; of ours only stderr stays, for crash reports. */
static void take_stdio(const struct config *c)
{
    AUTO_FD null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0) {
        start_failed("/dev/null", errno);
    }
    for (int fd = 0; fd < 3; fd++) {
        g_sentry.program.stdio[fd] =
            c->stdio_open[fd] ? fcntl(fd, F_DUPFD_CLOEXEC, STDIO_MIN_FD) : -1;
        if (fd < 2 && dup2(null, fd) < 0) {
            start_failed("stdio", errno);
        }
    }
}

/* What a crash of the guest, or a bug of ours, will need: libraries and files that are out of reach soon. */
static void prepare_reports(const struct config *c)
{
    const char *missing = NULL;
    panic_init(recent_print);
    if (c->backtrace) {
        crash_init(&missing);
    }
    if (missing) {
        log_warn("--backtrace without %s", missing);
    }
}

static void block_signals(void)
{
    sigset_t set;
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaction(SIGPIPE, &ignore, NULL);
    if (sigprocmask(SIG_SETMASK, &set, NULL) < 0) {
        start_failed("signals", errno);
    }
    g_sentry.child_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (g_sentry.child_fd < 0) {
        start_failed("signalfd", errno);
    }
}

static void setup_kernel(const struct config *c)
{
    struct kernel *k = g_kernel;
    cpu_set_t cpus;
    struct sysinfo info;
    snprintf(k->hostname, sizeof(k->hostname), "%s", c->hostname);
    snprintf(k->domainname, sizeof(k->domainname), "(none)");
    snprintf(k->machine_release, sizeof(k->machine_release), "%s", KERNEL_RELEASE);
    k->cpu_count = sched_getaffinity(0, sizeof(cpus), &cpus) == 0 ? (size_t)CPU_COUNT(&cpus) : 1;
    k->total_memory = sysinfo(&info) == 0 ? (uint64_t)info.totalram * info.mem_unit : 1ULL << 30;
    if (c->memory && c->memory < k->total_memory) {
        k->total_memory = c->memory;
    }
    k->max_pids = c->pids;
    /* Guests read the host's clocks: so "boot" is the host's, and /proc/uptime agrees with CLOCK_BOOTTIME. */
    int64_t uptime_ns = host_clock_ns(CLOCK_BOOTTIME);
    k->boot_monotonic_ns = host_clock_ns(CLOCK_MONOTONIC) - uptime_ns;
    k->boot_realtime_ns = host_clock_ns(CLOCK_REALTIME) - uptime_ns;
}

/* --- events --- */

static void control_ready(struct event_source *s, uint32_t events)
{
    (void)events;
    struct control_msg msg;
    struct iovec iov = {&msg, sizeof(msg)};
    struct msghdr hdr = {.msg_iov = &iov, .msg_iovlen = 1};
    while (host_recvmsg(s->fd, &hdr, MSG_DONTWAIT) == (ssize_t)sizeof(msg)) {
        if (msg.kind == CONTROL_SIGNAL && msg.value > 0 && msg.value <= KSIG_MAX) {
            program_signal(msg.value);
        }
        hdr = (struct msghdr){.msg_iov = &iov, .msg_iovlen = 1};
    }
}

static void reap_children(void)
{
    struct signalfd_siginfo info[8];
    while (host_read(g_sentry.child_fd, info, sizeof(info)) > 0) {
    }
    platform_children();
}

/*
 * Nobody waits for the end of a stub that we killed: its guest's end is known. So while there may be such, children are looked at
 * every now and then only: a shell that makes hundreds of processes a second would have this thread wake for
 * each, and fight for the baton. With ptrace every stop is a SIGCHLD.
 */
#define CHILDREN_PAUSE_NS (5 * NSEC_PER_MSEC)

static void children_ready(struct event_source *s, uint32_t events)
{
    (void)s;
    (void)events;
    reap_children();
}

/* Context: baton held. */
static void children_dying(void)
{
    if (!ktimer_armed(&g_sentry.children_pause) && g_sentry.children.ready) {
        event_source_modify(&g_sentry.children, 0);
        ktimer_set(&g_sentry.children_pause, ktime_monotonic_ns() + CHILDREN_PAUSE_NS);
    }
}

static void children_pause_over(struct ktimer *t)
{
    (void)t;
    reap_children();
    event_source_modify(&g_sentry.children, EPOLLIN);
}

static void watch(struct event_source *s, int fd,
                  void (*ready)(struct event_source *source, uint32_t events))
{
    int r = event_source_add(s, fd, EPOLLIN, ready);
    if (r < 0) {
        start_failed("events", -r);
    }
}

/* MSG_DONTWAIT: the front reads soon, but the baton must not depend on it. */
static int tell_front(enum control_kind kind, int value)
{
    struct control_msg msg = {.kind = kind, .value = value};
    struct iovec iov = {&msg, sizeof(msg)};
    struct msghdr hdr = {.msg_iov = &iov, .msg_iovlen = 1};
    ssize_t n = host_sendmsg(g_sentry.wall->control_inside, &hdr, MSG_NOSIGNAL | MSG_DONTWAIT);
    return n < 0 ? (int)n : 0;
}

static void program_stopped(void)
{
    if (tell_front(CONTROL_STOPPED, 0) < 0) {
        log_warn("the front was not told of a stop");
    }
}

NORETURN static void report_exit(int status)
{
    _exit(tell_front(CONTROL_EXITED, status) < 0 ? EXIT_SANDBOX : 0);
}

/* --- start --- */

/* What needs to wait for the gofer, and so a kthread. */
static void boot(void *arg)
{
    (void)arg;
    vfs_set_special(fifo_open, device_open);
    tty_jobs_init();
    sockets_init();
    int r = task_init_pid1();
    if (r < 0) {
        start_failed("init", -r);
    }
    guest_mounts_build(g_sentry.wall->config);
    guest_hosts_name(g_sentry.wall->config);
    program_start(&g_sentry.program);
}

static void limit_memory(const struct config *c)
{
    if (c->rlimit_memory) {
        struct rlimit limit = {c->memory, c->memory};
        setrlimit(RLIMIT_DATA, &limit); /* stubs inherit it */
    }
}

static void start_platform(const struct config *c, int proc_fd)
{
    struct program *p = &g_sentry.program;
    struct platform_config config = {.engine = c->engine,
                                     .dying = children_dying,
                                     .proc_fd = proc_fd,
                                     .cpu_count = g_kernel->cpu_count,
                                     .max_tasks = (size_t)g_kernel->max_pids,
                                     .no_patch = c->no_patch,
                                     .copy_plan = syscall_copy_plan(),
                                     /* --strace shows every call: all of them come here */
                                     .kept_answers = c->strace ? NULL : syscall_kept_answers()};
    int r = platform_start(&config, &p->thread, &p->boot);
    if (r < 0) {
        fail(EXIT_SANDBOX, "starting the %s platform: %s: %s",
             c->engine == PLATFORM_PTRACE ? "ptrace" : "seccomp", strerror(-r),
             c->engine == PLATFORM_PTRACE ? "may processes be traced here?"
                                          : "try --platform=ptrace");
    }
}

static void start_services(struct wall *w)
{
    int r = events_init();
    if (r == 0) {
        r = timers_init();
    }
    if (r < 0) {
        start_failed("events and timers", -r);
    }
    watch(&g_sentry.control, w->control_inside, control_ready);
    ktimer_init(&g_sentry.children_pause, children_pause_over);
    watch(&g_sentry.children, g_sentry.child_fd, children_ready);
}

static void lock_in(const struct config *c, int proc_fd)
{
    const struct hostfilter_params params = {.proc_fd = proc_fd,
                                             .ptrace = c->engine == PLATFORM_PTRACE};
    int r = hostfilter_install(HOST_SENTRY, &params);
    if (r < 0) {
        fail(EXIT_SANDBOX, "sentry's host filter: %s: the host needs seccomp", strerror(-r));
    }
}

NORETURN void sentry_main(struct wall *w)
{
    const struct config *c = w->config;
    const int keep[] = {0, 1, 2, w->control_inside, w->gofer_client, c->log_fd, c->strace_fd};
    struct kthread *k;
    mallopt(M_ARENA_MAX,
            1); /* the baton serialises us anyway; and other arenas open files in /proc */
    log_set_process("sentry");
    g_sentry.wall = w;
    g_sentry.program.config = c;
    g_sentry.program.on_stop = program_stopped;
    wall_enter(w, keep, ARRAY_COUNT(keep));
    log_debug("born");
    take_stdio(c);
    prepare_reports(c);
    int proc_fd = wall_proc_fd();
    wall_empty_root(NULL, NULL);
    wall_drop_privileges(w, 0, true);
    log_debug("behind the wall");
    block_signals();
    setup_kernel(c);
    baton_take();
    start_services(w);
    limit_memory(c);
    start_platform(c, proc_fd);
    log_debug("the platform has started");
    lock_in(c, proc_fd);
    log_debug("locked in");
    int r = 0;
    if (w->gofer_client >= 0) {
        r = gofer_client_new(w->gofer_client, &g_kernel->gofer);
    }
    if (r == 0) {
        r = platform_run();
    }
    if (r == 0) {
        r = kthread_create(&k, boot, NULL, "boot");
    }
    if (r < 0) {
        start_failed("platform and gofer", -r);
    }
    baton_drop();
    events_loop();
    report_exit(g_kernel->exit_status);
}
