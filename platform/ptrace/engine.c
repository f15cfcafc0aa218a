/* The ptrace engine's start, its stops, and deaths: see ptrace.h. */

#include "platform/ptrace/ptrace.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/host.h"
#include "lib/log.h"

#define OPTIONS                                                                                    \
    (PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK |        \
     PTRACE_O_TRACEVFORK | PTRACE_O_TRACEEXEC)
#define EARLY_MAX 64

struct ptrace_engine g_ptrace = {.all_processes = LIST_INIT(g_ptrace.all_processes),
                                 .give_waiters = LIST_INIT(g_ptrace.give_waiters)};
static int g_early[EARLY_MAX]; /* tids that stopped before clone told us of them */

/* --- objects --- */

int ptrace_space_new(struct platform_space **out)
{
    struct platform_space *s = calloc(1, sizeof(*s));
    if (!s) {
        return -ENOMEM;
    }
    refcount_init(&s->ref);
    list_init(&s->procs);
    *out = s;
    return 0;
}

struct platform_space *ptrace_space_get(struct platform_space *s)
{
    refcount_get(&s->ref);
    return s;
}

void ptrace_space_put(struct platform_space *s)
{
    if (refcount_put(&s->ref)) {
        free(s);
    }
}

int tracee_new(struct platform_space *s, struct platform_thread **out)
{
    struct platform_thread *th = calloc(1, sizeof(*th));
    if (!th) {
        return -ENOMEM;
    }
    th->space = ptrace_space_get(s);
    list_init(&th->proc_link);
    list_init(&th->give_link);
    *out = th;
    return 0;
}

struct platform_thread *tracee_find(int tid)
{
    uint64_t hash = hash_u64((uint64_t)tid);
    for (struct hash_node *n = hash_chain(&g_ptrace.tids, hash); n; n = n->next) {
        struct platform_thread *th = container_of(n, struct platform_thread, hash);
        if (th->tid == tid) {
            return th;
        }
    }
    return NULL;
}

static struct tracee_process *process_of(int pid)
{
    uint64_t hash = hash_u64((uint64_t)pid);
    for (struct hash_node *n = hash_chain(&g_ptrace.pids, hash); n; n = n->next) {
        struct tracee_process *p = container_of(n, struct tracee_process, hash);
        if (p->pid == pid) {
            return p;
        }
    }
    return NULL;
}

static struct tracee_process *process_new(int pid, struct platform_space *s)
{
    struct tracee_process *p = calloc(1, sizeof(*p));
    if (!p || hash_insert(&g_ptrace.pids, &p->hash, hash_u64((uint64_t)pid)) < 0) {
        free(p);
        return NULL;
    }
    p->pid = pid;
    p->space = ptrace_space_get(s);
    list_add_tail(&p->space_link, &s->procs);
    list_add_tail(&p->all_link, &g_ptrace.all_processes);
    list_init(&p->threads);
    return p;
}

int tracee_bind(struct platform_thread *th, int tid, int pid)
{
    struct tracee_process *p = process_of(pid);
    if (!p) {
        p = process_new(pid, th->space);
    }
    if (!p || hash_insert(&g_ptrace.tids, &th->hash, hash_u64((uint64_t)tid)) < 0) {
        return -ENOMEM;
    }
    th->tid = tid;
    th->proc = p;
    list_del(&th->proc_link);
    list_add_tail(&th->proc_link, &p->threads);
    return 0;
}

void tracee_unbind(struct platform_thread *th)
{
    if (th->tid) {
        hash_remove(&g_ptrace.tids, &th->hash);
        th->tid = 0;
    }
}

static void process_maybe_free(struct tracee_process *p)
{
    if (p->reaped && list_empty(&p->threads)) {
        list_del(&p->all_link);
        free(p);
    }
}

void tracee_destroy(struct platform_thread *th)
{
    struct tracee_process *p = th->proc;
    tracee_unbind(th);
    list_del(&th->proc_link);
    ptrace_space_put(th->space);
    free(th);
    if (p) {
        process_maybe_free(p);
    }
}

