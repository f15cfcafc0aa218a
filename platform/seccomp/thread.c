/*
 * A guest thread from its owner's point of view: resume it and learn why it stopped, and memory calls
 * that it performs on our order.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "lib/host.h"
#include "lib/log.h"
#include "platform/seccomp/seccomp.h"

#define LEASE_POPULATE_MAX                                                                         \
    (1UL << 20) /* page tables are filled at once: a fault costs 0.5 us and more */

int thread_violation(struct platform_thread *th)
{
    log_info("host tid %d: unexpected request %#llx", th->tid, (unsigned long long)th->nr);
    seccomp_kill(th);
    thread_mark_dead(th, SIGKILL);
    return -ESRCH;
}

/* Turns the stub's form of a memory call. fds: by notification unless the guest waits in one now. */
static int mem_prepare(struct platform_thread *th, const struct mem_call *m, size_t index,
                       struct stub_mem_call *out, int *out_fd)
{
    *out = (struct stub_mem_call){.nr = (uint64_t)m->nr};
    memcpy(out->args, m->args, sizeof(out->args));
    *out_fd = -1;
    if (m->host_fd < 0) {
        if (m->nr == SYS_mmap) {
            out->args[4] = (uint64_t)-1;
        }
        return 0;
    }
    int flags = host_fcntl(m->host_fd, F_GETFL, 0);
    if (flags < 0) {
        return flags;
    }
    if (th->notify_id && (flags & O_ACCMODE) == O_RDONLY) {
        /* Harmless for the guest to have: the filter allows the map without asking again. */
        uint64_t number = STUB_FD_GIVEN + th->slot + index;
        int r = notify_install(th->notify_id, m->host_fd, (int)number, true);
        if (r == 0) {
            out->args[4] = out->close_fd = number;
            return 0;
        }
    }
    out->args[4] = out->close_fd = STUB_FD_MAP + th->slot;
    *out_fd = m->host_fd;
    return 0;
}

static void fill_tail(struct platform_thread *th)
{
    channel_flush(th);
    th->has_tail = false;
    int r = mem_prepare(th, &th->tail, 0, &th->one_mem, &th->one_fd);
    if (r < 0) {
        th->chan->ret = (uint64_t)(long)r;
        channel_reply(th, ORDER_RETURN);
        return;
    }
    th->expect_mem = &th->one_mem;
    th->expect_fds = &th->one_fd;
    th->expect_count = 1;
    th->expect = EXPECT_MEM;
    th->chan->mem = th->one_mem;
    channel_reply(th, ORDER_MEM);
}

/* Lets the guest go on with what has been set since its last event. */
static void resume(struct platform_thread *th)
{
    if (!th->started) {
        th->started = true;
        th->in_request = false;
        uint64_t id = th->notify_id;
        th->notify_id = 0;
        if (!th->notify_continue) {
            notify_answer(id, 0);
            return;
        }
        th->notify_continue = false;
        int r = notify_install(id, th->notify_fd, STUB_FD_CHAN, false);
        th->notify_fd = -1;
        if (r < 0) {
            notify_answer(id, -EPERM);
        } else {
            notify_continue(id);
        }
    } else if (th->has_context) {
        context_reply(th);
    } else if (th->has_tail) {
        fill_tail(th);
    } else if (th->in_request) {
        th->chan->ret = (uint64_t)th->result;
        call_reply(th);
    }
}

static void decode_context_event(struct platform_thread *th, struct platform_event *out)
{
    out->kind = PLATFORM_INTERRUPT;
    bool restart = th->args[1] == 512 || th->args[1] == 516;
    out->call.nr = restart ? th->args[2] : UINT64_MAX;
    out->call.args[0] = restart ? th->args[1] : 0;
}

/* The guest can claim any number; the layers above index tables with it. */
static bool is_fault_signal(uint64_t signo)
{
    return signo == SIGSEGV || signo == SIGBUS || signo == SIGFPE || signo == SIGILL ||
           signo == SIGTRAP;
}

static void break_off(struct platform_thread *th, struct platform_event *out)
{
    thread_violation(th);
    out->kind = PLATFORM_DEAD;
    out->status = th->status;
}

