/* Running a tracee: the switch, its contexts, and the few calls that only the thread itself can make. */
#include "platform/ptrace/ptrace.h"

#include <cpuid.h>
#include <elf.h>
#include <errno.h>
#include <linux/audit.h>
#include <linux/futex.h>
#include <string.h>
#include <sys/ptrace.h>
#include <linux/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "lib/host.h"

#define EFLAGS_USER    0x50dd5UL
#define XSAVE_SOFTWARE 464
#define XSAVE_MAGIC1   0x46505853U
#define XSAVE_MAGIC2   0x46505845U

static bool futex_allowed(uint64_t op)
{
    switch (op & ~(uint64_t)(FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME)) {
    case FUTEX_WAIT:
    case FUTEX_WAKE:
    case FUTEX_WAIT_BITSET:
    case FUTEX_WAKE_BITSET:
    case FUTEX_WAKE_OP:
        return true;
    case FUTEX_REQUEUE:
    case FUTEX_CMP_REQUEUE:
        return op & FUTEX_PRIVATE_FLAG;
    default:
        return false;
    }
}

/* Calls that the guest's own thread makes; harmless with any arguments. */
static bool is_native(const struct user_regs_struct *r)
{
    return r->orig_rax == SYS_sched_yield || (r->orig_rax == SYS_futex && futex_allowed(r->rsi));
}

/* Return: true when out is an event (it was interrupted). */
static bool run_native(struct platform_thread *th, struct platform_event *out)
{
    uint64_t nr = th->regs.orig_rax;
    const uint64_t args[6] = {th->regs.rdi, th->regs.rsi, th->regs.rdx,
                              th->regs.r10, th->regs.r8,  th->regs.r9};
    long result = -EINTR;
    bool interrupted = false;
    int r = tracee_call_begin(th, nr, args);
    if (r == 0) {
        r = tracee_call_end(th, &result, nr == SYS_futex ? &interrupted : NULL);
    }
    if (r != 0) {
        return false;
    }
    th->regs.rax = (uint64_t)result;
    th->regs.orig_rax = UINT64_MAX;
    out->kind = PLATFORM_INTERRUPT;
    out->call_over = th->call_traced;
    th->call_traced = false;
    if (!interrupted) {
        out->call.nr = UINT64_MAX;
        return out->call_over;
    }
    th->regs.rax = (uint64_t)-EINTR;
    out->call.nr = nr;
    out->call.args[0] = (uint64_t)-result;
    return true;
}

static bool is_foreign_call(struct platform_thread *th)
{
    struct ptrace_syscall_info info;
    long size = ptrace(PTRACE_GET_SYSCALL_INFO, th->tid, sizeof(info), &info);
    return size > 0 && info.arch != AUDIT_ARCH_X86_64;
}

static void fault_event(struct platform_event *out, int sig, int code, uint64_t addr)
{
    out->kind = PLATFORM_FAULT;
    out->fault.signo = sig;
    out->fault.code = code;
    out->fault.addr = addr;
    out->fault.trapno = sig == SIGSEGV   ? 14
                        : sig == SIGILL  ? 6
                        : sig == SIGFPE  ? 0
                        : sig == SIGTRAP ? 3
                                         : 17;
}

/* The guest's call, whose number is in orig_rax. Return: true when out is an event. */
static bool call_event(struct platform_thread *th, struct platform_event *out)
{
    struct user_regs_struct *r = &th->regs;
    if (is_native(r)) {
        return run_native(th, out);
    }
    th->call_traced = false;
    if (r->orig_rax == SYS_set_tid_address) {
        long ignored = tracee_call(th, SYS_set_tid_address, (uint64_t[6]){r->rdi});
        (void)ignored; /* cannot fail; the sentry answers with the guest's tid */
    }
    out->kind = PLATFORM_SYSCALL;
    out->call.nr = r->orig_rax;
    out->call.args[0] = r->rdi;
    out->call.args[1] = r->rsi;
    out->call.args[2] = r->rdx;
    out->call.args[3] = r->r10;
    out->call.args[4] = r->r8;
    out->call.args[5] = r->r9;
    r->rax = (uint64_t)-ENOSYS;
    r->orig_rax = UINT64_MAX;
    th->regs_dirty = true;
    return true;
}