void tracee_move(struct platform_thread *th, struct platform_space *s)
{
    struct tracee_process *p = th->proc;
    list_del(&p->space_link);
    ptrace_space_put(p->space);
    p->space = ptrace_space_get(s);
    list_add_tail(&p->space_link, &s->procs);
    ptrace_space_put(th->space);
    th->space = ptrace_space_get(s);
}

/* --- stops --- */

int tracee_read_regs(struct platform_thread *th)
{
    long r = host_result(ptrace(PTRACE_GETREGS, th->tid, 0, &th->regs));
    th->regs_dirty = false;
    return r < 0 ? -ESRCH : 0;
}

/*
 * DEVIATION: a thread can load segment registers with any privilege level, and set bases beyond its half of
 * the address space; the host hands such values out, but does not take them back.
 */
static void make_regs_acceptable(struct user_regs_struct *r)
{
    unsigned long long *selectors[] = {&r->ds, &r->es, &r->fs, &r->gs};
    for (size_t i = 0; i < ARRAY_COUNT(selectors); i++) {
        *selectors[i] |= *selectors[i] ? 3 : 0;
    }
    r->fs_base = r->fs_base >= PLATFORM_TASK_SIZE ? 0 : r->fs_base;
    r->gs_base = r->gs_base >= PLATFORM_TASK_SIZE ? 0 : r->gs_base;
}

static int write_regs(struct platform_thread *th)
{
    long r = host_result(ptrace(PTRACE_SETREGS, th->tid, 0, &th->regs));
    if (r == -EIO) {
        make_regs_acceptable(&th->regs);
        r = host_result(ptrace(PTRACE_SETREGS, th->tid, 0, &th->regs));
    }
    if (r == -EIO) {
        ptrace_kill(th);
    }
    th->regs_dirty = false;
    return (int)r;
}

int tracee_resume(struct platform_thread *th, int request, int signal)
{
    if (th->dead) {
        return -ESRCH;
    }
    BUG_ON(!th->stopped);
    if (th->regs_dirty && write_regs(th) < 0) {
        return -ESRCH;
    }
    th->fresh_stop = false;
    if (ptrace(request, th->tid, 0, signal) < 0) {
        return -ESRCH; /* killed meanwhile: stays "stopped", so that later requests fail the same way */
    }
    th->stopped = false;
    return 0;
}

int tracee_wait(struct platform_thread *th, int *out_status)
{
    while (!th->fresh_stop && !th->dead) {
        kthread_sleep();
    }
    if (th->dead) {
        return -ESRCH;
    }
    th->fresh_stop = false;
    *out_status = th->status;
    return 0;
}

static void mark_dead(struct platform_thread *th, int status)
{
    tracee_unbind(th);
    if (th->dead) {
        return;
    }
    th->dead = true;
    th->status = status;
    if (th->owner) {
        th->owner->killed = th->owner->interrupt = true;
        kthread_wake(th->owner);
    }
}

static void process_reaped(struct tracee_process *p, int status)
{
    struct platform_thread *th;
    p->reaped = true;
    hash_remove(&g_ptrace.pids, &p->hash);
    list_del(&p->space_link);
    ptrace_space_put(p->space);
    p->space = NULL;
    list_for_each_entry (th, &p->threads, proc_link) {
        mark_dead(th, status);
    }
    process_maybe_free(p);
}

bool tracee_take_early_stop(int tid)
{
    for (size_t i = 0; i < EARLY_MAX; i++) {
        if (g_early[i] == tid) {
            g_early[i] = 0;
            return true;
        }
    }
    return false;
}

static void early_stop(int tid)
{
    for (size_t i = 0; i < EARLY_MAX; i++) {
        if (!g_early[i]) {
            g_early[i] = tid;
            return;
        }
    }
    log_warn("tracee %d stopped early, and there is no room to remember it", tid);
}

