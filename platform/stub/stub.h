/* What the stub's own files share. Freestanding: no C library, no floating point, no initialised globals. */
#pragma once

#include <stddef.h>

#include "platform/stub/layout.h"

#define RO ((volatile struct stub_ro *)STUB_RO)

#define PATIENCE_KINDS 16
/* One a thread (slot_area); private memory, copied by fork. */
struct area {
    struct area *self;
    struct chan *chan;
    volatile uint32_t
        kick;              /* a kick came: come back with the full context before guest code runs */
    uint32_t life_odds;    /* of spinning for the next life: park.c */
    uint64_t rip, rsp, nr; /* of the guest, during a system call */
    uint64_t args[6];
    uint64_t callee[6];        /* rbx rbp r12-r15 */
    uint64_t flags;            /* of which the direction goes back to the guest */
    volatile uint64_t vdso_sp; /* where vdso_abort goes on; 0: we are not in the vDSO */
    uint64_t slot;
    uint64_t restart; /* 0, or how an interrupted in-stub call is restarted: 512, 516 (ERESTART*) */
    uint64_t nonce;
    uint64_t guest_tid, set_child_tid;
    uint64_t clear_tid; /* of a thread: what is cleared, and waited for, at its end; 0: nothing */
    uint64_t made_tid;  /* of the thread that this one made last: its clear_tid */
    uint64_t fs_base;   /* of the next thread in a host thread that waits for it */
    uint32_t host_tid, life; /* life: park.c */
    uint32_t join_odds;      /* of spinning for the end of made_tid's thread */
    uint32_t
        sigreturn;   /* the kick at the exit stands for rt_sigreturn: it needs the full context */
    uint64_t done;   /* of the call: bytes that were written before the sentry is asked */
    uint64_t copied; /* CHAN_COPY and more if the request has copies, or 0 */
    uint64_t asked;  /* the call that has them */
    uint64_t mask_changed; /* CHAN_MASK until the sentry has been told, or 0 */
    uint32_t is_thread;
    uint32_t vfork;     /* our slot is freed by the parent, when we have left its memory */
    uint64_t kick_came; /* the kick is a true one: the sentry waits for a context */
    uint64_t
        frame_waits;   /* the kick at the exit stands for ORDER_SIGNAL: the frame is made there */
    uint64_t fault[3]; /* error code, trap number and address of the last fault, for frames */
    uint64_t restored,
        restorer; /* of a child of vfork: signals with nothing but that; stub_default_action */
    uint64_t
        out_limit; /* an output of the next request has no more bytes than that; 0: not known */
    uint8_t patience[PATIENCE_KINDS]; /* of calls by their numbers: see chan_wait */
    uint32_t copy_at[6];              /* where the request's copies are in the window */
    uint32_t noted;                   /* slots of files that may be noted; notes.c */
    uint32_t waiting;                 /* there are notes that the sentry was not told of */
    uint16_t note_fd[NOTE_SLOTS];
    uint8_t note_rights[NOTE_SLOTS];
    int64_t note_position[NOTE_SLOTS]; /* < 0: not known */
    int64_t note_end[NOTE_SLOTS]; /* the file has bytes up to there, and no hole; < 0: not known */
    uint32_t fresh;       /* of noted: the slot whose file is known from the log only; creates.c */
    uint32_t fresh_count; /* files that were made in the log */
    uint32_t fresh_last;  /* where the last one's note is in it, + 1; 0: none */
    uint64_t fresh_generation; /* ... which is the one of the word with that generation */
    uint32_t call_traced; /* the sentry was told of the call before it was made (CHAN_ASK_CALLS) */
    uint32_t call_over;   /* the kick at the exit tells it that the call was answered here */
};
_Static_assert(offsetof(struct area, chan) == AREA_CHAN, "assembly offset");
_Static_assert(offsetof(struct area, kick) == AREA_KICK, "assembly offset");
_Static_assert(offsetof(struct area, rip) == AREA_RIP, "assembly offset");
_Static_assert(offsetof(struct area, rsp) == AREA_RSP, "assembly offset");
_Static_assert(offsetof(struct area, nr) == AREA_NR, "assembly offset");
_Static_assert(offsetof(struct area, args) == AREA_ARGS, "assembly offset");
_Static_assert(offsetof(struct area, callee) == AREA_CALLEE, "assembly offset");
_Static_assert(offsetof(struct area, flags) == AREA_FLAGS, "assembly offset");
_Static_assert(offsetof(struct area, vdso_sp) == AREA_VDSO_SP, "assembly offset");