/* A system call stop. Return: true when out is an event. */
static bool call_stop(struct platform_thread *th, struct platform_event *out)
{
    struct user_regs_struct *r = &th->regs;
    if (is_foreign_call(th)) {
        /* int 0x80, as on a host without 32-bit emulation */
        r->rip -= 2;
        r->rax = r->orig_rax;
        r->orig_rax = UINT64_MAX;
        th->regs_dirty = true;
        fault_event(out, SIGSEGV, SI_KERNEL, 0);
        return true;
    }
    if (th->ask & PLATFORM_ASK_CALLS) {
        out->kind = PLATFORM_CALL;
        out->call.nr = r->orig_rax;
        th->call_begins = true;
        th->call_goes = -1;
        r->orig_rax = UINT64_MAX;
        th->regs_dirty = true;
        return true;
    }
    return call_event(th, out);
}

/* The call that was announced is made now. Return: true when out is an event. */
static bool announced_call(struct platform_thread *th, struct platform_event *out)
{
    th->call_begins = false;
    if (th->call_goes < 0 || th->dead) {
        return false;
    }
    th->call_traced = true;
    th->regs.orig_rax = (uint64_t)th->call_goes;
    return call_event(th, out);
}

void ptrace_begin_call(struct platform_thread *th, long nr)
{
    th->call_goes = nr;
}

int ptrace_call_regs(const struct platform_thread *th, struct guest_regs *out)
{
    memcpy(out, &th->regs, sizeof(*out));
    return th->dead ? -ESRCH : 0;
}

void ptrace_hold(struct platform_thread *th)
{
    th->held = th->interrupt_wanted = true;
}

void ptrace_ask(struct platform_thread *th, unsigned what, unsigned of)
{
    th->ask = (th->ask & ~of) | what;
}

/* Decodes a stop. Return: true when out is an event for the kernel. */
static bool decode(struct platform_thread *th, int status, struct platform_event *out)
{
    int sig = WSTOPSIG(status);
    if (tracee_read_regs(th) < 0) {
        return false;
    }
    if (sig == (SIGTRAP | 0x80)) {
        return call_stop(th, out);
    }
    th->regs.orig_rax = UINT64_MAX;
    th->regs_dirty = true;
    if (status >> 16) {
        return false;
    }
    if (sig == STUB_KICK) {
        out->kind = PLATFORM_INTERRUPT;
        out->call.nr = UINT64_MAX;
        return true;
    }
    siginfo_t info;
    if ((sig != SIGSEGV && sig != SIGBUS && sig != SIGILL && sig != SIGFPE && sig != SIGTRAP) ||
        ptrace(PTRACE_GETSIGINFO, th->tid, 0, &info) < 0 || info.si_code <= 0) {
        return false; /* nobody outside may signal a guest */
    }
    fault_event(out, sig, info.si_code, (uint64_t)(uintptr_t)info.si_addr);
    return true;
}

/* What must happen before guest code may run again. */
static void before_resume(struct platform_thread *th)
{
    long result;
    if (th->clone_returning) {
        th->clone_returning = false;
        int r = tracee_call_end(th, &result, NULL);
        (void)r; /* -ESRCH: the caller sees that it is dead */
    }
    if (th->has_tail) {
        th->has_tail = false;
        th->regs.rax = (uint64_t)tracee_mem(th, &th->tail);
        th->regs_dirty = true;
    }
}

void ptrace_switch(struct platform_thread *th, struct platform_event *out)
{
    memset(out, 0, sizeof(*out));
    th->in_kernel =
        false; /* from here on a kick counts: the kernel has looked for signals, and this may sleep */
    before_resume(th);
    if (th->call_begins && announced_call(th, out)) {
        th->in_kernel = true;
        return;
    }
    for (;;) {
        int status;
        if (th->interrupt_wanted && !th->dead) {
            th->interrupt_wanted = false;
            out->kind = PLATFORM_INTERRUPT;
            out->call.nr = UINT64_MAX;
            break;
        }
        if (tracee_resume(th, PTRACE_SYSEMU, 0) < 0 || tracee_wait(th, &status) < 0) {
            while (!th->dead) {
                kthread_sleep(); /* being killed: its end will be reported */
            }
            *out = (struct platform_event){.kind = PLATFORM_DEAD, .status = th->status};
            return;
        }
        if (decode(th, status, out)) {
            break;
        }
    }
    th->in_kernel = true;
}

void ptrace_set_result(struct platform_thread *th, long result)
{
    th->regs.rax = (uint64_t)result;
    th->regs_dirty = true;
}

void ptrace_interrupt(struct platform_thread *th)
{
    if (th->in_kernel || th->dead || !th->tid) {
        return;
    }
    if (th->stopped) {
        th->interrupt_wanted = true;
        return;
    }
    int r = host_tgkill(th->proc->pid, th->tid, STUB_KICK);
    (void)r; /* it is exiting: its death will be seen */
}

