/*
 * Inside the seccomp engine. Files, in reading order: engine.c (start), space.c (address spaces and
 * channel memory), channel.c (hand-off: requests in, replies out), handoff.c (poller and doorbell threads, the policy),
 * notify.c (what stubs ask at the gate), thread.c (switch, memory calls), context.c (registers, signal handlers),
 * load.c (programs), clone.c (fork, threads, exec), ends.c, strangers.c (children that deny themselves).
 *
 * Trust: struct chan is written by the guest at any time. A request is copied once when it is accepted
 * (channel_accept), and in_request, not the channel's state, says whether one is being served.
 */
#pragma once

#include <linux/seccomp.h>
#include <stdatomic.h>

#include "lib/hash.h"
#include "lib/list.h"
#include "lib/refcount.h"
#include "platform/engine.h"
#include "platform/stub_image.h"

/* Channel memory of one address space: a memfd that the sentry keeps mapped. Recycled, never unmapped,
 * since the poller reads state words without the baton. */
struct chan_region {
    struct list link; /* in the pool while free */
    int fd;           /* owned */
    char *base;       /* mapping of CHAN_SIZE bytes */
    bool tainted;     /* a fork happened in it: a child may keep it mapped */
};

struct platform_space {
    struct refcount ref; /* a thread, and a host process that is not reaped yet, hold one each */
    struct chan_region *region;
    struct list procs; /* host_process.space_link */
};

/*
 * Files that a host process has under STUB_FD_KEPT and up. Processes of one class may open the same files: they descend from each other
 * without a change of credentials.
 */
#define GIVEN_MAX STUB_KEPT_MAX
struct given_table {
    uint64_t class;
    struct given_file {
        uint64_t dev, ino; /* the host's: an open file keeps its number */
    } files[GIVEN_MAX];
    uint32_t count;
};

/* A file's code as a program was loaded with it. */
#define TEXTS_MAX 6
struct text_map {
    uint64_t dev, ino;
    uint64_t addr, size, offset;
};

/* What the forked children of a process do: where they trapped, and how long they were there. */
#define FORK_SITES 32
struct forked_children {
    struct refcount ref; /* the process, and its children */
    uint64_t class;      /* of both: given_table.class */
    unsigned alive;      /* that have executed nothing yet */
    bool several;        /* ... at the same time, since there was none */
    unsigned
        brief; /* so many of the last ones, one at a time, soon ended without executing anything */
    uint32_t count;
    struct {
        struct stub_seen seen;
        unsigned children;
        bool told; /* the process has rewritten it */
    } sites[FORK_SITES];
};

struct host_process {
    struct hash_node hash; /* by pid */
    int pid;
    struct platform_space *space; /* ref */
    struct list space_link, all_link;
    struct list threads;   /* platform_thread.proc_link */
    struct list kill_link; /* to be killed, or killed and not reaped */
    bool killed;           /* it runs no guest code that counts any more */
    bool away;             /* ... on another CPU than it last ran on */
    bool reaped;
    bool leader_gone; /* the host was told to end its first thread: pid has no memory any more */
    struct given_table given;
    struct text_map texts[TEXTS_MAX]; /* the program's, and its interpreter's */
    uint32_t text_count;
    struct forked_children *children; /* ref; NULL: it has not forked in this program */
    struct forked_children *forked;   /* ref; its parent's; NULL: it runs another program */
    int64_t killed_ns;                /* CLOCK_MONOTONIC: when the host was told; 0: not yet */
    int64_t born_ns; /* of one of forked's alive, CLOCK_MONOTONIC: its hello; else 0 */
    uint64_t parked; /* slots of threads that have ended, and wait (park.c) */
    uint64_t lost[SLOT_COUNT / 64]; /* slots that its threads leave without freeing them (ends.c) */
    uint64_t left[SLOT_COUNT / 64]; /* ... that they were told to free */
    bool suspicious;                /* it was told to clone, and the child did not show itself */
};

