/*
 * The host filter that every stub lives under: the wall between a guest and the host kernel.
 *
 * It is installed once, by the first stub, and inherited across fork and exec. It decides by architecture,
 * then by the exact address behind the syscall instruction: outside the stub's gate everything is
 * RET_TRAP (a SIGSYS into the stub: that is how guest calls are caught). At the gate a guest may jump
 * anywhere with any registers, so what is ALLOWed here is harmless with any arguments:
 *
 *   futex WAIT WAKE and BITSET forms, WAKE_OP; REQUEUE only private     its own memory
 *   rt_sigreturn rt_sigaction sigaltstack gettid sched_yield            its own thread
 *   set_tid_address close exit exit_group getrusage getrandom, membarrier's private commands
 *   restart_syscall: goes on with a futex wait of its own that a host's stop broke off
 *   arch_prctl(ARCH_SET_CPUID): does cpuid fault?                       its own thread
 *   clock_gettime of the clocks that have a name of their own           no other process's
 *   munmap mprotect madvise msync mincore mmap, outside the slice       its own memory
 *     mmap: private anonymous, or of an fd that STUB_FD_IS_MAPPABLE (read-only files that it was given);
 *     its own channels and the read-only page at their places
 *   pwrite64 of STUB_FD_WRITE                                           a file that it may write
 *   pread64 of the files that it keeps, which it may map                files that everybody may read
 *
 * Everything else at the gate is RET_USER_NOTIF: the sentry compares the scalars with what it ordered.
 *
 * libseccomp has no instruction pointer in its rules; hence classic BPF by hand.
 */
#include "platform/seccomp/filter.h"

#include <asm/prctl.h>
#include <errno.h>
#include <linux/audit.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "lib/bug.h"
#include "platform/stub_image.h"

struct builder {
    struct sock_filter *code;
    size_t count;
};

#define LO32(x)     ((uint32_t)(x))
#define HI32(x)     ((uint32_t)((uint64_t)(x) >> 32))
#define DATA(field) ((uint32_t)offsetof(struct seccomp_data, field))
#define ARG_LO(i)   (DATA(args) + 8 * (i))
#define ARG_HI(i)   (ARG_LO(i) + 4)

static void emit(struct builder *b, uint16_t code, uint8_t jt, uint8_t jf, uint32_t k)
{
    BUG_ON(b->count >= STUB_FILTER_MAX);
    b->code[b->count++] = (struct sock_filter){code, jt, jf, k};
}

static void load(struct builder *b, uint32_t offset)
{
    emit(b, BPF_LD | BPF_W | BPF_ABS, 0, 0, offset);
}

static void ret(struct builder *b, uint32_t action)
{
    emit(b, BPF_RET | BPF_K, 0, 0, action);
}

/* "If the accumulator is not k, skip to the matching block_end." Returns what block_end needs. */
static size_t block_if_equal(struct builder *b, uint32_t k)
{
    emit(b, BPF_JMP | BPF_JEQ | BPF_K, 0, 0, k);
    return b->count - 1;
}

static void block_end(struct builder *b, size_t start)
{
    size_t distance = b->count - start - 1;
    BUG_ON(distance > 255);
    b->code[start].jf = (uint8_t)distance;
}

/* Notifies unless the accumulator is k. */
static void require_equal(struct builder *b, uint32_t k)
{
    emit(b, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, k);
    ret(b, SECCOMP_RET_USER_NOTIF);
}

/* Notifies unless the loaded word has no bit outside mask. */
static void require_mask(struct builder *b, uint32_t offset, uint32_t mask)
{
    load(b, offset);
    emit(b, BPF_ALU | BPF_AND | BPF_K, 0, 0, ~mask);
    require_equal(b, 0);
}

/* Allows a word below 32 that has its bit in set, and notifies of all others. */
static void allow_numbers(struct builder *b, uint32_t offset, uint32_t set)
{
    load(b, offset);
    emit(b, BPF_JMP | BPF_JGE | BPF_K, 0, 1, 32);
    ret(b, SECCOMP_RET_USER_NOTIF);
    emit(b, BPF_MISC | BPF_TAX, 0, 0, 0);
    emit(b, BPF_LD | BPF_IMM, 0, 0, 1);
    emit(b, BPF_ALU | BPF_LSH | BPF_X, 0, 0, 0);
    emit(b, BPF_JMP | BPF_JSET | BPF_K, 0, 1, set);
    ret(b, SECCOMP_RET_ALLOW);
    ret(b, SECCOMP_RET_USER_NOTIF);
}

/*
 * [args[0], +args[1]) can't touch the slice: the high halves of the address and of the size decide.
 * A size below 4 GiB that starts below the 4 GiB before the slice ends before it.
 */
