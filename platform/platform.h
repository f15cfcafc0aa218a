/*
 * The only door to the machine that guests run on.
 *
 * A guest address space is a host process (the stub); a guest thread is one of its threads. The
 * layers above never see how a guest is trapped: platform_switch resumes a guest thread and
 * *returns* why it stopped. Two engines stand behind this header: "seccomp" (SIGSYS into the stub,
 * a shared-memory channel, user notification at the stub's gate) and "ptrace" (SYSEMU).
 *
 * Everything here is called under the baton (lib/kthread.h). A function that says `Context: may
 * block` puts the calling kthread to sleep until the guest answers, and may only be called by the
 * kthread that owns the guest thread. What comes from a guest (registers, arguments) is hostile.
 */
#pragma once

#include <stdbool.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "lib/kthread.h"
#include "lib/macros.h"
#include "lib/strbuf.h"
#include "platform/copy_plan.h"
#include "platform/facts.h"
#include "platform/notes.h"

struct platform_thread; /* one guest thread */
struct platform_space;  /* one guest address space; threads (and a vfork child) share it */

/* Laid out as Linux's user_regs_struct. */
struct guest_regs {
    uint64_t r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8;
    uint64_t rax, rcx, rdx, rsi, rdi, orig_rax, rip, cs, eflags, rsp, ss;
    uint64_t fs_base, gs_base; /* meaningful only with the ptrace engine; 0 else */
};

/*
 * A complete user context. fpstate is what Linux puts into a signal frame: the XSAVE area with
 * sw_reserved filled in and FP_XSTATE_MAGIC2 behind it; fpstate_size 0 means "unchanged" on the way in.
 */
#define GUEST_FPSTATE_MAX 8192
struct guest_context {
    struct guest_regs regs;
    uint32_t fpstate_size;
    uint8_t fpstate[GUEST_FPSTATE_MAX] __attribute__((aligned(64)));
};

enum platform_event_kind {
    PLATFORM_SYSCALL,   /* the guest made a system call: call */
    PLATFORM_CALL,      /* the guest is about to make a system call (PLATFORM_ASK_CALLS): call.nr */
    PLATFORM_FAULT,     /* the guest's code faulted: fault */
    PLATFORM_INTERRUPT, /* platform_interrupt took effect while the guest ran its own code */
    PLATFORM_BAD_FRAME, /* the stack did not take the frame of platform_signal: as if that had not been */
    PLATFORM_DEAD, /* the host process is gone; the thread can't be resumed: status */
};
struct platform_event {
    enum platform_event_kind kind;
    bool mask_changed; /* the guest's side has changed its signal mask by itself: sigmask */
    uint64_t sigmask;
    uint32_t told; /* NOTES_TOLD ...: what the guest's side has noted before; 0: nothing */
    bool
        call_over; /* INTERRUPT: a call that PLATFORM_CALL announced was answered on the guest's side; its result is in the context */
    union {
        struct {
            uint64_t nr;
            uint64_t args[6];
            uint64_t
                done; /* bytes that the guest's side has written of a write before it asked for the rest */
        } call;
        struct {
            int signo;       /* SIGSEGV SIGBUS SIGFPE SIGILL SIGTRAP */
            int code;        /* si_code, as the host kernel gave it */
            uint64_t addr;   /* si_addr */
            uint64_t trapno; /* for sigcontext */
            uint64_t error;
        } fault;
        int status; /* as wait(2) gives it; 0 when unknown */
    };
};

/* What a fresh address space was given by the host; for the new program's auxv. */
struct platform_boot {
    uaddr_t vdso; /* AT_SYSINFO_EHDR; 0: none */
    uint64_t hwcap, hwcap2, minsigstksz, clktck;
};

/* --- start and end --- */

enum platform_engine { PLATFORM_SECCOMP, PLATFORM_PTRACE };
struct platform_config {
    enum platform_engine engine;
    int proc_fd;      /* borrowed: a directory fd of a procfs that shows the stubs, or -1 */
    size_t cpu_count; /* CPUs this process may use; 1 turns the poller off */
    /* Borrowed, or NULL: [PLATFORM_COPY_NR_COUNT][6], see platform/copy_plan.h: what guests send ahead with their calls. */
    const uint16_t (*copy_plan)[6];
    /* Borrowed, or NULL: [PLATFORM_COPY_NR_COUNT], see platform_keep_answer. NULL: every call comes to the sentry. */
    const uint8_t *kept_answers;
    /* Or NULL: the engine has ended a host process, and a SIGCHLD will follow that need not be looked at soon. Baton held. */
    void (*dying)(void);
    size_t max_tasks; /* guest threads in all that the sentry allows; 0: no limit */
    bool no_patch;    /* leave call sites alone: every system call traps */
};
/**
 * platform_start - start the engine, and make the first guest thread: fresh, booted, and waiting
 *                  for platform_load. Called once, before the sentry gives up its own privileges.
 * @owner: the kthread that will own the thread may be set later with platform_set_owner.
 */
