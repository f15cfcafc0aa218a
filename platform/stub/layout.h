/*
 * What the stub and the sentry share: the slice's layout, the channel, the orders.
 *
 * The stub is guest code as far as trust goes: it runs in the guest's address space, and the guest may
 * rewrite it. Everything that the sentry reads from a channel is hostile; everything that it relies
 * on lives in its own memory.
 *
 * A channel is one control page and a window for bulk data, a slot a guest thread. Hand-off:
 *
 *      guest                                   sentry
 *      fill request; state = REQ  ---------->  poller, or doorbell notification
 *      spin, or sleep in the doorbell          serve ...
 *                                 <----------  fill reply; state = DONE
 *      act on reply
 *
 * PARKED tells a guest that waits without a doorbell that its call will take long: it sets SLEEPING in the
 * state, and sleeps on its word of the read-only page, which the sentry bumps and wakes at completion.
 */
#pragma once

#include "platform/copy_plan.h"

#ifdef __ASSEMBLER__
#define UL_(x) x
#else
#include <stddef.h>
#include <stdint.h>

#include "platform/facts.h"
#include "platform/lease_page.h"
#include "platform/notes.h"
#define UL_(x) x##UL
#endif

/*
 * --- the slice: 4 GiB that belong to the stub; two 32-bit compares in the host filter ---
 *
 * What every process touches lies in one 2 MiB block, whose single page table fork and exec have to make: the first thread's area,
 * the stub's data, text, the read-only page, and the first channels. Areas go down from there, channels up.
 */
#define SLICE_HI      0x7000U
#define SLICE_START   UL_(0x700000000000)
#define STUB_BLOCK    UL_(0x700008000000)
#define STUB_DATA     (STUB_BLOCK + 0x10000)
#define STUB_TEXT     UL_(0x70000801c000)
#define STUB_TEXT_END (STUB_BLOCK + 0x30000)
#define STUB_RO       (STUB_BLOCK + 0x30000) /* one mapping a sandbox, read-only to guests */
#define STUB_RO_SIZE  UL_(0xa000)
#define CHAN_BASE     (STUB_BLOCK + 0x40000)
#define CHAN_STRIDE   UL_(0x20000) /* control page and 124 KiB window */
#define SLOT_COUNT    UL_(1024)
#define CHAN_SIZE     (CHAN_STRIDE * SLOT_COUNT)
#define WINDOW_OFFSET UL_(0x1000)
#define WINDOW_SIZE   (CHAN_STRIDE - WINDOW_OFFSET)
#define NOTES_OFFSET                                                                               \
    (WINDOW_SIZE - NOTES_SIZE) /* in the window: its end is the log while it has anything */
/* The last slots are no threads': the process's lease page (platform/lease_page.h), and copies of files that it opens next. */
#define SHARED_SLOTS     49
#define THREAD_SLOTS     (SLOT_COUNT - SHARED_SLOTS)
#define LEASE_PAGE       (CHAN_BASE + THREAD_SLOTS * CHAN_STRIDE)
#define LEASE_BYTES      (LEASE_PAGE + CHAN_STRIDE)
#define LEASE_BYTES_SIZE ((SHARED_SLOTS - 1) * CHAN_STRIDE)
/* Rings of leased pipes, and bytes of leased files. */
#define RING_STRIDE  UL_(0x20000)
#define RING_ADDR(i) (UL_(0x700030000000) + (i)*RING_STRIDE)
#define LEASE_MAPS   UL_(0x700040000000)

/*
 * A thread's area: signal stack, stub stack, struct area. The struct lies right above the stack, so that a fork
 * copies one page for both; what the process changes often (STUB_HOT) lies in the first area's last bytes for the same reason.
 */
#define AREA_STRIDE   UL_(0x10000)
#define AREA_BASE     STUB_BLOCK                                   /* of slot 0 */
#define AREA_LOW      (AREA_BASE - AREA_STRIDE * (SLOT_COUNT - 1)) /* of the last slot */
#define AREA_SIGSTACK UL_(0xb000)                                  /* size */
#define AREA_STRUCT   UL_(0xf9c0) /* offset; the stub stack's top, too */
#define STUB_HOT      (AREA_BASE + 0xfc00)

/*
 * --- fd numbers in a stub ---
 * The first three stay open. A stub may map its own channels and the read-only page at their places without
 * asking, and nothing else of them; a new process has its parent's channels under the first number until its own replace them.
 */