static void require_outside_slice(struct builder *b)
{
    load(b, ARG_HI(1));
    require_equal(b, 0);
    load(b, ARG_HI(0));
    emit(b, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, SLICE_HI);
    emit(b, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, SLICE_HI - 1);
    ret(b, SECCOMP_RET_USER_NOTIF);
}

static void filter_where(struct builder *b)
{
    const struct stub_info *info = stub_image_info();
    load(b, DATA(arch));
    emit(b, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, AUDIT_ARCH_X86_64);
    ret(b, SECCOMP_RET_TRAP);
    load(b, DATA(instruction_pointer) + 4);
    emit(b, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, HI32(info->gate_ips[0]));
    ret(b, SECCOMP_RET_TRAP);
    load(b, DATA(instruction_pointer));
    for (uint32_t i = 0; i < info->gate_count; i++) {
        emit(b, BPF_JMP | BPF_JEQ | BPF_K, (uint8_t)(info->gate_count - i), 0,
             LO32(info->gate_ips[i]));
    }
    ret(b, SECCOMP_RET_TRAP);
}

static void filter_futex(struct builder *b)
{
    static const uint32_t allowed[] = {
        FUTEX_WAIT,
        FUTEX_WAKE,
        FUTEX_WAIT_BITSET,
        FUTEX_WAKE_BITSET,
        FUTEX_WAKE_OP,
        /* shared requeue could move another guest's sleeper off the read-only page */
        FUTEX_REQUEUE | FUTEX_PRIVATE_FLAG,
        FUTEX_CMP_REQUEUE | FUTEX_PRIVATE_FLAG,
    };
    size_t block = block_if_equal(b, SYS_futex);
    load(b, ARG_LO(1));
    emit(b, BPF_ALU | BPF_AND | BPF_K, 0, 0, ~(uint32_t)FUTEX_CLOCK_REALTIME);
    for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++) {
        emit(b, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, allowed[i]);
        ret(b, SECCOMP_RET_ALLOW);
        if (!(allowed[i] & FUTEX_PRIVATE_FLAG)) {
            emit(b, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, allowed[i] | FUTEX_PRIVATE_FLAG);
            ret(b, SECCOMP_RET_ALLOW);
        }
    }
    ret(b, SECCOMP_RET_ERRNO | ENOSYS);
    block_end(b, block);
}

static void filter_harmless(struct builder *b)
{
    static const uint32_t calls[] = {
        SYS_rt_sigreturn,    SYS_rt_sigaction,    SYS_sigaltstack, SYS_sched_yield, SYS_gettid,
        SYS_set_tid_address, SYS_close,           SYS_exit_group,  SYS_getrusage,   SYS_exit,
        SYS_getrandom,       SYS_restart_syscall,
    };
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        emit(b, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, calls[i]);
        ret(b, SECCOMP_RET_ALLOW);
    }
}

/* The call nr, if its first argument is this one. */
static void filter_first(struct builder *b, uint32_t nr, uint32_t value)
{
    size_t block = block_if_equal(b, nr);
    load(b, ARG_LO(0));
    require_equal(b, value);
    ret(b, SECCOMP_RET_ALLOW);
    block_end(b, block);
}

static void filter_clock(struct builder *b)
{
    size_t block = block_if_equal(b, SYS_clock_gettime);
    allow_numbers(b, ARG_LO(0), GATE_CLOCKS);
    block_end(b, block);
}

/* Of the files that it may map privately: it sees nothing that it could not see so. */
static void filter_read(struct builder *b)
{
    size_t block = block_if_equal(b, SYS_pread64);
    load(b, ARG_LO(0));
    emit(b, BPF_JMP | BPF_JGE | BPF_K, 0, 2, STUB_FD_KEPT);
    emit(b, BPF_JMP | BPF_JGE | BPF_K, 1, 0, STUB_FD_KEPT + STUB_KEPT_MAX);
    ret(b, SECCOMP_RET_ALLOW);
    ret(b, SECCOMP_RET_USER_NOTIF);
    block_end(b, block);
}

static void filter_membarrier(struct builder *b)
{
    static const uint32_t commands[] = {
        MEMBARRIER_CMD_QUERY,
        MEMBARRIER_CMD_PRIVATE_EXPEDITED,
        MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED,
        MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE,
        MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE,
    };
    size_t block = block_if_equal(b, SYS_membarrier);
    load(b, ARG_LO(0));
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        emit(b, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, commands[i]);
        ret(b, SECCOMP_RET_ALLOW);
    }
    ret(b, SECCOMP_RET_ERRNO | EINVAL);
    block_end(b, block);
}

/* What flushes its mappings, or tells what of them is in memory. */
static void filter_mapped(struct builder *b)
{
    static const uint32_t calls[] = {SYS_msync, SYS_mincore};
    for (size_t i = 0; i < ARRAY_COUNT(calls); i++) {
        size_t block = block_if_equal(b, calls[i]);
        require_outside_slice(b);
        ret(b, SECCOMP_RET_ALLOW);
        block_end(b, block);
    }
}

