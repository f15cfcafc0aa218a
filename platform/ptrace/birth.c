/* Clone, exec, loading and the ends of tracees. */
#include "platform/ptrace/ptrace.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "lib/host.h"

static int child_new(struct platform_thread *th, uint64_t flags, struct platform_thread **out)
{
    struct platform_space *space;
    if (flags & CLONE_VM) {
        space = ptrace_space_get(th->space);
    } else {
        int r = ptrace_space_new(&space);
        if (r < 0) {
            return r;
        }
    }
    int r = tracee_new(space, out);
    ptrace_space_put(space);
    return r;
}

static void store_tid(struct platform_thread *th, uaddr_t addr, int tid)
{
    uint32_t value = (uint32_t)tid;
    size_t copied = engine_vm_write(th->tid, addr, &value, sizeof(value));
    (void)copied; /* Linux ignores a bad address here, too */
}

/* Waits for the new tracee's first stop, and sets its registers. */
static int child_begin(struct platform_thread *th, struct platform_thread *child, int tid,
                       const struct platform_clone *c)
{
    int status;
    int r = tracee_bind(child, tid, c->flags & CLONE_THREAD ? th->proc->pid : tid);
    if (r < 0) {
        return r;
    }
    child->owner = kthread_current();
    if (tracee_take_early_stop(tid)) {
        child->stopped = true;
    } else {
        r = tracee_wait(child, &status);
    }
    child->owner = NULL;
    if (r == 0) {
        /* read for the segment bases, which CLONE_SETTLS changed */
        r = tracee_read_regs(child);
    }
    if (r < 0) {
        return r;
    }
    uint64_t fs_base = child->regs.fs_base, gs_base = child->regs.gs_base;
    child->regs = th->regs;
    child->regs.fs_base = fs_base;
    child->regs.gs_base = gs_base;
    child->regs.rax = 0;
    child->regs.orig_rax = UINT64_MAX;
    if (c->stack) {
        child->regs.rsp = c->stack;
    }
    child->regs_dirty = true;
    if (c->flags & CLONE_CHILD_SETTID) {
        store_tid(child, c->child_tid, c->guest_tid);
    }
    return 0;
}

int ptrace_clone(struct platform_thread *th, const struct platform_clone *c,
                 struct platform_thread **out)
{
    struct platform_thread *child;
    int r = child_new(th, c->flags, &child);
    if (r < 0) {
        return r;
    }
    uint64_t flags = engine_clone_flags(c->flags);
    uint32_t old_tid = 0;
    if (c->flags & CLONE_PARENT_SETTID) {
        engine_vm_read(th->tid, &old_tid, c->parent_tid, sizeof(old_tid));
        store_tid(th, c->parent_tid, c->guest_tid);
    }
    long result = -ESRCH;
    r = tracee_call_begin(th, SYS_clone, (uint64_t[6]){flags, c->stack, 0, c->child_tid, c->tls});
    if (r == 0) {
        r = tracee_call_end(th, &result, NULL);
    }
    if (r <= 0) { /* it died, or clone returned without a child */
        if (r == 0 && (c->flags & CLONE_PARENT_SETTID)) {
            store_tid(th, c->parent_tid, (int)old_tid);
        }
        tracee_destroy(child);
        return r < 0 ? r : result < 0 ? (int)result : -EAGAIN;
    }
    unsigned long tid;
    if (ptrace(PTRACE_GETEVENTMSG, th->tid, 0, &tid) < 0) {
        tracee_destroy(child);
        return -ESRCH;
    }
    th->clone_returning = true;
    r = child_begin(th, child, (int)tid, c);
    if (r < 0) {
        tracee_destroy(child);
        return r;
    }
    ptrace_set_result(th, c->guest_tid);
    *out = child;
    return 0;
}

int ptrace_exec(struct platform_thread *th, struct platform_boot *out_boot)
{
    struct platform_space *fresh;
    const struct stub_info *info = g_ptrace.info;
    int r = ptrace_space_new(&fresh);
    if (r < 0) {
        return r;
    }
    long result;
    struct platform_space *old = ptrace_space_get(th->space); /* the task's until we return */
    r = tracee_call_begin(th, SYS_execveat,
                          (uint64_t[6]){TRACEE_FD_IMAGE, info->exec_path, info->exec_argv,
                                        info->exec_envp, 0x1000 /* AT_EMPTY_PATH */});
    if (r == 0) {
        th->proc->executes = th;
        r = tracee_call_end(th, &result, NULL);
        th->proc->executes = NULL;
    }
    if (r == PTRACE_EVENT_EXEC) {
        tracee_move(th, fresh);
        r = tracee_call_end(th, &result, NULL); /* execveat's own return */
        th->regs_dirty = false;
    } else if (r == 0) {
        r = result < 0 ? (int)result : -EIO;
    }
    ptrace_space_put(fresh);
    r = r == 0 ? tracee_boot(th, out_boot) : r > 0 ? -EIO : r;
    ptrace_space_put(old);
    return r;
}

static int load_op(struct platform_thread *th, const struct load_op *o)
{
    struct mem_call m = {.host_fd = -1};
    long r;
    switch (o->kind) {
    case LOAD_MAP_FILE:
    case LOAD_MAP_ANON:
        r = engine_load_map(o, &m);
        r = r < 0 ? r : tracee_mem(th, &m);
        return r < 0 ? (int)r : 0;
    case LOAD_COPY:
    case LOAD_ZERO:
        return engine_load_bytes(th->space, o);
    case LOAD_PROTECT:
        m.nr = SYS_mprotect;
        m.args[0] = o->addr;
        m.args[1] = o->size;
        m.args[2] = (uint64_t)o->prot;
        return (int)tracee_mem(th, &m);
    }
    return -EINVAL;
}

int ptrace_load(struct platform_thread *th, const struct load_op *ops, size_t op_count,
                uaddr_t entry, uaddr_t sp)
{
    for (size_t i = 0; i < op_count; i++) {
        int r = load_op(th, &ops[i]);
        if (r < 0) {
            return r;
        }
    }
    struct user_regs_struct old = th->regs;
    th->regs = (struct user_regs_struct){.rip = entry,
                                         .rsp = sp,
                                         .cs = old.cs,
                                         .ss = old.ss,
                                         .ds = old.ds,
                                         .es = old.es,
                                         .fs = old.fs,
                                         .gs = old.gs,
                                         .eflags = 0x202,
                                         .orig_rax = UINT64_MAX};
    th->regs_dirty = true;
    th->in_kernel = false;
    return 0;
}

void ptrace_thread_exit(struct platform_thread *th)
{
    if (!th->dead && th->stopped && th->clone_returning) {
        long result;
        th->clone_returning = false;
        int r =
            tracee_call_end(th, &result, NULL); /* its return would spoil the next call's number */
        (void)r;                                /* dead already */
    }
    if (!th->dead && th->stopped && tracee_call_begin(th, SYS_exit, (uint64_t[6]){0}) == 0) {
        th->regs_dirty = false; /* the call's own registers stand */
        int r = tracee_resume(th, PTRACE_CONT, 0);
        (void)r; /* dead already */
    }
    ptrace_thread_free(th);
}

void ptrace_thread_free(struct platform_thread *th)
{
    tracee_destroy(th);
}
