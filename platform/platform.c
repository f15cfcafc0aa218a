/* The door: forwards to the engine chosen at start, and holds what the engines share. */
#include "platform/platform.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/host.h"
#include "platform/engine.h"

static const struct engine_ops *g_engine;
static int g_proc_fd = -1;

int platform_start(const struct platform_config *config, struct platform_thread **out,
                   struct platform_boot *out_boot)
{
    g_engine = config->engine == PLATFORM_PTRACE ? &g_ptrace_engine : &g_seccomp_engine;
    g_proc_fd = config->proc_fd;
    return g_engine->start(config, out, out_boot);
}

int platform_run(void)
{
    return g_engine->run();
}

void platform_set_owner(struct platform_thread *th, struct kthread *owner)
{
    g_engine->set_owner(th, owner);
}

void platform_children(void)
{
    g_engine->children();
}

void platform_switch(struct platform_thread *th, struct platform_event *out)
{
    g_engine->switch_to(th, out);
}

void platform_set_result(struct platform_thread *th, long result)
{
    g_engine->set_result(th, result);
}

int platform_get_context(struct platform_thread *th, struct guest_context *out)
{
    return g_engine->get_context(th, out);
}

void platform_set_context(struct platform_thread *th, const struct guest_context *ctx)
{
    g_engine->set_context(th, ctx);
}

bool platform_can_signal(struct platform_thread *th)
{
    return g_engine->can_signal && g_engine->can_signal(th);
}

void platform_signal(struct platform_thread *th, const struct platform_signal *s)
{
    g_engine->signal(th, s);
}

void platform_redo_call(struct platform_thread *th, long nr)
{
    g_engine->redo_call(th, nr);
}

void platform_set_altstack(struct platform_thread *th, uaddr_t sp, int flags, uint64_t size)
{
    if (g_engine->set_altstack) {
        g_engine->set_altstack(th, sp, flags, size);
    }
}

void platform_keep_action(struct platform_thread *th, int sig, const struct platform_action *a)
{
    if (g_engine->keep_action) {
        g_engine->keep_action(th, sig, a);
    }
}

void platform_default_actions(struct platform_thread *th, uint64_t signals)
{
    if (g_engine->default_actions) {
        g_engine->default_actions(th, signals);
    }
}

void platform_forget_actions(struct platform_thread *th, uint64_t signals)
{
    if (g_engine->forget_actions) {
        g_engine->forget_actions(th, signals);
    }
}

void platform_interrupt(struct platform_thread *th)
{
    g_engine->interrupt(th);
}

void platform_hold(struct platform_thread *th)
{
    g_engine->hold(th);
}

int platform_call_regs(const struct platform_thread *th, struct guest_regs *out)
{
    return g_engine->call_regs(th, out);
}

void platform_begin_call(struct platform_thread *th, long nr)
{
    g_engine->begin_call(th, nr);
}

int platform_stop_sites(struct platform_thread *th, bool stop)
{
    return g_engine->stop_sites ? g_engine->stop_sites(th, stop) : 0;
}

int platform_clone(struct platform_thread *th, const struct platform_clone *c,
                   struct platform_thread **out)
{
    return g_engine->clone(th, c, out);
}

void platform_thread_exit(struct platform_thread *th)
{
    g_engine->thread_exit(th);
}

void platform_thread_free(struct platform_thread *th)
{
    g_engine->thread_free(th);
}

void platform_kill(struct platform_thread *th)
{
    g_engine->kill(th);
}

int platform_host_pid(const struct platform_thread *th)
{
    return g_engine->host_pid(th);
}

int platform_host_tid(const struct platform_thread *th)
{
    return g_engine->host_tid(th);
}

/* The ptrace engine has no guest side that could answer. */
void platform_keep_answer(struct platform_thread *th, uint64_t nr, long result)
{
    if (g_engine->keep_answer) {
        g_engine->keep_answer(th, nr, result);
    }
}

void platform_forget_answers(struct platform_thread *th)
{
    if (g_engine->forget_answers) {
        g_engine->forget_answers(th);
    }
}