_Static_assert(sizeof(struct area) <= 0x10000 - AREA_STRUCT - 0x400, "room for STUB_HOT");

/* Blocks of memory from the first to the last; 0, 0: none. */
#define SPAN_COUNT 8
struct stub_span {
    uint32_t first, last;
} __attribute__((aligned(8)));

#define SHARED_SLOT_BITS (~0UL << (64 - SHARED_SLOTS)) /* of the last word: no threads' */
/* What the process as a whole changes often. */
struct stub_hot {
    uint64_t slots[SLOT_COUNT / 64];    /* in use */
    uint64_t parked;                    /* of the first PARK_SLOTS: their threads have ended */
    struct stub_span spans[SPAN_COUNT]; /* where the sites are that patch.c looked at */
    uint64_t vdso;                      /* where the host put it */
    volatile uint64_t int3_at;          /* a site that is being rewritten behind an int3 */
    uint16_t range_count;               /* of trampolines */
    uint16_t sync_ready;                /* for sync_core */
    uint32_t changing; /* so many change memory, and may have found no site there before one was */
    uint32_t patch_lock, brk_lock; /* locks: 1 + their owner's slot */
    uint8_t sites_stopped;         /* nothing is rewritten: ORDER_SITES */
    uint8_t vdso_left;             /* it could not say the time, or is not where it was */
    uint16_t lent_end;   /* 1 + the highest slot whose thread was lent a file for a call */
    uint32_t yield_odds; /* of yielding after a fork */
    struct stub_site sites[HOT_SITES];
};
#define HOT ((struct stub_hot *)STUB_HOT)
_Static_assert(sizeof(struct stub_hot) <= 0x300, "the page's end, where .bss.hot lies");

/* The kernel's ucontext for x86-64, as a signal handler gets it. */
struct stub_ucontext {
    uint64_t flags;
    void *link;
    uint64_t stack[3];
    uint64_t regs[REG_COUNT_];
    uint64_t segments, error, trapno, oldmask, cr2;
    uint8_t *fpstate;
    uint64_t reserved[8];
    uint64_t mask;
};

/* Linux's. */
#define TASK_SIZE      0x7ffffffff000UL
#define PROT_READ_     1UL
#define PROT_WRITE_    2UL
#define PROT_EXEC_     4UL
#define PROT_RX        (PROT_READ_ | PROT_EXEC_)
#define PROT_RWX       (PROT_RX | PROT_WRITE_)
#define MAP_FIXED_     0x10UL
#define AT_EMPTY_PATH_ 0x1000U
#define CLONE_SETTLS_  0x80000UL
#define TCGETS_        0x5401U
#define TIOCGWINSZ_    0x5413U
#define EINTR_         4
#define EFAULT_        14
#define ENOTTY_        25

static inline uint64_t base_of_fs(void)
{
    uint64_t base;
    __asm__ volatile("rdfsbase %0" : "=r"(base));
    return base;
}
/* As the guest sees it: 0 while it is the stub's. */
static inline uint64_t base_of_gs(void)
{
    uint64_t base;
    __asm__ volatile("rdgsbase %0" : "=r"(base));
    return base >= AREA_LOW && base < AREA_BASE + AREA_STRIDE ? 0 : base;
}

static inline uint64_t timestamp(void)
{
    uint32_t low, high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return (uint64_t)high << 32 | low;
}

/* Highest bits of bytes that are zero, of which the lowest one is exact; 0: there is none. */
static inline uint64_t zero_bytes(uint64_t word)
{
    const uint64_t ones = 0x0101010101010101UL;
    return (word - ones) & ~word & ones << 7;
}

static inline int bit_count(uint64_t word)
{
    int count = 0;
    for (; word; word &= word - 1) {
        count++;
    }
    return count;
}

static inline struct platform_lease_page *lease_page(void)
{
    return (struct platform_lease_page *)LEASE_PAGE;
}
static inline struct stub_process *this_process(void)
{
    return (struct stub_process *)(CHAN_BASE + STUB_PROCESS_OFFSET);
}
static inline struct platform_facts *process_facts(void)
{
    return platform_facts_behind(lease_page());
}