#define STUB_FD_CHAN  3
#define STUB_FD_RO    4
#define STUB_FD_IMAGE 5
/*
 * Read-only files that the guest may map as it likes: those that it keeps (platform/seccomp/given.c), and from STUB_FD_GIVEN on, for one call,
 * + slot and index. Kept numbers are low: a host process copies its table up to the last one with each fork, and a small one costs nothing.
 */
#define STUB_FD_KEPT  6
#define STUB_KEPT_MAX 32
#define STUB_FD_WRITE 38 /* the file that it may pwrite64 (platform/seccomp/writer.c) */
#define STUB_FD_MAP   40 /* + slot: any file, for one notified mmap */
#define STUB_FD_GIVEN 1100
#define STUB_FD_IS_MAPPABLE(fd)                                                                    \
    ((uint32_t)(fd)-STUB_FD_KEPT < STUB_KEPT_MAX ||                                                \
     (uint32_t)(fd)-STUB_FD_GIVEN < 0x80000000U - STUB_FD_GIVEN)

/* The host signal that interrupts guest code (SIGRTMIN is the C library's). */
#define STUB_KICK 33

/* Offsets into struct area for the assembly. */
#define AREA_SELF        0
#define AREA_CHAN        8
#define AREA_KICK        16
#define AREA_RIP         24
#define AREA_RSP         32
#define AREA_NR          40
#define AREA_ARGS        48
#define AREA_CALLEE      96
#define AREA_FLAGS       144
#define AREA_REGS_END    152
#define AREA_VDSO_SP     152
#define EFLAGS_DIRECTION 0x400
/* And into struct chan and struct stub_ro. */
#define CHAN_ANSWERS 352
#define STUB_RO_KEPT 0x5000

#ifndef __ASSEMBLER__

#define CHAN_ASK_MASK      PLATFORM_ASK_MASK
#define CHAN_ASK_MEMORY    PLATFORM_ASK_MEMORY
#define CHAN_ASK_SIGRETURN PLATFORM_ASK_SIGRETURN
#define CHAN_ASK_FILES     PLATFORM_ASK_FILES
#define CHAN_ASK_CODE      PLATFORM_ASK_CODE
#define CHAN_ASK_SITES     PLATFORM_ASK_SITES
#define CHAN_ASK_FACTS     PLATFORM_ASK_FACTS
#define CHAN_ASK_USAGE     PLATFORM_ASK_USAGE
#define CHAN_ASK_NAMES     PLATFORM_ASK_NAMES
#define CHAN_ASK_CALLS     PLATFORM_ASK_CALLS
enum chan_state { CHAN_IDLE, CHAN_REQ, CHAN_DONE, CHAN_PARKED };
#define CHAN_STATE_MASK 0xffU
#define CHAN_SLEEPING   0x100U  /* the guest sleeps on its word of the read-only page */
#define CHAN_NO_POLL    0x200U  /* a doorbell follows at once: the poller leaves it alone */
#define CHAN_COPY       0x400U  /* the window has what the copy plan says */
#define CHAN_MASK       0x800U  /* sigmask is new since the last request */
#define CHAN_PARTIAL    0x1000U /* done counts */
#define CHAN_SIZES      0x2000U /* with COPY: but in the sizes that copy_size says */

/* Request numbers that are no system calls. */
enum stub_request {
    STUB_REQ_BASE = 0x40000,
    STUB_REQ_BOOT =
        STUB_REQ_BASE, /* args: vdso, hwcap, hwcap2, minsigstksz, clktck, listener fd; see GATE_HELLO */
    STUB_REQ_CONTEXT, /* context in regs; args[0]: fpstate size; [1], [2]: a call to be made again; [3]: a call that the stub has made
                          is over */
    STUB_REQ_FAULT,   /* the same; args[1..5]: signo, code, addr, trapno, error */
    STUB_REQ_RESULT,  /* an order was carried out; args[0]: result */
    STUB_REQ_COMEBACK, /* sent by doorbell because the sentry asked for it */
    STUB_REQ_BAD_FRAME, /* the same as CONTEXT: the guest's stack did not take ORDER_SIGNAL's frame */
    STUB_REQ_CALL, /* the same: the guest stands behind a syscall instruction, which has not been served (CHAN_ASK_CALLS) */
};
/* madvise's advice that the filter allows there, a bit each: what only touches one's own pages. */
#define GATE_ADVICE       0x00ffcd1fU
#define GATE_ADVICE_COUNT 32
/* Clocks that clock_gettime may read there, a bit each: time, and CPU time of oneself. No ids of others, nor of fds. */
#define GATE_CLOCKS 0x8ffU
/* Pseudo system calls at the gate; all are notified. */
#define GATE_DOORBELL 0x2000 /* args: slot, nonce (0 but for threads and vfork's children) */
/*
 * A process without channels of its own: a fork's child (args: nonce), or a fresh stub (args: 0, and those of
 * STUB_REQ_BOOT). Answered with STUB_FD_CHAN, which is installed with the answer.
 */