MUST_CHECK int platform_start(const struct platform_config *config, struct platform_thread **out,
                              struct platform_boot *out_boot);
/* Host threads of the engine (doorbell, poller): started after the sentry's own filter is in place. */
MUST_CHECK int platform_run(void);
void platform_set_owner(struct platform_thread *th, struct kthread *owner);
/* A SIGCHLD came: reap dead stubs, wake their threads with PLATFORM_DEAD; ptrace stops. */
void platform_children(void);

/* --- running --- */

/**
 * platform_switch - resume the guest thread, and return at its next event.
 *
 * Whatever was set since the last event (result, context, tail operation) takes effect first.
 * Context: may block (that is its purpose). Not interruptible: use platform_interrupt.
 */
void platform_switch(struct platform_thread *th, struct platform_event *out);
/* The result of the system call that platform_switch returned last (or that PLATFORM_INTERRUPT says was interrupted). */
void platform_set_result(struct platform_thread *th, long result);
/**
 * platform_get_context - the guest's full user context as it will be when it resumes now.
 *
 * After a system call: rax is the result set so far, rip is behind the syscall instruction.
 * Context: may block (the stub is asked to come back with it).
 * Errors: -ESRCH the guest died; -EAGAIN after platform_clone, which let it go on already: it is interrupted,
 *         and platform_switch returns its next event.
 */
MUST_CHECK int platform_get_context(struct platform_thread *th, struct guest_context *out);
/*
 * A handler that the guest's side is to run: it has the registers, and writes the frame (Linux's rt_sigframe).
 */
struct platform_signal {
    int sig;
    uaddr_t handler, restorer;
    uaddr_t
        start; /* the frame goes below: the guest's stack without its red zone, or the alternate stack's end */
    bool check_stack; /* the frame must lie within the alternate stack */
    bool more;        /* stop with PLATFORM_INTERRUPT before the handler's first instruction */
    uaddr_t stack_sp; /* the alternate stack: uc_stack */
    int stack_flags;
    uint64_t stack_size;
    uint64_t mask;    /* uc_sigmask */
    const void *info; /* siginfo_t, 128 bytes; borrowed for the call */
};
/**
 * platform_can_signal - may platform_signal and platform_redo_call be used instead of a context, until th resumes?
 * Context: may block (what the call still has to do is done first).
 */
bool platform_can_signal(struct platform_thread *th);
/* Resume in the handler. At most once for each event. If the frame can't be written: PLATFORM_BAD_FRAME. */
void platform_signal(struct platform_thread *th, const struct platform_signal *s);
/* The interrupted call is made again, as number nr: now, or when the handler returns. */
void platform_redo_call(struct platform_thread *th, long nr);
/*
 * What th's guest side may do by itself when th sends sig to itself or faults with it, and nothing else is pending: run
 * this handler. Only while th is in the kernel. platform_forget_actions takes it back from a set of signals, at any
 * time; platform_forget_answers does, too.
 */
struct platform_action {
    uaddr_t handler, restorer;
    uint64_t flags, mask; /* SA_ONSTACK and SA_NODEFER count */
    int pid, tid;         /* of th, for its siginfo */
    uint32_t uid;
};
void platform_keep_action(struct platform_thread *th, int sig, const struct platform_action *a);
/* A set of signals whose action is all zeroes (SIG_DFL, no flags, no mask), until that is taken back in the same way. */
void platform_default_actions(struct platform_thread *th, uint64_t signals);
void platform_forget_actions(struct platform_thread *th, uint64_t signals);
/* What the sentry has as th's alternate stack: the guest's side may serve a sigreturn that leaves it so. */
void platform_set_altstack(struct platform_thread *th, uaddr_t sp, int flags, uint64_t size);
/*
 * What the guest's side may answer by itself, so that no call comes here.
 *
 * platform_keep_answer: until platform_forget_answers, th gets result for the call nr without asking. For calls that
 *   config.kept_answers names and 0 <= result < 2^31; nothing happens for others.
 * platform_set_mask: th's signal mask; it may change it by itself when it runs, and says so with its next event.
 * platform_running_mask: what th has it set to by now. Return: false when it is in a system call (or has no say).
 * platform_ask: from now on, changes of the mask (memory calls) come here as system calls. A change that came before
 *   is seen by platform_running_mask.
 */
