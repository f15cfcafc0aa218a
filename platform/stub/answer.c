/*
 * System calls that need no authority, and so no trip to the sentry: the guest's own thread makes or answers them.
 *
 *   kept       the sentry answered before, and said that the answer holds until it takes it back (getpid ...)
 *   the gate   the host's call is harmless with any arguments: futexes, sched_yield, membarrier
 *   own state  the thread's segment bases, its signal mask, its robust list; signals to itself: signal.c
 *   memory     anonymous private mappings: memory.c
 *   files      that the process has a lease of: files.c; directories.c
 *   names      that the sentry looked up before: names.c
 *
 * What is kept here is the guest's to spoil: a wrong value hurts only the process that wrote it, and the
 * sentry takes a signal mask as it would take one from rt_sigprocmask.
 */
#include <asm/unistd.h>

#include "platform/stub/stub.h"

#define EINVAL_                22
#define ERESTARTSYS_           512
#define ERESTART_RESTARTBLOCK_ 516
#define FUTEX_COMMAND          0x7fU
#define FUTEX_WAIT_            0U
#define FUTEX_WAKE_PRIVATE_    0x81U
#define FUTEX_WAIT_BITSET_     9U
#define SA_RESTORER_           0x04000000UL
#define NEVER_BLOCKED          (1UL << 8 | 1UL << 18) /* SIGKILL, SIGSTOP */

/* pthread_once and semaphores wake whoever may wait, and in a process of one thread nobody does. */
static int wakes_nobody(const uint64_t *a)
{
    return (uint32_t)a[1] == FUTEX_WAKE_PRIVATE_ && (a[0] & 3) == 0 && a[0] < TASK_SIZE &&
           stub_single_threaded();
}

static long stub_futex(struct area *area)
{
    const uint64_t *a = area->args;
    uint32_t op = (uint32_t)a[1] & FUTEX_COMMAND;
    if (wakes_nobody(a)) {
        return 0;
    }
    if (a[0] == area->made_tid && (op == FUTEX_WAIT_ || op == FUTEX_WAIT_BITSET_)) {
        stub_join_soon(area, a[0], (uint32_t)a[2]);
    }
    long r = gate_wait(area, a[0], a[1], a[2], a[3], a[4], a[5]);
    if (r == -EINTR_ && area->kick) {
        area->restart = op == FUTEX_WAIT_ && a[3] ? ERESTART_RESTARTBLOCK_ : ERESTARTSYS_;
    }
    return r;
}

long stub_wait(struct area *area, uint32_t *word, uint32_t value)
{
    long r = gate_wait(area, ptr(word), 0 /* FUTEX_WAIT */, value, 0, 0, 0);
    if (r == -EINTR_ && area->kick) {
        area->restart = ERESTARTSYS_;
        return r;
    }
    return 0;
}

/* arch_prctl of this thread's own segment bases; anything else is the sentry's. Return: or NOT_OURS. */
static long stub_arch_prctl(uint64_t code, uint64_t addr)
{
    uint64_t base;
    switch (code) {
    case 0x1001: /* ARCH_SET_GS */
    case 0x1002: /* ARCH_SET_FS */
        if (addr >= TASK_SIZE) {
            return -1; /* EPERM, as Linux */
        }
        if (code == 0x1002) {
            __asm__ volatile("wrfsbase %0" ::"r"(addr));
        } else {
            __asm__ volatile("wrgsbase %0" ::"r"(addr));
        }
        return 0;
    case 0x1003: /* ARCH_GET_FS */
        base = base_of_fs();
        return guarded_copy8((void *)addr, &base);
    case 0x1004: /* ARCH_GET_GS */
        base = base_of_gs();
        return guarded_copy8((void *)addr, &base);
    default:
        return NOT_OURS;
    }
}

/* What the sentry may have asked for that makes this memory call its own. */
static uint32_t memory_ask(uint64_t nr, const uint64_t *a)
{
    return CHAN_ASK_MEMORY | (nr == __NR_mprotect && a[2] & 4 /* PROT_EXEC */ ? CHAN_ASK_CODE : 0);
}

