/*
 * Debug registers: a tracer's watched variables and instructions. Analogous to the ptrace half of Linux's
 * arch/x86/kernel/hw_breakpoint.c and ptrace.c.
 *
 * The CPU's own can't be had from here, so a tracee that has some set goes on step by step, and what is watched is looked at after
 * each instruction: a variable has been written when it has changed, an instruction is about to be executed when it is next.
 *
 * DEVIATION: a watched variable stops its tracee when its value changes, not when the same is written again; one that is to stop it when it
 * is read is refused as if all debug registers were taken. What another thread writes counts for each thread that watches.
 */
#include "sentry/task/ptrace.h"

#include "sentry/mm/usercopy.h"
#include "sentry/task/signal.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/user.h>

#define POINTS 4 /* DR0-DR3: addresses */

/* DR6: bits 0-3, whose it was. What is not used reads as ones. */
#define DR6_STEP     0x4000UL
#define DR6_RESERVED 0xffff0ff0UL

/* DR7: two bits a register to switch it on, and from bit 16 on four that say what it watches. */
#define DR7_ALL      0xffUL
#define DR7_RESERVED 0xfc00UL
enum { KIND_EXECUTE, KIND_WRITE, KIND_PORT, KIND_ACCESS };

static bool is_on(uint64_t dr7, unsigned n)
{
    return dr7 >> (2 * n) & 3;
}

static unsigned kind_of(uint64_t dr7, unsigned n)
{
    return dr7 >> (16 + 4 * n) & 3;
}

static size_t size_of(uint64_t dr7, unsigned n)
{
    static const uint8_t sizes[] = {1, 2, 8, 4};
    return sizes[dr7 >> (18 + 4 * n) & 3];
}

/* --- what the tracer sets --- */

static int check_point(const struct ptrace_watch *w, uint64_t dr7, unsigned n)
{
    size_t size = size_of(dr7, n);
    switch (kind_of(dr7, n)) {
    case KIND_EXECUTE:
        return size == 1 ? 0 : -EINVAL;
    case KIND_WRITE:
        return w->addr[n] % size ? -EINVAL : 0;
    case KIND_ACCESS:
        return -ENOSPC;
    default:
        return -EINVAL;
    }
}

static int set_control(struct ptrace_watch *w, uint64_t dr7)
{
    dr7 &= ~DR7_RESERVED;
    for (unsigned n = 0; n < POINTS; n++) {
        int r = is_on(dr7, n) ? check_point(w, dr7, n) : 0;
        if (r < 0) {
            return r;
        }
    }
    w->dr7 = dr7;
    return 0;
}

static int set_address(struct ptrace_watch *w, unsigned n, uint64_t addr)
{
    struct ptrace_watch next = *w;
    next.addr[n] = addr;
    if (addr >= PLATFORM_TASK_SIZE || (is_on(w->dr7, n) && check_point(&next, w->dr7, n) < 0)) {
        return -EINVAL;
    }
    w->addr[n] = addr;
    return 0;
}

bool ptrace_is_debug_register(unsigned long offset)
{
    return offset % 8 == 0 && offset >= offsetof(struct user, u_debugreg) &&
           offset < offsetof(struct user, u_debugreg) + 8 * sizeof(uint64_t);
}

int ptrace_set_debug_register(struct ptrace_state *p, unsigned long offset, uint64_t value)
{
    unsigned n = (unsigned)(offset - offsetof(struct user, u_debugreg)) / 8;
    switch (n) {
    case 4:
    case 5:
        return -EIO;
    case 6:
        p->watch.dr6 = value ^ DR6_RESERVED;
        return 0;
    case 7:
        return set_control(&p->watch, value);
    default:
        return set_address(&p->watch, n, value);
    }
}

uint64_t ptrace_debug_register(const struct ptrace_state *p, unsigned long offset)
{
    unsigned n = (unsigned)(offset - offsetof(struct user, u_debugreg)) / 8;
    switch (n) {
    case 4:
    case 5:
        return 0;
    case 6:
        return p->watch.dr6 ^ DR6_RESERVED;
    case 7:
        return p->watch.dr7;
    default:
        return p->watch.addr[n];
    }
}

/* --- steps --- */

/* What can't be read has no value to change. */
static uint64_t value_of(struct task *t, const struct ptrace_watch *w, unsigned n)
{
    uint64_t value = 0;
    return copy_in(t->mm, &value, w->addr[n], size_of(w->dr7, n)) < 0 ? 0 : value;
}

bool ptrace_watches(const struct task *t)
{
    const struct ptrace_state *p = task_traced(t);
    return p && (p->watch.dr7 & DR7_ALL);
}

void ptrace_watch_begin(struct task *t)
{
    struct ptrace_watch *w = &t->ptrace->watch;
    for (unsigned n = 0; n < POINTS; n++) {
        if (is_on(w->dr7, n) && kind_of(w->dr7, n) == KIND_WRITE) {
            w->seen[n] = value_of(t, w, n);
        }
    }
}

/* Whose turn it is: a bit each. */
static uint64_t points_hit(struct task *t, uint64_t rip)
{
    const struct ptrace_watch *w = &t->ptrace->watch;
    uint64_t hit = 0;
    for (unsigned n = 0; n < POINTS; n++) {
        if (is_on(w->dr7, n) &&
            (kind_of(w->dr7, n) == KIND_EXECUTE ? w->addr[n] == rip
                                                : value_of(t, w, n) != w->seen[n])) {
            hit |= 1UL << n;
        }
    }
    return hit;
}

bool ptrace_stepped(struct task *t, int sig, int code)
{
    struct ptrace_state *p = task_traced(t);
    if (!p || !p->stepping || sig != SIGTRAP || code != TRAP_TRACE) {
        return false;
    }
    struct guest_context *ctx = ptrace_context(t);
    if (!ctx) {
        return true; /* it died: the next switch says so */
    }
    uint64_t hit = points_hit(t, ctx->regs.rip);
    bool step = p->mode == PTRACE_GO_STEP;
    p->watch.dr6 = (step ? DR6_STEP : 0) | hit;
    if (hit && !step) {
        siginfo_t info;
        siginfo_init(&info, SIGTRAP, TRAP_HWBKPT, 0, 0);
        info.si_addr = (void *)(uintptr_t)ctx->regs.rip;
        signal_force(t, SIGTRAP, &info);
    }
    return !step;
}