#define GATE_HELLO 0x2001

/* What the reply tells the stub to do; args in reply_args. */
enum stub_order {
    ORDER_RETURN, /* ret is the system call's result */
    ORDER_UPCALL, /* the same, but come back with the full context first */
    ORDER_REDO, /* the system call is made again, as number ret; an open perhaps without leaving the stub */
    ORDER_SIGNAL, /* run a handler: signal. To a context, args[0]: regs changed; else ret as for RETURN */
    ORDER_CONTEXT, /* (to CONTEXT, FAULT, CALL) resume; args[0]: regs changed, args[1]: fpstate size or 0; to CALL, args[2]: make the
                      call, else it is over */
    ORDER_FPSTATE, /* (to CONTEXT, FAULT) put the fpstate into the window, and come back with RESULT */
    ORDER_MEM,     /* do one memory call: mem[0]; its result is the system call's */
    ORDER_MEM_LIST, /* do args[0] calls, listed in the window, up to the first failure; report it */
    ORDER_CLONE, /* clone: see struct order_clone; ret is what the parent returns. Of a fork, args[0] call sites, listed in the
                       window, are to be rewritten first */
    ORDER_EXEC,  /* execveat of the stub image */
    ORDER_EXIT,  /* this thread ends */
    ORDER_COMEBACK, /* ring the doorbell with STUB_REQ_COMEBACK */
    ORDER_START,    /* args: entry, sp: jump there with clean registers */
    ORDER_LOAD, /* the same after the memory calls (args[2]) and copies (args[3]) listed in the window; args[4] call sites are to be
                   rewritten, which are listed there at args[5]. LOAD_WATCH in args[4]: cpuids, too, are to be noted */
    ORDER_MAP_COPY, /* anonymous memory (as reply_args[0..3] say: hint, size, protection, flags) with args[4] bytes of the window */
    ORDER_SPARE,    /* fork: see struct order_clone. Parent and child come back with RESULT */
    ORDER_PRELOAD,  /* what ORDER_LOAD does before the program starts; comes back with RESULT */
    ORDER_SITES, /* (in a call or a context) args[0]: give call sites their own code back, and leave them alone; else go on with
                    rewriting; report it */
    ORDER_FORKS, /* (to a fork that came as the host call itself, by the name of next_nonce) it has been let go on: see ORDER_CLONE */
    ORDER_LAST = ORDER_FORKS,
};

#define LOAD_WATCH (1UL << 32)

struct stub_mem_call {
    uint64_t nr;
    uint64_t args[6];
    uint64_t close_fd; /* close this fd afterwards; 0: none */
};

/* Behind ORDER_LOAD's memory calls. */
struct stub_copy {
    uint64_t addr, size;
    uint64_t offset; /* of the data in the window; 0: zeroes */
};

struct stub_order_clone {
    uint64_t flags; /* for the host, CLONE_PARENT and the like included */
    uint64_t stack; /* the guest's; 0: as the parent */
    uint64_t parent_tid, child_tid, tls;
    uint64_t guest_flags;
    uint32_t guest_tid, nonce;
    uint32_t child_pid; /* from the stub: what the host's clone returned */
    uint32_t parked;    /* 1 + slot of a thread that waits (park.c); 0: a host thread is made */
};

/*
 * A handler to run: what stands in its frame, and where that goes. The interrupted registers are the stub's to fill in.
 */
