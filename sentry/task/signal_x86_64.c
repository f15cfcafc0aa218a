/*
 * The x86-64 signal frame: what a handler finds on its stack, and what rt_sigreturn takes back.
 * Analogous to Linux's arch/x86/kernel/signal_64.c and fpu/signal.c; the layout is ABI.
 *
 *      high   FP state (XSAVE, FP_XSTATE_MAGIC2)   64-byte aligned
 *             siginfo
 *             ucontext
 *      rsp -> return address = sa_restorer         rsp % 16 == 8, as after a call
 *
 * A frame on the way back is whatever the guest wrote there: registers are forced to what a user may
 * have, and the FP state to what the host's XRSTOR takes without a fault.
 */
#include "sentry/mm/usercopy.h"
#include "sentry/task/ptrace.h"
#include "sentry/task/sigframe_x86_64.h"

#include <string.h>

#define RED_ZONE  128
#define EFLAGS_DF 0x400UL
#define EFLAGS_RF 0x10000UL
#define EFLAGS_TF 0x100UL
/* AC OF DF TF SF ZF AF PF CF RF: what a frame may change. */
#define EFLAGS_FIX       0x50dd5UL
#define EFLAGS_IF        0x200UL
#define USER_CS          0x33
#define USER_DS          0x2b
#define SA_RESTORER_FLAG 0x04000000UL
#ifndef SS_AUTODISARM
#define SS_AUTODISARM (1U << 31)
#endif

_Static_assert(sizeof(struct sigframe_mcontext) == 256, "struct sigcontext");
_Static_assert(sizeof(struct sigframe_ucontext) == 304, "struct ucontext");
_Static_assert(sizeof(struct sigframe) == 440, "struct rt_sigframe");

static bool within_altstack(const struct task *t, uaddr_t sp)
{
    uaddr_t base = (uaddr_t)(uintptr_t)t->altstack.ss_sp;
    return sp > base && sp - base <= t->altstack.ss_size;
}

bool signal_on_altstack(const struct task *t, uaddr_t sp)
{
    if ((unsigned)t->altstack.ss_flags & SS_AUTODISARM) {
        return false;
    }
    return within_altstack(t, sp);
}

bool signal_needs_context(const struct task *t)
{
    return ((unsigned)t->altstack.ss_flags & SS_AUTODISARM) || task_traced(t);
}

void signal_altstack_changed(struct task *t)
{
    if (t->pt) {
        platform_set_altstack(t->pt, (uaddr_t)(uintptr_t)t->altstack.ss_sp, t->altstack.ss_flags,
                              t->altstack.ss_size);
    }
}

/* From where the frame goes down. *out_check: it must lie within the alternate stack. */
static uaddr_t frame_start(const struct task *t, uaddr_t sp, const struct ksigaction *a,
                           bool *out_check)
{
    *out_check = signal_on_altstack(t, sp);
    if ((a->flags & SA_ONSTACK) && !*out_check && t->altstack.ss_size) {
        *out_check = true;
        return (uaddr_t)(uintptr_t)t->altstack.ss_sp + t->altstack.ss_size;
    }
    return sp - RED_ZONE;
}

/* x86-64 has no trampoline of the kernel's own: without a restorer there is no way back. */
static bool can_be_run(const struct ksigaction *a)
{
    return (a->flags & SA_RESTORER_FLAG) && a->handler < PLATFORM_TASK_SIZE;
}

int signal_plan_frame(const struct task *t, const struct ksigaction *a, ksigset_t old_mask,
                      struct platform_signal *out)
{
    if (!can_be_run(a)) {
        return -EFAULT;
    }
    out->handler = a->handler;
    out->restorer = a->restorer;
    out->start = frame_start(t, platform_call_sp(t->pt), a, &out->check_stack);
    out->stack_sp = (uaddr_t)(uintptr_t)t->altstack.ss_sp;
    out->stack_flags = t->altstack.ss_flags;
    out->stack_size = t->altstack.ss_size;
    out->mask = old_mask;
    return 0;
}

