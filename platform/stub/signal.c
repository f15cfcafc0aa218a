/*
 * Signals, as far as the guest's side acts on them: handlers that the sentry ordered to run, signals that a thread sends
 * to itself, faults, and the return from handlers. Analogous to Linux's arch_do_signal_or_restart.
 *
 * The sentry decides by telling the thread, when it has delivered a signal once, what that signal's handler is: the next one
 * that the thread itself causes needs no trip, if nothing else is pending for it and nobody watches. Whatever changes
 * the handler (or who the sender is) takes that back first. For a guest this is no more than to call its own function:
 * the sentry learns of nothing but the signal mask.
 */
#include <asm/unistd.h>

#include "platform/stub/stub.h"

#define EFLAGS_FIX    0x50dd5UL /* AC OF DF TF SF ZF AF PF CF RF: what a frame may change */
#define NEVER_BLOCKED (1UL << 8 | 1UL << 18) /* SIGKILL, SIGSTOP */
#define RED_ZONE      128
#define PAGE_FAULT    14
#define SA_ONSTACK_   0x08000000UL
#define SA_NODEFER_   0x40000000UL
#define SS_AUTODISARM (1U << 31)
#define SS_ONSTACK_   1
#define SS_DISABLE_   2
#define SI_TKILL_     (-6)

long stub_signal_call(struct area *area, long result)
{
    const struct stub_order_signal *o = &area->chan->signal;
    uint64_t at;
    if (stub_frame_of_call(area, o, result, &at) != 0) {
        area->frame_waits = 1; /* the exit's trap has all registers to try again, and to report */
        area->kick = 1;
        return result;
    }
    stub_enter_from_call(area, o, at);
    if (o->flags & SIGNAL_MORE) {
        area->kick = 1;
    }
    return 0; /* al: no vector registers hold arguments */
}

/*
 * Takes the mask as stub_sigprocmask does: stored, and then taken back if the sentry has something pending that it could let
 * in. Return: 0, or NOT_OURS.
 */
static long mask_set(struct area *area, uint64_t mask)
{
    struct chan *c = area->chan;
    uint64_t old = c->sigmask;
    mask &= ~NEVER_BLOCKED;
    if (mask == old) {
        return 0;
    }
    area->mask_changed =
        CHAN_MASK; /* in any case: the sentry may have seen the one that is taken back */
    __atomic_store_n(&c->sigmask, mask, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&c->ask, __ATOMIC_SEQ_CST) & CHAN_ASK_MASK) {
        __atomic_store_n(&c->sigmask, old, __ATOMIC_SEQ_CST);
        return NOT_OURS;
    }
    return 0;
}

static int on_altstack(const struct chan *c, uint64_t sp)
{
    return sp > c->altstack[0] && sp - c->altstack[0] <= c->altstack[2];
}

/* The sentry has not said yet what it is, or entering it would change it. */
static int altstack_is_odd(const struct chan *c)
{
    return ((uint32_t)c->altstack[1] & SS_AUTODISARM) != 0;
}

long stub_altstack(const struct area *area, uint64_t to)
{
    const struct chan *c = area->chan;
    if (altstack_is_odd(c)) {
        return NOT_OURS;
    }
    struct {
        uint64_t sp;
        uint32_t flags, pad;
        uint64_t size;
    } stack = {.sp = c->altstack[0], .size = c->altstack[2]};
    stack.flags = !stack.size ? SS_DISABLE_ : on_altstack(c, area->rsp) ? SS_ONSTACK_ : 0;
    return to ? guarded_copy((void *)to, &stack, sizeof(stack)) : 0;
}

/* Everything but siginfo. sp: the guest's. Return: 0, or NOT_OURS. */
static long plan(const struct area *area, uint32_t sig, uint64_t sp, struct stub_order_signal *o,
                 uint64_t *out_mask)
{
    const struct chan *c = area->chan;
    uint64_t bit = 1UL << (sig - 1);
    const struct stub_action *a = &c->actions[sig - 1];
    if (!RO->answer || !(c->handlers & bit) || (c->sigmask & bit) || (c->ask & CHAN_ASK_MASK) ||
        altstack_is_odd(c)) {
        return NOT_OURS;
    }
    int on_stack = on_altstack(c, sp);
    o->start = sp - RED_ZONE;
    if ((a->flags & SA_ONSTACK_) && !on_stack && c->altstack[2]) {
        o->start = c->altstack[0] + c->altstack[2];
        on_stack = 1;
    }
    o->flags = on_stack ? SIGNAL_CHECK_STACK : 0;
    o->sig = sig;
    o->handler = a->handler;
    o->restorer = a->restorer;
    o->mask = c->sigmask;
    for (int i = 0; i < 3; i++) {
        o->stack[i] = c->altstack[i];
    }
    *out_mask = c->sigmask | a->mask | (a->flags & SA_NODEFER_ ? 0 : bit);
    return 0;
}

