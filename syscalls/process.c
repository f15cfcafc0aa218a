/*
 * Identity and end of tasks: getpid(2) and its kin, exit, set_tid_address, robust lists, arch_prctl.
 */
#include <asm/prctl.h>

#include "sentry/base/errno.h"
#include "platform/platform.h"
#include "sentry/mm/usercopy.h"
#include "sentry/task/task.h"
#include "sentry/task/ptrace.h"
#include "sentry/task/robust.h"
#include "syscalls/ptrace_access.h"
#include "syscalls/syscalls.h"

long sys_getpid(struct task *t)
{
    return task_tgid(t);
}

long sys_gettid(struct task *t)
{
    return task_tid(t);
}

long sys_getppid(struct task *t)
{
    return t->tg->parent ? t->tg->parent->pid->nr : 0;
}

long sys_exit(struct task *t, int status)
{
    ptrace_exit_event(t, (status & 0xff) << 8);
    robust_list_exit(t, true);
    t->exit_status = (status & 0xff) << 8;
    t->must_exit = true;
    return 0;
}

long sys_exit_group(struct task *t, int status)
{
    ptrace_exit_event(t, (status & 0xff) << 8);
    robust_list_exit(t, true);
    thread_group_exit(t->tg, (status & 0xff) << 8);
    t->must_exit = true;
    return 0;
}

long sys_set_tid_address(struct task *t, uaddr_t tidptr)
{
    t->clear_child_tid = tidptr;
    return task_tid(t);
}

#define ROBUST_HEAD_SIZE 24

long sys_set_robust_list(struct task *t, uaddr_t head, size_t len)
{
    if (len != ROBUST_HEAD_SIZE) {
        return -EINVAL;
    }
    t->robust_list = head;
    return 0;
}

long sys_get_robust_list(struct task *t, int pid, uaddr_t head_ptr, uaddr_t len_ptr)
{
    AUTO_PUT(task) other = pid == 0 ? task_get(t) : task_find(pid);
    uint64_t size = ROBUST_HEAD_SIZE;
    if (!other) {
        return -ESRCH;
    }
    if (!ptrace_may_access(t, other)) {
        return -EPERM;
    }
    uint64_t head = robust_list_of(other);
    if (put_user(t->mm, len_ptr, &size) < 0 || put_user(t->mm, head_ptr, &head) < 0) {
        return -EFAULT;
    }
    return 0;
}

/* With the seccomp engine the stub answers FS itself; this serves the engine that has whole contexts. */
static long set_base(struct task *t, int option, uint64_t base)
{
    if (base >= PLATFORM_TASK_SIZE) {
        return -EPERM;
    }
    AUTO_FREE struct guest_context *ctx = aligned_alloc(64, ALIGN_UP(sizeof(*ctx), 64UL));
    if (!ctx) {
        return -ENOMEM;
    }
    int r = platform_get_context(t->pt, ctx);
    if (r < 0) {
        return r;
    }
    if (option == ARCH_SET_FS) {
        ctx->regs.fs_base = base;
    } else {
        ctx->regs.gs_base = base;
    }
    ctx->fpstate_size = 0;
    platform_set_context(t->pt, ctx);
    return 0;
}

static long get_base(struct task *t, int option, uaddr_t out)
{
    AUTO_FREE struct guest_context *ctx = aligned_alloc(64, ALIGN_UP(sizeof(*ctx), 64UL));
    if (!ctx) {
        return -ENOMEM;
    }
    int r = platform_get_context(t->pt, ctx);
    if (r < 0) {
        return r;
    }
    uint64_t base = option == ARCH_GET_FS ? ctx->regs.fs_base : ctx->regs.gs_base;
    return put_user(t->mm, out, &base);
}

long sys_arch_prctl(struct task *t, int option, unsigned long arg2)
{
    switch (option) {
    case ARCH_SET_FS:
    case ARCH_SET_GS:
        return set_base(t, option, arg2);
    case ARCH_GET_FS:
    case ARCH_GET_GS:
        return get_base(t, option, arg2);
    case ARCH_GET_CPUID:
        return 1; /* CPUID is never masked */
    case ARCH_SET_CPUID:
        return -ENODEV;
    default: /* shadow stacks, AMX permission, untagging: as a CPU and kernel without them */
        return -EINVAL;
    }
}
