/*
 * Where a guest enters the kernel: run it, serve the event for which it stopped, act on signals, and again.
 * Analogous to Linux's arch/x86/entry/common.c and kernel/entry/common.c, as one loop a task.
 */
#include "syscalls/entry.h"

#include <string.h>

#include "lib/log.h"
#include "platform/platform.h"
#include "sentry/base/errno.h"
#include "sentry/task/lease.h"
#include "sentry/task/ptrace.h"
#include "syscalls/debug_bug.h"
#include "syscalls/dispatch.h"
#include "syscalls/recent.h"
#include "syscalls/strace.h"

/* Return: the call's internal result. */
static long serve_call(struct task *t, const struct platform_event *ev)
{
    t->syscall_nr = (uint32_t)ev->call.nr; /* as Linux: the rest of rax does not count */
    memcpy(t->syscall_args, ev->call.args, sizeof(t->syscall_args));
    t->context_replaced = false;
    g_kernel->syscalls++;
    uint64_t ticket = recent_enter(t, ev->call.nr, ev->call.args);
    debug_bug_maybe(g_kernel->syscalls);
    if (strace_on()) {
        strace_enter(t, ev->call.nr, t->syscall_args);
    }
    long result = syscall_dispatch(t, ev->call.nr, ev->call.args);
    recent_exit(ticket, result);
    if (strace_on() && !t->must_exit) {
        strace_exit(t, ev->call.nr, t->syscall_args, result);
    }
    if (ev->call.done) {
        result = result < 0 ? (long)ev->call.done : result + (long)ev->call.done;
    }
    lease_call_done(t, t->syscall_nr, result);
    if (!t->context_replaced && !t->must_exit) {
        platform_set_result(t->pt, result);
        platform_keep_answer(t->pt, (uint32_t)t->syscall_nr, result);
    }
    return result;
}

/* Acts on pending signals, and on an interrupted call that must be restarted. */
static void return_to_user(struct task *t, long nr, long result)
{
    if (!signal_needs_context(t) && platform_can_signal(t->pt)) {
        signal_deliver(t, NULL, nr, result);
        return;
    }
    struct guest_context ctx;
    if (platform_get_context(t->pt, &ctx) < 0) {
        return; /* it died: the next switch says so */
    }
    if (nr >= 0 && is_restart(result)) {
        ctx.regs.rax =
            (uint64_t)result; /* else it is there: a memory call's comes from the guest's side */
    }
    signal_deliver(t, &ctx, nr, result);
    if (!t->must_exit) {
        platform_set_context(t->pt, &ctx);
    }
}

static void host_death(struct task *t, int status)
{
    log_info("tid %d: its host process ended with status %#x", task_tid(t), status);
    int sig = status & 0x7f;
    thread_group_exit(t->tg, sig ? sig : SIGKILL);
}

/* Back to guest code. r->nr, result: of the call to restart, if one was interrupted. */
static void return_from_event(struct task *t, const struct ptrace_return *r)
{
    if (ptrace_wants_return(t, r)) {
        ptrace_return_to_user(t, r);
    } else if (r->exec) {
        if (signal_pending(t)) {
            platform_interrupt(t->pt); /* its new context exists only once it runs */
        }
    } else if (signal_pending(t) || (r->nr >= 0 && is_restart(r->result))) {
        return_to_user(t, r->nr, r->result);
    }
}

static void serve_event(struct task *t, const struct platform_event *ev)
{
    struct ptrace_return r = {.nr = -1};
    if (ev->mask_changed) {
        signal_set_blocked(t, ev->sigmask);
    }
    if (ev->told) {
        notes_told(t, ev->told);
    }
    switch (ev->kind) {
    case PLATFORM_SYSCALL:
        r.result = serve_call(t, ev);
        r.nr = t->context_replaced ? -1 : t->syscall_nr;
        r.call = true;
        break;
    case PLATFORM_CALL:
        if (ptrace_call_begins(t, (long)ev->call.nr)) {
            return;
        }
        r.call = true;
        break;
    case PLATFORM_FAULT:
        if (!ptrace_stepped(t, ev->fault.signo, ev->fault.code)) {
            signal_fault(t, ev->fault.signo, ev->fault.code, ev->fault.addr, ev->fault.trapno,
                         ev->fault.error);
        }
        break;
    case PLATFORM_INTERRUPT:
        if (ev->call.nr != UINT64_MAX) {
            r.nr = (long)ev->call.nr; /* a call that the guest's own thread had begun */
            r.result = -(long)ev->call.args[0];
        }
        r.call = ev->call_over || r.nr >= 0;
        break;
    case PLATFORM_BAD_FRAME:
        signal_bad_frame(t);
        break;
    case PLATFORM_DEAD:
        host_death(t, ev->status);
        break;
    }
    r.exec = ev->kind == PLATFORM_SYSCALL && t->exec_started;
    t->exec_started = false;
    if (t->must_exit) {
        return;
    }
    return_from_event(t, &r);
    t->syscall_nr = -1;
}

/* The map call that needed it has been made. */
static void drop_mapped_file(struct task *t)
{
    if (t->mapped_file) {
        file_put(take(&t->mapped_file));
    }
}

void task_entry(void *arg)
{
    struct task *t = arg;
    t->syscall_nr = -1;
    while (!t->must_exit) {
        struct platform_event ev;
        ptrace_before_switch(t);
        task_update_asks(t);
        platform_switch(t->pt, &ev);
        drop_mapped_file(t);
        serve_event(t, &ev);
    }
    drop_mapped_file(t);
    if (strace_on()) {
        strace_exit_task(t, t->tg->exiting ? t->tg->exit_status : t->exit_status);
    }
    task_exit(t, t->tg->exit_status);
}
