/*
 * The stub's signal handlers. All run on the thread's own signal stack inside its area, with the kick
 * blocked, and never service a system call there: SIGSYS only moves the guest to stub_entry, so that
 * blocking happens outside handlers, where a kick can interrupt it.
 *
 * A kick (one host signal from the sentry: "something is pending for you") acts by where it hits:
 *   [gate_wait_check, gate_wait_insn]  the futex has not begun: make it return -EINTR
 *   [exit_check, exit_kick], and       registers are the guest's already: upcall now
 *   [fast_check, fast_end]
 *   elsewhere in the stub              set area->kick, which exit_check tests
 *   guest code                         upcall now
 * An upcall hands the registers to the sentry (the FP state only if it asks), and resumes as ordered: as it was, with other
 * registers, or in a handler (signal.c). The host's own frame does the saving and restoring, and unblocks the kick
 * atomically with the return.
 *
 * area->kick also stands for what only a handler can do at the exit, where the trap gives all registers: a sigreturn by a
 * patched site, a frame that could not be made before. kick_came says that there was a true kick, for which the sentry
 * waits until a context comes: it is never cleared without one.
 */
#include <asm/unistd.h>
#include <linux/audit.h>
#include <stddef.h>

#include "platform/stub/stub.h"

#define SIGILL_         4
#define SIGTRAP_        5
#define SIGBUS_         7
#define SIGFPE_         8
#define SIGSEGV_        11
#define SIGSYS_         31
#define TRAP_BREAKPOINT 3   /* int3; a single step is 1 */
#define XSAVE_HEADER    512 /* offset, and the size of an FXSAVE area */

void stub_thread_setup(struct area *area)
{
    __asm__ volatile("wrgsbase %0" ::"r"(area)); /* for stub_entry_patched */
    uint64_t stack[3] = {ptr(area) - AREA_STRUCT, 0, AREA_SIGSTACK};
    gate(__NR_sigaltstack, ptr(stack), 0, 0, 0, 0, 0);
}

void stub_handlers_setup(void)
{
    static const int signals[] = {SIGSYS_,  SIGSEGV_, SIGBUS_,  SIGILL_,
                                  SIGTRAP_, SIGFPE_,  STUB_KICK};
    struct {
        const void *handler;
        uint64_t flags;
        const void *restorer;
        uint64_t mask;
    } action = {(const void *)stub_signal, 0x4c000004 /* SIGINFO|RESTORER|ONSTACK|NODEFER */,
                gate_sigreturn, 1UL << (STUB_KICK - 1)};
    for (unsigned i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
        gate(__NR_rt_sigaction, (uint64_t)signals[i], ptr(&action), 0, 8, 0, 0);
    }
}

static void copy_bytes(void *dst, const void *src, uint64_t size)
{
    __asm__ volatile("rep movsb" : "+D"(dst), "+S"(src), "+c"(size)::"memory");
}

/* Sends u as request nr (args[1..] already set). Return: the order. */
static uint32_t send_context(struct area *area, const struct stub_ucontext *u, uint64_t nr)
{
    struct chan *c = area->chan;
    uint32_t size = stub_fpstate_size(u->fpstate);
    area->kick = 0;
    area->kick_came = 0; /* a kick after this is blocked until we return, and then comes again */
    for (int i = 0; i < REG_COUNT_; i++) {
        c->regs[i] = u->regs[i];
    }
    c->nr = nr;
    c->args[0] = size <= WINDOW_SIZE ? size : 0;
    c->bases[0] = base_of_fs();
    c->bases[1] = base_of_gs();
    chan_call(area, 0);
    for (;;) {
        if (c->order == ORDER_FPSTATE) {
            copy_bytes(chan_window(c), u->fpstate, size <= WINDOW_SIZE ? size : 0);
            chan_request(area, STUB_REQ_RESULT, 0, 0);
        } else if (!stub_obey_within(area)) {
            return c->order;
        }
    }
}

static void take_context(const struct chan *c, struct stub_ucontext *u)
{
    uint32_t size = stub_fpstate_size(u->fpstate);
    uint64_t fp = c->reply_args[1];
    if (c->reply_args[0]) {
        for (int i = 0; i < REG_COUNT_; i++) {
            u->regs[i] = c->regs[i];
        }
        if (c->bases[0] != base_of_fs()) {
            __asm__ volatile("wrfsbase %0" ::"r"(c->bases[0]));
        }
        if (c->bases[1] != base_of_gs()) {
            __asm__ volatile("wrgsbase %0" ::"r"(c->bases[1]));
        }
    }
    if (fp && fp <= size) {
        copy_bytes(u->fpstate, chan_window((struct chan *)c), fp);
        if (fp == XSAVE_HEADER && size > XSAVE_HEADER) {
            *(uint64_t *)(u->fpstate + XSAVE_HEADER) |= 3; /* x87 and SSE are in use */
        }
    }
}

