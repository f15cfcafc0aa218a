/* LINK: sentry/task/signal_x86_64.o sentry/task/fpstate_x86_64.o sentry/task/sigqueue.o sentry/base/kernel.o lib/bug.o */
/*
 * The x86-64 signal frame: layout against the C library's <ucontext.h>, placement on the stack, and
 * what a hostile frame may do on the way back. Guest memory is one array.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <ucontext.h>

#include <cmocka.h>

#include "sentry/mm/usercopy.h"
#include "sentry/task/sigframe_x86_64.h"

/* Wait queues need the kernel threads; a signal queue only has one in it. */
void waitq_init(struct waitq *q)
{
    list_init(&q->waiters);
}

#define BASE 0x10000UL
static uint8_t memory[65536];
static int forced;

static void *guest(uaddr_t at, size_t size)
{
    return at >= BASE && at <= BASE + sizeof(memory) && size <= BASE + sizeof(memory) - at
               ? memory + (at - BASE)
               : NULL;
}

int copy_in(struct mm *mm, void *dst, uaddr_t src, size_t size)
{
    void *p = guest(src, size);
    (void)mm;
    if (p) {
        memcpy(dst, p, size);
    }
    return p ? 0 : -EFAULT;
}

int copy_out(struct mm *mm, uaddr_t dst, const void *src, size_t size)
{
    void *p = guest(dst, size);
    (void)mm;
    if (p) {
        memcpy(p, src, size);
    }
    return p ? 0 : -EFAULT;
}

void signal_set_blocked(struct task *t, ksigset_t set)
{
    t->blocked = set & ~KSIG_UNBLOCKABLE;
}

void signal_force(struct task *t, int sig, const siginfo_t *info)
{
    (void)t;
    (void)info;
    forced = sig;
}

static uaddr_t call_sp, told_sp;
uaddr_t platform_call_sp(const struct platform_thread *th)
{
    (void)th;
    return call_sp;
}

void platform_set_altstack(struct platform_thread *th, uaddr_t sp, int flags, uint64_t size)
{
    (void)th;
    (void)flags;
    (void)size;
    told_sp = sp;
}

#define XSTATE_SIZE 832 /* x87, SSE, AVX */
struct sw {
    uint32_t magic1, extended_size;
    uint64_t xfeatures;
    uint32_t xstate_size, pad[7];
};

static struct task task;
static struct guest_context ctx, before;
static struct ksigaction action;
static siginfo_t info;

static int setup(void **state)
{
    (void)state;
    memset(&task, 0, sizeof(task));
    memset(&ctx, 0, sizeof(ctx));
    memset(memory, 0xee, sizeof(memory));
    forced = 0;
    task.altstack.ss_flags = SS_DISABLE;
    uint64_t *r = (uint64_t *)&ctx.regs;
    for (size_t i = 0; i < 15; i++) {
        r[i] = 0x1111 * (i + 1);
    }
    ctx.regs.rip = 0x400000;
    ctx.regs.rsp = BASE + sizeof(memory) - 64;
    ctx.regs.eflags = 0x246 | 0x400;
    ctx.regs.cs = 0x33;
    ctx.regs.ss = 0x2b;
    for (int i = 0; i < 464; i++) {
        ctx.fpstate[i] = (uint8_t)i;
    }
    uint32_t mxcsr = 0x1fa0, mask = 0xffff, magic2 = 0x46505845;
    memcpy(ctx.fpstate + 24, &mxcsr, 4);
    memcpy(ctx.fpstate + 28, &mask, 4);
    struct sw sw = {.magic1 = 0x46505853,
                    .extended_size = XSTATE_SIZE + 4,
                    .xfeatures = 7,
                    .xstate_size = XSTATE_SIZE};
    memcpy(ctx.fpstate + 464, &sw, sizeof(sw));
    uint64_t xfeatures = 7;
    memcpy(ctx.fpstate + 512, &xfeatures, 8);
    memset(ctx.fpstate + 576, 0x5a, 256);
    memcpy(ctx.fpstate + XSTATE_SIZE, &magic2, 4);
    ctx.fpstate_size = XSTATE_SIZE + 4;
    action = (struct ksigaction){
        .handler = 0x401000, .flags = 0x04000000 | SA_SIGINFO, .restorer = 0x402000};
    siginfo_init(&info, SIGUSR1, SI_USER, 42, 1000);
    before = ctx;
    return 0;
}

