/*
 * ptrace(2): one thread looks into another, and controls it. Analogous to the requests of Linux's kernel/ptrace.c and
 * arch/x86/kernel/ptrace.c; what a tracee does with them is in sentry/task/ptrace_stop.c.
 *
 * Every request but those that begin a trace names a tracee of the calling thread, and all but two want it stopped. The
 * numbers are Linux's; what it does not know is EIO, and so is here what is not supported.
 */
#include <elf.h>
#include <linux/audit.h>
#include <string.h>

#include "sentry/base/errno.h"
#include "sentry/mm/usercopy.h"
#include "sentry/task/ptrace.h"
#include "syscalls/helpers.h"
#include "syscalls/ptrace_access.h"
#include "syscalls/ptrace_regs.h"
#include "syscalls/syscalls.h"

/*
 * DEVIATION: PTRACE_O_SUSPEND_SECCOMP is refused as if the tracer lacked the right. PTRACE_O_TRACESECCOMP is taken: no guest has a filter that
 * could ask for it.
 */
#define OPTIONS                                                                                    \
    (PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE |      \
     PTRACE_O_TRACEEXEC | PTRACE_O_TRACEVFORKDONE | PTRACE_O_TRACEEXIT | PTRACE_O_TRACESECCOMP |   \
     PTRACE_O_EXITKILL)

/* --- beginning --- */

static int check_options(unsigned long data)
{
    if (data & ~(unsigned long)(OPTIONS | PTRACE_O_SUSPEND_SECCOMP)) {
        return -EINVAL;
    }
    return data & PTRACE_O_SUSPEND_SECCOMP ? -EPERM : 0;
}

static long attach(struct task *t, struct task *other, bool seize, unsigned long addr,
                   unsigned long data)
{
    if (seize && addr) {
        return -EIO;
    }
    int r = seize ? check_options(data) : 0;
    if (r < 0) {
        return r == -EINVAL ? -EIO : r;
    }
    if (other->tg == t->tg || thread_group_is_init(other->tg) || !ptrace_may_access(t, other)) {
        return -EPERM;
    }
    return ptrace_attach(t, other, seize, seize ? (unsigned)data : 0);
}

/* --- memory --- */

/* A tracer stays when its tracee becomes one that it could not attach to, but sees nothing more of its memory. */
static struct mm *mm_of(const struct ptrace_state *p)
{
    return p->task->tg->dumpable || p->may_set_id ? p->task->mm : NULL;
}

static long peek_data(struct task *t, struct ptrace_state *p, uaddr_t addr, uaddr_t data)
{
    uint64_t word;
    struct mm *mm = mm_of(p);
    if (!mm || copy_in(mm, &word, addr, sizeof(word)) < 0) {
        return -EIO;
    }
    return put_user(t->mm, data, &word);
}

static long poke_data(struct ptrace_state *p, uaddr_t addr, uint64_t word)
{
    struct mm *mm = mm_of(p);
    if (!mm) {
        return -EIO;
    }
    if (copy_out(mm, addr, &word, sizeof(word)) == 0) {
        return 0;
    }
    return ptrace_write(p, addr, &word, sizeof(word)) < 0 ? -EIO : 0;
}

/* --- registers --- */

static long peek_user(struct task *t, struct ptrace_state *p, unsigned long addr, uaddr_t data)
{
    uint64_t word;
    int r = 0;
    if (ptrace_is_debug_register(addr)) {
        word = ptrace_debug_register(p, addr);
    } else {
        r = ptrace_peek_user(p->context, addr, &word);
    }
    return r < 0 ? r : put_user(t->mm, data, &word);
}

static long poke_user(struct ptrace_state *p, unsigned long addr, uint64_t word)
{
    return ptrace_is_debug_register(addr) ? ptrace_set_debug_register(p, addr, word)
                                          : ptrace_poke_user(p->context, addr, word);
}