/* entry_x86_64.S */
long gate(uint64_t nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f);
long gate_wait(struct area *area, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
               uint64_t f);
long gate_clone(uint64_t flags, uint64_t stack, uint64_t ptid, uint64_t ctid, uint64_t tls);
__attribute__((noreturn)) void exit_thread(uint64_t *word, uint64_t mask);
__attribute__((noreturn)) void go_guest(struct area *area);
long guarded_copy(void *dst, const void *src, uint64_t size);
long guarded_zero(void *dst, uint64_t size);
long guarded_copy8(void *dst, const void *src);
long guarded_touch(void *byte);
long guarded_xsave(void *dst, uint32_t mask_low, uint32_t mask_high);
void fp_load(const void *src, uint32_t mask_low, uint32_t mask_high);
long guarded_probe(const void *byte);
long vdso_call(struct area *area, uint64_t function, uint32_t clock, uint64_t *time);
extern const char stub_start[], stub_entry[], stub_entry_patched[], stub_entry_slow[],
    guarded_touch_insn[], guarded_copy8_load[], guarded_copy8_store[], guarded_probe_insn[],
    guarded_zero_insn[], gate_insn[], gate_ret[], gate_wait_check[], gate_wait_insn[],
    gate_wait_ret[], gate_wait_interrupted[], gate_sigreturn[], gate_sigreturn_ret[],
    gate_clone_ret[], exit_thread_ret[], exit_check[], exit_kick[], fast_check[], fast_end[],
    exit_kick_fast[], guarded_copy_insn[], guarded_xsave_insn[], guarded_copy_fault[],
    guarded_words[], guarded_words_end[], vdso_abort[];

/* call.c */
void chan_call(struct area *area, uint32_t flags);
void chan_request(struct area *area, uint64_t nr, uint64_t a0, uint64_t a1);
__attribute__((noreturn)) void stub_die(void);
__attribute__((noreturn)) void stub_thread_end(struct area *area);
long stub_mem(const struct stub_mem_call *m);
/* Carries out an order that leaves the call, or the context, as it was, and reports it. Return: 0 when c->order is none of those. */
int stub_obey_within(struct area *area);
/* clone.c: the thread in that slot closes a file that it was lent for one call. */
void stub_was_lent(uint64_t slot);
/* area's thread is on its way to code that it has not run before, where the sentry may want to see it first: platform_hold. */
void stub_hold(struct area *area);
long stub_syscall(struct area *area);
/* Another call than the guest's, served by the sentry; area's arguments stay. */
long stub_ask(struct area *area, uint64_t nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d);
/* Waits on a shared futex word while it is value, as a call that a signal restarts. Return: 0, or -EINTR. */
long stub_wait(struct area *area, uint32_t *word, uint32_t value);
void stub_load(struct area *area) __attribute__((noreturn));

/* memory.c */
#define NOT_OURS (1L << 32) /* no call's result: the sentry is to serve it */
long stub_memory(uint64_t nr, const uint64_t *args);
/* Anonymous memory with n bytes, instead of a mapping of the file that they are from. Return: its address, or -errno. */
long stub_map_filled(uint64_t hint, uint64_t size, uint64_t prot, uint64_t flags, const void *from,
                     uint64_t n);
/* A private mapping, as args say, of the file that is kept by number; flags: the lease's. */
long stub_map_kept(const uint64_t *args, uint32_t number, uint32_t flags);
long stub_brk(uint64_t addr);
/* The break is where the lock's owner, who is dead, had its memory end. Context: brk lock. */
void stub_brk_mend(void);

/* locks.c: who has the brk lock may wait for the other. */
void stub_brk_lock(void);
void stub_brk_unlock(void);
void stub_patch_lock(void);
int stub_patch_trylock(void); /* Return: had */
void stub_patch_unlock(void);
/* The slot's thread is not in this memory any more: it has no locks, and what it was rewriting is as it was. */
void stub_slot_gone(uint64_t slot);
/* The same for those of whom the sentry has said so, and their slots are free. */
void stub_look_for_gone(void);