/* What the gate may ask for next; set with an order, cleared with the next request. */
enum expect_kind { EXPECT_NONE, EXPECT_MEM, EXPECT_CLONE, EXPECT_EXEC };
#define EXPECT_MEM_MAX 64

/* A buffer of the guest's that lies in the window. */
struct copy_range {
    uaddr_t addr;          /* the guest's */
    uint32_t size, offset; /* in the window */
    uint32_t filled;       /* output: bytes that are there */
    int arg;
    bool is_out;
    bool is_string; /* ends with its zero byte, which was not looked for yet */
    bool is_vector; /* not the bytes at addr, but those of strings (seccomp_vector) */
};

/* A small output that the stub writes with the reply (PLATFORM_COPY_POKES); what is in the window is the guest's, too. */
#define POKE_MAX 16
struct poke {
    uaddr_t addr;
    uint32_t size, offset; /* in the window */
};

/* An interpreter, or a program without one, that a process has from its birth (preload.c). */
#define PRELOAD_MAX 8
struct preload {
    struct refcount ref;
    struct given_file file;
    uint64_t size;
    struct timespec mtime, ctime; /* what was copied of it is as old as that */
    size_t count;
    struct load_op ops[PRELOAD_MAX]; /* host_fd and data say nothing */
    uaddr_t low, high;
};

struct platform_thread {
    struct hash_node hash; /* by host tid, once known */
    struct list proc_link;
    struct list pending_link;     /* a child that has not said hello */
    struct host_process *proc;    /* borrowed: outlives its threads; NULL until hello */
    struct platform_space *space; /* ref */
    struct kthread *owner;        /* borrowed */
    struct chan *chan;
    int tid;              /* host tid; 0 until hello */
    uint32_t slot, index; /* in its space; among all threads */
    uint32_t nonce;
    uint32_t next_nonce; /* of the child that it makes next, if that is a fork's; 0: not told */
    bool dead, started;
    bool lazy; /* a thread: it says no hello, but leaves its tid in its channel (thread_identify) */
    bool stillborn;  /* the host did not make it */
    bool vforked;    /* its parent's stub frees its slot when it is gone */
    bool start_kick; /* interrupted before it was known */
    bool booting;    /* the host was told to exec; the fresh stub's hello is to come */
    bool confined;   /* to the CPUs where the poller is not (handoff.c) */
    bool near;       /* kept where it is until its child has said hello */
    bool settles;    /* to be a spare or a template: its hello is answered at once */
    bool was_spare;  /* from exec to load */
    bool loading;    /* ORDER_LOAD is out: its only answer would be a failure */
    int status;      /* of a dead one: wait(2) */

    bool in_request;    /* a request was taken and not answered */
    bool event;         /* ... and its owner has not looked at it yet */
    uint64_t notify_id; /* the notification in which the guest waits; 0: it does not */
    int notify_fd;      /* what the answer to GATE_HELLO installs as STUB_FD_CHAN; -1: none */
    bool at_clone;      /* ... and that is a clone's, with clone_args: it goes on, or fails */
    uint64_t clone_args[6];
    bool has_channels;    /* that was answered, and there has been no request yet */
    bool kicked;          /* a kick is on its way */
    bool kick_at_start;   /* platform_interrupt came before it first ran, or could run on */
    uint64_t nr, args[6]; /* the request, private copy */
    uint64_t done;        /* bytes of a write that the stub did before */
    uint32_t told;        /* NOTES_TOLD ..., until the event */
    uint32_t grant;       /* NOTE_GRANTED ..., for the next reply */
    uint64_t sigmask;     /* as it was set last, or came with a request */
    bool mask_changed;    /* it came with the request */
    uint32_t ask;
    bool held;        /* its next context comes before its next instruction: platform_hold */
    bool call_begins; /* the context stands before a call; it goes on with that: call_goes */
    bool call_goes;
    bool has_context; /* it came with the user context: regs */
    bool context_changed;
    uint64_t regs[REG_COUNT_], bases[2];
    uint32_t fpstate_size, fpstate_reply;
    uint32_t range_count; /* what came ahead, and may go back, in the window; checked copies */
    struct copy_range ranges[6];
    uint32_t poke_room, poke_offset, poke_used, poke_count; /* room 0: none can be */
    int poke_arg;
    struct poke pokes[POKE_MAX];
    long result;
    bool
        copy_failed; /* an output of the call that is being served can't be written: it fails, whatever its result */
    bool redo;       /* the call is made again, as number result */
    bool has_signal; /* chan->signal is to be carried out */
    bool has_tail;
    struct mem_call tail;