/* Where the frame goes. Return: false when it would leave the alternate stack. */
static bool place_frame(const struct task *t, uaddr_t sp, const struct ksigaction *a,
                        size_t fp_size, uaddr_t *out_frame, uaddr_t *out_fp)
{
    bool check;
    sp = frame_start(t, sp, a, &check);
    uaddr_t fp = ALIGN_DOWN(sp - fp_size, 64);
    uaddr_t frame = ALIGN_DOWN(fp - sizeof(struct sigframe), 16) - 8;
    *out_fp = fp_size ? fp : 0;
    *out_frame = frame;
    return !check || within_altstack(t, frame);
}

static void regs_to_mcontext(struct sigframe_mcontext *m, const struct guest_regs *r)
{
    m->r8 = r->r8, m->r9 = r->r9, m->r10 = r->r10, m->r11 = r->r11;
    m->r12 = r->r12, m->r13 = r->r13, m->r14 = r->r14, m->r15 = r->r15;
    m->rdi = r->rdi, m->rsi = r->rsi, m->rbp = r->rbp, m->rbx = r->rbx;
    m->rdx = r->rdx, m->rax = r->rax, m->rcx = r->rcx, m->rsp = r->rsp;
    m->rip = r->rip;
    m->eflags = r->eflags;
    m->cs = USER_CS;
    m->ss = USER_DS;
}

static void mcontext_to_regs(struct guest_regs *r, const struct sigframe_mcontext *m)
{
    r->r8 = m->r8, r->r9 = m->r9, r->r10 = m->r10, r->r11 = m->r11;
    r->r12 = m->r12, r->r13 = m->r13, r->r14 = m->r14, r->r15 = m->r15;
    r->rdi = m->rdi, r->rsi = m->rsi, r->rbp = m->rbp, r->rbx = m->rbx;
    r->rdx = m->rdx, r->rax = m->rax, r->rcx = m->rcx, r->rsp = m->rsp;
    r->rip = m->rip;
    r->eflags = (r->eflags & ~EFLAGS_FIX) | (m->eflags & EFLAGS_FIX) | EFLAGS_IF | 2;
    /* DEVIATION: only the flat 64-bit selectors exist here; Linux would fault on others at iret. */
    r->cs = USER_CS;
    r->ss = USER_DS;
    r->orig_rax = (uint64_t)-1;
}

int signal_setup_frame(struct task *t, struct guest_context *ctx, int sig,
                       const struct ksigaction *a, const siginfo_t *info, ksigset_t old_mask)
{
    struct sigframe f;
    uaddr_t at, fp;
    struct guest_regs *r = &ctx->regs;
    if (!place_frame(t, r->rsp, a, ctx->fpstate_size, &at, &fp)) {
        return -EFAULT;
    }
    if (!can_be_run(a)) {
        return -EFAULT;
    }
    memset(&f, 0, sizeof(f));
    f.pretcode = a->restorer;
    f.uc.flags = UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS;
    if (fpstate_is_xsave(ctx)) {
        f.uc.flags |= UC_FP_XSTATE;
    }
    f.uc.stack_sp = (uaddr_t)(uintptr_t)t->altstack.ss_sp;
    f.uc.stack_flags = t->altstack.ss_flags;
    f.uc.stack_size = t->altstack.ss_size;
    regs_to_mcontext(&f.uc.mcontext, r);
    f.uc.mcontext.err = t->fault_error;
    f.uc.mcontext.trapno = t->fault_trapno;
    f.uc.mcontext.cr2 = t->fault_addr;
    f.uc.mcontext.oldmask = old_mask;
    f.uc.mcontext.fpstate = fp;
    f.uc.sigmask = old_mask;
    memcpy(f.info, info, sizeof(f.info));
    if (fp && copy_out(t->mm, fp, ctx->fpstate, ctx->fpstate_size) < 0) {
        return -EFAULT;
    }
    if (copy_out(t->mm, at, &f, sizeof(f)) < 0) {
        return -EFAULT;
    }
    if ((unsigned)t->altstack.ss_flags & SS_AUTODISARM) {
        t->altstack = (stack_t){.ss_flags = SS_DISABLE};
        signal_altstack_changed(t);
    }
    r->rdi = (uint64_t)sig;
    r->rax = 0; /* a handler with variable arguments */
    r->rsi = at + offsetof(struct sigframe, info);
    r->rdx = at + offsetof(struct sigframe, uc);
    r->rip = a->handler;
    r->rsp = at;
    r->cs = USER_CS;
    r->ss = USER_DS;
    r->eflags &= ~(EFLAGS_DF | EFLAGS_RF | EFLAGS_TF);
    fpstate_reset(ctx); /* handlers start with a clean FPU */
    return 0;
}

