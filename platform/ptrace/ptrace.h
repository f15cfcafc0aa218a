/*
 * Inside the ptrace engine. Files: engine.c (start, stops, death), run.c (switch, contexts), inject.c (host calls
 * that a tracee makes on our order), birth.c (clone, exec, loading).
 *
 * A stub here runs no code of its own: its image is mapped only for the gate's syscall instruction, through
 * which the tracer makes the tracee call. Guest calls never run: PTRACE_SYSEMU stops the guest and skips
 * them. Every ptrace request must come from the thread that attached, so this engine has one host thread: the
 * events thread, which runs all kthreads too.
 */
#pragma once

#include <sys/user.h>
#undef PAGE_SIZE /* <sys/user.h> has its own */
#undef PAGE_SHIFT

#include "lib/hash.h"
#include "lib/list.h"
#include "lib/refcount.h"
#include "platform/engine.h"
#include "platform/stub_image.h"

struct platform_space {
    struct refcount ref;
    struct list procs;
};

struct tracee_process {
    struct hash_node hash;
    int pid;
    struct platform_space *space; /* ref */
    struct list space_link, all_link, threads;
    struct platform_thread *executes; /* borrowed: gets the process's number, or NULL */
    bool killed, reaped;
};

struct platform_thread {
    struct hash_node hash; /* by tid */
    struct list proc_link;
    struct tracee_process *proc;
    struct platform_space *space; /* ref */
    struct kthread *owner;        /* borrowed */
    int tid;
    bool dead;
    int status;      /* of the stop that is to be looked at, or of death */
    bool stopped;    /* in a ptrace stop; nothing may be done to it else */
    bool fresh_stop; /* ... that its owner has not seen */
    bool in_kernel;  /* its owner has its last event and has not resumed it */
    bool interrupt_wanted;
    bool clone_returning; /* a parent whose clone has yet to return (vfork) */
    bool regs_dirty;
    unsigned ask;                 /* PLATFORM_ASK_... */
    bool held;                    /* interrupt_wanted stands for platform_hold */
    bool call_begins;             /* PLATFORM_CALL was its last event: */
    long call_goes;               /* ... go on with this one; -1: it is over */
    bool call_traced;             /* between that and the call's end */
    struct user_regs_struct regs; /* the guest's, while stopped */
    bool has_tail;
    struct mem_call tail;
    struct list give_link;
};

struct ptrace_engine {
    struct hash_table tids, pids;
    struct list all_processes;
    const struct stub_info *info;
    int image_fd;
    int give_fd; /* our end of the socket by which tracees get fds */
    int sink_fd; /* the tracees' end, too: to take back what none of them took */
    bool giving; /* one at a time */
    struct list give_waiters;
};
extern struct ptrace_engine g_ptrace;

/* fds that every tracee keeps: the image to exec (sealed), and its end of the socket. */
#define TRACEE_FD_IMAGE 5
#define TRACEE_FD_SOCK  6

/* --- engine.c --- */
MUST_CHECK int tracee_new(struct platform_space *s, struct platform_thread **out);
MUST_CHECK int tracee_bind(struct platform_thread *th, int tid, int pid);
void tracee_unbind(struct platform_thread *th);
struct platform_thread *tracee_find(int tid);
void tracee_destroy(struct platform_thread *th);
MUST_CHECK int ptrace_space_new(struct platform_space **out);
struct platform_space *ptrace_space_get(struct platform_space *s);
void ptrace_space_put(struct platform_space *s);
void tracee_move(struct platform_thread *th, struct platform_space *s);
/* Sleeps until th stops. *out_status: as wait(2). Errors: -ESRCH it died. Context: may block. */
MUST_CHECK int tracee_wait(struct platform_thread *th, int *out_status);
/* Lets a stopped tracee go on by request (PTRACE_SYSEMU, SYSCALL), writing back changed registers. */
MUST_CHECK int tracee_resume(struct platform_thread *th, int request, int signal);
MUST_CHECK int tracee_read_regs(struct platform_thread *th);
/* A child that clone made, which stopped before anybody knew it. */
bool tracee_take_early_stop(int tid);
void ptrace_children(void);
void ptrace_kill(struct platform_thread *th);

/* --- boot.c --- */
int ptrace_start(const struct platform_config *config, struct platform_thread **out,
                 struct platform_boot *out_boot);
/* What the host gave the fresh image, read from its initial stack; which is unmapped then. */
MUST_CHECK int tracee_boot(struct platform_thread *th, struct platform_boot *out_boot);

/* --- inject.c --- */
/* Makes the stopped tracee call nr(args) at the gate. Return: its result; -ESRCH. Context: may block. */
long tracee_call(struct platform_thread *th, uint64_t nr, const uint64_t args[6]);
/* Begins such a call, up to its entry. */
MUST_CHECK int tracee_call_begin(struct platform_thread *th, uint64_t nr, const uint64_t args[6]);
/* Lets a begun call run to its end. interrupted: a kick ended it (its result is -ERESTART*); NULL: no kick does. */
MUST_CHECK int tracee_call_end(struct platform_thread *th, long *out_result, bool *out_interrupted);
/* Copies our fd into the tracee. Return: its number there. Context: may block. */
MUST_CHECK int tracee_give_fd(struct platform_thread *th, int fd);
long tracee_mem(struct platform_thread *th, const struct mem_call *m);

/* --- run.c --- */
void ptrace_switch(struct platform_thread *th, struct platform_event *out);
void ptrace_set_result(struct platform_thread *th, long result);
int ptrace_get_context(struct platform_thread *th, struct guest_context *out);
void ptrace_set_context(struct platform_thread *th, const struct guest_context *ctx);
void ptrace_interrupt(struct platform_thread *th);
void ptrace_hold(struct platform_thread *th);
int ptrace_call_regs(const struct platform_thread *th, struct guest_regs *out);
void ptrace_begin_call(struct platform_thread *th, long nr);
void ptrace_ask(struct platform_thread *th, unsigned what, unsigned of);

/* --- birth.c --- */
int ptrace_clone(struct platform_thread *th, const struct platform_clone *c,
                 struct platform_thread **out);
int ptrace_exec(struct platform_thread *th, struct platform_boot *out_boot);
int ptrace_load(struct platform_thread *th, const struct load_op *ops, size_t op_count,
                uaddr_t entry, uaddr_t sp);
void ptrace_thread_exit(struct platform_thread *th);
void ptrace_thread_free(struct platform_thread *th);