static uaddr_t push(void)
{
    assert_int_equal(signal_setup_frame(&task, &ctx, SIGUSR1, &action, &info, 0xabc0), 0);
    return ctx.regs.rsp;
}

static void frame__layout__same_as_libc(void **state)
{
    (void)state;
    const struct sigframe *f = guest(push(), sizeof(*f));
    const ucontext_t *uc = (const ucontext_t *)&f->uc;
    assert_int_equal(f->pretcode, action.restorer);
    assert_int_equal(uc->uc_flags, 7);
    assert_int_equal(uc->uc_mcontext.gregs[REG_RIP], (greg_t)before.regs.rip);
    assert_int_equal(uc->uc_mcontext.gregs[REG_RSP], (greg_t)before.regs.rsp);
    assert_int_equal(uc->uc_mcontext.gregs[REG_RDI], (greg_t)before.regs.rdi);
    assert_int_equal(uc->uc_mcontext.gregs[REG_R15], (greg_t)before.regs.r15);
    assert_int_equal(uc->uc_mcontext.gregs[REG_RBX], (greg_t)before.regs.rbx);
    assert_int_equal(uc->uc_mcontext.gregs[REG_EFL], (greg_t)before.regs.eflags);
    assert_int_equal(uc->uc_mcontext.gregs[REG_CSGSFS] & 0xffff, 0x33);
    assert_int_equal((uint64_t)uc->uc_mcontext.gregs[REG_CSGSFS] >> 48, 0x2b);
    assert_int_equal(uc->uc_stack.ss_flags, SS_DISABLE);
    uint64_t mask;
    memcpy(&mask, &uc->uc_sigmask, sizeof(mask));
    assert_int_equal(mask, 0xabc0);
    const siginfo_t *si = (const siginfo_t *)f->info;
    assert_int_equal(si->si_signo, SIGUSR1);
    assert_int_equal(si->si_pid, 42);
}

static void frame__entry_state__as_the_abi_wants(void **state)
{
    (void)state;
    uaddr_t at = push();
    assert_int_equal(at % 16, 8);
    assert_true(at + sizeof(struct sigframe) + ctx.fpstate_size <= before.regs.rsp - 128);
    assert_int_equal(ctx.regs.rdi, SIGUSR1);
    assert_int_equal(ctx.regs.rsi, at + offsetof(struct sigframe, info));
    assert_int_equal(ctx.regs.rdx, at + offsetof(struct sigframe, uc));
    assert_int_equal(ctx.regs.rax, 0);
    assert_int_equal(ctx.regs.rip, action.handler);
    assert_int_equal(ctx.regs.eflags & 0x400, 0);
    const struct sigframe *f = guest(at, sizeof(*f));
    assert_int_equal(f->uc.mcontext.fpstate % 64, 0);
    assert_memory_equal(guest(f->uc.mcontext.fpstate, ctx.fpstate_size), before.fpstate,
                        before.fpstate_size);
    uint32_t mxcsr;
    memcpy(&mxcsr, ctx.fpstate + 24, 4);
    assert_int_equal(mxcsr, 0x1f80); /* handlers start with a clean FPU */
}