static void decode(struct platform_thread *th, struct platform_event *out)
{
    *out = (struct platform_event){.mask_changed = th->mask_changed, .sigmask = th->sigmask};
    switch (th->nr) {
    case STUB_REQ_CONTEXT:
        context_take(th);
        decode_context_event(th, out);
        return;
    case STUB_REQ_FAULT:
        if (!is_fault_signal(th->args[1])) {
            break_off(th, out);
            return;
        }
        context_take(th);
        out->kind = PLATFORM_FAULT;
        out->fault.signo = (int)th->args[1];
        out->fault.code = (int)th->args[2];
        out->fault.addr = th->args[3];
        out->fault.trapno = th->args[4];
        out->fault.error = th->args[5];
        return;
    case STUB_REQ_BAD_FRAME:
        context_take(th);
        out->kind = PLATFORM_BAD_FRAME;
        return;
    case SYS_rt_sigreturn:
        context_take(th);
        break;
    default:
        if (th->nr >= STUB_REQ_BASE) {
            break_off(th, out);
            return;
        }
        break;
    }
    th->result = -ENOSYS;
    th->redo = false;
    out->kind = PLATFORM_SYSCALL;
    out->call.nr = th->nr;
    memcpy(out->call.args, th->args, sizeof(th->args));
    out->call.done = th->done;
}

void seccomp_switch(struct platform_thread *th, struct platform_event *out)
{
    /* After a clone, the parent's next request may be there already. */
    if (!th->dead && !th->event) {
        if (!th->started) {
            while (!th->notify_id && !th->dead) {
                kthread_sleep(); /* its hello is still to come */
            }
        }
        if (!th->dead) {
            resume(th);
            if (th->kick_at_start) {
                th->kick_at_start = false;
                seccomp_interrupt(th);
            }
        }
    }
    if (channel_wait(th) < 0) {
        *out = (struct platform_event){.kind = PLATFORM_DEAD, .status = th->status};
        return;
    }
    decode(th, out);
}

void seccomp_mem_tail(struct platform_thread *th, const struct mem_call *m)
{
    th->tail = *m;
    th->has_tail = true;
}

/* Performs count prepared calls in order, up to the first failure. Return: the last one's result. */
static long mem_list(struct platform_thread *th, const struct stub_mem_call *calls, int *fds,
                     size_t count)
{
    struct stub_mem_call *window = (void *)((char *)th->chan + WINDOW_OFFSET);
    channel_flush(th);
    BUG_ON(count * sizeof(*calls) > WINDOW_SIZE);
    memcpy(window, calls, count * sizeof(*calls));
    th->expect = EXPECT_MEM;
    th->expect_mem = calls;
    th->expect_fds = fds;
    th->expect_count = count;
    th->chan->reply_args[0] = count;
    channel_reply(th, ORDER_MEM_LIST);
    int r = channel_wait(th);
    th->expect = EXPECT_NONE;
    if (r < 0) {
        return r;
    }
    return th->nr == STUB_REQ_RESULT ? (long)th->args[0] : thread_violation(th);
}

/* mem_list in the middle of a system call, which goes on afterwards. */
static long mem_list_within(struct platform_thread *th, const struct stub_mem_call *calls, int *fds,
                            size_t count)
{
    uint64_t nr = th->nr, args[6];
    memcpy(args, th->args, sizeof(args));
    long result = mem_list(th, calls, fds, count);
    th->nr = nr;
    memcpy(th->args, args, sizeof(args));
    return result;
}

long seccomp_mem(struct platform_thread *th, const struct mem_call *m)
{
    struct stub_mem_call call;
    int fd;
    if (th->dead) {
        return -ESRCH;
    }
    int r = mem_prepare(th, m, 0, &call, &fd);
    return r < 0 ? r : mem_list_within(th, &call, &fd, 1);
}

struct platform_lease_page *seccomp_lease_page(struct platform_space *s)
{
    return (struct platform_lease_page *)(void *)space_chan(s, THREAD_SLOTS);
}

/* Shows host_fd in the slice, but not to children. */
static int map_in_slice(struct platform_thread *th, uint64_t addr, int host_fd, uint64_t size,
                        uint64_t prot)
{
    uint64_t flags = MAP_SHARED | MAP_FIXED | (size <= LEASE_POPULATE_MAX ? MAP_POPULATE : 0);
    uint64_t number = STUB_FD_MAP + th->slot;
    const struct stub_mem_call calls[] = {
        {.nr = SYS_mmap, .args = {addr, size, prot, flags, number, 0}, .close_fd = number},
        {.nr = SYS_madvise, .args = {addr, size, MADV_DONTFORK}},
    };
    int fds[] = {host_fd, -1};
    long r = th->dead ? -ESRCH : mem_list_within(th, calls, fds, ARRAY_COUNT(calls));
    return r < 0 ? (int)r : 0;
}

