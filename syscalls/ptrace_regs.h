/* A stopped tracee's registers in the forms of ptrace(2). All of these change ctx, and nothing else. */
#pragma once

#include "platform/platform.h"

#define PTRACE_USER_REGS_SIZE (27 * 8) /* struct user_regs_struct */
#define PTRACE_FPREGS_SIZE    512      /* struct user_fpregs_struct: FXSAVE */

/* The word at offset of struct user, which is no debug register. Errors: -EIO there is none. */
MUST_CHECK int ptrace_peek_user(const struct guest_context *ctx, unsigned long offset,
                                uint64_t *out);
/* Errors: -EIO, and what Linux says of values that a user may not have. */
MUST_CHECK int ptrace_poke_user(struct guest_context *ctx, unsigned long offset, uint64_t value);
void ptrace_regs_out(const struct guest_context *ctx, uint64_t regs[PTRACE_USER_REGS_SIZE / 8]);
/* The first count words of it. Errors: -EIO. */
MUST_CHECK int ptrace_regs_in(struct guest_context *ctx, const uint64_t *regs, size_t count);
/* NT_PRFPREG: PTRACE_FPREGS_SIZE bytes. Errors: -EINVAL a bit that the CPU has not; -ENODEV no FP state is known. */
MUST_CHECK int ptrace_fpregs_out(const struct guest_context *ctx, uint8_t *out);
MUST_CHECK int ptrace_fpregs_in(struct guest_context *ctx, const uint8_t *in);
/* NT_X86_XSTATE: how many bytes (0: the CPU has no XSAVE), and these. */
size_t ptrace_xstate_size(const struct guest_context *ctx);
void ptrace_xstate_out(const struct guest_context *ctx, uint8_t *out);
MUST_CHECK int ptrace_xstate_in(struct guest_context *ctx, const uint8_t *in);