static void frame__round_trip__restores_everything(void **state)
{
    (void)state;
    uaddr_t at = push();
    ctx.regs.rsp = at + 8;
    ctx.regs.rbx = 1;
    signal_return(&task, &ctx);
    assert_int_equal(forced, 0);
    assert_int_equal(task.blocked, 0xabc0 & ~KSIG_UNBLOCKABLE);
    assert_int_equal(ctx.regs.rip, before.regs.rip);
    assert_int_equal(ctx.regs.rsp, before.regs.rsp);
    assert_int_equal(ctx.regs.rbx, before.regs.rbx);
    assert_int_equal(ctx.regs.eflags, before.regs.eflags);
    assert_memory_equal(ctx.fpstate, before.fpstate, before.fpstate_size);
}

static void frame__altstack__used_and_not_overrun(void **state)
{
    (void)state;
    action.flags |= SA_ONSTACK;
    task.altstack = (stack_t){.ss_sp = (void *)(BASE + 4096), .ss_size = 8192};
    uaddr_t at = push();
    assert_true(at >= BASE + 4096 && at < BASE + 4096 + 8192);
    /* nested: stays on it, below */
    uaddr_t second = push();
    assert_true(second < at && second >= BASE + 4096);
    /* too small for a frame */
    setup(state);
    action.flags |= SA_ONSTACK;
    task.altstack = (stack_t){.ss_sp = (void *)(BASE + 4096), .ss_size = 1024};
    assert_int_equal(signal_setup_frame(&task, &ctx, SIGUSR1, &action, &info, 0), -EFAULT);
}

static void plan__altstack__as_a_frame_of_ours(void **state)
{
    struct platform_signal plan;
    (void)state;
    call_sp = before.regs.rsp;
    assert_int_equal(signal_plan_frame(&task, &action, 0xabc0, &plan), 0);
    assert_int_equal(plan.start, before.regs.rsp - 128);
    assert_false(plan.check_stack);
    assert_int_equal(plan.mask, 0xabc0);
    assert_int_equal(plan.stack_flags, SS_DISABLE);
    action.flags |= SA_ONSTACK;
    task.altstack = (stack_t){.ss_sp = (void *)(BASE + 4096), .ss_size = 8192};
    assert_int_equal(signal_plan_frame(&task, &action, 0, &plan), 0);
    assert_int_equal(plan.start, BASE + 4096 + 8192);
    assert_true(plan.check_stack);
    call_sp = BASE + 4096 + 4096; /* on it already */
    assert_int_equal(signal_plan_frame(&task, &action, 0, &plan), 0);
    assert_int_equal(plan.start, call_sp - 128);
    assert_true(plan.check_stack);
    assert_false(signal_needs_context(&task));
    task.altstack.ss_flags = (int)(1U << 31); /* SS_AUTODISARM */
    assert_true(signal_needs_context(&task));
    action.flags &= ~0x04000000UL;
    assert_int_equal(signal_plan_frame(&task, &action, 0, &plan), -EFAULT);
}

static void sigreturn__altstack_changed__guest_side_is_told(void **state)
{
    (void)state;
    task.pt = (struct platform_thread *)&task; /* only passed on */
    told_sp = 0;
    uaddr_t at = push();
    struct sigframe *f = guest(at, sizeof(*f));
    f->uc.stack_sp = BASE + 4096;
    f->uc.stack_flags = 0;
    f->uc.stack_size = 8192;
    ctx.regs.rsp = at + 8;
    signal_return(&task, &ctx);
    assert_int_equal(task.altstack.ss_size, 8192);
    assert_int_equal(told_sp, BASE + 4096);
}

static void frame__no_restorer_or_bad_stack__efault(void **state)
{
    (void)state;
    action.flags &= ~0x04000000UL;
    assert_int_equal(signal_setup_frame(&task, &ctx, SIGUSR1, &action, &info, 0), -EFAULT);
    setup(state);
    ctx.regs.rsp = 0x100;
    assert_int_equal(signal_setup_frame(&task, &ctx, SIGUSR1, &action, &info, 0), -EFAULT);
    setup(state);
    action.handler = 0xffff800000000000UL;
    assert_int_equal(signal_setup_frame(&task, &ctx, SIGUSR1, &action, &info, 0), -EFAULT);
}