/* Buffers of a call, as readv(2) has them. */
#define TRANSFER_MAX 0x7ffff000UL
struct iov {
    uint64_t base, size;
};
/* All of them; TRANSFER_MAX stands for more than that. */
uint64_t stub_iov_size(const struct iov *v, uint64_t count);
/* Bytes [skip, skip + n) of the buffers, from or to address at. Return: 0, or -EFAULT. */
long stub_transfer(uint64_t at, const struct iov *v, uint64_t skip, uint64_t n, int write);

/* pipe.c */
long stub_pipe(struct area *area, uint64_t fd, const struct iov *v, uint64_t count,
               int write); /* or NOT_OURS */

/* facts.c */
long stub_facts(struct area *area, uint64_t nr); /* or NOT_OURS */
/* In clock ticks: user, system. Return: 0, or NOT_OURS. */
long stub_children_time(uint64_t out[2]);

/* Does a read (write) of the ring behind fd not wait? Return: 0, 1, or -1: the sentry knows. */
int stub_pipe_ready(uint64_t fd, int write);

/* The same for a read of an event counter; a write never waits there. */
int stub_counter_ready(uint64_t fd);
long stub_counter(struct area *area, uint64_t fd, const struct iov *v, int write); /* or NOT_OURS */

/* fds.c */
long stub_fcntl(const uint64_t *args); /* or NOT_OURS */
/* ioctl and lseek of what is no terminal, and can't seek. Return: NOT_OURS: it may be something else. */
long stub_fd_kind(uint64_t nr, const uint64_t *args);

/* directories.c */
long stub_directory(uint64_t nr, const uint64_t *args); /* or NOT_OURS */
int stub_is_directory(uint64_t fd);
/* By which names that begin at fd are kept: platform_name.dirfd. */
uint32_t stub_directory_key(uint32_t fd);
/* fcntl(F_DUPFD) of one. Return: or NOT_OURS. */
long stub_copy_directory(uint64_t fd, uint64_t min, int cloexec);
/* The process has closed fd, a directory, by itself: names that begin there are not what they were. */
int stub_fd_was_closed(uint32_t fd);

/* poll.c */
#define POLL_NOW_MAX PLATFORM_POLL_MAX
long stub_poll(uint64_t nr, const uint64_t *args); /* or NOT_OURS */

/* clock.c */
long stub_clock(const struct area *area, uint64_t nr); /* or NOT_OURS */
long stub_times(uint64_t to);                          /* or NOT_OURS */
/* CPU time of this host thread, in all its lives. Return: 0, or NOT_OURS. */
long stub_thread_time(uint64_t *out_ns);
/* Nothing is there any more: if that was the vDSO, it is not called again. */
void stub_vdso_unmapped(uint64_t addr, uint64_t size);
/* CLOCK_REALTIME: seconds and nanoseconds. Return: 0, or NOT_OURS. */
long stub_wall_time(uint64_t time[2]);

/* files.c */
long stub_file(struct area *area, uint64_t nr); /* or NOT_OURS */
long stub_lock(uint64_t fd, uint64_t request);  /* F_SETLK, F_SETLKW; or NOT_OURS */
long stub_file_map(const uint64_t *args);       /* mmap of a file; or NOT_OURS */
/* The same as a copy of n bytes, if such a mapping may be one; or NOT_OURS. */
long stub_map_bytes(const uint64_t *args, uint64_t from, uint64_t n);
/* The process has closed fd by itself: it may open something as that. */
void stub_fd_is_free(uint64_t fd);
/* The lowest fd that is free; LEASE_OPEN_FDS: not known, or it may not open any. */
uint64_t stub_free_fd(void);
/* A path that is there, and empty? */
int stub_is_empty_string(uint64_t addr);

/* notes.c */
long stub_note(struct area *area, uint64_t nr); /* or NOT_OURS */
/* What to tell with a request; it was told; what came with the reply. */
uint32_t stub_notes_tell(struct area *area);
void stub_notes_told(struct area *area, uint32_t told);
void stub_notes_granted(struct area *area, uint32_t order);
/* The sentry has served call nr, and said so in the channel: a position may have moved. */
void stub_notes_served(struct area *area, uint64_t nr);
/* A note behind word's log, with which the slot was ours. Return: 0, or NOT_OURS. */
struct note_about {
    uint8_t kind;
    uint32_t offset;
};
long stub_note_append(struct area *area, uint32_t slot, struct note_about what, const struct iov *v,
                      uint64_t word);