/* The largest register set: an XSAVE area. */
union regset {
    uint64_t regs[PTRACE_USER_REGS_SIZE / 8];
    uint8_t bytes[GUEST_FPSTATE_MAX];
};

/* How many bytes set `type` has; 0: there is none. */
static size_t regset_size(const struct ptrace_state *p, unsigned type)
{
    switch (type) {
    case NT_PRSTATUS:
        return PTRACE_USER_REGS_SIZE;
    case NT_PRFPREG:
        return p->context->fpstate_size ? PTRACE_FPREGS_SIZE : 0;
    case NT_X86_XSTATE:
        return ptrace_xstate_size(p->context);
    default:
        return 0;
    }
}

static size_t regset_word(unsigned type)
{
    return type == NT_PRFPREG ? 4 : 8;
}

static int regset_out(const struct ptrace_state *p, unsigned type, union regset *s)
{
    if (type == NT_PRSTATUS) {
        ptrace_regs_out(p->context, s->regs);
        return 0;
    }
    if (type == NT_PRFPREG) {
        return ptrace_fpregs_out(p->context, s->bytes);
    }
    ptrace_xstate_out(p->context, s->bytes);
    return 0;
}

static int regset_in(struct ptrace_state *p, unsigned type, const union regset *s, size_t size)
{
    if (type == NT_PRSTATUS) {
        return ptrace_regs_in(p->context, s->regs, size / 8);
    }
    if (type == NT_PRFPREG) {
        return ptrace_fpregs_in(p->context, s->bytes);
    }
    return size == ptrace_xstate_size(p->context) ? ptrace_xstate_in(p->context, s->bytes)
                                                  : -EFAULT;
}

/* Moves the first size bytes of a set, from or to the tracer's memory. */
static long regset_move(struct task *t, struct ptrace_state *p, unsigned type, uaddr_t at,
                        size_t size, bool set)
{
    AUTO_FREE union regset *s = malloc(sizeof(*s));
    if (!s) {
        return -ENOMEM;
    }
    int r = regset_out(p, type, s); /* what is not given stays */
    if (r < 0) {
        return r;
    }
    if (!set) {
        return copy_out(t->mm, at, s, size);
    }
    if (copy_in(t->mm, s, at, size) < 0) {
        return -EFAULT;
    }
    return regset_in(p, type, s, size);
}

static long regset_request(struct task *t, struct ptrace_state *p, unsigned long type, uaddr_t data,
                           bool set)
{
    struct {
        uint64_t base, size;
    } v;
    if (get_user(t->mm, &v, data) < 0) {
        return -EFAULT;
    }
    size_t size = type <= UINT32_MAX ? regset_size(p, (unsigned)type) : 0;
    if (!size || v.size % regset_word((unsigned)type)) {
        return -EINVAL;
    }
    v.size = MIN(v.size, size);
    long r = regset_move(t, p, (unsigned)type, v.base, v.size, set);
    return r < 0 ? r : put_user(t->mm, data, &v);
}

/* --- signals --- */

static long get_siginfo(struct task *t, const struct ptrace_state *p, uaddr_t data)
{
    return p->has_info ? put_user(t->mm, data, &p->info) : -EINVAL;
}

static long set_siginfo(struct task *t, struct ptrace_state *p, uaddr_t data)
{
    siginfo_t info;
    if (get_user(t->mm, &info, data) < 0) {
        return -EFAULT;
    }
    if (!p->has_info) {
        return -EINVAL;
    }
    p->info = info;
    return 0;
}