/* Return: its result, or NOT_OURS. */
static long stub_sigprocmask(struct area *area)
{
    struct chan *c = area->chan;
    const uint64_t *a = area->args;
    uint64_t old = c->sigmask, set, mask = old;
    if (a[3] != sizeof(set)) {
        return -EINVAL_;
    }
    if (a[1]) {
        if (guarded_copy8(&set, (const void *)a[1]) != 0) {
            return -EFAULT_;
        }
        switch ((uint32_t)a[0]) {
        case 0: /* SIG_BLOCK */
            mask = old | set;
            break;
        case 1: /* SIG_UNBLOCK */
            mask = old & ~set;
            break;
        case 2: /* SIG_SETMASK */
            mask = set;
            break;
        default:
            return -EINVAL_;
        }
        mask &= ~NEVER_BLOCKED;
    }
    if (mask != old) {
        area->mask_changed = CHAN_MASK;
        __atomic_store_n(&c->sigmask, mask, __ATOMIC_SEQ_CST);
        if (__atomic_load_n(&c->ask, __ATOMIC_SEQ_CST) & CHAN_ASK_MASK) {
            __atomic_store_n(&c->sigmask, old, __ATOMIC_SEQ_CST);
            return NOT_OURS;
        }
    }
    return a[2] ? guarded_copy8((void *)a[2], &old) : 0;
}

/*
 * rt_sigaction in a child of vfork, of a signal with which nothing is done: posix_spawn asks for each, and sets it back to that,
 * which leaves the C library's restorer there. DEVIATION: such a child's own children don't see that restorer. Return: or NOT_OURS.
 */
static long stub_default_action(struct area *area)
{
    const uint64_t *a = area->args;
    const struct chan *c = area->chan;
    uint64_t bit = a[0] - 1 < 64 ? 1UL << (a[0] - 1) : 0;
    struct stub_action new = {0}, old = {0};
    if (a[3] != 8 || !(__atomic_load_n(&c->default_actions, __ATOMIC_SEQ_CST) & bit)) {
        return NOT_OURS;
    }
    if (area->restored & bit) {
        old.flags = SA_RESTORER_;
        old.restorer = area->restorer;
    }
    long r = 0;
    if (a[1]) {
        int known = guarded_copy(&new, (const void *)a[1], sizeof(new)) == 0 &&
                    new.flags == SA_RESTORER_ && !new.handler && !new.mask &&
                    (!area->restored || new.restorer == area->restorer);
        if (!known || bit & NEVER_BLOCKED ||
            __atomic_load_n(&c->ask, __ATOMIC_SEQ_CST) & CHAN_ASK_MASK) {
            if (!(area->restored & bit)) {
                return NOT_OURS;
            }
            r = stub_ask(area, __NR_rt_sigaction, a[0], a[1], a[2], a[3]);
            area->restored &= r == 0 ? ~bit : ~0UL;
        } else {
            area->restorer = new.restorer;
            area->restored |= bit;
        }
    }
    if (r == 0 && a[2] && guarded_copy((void *)a[2], &old, sizeof(old)) != 0) {
        return -EFAULT_;
    }
    return r;
}

/* Return: 1 when *result is the call's, 0 when it is the sentry's. */
static long answer_kept(struct area *area, uint32_t kept, long *result)
{
    if (!kept) {
        return 0;
    }
    uint64_t answer = area->chan->answers[(kept & 0x7f) - 1];
    if (!(answer & ANSWER_VALID) || ((kept & PLATFORM_ANSWER_OF_SELF) && (uint32_t)area->args[0])) {
        return 0;
    }
    *result = (long)(answer & ~ANSWER_VALID);
    return 1;
}

/* getresuid and getresgid: two kept answers, and the third id in a slot that no call has. Return: or NOT_OURS. */
static long three_ids(const struct area *area, uint32_t real, uint32_t effective, uint64_t saved)
{
    const uint64_t *answers = area->chan->answers;
    uint32_t slots[3] = {(RO->kept[real] & 0x7fU) - 1, (RO->kept[effective] & 0x7fU) - 1,
                         PLATFORM_ANSWER_SLOT(saved)};
    uint64_t ids[3];
    for (int i = 0; i < 3; i++) {
        ids[i] = slots[i] < ANSWER_COUNT ? answers[slots[i]] : 0;
        if (!(ids[i] & ANSWER_VALID)) {
            return NOT_OURS;
        }
    }
    for (int i = 0; i < 3; i++) {
        if (guarded_copy((void *)area->args[i], &ids[i], sizeof(uint32_t)) != 0) {
            return -EFAULT_;
        }
    }
    return 0;
}

