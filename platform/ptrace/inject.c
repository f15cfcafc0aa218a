/* Host calls that a stopped tracee makes on our order, at the gate's syscall instruction. */
#include "platform/ptrace/ptrace.h"

#include <errno.h>
#include <string.h>
#include <sys/ptrace.h>
#include <linux/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "lib/host.h"
#include "lib/log.h"

#define SYSCALL_STOP (SIGTRAP | 0x80)

/* What a tracer sees of a call that is to be made again: the first and the last of Linux's codes. */
#define ERESTARTSYS_HOST           512
#define ERESTART_RESTARTBLOCK_HOST 516

/*
 * Resumes to the entry or exit of a system call (PTRACE_SYSCALL_INFO_*): a guest call that SYSEMU skipped still has an exit of its
 * own to pass. Kicks that come in between are remembered for the guest's return.
 */
static int to_call_stop(struct platform_thread *th, uint8_t op)
{
    struct ptrace_syscall_info info;
    for (;;) {
        int status;
        if (tracee_resume(th, PTRACE_SYSCALL, 0) < 0 || tracee_wait(th, &status) < 0) {
            return -ESRCH;
        }
        if (WSTOPSIG(status) == SYSCALL_STOP) {
            if (ptrace(PTRACE_GET_SYSCALL_INFO, th->tid, sizeof(info), &info) > 0 &&
                info.op == op) {
                return 0;
            }
            continue;
        }
        if (status >> 16 == PTRACE_EVENT_STOP) {
            continue; /* somebody continued the process, which we never let stop */
        }
        if (status >> 16) {
            return status >> 16; /* a ptrace event: clone, exec */
        }
        if (WSTOPSIG(status) == STUB_KICK) {
            th->interrupt_wanted = true;
        }
    }
}

int tracee_call_begin(struct platform_thread *th, uint64_t nr, const uint64_t args[6])
{
    struct user_regs_struct guest = th->regs;
    if (th->dead) {
        return -ESRCH;
    }
    th->regs.rip = g_ptrace.info->gate_syscall;
    th->regs.rax = nr;
    th->regs.orig_rax = UINT64_MAX;
    th->regs.eflags &= ~0x500UL; /* no single step, no reversed copies */
    th->regs.rdi = args[0];
    th->regs.rsi = args[1];
    th->regs.rdx = args[2];
    th->regs.r10 = args[3];
    th->regs.r8 = args[4];
    th->regs.r9 = args[5];
    th->regs_dirty = true;
    int r = to_call_stop(th, PTRACE_SYSCALL_INFO_ENTRY);
    th->regs = guest;
    th->regs_dirty = true;
    return r;
}

/*
 * A kick that came before the call has begun to sleep would be forgotten over it. th stands at its entry: another call is
 * made in its place, and the guest makes its own again. Nothing sleeps between this and the resumption, from which on a kick
 * is a signal that ends the sleep.
 */
static bool skip_call(struct platform_thread *th)
{
    if (!th->interrupt_wanted) {
        return false;
    }
    th->interrupt_wanted = false;
    return ptrace(PTRACE_POKEUSER, th->tid, offsetof(struct user_regs_struct, orig_rax),
                  SYS_sched_yield) == 0;
}

static bool is_restart(long result)
{
    return result <= -ERESTARTSYS_HOST && result >= -ERESTART_RESTARTBLOCK_HOST;
}

/*
 * Signals that are not for the guest (the sandbox is stopped, or continued) break calls off, too. So whatever is to be restarted is left to the
 * host to restart, which knows what is left of a timeout; a kick is remembered, and takes effect at the new entry.
 */
