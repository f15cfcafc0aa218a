/*
 * The layout of Linux's x86-64 rt_sigframe (arch/x86/include/asm/sigframe.h and
 * uapi/asm/{ucontext,sigcontext}.h), and the checks of the FP state behind it.
 */
#pragma once

#include "sentry/task/internal.h"

#define UC_FP_XSTATE         1UL
#define UC_SIGCONTEXT_SS     2UL
#define UC_STRICT_RESTORE_SS 4UL

struct sigframe_mcontext { /* struct sigcontext_64 */
    uint64_t r8, r9, r10, r11, r12, r13, r14, r15;
    uint64_t rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip, eflags;
    uint16_t cs, gs, fs, ss;
    uint64_t err, trapno, oldmask, cr2, fpstate, reserved[8];
};
struct sigframe_ucontext {
    uint64_t flags, link;
    uint64_t stack_sp;
    int32_t stack_flags;
    int32_t stack_pad;
    uint64_t stack_size;
    struct sigframe_mcontext mcontext;
    uint64_t sigmask;
};
struct sigframe {
    uint64_t pretcode;
    struct sigframe_ucontext uc;
    uint8_t info[128];
};

/* The FXSAVE part of the XSAVE area; its last 48 bytes are the kernel's sw_reserved. */
#define FPSTATE_LEGACY_SIZE 512UL

/* ctx's state came as an XSAVE area rather than FXSAVE alone. */
bool fpstate_is_xsave(const struct guest_context *ctx);
/* What raw (a guest's frame, legacy part) says its size is, when that makes sense for this CPU; else legacy only. */
size_t fpstate_claimed_size(const struct guest_context *ctx, const uint8_t *raw);
/* Puts raw's registers into ctx in ctx's own format. Errors: -EINVAL: XRSTOR would fault on it. */
MUST_CHECK int fpstate_merge(struct guest_context *ctx, const uint8_t *raw, size_t size);
/* The registers as a new program finds them. */
void fpstate_reset(struct guest_context *ctx);