void ptrace_children(void)
{
    int status, tid;
    while ((tid = (int)host_result(waitpid(-1, &status, WNOHANG | __WALL))) > 0) {
        struct platform_thread *th = tracee_find(tid);
        struct tracee_process *p = process_of(tid);
        if (WIFSTOPPED(status)) {
            if (!th) {
                early_stop(tid);
                continue;
            }
            th->stopped = th->fresh_stop = true;
            th->status = status;
            if (th->owner) {
                kthread_wake(th->owner);
            }
            continue;
        }
        if (th) {
            mark_dead(th, status);
        }
        if (p) {
            process_reaped(p, status);
        }
    }
}

void ptrace_kill(struct platform_thread *th)
{
    struct tracee_process *p = th->proc;
    if (!p || p->killed || p->reaped) {
        return;
    }
    p->killed = true;
    int r = host_kill(p->pid, SIGKILL);
    if (r < 0) {
        log_warn("kill of host process %d: error %d", p->pid, -r);
    }
}

/* --- start --- */

/*
 * Behind ptrace stands a host filter all the same: a tracee that somehow ran a system call of its own would
 * die of it. Only the gate's instruction may call, and only what the tracer orders.
 */
static size_t filter_build(struct sock_filter *f)
{
    static const uint16_t calls[] = {
        SYS_mmap,     SYS_munmap,      SYS_mprotect,   SYS_mremap,          SYS_madvise,
        SYS_msync,    SYS_mincore,     SYS_mlock,      SYS_mlock2,          SYS_munlock,
        SYS_mlockall, SYS_munlockall,  SYS_clone,      SYS_execveat,        SYS_futex,
        SYS_exit,     SYS_sched_yield, SYS_membarrier, SYS_set_tid_address, SYS_close,
        SYS_recvmsg,
    };
    size_t n = 0;
    uint64_t ip = g_ptrace.info->gate_syscall + 2;
#define ADD(...)    f[n++] = (struct sock_filter)__VA_ARGS__
#define DATA(field) ((uint32_t)offsetof(struct seccomp_data, field))
#define REQUIRE(offset, value)                                                                     \
    ADD(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offset));                                               \
    ADD(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 1, 0));                                         \
    ADD(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS))
    REQUIRE(DATA(arch), AUDIT_ARCH_X86_64);
    REQUIRE(DATA(instruction_pointer) + 4, (uint32_t)(ip >> 32));
    REQUIRE(DATA(instruction_pointer), (uint32_t)ip);
    ADD(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, DATA(nr)));
    for (size_t i = 0; i < ARRAY_COUNT(calls); i++) {
        ADD(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, calls[i], 0, 1));
        ADD(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
    }
    ADD(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS));
#undef ADD
#undef DATA
#undef REQUIRE
    return n;
}

static NORETURN void first_tracee(int sock, size_t max_tasks)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[2] = {0};
    int image = host_fcntl(g_ptrace.image_fd, F_DUPFD, 100), s = host_fcntl(sock, F_DUPFD, 100);
    if (image < 0 || s < 0 || dup2(image, TRACEE_FD_IMAGE) < 0 || dup2(s, TRACEE_FD_SOCK) < 0 ||
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || syscall(SYS_capset, &header, none) < 0) {
        _exit(126);
    }
    engine_limit_tasks(max_tasks);
    for (int sig = 1; sig < 65; sig++) {
        signal(sig, SIG_DFL);
    }
    sigset_t empty;
    sigemptyset(&empty);
    sigprocmask(SIG_SETMASK, &empty, NULL);
    syscall(SYS_close_range, 0, TRACEE_FD_IMAGE - 1, 0);
    syscall(SYS_close_range, TRACEE_FD_SOCK + 1, ~0U, 0);
    char *const argv[] = {(char *)(uintptr_t) "stub", NULL};
    char *const envp[] = {NULL};
    ptrace(PTRACE_TRACEME, 0, 0, 0);
    syscall(SYS_execveat, TRACEE_FD_IMAGE, "", argv, envp, AT_EMPTY_PATH);
    _exit(126);
}