void platform_keep_answer(struct platform_thread *th, uint64_t nr, long result);
void platform_forget_answers(struct platform_thread *th);
void platform_set_mask(struct platform_thread *th, uint64_t mask);
MUST_CHECK bool platform_running_mask(const struct platform_thread *th, uint64_t *out);
/* What th set by itself with set_tid_address; else known. Whichever it is, it is cleared at th's end without the sentry. */
uaddr_t platform_tid_address(const struct platform_thread *th, uaddr_t known);
/* CPU time that the host counts for th's host thread, and another guest thread has used, in ns, if th does not lie. */
int64_t platform_cpu_start(const struct platform_thread *th);
/* What th set by itself with set_robust_list; 0: nothing, or the sentry knows. */
uaddr_t platform_robust_list(const struct platform_thread *th);
/*
 * What th said about itself with the exit or exit_group that is being served. All of it is the guest's word.
 * Return: false when it said nothing.
 */
struct platform_exit_info {
    struct rusage usage;
    uaddr_t robust_list;     /* 0: not there */
    uint64_t robust_head[3]; /* struct robust_list_head */
};
MUST_CHECK bool platform_exit_info(const struct platform_thread *th,
                                   struct platform_exit_info *out);
/* Of the PLATFORM_ASK_... bits in `of`, those in `what` are set from now on, the others not. */
void platform_ask(struct platform_thread *th, unsigned what, unsigned of);

/*
 * Leased files (platform/lease_page.h). platform_lease_page: what s and the sentry share about them; NULL: this engine has
 * none. platform_lease_map: shows [0, size) of host_fd to th's address space as lease index's bytes, and not to
 * its children. Context: may block. Errors: what mmap gave, -ESRCH.
 */
struct platform_lease_page *platform_lease_page(struct platform_space *s);
/* Memory behind it, *out_size bytes, for copies of leased files (platform_lease.bytes). */
void *platform_lease_bytes(struct platform_space *s, size_t *out_size);
/* What says whether kept lookups still hold (platform/names_page.h), for all processes; NULL: this engine has none. */
struct platform_stamps *platform_stamps(void);
/*
 * Where th notes calls (platform/notes.h); valid as long as its address space. Return: false when this engine has no such thing.
 * platform_grant_notes: th, which is in a system call, may note calls on fd under slot.
 */
MUST_CHECK bool platform_notes(const struct platform_thread *th, struct platform_notes *out);
void platform_grant_notes(struct platform_thread *th, unsigned slot, unsigned rights, int fd);
MUST_CHECK int platform_lease_map(struct platform_thread *th, unsigned index, int host_fd,
                                  uint64_t size, bool writable);
/* A pipe's ring (struct platform_ring, all of host_fd) as ring index of th's address space. Context: may block. */
MUST_CHECK int platform_ring_map(struct platform_thread *th, unsigned index, int host_fd);
/* The bytes of these leases (LEASE_MAX + i: ring i) are no longer needed there. Context: may block. */
void platform_lease_unmap(struct platform_thread *th, const unsigned *indices, size_t count);
/*
 * th's process may write the first limit bytes of host_fd (readable and writable) by itself, as it could by a mapping; it had no
 * such right to another file, or has no longer. platform_writer_limit: another limit for that file; 0 takes the
 * right back, at once and for good. It must be 0 when a process or thread is made.
 * Context: th's only thread makes a system call. give: may block. Errors: -EBUSY other processes share s; -ESRCH; what the host says.
 */
MUST_CHECK int platform_writer_give(struct platform_thread *th, int host_fd, uint64_t limit);
int platform_writer_limit(struct platform_space *s, uint64_t limit);

/* The guest's stack pointer at the system call that is being served, as the guest has it. */
uaddr_t platform_call_sp(const struct platform_thread *th);
/* Replaces the context with which platform_switch will resume. Only after platform_get_context
 * (or a FAULT/INTERRUPT event) and before the next platform_switch. Validates nothing but segment
 * registers and flags, which it forces to what a user may have. */
void platform_set_context(struct platform_thread *th, const struct guest_context *ctx);
/* Makes a guest that runs its own code stop soon with PLATFORM_INTERRUPT. A no-op while its system call is
 * being served: then its kthread is awake or asleep in the kernel, and that is woken instead. */
void platform_interrupt(struct platform_thread *th);

