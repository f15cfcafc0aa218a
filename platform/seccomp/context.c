/*
 * What a guest thread resumes with: the result of its call, other registers, or a signal handler.
 *
 * A context (registers, and on demand the FP state) comes with a request from one of the stub's signal handlers, or by
 * ORDER_UPCALL. A handler's frame needs none: the sentry says what stands in it, and the stub, which has the
 * registers, writes it (platform/stub/frame.c). All registers are hostile.
 */
#include <errno.h>
#include <string.h>

#include "platform/seccomp/seccomp.h"

#define EFLAGS_USER  0x50dd5UL /* CF PF AF ZF SF TF DF OF AC RF... as Linux lets a frame set them */
#define SYSCALL_SIZE 2

void context_take(struct platform_thread *th)
{
    th->kicked = false; /* the stub has forgotten it as well */
    th->has_context = true;
    th->context_changed = false;
    th->has_signal = false;
    th->fpstate_reply = 0;
    uint64_t size = th->args[0];
    th->fpstate_size = size <= GUEST_FPSTATE_MAX ? (uint32_t)size : 0;
    for (int i = 0; i < REG_COUNT_; i++) {
        th->regs[i] = ((volatile uint64_t *)th->chan->regs)[i];
    }
}

void context_reply(struct platform_thread *th)
{
    if (th->context_changed) {
        for (int i = 0; i < REG_COUNT_; i++) {
            th->chan->regs[i] = th->regs[i];
        }
    }
    th->chan->reply_args[0] = th->context_changed;
    th->chan->reply_args[1] = th->fpstate_reply;
    channel_reply(th, th->has_signal ? ORDER_SIGNAL : ORDER_CONTEXT);
}

void call_reply(struct platform_thread *th)
{
    if (th->has_signal) {
        th->chan->signal.flags |= th->redo ? SIGNAL_REDO : 0;
        channel_reply(th, ORDER_SIGNAL);
    } else {
        channel_reply(th, th->redo ? ORDER_REDO : ORDER_RETURN);
    }
}

void seccomp_set_result(struct platform_thread *th, long result)
{
    if (th->has_context) {
        th->regs[REG_RAX_] = (uint64_t)result;
        th->context_changed = true;
    } else {
        th->result = result;
    }
}

void seccomp_redo_call(struct platform_thread *th, long nr)
{
    seccomp_set_result(th, nr);
    if (th->has_context) {
        th->regs[REG_RIP_] -= SYSCALL_SIZE;
    } else {
        th->redo = true;
    }
}

bool seccomp_can_signal(struct platform_thread *th)
{
    if (th->dead || !th->started || !th->in_request || th->event || th->has_signal) {
        return false;
    }
    tail_now(th);
    return !th->dead;
}

void seccomp_signal(struct platform_thread *th, const struct platform_signal *s)
{
    struct stub_order_signal *o = &th->chan->signal;
    if (th->dead || !th->in_request) {
        return; /* it died while it was stopped */
    }
    o->handler = s->handler;
    o->restorer = s->restorer;
    o->start = s->start;
    o->mask = s->mask;
    o->stack[0] = s->stack_sp;
    o->stack[1] = (uint32_t)s->stack_flags;
    o->stack[2] = s->stack_size;
    o->sig = (uint32_t)s->sig;
    o->flags = (s->check_stack ? SIGNAL_CHECK_STACK : 0) | (s->more ? SIGNAL_MORE : 0);
    memcpy(o->info, s->info, sizeof(o->info));
    th->has_signal = true;
}

void seccomp_set_altstack(struct platform_thread *th, uaddr_t sp, int flags, uint64_t size)
{
    if (th->chan) {
        th->chan->altstack[0] = sp;
        th->chan->altstack[1] = (uint32_t)flags;
        th->chan->altstack[2] = size;
    }
}