/* Signals that are queued, and have not been taken. Return: how many were stored. */
static long peek_siginfo(struct task *t, const struct ptrace_state *p, uaddr_t addr, uaddr_t data)
{
    struct {
        uint64_t off;
        uint32_t flags;
        int32_t nr;
    } args;
    if (get_user(t->mm, &args, addr) < 0) {
        return -EFAULT;
    }
    if ((args.flags & ~(uint32_t)PTRACE_PEEKSIGINFO_SHARED) || args.nr < 0) {
        return -EINVAL;
    }
    const struct sigpending *from = args.flags ? &p->task->tg->pending : &p->task->pending;
    const struct ksiginfo *q;
    uint64_t at = 0;
    long stored = 0;
    list_for_each_entry (q, &from->queue, link) {
        if (at++ < args.off) {
            continue;
        }
        if (stored == args.nr) {
            break;
        }
        uaddr_t to = data + (uint64_t)stored * sizeof(q->info);
        if (put_user(t->mm, to, &q->info) < 0) {
            return stored ? stored : -EFAULT;
        }
        stored++;
    }
    return stored;
}

static long get_sigmask(struct task *t, const struct ptrace_state *p, size_t size, uaddr_t data)
{
    const struct task *o = p->task;
    ksigset_t set = o->restore_saved_mask ? o->saved_mask : o->blocked;
    return size == sizeof(set) ? put_user(t->mm, data, &set) : -EINVAL;
}

static long set_sigmask(struct task *t, struct ptrace_state *p, size_t size, uaddr_t data)
{
    ksigset_t set;
    if (size != sizeof(set)) {
        return -EINVAL;
    }
    if (get_user(t->mm, &set, data) < 0) {
        return -EFAULT;
    }
    p->task->restore_saved_mask = false;
    signal_set_blocked(p->task, set);
    return 0;
}

/* --- what stopped it --- */

static long get_syscall_info(struct task *t, const struct ptrace_state *p, size_t size,
                             uaddr_t data)
{
    const struct guest_regs *r = &p->context->regs;
    struct ptrace_syscall_info info = {
        .arch = AUDIT_ARCH_X86_64, .instruction_pointer = r->rip, .stack_pointer = r->rsp};
    size_t known = offsetof(struct ptrace_syscall_info, entry);
    bool call = p->has_info && p->info.si_code == (SIGTRAP | 0x80);
    if (call && p->message == PTRACE_EVENTMSG_SYSCALL_ENTRY) {
        const uint64_t args[6] = {r->rdi, r->rsi, r->rdx, r->r10, r->r8, r->r9};
        info.op = PTRACE_SYSCALL_INFO_ENTRY;
        info.entry.nr = r->orig_rax;
        for (int i = 0; i < 6; i++) {
            info.entry.args[i] = args[i];
        }
        known = offsetof(struct ptrace_syscall_info, entry.args[6]);
    } else if (call && p->message == PTRACE_EVENTMSG_SYSCALL_EXIT) {
        info.op = PTRACE_SYSCALL_INFO_EXIT;
        info.exit.rval = (int64_t)r->rax;
        info.exit.is_error = info.exit.rval < 0 && info.exit.rval >= -4095;
        known = offsetof(struct ptrace_syscall_info, exit.is_error) + sizeof(info.exit.is_error);
    }
    return copy_out(t->mm, data, &info, MIN(size, known)) < 0 ? -EFAULT : (long)known;
}

static long set_options(struct ptrace_state *p, unsigned long data)
{
    int r = check_options(data);
    if (r == 0) {
        p->options = (unsigned)data;
    }
    return r;
}

/* --- going on --- */

static long go_on(struct ptrace_state *p, long request, unsigned long data)
{
    if (data > KSIG_MAX) {
        return -EIO;
    }
    if (request == PTRACE_DETACH) {
        ptrace_detach(p, (int)data);
        return 0;
    }
    enum ptrace_mode mode = request == PTRACE_SYSCALL      ? PTRACE_GO_TO_CALL
                            : request == PTRACE_SINGLESTEP ? PTRACE_GO_STEP
                                                           : PTRACE_GO;
    ptrace_resume(p, mode, (int)data);
    return 0;
}