void platform_set_mask(struct platform_thread *th, uint64_t mask)
{
    if (g_engine->set_mask) {
        g_engine->set_mask(th, mask);
    }
}

bool platform_running_mask(const struct platform_thread *th, uint64_t *out)
{
    return g_engine->running_mask && g_engine->running_mask(th, out);
}

void platform_ask(struct platform_thread *th, unsigned what, unsigned of)
{
    if (g_engine->ask) {
        g_engine->ask(th, what, of);
    }
}

void platform_set_brk(struct platform_space *s, uaddr_t start, uaddr_t brk)
{
    if (g_engine->set_brk) {
        g_engine->set_brk(s, start, brk);
    }
}

uaddr_t platform_brk(const struct platform_space *s, uaddr_t known)
{
    return g_engine->brk ? g_engine->brk(s, known) : known;
}

void platform_forget_files(struct platform_thread *th)
{
    if (g_engine->forget_files) {
        g_engine->forget_files(th);
    }
}

void platform_set_cpu_before(struct platform_space *s, int64_t ns)
{
    if (g_engine->set_cpu_before) {
        g_engine->set_cpu_before(s, ns);
    }
}

int platform_kept_file(const struct platform_thread *th, int host_fd)
{
    return g_engine->kept_file ? g_engine->kept_file(th, host_fd) : -ENOENT;
}

uaddr_t platform_tid_address(const struct platform_thread *th, uaddr_t known)
{
    return g_engine->tid_address ? g_engine->tid_address(th, known) : known;
}

int64_t platform_cpu_start(const struct platform_thread *th)
{
    return g_engine->cpu_start ? g_engine->cpu_start(th) : 0;
}

uaddr_t platform_robust_list(const struct platform_thread *th)
{
    return g_engine->robust_list ? g_engine->robust_list(th) : 0;
}

bool platform_exit_info(const struct platform_thread *th, struct platform_exit_info *out)
{
    return g_engine->exit_info && g_engine->exit_info(th, out);
}

uaddr_t platform_preloaded(const struct platform_thread *th, int host_fd)
{
    return g_engine->preloaded ? g_engine->preloaded(th, host_fd) : 0;
}

struct platform_lease_page *platform_lease_page(struct platform_space *s)
{
    return g_engine->lease_page ? g_engine->lease_page(s) : NULL;
}

void *platform_lease_bytes(struct platform_space *s, size_t *out_size)
{
    *out_size = 0;
    return g_engine->lease_bytes ? g_engine->lease_bytes(s, out_size) : NULL;
}

struct platform_stamps *platform_stamps(void)
{
    return g_engine->stamps ? g_engine->stamps() : NULL;
}

bool platform_notes(const struct platform_thread *th, struct platform_notes *out)
{
    return g_engine->notes && g_engine->notes(th, out);
}

void platform_grant_notes(struct platform_thread *th, unsigned slot, unsigned rights, int fd)
{
    g_engine->grant_notes(th, slot, rights, fd);
}

int platform_lease_map(struct platform_thread *th, unsigned index, int host_fd, uint64_t size,
                       bool writable)
{
    return g_engine->lease_map(th, index, host_fd, size, writable);
}

int platform_ring_map(struct platform_thread *th, unsigned index, int host_fd)
{
    return g_engine->ring_map(th, index, host_fd);
}

void platform_lease_unmap(struct platform_thread *th, const unsigned *indices, size_t count)
{
    g_engine->lease_unmap(th, indices, count);
}

int platform_writer_give(struct platform_thread *th, int host_fd, uint64_t limit)
{
    return g_engine->writer_give(th, host_fd, limit);
}

int platform_writer_limit(struct platform_space *s, uint64_t limit)
{
    return g_engine->writer_limit(s, limit);
}

uaddr_t platform_call_sp(const struct platform_thread *th)
{
    return g_engine->call_sp(th);
}

struct platform_space *platform_space(struct platform_thread *th)
{
    return g_engine->space(th);
}