    enum expect_kind expect;
    bool expect_met;           /* CLONE: the host was told to go on */
    unsigned expect_again;     /* ... so many times more */
    uint64_t strangers_reaped; /* before the first time: clone.c */
    bool unpark_waits;         /* expect_clone is yet to be ordered: park_begin */
    bool clone_ordered;        /* a lazy one, and our next request has not come yet */
    size_t expect_count;
    const struct stub_mem_call *expect_mem;
    int *expect_fds;
    struct stub_mem_call one_mem; /* storage for a single expected call */
    int one_fd;
    struct stub_order_clone expect_clone;
    struct platform_thread
        *child; /* being cloned; of a lazy one: until our next request tells how it went */
    struct given_table
        *inherited; /* owned; of a process that has not said hello: what its parent had */
    struct forked_children *forked; /* ref; the same */
    struct platform_thread *cloner; /* the other way, of a lazy one */
    struct preload *preload;        /* ref; from exec to load; NULL: none */
};

struct seccomp_engine {
    int listener;
    int image_fd, ro_fd;
    const struct stub_info *info;
    struct stub_ro *ro;
    size_t cpu_count;
    bool patch;
    void (*dying)(void); /* platform_config's */
    struct hash_table processes, tids;
    struct list all_processes;
    struct list pending; /* children that have not said hello */
    bool sweep_wanted;   /* there may be a child that nobody knows */
};
extern struct seccomp_engine g_seccomp;

#ifndef SECCOMP_IOCTL_NOTIF_SET_FLAGS /* Linux 6.6; older headers */
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS      SECCOMP_IOW(4, __u64)
#define SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP (1UL << 0)
#endif

/* --- space.c --- */
MUST_CHECK int space_new(struct platform_space **out);
struct platform_space *space_get(struct platform_space *s);
void space_put(struct platform_space *s);
/* Context: host thread with the baton, which is dropped meanwhile. */
void space_clean_regions(void);
void seccomp_set_brk(struct platform_space *s, uaddr_t start, uaddr_t brk);
void seccomp_set_cpu_before(struct platform_space *s, int64_t ns);
uaddr_t seccomp_brk(const struct platform_space *s, uaddr_t known);
struct chan *space_chan(struct platform_space *s, uint32_t slot);
/* What the guest, too, may write: of what it says there nothing is believed. */
struct stub_process *space_process(const struct platform_space *s);
size_t seccomp_copy_in(struct platform_space *s, void *dst, uaddr_t src, size_t size);
size_t seccomp_copy_in_str(struct platform_space *s, char *dst, uaddr_t src, size_t size);
const char *seccomp_vector(const struct platform_thread *th, int arg, size_t *size);
void *seccomp_window(struct platform_space *s, uaddr_t dst, size_t *size);
void seccomp_window_filled(struct platform_space *s, uaddr_t dst, size_t size);
size_t seccomp_copy_out(struct platform_space *s, uaddr_t dst, const void *src, size_t size);
int seccomp_space_pid(const struct platform_space *s);
/*
 * A host task by which the memory of th's process can be reached: the process itself, whose number stays its own until we reap it. A
 * thread's own number is the host's to give away as soon as the thread ends, which it can do behind our back. -1: there is none.
 */