/* The FP state that belongs to the context, into the window. Context: may block. */
static int fetch_fpstate(struct platform_thread *th)
{
    uint64_t nr = th->nr, args[6];
    memcpy(args, th->args, sizeof(args));
    channel_reply(th, ORDER_FPSTATE);
    int r = channel_wait(th);
    if (r < 0) {
        return r;
    }
    if (th->nr != STUB_REQ_RESULT) {
        return thread_violation(th);
    }
    th->nr = nr;
    memcpy(th->args, args, sizeof(args));
    th->has_context = true; /* the registers are still here */
    return 0;
}

int seccomp_get_context(struct platform_thread *th, struct guest_context *out)
{
    if (th->dead) {
        return -ESRCH;
    }
    if (!th->has_context) {
        if (!th->in_request || th->event) {
            seccomp_interrupt(th); /* a clone let it go already; its next request may be here */
            return -EAGAIN;
        }
        tail_now(th);
        th->chan->ret = (uint64_t)th->result;
        channel_reply(th, ORDER_UPCALL);
        int r = channel_wait(th);
        if (r < 0) {
            return r;
        }
        if (th->nr != STUB_REQ_CONTEXT) {
            return thread_violation(th);
        }
        context_take(th);
    }
    if (th->fpstate_size) {
        int error = fetch_fpstate(th);
        if (error < 0) {
            return error;
        }
    }
    const uint64_t *r = th->regs;
    *out = (struct guest_context){
        .regs = {.r8 = r[REG_R8_],
                 .r9 = r[REG_R9_],
                 .r10 = r[REG_R10_],
                 .r11 = r[REG_R11_],
                 .r12 = r[REG_R12_],
                 .r13 = r[REG_R13_],
                 .r14 = r[REG_R14_],
                 .r15 = r[REG_R15_],
                 .rdi = r[REG_RDI_],
                 .rsi = r[REG_RSI_],
                 .rbp = r[REG_RBP_],
                 .rbx = r[REG_RBX_],
                 .rdx = r[REG_RDX_],
                 .rax = r[REG_RAX_],
                 .rcx = r[REG_RCX_],
                 .rsp = r[REG_RSP_],
                 .rip = r[REG_RIP_],
                 .eflags = r[REG_EFLAGS_],
                 .cs = 0x33,
                 .ss = 0x2b,
                 .orig_rax = UINT64_MAX},
        .fpstate_size = th->fpstate_size,
    };
    memcpy(out->fpstate, (char *)th->chan + WINDOW_OFFSET, th->fpstate_size);
    return 0;
}

void seccomp_set_context(struct platform_thread *th, const struct guest_context *ctx)
{
    if (th->dead) {
        return;
    }
    BUG_ON(!th->has_context);
    const struct guest_regs *g = &ctx->regs;
    uint64_t *r = th->regs;
    r[REG_R8_] = g->r8, r[REG_R9_] = g->r9, r[REG_R10_] = g->r10, r[REG_R11_] = g->r11;
    r[REG_R12_] = g->r12, r[REG_R13_] = g->r13, r[REG_R14_] = g->r14, r[REG_R15_] = g->r15;
    r[REG_RDI_] = g->rdi, r[REG_RSI_] = g->rsi, r[REG_RBP_] = g->rbp, r[REG_RBX_] = g->rbx;
    r[REG_RDX_] = g->rdx, r[REG_RAX_] = g->rax, r[REG_RCX_] = g->rcx, r[REG_RSP_] = g->rsp;
    r[REG_RIP_] = g->rip;
    r[REG_EFLAGS_] = (g->eflags & EFLAGS_USER) | 0x202;
    th->context_changed = true;
    th->fpstate_reply = 0;
    if (ctx->fpstate_size && ctx->fpstate_size <= GUEST_FPSTATE_MAX) {
        memcpy((char *)th->chan + WINDOW_OFFSET, ctx->fpstate, ctx->fpstate_size);
        th->fpstate_reply = ctx->fpstate_size;
    }
}