/*
 * Hands u to the sentry as request nr (args[1..] already set), and applies what comes back. A frame that the stack does not
 * take, or that another one goes on top of, is a request of its own.
 */
static void upcall(struct area *area, struct stub_ucontext *u, uint64_t nr)
{
    struct chan *c = area->chan;
    for (;;) {
        uint32_t order = nr ? send_context(area, u, nr) : ORDER_SIGNAL;
        if (order == ORDER_EXIT) {
            stub_thread_end(area);
        }
        if (order == ORDER_CONTEXT) {
            take_context(c, u);
            return;
        }
        if (order != ORDER_SIGNAL) {
            stub_die();
        }
        if (nr) {
            take_context(c, u); /* a sigreturn may have replaced it */
        }
        int more = (c->signal.flags & SIGNAL_MORE) || area->kick_came;
        uint64_t at;
        if (stub_frame_of_context(area, u, &c->signal, &at) != 0) {
            nr = STUB_REQ_BAD_FRAME;
        } else {
            stub_enter_from_context(u, &c->signal, at, more);
            if (!more) {
                area->kick = 0;
                return;
            }
            nr = STUB_REQ_CONTEXT;
        }
        c->args[1] = c->args[2] = c->args[3] = 0;
    }
}

/* The context after an interrupted in-stub call: tell the sentry how it would restart. */
static void upcall_context(struct area *area, struct stub_ucontext *u)
{
    area->chan->args[1] = area->restart;
    area->chan->args[2] = area->restart ? area->nr : 0;
    area->chan->args[3] = area->call_over;
    area->call_over = 0;
    area->restart = 0;
    upcall(area, u, STUB_REQ_CONTEXT);
}

/* int 0x80 and the like, as on a host without 32-bit emulation: a general protection fault at the instruction. */
static void on_foreign_call(struct area *area, struct stub_ucontext *u, uint64_t ip)
{
    struct chan *c = area->chan;
    u->regs[REG_RIP_] = ip - 2;
    c->args[1] = SIGSEGV_;
    c->args[2] = 0x80; /* SI_KERNEL */
    c->args[3] = 0;
    c->args[4] = area->fault[1] = 13;
    c->args[5] = area->fault[0] = 0;
    area->restart = 0;
    upcall(area, u, STUB_REQ_FAULT);
}

/* Moves the guest, which stands behind its syscall instruction at ip, to the entry. */
static void go_to_entry(struct area *area, struct stub_ucontext *u, uint64_t ip)
{
    area->restart = 0;
    u->regs[REG_RCX_] = ip;
    u->regs[REG_R11_] = ptr(area);
    u->regs[REG_RIP_] = ptr(stub_entry);
    u->regs[REG_EFLAGS_] &= ~0x100UL; /* no single step in the stub */
}

static void on_sigreturn(struct area *area, struct stub_ucontext *u)
{
    area->call_traced = 0;
    if (!area->kick_came && stub_sigreturn(area, u) == 0) {
        area->kick = 0;
        return;
    }
    area->restart = 0;
    area->chan->args[1] = 0;
    area->chan->args[2] = 0;
    area->chan->sp = u->regs[REG_RSP_];
    upcall(area, u, __NR_rt_sigreturn);
}

/*
 * A traced guest is about to make a call. The sentry may change it, or answer it there and then. Return: 0 in that case.
 */
static int call_begins(struct area *area, struct stub_ucontext *u)
{
    struct chan *c = area->chan;
    area->restart = 0;
    uint32_t order = send_context(area, u, STUB_REQ_CALL);
    if (order == ORDER_EXIT) {
        stub_thread_end(area);
    }
    if (order != ORDER_CONTEXT) {
        stub_die();
    }
    area->call_traced = c->reply_args[2] != 0;
    take_context(c, u);
    return area->call_traced != 0;
}

static void on_sigsys(struct area *area, struct stub_ucontext *u, uint64_t ip, uint32_t arch)
{
    if (arch != AUDIT_ARCH_X86_64) {
        on_foreign_call(area, u, ip);
        return;
    }
    if ((area->chan->ask & CHAN_ASK_CALLS) && !call_begins(area, u)) {
        return;
    }
    ip = u->regs[REG_RIP_];
    if (u->regs[REG_RAX_] == __NR_rt_sigreturn) {
        on_sigreturn(area, u);
    } else {
        stub_frame_learn(u);
        if (((const struct stub_ro *)STUB_RO)->patch && !(area->chan->ask & CHAN_ASK_SITES)) {
            stub_count_trap(ip, u->regs[REG_RAX_]);
            stub_cpuid_trapped();
        }
        go_to_entry(area, u, ip);
    }
}

/* The way back to the guest by which a kept answer leaves. */
static int is_fast_exit(uint64_t ip)
{
    return (ip >= ptr(fast_check) && ip <= ptr(fast_end)) || ip == ptr(exit_kick_fast);
}