#define SIGNAL_CHECK_STACK 1U /* the frame must lie in the alternate stack */
#define SIGNAL_MORE        2U /* come back with the context before the handler's first instruction */
#define SIGNAL_REDO        4U /* the system call is made again after the handler, as number ret */
struct stub_order_signal {
    uint64_t handler, restorer;
    uint64_t start;      /* the frame goes below */
    uint64_t mask;       /* what sigreturn restores */
    uint64_t stack[3];   /* the alternate stack: address, flags, size */
    uint32_t sig, flags; /* SIGNAL_... */
    uint8_t info[128];
};

/* A handler, as rt_sigaction(2) has it. */
struct stub_action {
    uint64_t handler, flags, restorer, mask;
};

/* Registers in sigcontext's order. */
enum stub_reg {
    REG_R8_,
    REG_R9_,
    REG_R10_,
    REG_R11_,
    REG_R12_,
    REG_R13_,
    REG_R14_,
    REG_R15_,
    REG_RDI_,
    REG_RSI_,
    REG_RBP_,
    REG_RBX_,
    REG_RDX_,
    REG_RAX_,
    REG_RCX_,
    REG_RSP_,
    REG_RIP_,
    REG_EFLAGS_,
    REG_COUNT_
};

/* Results that the sentry said would stay as they are until it takes them back (platform_keep_answer). */
#define ANSWER_COUNT PLATFORM_ANSWER_MAX
#define ANSWER_VALID (1UL << 63)

/*
 * A request that finds the poller awake costs what its cache lines cost to cross between two CPUs, so what most calls need
 * is in the first line. Request and reply share it: the arguments stay with the stub and the sentry.
 *
 * A call with buffers (CHAN_COPY) has them in the window: of each argument that the copy plan (platform/copy_plan.h) names, as
 * many bytes as it says, one behind the other, each aligned to COPY_ALIGN. Of a string only what is needed of them is
 * there. Only where that is not so (a bad pointer) the sizes stand in the second line. The reply
 * says how much of each output the sentry put there. What is not covered is reached by process_vm_readv and its
 * like, which cost 3 us each.
 */
#define COPY_ALIGN 64
struct chan {
    uint32_t state;
    uint32_t
        order; /* with the request NOTES_TOLD ..., with the reply NOTE_GRANTED ... above its low byte */
    union {
        uint64_t nr;
        uint64_t ret;
    };
    union {
        uint64_t args[6];
        uint64_t reply_args[6];
        uint32_t copy_filled[6]; /* with an order that ends a system call: set by the sentry */
    };

    uint32_t copy_size[6];
    uint64_t sp;   /* the guest's stack pointer, for who asks */
    uint64_t done; /* bytes that the stub has written before it asked for the rest */

    _Alignas(64) union {
        struct stub_mem_call mem;
        struct stub_order_clone clone;
    };

    uint64_t regs[REG_COUNT_]; /* both ways: user context */
    uint32_t wake_id;          /* fixed at creation: index into stub_ro.wake */

    /*
     * The thread's signal mask. Stub: store the mask, then look at ask; sentry, for a new signal: set ask, then look at the
     * mask. One of them always sees the other's.
     */
    uint32_t ask; /* CHAN_ASK_...: what the stub leaves to the sentry */
    uint64_t sigmask;
    uint64_t answers[ANSWER_COUNT]; /* ANSWER_VALID and a result: what the sentry would say again */
    uint64_t robust_list;           /* set_robust_list's; the sentry looks when the thread ends */
    uint64_t tid_address, has_tid_address; /* set_tid_address's; the host clears it */

    /*
     * A new thread says which host task it is, and goes on. Stub: store host_tid, then look at start_kick; sentry, to
     * interrupt a thread that it does not know yet: set start_kick, then look at host_tid. Who begins a program, or comes from
     * fork, looks at it, too: with it set, a context comes before the first instruction (platform_hold).
     */
    uint32_t host_tid, start_kick;
    uint64_t cpu_start_ns; /* the host thread's CPU time when this thread began in it */

    /*
     * What the stub needs to raise a signal of its own thread's (signal.c), and to return from it: the alternate stack as the
     * sentry has it, and of the signals in handlers what to run. The thread is in the kernel when it gets one.
     */
    uint64_t altstack[3];
    uint64_t handlers; /* a set: bit sig-1 */
    uint64_t
        default_actions; /* the same, of a child of vfork: signals with which nothing is done, no flags, no mask */
    uint32_t self_pid, self_tid, self_uid;
    uint32_t next_nonce; /* see ORDER_FORKS; 0: not told */
    struct stub_action actions[64];
    struct stub_order_signal signal;
    uint64_t bases[2]; /* with regs, both ways: of FS and GS; a GS that is the stub's is 0 */
    uint32_t
        gone; /* SLOT_GONE: whose slot it was has left this memory without a word: by SIGKILL, or exec */