int seccomp_lease_map(struct platform_thread *th, unsigned index, int host_fd, uint64_t size,
                      bool writable)
{
    BUG_ON(index >= LEASE_MAX || size > LEASE_BYTES_MAX);
    return map_in_slice(th, LEASE_MAP_ADDR(index), host_fd, ALIGN_UP(size, PAGE_SIZE),
                        PROT_READ | (writable ? PROT_WRITE : 0));
}

int seccomp_ring_map(struct platform_thread *th, unsigned index, int host_fd)
{
    BUG_ON(index >= RING_MAX);
    return map_in_slice(th, RING_ADDR(index), host_fd, sizeof(struct platform_ring),
                        PROT_READ | PROT_WRITE);
}

void seccomp_lease_unmap(struct platform_thread *th, const unsigned *indices, size_t count)
{
    struct stub_mem_call calls[LEASE_MAX];
    int fds[LEASE_MAX];
    BUG_ON(count > LEASE_MAX);
    for (size_t i = 0; i < count; i++) {
        BUG_ON(indices[i] >= LEASE_MAX);
        calls[i] = (struct stub_mem_call){.nr = SYS_munmap,
                                          .args = {LEASE_MAP_ADDR(indices[i]), LEASE_BYTES_MAX}};
        fds[i] = -1;
    }
    if (!th->dead && count) {
        long r = mem_list_within(th, calls, fds, count);
        (void)r; /* a guest that does not do it only keeps what it had */
    }
}

void seccomp_interrupt(struct platform_thread *th)
{
    if (!th->started) {
        th->kick_at_start = true;
        return;
    }
    if (th->in_request || th->kicked || th->dead || !th->tid) {
        return;
    }
    th->kicked = true;
    int r = host_tgkill(th->proc->pid, th->tid, STUB_KICK);
    if (r < 0) {
        th->kicked = false; /* it is exiting: its death will be seen */
    }
}

/* --- loading a program --- */

static int load_maps(struct platform_thread *th, const struct load_op *ops, size_t op_count)
{
    struct stub_mem_call calls[EXPECT_MEM_MAX];
    int fds[EXPECT_MEM_MAX];
    size_t count = 0;
    for (size_t i = 0; i < op_count; i++) {
        const struct load_op *o = &ops[i];
        if (o->kind == LOAD_MAP_FILE || o->kind == LOAD_MAP_ANON) {
            struct mem_call m;
            int r = engine_load_map(o, &m);
            if (r == 0) {
                r = mem_prepare(th, &m, count, &calls[count], &fds[count]);
            }
            if (r < 0) {
                return r;
            }
            count++;
        }
        if (count == EXPECT_MEM_MAX || (i + 1 == op_count && count)) {
            long r = mem_list(th, calls, fds, count);
            if (r < 0) {
                return (int)r;
            }
            count = 0;
        }
    }
    return 0;
}

int seccomp_load_program(struct platform_thread *th, const struct load_op *ops, size_t op_count,
                         uaddr_t entry, uaddr_t sp)
{
    if (th->dead) {
        return -ESRCH;
    }
    int r = th->in_request && !th->event ? 0 : channel_wait(th); /* the first stub's BOOT */
    if (r == 0) {
        r = channel_need_notify(th);
    }
    if (r == 0) {
        r = load_maps(th, ops, op_count);
    }
    for (size_t i = 0; r == 0 && i < op_count; i++) {
        if (ops[i].kind == LOAD_COPY || ops[i].kind == LOAD_ZERO) {
            r = engine_load_bytes(th->space, &ops[i]);
        }
    }
    for (size_t i = 0; r == 0 && i < op_count; i++) {
        if (ops[i].kind == LOAD_PROTECT) {
            struct mem_call m = {.nr = SYS_mprotect,
                                 .args = {ops[i].addr, ops[i].size, (uint64_t)ops[i].prot},
                                 .host_fd = -1};
            r = (int)seccomp_mem(th, &m);
        }
    }
    if (r == 0) {
        th->chan->reply_args[0] = entry;
        th->chan->reply_args[1] = sp;
        channel_reply(th, ORDER_START);
        th->started = true;
    }
    return r;
}