/*
 * Before the kernel runs, stops are waited for synchronously: there is no events loop yet. The same waits
 * serve tracee_call here, through a kthread-less loop in first_call.
 */
static int sync_stop(struct platform_thread *th)
{
    int status;
    if (waitpid(th->tid, &status, __WALL) != th->tid || !WIFSTOPPED(status)) {
        return -EIO;
    }
    th->stopped = true;
    return 0;
}

static long first_call(struct platform_thread *th, uint64_t nr, uint64_t a, uint64_t b, uint64_t c)
{
    struct user_regs_struct saved = th->regs;
    th->regs.rip = g_ptrace.info->gate_syscall;
    th->regs.rax = nr;
    th->regs.orig_rax = UINT64_MAX;
    th->regs.rdi = a;
    th->regs.rsi = b;
    th->regs.rdx = c;
    th->regs_dirty = true;
    for (int stop = 0; stop < 2; stop++) { /* the call's entry, and its exit */
        if (tracee_resume(th, PTRACE_SYSCALL, 0) < 0 || sync_stop(th) < 0) {
            return -EIO;
        }
    }
    long r = tracee_read_regs(th) < 0 ? -EIO : (long)th->regs.rax;
    th->regs = saved;
    th->regs_dirty = true;
    return r;
}

static int install_filter(struct platform_thread *th)
{
    struct sock_filter code[96];
    struct sock_fprog program = {(unsigned short)filter_build(code),
                                 (struct sock_filter *)(AREA_BASE + 64)};
    if (engine_vm_write(th->tid, AREA_BASE, &program, sizeof(program)) != sizeof(program) ||
        engine_vm_write(th->tid, AREA_BASE + 64, code, sizeof(code)) != sizeof(code)) {
        return -EIO;
    }
    return (int)first_call(th, SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, AREA_BASE);
}

static int read_boot(struct platform_thread *th, struct platform_boot *out, uint64_t *out_execfn)
{
    uint64_t words[128];
    size_t size = engine_vm_read(th->tid, words, th->regs.rsp, sizeof(words));
    size_t count = size / 8, i = 1 + (size_t)(count ? words[0] : 0) + 1;
    while (i < count && words[i]) {
        i++;
    }
    *out = (struct platform_boot){0};
    for (i++; i + 1 < count && words[i]; i += 2) {
        uint64_t value = words[i + 1];
        switch (words[i]) {
        case 33:
            out->vdso = value;
            break;
        case 16:
            out->hwcap = value;
            break;
        case 26:
            out->hwcap2 = value;
            break;
        case 51:
            out->minsigstksz = value;
            break;
        case 17:
            out->clktck = value;
            break;
        case 31:
            *out_execfn = value;
            break;
        default:
            break;
        }
    }
    return *out_execfn ? 0 : -EIO;
}

int tracee_boot(struct platform_thread *th, struct platform_boot *out_boot)
{
    uint64_t execfn = 0;
    int r = tracee_read_regs(th);
    if (r == 0) {
        r = read_boot(th, out_boot, &execfn);
    }
    if (r < 0) {
        return r;
    }
    uint64_t end = ALIGN_UP(execfn + 32, PAGE_SIZE),
             start = ALIGN_DOWN(th->regs.rsp, 1UL << 20) - (1UL << 20);
    long unmapped = kthread_current()
                        ? tracee_call(th, SYS_munmap, (uint64_t[6]){start, end - start})
                        : first_call(th, SYS_munmap, start, end - start, 0);
    return (int)unmapped;
}