    _Alignas(
        64) uint64_t notes; /* notes.h: the word. The sentry leaves this line alone as a rule */
};
_Static_assert(offsetof(struct chan, answers) == CHAN_ANSWERS, "assembly offset");
_Static_assert(offsetof(struct chan, copy_size) == 64, "the request's cache line");
_Static_assert(offsetof(struct chan, mem) == 128, "the copies' cache line");
_Static_assert(sizeof(struct chan) <= WINDOW_OFFSET, "the control page");

/*
 * What goes with exit and exit_group, so that the sentry need not reach for it: behind struct chan (the window is a page that few
 * short-lived processes touch), if the last argument says so. The guest may lie about itself; CPU time, which counts against limits, is taken from the host.
 */
#define STUB_EXIT_INFO   0x74697865UL
#define STUB_EXIT_OFFSET 0xf00
/* The last argument of an exit after which the host thread waits for its next life: what the host does at an end has been done. */
#define STUB_EXIT_PARKED 0x6b726170UL
#define PARK_SLOTS       64 /* only threads in these */
struct stub_exit_info {
    uint64_t usage[18];      /* the host's struct rusage */
    uint64_t robust_list;    /* 0, or its head's address */
    uint64_t robust_head[3]; /* and what stands there */
};

_Static_assert(sizeof(struct chan) <= STUB_EXIT_OFFSET, "one page for both");

/* chan.gone. A thread that has been told to end has SLOT_LEAVES and its host process there, until it frees the slot. */
#define SLOT_GONE   1U
#define SLOT_LEAVES 0x80000000U

/* What stub and sentry know of the process as a whole, at the end of the first slot's control page. */
#define STUB_PROCESS_OFFSET 0xfc0
struct stub_process {
    uint64_t site_low,
        site_high;           /* between which addresses call sites are rewritten; 0, 0: nowhere */
    uint64_t brk_start, brk; /* the stub may move brk; 0: it may not */
    uint64_t cpu_before_ns; /* CPU time that the host does not count: in processes that exec left */
    uint64_t exits;  /* a bit for each of PARK_SLOTS: an exit is posted there, and nobody rang */
    uint64_t brk_to; /* it is being moved; 0: it is not */
    uint64_t gone;   /* there may be channels with gone set */
};
_Static_assert(STUB_EXIT_OFFSET + sizeof(struct stub_exit_info) <= STUB_PROCESS_OFFSET, "nor more");

static inline uint64_t lease_addr(unsigned index)
{
    return LEASE_MAPS + lease_offset(index);
}

/* How many bytes of argument i the plan has in the window, if they fit. */
static inline uint64_t copy_planned(uint32_t plan, const uint64_t *args, int i)
{
    uint64_t number = plan & 0xfff, to_page_end = 4096 - (args[i] & 4095);
    if (plan >> 12 == PLATFORM_COPY_POKES) {
        return number;
    }
    if (!plan || !args[i]) {
        return 0;
    }
    switch (plan >> 12) {
    case PLATFORM_COPY_IN_ARRAY:
    case PLATFORM_COPY_OUT_ARRAY:
        number = (uint32_t)args[(number & 7) % 6] * (number >> 3);
        return number < PLATFORM_COPY_ARRAY_MAX ? number : PLATFORM_COPY_ARRAY_MAX;
    case PLATFORM_COPY_IN_LEN:
    case PLATFORM_COPY_OUT_LEN:
        return args[number % 6];
    case PLATFORM_COPY_IN_STR:
        return number < to_page_end ? number : to_page_end;
    case PLATFORM_COPY_IN_VECTOR:
        return number * 8;
    case PLATFORM_COPY_IN_MAYBE:
        return args[i] >= PLATFORM_ADDRESS_MIN && args[i] < 1UL << 47 ? number : 0;
    default:
        return number;
    }
}

/* Small outputs one behind the other, each with its bytes behind it, which end at a multiple of 8. */
struct copy_poke {
    uint64_t addr, size;
};

/* Where the next argument's bytes begin in the window. */
static inline uint32_t copy_next(uint32_t offset, uint32_t size)
{
    return offset + ((size + COPY_ALIGN - 1) & ~(COPY_ALIGN - 1U));
}

