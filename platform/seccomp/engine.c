/*
 * The seccomp engine's start: the first stub is forked, drops what it has, and executes the stub image;
 * it installs the filter, whose listener we take out of it. Runs before the sentry locks itself down.
 */
#include <cpuid.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/host.h"
#include "lib/log.h"
#include "platform/seccomp/filter.h"
#include "platform/seccomp/seccomp.h"

struct seccomp_engine g_seccomp = {.listener = -1,
                                   .all_processes = LIST_INIT(g_seccomp.all_processes),
                                   .pending = LIST_INIT(g_seccomp.pending)};

static int ro_page_new(void)
{
    AUTO_FD fd = host_memfd_create("ro", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0) {
        return fd;
    }
    int r = host_ftruncate(fd, STUB_RO_SIZE);
    if (r < 0) {
        return r;
    }
    g_seccomp.ro = mmap(NULL, STUB_RO_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (g_seccomp.ro == MAP_FAILED) {
        return -ENOMEM;
    }
    r = host_fcntl(fd, F_ADD_SEALS,
                   F_SEAL_FUTURE_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
    return r < 0 ? r : take_fd(&fd);
}

/* A stub keeps the image and the read-only page open, so both are descriptions that can't be written. */
static int read_only(int fd)
{
    int r = fd < 0 ? fd : platform_reopen_read_only(fd);
    if (r >= 0) {
        host_close(fd);
        return r;
    }
    return fd; /* no procfs: the seals must do */
}

/* Context: the forked child, which only ever executes the stub. No capability survives; fds 0-2 neither. */
static NORETURN void first_stub(int chan_fd, size_t max_tasks)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[2] = {0};
    struct rlimit files;
    int high[3] = {host_fcntl(chan_fd, F_DUPFD, 100), host_fcntl(g_seccomp.ro_fd, F_DUPFD, 100),
                   host_fcntl(g_seccomp.image_fd, F_DUPFD, 100)};
    if (high[0] < 0 || high[1] < 0 || high[2] < 0 || dup2(high[0], STUB_FD_CHAN) < 0 ||
        dup2(high[1], STUB_FD_RO) < 0 || dup2(high[2], STUB_FD_IMAGE) < 0) {
        _exit(126);
    }
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || syscall(SYS_capset, &header, none) < 0) {
        _exit(126);
    }
    engine_limit_tasks(max_tasks);
    for (int sig = 1; sig < 65; sig++) {
        signal(sig, SIG_DFL);
    }
    signal(SIGXFSZ, SIG_IGN); /* for all that come of it: see writer.c */
    sigset_t empty;
    sigemptyset(&empty);
    sigprocmask(SIG_SETMASK, &empty, NULL);
    syscall(SYS_close_range, 0, 2, 0);
    syscall(SYS_close_range, STUB_FD_IMAGE + 1, ~0U, 0);
    char *const argv[] = {(char *)(uintptr_t) "stub", (char *)(uintptr_t) "first", NULL};
    char *const envp[] = {NULL};
    syscall(SYS_execveat, STUB_FD_IMAGE, "", argv, envp, AT_EMPTY_PATH);
    _exit(126);
}

/* Sleeps until the first stub wrote its request, or died. */
static int first_wait(struct chan *c, int pid)
{
    for (;;) {
        uint32_t state = __atomic_load_n(&c->state, __ATOMIC_SEQ_CST);
        if ((state & CHAN_STATE_MASK) == CHAN_REQ) {
            return 0;
        }
        struct timespec timeout = {.tv_nsec = 20 * NSEC_PER_MSEC};
        if (host_futex_wait(&c->state, state, &timeout) == -ETIMEDOUT) {
            int status;
            if (waitpid(pid, &status, WNOHANG) == pid) {
                log_error("the first stub ended with status %#x", status);
                return -EIO;
            }
        }
    }
}

static int take_listener(int pid, struct chan *c)
{
    int number = (int)*(volatile uint64_t *)&c->args[5];
    if (number < 0) {
        return number; /* the host refused the filter */
    }
    AUTO_FD pidfd = (int)host_result(syscall(SYS_pidfd_open, pid, 0));
    if (pidfd < 0) {
        return pidfd;
    }
    return (int)host_result(syscall(SYS_pidfd_getfd, pidfd, number, 0));
}

static int first_stub_start(struct platform_thread *th, size_t max_tasks)
{
    struct chan *c = th->chan;
    struct sock_filter *program = (void *)((char *)c + WINDOW_OFFSET);
    c->args[0] = stub_filter_build(program);
    c->args[1] = SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
    int pid = (int)host_result(fork());
    if (pid < 0) {
        return pid;
    }
    if (pid == 0) {
        first_stub(th->space->region->fd, max_tasks);
    }
    int r = thread_bind(th, pid, pid);
    if (r < 0) {
        return r;
    }
    r = first_wait(c, pid);
    if (r < 0) {
        return r;
    }
    g_seccomp.listener = take_listener(pid, c);
    if (g_seccomp.listener < 0) {
        return g_seccomp.listener;
    }
    uint64_t flags = SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP;
    r = host_ioctl(g_seccomp.listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS, (void *)(uintptr_t)flags);
    if (r < 0) {
        log_info("no synchronous wake-up of notifications (%d): an older kernel", r);
    }
    memcpy(th->args, c->args, sizeof(th->args));
    __atomic_store_n(&c->state, CHAN_DONE, __ATOMIC_SEQ_CST);
    host_futex_wake(&c->state, 1);
    return 0;
}