int tracee_call_end(struct platform_thread *th, long *out_result, bool *out_interrupted)
{
    struct user_regs_struct guest = th->regs;
    long again = -ERESTARTSYS_HOST;
    int r;
    bool skipped;
    for (;;) {
        skipped = out_interrupted && skip_call(th);
        th->regs_dirty = false; /* the call's own registers stand while it runs */
        r = to_call_stop(th, PTRACE_SYSCALL_INFO_EXIT);
        if (r == 0) {
            r = tracee_read_regs(th);
        }
        if (r != 0 || skipped || !is_restart((long)th->regs.rax)) {
            break;
        }
        again = (long)th->regs.rax;
        r = to_call_stop(th, PTRACE_SYSCALL_INFO_ENTRY);
        if (r != 0) {
            break;
        }
    }
    *out_result = skipped ? again : (long)th->regs.rax;
    if (out_interrupted) {
        *out_interrupted = skipped;
    }
    th->regs = guest;
    th->regs_dirty = true;
    return r;
}

long tracee_call(struct platform_thread *th, uint64_t nr, const uint64_t args[6])
{
    long result;
    int r = tracee_call_begin(th, nr, args);
    if (r == 0) {
        r = tracee_call_end(th, &result, NULL);
    }
    return r == 0 ? result : -ESRCH;
}

/* The message that recvmsg fills lies in the stub's own, otherwise unused, memory. */
struct give_frame {
    struct msghdr message;
    struct iovec vector;
    char control[CMSG_SPACE(sizeof(int))];
    char byte;
};

/* An fd that a tracee was to take, and died or was misled before: the next one must not get it. */
static void drain(void)
{
    char byte;
    int fd;
    while (host_recv_fd_nowait(g_ptrace.sink_fd, &byte, 1, &fd) >= 0) {
        host_close(fd);
    }
}

int tracee_give_fd(struct platform_thread *th, int fd)
{
    struct give_frame f = {0};
    uint64_t at = AREA_BASE;
    while (g_ptrace.giving) { /* the socket is shared by all tracees */
        list_add_tail(&th->give_link, &g_ptrace.give_waiters);
        kthread_sleep();
        list_del(&th->give_link);
    }
    g_ptrace.giving = true;
    f.message.msg_iov = (struct iovec *)(at + offsetof(struct give_frame, vector));
    f.message.msg_iovlen = 1;
    f.message.msg_control = (void *)(at + offsetof(struct give_frame, control));
    f.message.msg_controllen = sizeof(f.control);
    f.vector = (struct iovec){(void *)(at + offsetof(struct give_frame, byte)), 1};
    int pid = th->tid; /* the process's leader may have ended */
    long r = -EFAULT;
    drain();
    if (engine_vm_write(pid, at, &f, sizeof(f)) == sizeof(f)) {
        ssize_t sent = host_send_fd(g_ptrace.give_fd, "f", 1, fd);
        r = sent < 0
                ? sent
                : tracee_call(th, SYS_recvmsg, (uint64_t[6]){TRACEE_FD_SOCK, at, MSG_CMSG_CLOEXEC});
    }
    drain();
    g_ptrace.giving = false;
    struct platform_thread *next =
        list_first_entry(&g_ptrace.give_waiters, struct platform_thread, give_link);
    if (next) {
        kthread_wake(next->owner);
    }
    if (r < 0) {
        return (int)r;
    }
    if (engine_vm_read(pid, &f, at, sizeof(f)) != sizeof(f)) {
        return -EFAULT;
    }
    int number;
    memcpy(&number, f.control + CMSG_LEN(0), sizeof(number));
    return number;
}

long tracee_mem(struct platform_thread *th, const struct mem_call *m)
{
    uint64_t args[6];
    int fd = -1;
    memcpy(args, m->args, sizeof(args));
    if (th->dead) {
        return -ESRCH;
    }
    if (m->nr == SYS_mmap) {
        args[4] = UINT64_MAX;
    }
    if (m->host_fd >= 0) {
        fd = tracee_give_fd(th, m->host_fd);
        if (fd < 0) {
            return fd;
        }
        args[4] = (uint64_t)fd;
    }
    long r = tracee_call(th, (uint64_t)m->nr, args);
    if (fd >= 0) {
        long closed = tracee_call(th, SYS_close, (uint64_t[6]){(uint64_t)fd});
        if (closed < 0) {
            log_warn("tracee %d could not close fd %d", th->tid, fd);
        }
    }
    return r;
}
