/*
 * What a guest thread resumes with: the result of its call, other registers, or a signal handler.
 *
 * A context (registers, and on demand the FP state) comes with a request from one of the stub's signal handlers, or by
 * ORDER_UPCALL. A handler's frame needs none: the sentry says what stands in it, and the stub, which has the
 * registers, writes it (platform/stub/frame.c). All registers are hostile.
 */
#include <errno.h>
#include <signal.h>
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
    th->bases[0] = *(volatile uint64_t *)&th->chan->bases[0];
    th->bases[1] = *(volatile uint64_t *)&th->chan->bases[1];
    th->call_begins = th->nr == STUB_REQ_CALL;
    th->call_goes = false;
    th->held = false;
    if (th->start_kick) {
        th->start_kick = false;
        __atomic_store_n(&th->chan->start_kick, 0, __ATOMIC_SEQ_CST);
    }
}

void context_reply(struct platform_thread *th)
{
    if (th->context_changed) {
        for (int i = 0; i < REG_COUNT_; i++) {
            th->chan->regs[i] = th->regs[i];
        }
        th->chan->bases[0] = th->bases[0];
        th->chan->bases[1] = th->bases[1];
    }
    th->chan->reply_args[0] = th->context_changed;
    th->chan->reply_args[1] = th->fpstate_reply;
    th->chan->reply_args[2] = th->call_goes;
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

uint64_t call_result(const struct platform_thread *th)
{
    return (uint64_t)(th->copy_failed ? -EFAULT : th->result);
}

void seccomp_set_result(struct platform_thread *th, long result)
{
    if (th->has_context) {
        th->regs[REG_RAX_] = (uint64_t)(th->copy_failed ? -EFAULT : result);
        th->context_changed = true;
    } else {
        th->result = result;
    }
}

void seccomp_redo_call(struct platform_thread *th, long nr)
{
    th->copy_failed = false;
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

/*
 * A thread that was told to come back before it goes on, and has been let go: by an order to clone, or to load a program. Context: may block.
 */
static int held_context(struct platform_thread *th)
{
    bool loading = th->loading;
    if (th->in_request && !th->event) {
        return 0; /* it has not been let go */
    }
    do {
        int r = channel_wait(th);
        if (r < 0) {
            return r;
        }
    } while (clone_failed(th));
    if (loading && th->nr == STUB_REQ_RESULT) {
        th->loading = false;
        seccomp_kill(th);
        thread_mark_dead(th, SIGSEGV);
        return -ESRCH;
    }
    if (th->nr != STUB_REQ_CONTEXT) {
        th->held = false;
        th->event = true; /* for its owner's next switch */
        return -EAGAIN;
    }
    th->loading = false;
    context_take(th);
    return 0;
}

/* They lie in the stub's area, which is the guest's: it can lie about them, as it can about all its registers. */
int seccomp_call_regs(const struct platform_thread *th, struct guest_regs *out)
{
    uint64_t w[AREA_REGS_END / 8];
    uaddr_t at = AREA_BASE - th->slot * AREA_STRIDE + AREA_STRUCT;
    if (th->dead || engine_vm_read(thread_memory(th), w, at, sizeof(w)) != sizeof(w)) {
        return -ESRCH;
    }
    const uint64_t *a = &w[AREA_ARGS / 8], *c = &w[AREA_CALLEE / 8];
    *out = (struct guest_regs){.rdi = a[0],
                               .rsi = a[1],
                               .rdx = a[2],
                               .r10 = a[3],
                               .r8 = a[4],
                               .r9 = a[5],
                               .rbx = c[0],
                               .rbp = c[1],
                               .r12 = c[2],
                               .r13 = c[3],
                               .r14 = c[4],
                               .r15 = c[5],
                               .rip = w[AREA_RIP / 8],
                               .rcx = w[AREA_RIP / 8],
                               .rsp = w[AREA_RSP / 8],
                               .eflags = 0x246,
                               .r11 = 0x246,
                               .cs = 0x33,
                               .ss = 0x2b,
                               .fs_base = th->bases[0],
                               .gs_base = th->bases[1]};
    return 0;
}

void seccomp_hold(struct platform_thread *th)
{
    th->held = true;
    th->start_kick = true;
    if (th->chan) {
        __atomic_store_n(&th->chan->start_kick, 1, __ATOMIC_SEQ_CST);
    }
}

void seccomp_begin_call(struct platform_thread *th, long nr)
{
    if (th->has_context && th->call_begins) {
        th->regs[REG_RAX_] = (uint64_t)nr;
        th->context_changed = th->call_goes = true;
    }
}

int seccomp_stop_sites(struct platform_thread *th, bool stop)
{
    if (th->dead || !th->started || !th->in_request || th->event) {
        return -EAGAIN; /* it has not begun, or goes on already */
    }
    th->chan->reply_args[0] = stop;
    return order_within(th, ORDER_SITES) < 0 ? -ESRCH : 0;
}

int seccomp_get_context(struct platform_thread *th, struct guest_context *out)
{
    if (th->dead) {
        return -ESRCH;
    }
    if (!th->has_context) {
        if (th->held) {
            int r = held_context(th);
            if (r < 0) {
                return r;
            }
        } else if (!th->in_request || th->event) {
            seccomp_interrupt(th); /* a clone let it go already; its next request may be here */
            return -EAGAIN;
        }
    }
    if (!th->has_context) {
        tail_now(th);
        th->chan->ret = call_result(th);
        channel_reply(th, ORDER_UPCALL);
        int r = channel_wait(th);
        if (r < 0) {
            return r;
        }
        if (th->nr != STUB_REQ_CONTEXT) {
            return thread_violation(th);
        }
        context_take(th);
        if (th->redo) {
            th->redo = false;
            th->regs[REG_RIP_] -= SYSCALL_SIZE;
        }
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
                 .fs_base = th->bases[0],
                 .gs_base = th->bases[1],
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
    th->bases[0] = g->fs_base < PLATFORM_TASK_SIZE ? g->fs_base : th->bases[0];
    th->bases[1] = g->gs_base < PLATFORM_TASK_SIZE ? g->gs_base : th->bases[1];
    th->context_changed = true;
    th->fpstate_reply = 0;
    if (ctx->fpstate_size && ctx->fpstate_size <= GUEST_FPSTATE_MAX) {
        memcpy((char *)th->chan + WINDOW_OFFSET, ctx->fpstate, ctx->fpstate_size);
        th->fpstate_reply = ctx->fpstate_size;
    }
}