int platform_exec(struct platform_thread *th, struct platform_boot *out_boot)
{
    return g_engine->exec(th, out_boot);
}

int platform_load(struct platform_thread *th, const struct load_op *ops, size_t op_count,
                  uaddr_t entry, uaddr_t sp)
{
    return g_engine->load(th, ops, op_count, entry, sp);
}

/* A call on the guest's address space must leave the stub's slice alone, whatever its arguments. */
static int mem_call_check(const struct mem_call *m)
{
    switch (m->nr) {
    case SYS_mmap:
        if ((m->args[3] & (MAP_FIXED | MAP_FIXED_NOREPLACE)) &&
            platform_range_reserved(m->args[0], m->args[1])) {
            return -ENOMEM;
        }
        return 0;
    case SYS_mremap:
        if (platform_range_reserved(m->args[0], MAX(m->args[1], (uint64_t)1)) ||
            ((m->args[3] & MREMAP_FIXED) && platform_range_reserved(m->args[4], m->args[2]))) {
            return -EINVAL;
        }
        /* growing in place can't enter the slice: it is bounded by a mapping of the stub */
        return 0;
    case SYS_mlockall:
    case SYS_munlockall:
        return 0;
    default:
        return platform_range_reserved(m->args[0], m->args[1]) ? -EINVAL : 0;
    }
}

long platform_mem(struct platform_thread *th, const struct mem_call *m)
{
    int r = mem_call_check(m);
    return r < 0 ? r : g_engine->mem(th, m);
}

int platform_mem_tail(struct platform_thread *th, const struct mem_call *m)
{
    int r = mem_call_check(m);
    if (r == 0) {
        g_engine->mem_tail(th, m);
    }
    return r;
}

void *platform_copy_room(struct platform_thread *th, size_t size)
{
    return g_engine->copy_room ? g_engine->copy_room(th, size) : NULL;
}

size_t platform_copy_in(struct platform_space *s, void *dst, uaddr_t src, size_t size)
{
    return platform_range_reserved(src, size) ? 0 : g_engine->copy_in(s, dst, src, size);
}

size_t platform_copy_in_str(struct platform_space *s, char *dst, uaddr_t src, size_t size)
{
    return g_engine->copy_in_str ? g_engine->copy_in_str(s, dst, src, size)
                                 : g_engine->copy_in(s, dst, src, size);
}

size_t platform_copy_out(struct platform_space *s, uaddr_t dst, const void *src, size_t size)
{
    return platform_range_reserved(dst, size) ? 0 : g_engine->copy_out(s, dst, src, size);
}

const char *platform_vector(const struct platform_thread *th, int arg, size_t *size)
{
    return g_engine->vector ? g_engine->vector(th, arg, size) : NULL;
}

void *platform_window(struct platform_space *s, uaddr_t dst, size_t *size)
{
    return g_engine->window ? g_engine->window(s, dst, size) : NULL;
}

void platform_window_filled(struct platform_space *s, uaddr_t dst, size_t size)
{
    g_engine->window_filled(s, dst, size);
}

bool platform_range_reserved(uaddr_t addr, uint64_t size)
{
    if (size == 0) {
        return false;
    }
    uaddr_t end;
    if (__builtin_add_overflow(addr, size, &end)) {
        return true;
    }
    return addr < PLATFORM_SLICE_END && end > PLATFORM_SLICE_START;
}

int platform_reopen_read_only(int host_fd)
{
    char path[64];
    if (g_proc_fd < 0) {
        return -ENOENT;
    }
    snprintf(path, sizeof(path), "%d/fd/%d", (int)getpid(), host_fd);
    return (int)host_result(openat(g_proc_fd, path, O_RDONLY | O_CLOEXEC));
}