int thread_memory(const struct platform_thread *th);

/* --- channel.c --- */
MUST_CHECK int thread_new(struct platform_space *s, struct platform_thread **out);
void thread_set_slot(struct platform_thread *th, uint32_t slot);
void thread_destroy(struct platform_thread *th);
/* vdso.c: where the host's vDSO, which all processes have, has that function; 0: it has none. */
uint32_t vdso_offset(const char *name);

/* Takes the request in th's channel if there is one. notify_id 0: seen by the poller. Return: taken. */
bool channel_accept(struct platform_thread *th, uint64_t notify_id);
/* th (or NULL) has not been answered at once: its guest may sleep. */
void channel_park(struct platform_thread *th);
/* Answers the current request. */
void channel_reply(struct platform_thread *th, enum stub_order order);
/* Sleeps until the next request; -ESRCH when the thread died. Context: may block. */
MUST_CHECK int channel_wait(struct platform_thread *th);
/* Writes deferred output to the guest now, and forgets the ranges: the window is needed for something else. */
void channel_flush(struct platform_thread *th);
void channel_flush_pokes(struct platform_thread *th);
static inline void channel_no_copies(struct platform_thread *th)
{
    th->range_count = th->poke_room = th->poke_used = th->poke_count = 0;
}
/* Makes sure that th waits in a notification, so that fds can be installed. Context: may block. */
MUST_CHECK int channel_need_notify(struct platform_thread *th);
/* notify_install for th, which waits in a notification, or will again. Context: may block. */
MUST_CHECK int channel_install(struct platform_thread *th, int fd, int number, bool cloexec);
void thread_mark_dead(struct platform_thread *th, int status);
/* The poller's view. */
#define THREAD_MAX 16384
struct poll_slot {
    struct chan *_Atomic chan;
    struct platform_thread *th; /* under the baton */
    _Atomic uint32_t polled;    /* requests that the poller took */
};
extern struct poll_slot g_poll_slots[THREAD_MAX];
extern _Atomic uint32_t g_poll_slot_count;

/* --- answer.c --- */
void seccomp_keep_answer(struct platform_thread *th, uint64_t nr, long result);
void seccomp_forget_answers(struct platform_thread *th);
void seccomp_set_mask(struct platform_thread *th, uint64_t mask);
bool seccomp_running_mask(const struct platform_thread *th, uint64_t *out);
uaddr_t seccomp_robust_list(const struct platform_thread *th);
uaddr_t seccomp_tid_address(const struct platform_thread *th, uaddr_t known);
bool seccomp_exit_info(const struct platform_thread *th, struct platform_exit_info *out);
void seccomp_ask(struct platform_thread *th, unsigned what, unsigned of);
void seccomp_keep_action(struct platform_thread *th, int sig, const struct platform_action *a);
void seccomp_default_actions(struct platform_thread *th, uint64_t signals);
void seccomp_forget_actions(struct platform_thread *th, uint64_t signals);
bool seccomp_notes(const struct platform_thread *th, struct platform_notes *out);
void seccomp_grant_notes(struct platform_thread *th, unsigned slot, unsigned rights, int fd);
/* A channel that is new to th. */
void seccomp_answers_init(struct platform_thread *th);

/* --- handoff.c --- */
/* Nobody waits for what tid does now: it is to run where it does not delay the guest that is being served. */
void handoff_keep_away(int tid);
/* The same, again and again; *was: what th was told last, 0 at first. */
void handoff_stay_away(const struct platform_thread *th, unsigned *was);
/* The opposite: it is going to be waited for. */
void handoff_keep_near(int tid);
/* tid waits in vain for the CPU that it was moved to: it is to run on this one. */
void handoff_fetch(int tid);
/* Takes any of these back. */
void handoff_anywhere(int tid);
MUST_CHECK int handoff_start(void);
/* th rang. Context: doorbell thread, baton. */
void handoff_rang(struct platform_thread *th);
/* A host task begins where its parent may run. th ends. Context: baton. */
void handoff_inherit(struct platform_thread *child, const struct platform_thread *parent);
void handoff_forget(struct platform_thread *th);

