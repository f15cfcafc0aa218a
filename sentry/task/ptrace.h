/*
 * Tracing of one guest thread by another: who traces whom (ptrace.c), and the stops of who is traced (ptrace_stop.c). Analogous
 * to Linux's kernel/ptrace.c and the ptrace half of kernel/signal.c; the requests are in syscalls/ptrace.c.
 *
 * A tracee stops on its own kthread, in ptrace_stop, and only there: what its tracer asks for meanwhile is done with the context
 * that the tracee left in its ptrace_state, and takes effect when it goes on. The state stays with the task when the tracer
 * goes, so that a tracee which wakes up from a stop always finds it.
 */
#pragma once

#include <sys/ptrace.h>
#include <linux/ptrace.h> /* what the C library does not have */

#include "platform/platform.h"
#include "sentry/task/task.h"

enum ptrace_run_state {
    PTRACE_RUNS,
    PTRACE_STOPPED,
    PTRACE_LISTENS, /* stopped, and out of the tracer's reach until something happens (PTRACE_LISTEN) */
    PTRACE_DEAD, /* has ended, and its tracer has not waited for it */
};
/* How a tracee was told to go on. */
enum ptrace_mode { PTRACE_GO, PTRACE_GO_TO_CALL, PTRACE_GO_STEP };

/* Something that only the stopped tracee's own kthread can do: a write to memory that is not writable. On the tracer's stack. */
struct ptrace_job {
    struct list link; /* ptrace_state.jobs, until it is begun */
    uaddr_t addr;
    const void *data;
    size_t size;
    int result;
    bool done;
    struct kthread *waiter; /* borrowed */
};

/* Debug registers as the tracer sees them. */
struct ptrace_watch {
    uint64_t addr[4], dr6, dr7;
    uint64_t seen[4]; /* what lay at addr when the tracee went on */
};

struct ptrace_state {
    struct task *task;   /* borrowed, but held by a reference while state is PTRACE_DEAD */
    struct task *tracer; /* borrowed: its list holds us; NULL: nobody traces */
    struct list link;    /* tracer->tracees */
    bool seized;
    bool
        may_set_id; /* the tracer could become anybody anyway: set-user-ID programs of the tracee count */
    unsigned options; /* PTRACE_O_... */
    enum ptrace_run_state state;
    enum ptrace_mode mode;

    /* The stop, for wait(2) and the requests. */
    int code;       /* the signal, and an event << 8; of the dead: a wait(2) status */
    int why;        /* CLD_TRAPPED or CLD_STOPPED */
    bool told;      /* wait(2) has reported it */
    bool at_signal; /* it is about to act on a signal: code */
    bool has_info;
    siginfo_t info;
    unsigned long message; /* PTRACE_GETEVENTMSG */
    int signal;            /* that the tracer let it go on with */
    bool
        trap_pending; /* it is to stop, for PTRACE_INTERRUPT, or since its group stop began or ended */
    struct guest_context *context; /* borrowed: what it will go on with; may be changed */
    bool blind; /* it can't be asked for anything, and changes of its context are lost */

    /* Between two returns to guest code. */
    struct guest_context *own; /* owned: context, if nobody else has one; valid: own_valid */
    bool own_valid;
    bool stepping; /* TF in the guest's flags is ours */
    struct ptrace_watch watch;
    long call;        /* the call that it was about to make, or its tracer made of it; -1: none */
    int vfork_child;  /* it is to tell that this vfork is over; 0: none */
    int exec_from;    /* the tid that it had before it executed */
    struct list jobs; /* of ptrace_job: to be done, in this order */
    struct ptrace_job *busy; /* borrowed: being done */
};

/* t's state if somebody traces it, or NULL. */
static inline struct ptrace_state *task_traced(const struct task *t)
{
    return t->ptrace && t->ptrace->tracer ? t->ptrace : NULL;
}
static inline bool ptrace_has_option(const struct task *t, unsigned option)
{
    const struct ptrace_state *p = task_traced(t);
    return p && (p->options & option);
}
static inline bool ptrace_is_stopped(const struct ptrace_state *p)
{
    return p->state == PTRACE_STOPPED || p->state == PTRACE_LISTENS;
}

/* --- ptrace.c: who traces whom --- */
/*
 * May t (or, NULL: nobody in particular) look into other, with c's capabilities and as these users? Linux's ptrace_may_access: of c its
 * fs ids (PTRACE_MODE_FSCREDS) or real ones (PTRACE_MODE_REALCREDS).
 */
bool ptrace_access(const struct task *t, const struct cred *c, uint32_t uid, uint32_t gid,
                   const struct task *other);