static int ptrace_start(const struct platform_config *config, struct platform_thread **out,
                        struct platform_boot *out_boot)
{
    int pair[2];
    g_ptrace.info = stub_image_info();
    g_ptrace.image_fd = stub_image_memfd();
    if (g_ptrace.image_fd < 0) {
        return g_ptrace.image_fd;
    }
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
        return -EMFILE;
    }
    g_ptrace.give_fd = pair[0];
    g_ptrace.sink_fd = pair[1];
    struct platform_space *space;
    int r = ptrace_space_new(&space);
    if (r == 0) {
        r = tracee_new(space, out);
        ptrace_space_put(space);
    }
    if (r < 0) {
        return r;
    }
    int pid = (int)host_result(fork());
    if (pid == 0) {
        first_tracee(pair[1], config->max_tasks);
    }
    if (pid < 0) {
        return pid;
    }
    struct platform_thread *th = *out;
    r = tracee_bind(th, pid, pid);
    if (r == 0) {
        r = sync_stop(th); /* the exec's SIGTRAP */
    }
    if (r == 0 && (ptrace(PTRACE_SETOPTIONS, pid, 0, OPTIONS) < 0 || tracee_read_regs(th) < 0)) {
        r = -EIO;
    }
    if (r == 0) {
        r = tracee_boot(th, out_boot);
    }
    if (r == 0) {
        r = install_filter(th);
    }
    th->in_kernel = true;
    return r;
}

/* The events thread is all there is. */
static int ptrace_run(void)
{
    return 0;
}

static void ptrace_set_owner(struct platform_thread *th, struct kthread *owner)
{
    th->owner = owner;
    if (owner) {
        kthread_wake(owner);
    }
}

static int ptrace_host_pid(const struct platform_thread *th)
{
    return th->proc ? th->proc->pid : 0;
}

static int ptrace_host_tid(const struct platform_thread *th)
{
    return th->tid;
}

static uaddr_t ptrace_call_sp(const struct platform_thread *th)
{
    return th->regs.rsp;
}

static struct platform_space *ptrace_space(struct platform_thread *th)
{
    return th->space;
}

static void ptrace_mem_tail(struct platform_thread *th, const struct mem_call *m)
{
    th->tail = *m;
    th->has_tail = true;
}

/* A thread by which the space can be reached: a leader that has exited has no memory any more. */
static int ptrace_space_pid(const struct platform_space *s)
{
    const struct tracee_process *p = list_first_entry(&s->procs, struct tracee_process, space_link);
    const struct platform_thread *th;
    if (!p) {
        return 0;
    }
    list_for_each_entry (th, &p->threads, proc_link) {
        if (!th->dead && th->tid) {
            return th->tid;
        }
    }
    return p->pid;
}

static size_t ptrace_copy_in(struct platform_space *s, void *dst, uaddr_t src, size_t size)
{
    int pid = ptrace_space_pid(s);
    return pid ? engine_vm_read(pid, dst, src, size) : 0;
}

static size_t ptrace_copy_out(struct platform_space *s, uaddr_t dst, const void *src, size_t size)
{
    int pid = ptrace_space_pid(s);
    return pid ? engine_vm_write(pid, dst, src, size) : 0;
}

const struct engine_ops g_ptrace_engine = {
    .start = ptrace_start,
    .run = ptrace_run,
    .set_owner = ptrace_set_owner,
    .children = ptrace_children,
    .switch_to = ptrace_switch,
    .set_result = ptrace_set_result,
    .get_context = ptrace_get_context,
    .set_context = ptrace_set_context,
    .interrupt = ptrace_interrupt,
    .hold = ptrace_hold,
    .call_regs = ptrace_call_regs,
    .begin_call = ptrace_begin_call,
    .ask = ptrace_ask,
    .clone = ptrace_clone,
    .thread_exit = ptrace_thread_exit,
    .thread_free = ptrace_thread_free,
    .kill = ptrace_kill,
    .host_pid = ptrace_host_pid,
    .host_tid = ptrace_host_tid,
    .call_sp = ptrace_call_sp,
    .space = ptrace_space,
    .exec = ptrace_exec,
    .load = ptrace_load,
    .mem = tracee_mem,
    .mem_tail = ptrace_mem_tail,
    .copy_in = ptrace_copy_in,
    .copy_out = ptrace_copy_out,
    .space_pid = ptrace_space_pid,
};
