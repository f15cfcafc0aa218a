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

int mem_prepare(struct platform_thread *th, const struct mem_call *m, size_t index,
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
    int number = given_number(th, m->host_fd);
    if (number >= 0) {
        out->args[4] = (uint64_t)number;
        return 0;
    }
    if (th->dead) {
        return -ESRCH;
    }
    int flags = host_fcntl(m->host_fd, F_GETFL, 0);
    if (flags < 0) {
        return flags;
    }
    if (th->notify_id && (flags & O_ACCMODE) == O_RDONLY) {
        /* Harmless for the guest to have: the filter allows the map without asking again. */
        number = (int)(STUB_FD_GIVEN + th->slot + index);
        int r = channel_install(th, m->host_fd, number, true);
        if (r == 0) {
            out->args[4] = out->close_fd = (uint64_t)number;
            return 0;
        }
    }
    out->args[4] = out->close_fd = STUB_FD_MAP + th->slot;
    *out_fd = m->host_fd;
    return 0;
}

static void fill_copy(struct platform_thread *th)
{
    struct chan *c = th->chan;
    const uint64_t *a = th->tail.args;
    const uint64_t args[] = {a[0], a[1], a[2], a[3], th->tail.copy_size};
    memcpy(c->reply_args, args, sizeof(args));
    channel_reply(th, ORDER_MAP_COPY);
}

static void fill_tail(struct platform_thread *th)
{
    channel_flush(th);
    th->has_tail = false;
    if (th->tail.copy_size) {
        fill_copy(th);
        return;
    }
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
        if (th->notify_fd >= 0) {
            notify_give_channels(th);
        } else {
            notify_answer(th->notify_id, 0);
            th->notify_id = 0;
        }
    } else if (th->unpark_waits) {
        park_go(th);
    } else if (th->has_context) {
        context_reply(th);
    } else if (th->has_tail) {
        fill_tail(th);
    } else if (th->in_request) {
        th->chan->ret = call_result(th);
        call_reply(th);
    }
}

static void decode_context_event(struct platform_thread *th, struct platform_event *out)
{
    out->kind = PLATFORM_INTERRUPT;
    out->call_over = th->args[3] != 0;
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

static void tell_death(const struct platform_thread *th, struct platform_event *out)
{
    *out = (struct platform_event){.kind = PLATFORM_DEAD, .status = th->status};
}

static void break_off(struct platform_thread *th, struct platform_event *out)
{
    thread_violation(th);
    tell_death(th, out);
}

static void decode(struct platform_thread *th, struct platform_event *out)
{
    bool load_failed = th->loading && th->nr == STUB_REQ_RESULT;
    th->loading = false;
    if (load_failed) {
        seccomp_kill(th);
        thread_mark_dead(th, SIGSEGV); /* as Linux ends a program that it can't load */
        tell_death(th, out);
        return;
    }
    *out = (struct platform_event){
        .mask_changed = th->mask_changed, .sigmask = th->sigmask, .told = th->told};
    th->told = 0;
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
    case STUB_REQ_CALL:
        context_take(th);
        out->kind = PLATFORM_CALL;
        out->call.nr = th->regs[REG_RAX_];
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
    th->copy_failed = false;
    th->redo = false;
    out->kind = PLATFORM_SYSCALL;
    out->call.nr = th->nr;
    memcpy(out->call.args, th->args, sizeof(th->args));
    out->call.done = th->done;
}

bool clone_failed(struct platform_thread *th)
{
    if (!th->clone_ordered) {
        return false;
    }
    th->clone_ordered = false;
    if (!th->expect_met && th->nr != STUB_REQ_RESULT) {
        thread_violation(th); /* it went on without cloning */
        return true;
    }
    return clone_over(th);
}

void seccomp_switch(struct platform_thread *th, struct platform_event *out)
{
    /* Though the host may hear of it later: seccomp_kill_flush(). */
    if (th->proc && th->proc->killed) {
        thread_mark_dead(th, SIGKILL);
    }
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
    do {
        int r = th->stillborn ? 0 : channel_wait(th);
        if (th->stillborn) { /* perhaps it has waited already when the parent said so */
            /* there is nobody to end: it goes as if it had called exit */
            *out = (struct platform_event){.kind = PLATFORM_SYSCALL, .call.nr = SYS_exit};
            return;
        }
        if (r < 0) {
            tell_death(th, out);
            return;
        }
    } while (clone_failed(th));
    park_collect(th);
    if (th->dead) {
        tell_death(th, out);
    } else {
        decode(th, out);
    }
}

void seccomp_mem_tail(struct platform_thread *th, const struct mem_call *m)
{
    th->tail = *m;
    th->has_tail = true;
}

void *seccomp_copy_room(struct platform_thread *th, size_t size)
{
    return th->in_request && !th->range_count && !th->poke_room && size <= WINDOW_SIZE
               ? (char *)th->chan + WINDOW_OFFSET
               : NULL;
}

/* The orders' lists go through the window, where the bytes are. */
static long copy_now(struct platform_thread *th, const struct mem_call *m)
{
    AUTO_FREE void *data = malloc(m->copy_size);
    if (!data) {
        return -ENOMEM;
    }
    memcpy(data, (char *)th->chan + WINDOW_OFFSET, m->copy_size);
    struct mem_call map = *m;
    map.args[2] = PROT_READ | PROT_WRITE;
    long addr = seccomp_mem(th, &map);
    if (addr < 0 || th->dead) {
        return addr;
    }
    engine_vm_write(thread_memory(th), (uaddr_t)addr, data, m->copy_size);
    const struct mem_call protect = {
        .nr = SYS_mprotect, .args = {(uint64_t)addr, m->args[1], m->args[2]}, .host_fd = -1};
    long r = seccomp_mem(th, &protect);
    return r < 0 ? r : addr;
}

void tail_now(struct platform_thread *th)
{
    if (th->has_tail) {
        th->has_tail = false;
        th->result = th->tail.copy_size ? copy_now(th, &th->tail) : seccomp_mem(th, &th->tail);
    }
}

/* An order in the middle of a call, or of a context, which goes on afterwards. */
long order_within(struct platform_thread *th, enum stub_order order)
{
    bool had_context = th->has_context, had_signal = th->has_signal;
    uint64_t nr = th->nr, args[6];
    memcpy(args, th->args, sizeof(args));
    channel_flush(th);
    channel_reply(th, order);
    int r = channel_wait(th);
    th->expect = EXPECT_NONE;
    if (r < 0) {
        return r;
    }
    long result = th->nr == STUB_REQ_RESULT ? (long)th->args[0] : thread_violation(th);
    th->nr = nr;
    memcpy(th->args, args, sizeof(args));
    th->has_context = had_context;
    th->has_signal = had_signal;
    return result;
}

long mem_list(struct platform_thread *th, const struct stub_mem_call *calls, int *fds, size_t count)
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
    return order_within(th, ORDER_MEM_LIST);
}

