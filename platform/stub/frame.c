/*
 * Signal frames, in Linux's layout, on the guest's stack. Analogous to Linux's arch/x86/kernel/signal_64.c and
 * fpu/signal.c. What stands in them was decided elsewhere (signal.c).
 *
 *      high   FP state (XSAVE, FP_XSTATE_MAGIC2)   64-byte aligned
 *             siginfo
 *             ucontext
 *      rsp -> return address = sa_restorer         rsp % 16 == 8, as after a call
 *
 * A frame begins in one of two places:
 *   the way back from a system call   the guest's registers are in the area, and its FP state is in the CPU, since the
 *                                     stub never touches that: XSAVE stores it. No host signal is involved.
 *   a host signal's handler           (a kick, a fault) both are in the host's frame, and are copied from there.
 *
 * Nothing here needs authority: a guest could write the same bytes and jump.
 */
#include "platform/stub/stub.h"

#define XSAVE_MAGIC1   0x46505853U
#define XSAVE_MAGIC2   0x46505845U
#define XSAVE_SOFTWARE 464 /* offset of sw_reserved in the FXSAVE area */
#define XSAVE_HEADER   512
#define XSAVE_PKRU     (1UL << 9)
#define MXCSR_DEFAULT  0x1f80U
#define MXCSR_AT       24
#define MXCSR_MASK_AT  28
#define FCW_DEFAULT    0x37fU

#define UC_FP_XSTATE 1UL
#define UC_SS        6UL /* SIGCONTEXT_SS, STRICT_RESTORE_SS */
#define SELECTORS    (0x33UL | 0x2bUL << 48)
#define EFLAGS_KEPT  0x246UL   /* where a system call leaves the flags here */
#define EFLAGS_CLEAR 0x10500UL /* RF DF TF: handlers begin without */

struct frame { /* struct rt_sigframe */
    uint64_t restorer;
    struct stub_ucontext uc;
    uint8_t info[128];
};
_Static_assert(sizeof(struct stub_ucontext) == 304, "struct ucontext");
_Static_assert(sizeof(struct frame) == 440, "struct rt_sigframe");

/* What the host writes behind the FXSAVE part of its frames, and an empty header: the same for all frames of this host. */
static struct {
    struct {
        uint32_t magic1, extended_size;
        uint64_t features;
        uint32_t size, pad[7];
    } software;
    uint64_t header[8];
} g_xsave __attribute__((section(".bss.hot")));
_Static_assert(sizeof(g_xsave) == 112, "sw_reserved and the header");

/* The FP state of a handler: all components in their initial state. XRSTOR wants to see room for them, all the same. */
#define XSAVE_MAX 8192
static const struct {
    uint8_t legacy[MXCSR_AT];
    uint32_t mxcsr;
    uint8_t rest[XSAVE_MAX - MXCSR_AT - 4];
} g_xsave_initial __attribute__((aligned(64))) = {.mxcsr = MXCSR_DEFAULT};

uint32_t stub_fpstate_size(const uint8_t *fp)
{
    if (!fp) {
        return 0;
    }
    const uint32_t *software = (const uint32_t *)(fp + XSAVE_SOFTWARE);
    return software[0] == XSAVE_MAGIC1 ? software[1] : XSAVE_HEADER;
}

void stub_frame_learn(const struct stub_ucontext *u)
{
    const uint32_t *from = (const uint32_t *)(u->fpstate + XSAVE_SOFTWARE);
    if (__atomic_load_n(&g_xsave.software.magic1, __ATOMIC_ACQUIRE) || !u->fpstate ||
        from[0] != XSAVE_MAGIC1 || from[4] > XSAVE_MAX) {
        return;
    }
    uint32_t *to = (uint32_t *)&g_xsave.software;
    for (unsigned i = 1; i < sizeof(g_xsave.software) / 4; i++) {
        to[i] = from[i];
    }
    __atomic_store_n(&g_xsave.software.magic1, XSAVE_MAGIC1, __ATOMIC_RELEASE);
}

static void copy_words(void *dst, const void *src, uint64_t size)
{
    uint64_t *to = dst;
    const uint64_t *from = src;
    for (uint64_t i = 0; i < size / 8; i++) {
        to[i] = from[i];
    }
}

/* Where the frame goes. Return: 0, or -EFAULT when it would leave the alternate stack. */
static long frame_place(const struct stub_order_signal *o, uint64_t fp_size, uint64_t *out_at,
                        uint64_t *out_fp)
{
    uint64_t fp = (o->start - fp_size) & ~63UL;
    uint64_t at = ((fp - sizeof(struct frame)) & ~15UL) - 8;
    *out_fp = fp;
    *out_at = at;
    return o->flags & SIGNAL_CHECK_STACK && !(at > o->stack[0] && at - o->stack[0] <= o->stack[2])
               ? -EFAULT_
               : 0;
}

/* Everything but the registers. */
static void frame_fill(struct frame *f, const struct area *area, const struct stub_order_signal *o,
                       uint64_t fp, uint64_t uc_flags)
{
    f->restorer = o->restorer;
    f->uc.flags = uc_flags;
    f->uc.link = NULL;
    for (int i = 0; i < 3; i++) {
        f->uc.stack[i] = o->stack[i];
    }
    f->uc.segments = SELECTORS;
    f->uc.error = area->fault[0];
    f->uc.trapno = area->fault[1];
    f->uc.oldmask = f->uc.mask = o->mask;
    f->uc.cr2 = area->fault[2];
    f->uc.fpstate = (uint8_t *)fp;
    for (int i = 0; i < 8; i++) {
        f->uc.reserved[i] = 0;
    }
    copy_words(f->info, o->info, sizeof(f->info));
}