/* --- notify.c --- */
/* Two threads in one slot would share a channel and an fd number. */
bool thread_slot_in_use(const struct platform_thread *th, uint32_t slot);
void notify_handle(const struct seccomp_notif *n);
void notify_answer(uint64_t id, long result);
/*
 * With 0, when the baton is free: the guest that it wakes takes the CPU, and would make all wait for whoever holds the
 * baton. Context: baton.
 */
void notify_answer_later(uint64_t id);
void notify_answer_fd(uint64_t id, int fd, int number);
void notify_continue(uint64_t id);
MUST_CHECK int notify_install(uint64_t id, int fd, int number, bool cloexec);
/* Answers the GATE_HELLO in which th waits. */
void notify_give_channels(struct platform_thread *th);

/* --- park.c --- */
void park_init(void);
/* p's threads are gone. */
void park_forget(struct host_process *p);
/* Exits that th's process has posted without ringing are served before th's own request. Context: may block. */
void park_collect(struct platform_thread *th);
/* th ends. Return: its host thread stays. */
bool park_thread(struct platform_thread *th);
int64_t seccomp_cpu_start(const struct platform_thread *th);
/* The new thread child begins in a host thread that waits, as th->expect_clone says. Return: there is one. */
bool park_begin(struct platform_thread *th, struct platform_thread *child);
/* th makes it begin, and goes on. */
void park_go(struct platform_thread *th);

/* --- strangers.c --- */
/* Kills the children that nobody knows, if there may be some, and none is on its way. */
void sweep_strangers(void);
/* th was told to clone, and we don't know of what became of it. */
void suspect(struct platform_thread *th);
/* Has the host made th's child, which was ordered? A thread that has not said who it is can't be told. */
bool clone_has_child(struct platform_thread *th);
/*
 * Was the child of which th speaks reaped before it said hello? The number is the guest's to forge: it can only give up, or
 * wait for, a child of its own.
 */
bool clone_died_nameless(const struct platform_thread *th);
/* A child that died before its hello: whoever waits for one looks again. */
void stranger_reaped(void);
/* How many those were so far. */
uint64_t strangers_reaped(void);

/* --- clone.c --- */
struct host_process *process_find(int pid);
struct platform_thread *thread_find(int tid);
MUST_CHECK int thread_bind(struct platform_thread *th, int tid, int pid);
/* The thread of process pid that was told to execute, if it may have the number pid now; or NULL. It has it then. */
struct platform_thread *thread_executed(int pid);
void thread_unbind(struct platform_thread *th);
struct platform_thread *pending_find(uint32_t nonce);
/* Is th's host task known? A new thread's is looked up where it left it. */
bool thread_identify(struct platform_thread *th);
/* th may be bound to a host task that has ended, and whose number was given away. Return: it was so; th is dead. */
bool thread_stale(struct platform_thread *th);
/* th's request may be the first after an order to make a thread. Return: th's clone failed, and it has been told. */
bool clone_failed(struct platform_thread *th);
/* The same, when it is the first. */
bool clone_over(struct platform_thread *th);
/* Are a host clone's arguments what o says? The stack is not looked at. */
static inline bool clone_is_ordered(const uint64_t a[6], const struct stub_order_clone *o)
{
    return a[0] == o->flags && a[2] == 0 && a[3] == o->child_tid && a[4] == o->tls;
}
/* The host is about to be told to make th's child. */
void clone_goes(struct platform_thread *th);
/* Tells th to clone. Return: the child, which has not said hello. */
MUST_CHECK int clone_order(struct platform_thread *th, const struct platform_clone *c,
                           enum stub_order order, struct platform_thread **out);