/*
 * For whoever traces a guest (PLATFORM_ASK_CALLS).
 *
 * platform_hold: the next time that th comes from a call which made it clone or load a program, or (as a clone that has not run yet)
 *   begins, it stops with PLATFORM_INTERRUPT before its next instruction. After platform_clone and platform_load, platform_get_context
 *   waits for that, and th is as in a system call.
 * platform_begin_call: after PLATFORM_CALL and platform_set_context: th makes that call, as number nr, with the context's
 *   arguments. Without it, th goes on behind the call with the context's rax.
 * platform_stop_sites: the code of th's space is as its program has it, and stays so (stop), or may be rewritten again. What
 *   was set with platform_set_context must be set again. Context: may block. Errors: -EAGAIN th can't do that now; -ESRCH.
 */
void platform_hold(struct platform_thread *th);
/* The registers of a thread that waits in a system call, as far as they can be seen from outside. Errors: -ESRCH. */
MUST_CHECK int platform_call_regs(const struct platform_thread *th, struct guest_regs *out);
void platform_begin_call(struct platform_thread *th, long nr);
MUST_CHECK int platform_stop_sites(struct platform_thread *th, bool stop);

/* --- threads and processes --- */

/*
 * flags: Linux's clone flags, of which the platform looks at CLONE_VM, CLONE_VFORK, CLONE_THREAD, CLONE_SETTLS,
 * CLONE_PARENT_SETTID, CLONE_CHILD_SETTID, CLONE_CHILD_CLEARTID. The guest's tid is stored where the
 * flags say before the child runs. The child resumes behind the parent's syscall with result 0.
 */
struct platform_clone {
    uint64_t flags;
    uaddr_t stack; /* 0: the parent's */
    uaddr_t parent_tid, child_tid, tls;
    int guest_tid; /* of the child */
};
/**
 * platform_clone - make a new guest thread: in the same space (CLONE_VM) or in a copy of it.
 * @out: a thread that has not run yet; its owner calls platform_switch to start it.
 *
 * With CLONE_VFORK the host blocks the parent until the child execs or dies; the function does not.
 * The parent's result (the child's tid) is set by this function.
 * Context: may block. Errors: -EAGAIN, -ENOMEM, -ESRCH (the parent died meanwhile).
 */
MUST_CHECK int platform_clone(struct platform_thread *th, const struct platform_clone *c,
                              struct platform_thread **out);
/* The guest thread ends (exit(2) of one thread): it runs no guest code any more. Consumes th. Context: may block. */
void platform_thread_exit(struct platform_thread *th);
/* Forgets a thread whose host process is dead or was killed (after platform_kill). Consumes th. */
void platform_thread_free(struct platform_thread *th);
/* SIGKILL to the host process that th belongs to: every thread of it gets PLATFORM_DEAD. */
void platform_kill(struct platform_thread *th);
/* Host pid of th's process, for host accounting only (getrusage, proc). */
int platform_host_pid(const struct platform_thread *th);
/* Host tid of th itself, for the same purpose; 0 when it is not known. */
int platform_host_tid(const struct platform_thread *th);

/*
 * th's process changes its credentials: it loses files that it was given to keep. th is in a system call. Context: may block.
 */
void platform_forget_files(struct platform_thread *th);
/* The number of the file behind host_fd among those that th's process was given to keep, and may map as it likes. Errors: -ENOENT. */
MUST_CHECK int platform_kept_file(const struct platform_thread *th, int host_fd);

/* --- address spaces --- */

struct platform_space *platform_space(struct platform_thread *th); /* borrowed */

/**
 * platform_exec - give th a fresh, empty address space (the point of no return of execve).
 *
 * All other threads of its host process must be gone or are killed by it. Then platform_load. It may go on in another
 * host process (platform_host_pid).
 * Context: may block. Errors: -ENOMEM, -EAGAIN, -ESRCH.
 */
MUST_CHECK int platform_exec(struct platform_thread *th, struct platform_boot *out_boot);

/* A step of loading a program, in order. */
enum load_op_kind {
    LOAD_MAP_FILE, /* private file mapping of host_fd (borrowed) at addr, page-aligned, MAP_FIXED */
    LOAD_MAP_ANON, /* anonymous zero memory at addr */
    LOAD_COPY,     /* data (size bytes, borrowed) to addr */
    LOAD_ZERO,     /* size zero bytes at addr: the tail of a .bss page */
    LOAD_PROTECT,  /* mprotect */
};
struct load_op {
    enum load_op_kind kind;
    int prot;
    int host_fd;
    uaddr_t addr;
    uint64_t size;
    uint64_t offset;
    const void *data;
    bool
        shared; /* of what the program begins in, which may be there already: see platform_preloaded */
};
/*
 * Where the file behind host_fd is loaded already in th's fresh address space, by shared ops of a program before; 0: it is not. If
 * platform_load's shared ops are the same, they are done; else what is there goes.
 */