long seccomp_mem(struct platform_thread *th, const struct mem_call *m)
{
    struct stub_mem_call call;
    int fd;
    if (th->dead) {
        return -ESRCH;
    }
    int r = mem_prepare(th, m, 0, &call, &fd);
    return r < 0 ? r : mem_list(th, &call, &fd, 1);
}

struct platform_lease_page *seccomp_lease_page(struct platform_space *s)
{
    return (struct platform_lease_page *)(void *)space_chan(s, THREAD_SLOTS);
}

void *seccomp_lease_bytes(struct platform_space *s, size_t *out_size)
{
    _Static_assert(LEASE_BYTES_SIZE == LEASE_ROOMS * LEASE_ROOM, "all rooms");
    *out_size = LEASE_BYTES_SIZE;
    return space_chan(s, THREAD_SLOTS + 1);
}

struct platform_stamps *seccomp_stamps(void)
{
    return g_seccomp.ro->answer ? &g_seccomp.ro->stamps : NULL;
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
    long r = th->dead ? -ESRCH : mem_list(th, calls, fds, ARRAY_COUNT(calls));
    return r < 0 ? (int)r : 0;
}

int seccomp_lease_map(struct platform_thread *th, unsigned index, int host_fd, uint64_t size,
                      bool writable)
{
    BUG_ON(index >= LEASE_MAX || size > lease_room(index));
    return map_in_slice(th, lease_addr(index), host_fd, ALIGN_UP(size, PAGE_SIZE),
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
    struct stub_mem_call calls[LEASE_MAX + RING_MAX];
    int fds[LEASE_MAX + RING_MAX];
    BUG_ON(count > ARRAY_COUNT(calls));
    for (size_t i = 0; i < count; i++) {
        bool ring = indices[i] >= LEASE_MAX;
        BUG_ON(indices[i] >= LEASE_MAX + RING_MAX);
        calls[i] = (struct stub_mem_call){
            .nr = SYS_munmap,
            .args = {ring ? RING_ADDR(indices[i] - LEASE_MAX) : lease_addr(indices[i]),
                     ring ? sizeof(struct platform_ring) : lease_room(indices[i])}};
        fds[i] = -1;
    }
    if (!th->dead && count) {
        long r = mem_list(th, calls, fds, count);
        (void)r; /* a guest that does not do it only keeps what it had */
    }
}

void seccomp_interrupt(struct platform_thread *th)
{
    if (!th->started || th->unpark_waits) {
        th->kick_at_start = true;
        return;
    }
    if (th->in_request || th->kicked || th->dead) {
        return;
    }
    if (!th->tid && th->lazy) {
        th->start_kick = th->kicked = true;
        if (th->chan) {
            __atomic_store_n(&th->chan->start_kick, 1, __ATOMIC_SEQ_CST);
        }
    }
    if (!thread_identify(th)) {
        return; /* it looks at start_kick when it begins */
    }
    th->kicked = true;
    int r = host_tgkill(th->proc->pid, th->tid, STUB_KICK);
    if (r < 0) {
        th->kicked =
            false; /* its process is dying; or it ended by itself, which only hostile ones do */
        bool ended = thread_stale(th);
        (void)ended;
    }
}