#define WAKE_COUNT    4096
#define VDSO_TEXT_MAX 0x2000U
struct stub_ro {           /* read-only to guests */
    uint32_t awake;        /* the poller is scanning */
    uint32_t poll_cpu;     /* on this CPU: spinning there would keep it from running */
    uint32_t spin_request; /* loops before a request that nobody answered rings the doorbell */
    uint32_t patch;        /* rewrite call sites */
    uint32_t answer;       /* calls may be answered in the stub */
    uint32_t spin_pipe;    /* loops before a full or empty pipe is slept on */
    uint32_t spin_life;    /* ... before a thread that has ended sleeps until its next life */
    uint32_t spin_join;    /* ... before the end of a thread that was just made is slept for */
    uint32_t cpu_count;    /* as guests see it */
    uint32_t park;         /* threads that end may wait for another life */
    uint32_t rdpid;        /* the CPU has that instruction */
    uint32_t vdso_clock; /* where clock_gettime is in the vDSO, below VDSO_TEXT_MAX; 0: not known */
    uint32_t pad[1012];
    uint32_t wake[WAKE_COUNT];
    uint8_t kept[PLATFORM_COPY_NR_COUNT];     /* 0, or 1 + index into answers, and KEPT_OF_SELF */
    uint8_t has_copy[PLATFORM_COPY_NR_COUNT]; /* the call's plan is not empty */
    uint16_t copy_plan[PLATFORM_COPY_NR_COUNT][6];
    _Alignas(4096) struct platform_stamps stamps; /* of kept lookups */
};

_Static_assert(offsetof(struct stub_ro, kept) == STUB_RO_KEPT, "assembly offset");
_Static_assert(sizeof(struct stub_ro) <= STUB_RO_SIZE, "the mapping's size");

/*
 * A call site that trapped, and what became of it (platform/stub/patch.c). The address is the one behind the syscall.
 * state: >= 0 traps so far; SITE_LEFT it stays; SITE_PUNNED two bytes at address - 2 were 0f 05; from
 * SITE_MOV down: five bytes at address - 7 were mov $(SITE_MOV - state), %eax; from SITE_CPUID down: what stub_leads[SITE_CPUID - state] says.
 */
#define SITE_COUNT  512
#define HOT_SITES   66 /* in the page that each process changes anyway, before the others are begun */
#define SITE_LEFT   (-1)
#define SITE_PUNNED (-2)
#define SITE_MOV    (-3)
#define SITE_CPUID  (-1000)
#define SITE_SPAN   7 /* mov and syscall */
#define SITE_REACH  9 /* bytes before the address that may have changed */
#define SITE_AFTER  3 /* bytes behind it that may be part of a jump */
struct stub_site {
    uint64_t address : 48;
    int64_t state : 16;
};
/* What stood where the jump for a cpuid is (platform/stub/patch_cpuid.c): size bytes, begin before the site's address. */
#define LEAD_COUNT 32
struct stub_lead {
    uint8_t begin, size, code[6];
};

/*
 * Where the process trapped, in the order in which it did; behind struct chan in the first slot's control page. Sites with a
 * mov $nr, %eax before the syscall, that trapped with that number; with SEEN_CHECKED those with the C library's look at the result
 * behind it; and cpuid instructions, with SEEN_CPUID and its flags. ORDER_LOAD may have a list of such sites to rewrite, and ORDER_CLONE.
 */
#define SEEN_CHECKED     0xfffbU
#define SEEN_CPUID       0xfffcU
#define SEEN_CPUID_LED   1U /* the moves before it had done what they seem to do */
#define SEEN_CPUID_OFTEN 2U /* from the sentry: its trampoline may take a page of its own */
#define STUB_SEEN_OFFSET 0xb80
#define SITES_LOADED_MAX 48
struct stub_seen {
    uint64_t address : 48; /* behind the syscall; 0: none */
    uint64_t nr : 16;
};
static inline int seen_is_cpuid(uint64_t nr)
{
    return (nr & ~(uint64_t)(SEEN_CPUID_LED | SEEN_CPUID_OFTEN)) == SEEN_CPUID;
}

/* Attributes of files that may be noted: struct platform_note_stat. */
#define STUB_STATS_OFFSET 0xd40
_Static_assert(STUB_STATS_OFFSET + NOTE_PLACES * sizeof(struct platform_note_stat) <=
                   STUB_EXIT_OFFSET,
               "one page for all");
