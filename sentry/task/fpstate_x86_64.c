/*
 * The FP state in a signal frame, checked. Analogous to Linux's check_xstate_in_sigframe and
 * copy_uabi_to_xstate.
 *
 * The engine's own state (ctx->fpstate) says which format this CPU and host use: sizes, features, the
 * MXCSR mask. A guest's frame is only a source of register values for it; what it says of
 * itself is believed as far as it fits.
 */
#include "sentry/task/sigframe_x86_64.h"

#include <string.h>

#define MAGIC1         0x46505853U
#define MAGIC2         0x46505845U
#define OFF_MXCSR      24
#define OFF_MXCSR_MASK 28
#define OFF_SW         464
#define OFF_HEADER     512
#define HEADER_SIZE    64
#define FEATURES_FPSSE 3UL
#define MXCSR_DEFAULT  0x1f80U
#define FCW_DEFAULT    0x37fU
#define MXCSR_MASK_OLD 0xffbfU /* what a zero mxcsr_mask stands for */

struct sw_reserved { /* struct _fpx_sw_bytes */
    uint32_t magic1, extended_size;
    uint64_t xfeatures;
    uint32_t xstate_size;
    uint32_t padding[7];
};
struct xstate_header {
    uint64_t xfeatures, xcomp, reserved[6];
};

static struct sw_reserved sw_of(const uint8_t *fpstate)
{
    struct sw_reserved sw;
    memcpy(&sw, fpstate + OFF_SW, sizeof(sw));
    return sw;
}

bool fpstate_is_xsave(const struct guest_context *ctx)
{
    struct sw_reserved sw = sw_of(ctx->fpstate);
    return ctx->fpstate_size > OFF_HEADER + HEADER_SIZE && sw.magic1 == MAGIC1 &&
           sw.xstate_size >= OFF_HEADER + HEADER_SIZE &&
           sw.xstate_size + sizeof(uint32_t) <= ctx->fpstate_size;
}

size_t fpstate_claimed_size(const struct guest_context *ctx, const uint8_t *raw)
{
    if (!fpstate_is_xsave(ctx)) {
        return FPSTATE_LEGACY_SIZE;
    }
    struct sw_reserved own = sw_of(ctx->fpstate), sw = sw_of(raw);
    if (sw.magic1 != MAGIC1 || sw.xstate_size < OFF_HEADER + HEADER_SIZE ||
        sw.xstate_size > own.xstate_size || sw.xstate_size > sw.extended_size) {
        return FPSTATE_LEGACY_SIZE;
    }
    return sw.xstate_size;
}

static bool mxcsr_valid(const struct guest_context *ctx, const uint8_t *raw)
{
    uint32_t mask, mxcsr;
    memcpy(&mask, ctx->fpstate + OFF_MXCSR_MASK, sizeof(mask));
    memcpy(&mxcsr, raw + OFF_MXCSR, sizeof(mxcsr));
    return !(mxcsr & ~(mask ? mask : MXCSR_MASK_OLD));
}

/* size > legacy: raw has size bytes and the magic word behind them. */
int fpstate_merge(struct guest_context *ctx, const uint8_t *raw, size_t size)
{
    if (!mxcsr_valid(ctx, raw)) {
        return -EINVAL;
    }
    bool xsave = fpstate_is_xsave(ctx);
    struct xstate_header h = {.xfeatures = FEATURES_FPSSE};
    if (size > FPSTATE_LEGACY_SIZE) {
        uint32_t magic2;
        memcpy(&magic2, raw + size, sizeof(magic2));
        if (magic2 != MAGIC2) {
            size = FPSTATE_LEGACY_SIZE; /* somebody moved the frame without its tail */
        }
    }
    if (size > FPSTATE_LEGACY_SIZE) {
        struct sw_reserved own = sw_of(ctx->fpstate), sw = sw_of(raw);
        memcpy(&h, raw + OFF_HEADER, sizeof(h));
        if ((h.xfeatures & ~own.xfeatures) || h.xcomp) {
            return -EINVAL;
        }
        for (size_t i = 0; i < ARRAY_COUNT(h.reserved); i++) {
            if (h.reserved[i]) {
                return -EINVAL;
            }
        }
        h.xfeatures &= sw.xfeatures;
    }
    uint32_t mask;
    memcpy(&mask, ctx->fpstate + OFF_MXCSR_MASK, sizeof(mask));
    memcpy(ctx->fpstate, raw, OFF_SW);
    memcpy(ctx->fpstate + OFF_MXCSR_MASK, &mask, sizeof(mask));
    if (xsave) {
        size_t end = sw_of(ctx->fpstate).xstate_size;
        memset(ctx->fpstate + OFF_HEADER, 0, end - OFF_HEADER);
        if (size > OFF_HEADER) {
            memcpy(ctx->fpstate + OFF_HEADER, raw + OFF_HEADER, size - OFF_HEADER);
        }
        memcpy(ctx->fpstate + OFF_HEADER, &h, sizeof(h));
    }
    return 0;
}

void fpstate_reset(struct guest_context *ctx)
{
    if (!ctx->fpstate_size) {
        return;
    }
    uint32_t mask, mxcsr = MXCSR_DEFAULT;
    uint16_t fcw = FCW_DEFAULT;
    memcpy(&mask, ctx->fpstate + OFF_MXCSR_MASK, sizeof(mask));
    memset(ctx->fpstate, 0, OFF_SW);
    memcpy(ctx->fpstate, &fcw, sizeof(fcw));
    memcpy(ctx->fpstate + OFF_MXCSR, &mxcsr, sizeof(mxcsr));
    memcpy(ctx->fpstate + OFF_MXCSR_MASK, &mask, sizeof(mask));
    if (fpstate_is_xsave(ctx)) {
        size_t end = sw_of(ctx->fpstate).xstate_size;
        memset(ctx->fpstate + OFF_HEADER, 0, end - OFF_HEADER);
    }
}