/* Calls may be answered here, and nothing of `ask` is left to the sentry. */
static int may(const struct area *area, uint32_t ask)
{
    return RO->answer && !(area->chan->ask & ask);
}

/* An open for which there is something prepared by now; guests would trap where the call site is rewritten before the call. */
long stub_redo(struct area *area, uint64_t nr)
{
    int opens = (nr == __NR_open || nr == __NR_openat) && nr == (uint32_t)area->nr;
    return opens && !area->kick && may(area, CHAN_ASK_NAMES | CHAN_ASK_FILES) ? stub_name(area, nr)
                                                                              : NOT_OURS;
}

/* In a directory where the process may make files by noting it. */
static long create(struct area *area, uint64_t nr)
{
    return *(volatile uint32_t *)&lease_page()->creates.granted &&
                   may(area, CHAN_ASK_NAMES | CHAN_ASK_FILES | CHAN_ASK_FACTS)
               ? stub_create(area, nr)
               : NOT_OURS;
}

long stub_answer(struct area *area, uint64_t nr, long *result)
{
    uint32_t kept = nr < PLATFORM_COPY_NR_COUNT ? RO->kept[nr] : 0;
    if (kept) {
        return answer_kept(area, kept, result);
    }
    long r;
    switch (nr) {
    case __NR_rt_sigprocmask:
        r = RO->answer ? stub_sigprocmask(area) : NOT_OURS;
        break;
    case __NR_sigaltstack:
        r = RO->answer && !area->args[0] ? stub_altstack(area, area->args[1]) : NOT_OURS;
        break;
    case __NR_kill:
    case __NR_tkill:
    case __NR_tgkill:
        r = stub_signal_self(area, nr);
        break;
    case __NR_read:
    case __NR_pread64:
    case __NR_readv:
    case __NR_preadv:
    case __NR_preadv2:
    case __NR_write:
    case __NR_pwrite64:
    case __NR_writev:
    case __NR_pwritev:
    case __NR_pwritev2:
    case __NR_fstat:
    case __NR_getdents64:
    case __NR_close:
    case __NR_fchmod:
    case __NR_fchown:
    case __NR_fadvise64:
    case __NR_epoll_wait:
    case __NR_epoll_pwait:
        r = may(area, CHAN_ASK_FILES) ? stub_file(area, nr) : NOT_OURS;
        break;
    case __NR_lseek:
    case __NR_ioctl:
        r = may(area, CHAN_ASK_FILES) ? stub_file(area, nr) : NOT_OURS;
        if (r == NOT_OURS && may(area, CHAN_ASK_FILES)) {
            r = stub_fd_kind(nr, area->args);
        }
        break;
    case __NR_fcntl:
        r = may(area, CHAN_ASK_FILES) ? stub_fcntl(area->args) : NOT_OURS;
        break;
    case __NR_poll:
    case __NR_ppoll:
    case __NR_select:
    case __NR_pselect6:
        r = may(area, CHAN_ASK_FILES) ? stub_poll(nr, area->args) : NOT_OURS;
        break;
    case __NR_clock_gettime:
    case __NR_gettimeofday:
    case __NR_time:
    case __NR_getcpu:
    case __NR_getrusage:
    case __NR_getrandom:
        r = RO->answer ? stub_clock(area, nr) : NOT_OURS;
        break;
    case __NR_times:
        r = may(area, CHAN_ASK_USAGE | CHAN_ASK_FACTS) ? stub_times(area->args[0]) : NOT_OURS;
        break;
    case __NR_getresuid:
        r = RO->answer ? three_ids(area, __NR_getuid, __NR_geteuid, PLATFORM_ANSWER_SUID)
                       : NOT_OURS;
        break;
    case __NR_getresgid:
        r = RO->answer ? three_ids(area, __NR_getgid, __NR_getegid, PLATFORM_ANSWER_SGID)
                       : NOT_OURS;
        break;
    case __NR_uname:
    case __NR_getcwd:
    case __NR_getrlimit:
    case __NR_prlimit64:
    case __NR_umask:
        r = may(area, CHAN_ASK_FACTS) ? stub_facts(area, nr) : NOT_OURS;
        break;
    case __NR_rt_sigaction:
        r = RO->answer ? stub_default_action(area) : NOT_OURS;
        if (r != NOT_OURS) {
            break;
        }
        __attribute__((fallthrough));
    case __NR_wait4:
        r = may(area, CHAN_ASK_FACTS) ? stub_facts(area, nr) : NOT_OURS;
        break;
    case __NR_open:
    case __NR_openat:
        r = may(area, CHAN_ASK_NAMES | CHAN_ASK_FILES) ? stub_name(area, nr) : NOT_OURS;
        r = r == NOT_OURS ? create(area, nr) : r;
        break;
    case __NR_unlink:
    case __NR_unlinkat:
        r = create(area, nr);
        break;
    case __NR_utimensat:
        r = area->args[1]               ? create(area, nr)
            : may(area, CHAN_ASK_FILES) ? stub_file(area, nr)
                                        : NOT_OURS;
        break;
    case __NR_newfstatat:
        if (area->args[3] & AT_EMPTY_PATH_) {
            r = may(area, CHAN_ASK_FILES) ? stub_file(area, nr) : NOT_OURS;
            break;
        }
        __attribute__((fallthrough));
    case __NR_stat:
    case __NR_lstat:
    case __NR_statx:
    case __NR_access:
    case __NR_faccessat:
    case __NR_getxattr:
    case __NR_lgetxattr:
        r = may(area, CHAN_ASK_NAMES) ? stub_name(area, nr) : NOT_OURS;
        r = r == NOT_OURS ? create(area, nr) : r;
        break;
    case __NR_readlink:
    case __NR_readlinkat:
        r = may(area, CHAN_ASK_FACTS) ? stub_facts(area, nr) : NOT_OURS;
        if (r == NOT_OURS && may(area, CHAN_ASK_NAMES)) {
            r = stub_name(area, nr);
        }
        break;
    case __NR_mmap:
        if (!(area->args[3] & 0x20 /* MAP_ANONYMOUS */)) {
            r = may(area, CHAN_ASK_MEMORY | CHAN_ASK_FILES) ? stub_file_map(area->args) : NOT_OURS;
            break;
        }
        /* fall through */
    case __NR_munmap:
    case __NR_mprotect:
    case __NR_madvise:
    case __NR_msync:
    case __NR_mincore:
        r = may(area, memory_ask(nr, area->args)) ? stub_memory(nr, area->args) : NOT_OURS;
        break;
    case __NR_brk:
        r = may(area, CHAN_ASK_MEMORY) ? stub_brk(area->args[0]) : NOT_OURS;
        break;
    case __NR_futex:
        *result = stub_futex(area);
        return 1;
    case __NR_rseq: /* there are no restartable sequences: every program start asks */
        r = RO->answer ? -ENOSYS_ : NOT_OURS;
        break;
    case __NR_set_robust_list:
        r = NOT_OURS;
        if (RO->answer) {
            r = area->args[1] == 24 ? 0 : -EINVAL_;
            area->chan->robust_list = r == 0 ? area->args[0] : area->chan->robust_list;
        }
        break;
    case __NR_sched_yield:
        r = gate(nr, 0, 0, 0, 0, 0, 0);
        break;
    case __NR_membarrier: /* which there are (0) the sentry knows: fewer than the host has */
        r = !(uint32_t)area->args[0]
                ? NOT_OURS
                : gate(nr, area->args[0], area->args[1], area->args[2], 0, 0, 0);
        break;
    case __NR_arch_prctl:
        r = stub_arch_prctl(area->args[0], area->args[1]);
        break;
    case __NR_rt_sigreturn: /* by a patched site; handlers.c takes the trapping ones */
        area->sigreturn = 1;
        area->kick = 1;
        *result = (long)nr;
        return 1;
    case __NR_set_tid_address:
        if (area->is_thread) {
            area->clear_tid = area->args[0];
        } else {
            gate(nr, area->args[0], 0, 0, 0, 0, 0); /* the host clears it at exit, and wakes */
        }
        if (!answer_kept(area, RO->kept[__NR_gettid], result)) {
            return 0;
        }
        area->chan->tid_address = area->args[0];
        area->chan->has_tid_address = 1;
        return 1;
    default:
        return 0;
    }
    *result = r;
    return r != NOT_OURS;
}