/* tracer traces t from now on; whether it may was checked. Errors: -EPERM somebody does already, or t has ended; -ENOMEM. */
MUST_CHECK int ptrace_attach(struct task *tracer, struct task *t, bool seize, unsigned options);
/* PTRACE_TRACEME. Errors: as ptrace_attach; -EPERM. */
MUST_CHECK int ptrace_trace_me(struct task *t);
/* p's tracee is nobody's, and goes on with sig. */
void ptrace_detach(struct ptrace_state *p, int sig);
void ptrace_resume(struct ptrace_state *p, enum ptrace_mode mode, int sig);
/* p's tracee stops as soon as it can, or once more. */
void ptrace_trap(struct ptrace_state *p);
/* PTRACE_INTERRUPT and PTRACE_LISTEN; Errors: -EIO. */
MUST_CHECK int ptrace_interrupt_tracee(struct ptrace_state *p);
MUST_CHECK int ptrace_listen(struct ptrace_state *p);
/* t, which is ending, is told to nobody but its tracer, if it has one; and what it traces is let go. */
void ptrace_task_exits(struct task *t);
/* tg is a zombie. Return: true when its parent is to hear of it only after its tracer. */
bool ptrace_group_exits(struct thread_group *tg);
/* Is tg's leader traced by a thread of by? */
bool ptrace_by_group(const struct thread_group *tg, const struct thread_group *by);
/* A dead tracee has been waited for. Return: a zombie whose parent may hear of it now, or NULL. */
struct thread_group *ptrace_reap(struct ptrace_state *p);
void ptrace_free(struct task *t);
/* SIGCHLD for p's tracer, which may be waiting: p's tracee has stopped, or ended. */
void ptrace_tell_tracer(struct ptrace_state *p);

/* --- ptrace_stop.c: stops --- */
/* A signal is about to be acted on. Return: the signal to act on instead, or 0; *nr, *result: of the interrupted call. Context: may block. */
int ptrace_signal(struct task *t, struct guest_context *ctx, siginfo_t *info, long *nr,
                  long *result);
/* t has to take part in a group stop (sig), or in what PTRACE_INTERRUPT and the like asked for. Context: may block. */
void ptrace_group_stop(struct task *t, struct guest_context *ctx);
/* --- ptrace_watch.c: debug registers --- */
/* Is there one at this offset of struct user? */
bool ptrace_is_debug_register(unsigned long offset);
/* Errors: -EIO DR4 and DR5; -EINVAL, -ENOSPC what can't be watched. */
MUST_CHECK int ptrace_set_debug_register(struct ptrace_state *p, unsigned long offset,
                                         uint64_t value);
uint64_t ptrace_debug_register(const struct ptrace_state *p, unsigned long offset);
/* Is t to go on step by step, since something is watched? */
bool ptrace_watches(const struct task *t);
/* t is about to go on. */
void ptrace_watch_begin(struct task *t);
/* A fault of t. Return: true when it was a step that is none of the tracer's business; what is watched has been looked at. Context: may block. */
bool ptrace_stepped(struct task *t, int sig, int code);

/* A handler was entered while stepping. Context: may block. */
void ptrace_handler_entered(struct task *t, struct guest_context *ctx);
/* The group stop of t's process begins or ends. */
void ptrace_group_stop_changed(struct task *t);
/* The context with which t will go on, until ptrace_forget_context; NULL: it died. Context: may block. */
struct guest_context *ptrace_context(struct task *t);
/* ... and this is it. The last thing before guest code runs. */
void ptrace_context_done(struct task *t, struct guest_context *ctx);
/*
 * PLATFORM_CALL: t, which may be traced no more, is about to make call nr. Return: false when its tracer wants none: then it is over.
 * Context: may block.
 */
bool ptrace_call_begins(struct task *t, long nr);
/* What of a traced thread's return to guest code is its tracer's business. */
struct ptrace_return {
    long nr, result; /* of the call, as signal_deliver wants them */
    bool call;       /* a call is over */
    bool exec;       /* it executed a program, which has not begun */
};
/* Does t's return need ptrace_return_to_user instead of what it does for others? */
bool ptrace_wants_return(const struct task *t, const struct ptrace_return *r);
/* Acts on signals, too. Context: may block. */
void ptrace_return_to_user(struct task *t, const struct ptrace_return *r);
/* Before each switch to guest code: what t had of its last visit here counts no more. Context: may block. */
void ptrace_before_switch(struct task *t);

/* clone(2): the event that t's tracer wants of such a clone; 0: none. */
unsigned ptrace_clone_event(const struct task *t, uint64_t flags, int exit_signal);
/* The child, which has not begun, is traced like t, if that is to be so. event: ptrace_clone_event's. */
void ptrace_clone_child(struct task *t, struct task *child, struct platform_thread *pt,
                        uint64_t flags, unsigned event);
/* The child tid is made, and has begun. Context: may block. */
void ptrace_cloned(struct task *t, unsigned event, int tid);
/* t ends, with this status, and may still be looked at. Context: may block. */
void ptrace_exit_event(struct task *t, int status);

/*
 * PTRACE_POKE*: writes where the guest may not. p is stopped.
 * Context: may block, and like Linux's nothing but a fatal signal breaks it off. Errors: -EIO; -EAGAIN p went on before it was done; -EINTR the
 * caller is killed.
 */
MUST_CHECK int ptrace_write(struct ptrace_state *p, uaddr_t addr, const void *data, size_t size);