#define SEEN_SITES                                                                                 \
    48 /* those after them are in the lease page: a process with so many opens files, too */
#define SEEN_MORE 24
struct stub_seen_sites {
    struct stub_seen sites[SEEN_SITES];
    uint8_t traps[SEEN_SITES];
};
_Static_assert(sizeof(struct chan) <= STUB_SEEN_OFFSET &&
                   STUB_SEEN_OFFSET + sizeof(struct stub_seen_sites) <= STUB_STATS_OFFSET,
               "one page");

/*
 * Libraries: the code of kept files, in the lease page. maps: where the stub has mapped them by itself, so that the sentry knows of which
 * file a seen site is. number .. sites: from the sentry, with the open of a kept file in which processes of this program trapped before.
 */
#define LIBRARY_MAPS              8U
#define LIBRARY_SITES             32U
#define LIBRARY_SITE(offset, nr)  ((uint32_t)(offset) << 9 | (nr))
#define LIBRARY_SITE_OFFSET(site) ((site) >> 9) /* in the file, of what is behind the syscall */
#define LIBRARY_SITE_NR(site)     ((site)&511)
#define LIBRARY_SIZE_MAX          (1U << 23)
struct stub_libraries {
    struct stub_library_map {
        uint64_t addr;
        uint32_t offset, size; /* in the file */
    } maps[LIBRARY_MAPS];
    uint8_t numbers[LIBRARY_MAPS]; /* of the kept files; 0: none */
    uint32_t map_count;            /* ever */
    uint32_t number, site_count;
    uint32_t sites[LIBRARY_SITES];
    struct stub_seen more[SEEN_MORE]; /* of struct stub_seen_sites */
    uint8_t more_traps[SEEN_MORE];
};
_Static_assert(sizeof(struct stub_libraries) <=
                   sizeof(((struct platform_lease_page *)0)->libraries),
               "its place");
_Static_assert(PLATFORM_COPY_NR_COUNT <= 512 && STUB_FD_KEPT + STUB_KEPT_MAX <= 256, "what fits");

/* Where the bytes of a rewritten site begin; *size: how many they are, code: what they were. leads: LEAD_COUNT. */
static inline uint64_t site_original(const struct stub_site *s, const struct stub_lead *leads,
                                     uint8_t code[6], uint64_t *size)
{
    uint32_t nr = (uint32_t)(SITE_MOV - s->state);
    uint64_t lead = (uint64_t)(SITE_CPUID - s->state);
    struct stub_lead l = {.begin = 2, .size = 2, .code = {0x0f, 0x05}};
    if (lead < LEAD_COUNT) {
        l = leads[lead];
    } else if (s->state <= SITE_MOV) {
        l = (struct stub_lead){
            .begin = SITE_SPAN, .size = 5, .code = {0xb8, (uint8_t)nr, (uint8_t)(nr >> 8)}};
    }
    *size = l.size <= sizeof(l.code) ? l.size : sizeof(l.code);
    __builtin_memcpy(code, l.code, sizeof(l.code));
    return (uint64_t)s->address - l.begin;
}

/* Puts the bytes that were there before into a copy of the guest's [addr, addr + size). */
static inline void site_show_original(const struct stub_site *s, const struct stub_lead *leads,
                                      uint8_t *copy, uint64_t addr, uint64_t size)
{
    uint8_t code[6];
    uint64_t count, start = site_original(s, leads, code, &count);
    for (uint64_t i = 0; s->state < SITE_LEFT && i < count; i++) {
        if (start + i - addr < size) {
            copy[start + i - addr] = code[i];
        }
    }
}

/* At STUB_TEXT: where things are in the image, for the sentry (which reads its own copy). */
#define STUB_MAGIC 0x62757473u
struct stub_info {
    uint32_t magic;
    uint32_t gate_count;
    uint64_t gate_ips[6];  /* addresses behind the gate's syscall instructions */
    uint64_t gate_syscall; /* one of them, the instruction itself: for the ptrace engine */
    uint64_t exec_path, exec_argv, exec_envp;
    uint64_t sites, hot_sites; /* struct stub_site[SITE_COUNT], [HOT_SITES] */
    uint64_t leads;            /* struct stub_lead[LEAD_COUNT] */
};

#endif