int engine_proc_read(const char *path, struct strbuf *out)
{
    char chunk[4096];
    if (g_proc_fd < 0) {
        return -ENOENT;
    }
    AUTO_FD fd = (int)host_result(openat(g_proc_fd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    if (fd < 0) {
        return fd == -ENOENT ? -ESRCH : fd;
    }
    for (;;) {
        ssize_t n = host_read(fd, chunk, sizeof(chunk));
        if (n < 0) {
            return (int)n;
        }
        if (n == 0) {
            strbuf_adds(out,
                        ""); /* a dying process has no maps: give the caller a text all the same */
            return strbuf_error(out);
        }
        strbuf_add(out, chunk, (size_t)n);
    }
}

int platform_proc_read(struct platform_space *s, const char *name, struct strbuf *out)
{
    char path[64];
    int pid = g_engine->space_pid(s);
    if (!pid) {
        return -ESRCH;
    }
    snprintf(path, sizeof(path), "%d/%s", pid, name);
    return engine_proc_read(path, out);
}

/*
 * process_vm_* stops at the first unmapped page of a range, but only counts whole remote ranges: so a range
 * that fails is tried again a page at a time.
 */
static size_t vm_transfer(int pid, char *local, uaddr_t remote, size_t size, bool write)
{
    size_t done = 0;
    while (done < size) {
        size_t chunk = size - done;
        ssize_t n = write ? host_process_vm_write(pid, remote + done, local + done, chunk)
                          : host_process_vm_read(pid, local + done, remote + done, chunk);
        bool told = n > 0 && (size_t)n < chunk; /* where it stopped */
        if (n <= 0) {
            size_t page = PAGE_SIZE - ((remote + done) & (PAGE_SIZE - 1));
            if (chunk <= page) {
                break;
            }
            n = write ? host_process_vm_write(pid, remote + done, local + done, page)
                      : host_process_vm_read(pid, local + done, remote + done, page);
            if (n <= 0) {
                break;
            }
        }
        done += (size_t)n;
        if (told) {
            break;
        }
    }
    return done;
}

size_t engine_vm_read(int pid, void *dst, uaddr_t src, size_t size)
{
    return vm_transfer(pid, dst, src, size, false);
}

size_t engine_vm_write(int pid, uaddr_t dst, const void *src, size_t size)
{
    return vm_transfer(pid, (char *)(uintptr_t)src, dst, size, true);
}

void engine_limit_tasks(size_t max_tasks)
{
    struct rlimit limit = {max_tasks + 128, max_tasks + 128}; /* the dying, and spares */
    if (max_tasks) {
        setrlimit(RLIMIT_NPROC, &limit);
    }
}

#define HOST_THREAD_FLAGS                                                                          \
    (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM)

uint64_t engine_clone_flags(uint64_t guest_flags)
{
    uint64_t extra = guest_flags & (CLONE_SETTLS | CLONE_CHILD_CLEARTID);
    if (guest_flags & CLONE_THREAD) {
        return HOST_THREAD_FLAGS | extra;
    }
    return CLONE_PARENT | SIGCHLD | (guest_flags & (CLONE_VM | CLONE_VFORK)) | extra;
}

int engine_load_map(const struct load_op *o, struct mem_call *out)
{
    bool file = o->kind == LOAD_MAP_FILE;
    if (platform_range_reserved(o->addr, o->size)) {
        return -ENOMEM;
    }
    *out = (struct mem_call){
        .nr = SYS_mmap,
        .args = {o->addr, o->size, (uint64_t)o->prot,
                 MAP_PRIVATE | MAP_FIXED | (file ? 0U : MAP_ANONYMOUS | MAP_NORESERVE), 0,
                 file ? o->offset : 0},
        .host_fd = file ? o->host_fd : -1};
    return 0;
}

int engine_load_bytes(struct platform_space *s, const struct load_op *o)
{
    static const char zeroes[PAGE_SIZE];
    size_t done = 0;
    while (done < o->size) {
        size_t chunk = o->kind == LOAD_ZERO ? MIN(o->size - done, PAGE_SIZE) : o->size - done;
        const char *src = o->kind == LOAD_ZERO ? zeroes : (const char *)o->data + done;
        if (platform_copy_out(s, o->addr + done, src, chunk) != chunk) {
            return -EFAULT;
        }
        done += chunk;
    }
    return 0;
}