/* utimensat's two times, of seconds and nanoseconds; 0: now. Return: 0 what comes of them is not certain. */
int stub_take_times(uint64_t times, int64_t t[4]);
/* The channel is another, or new. */
static inline void stub_notes_reset(struct area *area)
{
    area->noted = area->waiting = area->fresh = area->fresh_count = area->fresh_last = 0;
}

/* creates.c */
long stub_create(struct area *area, uint64_t nr); /* or NOT_OURS */
/* Is slot's file known from the log only, whose word that is? */
int stub_note_is_fresh(struct area *area, uint32_t slot, uint64_t word);

/* names.c */
/* Nothing at these places has changed after stamp since. */
static inline int stub_stamps_hold(uint64_t since, const uint16_t *places, unsigned count)
{
    const volatile struct platform_stamps *s = &RO->stamps;
    int hold = s->everything <= since;
    for (unsigned i = 0; hold && i < count; i++) {
        hold = s->of[places[i] % STAMP_COUNT] <= since;
    }
    return hold;
}
long stub_name(struct area *area, uint64_t nr); /* or NOT_OURS */
/* The sentry says that nr is to be made again. Return: its result, or NOT_OURS: by the guest. */
long stub_redo(struct area *area, uint64_t nr);
/* A string, in max words of 8 bytes, padded with zeroes. Return: words; 0: it is too long, or can't be read. */
unsigned stub_take_string(uint64_t addr, uint64_t *words, unsigned max);

/* answer.c */
long stub_answer(struct area *area, uint64_t nr, long *result);

/* boot.c */
#define ENOSYS_ 38
/* Gets this process channels of its own. boot: arguments of STUB_REQ_BOOT. */
void stub_hello(uint64_t nonce, const uint64_t *boot);
__attribute__((noreturn)) void stub_main(const uint64_t *sp);
extern const struct stub_info stub_info;

/* copies.c */
/*
 * Fills the window by the plan. A bad pointer is left out, so that the handler finds it itself, in Linux's order of checks.
 * Return: flags for the request.
 */
uint32_t stub_copy_ahead(struct area *area, const volatile uint16_t *plan);
/* Puts the sentry's output where it belongs. Return: the call's result, or -EFAULT. */
long stub_copy_back(const struct area *area);

/* clone.c */
void stub_slots_reset(uint64_t slot);
uint64_t *stub_slot_word(uint64_t slot);
long stub_clone(struct area *area);
/*
 * May call nr, a fork, be asked for by the host call itself? *out: that, and by which name the child introduces itself. It needs the
 * other threads' silence, and nobody who looks at each call.
 */
int stub_forks_at_once(const struct area *area, uint64_t nr, struct stub_order_clone *out);
/* What the host's clone says; 0 in the child, which has its channels. */
long stub_fork(struct area *area, const struct stub_order_clone *o);
void stub_child(struct area *area);

int stub_single_threaded(void);
/* A thread is known to the sentry from now on, and may run. */
void stub_thread_begins(struct area *area);

/* park.c */
/*
 * What may be in vain. After each time that it was, it is left out, twice as often as the time before. Low half: how often it still is; high
 * half: how often it was at last.
 */
int stub_odds_try(uint32_t *odds);
void stub_odds_learn(uint32_t *odds, int paid);
/* area's thread calls exit. Comes back if it has to ask for it; else another thread begins in its place. */
void stub_park(struct area *area);
/* n, whose thread waits there, has been filled in for another one: it goes on as that. */
void stub_unpark(struct area *n, const struct stub_order_clone *o);
/* area's thread is about to wait for *word to change from value: if that is the end of a thread that it made, it may be near. */
void stub_join_soon(struct area *area, uint64_t word, uint32_t value);
/* What the host does with CLONE_CHILD_CLEARTID's word. */
void stub_clear_tid(uint64_t at);

/* patch.c */
enum stub_text { TEXT_OF_PROGRAM, TEXT_OF_SPARES };
void stub_count_trap(uint64_t ip, uint64_t rax);
/*
 * Rewrites those sites of the list that end in [text, text + size), which is code of a program that has not begun, whole, and stays
 * one mapping; a text's sites follow each other. For spares also cpuids that nobody has seen.
 */