/* Allows mmap(addr, size, prot, MAP_SHARED|MAP_FIXED, fd, 0) exactly. */
static void allow_mapping(struct builder *b, uint64_t addr, uint64_t size, uint32_t prot,
                          uint32_t fd)
{
    const struct {
        uint32_t offset, value;
    } words[] = {
        {ARG_LO(0), LO32(addr)},
        {ARG_HI(0), HI32(addr)},
        {ARG_LO(1), LO32(size)},
        {ARG_HI(1), HI32(size)},
        {ARG_LO(2), prot},
        {ARG_HI(2), 0},
        {ARG_LO(3), MAP_SHARED | MAP_FIXED},
        {ARG_HI(3), 0},
        {ARG_LO(4), fd},
        {ARG_LO(5), 0},
        {ARG_HI(5), 0},
    };
    for (size_t i = 0; i < ARRAY_COUNT(words); i++) {
        load(b, words[i].offset);
        emit(b, BPF_JMP | BPF_JEQ | BPF_K, 0, (uint8_t)(2 * (ARRAY_COUNT(words) - i) - 1),
             words[i].value);
    }
    ret(b, SECCOMP_RET_ALLOW);
}

static void filter_memory(struct builder *b)
{
    size_t block = block_if_equal(b, SYS_munmap);
    require_outside_slice(b);
    ret(b, SECCOMP_RET_ALLOW);
    block_end(b, block);

    block = block_if_equal(b, SYS_mprotect);
    require_outside_slice(b);
    require_mask(b, ARG_LO(2), PROT_READ | PROT_WRITE | PROT_EXEC);
    ret(b, SECCOMP_RET_ALLOW);
    block_end(b, block);

    /* madvise: what only touches one's own pages; no MERGEABLE (a side channel), no HWPOISON */
    block = block_if_equal(b, SYS_madvise);
    require_outside_slice(b);
    allow_numbers(b, ARG_LO(2), GATE_ADVICE);
    block_end(b, block);

    block = block_if_equal(b, SYS_mmap);
    allow_mapping(b, CHAN_BASE, CHAN_SIZE, PROT_READ | PROT_WRITE, STUB_FD_CHAN);
    allow_mapping(b, STUB_RO, STUB_RO_SIZE, PROT_READ, STUB_FD_RO);
    require_outside_slice(b);
    require_mask(b, ARG_LO(2), PROT_READ | PROT_WRITE | PROT_EXEC);
    load(b, ARG_LO(3));
    emit(b, BPF_ALU | BPF_AND | BPF_K, 0, 0,
         ~(uint32_t)(MAP_FIXED | MAP_FIXED_NOREPLACE | MAP_NORESERVE | MAP_STACK | MAP_POPULATE |
                     MAP_NONBLOCK | MAP_DENYWRITE | MAP_EXECUTABLE));
    emit(b, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, MAP_PRIVATE | MAP_ANONYMOUS);
    ret(b, SECCOMP_RET_ALLOW);
    emit(b, BPF_JMP | BPF_JEQ | BPF_K, 2, 0, MAP_PRIVATE);
    emit(b, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, MAP_SHARED);
    ret(b, SECCOMP_RET_USER_NOTIF);
    load(b, ARG_LO(4));
    emit(b, BPF_JMP | BPF_JGE | BPF_K, 0, 4, STUB_FD_KEPT);
    emit(b, BPF_JMP | BPF_JGE | BPF_K, 0, 2, STUB_FD_KEPT + STUB_KEPT_MAX);
    emit(b, BPF_JMP | BPF_JGE | BPF_K, 0, 2, STUB_FD_GIVEN);
    emit(b, BPF_JMP | BPF_JGE | BPF_K, 1, 0, 0x80000000U);
    ret(b, SECCOMP_RET_ALLOW);
    ret(b, SECCOMP_RET_USER_NOTIF);
    block_end(b, block);
}

size_t stub_filter_build(struct sock_filter out[STUB_FILTER_MAX])
{
    struct builder b = {.code = out};
    filter_where(&b);
    load(&b, DATA(nr));
    filter_futex(&b); /* what costs least by itself comes first */
    filter_memory(&b);
    filter_clock(&b);
    filter_first(&b, SYS_pwrite64, STUB_FD_WRITE); /* how far, its resource limit says (writer.c) */
    filter_read(&b);
    filter_first(&b, SYS_arch_prctl,
                 ARCH_SET_CPUID); /* whether cpuid faults is a thread's own affair */
    filter_harmless(&b);
    filter_mapped(&b);
    filter_membarrier(&b);
    ret(&b, SECCOMP_RET_USER_NOTIF);
    return b.count;
}