uaddr_t platform_preloaded(const struct platform_thread *th, int host_fd);
/**
 * platform_load - fill a fresh address space, and set the registers with which it will start.
 * Context: may block. Errors: what the failing mmap gave; -ESRCH.
 */
MUST_CHECK int platform_load(struct platform_thread *th, const struct load_op *ops, size_t op_count,
                             uaddr_t entry, uaddr_t sp);

/*
 * Memory system calls are the host kernel's: the sentry decides, the guest's own thread performs.
 * nr is one of mmap munmap mprotect mremap madvise msync mlock munlock mincore(...)
 * with the host's arguments; for mmap of a file host_fd (borrowed) replaces args[4].
 * A range that touches the stub's slice gets -EINVAL (munmap, mprotect...) or -ENOMEM (MAP_FIXED).
 */
struct mem_call {
    int nr;
    uint64_t args[6];
    int host_fd;        /* -1: none */
    uint64_t copy_size; /* of a private mmap, only for platform_mem_tail: see platform_copy_room */
};
/* Performs it now. Context: may block. Return: its result or -errno. */
MUST_CHECK long platform_mem(struct platform_thread *th, const struct mem_call *m);
/* Performs it as the guest resumes: its result becomes the system call's. Cheaper: no extra trip. */
MUST_CHECK int platform_mem_tail(struct platform_thread *th, const struct mem_call *m);
/*
 * Where the bytes of a private mapping can be put instead of naming a file: the first copy_size of them are copied to the
 * new memory before it gets its protection, which is without PROT_WRITE. Only in a call that has no buffers; valid until th
 * resumes. NULL: this engine can't, or not for so many.
 */
void *platform_copy_room(struct platform_thread *th, size_t size);

/*
 * Bytes between the guest and the sentry. Return: bytes copied before the first fault, 0...size.
 * The window that came with the current request is used where it covers the range.
 */
size_t platform_copy_in(struct platform_space *s, void *dst, uaddr_t src, size_t size);
/* The same for a string: if its zero byte is among the bytes copied, there may be fewer than could be. */
size_t platform_copy_in_str(struct platform_space *s, char *dst, uaddr_t src, size_t size);
size_t platform_copy_out(struct platform_space *s, uaddr_t dst, const void *src, size_t size);
/*
 * The strings of the vector that argument arg of the current request points to, one behind the other, *size bytes: if they came with
 * it. The guest sees that memory, and may lie. Valid until the caller sleeps. NULL: they did not.
 */
const char *platform_vector(const struct platform_thread *th, int arg, size_t *size);
/*
 * Where output of the current request can be put for the guest's side to take, instead of platform_copy_out to dst; *size: how much at
 * most, then how much. The guest sees that memory. Valid until the caller sleeps. NULL: nowhere.
 * platform_window_filled: the first size bytes are there.
 */
void *platform_window(struct platform_space *s, uaddr_t dst, size_t *size);
void platform_window_filled(struct platform_space *s, uaddr_t dst, size_t size);
/* Text of the stub's /proc/PID/<name> ("maps", "statm", "status", "stat"); the stub's own slice is not hidden yet.
 * Errors: -ENOENT no procfs; -ESRCH. */
MUST_CHECK int platform_proc_read(struct platform_space *s, const char *name, struct strbuf *out);
/*
 * A second, read-only description of the file behind host_fd (one of ours: a memory file), for a shared
 * mapping that must never become writable. Return: the fd. Errors: -ENOENT no procfs; what open gave.
 */
MUST_CHECK int platform_reopen_read_only(int host_fd);
/*
 * The break of s: what the sentry made it, and what it is now, since the guest's side may move it without a call
 * arriving. The answer is the guest's word; known, if it has no say.
 */
void platform_set_brk(struct platform_space *s, uaddr_t start, uaddr_t brk);
uaddr_t platform_brk(const struct platform_space *s, uaddr_t known);
/* CPU time that a process of s has used in other host processes: what its guest side is to add to the host's. */
void platform_set_cpu_before(struct platform_space *s, int64_t ns);
/* true when [addr, addr+size) touches what belongs to the stub. */
bool platform_range_reserved(uaddr_t addr, uint64_t size);
/* For /proc/self/maps: true for a host mapping that the guest must not see (stub slice). */
#define PLATFORM_SLICE_START 0x700000000000UL
#define PLATFORM_SLICE_END   0x700100000000UL
/* Where a guest's addresses end (exclusive): TASK_SIZE_MAX. */
#define PLATFORM_TASK_SIZE 0x7ffffffff000UL