/* Which signal the call sends to its own thread, and as what. Return: the signal, or 0: it does something else. */
static uint32_t sent_to_self(const struct chan *c, uint64_t nr, const uint64_t *a,
                             int32_t *out_code)
{
    uint32_t sig = (uint32_t)(nr == __NR_tgkill ? a[2] : a[1]);
    uint32_t first = (uint32_t)a[0];
    int self = nr == __NR_tgkill  ? first == c->self_pid && (uint32_t)a[1] == c->self_tid
               : nr == __NR_tkill ? first == c->self_tid
                                  : first == c->self_pid && c->self_pid == c->self_tid;
    *out_code = nr == __NR_kill ? 0 : SI_TKILL_;
    return self && sig <= 64 ? sig : 0;
}

long stub_signal_self(struct area *area, uint64_t nr)
{
    const struct chan *c = area->chan;
    struct stub_order_signal o;
    uint64_t mask, at;
    int32_t code;
    uint32_t sig = sent_to_self(c, nr, area->args, &code);
    if (!sig || plan(area, sig, area->rsp, &o, &mask) != 0) {
        return NOT_OURS;
    }
    for (unsigned i = 0; i < sizeof(o.info) / 8; i++) {
        ((uint64_t *)o.info)[i] = 0;
    }
    uint32_t *info = (uint32_t *)o.info;
    info[0] = sig;
    info[2] = (uint32_t)code;
    info[4] = c->self_pid;
    info[5] = c->self_uid;
    if (stub_frame_of_call(area, &o, 0, &at) != 0 || mask_set(area, mask) != 0) {
        return NOT_OURS;
    }
    stub_enter_from_call(area, &o, at);
    return 0;
}

long stub_signal_fault(struct area *area, struct stub_ucontext *u, int sig, const uint32_t *info)
{
    struct stub_order_signal o;
    uint64_t mask, at;
    area->fault[0] = u->error;
    area->fault[1] = u->trapno;
    if (u->trapno == PAGE_FAULT) { /* only that sets CR2 */
        area->fault[2] = u->cr2;
    }
    if (plan(area, (uint32_t)sig, u->regs[REG_RSP_], &o, &mask) != 0) {
        return NOT_OURS;
    }
    for (unsigned i = 0; i < sizeof(o.info) / 8; i++) {
        ((uint64_t *)o.info)[i] = ((const uint64_t *)info)[i];
    }
    if (stub_frame_of_context(area, u, &o, &at) != 0 || mask_set(area, mask) != 0) {
        return NOT_OURS;
    }
    stub_enter_from_context(u, &o, at, 0);
    return 0;
}

/*
 * The FP state goes by its address: the host's own sigreturn, by which this handler leaves, reads it where the guest has
 * it, and checks it. One that it rejects is a SIGSEGV at the place returned to, as it is without us.
 */
long stub_sigreturn(struct area *area, struct stub_ucontext *u)
{
    const struct chan *c = area->chan;
    struct stub_ucontext f;
    if (!RO->answer || (c->ask & CHAN_ASK_SIGRETURN) ||
        guarded_copy(&f, (const void *)u->regs[REG_RSP_], sizeof(f)) != 0 ||
        f.regs[REG_RIP_] >= TASK_SIZE || f.stack[0] != c->altstack[0] ||
        (uint32_t)f.stack[1] != (uint32_t)c->altstack[1] || f.stack[2] != c->altstack[2] ||
        mask_set(area, f.mask) != 0) {
        return NOT_OURS;
    }
    uint64_t flags = u->regs[REG_EFLAGS_];
    for (int i = 0; i < REG_COUNT_; i++) {
        u->regs[i] = f.regs[i];
    }
    u->regs[REG_EFLAGS_] = (flags & ~EFLAGS_FIX) | (f.regs[REG_EFLAGS_] & EFLAGS_FIX) | 0x202;
    u->fpstate = f.fpstate;
    area->restart = 0;
    return 0;
}