static void copy_plan_publish(const uint16_t (*plan)[6])
{
    memcpy(g_seccomp.ro->copy_plan, plan, sizeof(g_seccomp.ro->copy_plan));
    for (int nr = 0; nr < PLATFORM_COPY_NR_COUNT; nr++) {
        for (int i = 0; i < 6; i++) {
            g_seccomp.ro->has_copy[nr] |= plan[nr][i] != 0;
        }
    }
}

static void guest_will_wait(void *guest)
{
    channel_park(guest);
}

static bool has_rdpid(void)
{
    unsigned a, b, c = 0, d;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (c & bit_RDPID);
}

static int seccomp_start(const struct platform_config *config, struct platform_thread **out,
                         struct platform_boot *out_boot)
{
    struct platform_space *space;
    g_seccomp.cpu_count = config->cpu_count;
    g_seccomp.patch = !config->no_patch;
    g_seccomp.dying = config->dying;
    g_seccomp.info = stub_image_info();
    g_seccomp.image_fd = read_only(stub_image_memfd());
    if (g_seccomp.image_fd < 0) {
        return g_seccomp.image_fd;
    }
    g_seccomp.ro_fd = read_only(ro_page_new());
    if (g_seccomp.ro_fd < 0) {
        return g_seccomp.ro_fd;
    }
    g_seccomp.ro->rdpid = has_rdpid();
    g_seccomp.ro->vdso_clock = vdso_offset("__vdso_clock_gettime");
    if (config->copy_plan) {
        copy_plan_publish(config->copy_plan);
    }
    if (config->kept_answers) {
        memcpy(g_seccomp.ro->kept, config->kept_answers, sizeof(g_seccomp.ro->kept));
        g_seccomp.ro->answer = 1;
        park_init();
        g_seccomp.ro->cpu_count = (uint32_t)config->cpu_count;
    }
    kthread_set_wait_hook(guest_will_wait);
    int r = space_new(&space);
    if (r < 0) {
        return r;
    }
    r = thread_new(space, out);
    space_put(space);
    if (r < 0) {
        return r;
    }
    thread_set_slot(*out, 0);
    r = first_stub_start(*out, config->max_tasks);
    if (r == 0) {
        boot_result(*out, out_boot);
        (*out)->started = true;
    }
    return r;
}

static void seccomp_set_owner(struct platform_thread *th, struct kthread *owner)
{
    th->owner = owner;
    if (owner) {
        owner->guest = th;
        kthread_wake(owner); /* what came before it was there */
    }
}

static int seccomp_host_pid(const struct platform_thread *th)
{
    return th->proc ? th->proc->pid : 0;
}

static int seccomp_host_tid(const struct platform_thread *th)
{
    return th->tid;
}

static uaddr_t seccomp_call_sp(const struct platform_thread *th)
{
    if (th->has_context) {
        return th->regs[REG_RSP_];
    }
    return th->chan ? *(volatile uint64_t *)&th->chan->sp : 0;
}

static struct platform_space *seccomp_space(struct platform_thread *th)
{
    return th->space;
}

const struct engine_ops g_seccomp_engine = {
    .start = seccomp_start,
    .run = handoff_start,
    .set_owner = seccomp_set_owner,
    .children = seccomp_children,
    .switch_to = seccomp_switch,
    .set_result = seccomp_set_result,
    .get_context = seccomp_get_context,
    .set_context = seccomp_set_context,
    .redo_call = seccomp_redo_call,
    .can_signal = seccomp_can_signal,
    .signal = seccomp_signal,
    .set_altstack = seccomp_set_altstack,
    .keep_action = seccomp_keep_action,
    .default_actions = seccomp_default_actions,
    .forget_actions = seccomp_forget_actions,
    .interrupt = seccomp_interrupt,
    .hold = seccomp_hold,
    .call_regs = seccomp_call_regs,
    .begin_call = seccomp_begin_call,
    .stop_sites = seccomp_stop_sites,
    .clone = seccomp_clone,
    .thread_exit = seccomp_thread_exit,
    .thread_free = seccomp_thread_free,
    .kill = seccomp_kill,
    .host_pid = seccomp_host_pid,
    .host_tid = seccomp_host_tid,
    .call_sp = seccomp_call_sp,
    .lease_page = seccomp_lease_page,
    .lease_bytes = seccomp_lease_bytes,
    .stamps = seccomp_stamps,
    .notes = seccomp_notes,
    .grant_notes = seccomp_grant_notes,
    .lease_map = seccomp_lease_map,
    .ring_map = seccomp_ring_map,
    .lease_unmap = seccomp_lease_unmap,
    .writer_give = seccomp_writer_give,
    .writer_limit = seccomp_writer_limit,
    .keep_answer = seccomp_keep_answer,
    .forget_answers = seccomp_forget_answers,
    .set_mask = seccomp_set_mask,
    .running_mask = seccomp_running_mask,
    .set_brk = seccomp_set_brk,
    .brk = seccomp_brk,
    .forget_files = seccomp_forget_files,
    .kept_file = seccomp_kept_file,
    .set_cpu_before = seccomp_set_cpu_before,
    .tid_address = seccomp_tid_address,
    .cpu_start = seccomp_cpu_start,
    .robust_list = seccomp_robust_list,
    .exit_info = seccomp_exit_info,
    .ask = seccomp_ask,
    .space = seccomp_space,
    .exec = seccomp_exec,
    .preloaded = seccomp_preloaded,
    .load = seccomp_load_program,
    .mem = seccomp_mem,
    .mem_tail = seccomp_mem_tail,
    .copy_room = seccomp_copy_room,
    .copy_in = seccomp_copy_in,
    .copy_in_str = seccomp_copy_in_str,
    .copy_out = seccomp_copy_out,
    .vector = seccomp_vector,
    .window = seccomp_window,
    .window_filled = seccomp_window_filled,
    .space_pid = seccomp_space_pid,
};
