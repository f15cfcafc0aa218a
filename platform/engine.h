/*
 * What an engine implements behind platform.h. Each member has the contract of the platform_ function
 * of its name; platform.c calls through g_engine.
 */
#pragma once

#include "platform/platform.h"

struct engine_ops {
    int (*start)(const struct platform_config *config, struct platform_thread **out,
                 struct platform_boot *out_boot);
    int (*run)(void);
    void (*set_owner)(struct platform_thread *th, struct kthread *owner);
    void (*children)(void);
    void (*switch_to)(struct platform_thread *th, struct platform_event *out);
    void (*set_result)(struct platform_thread *th, long result);
    int (*get_context)(struct platform_thread *th, struct guest_context *out);
    void (*set_context)(struct platform_thread *th, const struct guest_context *ctx);
    /* NULL, all six: the sentry makes frames itself. */
    void (*redo_call)(struct platform_thread *th, long nr);
    bool (*can_signal)(struct platform_thread *th);
    void (*signal)(struct platform_thread *th, const struct platform_signal *s);
    void (*set_altstack)(struct platform_thread *th, uaddr_t sp, int flags, uint64_t size);
    void (*keep_action)(struct platform_thread *th, int sig, const struct platform_action *a);
    void (*default_actions)(struct platform_thread *th, uint64_t signals);
    void (*forget_actions)(struct platform_thread *th, uint64_t signals);
    void (*interrupt)(struct platform_thread *th);
    void (*hold)(struct platform_thread *th);
    int (*call_regs)(const struct platform_thread *th, struct guest_regs *out);
    void (*begin_call)(struct platform_thread *th, long nr);
    int (*stop_sites)(struct platform_thread *th, bool stop); /* NULL: it rewrites none */
    int (*clone)(struct platform_thread *th, const struct platform_clone *c,
                 struct platform_thread **out);
    void (*thread_exit)(struct platform_thread *th);
    void (*thread_free)(struct platform_thread *th);
    void (*kill)(struct platform_thread *th);
    int (*host_pid)(const struct platform_thread *th);
    int (*host_tid)(const struct platform_thread *th);
    uaddr_t (*call_sp)(const struct platform_thread *th);
    void (*keep_answer)(struct platform_thread *th, uint64_t nr, long result);
    void (*forget_answers)(struct platform_thread *th);
    void (*set_mask)(struct platform_thread *th, uint64_t mask);
    bool (*running_mask)(const struct platform_thread *th, uint64_t *out);
    uaddr_t (*tid_address)(const struct platform_thread *th, uaddr_t known);
    int64_t (*cpu_start)(const struct platform_thread *th);
    uaddr_t (*robust_list)(const struct platform_thread *th);
    bool (*exit_info)(const struct platform_thread *th, struct platform_exit_info *out);
    void (*ask)(struct platform_thread *th, unsigned what, unsigned of);
    struct platform_lease_page *(*lease_page)(struct platform_space *s);
    void *(*lease_bytes)(struct platform_space *s, size_t *out_size);
    struct platform_stamps *(*stamps)(void); /* NULL: nothing is kept */
    /* NULL: nothing is noted */
    bool (*notes)(const struct platform_thread *th, struct platform_notes *out);
    void (*grant_notes)(struct platform_thread *th, unsigned slot, unsigned rights, int fd);
    int (*lease_map)(struct platform_thread *th, unsigned index, int host_fd, uint64_t size,
                     bool writable);
    int (*ring_map)(struct platform_thread *th, unsigned index, int host_fd);
    void (*lease_unmap)(struct platform_thread *th, const unsigned *indices, size_t count);
    int (*writer_give)(struct platform_thread *th, int host_fd, uint64_t limit);
    int (*writer_limit)(struct platform_space *s, uint64_t limit);
    void (*set_brk)(struct platform_space *s, uaddr_t start, uaddr_t brk);
    uaddr_t (*brk)(const struct platform_space *s, uaddr_t known);
    void (*forget_files)(struct platform_thread *th);
    void (*set_cpu_before)(struct platform_space *s, int64_t ns);
    int (*kept_file)(const struct platform_thread *th, int host_fd);
    struct platform_space *(*space)(struct platform_thread *th);
    int (*exec)(struct platform_thread *th, struct platform_boot *out_boot);
    uaddr_t (*preloaded)(const struct platform_thread *th, int host_fd); /* NULL: nothing ever is */
    int (*load)(struct platform_thread *th, const struct load_op *ops, size_t op_count,
                uaddr_t entry, uaddr_t sp);
    long (*mem)(struct platform_thread *th, const struct mem_call *m);
    void (*mem_tail)(struct platform_thread *th, const struct mem_call *m);
    void *(*copy_room)(struct platform_thread *th, size_t size);
    size_t (*copy_in)(struct platform_space *s, void *dst, uaddr_t src, size_t size);
    /* NULL: as copy_in */
    size_t (*copy_in_str)(struct platform_space *s, char *dst, uaddr_t src, size_t size);
    size_t (*copy_out)(struct platform_space *s, uaddr_t dst, const void *src, size_t size);
    const char *(*vector)(const struct platform_thread *th, int arg, size_t *size); /* NULL: none */
    void *(*window)(struct platform_space *s, uaddr_t dst, size_t *size);           /* NULL: none */
    void (*window_filled)(struct platform_space *s, uaddr_t dst, size_t size);
    int (*space_pid)(const struct platform_space *s); /* a host pid that lives in s, or 0 */
};
extern const struct engine_ops g_seccomp_engine, g_ptrace_engine;

/* process_vm_* in one direction; bytes copied before the first fault. Shared by the engines. */
size_t engine_vm_read(int pid, void *dst, uaddr_t src, size_t size);
size_t engine_vm_write(int pid, uaddr_t dst, const void *src, size_t size);

/* A file of the host's /proc, of the PID namespace in which stubs live. Errors: -ENOENT there is none; -ESRCH. */
MUST_CHECK int engine_proc_read(const char *path, struct strbuf *out);

/*
 * Host tasks that guests could make behind the sentry's back still count for the host: a bound well above what the
 * sentry itself allows. 0: none. Called in the first stub, before it executes; inherited by all.
 */
void engine_limit_tasks(size_t max_tasks);

/*
 * The host's clone flags for a guest's: a thread gets exactly what a thread needs, a process shares nothing but
 * memory, and is our child whoever makes it.
 */
uint64_t engine_clone_flags(uint64_t guest_flags);
/* The host's mmap for LOAD_MAP_FILE and LOAD_MAP_ANON. Errors: -ENOMEM it would touch the slice. */
MUST_CHECK int engine_load_map(const struct load_op *o, struct mem_call *out);
/* LOAD_COPY and LOAD_ZERO. Errors: -EFAULT. */
MUST_CHECK int engine_load_bytes(struct platform_space *s, const struct load_op *o);