void stub_patch_known(uint64_t text, uint64_t size, const struct stub_seen *list, uint64_t count,
                      enum stub_text how);
void stub_patch_for_children(const struct stub_seen *list, uint64_t count);
/* The code of a kept file: it has sites that are known; rewrites them in writable text that nobody runs yet; is mapped. */
int stub_library_has_sites(uint32_t number);
void stub_library_patch(uint64_t addr, uint64_t size, uint64_t offset);
void stub_library_mapped(uint32_t number, uint64_t addr, uint64_t size, uint64_t offset);
int stub_trap_is_ours(uint64_t ip);
extern struct stub_site stub_sites[];
/* The record of the site behind which ip is, made if there is room. Return: NULL: none. */
struct stub_site *site_record(uint64_t ip);
/* New code for a site whose text can be written, while other threads may run it. */
void site_store(uint64_t site, const uint8_t *code, uint64_t size);
/* ip is behind a site that is looked at: sites_may_be_in knows from now on. */
void sites_extend(uint64_t ip);
int sites_may_be_in(uint64_t addr, uint64_t size);
void stub_sites_publish(void);
/* copy has the guest's [addr, addr + size): as it was before call sites were rewritten. */
void stub_show_original(void *copy, uint64_t addr, uint64_t size);
/* Were any rewritten in [addr, addr + size)? */
int stub_has_sites(uint64_t addr, uint64_t size);
/*
 * To be called before the guest's memory at [addr, addr + size) becomes something else, or (_keep) only its rights change and text stays
 * text; and then _changed with what it has returned (0: it was not called): nothing there is rewritten in between. gone: it
 * is unmapped.
 */
int stub_sites_change(uint64_t addr, uint64_t size, int gone);
int stub_sites_keep(uint64_t addr, uint64_t size);
void stub_sites_changed(int changes);
/* What was rewritten gets its own code back, and nothing is rewritten any more; or (stop 0) again. */
void stub_sites_stop(int stop);
/* What the patch lock's owner was about has its own code again. Context: patch lock. */
void stub_patch_mend(void);

/* trampoline.c */
#define TRAMPOLINE 32UL /* bytes */
/* A free one that a 5-byte jump at site reaches. Return: 0: none. */
uint64_t trampoline_near(uint64_t site);
/*
 * One to which a jump can lead in place of a two-byte instruction that ends at ip: the code after it is the displacement's last
 * three bytes, *out_low the first. Return: 0: none.
 */
uint64_t trampoline_punned(uint64_t ip, const uint8_t *after, uint8_t *out_low);
/* For a call that returns to ret, with its number if that was in the bytes that are rewritten. code is zeroed. */
void trampoline_compose(uint8_t code[TRAMPOLINE], int with_nr, uint32_t nr, uint64_t ret);
/* Composed, and put at at; or one for a cpuid that ends at ret, and the lead_size <= 8 bytes before it. Return: 0, or -1. */
int trampoline_write(uint64_t at, int with_nr, uint32_t nr, uint64_t ret);
int trampoline_write_cpuid(uint64_t at, const uint8_t *lead, uint64_t lead_size, uint64_t ret);
int stub_in_trampoline(uint64_t ip);
/* The pages of [addr, addr + size). Return: 0, or a host errno. */
uint64_t mem_protect(uint64_t addr, uint64_t size, uint64_t prot);
void code_store(uint64_t at, const uint8_t *code, uint64_t size);

/* patch_cpuid.c */
extern struct stub_lead stub_leads[];
/* A cpuid in text that can be written and has not begun. */
void patch_cpuid(const struct stub_seen *seen);
/* What looks so much like a cpuid that it is one, in text of which nothing was changed yet. Return: how many, at most max. */
uint64_t cpuid_idioms(uint64_t text, uint64_t size, struct stub_seen *out, uint64_t max);
/* Have the moves before the cpuid that faulted at u done what they seem to do? */
int cpuid_is_led(const struct stub_ucontext *u);

/* A cpuid that faulted ends at ip: for the sentry, too. */
void stub_note_cpuid(uint64_t ip, int led);