/* Of a stopped tracee. Context: may block. */
static long stopped_request(struct task *t, struct ptrace_state *p, long request,
                            unsigned long addr, unsigned long data)
{
    switch (request) {
    case PTRACE_PEEKTEXT:
    case PTRACE_PEEKDATA:
        return peek_data(t, p, addr, data);
    case PTRACE_POKETEXT:
    case PTRACE_POKEDATA:
        return poke_data(p, addr, data);
    case PTRACE_PEEKUSER:
        return peek_user(t, p, addr, data);
    case PTRACE_POKEUSER:
        return poke_user(p, addr, data);
    case PTRACE_GETREGS:
        return regset_move(t, p, NT_PRSTATUS, data, PTRACE_USER_REGS_SIZE, false);
    case PTRACE_SETREGS:
        return regset_move(t, p, NT_PRSTATUS, data, PTRACE_USER_REGS_SIZE, true);
    case PTRACE_GETFPREGS:
        return regset_move(t, p, NT_PRFPREG, data, PTRACE_FPREGS_SIZE, false);
    case PTRACE_SETFPREGS:
        return regset_move(t, p, NT_PRFPREG, data, PTRACE_FPREGS_SIZE, true);
    case PTRACE_GETREGSET:
    case PTRACE_SETREGSET:
        return regset_request(t, p, addr, data, request == PTRACE_SETREGSET);
    case PTRACE_GETSIGINFO:
        return get_siginfo(t, p, data);
    case PTRACE_SETSIGINFO:
        return set_siginfo(t, p, data);
    case PTRACE_PEEKSIGINFO:
        return peek_siginfo(t, p, addr, data);
    case PTRACE_GETSIGMASK:
        return get_sigmask(t, p, addr, data);
    case PTRACE_SETSIGMASK:
        return set_sigmask(t, p, addr, data);
    case PTRACE_GETEVENTMSG:
        return put_user(t->mm, data, &p->message);
    case PTRACE_GET_SYSCALL_INFO:
        return get_syscall_info(t, p, addr, data);
    case PTRACE_OLDSETOPTIONS:
    case PTRACE_SETOPTIONS:
        return set_options(p, data);
    case PTRACE_LISTEN:
        return ptrace_listen(p);
    case PTRACE_CONT:
    case PTRACE_SYSCALL:
    case PTRACE_SINGLESTEP:
    case PTRACE_DETACH:
        return go_on(p, request, data);
    default: /* DEVIATION: no PTRACE_SYSEMU, block steps, thread areas, seccomp filters: as a kernel built without */
        return -EIO;
    }
}

/**
 * sys_ptrace - trace another thread.
 *
 * Context: may block.
 * Errors: -ESRCH pid is no stopped tracee of the caller; -EPERM it may not be traced, or is already; -EIO the request is unknown, or names
 *         something that is not there; -EINVAL; -EFAULT.
 * Source: ptrace(2).
 */
long sys_ptrace(struct task *t, long request, long pid, unsigned long addr, unsigned long data)
{
    if (request == PTRACE_TRACEME) {
        return ptrace_trace_me(t);
    }
    AUTO_PUT(task) other = pid > 0 && pid <= INT32_MAX ? task_find((int)pid) : NULL;
    if (!other) {
        return -ESRCH;
    }
    if (request == PTRACE_ATTACH || request == PTRACE_SEIZE) {
        return attach(t, other, request == PTRACE_SEIZE, addr, data);
    }
    struct ptrace_state *p = task_traced(other);
    if (!p || p->tracer != t || other->exited) {
        return -ESRCH;
    }
    if (request == PTRACE_KILL) {
        return signal_send_task(other, SIGKILL, NULL);
    }
    if (request == PTRACE_INTERRUPT) {
        return ptrace_interrupt_tracee(p);
    }
    if (p->state != PTRACE_STOPPED || !p->context) {
        return -ESRCH;
    }
    return stopped_request(t, p, request, addr, data);
}
