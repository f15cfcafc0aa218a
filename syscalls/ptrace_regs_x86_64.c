/*
 * Registers as ptrace(2) shows them: struct user, and the register sets. Analogous to Linux's
 * arch/x86/kernel/ptrace.c and fpu/regset.c. What a tracer sets is forced to what a user may have here or in
 * platform_set_context; the FP state is checked as that of a signal frame is.
 */
#include "syscalls/ptrace_regs.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/user.h>

#include "sentry/task/sigframe_x86_64.h"

_Static_assert(sizeof(struct user_regs_struct) == PTRACE_USER_REGS_SIZE, "struct user_regs_struct");
_Static_assert(sizeof(struct user_fpregs_struct) == PTRACE_FPREGS_SIZE, "FXSAVE");
_Static_assert(offsetof(struct guest_regs, gs_base) == offsetof(struct user_regs_struct, gs_base),
               "laid out alike");

/* X86_EFLAGS_{CF,PF,AF,ZF,SF,TF,DF,OF,RF,AC}: what a tracer may change. */
#define EFLAGS_MAY  0x50dd5UL
#define USER_SIZE   928 /* of struct user in the kernel, which has more in it than in the C library */
#define XSAVE_SW    464 /* sw_reserved: ptrace shows XCR0 there, frames a description */
#define XSAVE_MAGIC 0x46505853U
#define XSAVE_END   0x46505845U
#define XSAVE_MIN   576

struct software {
    uint32_t magic1, extended_size;
    uint64_t features;
    uint32_t size, pad[7];
};

static int set_reg(struct guest_regs *r, size_t index, uint64_t value)
{
    switch (index * 8) {
    case offsetof(struct user_regs_struct, cs):
    case offsetof(struct user_regs_struct, ss):
        /* DEVIATION: only the flat 64-bit selectors exist here; others are refused when set, not when used. */
        return value == (index * 8 == offsetof(struct user_regs_struct, cs) ? r->cs : r->ss) ? 0
                                                                                             : -EIO;
    case offsetof(struct user_regs_struct, ds):
    case offsetof(struct user_regs_struct, es):
    case offsetof(struct user_regs_struct, fs):
    case offsetof(struct user_regs_struct, gs):
        return value & 0xffff ? -EIO : 0;
    case offsetof(struct user_regs_struct, fs_base):
    case offsetof(struct user_regs_struct, gs_base):
        if (value >= PLATFORM_TASK_SIZE) {
            return -EIO;
        }
        break;
    case offsetof(struct user_regs_struct, eflags):
        value = (r->eflags & ~EFLAGS_MAY) | (value & EFLAGS_MAY);
        break;
    default:
        break;
    }
    ((uint64_t *)(void *)r)[index] = value;
    return 0;
}

void ptrace_regs_out(const struct guest_context *ctx, uint64_t regs[PTRACE_USER_REGS_SIZE / 8])
{
    memset(regs, 0, PTRACE_USER_REGS_SIZE); /* ds, es, fs, gs: null, as in every 64-bit program */
    memcpy(regs, &ctx->regs, sizeof(ctx->regs));
}

int ptrace_regs_in(struct guest_context *ctx, const uint64_t *regs, size_t count)
{
    for (size_t i = 0; i < count && i < PTRACE_USER_REGS_SIZE / 8; i++) {
        int r = set_reg(&ctx->regs, i, regs[i]);
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

int ptrace_peek_user(const struct guest_context *ctx, unsigned long offset, uint64_t *out)
{
    uint64_t regs[PTRACE_USER_REGS_SIZE / 8];
    if (offset % 8 || offset >= USER_SIZE) {
        return -EIO;
    }
    ptrace_regs_out(ctx, regs);
    *out = offset < sizeof(regs) ? regs[offset / 8] : 0;
    return 0;
}

int ptrace_poke_user(struct guest_context *ctx, unsigned long offset, uint64_t value)
{
    if (offset % 8 || offset >= USER_SIZE) {
        return -EIO;
    }
    return offset < PTRACE_USER_REGS_SIZE ? set_reg(&ctx->regs, offset / 8, value) : -EIO;
}

/* --- floating point --- */

int ptrace_fpregs_out(const struct guest_context *ctx, uint8_t *out)
{
    if (ctx->fpstate_size < PTRACE_FPREGS_SIZE) {
        return -ENODEV;
    }
    memcpy(out, ctx->fpstate, PTRACE_FPREGS_SIZE);
    memset(out + XSAVE_SW, 0, PTRACE_FPREGS_SIZE - XSAVE_SW);
    return 0;
}

int ptrace_fpregs_in(struct guest_context *ctx, const uint8_t *in)
{
    uint64_t own = 0;
    if (ctx->fpstate_size < PTRACE_FPREGS_SIZE) {
        return -ENODEV;
    }
    if (!fpstate_is_xsave(ctx)) {
        return fpstate_merge(ctx, in, FPSTATE_LEGACY_SIZE);
    }
    /* The wider registers stay: only the legacy part is replaced, in a whole state. */
    AUTO_FREE uint8_t *all = malloc(GUEST_FPSTATE_MAX);
    if (!all) {
        return -ENOMEM;
    }
    memcpy(all, ctx->fpstate, GUEST_FPSTATE_MAX);
    memcpy(all, in, XSAVE_SW);
    memcpy(&own, all + PTRACE_FPREGS_SIZE, sizeof(own));
    own |= 3; /* x87 and SSE are in use */
    memcpy(all + PTRACE_FPREGS_SIZE, &own, sizeof(own));
    return fpstate_merge(ctx, all, fpstate_claimed_size(ctx, all));
}

size_t ptrace_xstate_size(const struct guest_context *ctx)
{
    struct software sw;
    if (!fpstate_is_xsave(ctx)) {
        return 0;
    }
    memcpy(&sw, ctx->fpstate + XSAVE_SW, sizeof(sw));
    return sw.size;
}

void ptrace_xstate_out(const struct guest_context *ctx, uint8_t *out)
{
    struct software sw;
    memcpy(&sw, ctx->fpstate + XSAVE_SW, sizeof(sw));
    memcpy(out, ctx->fpstate, sw.size);
    memset(out + XSAVE_SW, 0, sizeof(sw));
    memcpy(out + XSAVE_SW, &sw.features, sizeof(sw.features));
}

int ptrace_xstate_in(struct guest_context *ctx, const uint8_t *in)
{
    struct software sw;
    uint32_t end = XSAVE_END;
    memcpy(&sw, ctx->fpstate + XSAVE_SW, sizeof(sw));
    AUTO_FREE uint8_t *all = malloc(GUEST_FPSTATE_MAX);
    if (!all) {
        return -ENOMEM;
    }
    memcpy(all, in, sw.size);
    memcpy(all + XSAVE_SW, &sw, sizeof(sw));
    memcpy(all + sw.size, &end, sizeof(end));
    return fpstate_merge(ctx, all, sw.size);
}