/* th takes the place of other, which is consumed: host task, space, and the notification in which that waits. */
void thread_move(struct platform_thread *th, struct platform_thread *other);
int seccomp_clone(struct platform_thread *th, const struct platform_clone *c,
                  struct platform_thread **out);
int seccomp_exec(struct platform_thread *th, struct platform_boot *out_boot);
void boot_result(const struct platform_thread *th, struct platform_boot *out);

/* --- ends.c --- */
/* th leaves its memory, in which others may stay, but not by its stub's exit; all that p's threads left so are free from now on. */
void slot_is_lost(const struct platform_thread *th);
void slots_are_gone(struct host_process *p);
/* Frees p when it is reaped and no thread points to it any more. */
void process_maybe_free(struct host_process *p);
void seccomp_thread_exit(struct platform_thread *th);
void seccomp_thread_free(struct platform_thread *th);
void seccomp_kill(struct platform_thread *th);
void seccomp_children(void);
/* p, which may be a forked child, ends or executes a program: its parent's next one is taken for the same kind. */
void forked_child_over(struct host_process *p, bool executes);
/* Kills who was told to die. Context: baton held. */
void seccomp_kill_flush(void);

/* --- thread.c --- */
void seccomp_switch(struct platform_thread *th, struct platform_event *out);
/* A guest that breaks the protocol only hurts itself. Return: -ESRCH. */
int thread_violation(struct platform_thread *th);
void seccomp_interrupt(struct platform_thread *th);
/*
 * th's stub carries out an order that leaves its call, or its context, as it is, and that says something back; what lies in the window is
 * lost. reply_args are set. Return: what it said, -ESRCH. Context: may block.
 */
MUST_CHECK long order_within(struct platform_thread *th, enum stub_order order);
void seccomp_hold(struct platform_thread *th);
int seccomp_call_regs(const struct platform_thread *th, struct guest_regs *out);
void seccomp_begin_call(struct platform_thread *th, long nr);
MUST_CHECK int seccomp_stop_sites(struct platform_thread *th, bool stop);
long seccomp_mem(struct platform_thread *th, const struct mem_call *m);
void seccomp_mem_tail(struct platform_thread *th, const struct mem_call *m);
void *seccomp_copy_room(struct platform_thread *th, size_t size);
/* What the call still has to do is done now; th->result. Context: may block. */
void tail_now(struct platform_thread *th);
struct platform_lease_page *seccomp_lease_page(struct platform_space *s);
void *seccomp_lease_bytes(struct platform_space *s, size_t *out_size);
struct platform_stamps *seccomp_stamps(void);
int seccomp_lease_map(struct platform_thread *th, unsigned index, int host_fd, uint64_t size,
                      bool writable);
int seccomp_ring_map(struct platform_thread *th, unsigned index, int host_fd);
void seccomp_lease_unmap(struct platform_thread *th, const unsigned *indices, size_t count);
/*
 * The stub's form of a memory call, the index-th of a list. Its fd is installed now if the guest waits in a notification and may have
 * it for itself; else *out_fd is to be installed when the call is notified.
 */
MUST_CHECK int mem_prepare(struct platform_thread *th, const struct mem_call *m, size_t index,
                           struct stub_mem_call *out, int *out_fd);
/* Performs count prepared calls in order, up to the first failure. Return: the last one's result. Context: may block. */
MUST_CHECK long mem_list(struct platform_thread *th, const struct stub_mem_call *calls, int *fds,
                         size_t count);

/* --- given.c --- */
/*
 * The number under which th's process has the file behind host_fd, from now on. Context: may block; th is in a request.
 * Errors: -EPERM it is not to be kept; -ESRCH.
 */
MUST_CHECK int given_number(struct platform_thread *th, int host_fd);
void seccomp_forget_files(struct platform_thread *th);
int seccomp_kept_file(const struct platform_thread *th, int host_fd);

/* A class of its own. */
uint64_t given_class_new(void);