long stub_fp_keep(uint64_t fp)
{
    uint64_t features = g_xsave.software.features;
    long r = guarded_copy((void *)(fp + XSAVE_SOFTWARE), &g_xsave, sizeof(g_xsave));
    if (r == 0) {
        r = guarded_xsave((void *)fp, (uint32_t)features, (uint32_t)(features >> 32));
    }
    uint32_t magic2 = XSAVE_MAGIC2;
    return r ? r : guarded_copy((void *)(fp + g_xsave.software.size), &magic2, sizeof(magic2));
}

int stub_fp_known(void)
{
    return __atomic_load_n(&g_xsave.software.magic1, __ATOMIC_ACQUIRE) == XSAVE_MAGIC1;
}

void stub_fp_take(uint64_t at)
{
    uint64_t features = g_xsave.software.features;
    fp_load((const void *)at, (uint32_t)features, (uint32_t)(features >> 32));
}

static void area_regs(const struct area *area, uint64_t rax, uint64_t *regs)
{
    const uint64_t *a = area->args, *callee = area->callee;
    regs[REG_RDI_] = a[0], regs[REG_RSI_] = a[1], regs[REG_RDX_] = a[2];
    regs[REG_R10_] = a[3], regs[REG_R8_] = a[4], regs[REG_R9_] = a[5];
    regs[REG_RBX_] = callee[0], regs[REG_RBP_] = callee[1];
    regs[REG_R12_] = callee[2], regs[REG_R13_] = callee[3];
    regs[REG_R14_] = callee[4], regs[REG_R15_] = callee[5];
    regs[REG_RAX_] = rax;
    regs[REG_RCX_] = regs[REG_RIP_] = area->rip;
    regs[REG_R11_] = regs[REG_EFLAGS_] = EFLAGS_KEPT | (area->flags & EFLAGS_DIRECTION);
    regs[REG_RSP_] = area->rsp;
}

long stub_frame_of_call(struct area *area, const struct stub_order_signal *o, long result,
                        uint64_t *out_at)
{
    uint64_t fp;
    struct frame f;
    if (!stub_fp_known() || frame_place(o, g_xsave.software.extended_size, out_at, &fp) != 0) {
        return -EFAULT_;
    }
    frame_fill(&f, area, o, fp, UC_SS | UC_FP_XSTATE);
    area_regs(area, (uint64_t)result, f.uc.regs);
    long r = stub_fp_keep(fp);
    return r ? r : guarded_copy((void *)*out_at, &f, sizeof(f));
}

void stub_enter_from_call(struct area *area, const struct stub_order_signal *o, uint64_t at)
{
    uint64_t features = g_xsave.software.features & ~XSAVE_PKRU;
    fp_load(&g_xsave_initial, (uint32_t)features, (uint32_t)(features >> 32));
    area->rip = o->handler;
    area->rsp = at;
    area->flags = 0;
    area->args[0] = o->sig;
    area->args[1] = at + offsetof(struct frame, info);
    area->args[2] = at + offsetof(struct frame, uc);
}

/* In place, for a frame that another one goes on top of; else the host does it when there is no state to restore. */
static void fp_reset(uint8_t *fp)
{
    uint32_t mask = *(uint32_t *)(fp + MXCSR_MASK_AT);
    for (unsigned i = 0; i < XSAVE_SOFTWARE; i += 8) {
        *(uint64_t *)(fp + i) = 0;
    }
    *(uint32_t *)fp = FCW_DEFAULT;
    *(uint32_t *)(fp + MXCSR_AT) = MXCSR_DEFAULT;
    *(uint32_t *)(fp + MXCSR_MASK_AT) = mask;
    if (stub_fpstate_size(fp) > XSAVE_HEADER) {
        *(uint64_t *)(fp + XSAVE_HEADER) = 0;
    }
}

long stub_frame_of_context(const struct area *area, const struct stub_ucontext *u,
                           const struct stub_order_signal *o, uint64_t *out_at)
{
    uint32_t size = stub_fpstate_size(u->fpstate);
    uint64_t fp;
    struct frame f;
    if (frame_place(o, size, out_at, &fp) != 0) {
        return -EFAULT_;
    }
    frame_fill(&f, area, o, size ? fp : 0, size > XSAVE_HEADER ? UC_SS | UC_FP_XSTATE : UC_SS);
    copy_words(f.uc.regs, u->regs, sizeof(f.uc.regs));
    long r = guarded_copy((void *)fp, u->fpstate, size);
    return r ? r : guarded_copy((void *)*out_at, &f, sizeof(f));
}

void stub_enter_from_context(struct stub_ucontext *u, const struct stub_order_signal *o,
                             uint64_t at, int more)
{
    if (!more) {
        u->fpstate = NULL;
    } else if (u->fpstate) {
        fp_reset(u->fpstate);
    }
    u->regs[REG_RIP_] = o->handler;
    u->regs[REG_RSP_] = at;
    u->regs[REG_RDI_] = o->sig;
    u->regs[REG_RSI_] = at + offsetof(struct frame, info);
    u->regs[REG_RDX_] = at + offsetof(struct frame, uc);
    u->regs[REG_RAX_] = 0; /* al: no vector registers hold arguments */
    u->regs[REG_EFLAGS_] &= ~EFLAGS_CLEAR;
}
