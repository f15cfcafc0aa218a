/*
 * How the first tracee comes about: forked from the sentry, confined by a host filter of its own, and executing the stub's image. And what
 * the host gives every fresh image.
 */
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

#define OPTIONS                                                                                    \
    (PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK |        \
     PTRACE_O_TRACEVFORK | PTRACE_O_TRACEEXEC)

#define CALL_STOP (SIGTRAP | 0x80)

/*
 * Behind ptrace stands a host filter all the same: a tracee that somehow ran a system call of its own would
 * die of it. Only the gate's instruction may call, and only what the tracer orders. restart_syscall goes on with a call of its own
 * that a host's stop broke off; the host makes it by itself.
 */
static size_t filter_build(struct sock_filter *f)
{
    static const uint16_t calls[] = {
        SYS_mmap,     SYS_munmap,          SYS_mprotect,   SYS_mremap,          SYS_madvise,
        SYS_msync,    SYS_mincore,         SYS_mlock,      SYS_mlock2,          SYS_munlock,
        SYS_mlockall, SYS_munlockall,      SYS_clone,      SYS_execveat,        SYS_futex,
        SYS_exit,     SYS_sched_yield,     SYS_membarrier, SYS_set_tid_address, SYS_close,
        SYS_recvmsg,  SYS_restart_syscall,
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
    char go;
    if (host_read(TRACEE_FD_SOCK, &go, 1) != 1) { /* we are traced now */
        _exit(126);
    }
    syscall(SYS_execveat, TRACEE_FD_IMAGE, "", argv, envp, AT_EMPTY_PATH);
    _exit(126);
}

/*
 * Before the kernel runs, stops are waited for synchronously: there is no events loop yet. The same waits
 * serve tracee_call here, through a kthread-less loop in first_call.
 *
 * Waits for this stop (what wait(2) says of it, without the low byte). Others come if somebody stops or continues us just now.
 */
static int sync_stop(struct platform_thread *th, int wanted)
{
    for (;;) {
        int status;
        if (waitpid(th->tid, &status, __WALL) != th->tid || !WIFSTOPPED(status)) {
            return -EIO;
        }
        th->stopped = true;
        if (status >> 8 == wanted) {
            return 0;
        }
        if (tracee_resume(th, PTRACE_SYSCALL, 0) < 0) {
            return -EIO;
        }
    }
}

/*
 * PTRACE_SEIZE, since what a tracee makes is traced in the same way: the first stop of such a child is nobody's signal then, which a SIGCONT from
 * outside could take back before the child has seen it.
 */
static int seize(struct platform_thread *th)
{
    if (ptrace(PTRACE_SEIZE, th->tid, 0, OPTIONS) < 0 ||
        host_write(g_ptrace.give_fd, "g", 1) != 1) {
        return -EIO;
    }
    int r = sync_stop(th, SIGTRAP | PTRACE_EVENT_EXEC << 8);
    if (r == 0) {
        r = tracee_resume(th, PTRACE_SYSCALL, 0);
    }
    return r == 0 ? sync_stop(th, CALL_STOP) : r; /* the exec's return */
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
        if (tracee_resume(th, PTRACE_SYSCALL, 0) < 0 || sync_stop(th, CALL_STOP) < 0) {
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

int ptrace_start(const struct platform_config *config, struct platform_thread **out,
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
        r = seize(th);
    }
    if (r == 0) {
        r = tracee_read_regs(th);
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