/* --- spare.c --- */
/* th moves over to a spare process, and its old one is killed. Return: false when there is none for it. */
bool spare_take(struct platform_thread *th, struct platform_boot *out_boot);
/* th, in the request of a fresh stub, has executed the slow way: a template may be worth having. Context: may block. */
void spare_exec_done(struct platform_thread *th, const struct platform_boot *boot);
/* Has the next spare made, if one is wanted. Context: baton held. */
void spare_make(void);
/* th's process had to be given host_fd. Context: may block. */
void spare_missed_file(struct platform_thread *th, int host_fd, const struct given_file *f);

/*
 * ops have been loaded by th, which was a spare: the template may have the shared ones from now on. Context: baton held; th in a
 * request or not.
 */
void spare_preload(const struct platform_thread *th, const struct load_op *ops, size_t op_count);

/* A program began in what its process had from its birth, or in something else. Context: as above. */
void spare_preload_met(bool met);

/* --- preload.c --- */
/* The shared ones of ops. Return: NULL if there are none, or too many, or of several files; or no memory. */
struct preload *preload_new(const struct load_op *ops, size_t op_count);
struct preload *preload_get(struct preload *p);
void preload_put(struct preload *p); /* may be NULL */
/* Are ops' shared ones those of p? */
bool preload_has(const struct preload *p, const struct load_op *ops, size_t op_count);
uaddr_t seccomp_preloaded(const struct platform_thread *th, int host_fd);

/* --- sites.c --- */
/* Nothing more is to be learned of that file. */
bool sites_settled(uint64_t class, const struct given_file *f);
/* p ends: where did it trap? */
void sites_learn(const struct host_process *p);
/* There is something to learn from p. */
bool sites_unsettled(const struct host_process *p);
/*
 * Call sites in p's texts that are to be rewritten at once, those of a page together. shared: p is a template. Return: how
 * many.
 */
size_t sites_known(const struct host_process *p, bool shared, struct stub_seen *out, size_t max);
/* p is about to make a process of its own; what that will tell of its traps goes there. Return: NULL: nowhere. */
struct forked_children *sites_of_children(struct host_process *p);
void sites_of_children_put(struct forked_children *f); /* may be NULL */
/* p begins another program. */
void sites_of_children_forget(struct host_process *p);
/* What p is to rewrite now, before it forks. out: FORK_SITES. Return: how many. */
size_t sites_for_children(struct host_process *p, struct stub_seen *out);
/* p, which keeps a file by that number, has opened it, and may be about to map its code. */
void sites_offer(const struct host_process *p, uint32_t number);

/* --- writer.c --- */
int seccomp_writer_give(struct platform_thread *th, int host_fd, uint64_t limit);
int seccomp_writer_limit(struct platform_space *s, uint64_t limit);

/* --- load.c --- */
/* Tells t, a template, to load the shared ones of ops, and to come back with RESULT. Errors: -EAGAIN it can't. */
MUST_CHECK int load_shared(struct platform_thread *t, const struct load_op *ops, size_t op_count);
int seccomp_load_program(struct platform_thread *th, const struct load_op *ops, size_t op_count,
                         uaddr_t entry, uaddr_t sp);

/* --- context.c --- */
/* The request has come with a context. */
void context_take(struct platform_thread *th);
void context_reply(struct platform_thread *th);
/* ret, and what the window has for the guest, are filled in. */
/* What the call returns. */
uint64_t call_result(const struct platform_thread *th);
void call_reply(struct platform_thread *th);
void seccomp_set_result(struct platform_thread *th, long result);
void seccomp_redo_call(struct platform_thread *th, long nr);
bool seccomp_can_signal(struct platform_thread *th);
void seccomp_signal(struct platform_thread *th, const struct platform_signal *s);
void seccomp_set_altstack(struct platform_thread *th, uaddr_t sp, int flags, uint64_t size);
int seccomp_get_context(struct platform_thread *th, struct guest_context *out);
void seccomp_set_context(struct platform_thread *th, const struct guest_context *ctx);