static struct sigframe *pushed_frame(void)
{
    uaddr_t at = push();
    ctx.regs.rsp = at + 8;
    return guest(at, sizeof(struct sigframe));
}

static void return__hostile_segments_and_flags__forced_legal(void **state)
{
    (void)state;
    struct sigframe *f = pushed_frame();
    f->uc.mcontext.cs = 0x10;
    f->uc.mcontext.ss = 0x18;
    f->uc.mcontext.eflags = ~0UL;
    signal_return(&task, &ctx);
    assert_int_equal(ctx.regs.cs, 0x33);
    assert_int_equal(ctx.regs.ss, 0x2b);
    assert_int_equal(ctx.regs.eflags & 0x3000, 0); /* IOPL */
    assert_int_equal(ctx.regs.eflags & 0x4000, 0); /* NT */
    assert_int_equal(ctx.regs.eflags & 0x200, 0x200);
}

static void return__hostile_fpstate__segv(void **state)
{
    (void)state;
    struct sigframe *f = pushed_frame();
    uint8_t *fp = guest(f->uc.mcontext.fpstate, XSTATE_SIZE);
    uint32_t mxcsr = 0xffffffff;
    memcpy(fp + 24, &mxcsr, 4);
    signal_return(&task, &ctx);
    assert_int_equal(forced, SIGSEGV);

    setup(state);
    f = pushed_frame();
    fp = guest(f->uc.mcontext.fpstate, XSTATE_SIZE);
    fp[512 + 7] = 0x80; /* a feature this CPU does not have */
    signal_return(&task, &ctx);
    assert_int_equal(forced, SIGSEGV);

    setup(state);
    f = pushed_frame();
    f->uc.mcontext.fpstate = 0xdead0000;
    signal_return(&task, &ctx);
    assert_int_equal(forced, SIGSEGV);
}

static void return__fpstate_without_magic__legacy_part_only(void **state)
{
    (void)state;
    struct sigframe *f = pushed_frame();
    uint8_t *fp = guest(f->uc.mcontext.fpstate, XSTATE_SIZE + 4);
    fp[XSTATE_SIZE] = 0;
    signal_return(&task, &ctx);
    assert_int_equal(forced, 0);
    assert_memory_equal(ctx.fpstate + 160, before.fpstate + 160, 256); /* XMM */
    uint64_t xfeatures;
    memcpy(&xfeatures, ctx.fpstate + 512, 8);
    assert_int_equal(xfeatures, 3);
    assert_int_equal(ctx.fpstate[576], 0); /* AVX: initial */
}

static void return__non_canonical_rip__segv(void **state)
{
    (void)state;
    struct sigframe *f = pushed_frame();
    f->uc.mcontext.rip = 0x8000000000000000UL;
    signal_return(&task, &ctx);
    assert_int_equal(forced, SIGSEGV);
    assert_true(ctx.regs.rip < PLATFORM_TASK_SIZE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(frame__layout__same_as_libc, setup),
        cmocka_unit_test_setup(frame__entry_state__as_the_abi_wants, setup),
        cmocka_unit_test_setup(frame__round_trip__restores_everything, setup),
        cmocka_unit_test_setup(frame__altstack__used_and_not_overrun, setup),
        cmocka_unit_test_setup(plan__altstack__as_a_frame_of_ours, setup),
        cmocka_unit_test_setup(sigreturn__altstack_changed__guest_side_is_told, setup),
        cmocka_unit_test_setup(frame__no_restorer_or_bad_stack__efault, setup),
        cmocka_unit_test_setup(return__hostile_segments_and_flags__forced_legal, setup),
        cmocka_unit_test_setup(return__hostile_fpstate__segv, setup),
        cmocka_unit_test_setup(return__fpstate_without_magic__legacy_part_only, setup),
        cmocka_unit_test_setup(return__non_canonical_rip__segv, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