/* --- back --- */

/* uc_stack, with sigaltstack(2)'s rules; like Linux, a bad one is ignored. */
static void restore_altstack(struct task *t, const struct sigframe_ucontext *uc, uaddr_t sp)
{
    unsigned flags = (unsigned)uc->stack_flags;
    unsigned mode = flags & ~SS_AUTODISARM;
    if (signal_on_altstack(t, sp) || (mode != SS_DISABLE && mode != SS_ONSTACK && mode != 0)) {
        return;
    }
    if (mode == SS_DISABLE) {
        t->altstack = (stack_t){.ss_flags = (int)flags};
    } else if (uc->stack_size >= KERNEL_MINSIGSTKSZ) {
        t->altstack = (stack_t){.ss_sp = (void *)(uintptr_t)uc->stack_sp,
                                .ss_flags = (int)flags,
                                .ss_size = uc->stack_size};
    }
    signal_altstack_changed(t);
}

static int restore_fpstate(struct task *t, struct guest_context *ctx, uaddr_t at)
{
    if (!ctx->fpstate_size) {
        return 0; /* the engine has no FP state to give or take */
    }
    if (!at) {
        fpstate_reset(ctx);
        return 0;
    }
    AUTO_FREE uint8_t *raw = malloc(GUEST_FPSTATE_MAX);
    if (!raw) {
        return -ENOMEM;
    }
    if (copy_in(t->mm, raw, at, FPSTATE_LEGACY_SIZE) < 0) {
        return -EFAULT;
    }
    size_t size = fpstate_claimed_size(ctx, raw);
    if (size > FPSTATE_LEGACY_SIZE) {
        size_t rest = size + sizeof(uint32_t) - FPSTATE_LEGACY_SIZE;
        if (copy_in(t->mm, raw + FPSTATE_LEGACY_SIZE, at + FPSTATE_LEGACY_SIZE, rest) < 0) {
            return -EFAULT;
        }
    }
    return fpstate_merge(ctx, raw, size);
}

void signal_return(struct task *t, struct guest_context *ctx)
{
    struct sigframe_ucontext uc;
    /* The restorer was returned to: pretcode has been popped. */
    uaddr_t at = ctx->regs.rsp - sizeof(uint64_t);
    if (copy_in(t->mm, &uc, at + offsetof(struct sigframe, uc), sizeof(uc)) < 0) {
        goto bad;
    }
    t->restart = NULL; /* a handler ran: what it interrupted is not to be resumed by number */
    signal_set_blocked(t, uc.sigmask);
    mcontext_to_regs(&ctx->regs, &uc.mcontext);
    if (restore_fpstate(t, ctx, uc.mcontext.fpstate) < 0) {
        goto bad;
    }
    restore_altstack(t, &uc, ctx->regs.rsp);
    if (ctx->regs.rip < PLATFORM_TASK_SIZE) {
        return;
    }
    /* Linux faults at the first instruction; here the address must not reach the host's iret. */
    ctx->regs.rip = 0;
bad:
    signal_force(t, SIGSEGV, NULL);
}