/* cpuid.c */
/* For now this thread's cpuids fault, if the host can do that. */
void stub_cpuid_watch(void);
/* A system call trapped. */
void stub_cpuid_trapped(void);
/* A fault at u. Return: 1 it was such a cpuid, which has been made. */
int stub_cpuid_fault(struct stub_ucontext *u);
/* Has the table, which is filled, that leaf? */
int stub_cpuid_tells(uint32_t leaf);
/* Fills the table from which rewritten cpuids take their answers. */
void stub_cpuid_prepare(void);
extern const char stub_cpuid[];

/* frame.c */
/* Bytes of FP state at fp (a host frame's), as Linux describes it there. */
uint32_t stub_fpstate_size(const uint8_t *fp);
/* Takes the form of FP states from a host frame. Until then frames are made from host frames only. */
void stub_frame_learn(const struct stub_ucontext *u);
int stub_fp_known(void);
/* The thread's FP state, once its form is known, to fp, with what the host writes around it in frames. Return: 0 or -EFAULT. */
long stub_fp_keep(uint64_t fp);
/* The FP state that was kept there, by another thread perhaps, is this thread's. */
void stub_fp_take(uint64_t fp);
/*
 * The frame of a handler that interrupts a system call which ends with result, or u, is written; then the guest is put into
 * the handler. Return: 0 and where it is, or -EFAULT; nothing of the guest's but memory below its stack has changed.
 */
long stub_frame_of_call(struct area *area, const struct stub_order_signal *o, long result,
                        uint64_t *out_at);
void stub_enter_from_call(struct area *area, const struct stub_order_signal *o, uint64_t at);
long stub_frame_of_context(const struct area *area, const struct stub_ucontext *u,
                           const struct stub_order_signal *o, uint64_t *out_at);
/* more: another frame may follow. */
void stub_enter_from_context(struct stub_ucontext *u, const struct stub_order_signal *o,
                             uint64_t at, int more);

/* signal.c */
/* ORDER_SIGNAL for a system call that ends with result. Return: what is to be in rax. */
long stub_signal_call(struct area *area, long result);
/* kill, tkill, tgkill. Return: 0, or NOT_OURS. */
long stub_signal_self(struct area *area, uint64_t nr);
/* A fault of the guest's at u. Return: 0, or NOT_OURS. */
long stub_signal_fault(struct area *area, struct stub_ucontext *u, int sig, const uint32_t *info);
/* sigaltstack(NULL, to). Return: its result, or NOT_OURS. */
long stub_altstack(const struct area *area, uint64_t to);
/* rt_sigreturn of u. Return: 0, or NOT_OURS: u is unchanged. */
long stub_sigreturn(struct area *area, struct stub_ucontext *u);

/* handlers.c */
void stub_thread_setup(struct area *area);
void stub_handlers_setup(void);
void stub_signal(int sig, const uint32_t *info, struct stub_ucontext *u);

static inline struct area *slot_area(uint64_t slot)
{
    return (struct area *)(AREA_BASE - slot * AREA_STRIDE + AREA_STRUCT);
}
static inline struct chan *slot_chan(uint64_t slot)
{
    return (struct chan *)(CHAN_BASE + slot * CHAN_STRIDE);
}
static inline uint8_t *chan_window(struct chan *c)
{
    return (uint8_t *)c + WINDOW_OFFSET;
}
static inline uint64_t ptr(const volatile void *p)
{
    return (uint64_t)p;
}
/* Of the thread that runs on this stack. */
static inline struct area *own_area(void)
{
    return (struct area *)((ptr(__builtin_frame_address(0)) & ~(AREA_STRIDE - 1)) + AREA_STRUCT);
}
/* As Linux's vDSO has it: RDPID, else the limit of a segment that Linux keeps per CPU, which costs 14 ns. */
static inline uint32_t this_cpu(void)
{
    uint64_t id;
    uint32_t limit;
    if (RO->rdpid) {
        __asm__ volatile("rdpid %0" : "=r"(id));
        return (uint32_t)id & 0xfff;
    }
    __asm__ volatile("lsl %1, %0" : "=r"(limit) : "r"(0x7b));
    return limit & 0xfff;
}
/* The shared words of leases: files.c, pipe.c. */
static inline uint64_t word_load(const uint64_t *word)
{
    return __atomic_load_n(word, __ATOMIC_SEQ_CST);
}
/* Return: false when it is not old any more. */
static inline int word_replace(uint64_t *word, uint64_t old, uint64_t new)
{
    return __atomic_compare_exchange_n(word, &old, new, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}