/* --- contexts --- */

/* ptrace moves every state that the CPU has, AMX's 8 KiB included; no guest gets leave to use that. */
#define XSTATE_MAX    16384
#define XFEATURES_AMX (3ULL << 17)

/* Size of a frame's XSAVE area: up to the last enabled feature that is not AMX. */
static size_t frame_size(uint64_t xfeatures)
{
    size_t size = 512 + 64;
    for (unsigned i = 2; i < 63; i++) {
        unsigned eax, ebx, ecx, edx;
        if ((xfeatures & ~XFEATURES_AMX) >> i & 1) {
            __cpuid_count(0xd, i, eax, ebx, ecx, edx);
            size = MAX(size, (size_t)eax + ebx);
        }
    }
    return MIN(size, (size_t)GUEST_FPSTATE_MAX - 8);
}

/* Makes of ptrace's XSAVE area what Linux puts into signal frames. */
static uint32_t frame_fpstate(uint8_t *fp)
{
    struct {
        uint32_t magic1, extended_size;
        uint64_t xfeatures;
        uint32_t xstate_size, padding[7];
    } software = {.magic1 = XSAVE_MAGIC1};
    uint32_t magic2 = XSAVE_MAGIC2;
    memcpy(&software.xfeatures, fp + XSAVE_SOFTWARE, 8);
    software.xfeatures &= ~XFEATURES_AMX;
    static size_t size; /* a fact of the CPU; CPUID is slow */
    size = size ? size : frame_size(software.xfeatures);
    software.xstate_size = (uint32_t)size;
    software.extended_size = (uint32_t)size + 4;
    memcpy(fp + XSAVE_SOFTWARE, &software, sizeof(software));
    memcpy(fp + size, &magic2, sizeof(magic2));
    return software.extended_size;
}

int ptrace_get_context(struct platform_thread *th, struct guest_context *out)
{
    if (th->dead) {
        return -ESRCH;
    }
    before_resume(th);
    if (th->held) {
        th->held = th->interrupt_wanted = false;
    }
    _Static_assert(offsetof(struct guest_regs, gs_base) ==
                       offsetof(struct user_regs_struct, gs_base),
                   "the same layout, without the segments behind");
    uint8_t raw[XSTATE_MAX] __attribute__((aligned(64)));
    struct iovec fp = {raw, sizeof(raw)};
    if (th->dead || ptrace(PTRACE_GETREGSET, th->tid, NT_X86_XSTATE, &fp) < 0) {
        return -ESRCH;
    }
    memcpy(&out->regs, &th->regs, sizeof(out->regs));
    memcpy(out->fpstate, raw, sizeof(out->fpstate));
    out->fpstate_size = frame_fpstate(out->fpstate);
    return 0;
}

void ptrace_set_context(struct platform_thread *th, const struct guest_context *ctx)
{
    struct user_regs_struct old = th->regs;
    if (th->dead) {
        return;
    }
    memcpy(&th->regs, &ctx->regs, sizeof(ctx->regs));
    th->regs.cs = old.cs;
    th->regs.ss = old.ss;
    th->regs.eflags = (ctx->regs.eflags & EFLAGS_USER) | 0x202;
    th->regs.orig_rax = UINT64_MAX;
    th->regs_dirty = true;
    if (!ctx->fpstate_size) {
        return;
    }
    uint8_t fp[XSTATE_MAX] __attribute__((aligned(64)));
    struct iovec v = {fp, sizeof(fp)};
    if (ptrace(PTRACE_GETREGSET, th->tid, NT_X86_XSTATE, &v) < 0) {
        return;
    }
    size_t size = MIN((size_t)ctx->fpstate_size, v.iov_len);
    size = size > 516 ? size - 4 : size; /* without FP_XSTATE_MAGIC2 */
    uint8_t software[48];
    memcpy(software, fp + XSAVE_SOFTWARE, sizeof(software));
    memcpy(fp, ctx->fpstate, size);
    memcpy(fp + XSAVE_SOFTWARE, software, sizeof(software));
    if (size <= 512 && v.iov_len > 520) {
        fp[512] |= 3; /* x87 and SSE are in use */
    }
    if (ptrace(PTRACE_SETREGSET, th->tid, NT_X86_XSTATE, &v) < 0) {
        ptrace_kill(th); /* a state that the CPU refuses: Linux forces SIGSEGV */
    }
}