/* The exit found a kick, or what stands for one. */
static void on_exit_kick(struct area *area, struct stub_ucontext *u)
{
    uint64_t ip = u->regs[REG_RIP_];
    u->regs[REG_RIP_] = is_fast_exit(ip) ? u->regs[REG_RCX_] : area->rip;
    u->regs[REG_R11_] = 0x246; /* where Linux leaves the flags; ours held the area */
    if (area->sigreturn) {
        area->sigreturn = 0;
        on_sigreturn(area, u);
    } else if (area->frame_waits) {
        area->frame_waits = 0;
        area->restart = 0;
        upcall(area, u, 0); /* ORDER_SIGNAL has come already: u is what the handler interrupts */
    } else {
        upcall_context(area, u);
    }
}

static void on_kick(struct area *area, struct stub_ucontext *u, uint64_t ip)
{
    area->kick_came = 1;
    if (ip >= ptr(gate_wait_check) && ip <= ptr(gate_wait_insn)) {
        u->regs[REG_RIP_] = ptr(gate_wait_interrupted);
        area->kick = 1;
    } else if ((ip >= ptr(exit_check) && ip <= ptr(exit_kick)) || is_fast_exit(ip)) {
        on_exit_kick(area, u);
    } else if ((ip >= STUB_TEXT && ip < STUB_TEXT_END) || stub_in_trampoline(ip)) {
        area->kick = 1;
    } else {
        area->restart = 0;
        upcall_context(area, u);
    }
}

static void on_fault(struct area *area, struct stub_ucontext *u, int sig, const uint32_t *info)
{
    struct chan *c = area->chan;
    if (stub_signal_fault(area, u, sig, info) == 0) {
        return;
    }
    c->args[1] = (uint64_t)sig;
    c->args[2] = (uint64_t)(int64_t)(int32_t)info[2]; /* si_code */
    c->args[3] = *(const uint64_t *)(info + 4);       /* si_addr */
    c->args[4] = u->trapno;
    c->args[5] = u->error;
    area->restart = 0;
    upcall(area, u, STUB_REQ_FAULT);
}

/*
 * In the vDSO, which the stub has called: there is nothing of the guest's to be shown. A kick waits for the exit. Return: 0: we were not.
 */
static int in_vdso(struct area *area, struct stub_ucontext *u, int sig, uint64_t ip)
{
    if (!area->vdso_sp || (ip >= STUB_TEXT && ip < STUB_TEXT_END && ip != ptr(stub_entry_slow))) {
        return 0;
    }
    if (sig == STUB_KICK) {
        area->kick_came = 1;
        area->kick = 1;
    } else {
        HOT->vdso_left = 1;
        u->regs[REG_RIP_] = ptr(vdso_abort);
        u->regs[REG_RSP_] = area->vdso_sp;
        u->regs[REG_RBX_] = ptr(area);
        u->regs[REG_EFLAGS_] &= ~0x500UL; /* neither a step nor a direction */
    }
    return 1;
}

void stub_signal(int sig, const uint32_t *info, struct stub_ucontext *u)
{
    struct area *area = own_area();
    uint64_t ip = u->regs[REG_RIP_];

    if (in_vdso(area, u, sig, ip)) {
        return;
    }
    if (sig == STUB_KICK) {
        on_kick(area, u, ip);
    } else if (sig == SIGSYS_) {
        on_sigsys(area, u, ip, info[7]);
    } else if (ip == ptr(exit_kick) || ip == ptr(exit_kick_fast)) {
        on_exit_kick(area, u);
    } else if (ip == ptr(stub_entry_slow) || ip == ptr(stub_entry_patched)) {
        go_to_entry(area, u, u->regs[REG_RCX_]); /* the guest uses GS itself */
    } else if ((ip >= ptr(guarded_words) && ip < ptr(guarded_words_end)) ||
               ip == ptr(guarded_copy_insn) || ip == ptr(guarded_zero_insn) ||
               ip == ptr(guarded_touch_insn) || ip == ptr(guarded_probe_insn) ||
               ip == ptr(guarded_copy8_load) || ip == ptr(guarded_copy8_store) ||
               ip == ptr(guarded_xsave_insn)) {
        u->regs[REG_RIP_] = ptr(guarded_copy_fault);
    } else if (sig == SIGTRAP_ && u->trapno == TRAP_BREAKPOINT && stub_trap_is_ours(ip)) {
        u->regs[REG_RIP_] = ip - 1;
    } else if (sig == SIGSEGV_ && stub_cpuid_fault(u)) {
        return; /* perhaps the stub's own, of what its table lacks, in a program that is watched */
    } else if (ip >= STUB_TEXT && ip < STUB_TEXT_END) {
        stub_die(); /* the guest broke its own stub */
    } else {
        on_fault(area, u, sig, info);
    }
}
